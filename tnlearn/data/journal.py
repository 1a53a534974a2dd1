"""Results appended stretch by stretch, each with its SHA-256: what a killed process left counts.

A journal is a JSON line that says which run it belongs to, then records.  A record is
the first sample and the number of samples (two little-endian 64-bit integers), the
SHA-256 of these and of the rows, and the rows.  Reading stops at the first record that
is not whole; writing goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import FileError
from tnlearn.files import lock
from tnlearn.records import differing

__all__ = ["Journal"]

Array = NDArray[Any]

FORMAT = "tnlearn-labels/1"
_HEAD = struct.Struct("<QQ")
_SUM = 32


class Journal:
    """The rows labelled so far, in a file locked while it is in use.

    Parameters
    ----------
    path : Path
    run : JSON-able
        What is labelled and how; a journal of another run is refused.
    dtype : structured numpy dtype
        Of one row.

    Attributes
    ----------
    done : int
        Samples whose rows are in the journal; always the first ones.

    Raises
    ------
    FileError
        If it cannot be written, belongs to another run, or is in use.
    """

    def __init__(self, path: Path, run: Any, dtype: np.dtype[Any]) -> None:
        self.path, self.dtype = path, dtype
        self.done = 0
        line = json.dumps({"format": FORMAT, "rows": str(dtype.descr), "run": run}, sort_keys=True)
        self._head = line.encode() + b"\n"
        try:
            self._stream = path.open("a+b")
        except OSError as error:
            raise FileError(
                f"cannot write {path}: {error.strerror or error}; give a folder that exists and "
                "is writable"
            ) from error
        try:
            if not lock(self._stream):
                raise FileError(
                    f"{path} is in use by another process; wait for it, or give another output"
                )
            self._go_on(run)
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    def append(self, rows: Array) -> None:
        """Add the rows of the next samples and flush them to the disk."""
        body = np.ascontiguousarray(rows, dtype=self.dtype).tobytes()
        head = _HEAD.pack(self.done, len(rows))
        try:
            self._stream.write(head + hashlib.sha256(head + body).digest() + body)
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise FileError(
                f"cannot write {self.path}: {error.strerror or error}; what was labelled so far "
                "is kept, and the same command goes on from there"
            ) from error
        self.done += len(rows)

    def rows(self) -> Iterator[Array]:
        """All rows, a record at a time."""
        with self.path.open("rb") as stream:
            stream.seek(len(self._head))
            at = 0
            while (found := self._record(stream, at)) is not None:
                at += len(found)
                yield found

    def remove(self) -> None:
        """Delete the journal: its rows are where they belong."""
        self._stream.close()
        self.path.unlink(missing_ok=True)

    def _go_on(self, run: Any) -> None:
        self._stream.seek(0)
        first = self._stream.readline()
        if not first.endswith(b"\n"):
            # Nothing yet, or killed within the first line.
            if first and not self._head.startswith(first):
                self._refuse(run, None)
            self._stream.truncate(0)
            self._stream.write(self._head)
            self._stream.flush()
            return
        if first != self._head:
            try:
                self._refuse(run, json.loads(first)["run"])
            except (ValueError, KeyError, TypeError):
                self._refuse(run, None)
        good = len(first)
        while (found := self._record(self._stream, self.done)) is not None:
            self.done += len(found)
            good = self._stream.tell()
        self._stream.truncate(good)
        self._stream.seek(good)

    def _record(self, stream: Any, first: int) -> Array | None:
        head = stream.read(_HEAD.size + _SUM)
        if len(head) < _HEAD.size + _SUM:
            return None
        start, count = _HEAD.unpack(head[: _HEAD.size])
        if start != first or count > 2**40:
            return None
        body = stream.read(count * self.dtype.itemsize)
        if hashlib.sha256(head[: _HEAD.size] + body).digest() != head[_HEAD.size :]:
            return None
        return np.frombuffer(body, dtype=self.dtype)

    def _refuse(self, run: Any, found: Any) -> None:
        if not isinstance(found, dict):
            raise FileError(
                f"{self.path} is in the way and not a journal of tnlearn; move it or remove it"
            )
        raise FileError(
            f"{self.path} was begun with another {', '.join(differing(found, run))}; it is left as "
            "it is. Use the same input and settings to go on with it, or remove it to start afresh"
        )
