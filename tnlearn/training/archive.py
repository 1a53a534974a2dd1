"""Arrays and a JSON record in one file, written atomically and read without executing code.

The file is a numpy ``.npz`` archive (a zip of ``.npy`` arrays), read with ``allow_pickle=False``.
One extra entry holds JSON: a format name, the caller's record, and the SHA-256 of everything else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.errors import CheckpointError, FileError

__all__ = ["digest", "plain", "read", "replace_file", "write"]

Array = npt.NDArray[Any]
_META = "__tnlearn__"
TEMPORARY = ".tnlearn-"  # how a file being written is called until it is complete


def plain(value: Any) -> Any:
    """The same value as JSON gives it back: tuples as lists, numpy numbers as Python's."""
    return json.loads(json.dumps(value, default=_as_json))


def _as_json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return str(value)


def digest(arrays: Mapping[str, Array], record: Any = None) -> str:
    """SHA-256 (hexadecimal) over names, dtypes, shapes and bytes of the arrays, and the record."""
    found = hashlib.sha256(json.dumps(record, sort_keys=True, default=_as_json).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"\n{name} {array.dtype.str} {arrays[name].shape}\n".encode())
        found.update(array.reshape(-1).view(np.uint8).data)
    return found.hexdigest()


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

    def save(handle: Any) -> None:
        np.savez(handle, **content)

    replace_file(path, save)


def replace_file(path: str | os.PathLike[str], save: Any) -> None:
    """Call ``save(handle)`` on a temporary file beside `path`, flush it to disk, and rename it.

    Raises
    ------
    FileError
        If anything fails; `path` is then as it was, and the temporary file is gone.
    """
    target = Path(path)
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, suffix=".tmp", dir=target.parent)
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(handle, 0o644)  # a temporary file is its owner's alone; a result is not
            save(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, target)
        temporary = None
        _sync_folder(target.parent)
    except OSError as error:
        why = error.strerror or str(error)
        raise FileError(
            f"cannot write {target}: {why}; what was there before is unchanged. "
            "Give a folder that exists, is writable and has room"
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _sync_folder(folder: Path) -> None:
    # Without this a power cut may forget the renaming; not every system allows it.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
    with stream:
        try:
            with np.load(stream, allow_pickle=False) as content:
                arrays = {name: content[name] for name in content.files}
            meta = json.loads(arrays.pop(_META).tobytes().decode())
            found, record, expected = str(meta["format"]), meta["record"], meta["sha256"]
        except (
            AttributeError,
            EOFError,
            KeyError,
            NotImplementedError,
            OSError,
            OverflowError,
            MemoryError,
            RuntimeError,
            SyntaxError,
            TypeError,
            ValueError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise CheckpointError(
                f"{target} is damaged, cut short, or not a file of tnlearn "
                f"({type(error).__name__}); it is left as it is. "
                "Restore it from a copy, or remove it and train again"
            ) from error
    if found != kind:
        raise CheckpointError(f"{target} is a {found!r} file, but a {kind!r} file is expected here")
    if digest(arrays, record) != expected:
        raise CheckpointError(
            f"{target} is damaged: its content does not match its checksum; it is left as it is. "
            "Restore it from a copy, or remove it and train again"
        )
    return record, arrays
