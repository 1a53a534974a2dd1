"""Intervals and tests over members, against scipy and by property; tables of them."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as of_scipy

from tnlearn.report.stats import (
    above_chance,
    gap,
    groups_differ,
    mean,
    mean_of_sample,
    median,
    rate,
    rate_gap,
    unbounded_mean,
)
from tnlearn.report.table import against, in_points, over_members, spread, where

SHARES = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=20)
FLAGS = st.lists(st.booleans(), min_size=1, max_size=30)


def ends(interval):
    return interval["low"], interval["high"]


@given(SHARES)
def test_interval_is_that_of_student(values):
    interval, error = unbounded_mean(values), of_scipy.sem(values)
    if error == 0:
        assert ends(interval) == (interval["value"], interval["value"])
        return
    expected = of_scipy.t.interval(0.95, len(values) - 1, np.mean(values), error)
    assert ends(interval) == pytest.approx(expected, abs=1e-12)
    share = mean(values)
    assert 0.0 <= share["low"] <= share["value"] + 1e-12
    assert share["value"] - 1e-12 <= share["high"] <= 1.0


@pytest.mark.parametrize(
    ("values", "value", "members"),
    [([0.9, None, math.nan, 0.8], 0.85, 2), ([0.5], 0.5, 1), ([], math.nan, 0), ([None], None, 0)],
)
def test_members_without_a_value_are_left_out(values, value, members):
    interval = mean(values)
    assert interval["members"] == members
    assert interval["value"] == pytest.approx(value or math.nan, nan_ok=True)
    assert math.isnan(interval["low"]) == (members < 2)


@given(SHARES, SHARES)
def test_difference_is_that_of_welch_and_antisymmetric(a, b):
    interval, mirrored = gap(a, b), gap(b, a)
    assert interval["value"] == pytest.approx(np.mean(a) - np.mean(b), abs=1e-12)
    assert ends(interval) == pytest.approx((-mirrored["high"], -mirrored["low"]), abs=1e-12)
    # Where all members agree scipy warns of its own loss of precision.
    if min(np.std(a), np.std(b)) > 1e-6:
        expected = of_scipy.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
        assert ends(interval) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_difference_of_constants_of_tiny_spreads_and_of_one_member():
    assert ends(gap([0.5, 0.5], [0.25, 0.25])) == (0.25, 0.25)
    low, high = ends(gap([0.0, 0.0], [0.0, 1e-127]))
    assert low <= 0 <= high
    assert math.isnan(gap([0.9], [0.5, 0.6])["low"])
    assert gap([], [0.5])["members"] == 0


@given(FLAGS, FLAGS)
def test_rates_are_those_of_wilson_and_newcombe(a, b):
    x, y = rate(a), rate(b)
    expected = of_scipy.binomtest(sum(a), len(a)).proportion_ci(0.95, method="wilson")
    assert ends(x) == pytest.approx((expected.low, expected.high), abs=1e-12)
    interval = rate_gap(a, b)
    assert interval["value"] == x["value"] - y["value"]
    assert -1.0 <= interval["low"] <= interval["value"] <= interval["high"] <= 1.0
    assert interval["low"] == pytest.approx(-rate_gap(b, a)["high"], abs=1e-12)


def test_newcombe_of_his_paper():
    # Stat. Med. 17, 873 (1998), table II, method 10: 56/70 less 48/80.
    interval = rate_gap([True] * 56 + [False] * 14, [True] * 48 + [False] * 32)
    assert ends(interval) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_median_covers_its_value():
    rng = np.random.default_rng(0)
    inside = [
        low <= 0.0 <= high
        for low, high in (ends(median(rng.standard_normal(25))) for _ in range(200))
    ]
    assert np.mean(inside) >= 0.93
    assert median([])["members"] == 0


def test_mean_of_sample_covers_members_and_chains():
    # Members with accuracies of their own, all put to the same chains.
    rng, inside = np.random.default_rng(1), []
    for _ in range(300):
        levels = 0.9 + 0.02 * rng.standard_normal(8)
        hard = np.sort(rng.random(400))  # how hard each chain is, common to all members
        interval = mean_of_sample([(hard < level).mean() for level in levels], 400)
        inside.append(interval["low"] <= 0.9 <= interval["high"])
    assert np.mean(inside) >= 0.94
    both, alone = mean_of_sample([0.8, 0.9, 0.85], 50), mean([0.8, 0.9, 0.85])
    assert both["low"] < alone["low"]


def test_groups():
    a, b = [0.90, 0.91, 0.92, 0.93], [0.50, 0.51, 0.52, 0.53]
    assert groups_differ([a, b]) == pytest.approx(of_scipy.kruskal(a, b).pvalue)
    assert groups_differ([a, a]) > 0.5
    assert groups_differ([[0.5, 0.5], [0.5, 0.5]]) == 1.0
    assert math.isnan(groups_differ([a]))
    assert math.isnan(groups_differ([[0.1], [0.9]]))
    # A diverged member ranks last.
    lost = groups_differ([[0.9] * 4, [None, None, None, 0.95]])
    assert lost == groups_differ([[0.9] * 4, [0.1, 0.1, 0.1, 0.95]])


def test_members_above_chance():
    assert above_chance([0.3, 0.26, None], 0.25).tolist() == [True, True, False]
    assert above_chance([0.9, 0.5, 0.3], 0.25).tolist() == [True, False, False]


TABLE = pd.DataFrame(
    {
        "network": ["a", "a", "b", "b", "c"],
        "shift": ["clean", "clean", "clean", "clean", "ring"],
        "accuracy": [0.9, 0.8, 0.5, 0.6, 0.7],
    }
)


def test_tables_of_conditions():
    interval = over_members(TABLE, ["shift", "network"], "accuracy").set_index(["shift", "network"])
    assert interval["members"].tolist() == [2, 2, 1]
    assert interval.loc[("clean", "a"), "value"] == pytest.approx(0.85)
    leads = against(TABLE, ["a", "c"], ["b"], ["shift"], "accuracy")
    assert leads[["shift", "network", "rival"]].values.tolist() == [["clean", "a", "b"]]
    assert leads["value"].item() == pytest.approx(0.3)
    kept = against(TABLE, ["a"], ["b"], ["shift"], "accuracy", keep=lambda r: r["accuracy"] > 0.55)
    assert kept["value"].item() == pytest.approx(0.25)
    assert where(TABLE, network=["a", "b"], shift="ring").empty
    assert in_points(leads)["value"].item() == pytest.approx(30.0)
    cells = spread(TABLE[["network", "shift"]], "shift", "vwxyz")
    assert cells.to_numpy().tolist() == [["a", "v", ""], ["b", "x", ""], ["c", "", "z"]]
