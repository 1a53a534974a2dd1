"""The closest approach: known curves, members, two answers on the same chains, bins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tnlearn.analysis.approach import binned, closest, gain, ratio


def curve(x: Any, slope: float = 3.0) -> Any:
    """Accuracy from a half to one that is 0.95 at x = 1."""
    return 0.5 + 0.5 / (1 + np.exp(-slope * np.log(x) - np.log(9.0)))


def distances(rng: np.random.Generator, samples: int) -> Any:
    return np.exp(rng.uniform(np.log(0.02), np.log(15), samples))


def test_the_closest_approach_of_a_known_curve_is_in_its_interval() -> None:
    rng = np.random.default_rng(1)
    inside, values = 0, []
    for _ in range(40):
        x = distances(rng, 1000)
        row = closest(x, rng.random(1000) < curve(x), 0.95, rng=rng, bootstraps=60)
        values.append(row["value"])
        inside += row["low"] <= 1.0 <= row["high"]
        assert row["low"] <= row["value"] <= row["high"]
    assert 0.9 < np.median(values) < 1.12
    assert inside >= 32  # of 40, for intervals of 95 %


def test_always_right_and_never_right_enough() -> None:
    rng = np.random.default_rng(2)
    x = np.geomspace(0.01, 10, 300)
    always = closest(x, np.ones(300, dtype=bool), 0.95, rng=rng)
    assert always == {"value": 0.0, "low": 0.0, "high": 0.0, "members": 1}
    assert np.isinf(closest(x, rng.random(300) < 0.5, 0.95, rng=rng)["value"])
    # Right beyond the last one in fifty only: not believed.
    assert np.isinf(closest(x, x > 9, 0.95, rng=rng)["value"])


def test_members_count_together() -> None:
    rng = np.random.default_rng(3)
    x = distances(rng, 800)
    rows = rng.random((20, 800)) < curve(x)
    one, many = (closest(x, r, 0.95, rng=rng, bootstraps=80) for r in (rows[0], rows))
    assert (one["members"], many["members"]) == (1, 20)
    assert many["high"] - many["low"] < one["high"] - one["low"]
    assert many["value"] == pytest.approx(1.0, abs=0.15)


def test_two_answers_on_the_same_chains() -> None:
    rng = np.random.default_rng(4)
    x = distances(rng, 1500)
    near, far = rng.random(1500) < curve(3 * x), rng.random(1500) < curve(x)
    ahead, behind = ratio(x, far, near, 0.95, rng=rng), ratio(x, near, far, 0.95, rng=rng)
    assert 1 < ahead["low"] < 3 < ahead["high"]
    assert behind["high"] < 1
    assert behind["value"] == pytest.approx(1 / ahead["value"])
    right, wrong = np.ones(1500, dtype=bool), np.zeros(1500, dtype=bool)
    for other, ours, value in (
        (far, far, 1.0),
        (wrong, wrong, 1.0),
        (wrong, right, np.inf),
        (right, wrong, 0.0),
    ):
        assert ratio(x, other, ours, 0.95, rng=rng, bootstraps=5)["value"] == value
    more = gain(far, near, rng=rng)
    assert more["value"] == pytest.approx(near.mean() - far.mean())
    assert 0 < more["low"] < more["value"] < more["high"]


def test_bins_hold_every_sample_once() -> None:
    x = np.geomspace(0.1, 1.0, 50, endpoint=False)
    edges = np.geomspace(0.1, 1.0, 6)
    bins = binned(x, x > 0.5, edges)
    assert sum(one["samples"] for one in bins) == 50
    assert (bins[0]["value"], bins[-1]["value"]) == (0.0, 1.0)
    assert all(one["low"] <= one["value"] <= one["high"] for one in bins)
    inside = zip(edges, [one["distance"] for one in bins], edges[1:], strict=False)
    assert all(low <= centre < high for low, centre, high in inside)
