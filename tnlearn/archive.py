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
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.errors import CheckpointError, FileError
from tnlearn.files import TEMPORARY, open_lock, parsing, replace_file

__all__ = ["Parts", "differences", "digest", "discard", "parts_of", "plain", "read", "write"]

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
    try:
        stream = target.open("rb")
    except OSError as error:
        raise FileError(f"cannot read {target}: {error.strerror or error}") from error
    with stream, parsing(target, "a file of tnlearn", error=CheckpointError, hint=_HINT):
        with np.load(stream, allow_pickle=False) as content:
            # Stored, not compressed: no entry can be larger than the file.
            if sum(x.file_size for x in content.zip.infolist()) > target.stat().st_size:
                raise ValueError("it promises more than it can hold")
            arrays = {name: content[name] for name in content.files}
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
            for name in present:
                if name.startswith(TEMPORARY):  # left by a process that was killed while writing
                    (self.folder / name).unlink(missing_ok=True)
            if (self.folder / _HEAD).exists():
                self._check_head()
            else:
                text = json.dumps({"format": _RUN, "run": self.record}, indent=1).encode()
                replace_file(self.folder / _HEAD, lambda stream: stream.write(text))
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
        with parsing(head, "a file of tnlearn", error=CheckpointError, hint=hint):
            content = json.loads(head.read_bytes())
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
