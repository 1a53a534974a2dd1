"""The studies on a tiny scale (``data/tiny/NAME.toml``), each run once for all tests."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import tomllib
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import tomli_w

from tnlearn.lab.job import done
from tnlearn.lab.profile import read_profile
from tnlearn.lab.study import assembled, load_study, study
from tnlearn.look import png

PROFILES = Path(__file__).parent / "data" / "tiny"
RUNS = Path(tempfile.mkdtemp(prefix="tiny-"))
atexit.register(shutil.rmtree, RUNS, ignore_errors=True)


def tiny_file(name: str, folder: Path, **changes: Any) -> Path:
    """The tiny profile of a study as a file, with changes of its keys (None removes one).

    A key of a table within is named by its path: ``{"goal.chains": "clean"}``.
    """
    table = tomllib.loads((PROFILES / f"{name}.toml").read_text(encoding="utf-8"))
    for path, value in changes.items():
        *outer, key = path.split(".")
        inner = table
        for part in outer:
            inner = inner[part]
        inner[key] = value
        if value is None:
            del inner[key]
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps(table))
    return path


def tiny(name: str, folder: Path = RUNS, **changes: Any) -> Any:
    """The tiny profile of a study, as its grid takes it."""
    return read_profile(load_study(name).profile, name, tiny_file(name, folder, **changes))


@cache
def table(name: str) -> pd.DataFrame:
    """The table of the tiny run of a study."""
    study(name, tiny_file(name, RUNS), RUNS / name, part=(1, 1), progress=False)
    tasks = load_study(name).tasks(tiny(name))
    tables = {task.key: done(RUNS / name / "tasks", task) for task in tasks}
    return assembled(tasks, tables)  # type: ignore[arg-type]


@cache
def ran(name: str) -> Path:
    """The folder of the tiny run of a study, its report written with coarse figures."""
    table(name)
    with patch("tnlearn.lab.study.png", lambda figure: (figure.set_dpi(40), png(figure))[1]):
        study(name, tiny_file(name, RUNS), RUNS / name, progress=False)
    return RUNS / name
