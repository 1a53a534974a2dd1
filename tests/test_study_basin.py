"""The study `basin`: the radius of a basin, and a tiny run."""

from __future__ import annotations

import numpy as np
from tiny import table

from tnlearn.report.table import where
from tnlearn.studies.basin import radius


def test_radius_is_where_half_of_the_members_fail() -> None:
    flags = [np.arange(100) < k for k in (100, 90, 10, 0)]
    edge = radius([0.0, 0.1, 1.0, 10.0], flags)
    # From .9 at 0.1 to .1 at 1: half way in the logarithm.
    assert np.isclose(edge["value"], 10**-0.5)
    assert 0.25 < edge["low"] < edge["value"] < edge["high"] < 0.42
    none, every = np.zeros(9, bool), np.ones(9, bool)
    assert radius([0.0, 1.0], [none, none])["value"] == 0.0
    assert all(
        radius([0.0, 1.0], [every, every])[key] == np.inf for key in ("value", "low", "high")
    )
    assert np.isclose(radius([0.0, 1.0], [every, none])["value"], 0.5)
    # All of eight succeed, then none: the step is not certain to lie there.
    step = radius([0.0, 1.0, 10.0], [np.arange(8) < k for k in (8, 8, 0)])
    assert step["low"] < step["value"] - 0.05 < step["value"] + 0.05 < step["high"]


def test_without_noise_it_starts_at_the_exact_kernel() -> None:
    rows = where(table("basin"), form="quartic")
    before = rows.groupby("noise")["cosine_before"]
    assert np.allclose(before.get_group(0.0), 1.0)
    assert before.get_group(1.0).max() < 0.95
    assert rows["trained"].between(0, 1).all()
