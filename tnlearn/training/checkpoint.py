"""The folder from which an interrupted run goes on.

``checkpoint.json`` says which run it belongs to; ``block-000003.npz`` holds all that block 3 needs
to go on as if it had never stopped.  Each file is written atomically, and a block is the same
whatever the chunk or the number of workers, so these may change between two starts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.errors import CheckpointError, FileError
from tnlearn.files import TEMPORARY, lock, replace_file
from tnlearn.training.archive import read, write
from tnlearn.training.record import differences

__all__ = ["open_checkpoint", "read_block", "write_block"]

_KIND = "tnlearn-checkpoint/1"
_BLOCK = "tnlearn-block/1"
_HEAD = "checkpoint.json"
_LOCK = "lock"
_SHOWN = 4


def _block_path(folder: Path, block: int) -> Path:
    return folder / f"block-{block:06d}.npz"


def write_block(
    folder: Path, block: int, record: Any, epoch: int, arrays: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Write the state of a block after `epoch` epochs.

    Raises
    ------
    FileError
        If it cannot be written; the former state is then still there.
    """
    write(
        _block_path(folder, block),
        _BLOCK,
        {"run": record, "block": block},
        {**arrays, "epoch": np.asarray(epoch)},
    )


def read_block(
    folder: Path, block: int, record: Any
) -> tuple[int, dict[str, npt.NDArray[Any]]] | None:
    """The epochs done and the state of a block, or None if nothing was written yet.

    Raises
    ------
    CheckpointError
        If the file is damaged or belongs to another run or block.
    """
    path = _block_path(folder, block)
    if not path.exists():
        return None
    found, arrays = read(path, _BLOCK)
    _same_run(path, found["run"], record)
    if found["block"] != block:
        raise CheckpointError(f"{path} holds block {found['block']}: it has been renamed")
    return int(arrays.pop("epoch")), arrays


def _same_run(path: Path, old: Any, new: Any) -> None:
    different = differences(old, new)
    if different:
        more = len(different) - _SHOWN
        tail = f"; and {more} more" if more > 0 else ""
        raise CheckpointError(
            f"{path} belongs to a run of another configuration: "
            f"{'; '.join(different[:_SHOWN])}{tail}. Nothing was changed: "
            "use the same settings to go on with it, or another checkpoint folder"
        )


@contextmanager
def open_checkpoint(path: str | os.PathLike[str], record: Any) -> Iterator[Path]:
    """The checkpoint folder of this run, made if it is not there, locked while in use.

    Raises
    ------
    CheckpointError
        If the folder belongs to a run of another configuration (naming the keys that differ), is
        not a checkpoint, is damaged, or is in use by another process.  Nothing is changed then.
    FileError
        If the folder cannot be made or written.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(
            f"{folder} is a file, but a checkpoint is a folder; it is left as it is. "
            "Give the name of a new folder"
        )
    try:
        present = sorted(x.name for x in folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise FileError(f"cannot read {folder}: {error.strerror or error}") from error
    head = folder / _HEAD
    if _HEAD in present:
        _same_run(head, _read_head(head), record)
    elif any(not name.startswith(TEMPORARY) and name != _LOCK for name in present):
        raise CheckpointError(
            f"{folder} is not empty and not a checkpoint of tnlearn (it holds {present[0]!r}); "
            "it is left as it is. Give the name of a new folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = (folder / _LOCK).open("a")
    except OSError as error:
        raise FileError(
            f"cannot use {folder} for a checkpoint: {error.strerror or error}"
        ) from error
    with stream:
        if not lock(stream):
            raise CheckpointError(
                f"{folder} is in use by another process; wait for it, or give another folder"
            )
        for name in present:
            if name.startswith(TEMPORARY):  # left by a process that was killed while writing
                (folder / name).unlink(missing_ok=True)
        if not head.exists():
            text = json.dumps({"format": _KIND, "run": record}, indent=1).encode()
            replace_file(head, lambda handle: handle.write(text))
        else:
            _same_run(head, _read_head(head), record)
        yield folder


def _read_head(head: Path) -> Any:
    try:
        content = json.loads(head.read_text())
        kind, run = content["format"], content["run"]
    except OSError as error:
        raise FileError(f"cannot read {head}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{head} is damaged or not a file of tnlearn; it is left as it is. "
            "Give the name of a new folder"
        ) from error
    if kind != _KIND:
        raise CheckpointError(f"{head} has format {kind!r}, but {_KIND!r} is expected")
    return run
