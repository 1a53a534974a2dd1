"""The study `curvature`: a tiny run at starts, solutions and on lines between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny import tiny

from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.lab.study import assembled
from tnlearn.studies.curvature import BINS, EXACT, LEARNED, STUDY, barriers, hessians


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("curvature")
    profile = tiny("curvature", folder)
    tasks = STUDY.tasks(profile)
    return assembled(tasks, {t.key: STUDY.run(t, profile, folder) for t in tasks})


def test_spectra_and_lines_are_of_the_same_solutions(table: pd.DataFrame) -> None:
    places = dict(list(table.groupby("place")))
    assert {name: len(rows) for name, rows in places.items()} == {
        "start": 2,
        "learned": 2,
        "exact": 1,
    }
    for rows in places.values():
        assert np.allclose([sum(density) for density in rows["density"]], 1.0, atol=1e-5)
        assert (rows["lowest"] <= rows["highest"]).all()
    lines = {name: np.array(rows["losses"].to_list()) for name, rows in table.groupby("line")}
    assert lines[EXACT].shape == lines[LEARNED].shape == (2, 5)
    # In normal form and not; states in single precision are unitary to 1e-7.
    assert np.allclose(lines[EXACT][:, 0], places["exact"]["loss"].iloc[0], rtol=1e-5)
    assert np.allclose(lines[EXACT][:, -1], lines[LEARNED][:, 0], rtol=1e-12)
    assert np.allclose(lines[EXACT][:, -1], places["learned"]["loss"], rtol=1e-5)
    # From each member to the next one, and back.
    assert np.allclose(lines[LEARNED][:, -1], lines[LEARNED][::-1, 0], rtol=1e-9)


def test_findings_have_every_place_and_line(table: pd.DataFrame) -> None:
    assert len(hessians(table, None)) == 3 * 6
    assert len(barriers(table, None)) == 2 * 4
    assert np.allclose(BINS, -BINS[::-1])
    assert np.searchsorted(BINS, 0.0) == len(BINS) // 2


@pytest.mark.parametrize(
    ("key", "name", "error", "words"),
    [
        ("lines", "quartic", ConfigError, "one channel"),
        ("spectrum", "mlp", UnknownNameError, r"network in \[spectrum\]"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, key: str, name: str, error: type[Exception], words: str
) -> None:
    import tomllib

    from tiny import FOLDER

    section = tomllib.loads((FOLDER / "curvature.toml").read_text())[key]
    with pytest.raises(error, match=words):
        tiny("curvature", tmp_path, **{key: {**section, "networks": [name]}})
