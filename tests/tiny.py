"""The profiles of the studies on a tiny scale, for tests: ``data/tiny/NAME.toml``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from tnlearn.lab.profile import read_profile
from tnlearn.lab.study import load_study

FOLDER = Path(__file__).parent / "data" / "tiny"


def tiny_file(name: str, folder: Path, **changes: Any) -> Path:
    """The tiny profile of a study as a file, with changes of its keys (None removes one)."""
    table = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8")) | changes
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps({k: v for k, v in table.items() if v is not None}))
    return path


def tiny(name: str, folder: Path, **changes: Any) -> Any:
    """The tiny profile of a study, as its grid takes it."""
    return read_profile(load_study(name).profile, name, tiny_file(name, folder, **changes))
