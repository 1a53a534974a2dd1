"""The study `gradients`: powers and exponentials of the length, and variances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny import tiny

from tnlearn.studies.gradients import EXPONENTIAL, POWER, STUDY, exponent


@pytest.mark.parametrize("power", [-1.5, 0.5])
def test_exponent_of_a_power(power: float) -> None:
    rng = np.random.default_rng(0)
    lengths = [10, 20, 40, 80]
    row = exponent(lengths, [n**power * rng.gamma(20.0, 1 / 20.0, 400) for n in lengths])
    assert row["low"] < power < row["high"] < row["low"] + 0.1
    assert row["law"] == POWER


def test_an_exponential_is_told_from_a_power() -> None:
    rng = np.random.default_rng(1)
    lengths = [10, 20, 40, 80]
    values = [np.exp(-0.1 * n) * rng.gamma(20.0, 1 / 20.0, 400) for n in lengths]
    assert exponent(lengths, values)["law"] == EXPONENTIAL
    assert np.isnan(exponent([10], values[:1])["value"])


def test_variance_over_starts_is_the_part_of_the_square_that_differs(tmp_path: Path) -> None:
    profile = tiny("gradients", tmp_path, networks=["sublattice-single"], lengths=[6])
    table = STUDY.run(STUDY.tasks(profile)[0], profile, tmp_path)
    nodes = dict(list(table.groupby("node")))
    assert set(nodes) == {"all", "X", "window"}
    norms = [nodes[name]["norm"].to_numpy() ** 2 for name in ("all", "X", "window")]
    assert np.allclose(norms[0], norms[1] + norms[2])
    assert np.allclose(nodes["all"]["square"], norms[0] / 12)
    # Mean of squares less the square of the mean: at most all of it.
    assert 0 < nodes["all"]["variance"].mean() <= nodes["all"]["square"].mean() * 4 / 3
