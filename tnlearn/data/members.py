"""An array in a file or in an `.npz` archive, read a stretch of rows at a time.

A memory map would do for a plain file; but its pages count as memory of the process,
and a batch system kills for that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import FileError
from tnlearn.physics.memory import check_memory

__all__ = ["NpyMember"]

Array = NDArray[Any]

_STEP = 2**22
# Bytes in a row that are worth a seek.
_RUN = 2**14


class NpyMember:
    """An array in `.npy` format with a shape, a dtype and slices of rows, none kept.

    Parameters
    ----------
    name : str
        What it is called in messages.
    opened : function
        Gives a fresh binary stream that can seek, from the start of the format.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy dtype
    """

    def __init__(self, name: str, opened: Callable[[], Any]) -> None:
        self._name = name
        self._stream = opened()
        try:
            self._read_header()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    def __getitem__(self, index: Any) -> Array:
        if index is Ellipsis or not self.shape:
            whole = self._all()
            return whole if index is Ellipsis else np.asarray(whole[index])
        start, stop, step = index.indices(self.shape[0])
        rows = self._scattered(start, stop) if self._fortran else self._rows(start, stop)
        return rows[::step]

    def _read_header(self) -> None:
        version = np.lib.format.read_magic(self._stream)
        reader = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if reader is None:
            raise ValueError(f"{self._name} has an unknown version {version}")
        self.shape, self._fortran, self.dtype = reader(self._stream)
        if self.dtype.hasobject:
            raise FileError(
                f"{self._name} holds Python objects, which are never loaded: they could run code; "
                "save it as an array of numbers"
            )
        self._data = self._stream.tell()

    def _all(self) -> Array:
        self._stream.seek(self._data)
        count = int(np.prod(self.shape, dtype=np.int64))
        check_memory(f"{self._name}, which cannot be read by rows,", count * self.dtype.itemsize)
        flat = self._take(count * self.dtype.itemsize)
        order = self.shape[::-1] if self._fortran else self.shape
        array = flat.view(self.dtype).reshape(order)
        return array.T if self._fortran else array

    def _rows(self, start: int, stop: int) -> Array:
        row = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        self._stream.seek(self._data + start * row)
        flat = self._take(max(0, stop - start) * row)
        return flat.view(self.dtype).reshape(max(0, stop - start), *self.shape[1:])

    def _scattered(self, start: int, stop: int) -> Array:
        """Rows of an array in Fortran order: there the first index runs fastest."""
        rows, count = self.shape[0], max(0, stop - start)
        columns = int(np.prod(self.shape[1:], dtype=np.int64))
        width = self.dtype.itemsize
        found = np.empty((columns, count), dtype=self.dtype)
        # Short runs are picked out of what is read in one piece, long ones one by one.
        at_once = 1 if count * width >= _RUN else max(1, _STEP // max(1, rows * width))
        for k in range(0, columns, at_once):
            some = min(at_once, columns - k)
            if at_once == 1:
                self._stream.seek(self._data + (k * rows + start) * width)
                found[k] = self._take(count * width).view(self.dtype)
            else:
                self._stream.seek(self._data + k * rows * width)
                piece = self._take(some * rows * width).view(self.dtype)
                found[k : k + some] = piece.reshape(some, rows)[:, start:stop]
        return found.T.reshape(count, *self.shape[:0:-1]).transpose(
            0, *range(len(self.shape) - 1, 0, -1)
        )

    def _take(self, count: int) -> Array:
        buffer = np.empty(count, dtype=np.uint8)
        view = memoryview(buffer)  # type: ignore[arg-type]
        done = 0
        while done < count:
            got = self._stream.readinto(view[done : done + _STEP])
            if not got:
                raise EOFError(f"{self._name} ends too early")
            done += got
        return buffer
