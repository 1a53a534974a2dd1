"""Arrays and a JSON record in one file, written atomically and read without executing code.

The file is a numpy ``.npz`` archive (a zip of ``.npy`` arrays), read with ``allow_pickle=False``.
One extra entry holds JSON: a format name, the caller's record, and the SHA-256 of everything else.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.errors import CheckpointError, FileError
from tnlearn.files import replace_file
from tnlearn.records import as_json, plain

__all__ = ["digest", "read", "write"]

Array = npt.NDArray[Any]
_META = "__tnlearn__"


def digest(arrays: Mapping[str, Array], record: Any = None) -> str:
    """SHA-256 (hexadecimal) over names, dtypes, shapes and bytes of the arrays, and the record."""
    found = hashlib.sha256(json.dumps(record, sort_keys=True, default=as_json).encode())
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
