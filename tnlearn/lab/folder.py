"""The folder of a run: whose it is, and how long was spent on it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

from tnlearn.errors import CheckpointError, FileError
from tnlearn.files import TEMPORARY, parsing, read_bytes, read_json, write_bytes
from tnlearn.lab.profile import Settings, as_toml

__all__ = ["add_seconds", "claim_folder"]


def add_seconds(folder: Path, now: float) -> float:
    """Seconds spent on the study so far, those of earlier runs included."""
    path = folder / "seconds.json"
    spent = 0.0
    with contextlib.suppress(FileError), parsing(path, "seconds"):
        spent = min(max(0.0, float(read_json(path, "seconds"))), sys.float_info.max)
    write_bytes(path, json.dumps(spent + now).encode())
    return spent + now


def claim_folder(folder: Path, profile: Settings, maker: str) -> None:
    """Make the folder ours: new, empty, or of the same configuration (its ``config.toml``).

    Raises
    ------
    FileError
        If it cannot be used, or holds something else; nothing in it is changed then.
    CheckpointError
        If it holds a run of another configuration.
    """
    text = as_toml(profile)
    config = folder / "config.toml"
    try:
        if folder.exists() and not folder.is_dir():
            raise FileError(f"{folder} is a file; --out names a folder")
        folder.mkdir(parents=True, exist_ok=True)
        # Another share of the same run may be making the folder at this moment.
        present = sorted(p.name for p in folder.iterdir() if not p.name.startswith(TEMPORARY))
        known = read_bytes(config).decode() if "config.toml" in present else None
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, FileError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"cannot use the folder {folder}: {reason}; choose another --out") from None
    if known is not None and known != text:
        raise CheckpointError(
            f"{folder} holds a run of another configuration (see {config}): "
            f"{_difference(known, text)}. Choose another --out, or delete the folder"
        )
    if known is None and present:
        raise FileError(
            f"{folder} is not empty and was not made by {maker} "
            f"(it holds {present[0]}); nothing was changed. Choose another --out"
        )
    if not os.access(folder, os.W_OK):
        raise FileError(f"cannot write to {folder}; choose another --out")
    if known is None:
        write_bytes(config, text.encode())


def _difference(old: str, new: str) -> str:
    before, after = old.splitlines(), new.splitlines()
    changed = [line for line in before if line not in after][:1]
    instead = [line for line in after if line not in before][:1]
    return f"there {changed[0] if changed else '(nothing)'}, here {instead[0] if instead else '-'}"
