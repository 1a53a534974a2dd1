"""Intervals and tests over members, against independent numbers and by property."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tnlearn.report.statistics import difference, groups_differ, numbers, summary, wilson

SHARES = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=20)


@given(SHARES)
def test_interval_is_that_of_student(values):
    found = summary(values, share=False)
    error = stats.sem(values)
    if error == 0:
        assert found.low == found.high == found.mean
        return
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), error)
    assert found.low == pytest.approx(low, abs=1e-12)
    assert found.high == pytest.approx(high, abs=1e-12)
    assert found.half_width == pytest.approx((high - low) / 2, abs=1e-12)


@given(SHARES)
def test_a_share_stays_a_share(values):
    found = summary(values)
    assert 0.0 <= found.low <= found.mean + 1e-12
    assert found.mean - 1e-12 <= found.high <= 1.0
    assert found.worst <= found.mean + 1e-12
    assert found.mean <= found.best + 1e-12


def test_members_without_a_value_are_left_out_and_counted():
    found = summary([0.9, None, math.nan, 0.8])
    assert (found.count, found.missing) == (2, 2)
    assert found.mean == pytest.approx(0.85)
    assert (found.best, found.worst) == (0.9, 0.8)


@pytest.mark.parametrize("values", [None, [], [None], [math.nan]])
def test_nothing_to_average(values):
    found = summary(values)
    assert found.count == 0
    assert math.isnan(found.mean)
    assert not found.has_interval


def test_one_member_has_no_interval():
    found = summary([0.5])
    assert found.mean == 0.5
    assert not found.has_interval


def test_none_becomes_nan():
    assert np.isnan(numbers([None, 1.0])[0])


@given(SHARES, SHARES)
def test_difference_is_that_of_welch(a, b):
    found = difference(a, b)
    assert found.value == pytest.approx(np.mean(a) - np.mean(b), abs=1e-12)
    # Where all members agree scipy warns of its own loss of precision.
    if min(np.std(a), np.std(b)) < 1e-6:
        return
    interval = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert found.low == pytest.approx(interval.low, abs=1e-9)
    assert found.high == pytest.approx(interval.high, abs=1e-9)


def test_difference_of_constants_and_of_tiny_spreads():
    assert difference([0.5, 0.5], [0.25, 0.25]).verdict == "ahead"
    assert difference([0.5, 0.5], [0.25, 0.25]).low == 0.25
    assert difference([0.0, 0.0], [0.0, 1e-127]).verdict == "level"


@given(SHARES, SHARES)
def test_difference_is_antisymmetric(a, b):
    opposite = {"ahead": "behind", "behind": "ahead", "level": "level"}
    assert difference(b, a).verdict == opposite[difference(a, b).verdict]


def test_verdicts():
    high, low = [0.90, 0.91, 0.92], [0.50, 0.51, 0.52]
    assert difference(high, low).verdict == "ahead"
    assert difference(low, high).verdict == "behind"
    assert difference(high, high).verdict == "level"
    assert difference([0.9], low).verdict == "unknown"
    assert difference([], low).verdict == "unknown"


@pytest.mark.parametrize(("hits", "trials"), [(0, 8), (3, 8), (8, 8), (1, 1), (40, 100)])
def test_wilson(hits, trials):
    interval = stats.binomtest(hits, trials).proportion_ci(0.95, method="wilson")
    assert wilson(hits, trials) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_wilson_of_nothing():
    assert all(math.isnan(end) for end in wilson(0, 0))


def test_groups():
    a, b = [0.90, 0.91, 0.92, 0.93], [0.50, 0.51, 0.52, 0.53]
    assert groups_differ([a, b]) == pytest.approx(stats.kruskal(a, b).pvalue)
    assert groups_differ([a, b]) < 0.05
    assert groups_differ([a, a]) > 0.5
    assert groups_differ([[0.5, 0.5], [0.5, 0.5]]) == 1.0
    assert math.isnan(groups_differ([a]))
    assert math.isnan(groups_differ([[0.1], [0.9]]))


def test_a_diverged_member_ranks_last():
    fine, half_lost = [0.9] * 4, [None, None, None, 0.95]
    assert groups_differ([fine, half_lost]) == groups_differ([fine, [0.1, 0.1, 0.1, 0.95]])
