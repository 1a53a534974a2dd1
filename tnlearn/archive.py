"""Arrays and a record in one checked file, and the numbered parts of a long run.

A file is a numpy ``.npz`` archive (a zip of ``.npy`` arrays), written whole and read with
``allow_pickle=False``: no code in it is executed.  One extra entry holds JSON: a format name, the
caller's record, and the SHA-256 of everything else.

A long run is a folder of such files, one a part: each is whole or not there, so what a killed
process left is what it finished, and the next one goes on from there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.errors import CheckpointError, FileError, check_memory
from tnlearn.files import (
    TEMPORARY,
    open_file,
    open_lock,
    parsing,
    read_json,
    replace_file,
    sweep,
    write_bytes,
)

__all__ = ["Parts", "Rows", "differences", "digest", "discard", "members_of", "parts_of", "plain"]
__all__ += ["read", "write"]

Array = npt.NDArray[Any]
_META = "__tnlearn__"
_RUN = "tnlearn-run/1"
_PART = "tnlearn-part/1"
_HEAD = "run.json"
_LOCK = "lock"
_SHOWN = 4
_HINT = "Restore it from a copy, or remove it and start again"


def plain(value: Any) -> Any:
    """The same value as JSON gives it back: tuples as lists, numpy numbers as Python's."""
    return json.loads(json.dumps(value, default=_as_json))


