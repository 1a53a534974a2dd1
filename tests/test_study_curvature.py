"""The study `curvature`: a tiny run at starts, solutions and on lines between them."""

from __future__ import annotations

import numpy as np
from tiny import table

from tnlearn.studies.curvature import BINS, EXACT, LEARNED, barriers, curvature


def test_spectra_and_lines_are_of_the_same_solutions() -> None:
    rows = table("curvature")
    places = dict(list(rows.groupby("place")))
    assert {name: len(of) for name, of in places.items()} == {"start": 2, "learned": 2, "exact": 1}
    for of in places.values():
        assert np.allclose([sum(density) for density in of["density"]], 1.0, atol=1e-5)
        assert (of["lowest"] <= of["highest"]).all()
    lines = {name: np.array(of["losses"].to_list()) for name, of in rows.groupby("line")}
    assert lines[EXACT].shape == lines[LEARNED].shape == (2, 5)
    # In normal form and not; states in single precision are unitary to 1e-7.
    assert np.allclose(lines[EXACT][:, 0], places["exact"]["loss"].iloc[0], rtol=1e-5)
    assert np.allclose(lines[EXACT][:, -1], lines[LEARNED][:, 0], rtol=1e-12)
    assert np.allclose(lines[EXACT][:, -1], places["learned"]["loss"], rtol=1e-5)
    # From each member to the next one, and back.
    assert np.allclose(lines[LEARNED][:, -1], lines[LEARNED][::-1, 0], rtol=1e-9)


def test_findings_have_every_place_and_line() -> None:
    assert len(curvature.findings(table("curvature"), None)) == 3 * 6
    assert len(barriers.findings(table("curvature"), None)) == 2 * 4
    assert np.allclose(BINS, -BINS[::-1])
    assert np.searchsorted(BINS, 0.0) == len(BINS) // 2
