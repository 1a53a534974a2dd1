"""The folder of a run: claimed before anything is computed, so that no run spoils another."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tnlearn.errors import CheckpointError, FileError
from tnlearn.files import TEMPORARY, replace_file
from tnlearn.studies.profile import Profile, to_toml

__all__ = ["claim"]


def claim(folder: Path, profile: Profile, maker: str, inside: Iterable[str]) -> None:
    """Make the folder ours: new, empty, or of the same configuration.

    Parameters
    ----------
    folder
        Made if it does not exist, with the folders named `inside`.
    profile
        The configuration, kept as ``config.toml``.
    maker
        The command whose folder it is, for messages.

    Raises
    ------
    FileError
        If it cannot be used, or holds something else; nothing in it is changed then.
    CheckpointError
        If it holds a run of another configuration.
    """
    # How many processes share the work does not change a result.
    text = to_toml({key: value for key, value in profile.items() if key != "workers"})
    config = folder / "config.toml"
    try:
        if folder.exists() and not folder.is_dir():
            raise FileError(f"{folder} is a file; --out names a folder")
        folder.mkdir(parents=True, exist_ok=True)
        # Another share of the same run may be making the folder at this moment.
        present = sorted(p.name for p in folder.iterdir() if not p.name.startswith(TEMPORARY))
        known = config.read_text(encoding="utf-8") if "config.toml" in present else None
    except OSError as error:
        reason = error.strerror or error
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
        replace_file(config, lambda handle: handle.write(text.encode()))
    for name in inside:
        (folder / name).mkdir(exist_ok=True)


def _difference(old: str, new: str) -> str:
    before, after = old.splitlines(), new.splitlines()
    changed = [line for line in before if line not in after][:1]
    instead = [line for line in after if line not in before][:1]
    return f"there {changed[0] if changed else '(nothing)'}, here {instead[0] if instead else '-'}"