def _as_json(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Where two records differ: ``key.key: old value, now new value``, in the order of the new."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [f"{path}: {_short(old)}, now {_short(new)}"]
    lines = []
    for key in [*new, *(k for k in old if k not in new)]:
        inner = f"{path}.{key}" if path else str(key)
        if key not in old:
            lines.append(f"{inner}: not there, now {_short(new[key])}")
        elif key not in new:
            lines.append(f"{inner}: {_short(old[key])}, now not there")
        else:
            lines += differences(old[key], new[key], inner)
    return lines


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def digest(arrays: Mapping[str, Array], record: Any = None) -> str:
    """SHA-256 (hexadecimal) over names, dtypes, shapes and bytes of the arrays, and the record."""
    total = hashlib.sha256(json.dumps(record, sort_keys=True, default=_as_json).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"\n{name} {array.dtype.str} {arrays[name].shape}\n".encode())
        total.update(array.reshape(-1).view(np.uint8).data)
    return total.hexdigest()


def write(
    path: str | os.PathLike[str], kind: str, record: Any, arrays: Mapping[str, Array]
) -> None:
    """Write arrays and a JSON-able record; an existing file is replaced only when all is on disk.

    Raises
    ------
    FileError
        If the file cannot be written (no permission, disk full); the old file is then untouched.
    """
    record = plain(record)
    meta = json.dumps({"format": kind, "record": record, "sha256": digest(arrays, record)})
    content: Any = {_META: np.frombuffer(meta.encode(), dtype=np.uint8), **arrays}
    replace_file(path, lambda stream: np.savez(stream, **content))


class Rows:
    """An array in `.npy` format of which stretches of rows are read, none kept.

    (A memory map would do; but its pages count as memory of the process, and a batch system
    kills for that.)  What is compressed or in Fortran order cannot be read so: it is read whole.

    Parameters
    ----------
    name : str
        For errors.
    stream
        At the beginning of the format.
    size : int
        Bytes there, of which none may be left over or be lacking.
    whole : bool
        Whether it is read now, and at once.

    Raises
    ------
    ValueError, EOFError
        If there is another number of bytes than the header says, or it holds Python objects.
    MemoryLimitError
        If it is read whole, and does not fit into memory.
    """

    def __init__(self, name: str, stream: Any, size: int, *, whole: bool = False) -> None:
        major, _ = np.lib.format.read_magic(stream)
        reader: Any = getattr(np.lib.format, f"read_array_header_{major}_0")
        self.shape, fortran, self.dtype = reader(stream)
        if self.dtype.hasobject:
            raise ValueError(
                f"{name} holds Python objects, which are never loaded: they could run code; "
                "save it as an array of numbers"
            )
        self._stream, self._data = stream, stream.tell()
        count = math.prod(self.shape)
        if min(self.shape, default=0) < 0 or self._data + count * self.dtype.itemsize != size:
            raise EOFError(f"{name} does not end where its header says")
        self._whole: Array | None = None
        if whole or fortran or not self.shape:
            check_memory(f"{name}, compressed or in Fortran order and so read whole,", 2 * size)
            self._whole = self._read(count).reshape(self.shape, order="F" if fortran else "C")

    def _read(self, count: int) -> Array:
        values = np.empty(count, self.dtype)
        if self._stream.readinto(values.view(np.uint8)) != values.nbytes:
            raise EOFError("it is cut short")
        return values

    def __getitem__(self, index: Any) -> Array:
        if self._whole is not None:
            return np.asarray(self._whole[index])
        start, stop, _ = (index if index is not ... else slice(None)).indices(self.shape[0])
        row = math.prod(self.shape[1:])
        self._stream.seek(self._data + start * row * self.dtype.itemsize)
        return self._read((stop - start) * row).reshape(stop - start, *self.shape[1:])


def members_of(path: Path, stream: Any, *, compressed: bool = True) -> dict[str, Rows]:
    """The arrays of an `.npz` archive by name, after all of its checksums have been compared.

    They may be compressed or not.  Raises what `Rows` and zipfile raise: call it in `parsing`.
    """
    content = zipfile.ZipFile(stream)
    entries = content.infolist()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(-min(size, 2**16 + 22), os.SEEK_END)  # a comment may follow the end record
    _, _, end = stream.read().rpartition(b"PK\x05\x06")
    if int.from_bytes(end[6:8], "little") not in (len(entries), 0xFFFF):
        raise ValueError("its table of contents lacks an entry")
    if sum(e.compress_size if compressed else e.file_size for e in entries) > size:
        raise ValueError("it promises more than it can hold")
    for entry in entries:
        check_memory(f"{entry.filename} in {path}", entry.file_size * bool(entry.compress_type))
    broken = content.testzip()
    if broken is not None:
        raise ValueError(f"the checksum of {broken} does not hold")
    members: dict[str, Rows] = {}
    for entry in entries:
        name = entry.filename.removesuffix(".npy")
        if name == entry.filename or name in members:
            raise ValueError(f"{entry.filename} is there twice, or no array")
        whole = entry.compress_type != zipfile.ZIP_STORED
        where = f"{entry.filename} in {path}"
        members[name] = Rows(where, content.open(entry), entry.file_size, whole=whole)
    return members


def read(path: str | os.PathLike[str], kind: str) -> tuple[Any, dict[str, Array]]:
    """The record and the arrays of a file made by `write`, checked against their SHA-256.

    Raises
    ------
    FileError
        If there is no such file or it cannot be opened.
    CheckpointError
        If it is damaged, cut short, made by something else, or of another kind.
    """
    target = Path(path)
    with (
        open_file(target) as stream,
        parsing(target, "a file of tnlearn", error=CheckpointError, hint=_HINT),
    ):
        members = members_of(target, stream, compressed=False)
        check_memory(f"all of {target}", os.fstat(stream.fileno()).st_size)
        arrays = {name: rows[...] for name, rows in members.items()}
        meta = json.loads(arrays.pop(_META).tobytes().decode())
        form, record, expected = str(meta["format"]), meta["record"], meta["sha256"]
    if form != kind:
        raise CheckpointError(f"{target} is a {form!r} file, but a {kind!r} file is expected here")
    if digest(arrays, record) != expected:
        raise CheckpointError(
            f"{target} is damaged: its content does not match its checksum; it is left as it is. "
            + _HINT
        )
    return record, arrays


class Parts:
    """The numbered parts of a long run, in a folder that is locked while it is used.

    ``run.json`` says which run it is; ``part-000003.npz`` is part 3, whole or not there.
    Use it as a context: ``with Parts(folder, record) as parts: …``.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    record : JSON-able
        What the run is.

    Raises
    ------
    CheckpointError
        If the folder belongs to another run (naming what differs), is none of tnlearn, is
        damaged, or in use by another process.  Nothing is changed then.
    FileError
        If the folder cannot be made or written.
    """

    def __init__(self, folder: str | os.PathLike[str], record: Any) -> None:
        self.folder, self.record = Path(folder), plain(record)
        if self.folder.exists() and not self.folder.is_dir():
            raise CheckpointError(
                f"{self.folder} is a file, but a folder is needed; it is left as it is. "
                "Give the name of a new folder"
            )
        try:
            present = sorted(x.name for x in self.folder.iterdir()) if self.folder.exists() else []
            foreign = [x for x in present if not x.startswith(TEMPORARY) and x != _LOCK]
            if foreign and _HEAD not in present:
                raise CheckpointError(
                    f"{self.folder} is not empty and not a run of tnlearn (it holds "
                    f"{foreign[0]!r}); it is left as it is. Give the name of a new folder"
                )
            if _HEAD in present:
                self._check_head()
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = open_lock(self.folder / _LOCK)
        except FileError:
            raise
        except OSError as error:
            raise FileError(f"cannot use {self.folder}: {error.strerror or error}") from error
        if self._lock is None:
            raise CheckpointError(
                f"{self.folder} is in use by another process; wait for it, or give another name"
            )
        try:
            sweep(self.folder)
            if (self.folder / _HEAD).exists():
                self._check_head()
            else:
                text = json.dumps({"format": _RUN, "run": self.record}, indent=1).encode()
                write_bytes(self.folder / _HEAD, text)
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.close()

    def __contains__(self, k: int) -> bool:
        return self._path(k).exists()

    def missing(self, count: int) -> list[int]:
        """Which of the parts 0 .. count − 1 are still to be made."""
        return [k for k in range(count) if k not in self]

    def write(self, k: int, arrays: Mapping[str, Array]) -> None:
        """Write part `k`, or replace it; `FileError` if that fails, with the old one as it was."""
        write(self._path(k), _PART, {"run": self.record, "part": k}, arrays)

    def read(self, k: int) -> dict[str, Array]:
        """The arrays of part `k`; `CheckpointError` if it is damaged or belongs elsewhere."""
        path = self._path(k)
        record, arrays = read(path, _PART)
        self._same(path, record["run"])
        if record["part"] != k:
            raise CheckpointError(f"{path} holds part {record['part']}: it has been renamed")
        return arrays

    def remove(self) -> None:
        """Remove all parts: what they were made for is in its place."""
        discard(self.folder)

    def _path(self, k: int) -> Path:
        return self.folder / f"part-{k:06d}.npz"

    def _check_head(self) -> None:
        head = self.folder / _HEAD
        hint = "Give the name of a new folder"
        content = read_json(head, "a file of tnlearn", error=CheckpointError, hint=hint)
        with parsing(head, "a file of tnlearn", error=CheckpointError, hint=hint):
            if content["format"] != _RUN:
                raise ValueError(f"format {content['format']!r}")
            run = content["run"]
        self._same(head, run)

    def _same(self, path: Path, run: Any) -> None:
        lines = differences(run, self.record)
        if lines:
            tail = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
            raise CheckpointError(
                f"{path} belongs to a run of another configuration: "
                f"{'; '.join(lines[:_SHOWN])}{tail}. Nothing was changed: use the same settings "
                "to go on with it, or another name"
            )


def discard(folder: Path) -> None:
    """Remove the parts of a run that is done, and their folder if nothing else is in it."""
    for path in [*folder.glob("part-*.npz"), folder / _HEAD, folder / _LOCK]:
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def parts_of(target: Path) -> Path:
    """The folder of what is made for `target` piece by piece; `FileError` if it is a link."""
    folder = target.with_name(target.name + ".parts")
    if folder.is_symlink():
        raise FileError(f"{folder} is a link, and would be written through; remove it")
    return folder
