"""Tables in HDF5, written chunk by chunk, every chunk of every column with its SHA-256.

A table has columns of one length.  The file is laid out in full when it is made, so
that writing a chunk touches no metadata of HDF5: a process that is killed leaves a
file that opens, in which a chunk counts as written only if its checksums are there
and hold.  A table is called `NAME.part` until its last chunk is on the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import FileError
from tnlearn.files import settle
from tnlearn.records import differing, plain

__all__ = ["TableReader", "TableWriter", "open_hdf5", "part_of"]

Array = NDArray[Any]
Columns = Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]

FORMAT = "tnlearn-table/1"
_SUMS = "checksums"
_ROOM = 128  # bytes kept free for the header's checksum, written last


def part_of(path: Path) -> Path:
    """The name of a table that is being written."""
    return path.with_name(path.name + ".part")


class _Table:
    """What reader and writer share: the header, and the checksum of a chunk."""

    path: Path
    rows: int
    chunk: int
    record: Any
    columns: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
    _file: Any

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-self.rows // self.chunk)

    def extent(self, k: int) -> slice:
        """The rows of chunk k."""
        return slice(k * self.chunk, min((k + 1) * self.chunk, self.rows))

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _load_header(self) -> None:
        text = self._file.attrs["header"]
        header = json.loads(text)
        self.rows, self.chunk = int(header["rows"]), int(header["chunk"])
        self.record = header["record"]
        self.columns = {
            name: (tuple(shape), np.dtype(kind)) for name, shape, kind in header["columns"]
        }
        if self.rows < 1 or self.chunk < 1:
            raise ValueError("no rows")
        for name, (shape, kind) in self.columns.items():
            found = self._file["columns"][name]
            if found.shape != (self.rows, *shape) or found.dtype != kind:
                raise ValueError(f"column {name}")
        if self._file[_SUMS].shape != (self.chunks, len(self.columns), 32):
            raise ValueError("checksums")

    def _seal(self) -> str:
        """SHA-256 of the header and of all checksums."""
        seal = hashlib.sha256(self._file.attrs["header"].encode())
        seal.update(self._file[_SUMS][...].tobytes())
        return seal.hexdigest()

    def _sum(self, k: int, name: str, values: Array) -> Array:
        # The place is hashed too: chunks that changed places are not what was written.
        head = f"{k} {name} {values.dtype.str} {values.shape}\n"
        found = hashlib.sha256(head.encode())
        found.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
        return np.frombuffer(found.digest(), dtype=np.uint8)

    def _sound(self, k: int, name: str, values: Array) -> bool:
        place = list(self.columns).index(name)
        return np.array_equal(self._file[_SUMS][k, place], self._sum(k, name, values))


class TableWriter(_Table):
    """A table being written, or gone on with.

    Parameters
    ----------
    path : Path
        Of the finished table; `NAME.part` beside it is written until `finish`.
    record : JSON-able
        What the table is; a part that says otherwise is not touched.
    columns : dict of name to (shape of one row, dtype)
    rows, chunk : int
        Length of the table, and of a chunk.
    resume : bool
        Whether a part that a killed process left is gone on with.

    Raises
    ------
    FileError
        If it cannot be written, is in use by another process, or a part of another
        table is in its place.
    """

    def __init__(
        self,
        path: Path,
        record: Any,
        columns: Columns,
        rows: int,
        chunk: int,
        *,
        resume: bool = True,
    ) -> None:
        self.target = path
        # What cannot be gone on with gets a name of its own, and is removed if it fails.
        self.path = part_of(path) if resume else path.with_name(f".{path.name}.{os.getpid()}.part")
        self._keep = resume
        header = {
            "format": FORMAT,
            "rows": rows,
            "chunk": chunk,
            "columns": [[n, list(s), np.dtype(k).str] for n, (s, k) in columns.items()],
            "record": plain(record),
        }
        self._file = None
        with _errors(self.path, "write"):
            if not resume:
                self.path.unlink(missing_ok=True)
            if not self.path.exists():
                self._create(json.dumps(header, sort_keys=True), columns, rows, chunk)
            # An empty file would be taken for a new one.
            if not _h5py().is_hdf5(self.path):
                raise FileError(_foreign(self.path))
            self._file = open_hdf5(self.path, "r+")
        try:
            self._go_on(header)
        except BaseException:
            self.close()
            raise

    def _go_on(self, header: Any) -> None:
        try:
            found = json.loads(self._file.attrs["header"])
            self._load_header()
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise FileError(_foreign(self.path)) from error
        if found != header:
            names = differing(found, header)
            if names == ["record"] and isinstance(found["record"], dict):
                names = differing(found["record"], header["record"])
            raise FileError(
                f"{self.path} was begun with other settings ({', '.join(names)}); it is left as "
                "it is. Use the same settings to go on with it, or remove it"
            )

    def _create(self, header: str, columns: Columns, rows: int, chunk: int) -> None:
        fresh = self.path.with_name(self.path.name + ".new")
        try:
            self._lay_out(fresh, header, columns, rows, chunk)
            settle(fresh, self.path)
        finally:
            fresh.unlink(missing_ok=True)

    def _lay_out(self, fresh: Path, header: str, columns: Columns, rows: int, chunk: int) -> None:
        h5py = _h5py()
        with h5py.File(fresh, "w") as file:
            group = file.create_group("columns")
            for name, (shape, kind) in columns.items():
                settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                settings.set_layout(h5py.h5d.CONTIGUOUS)
                settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
                settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
                h5py.h5d.create(
                    group.id,
                    name.encode(),
                    h5py.h5t.py_create(np.dtype(kind), logical=True),
                    h5py.h5s.create_simple((rows, *shape)),
                    settings,
                )
            sums = np.zeros((-(-rows // chunk), len(columns), 32), dtype=np.uint8)
            file.create_dataset(_SUMS, data=sums)
            file.attrs["header"] = header
            file.attrs.create("sha256", np.bytes_(b" " * _ROOM))

    def close(self) -> None:
        """Close the file; a part that cannot be gone on with is removed."""
        super().close()
        if not self._keep:
            self.path.unlink(missing_ok=True)

    def missing(self) -> list[int]:
        """The chunks still to be written: those without checksums that hold."""
        left = []
        with _errors(self.path, "read"):
            for k in range(self.chunks):
                rows = self.extent(k)
                begun = self._file[_SUMS][k].any(axis=1).all()
                whole = begun and all(
                    self._sound(k, name, self._file["columns"][name][rows]) for name in self.columns
                )
                if not whole:
                    left.append(k)
        return left

    def write(self, k: int, values: Mapping[str, Array]) -> None:
        """Write chunk k, then its checksums, and flush both to the disk."""
        rows = self.extent(k)
        count = rows.stop - rows.start
        with _errors(self.path, "write"):
            sums = []
            for name, (shape, kind) in self.columns.items():
                array = np.ascontiguousarray(values[name], dtype=kind)
                if array.shape != (count, *shape):
                    raise ValueError(f"chunk {k} of {name} has shape {array.shape}")
                self._file["columns"][name][rows] = array
                sums.append(self._sum(k, name, array))
            self._file.flush()
            self._file[_SUMS][k] = np.stack(sums)
            self._file.flush()
            os.fsync(self._file.id.get_vfd_handle())

    def finish(self) -> None:
        """Seal the table and give it its name."""
        with _errors(self.path, "write"):
            self._file.attrs.modify("sha256", np.bytes_(self._seal().encode().ljust(_ROOM)))
            self._file.close()
            settle(self.path, self.target)


class TableReader(_Table):
    """A finished table, every chunk checked against its SHA-256 when it is read.

    Raises
    ------
    FileError
        If there is no such file, if it is cut short or altered, or is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = None
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror or error}") from error
        h5py = _h5py()
        try:
            self._file = h5py.File(path, "r")
            self._load_header()
            seal = bytes(self._file.attrs["sha256"]).decode().strip()
            intact = seal == self._seal()
        except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            self.close()
            raise FileError(
                f"{path} is damaged, cut short, or not a table of tnlearn "
                f"({type(error).__name__}); it is left as it is. Restore it from a copy, or "
                "remove it and make it again"
            ) from error
        if not intact:
            self.close()
            raise FileError(_altered(path, "its header"))

    def read(self, k: int, names: Sequence[str] | None = None) -> dict[str, Array]:
        """The columns named (all, if None) of chunk k, checked."""
        rows = self.extent(k)
        found = {}
        for name in self.columns if names is None else names:
            try:
                values = self._file["columns"][name][rows]
                sound = self._sound(k, name, values)
            except (OSError, KeyError, ValueError, RuntimeError) as error:
                raise FileError(
                    f"{self.path} is damaged ({type(error).__name__} in chunk {k}); it is left as "
                    "it is. Restore it from a copy, or remove it and make it again"
                ) from error
            if not sound:
                raise FileError(
                    _altered(self.path, f"{name} of samples {rows.start} to {rows.stop - 1}")
                )
            found[name] = values
        return found

    def column(self, name: str) -> Array:
        """A whole column, checked."""
        return np.concatenate([self.read(k, [name])[name] for k in range(self.chunks)])

    def verify(self) -> None:
        """Read every chunk once; raise `FileError` at the first that is not as written."""
        for k in range(self.chunks):
            self.read(k)


def _foreign(path: Path) -> str:
    return (
        f"{path} is damaged or not a table of tnlearn; it is left as it is. Remove it to start "
        "afresh"
    )


def _altered(path: Path, where: str) -> str:
    return (
        f"{path} has been altered or damaged: {where} does not match its checksum; it is left as "
        "it is. Restore it from a copy, or remove it and make it again"
    )


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise FileError("HDF5 files need the package h5py: pip install h5py") from error
    return h5py


def open_hdf5(path: Path, mode: str = "r") -> Any:
    """The `h5py.File` of a path; `FileError` where h5py is missing."""
    return _h5py().File(path, mode)


@contextlib.contextmanager
def _errors(path: Path, doing: str) -> Iterator[None]:
    try:
        yield
    except FileError:
        raise
    except (OSError, KeyError, RuntimeError) as error:
        why = str(error).strip("'\"")
        busy = "lock" in why.lower()
        hint = (
            "another process is using it"
            if busy
            else "give a folder that exists, is writable and has room, or remove a damaged file"
        )
        raise FileError(f"cannot {doing} {path}: {why}; {hint}") from error
