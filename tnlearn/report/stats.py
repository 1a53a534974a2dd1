"""Intervals of 95 % over the members of an ensemble: one definition of each statement, from scipy.

========================  ==========================================================
mean over members         Student's t                                      `mean`
rate k of n               Wilson's score, J. Am. Stat. Assoc. 22, 209      `rate`
mean less mean            Welch's t, Biometrika 34, 28                     `gap`
rate less rate            Newcombe's, of two of Wilson, Stat. Med. 17, 873 `rate_gap`
median                    order statistics (sign test)                     `median`
mean, of a sample too     arms of `mean` and of `rate` as independent      `mean_of_sample`
several groups            rank test of Kruskal and Wallis                  `groups_differ`
a table of rates          variance of its rows, of its columns; bootstrap  `main_effects`
========================  ==========================================================

Each takes one value a member and returns ``value, low, high, members``.  A member without a finite
value (its training diverged) is left out and not counted: no mean hides how many it rests on.
An interval that does not exist is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = [
    "ABOVE_GUESSING",
    "COLUMNS",
    "above_chance",
    "gap",
    "groups_differ",
    "main_effects",
    "mean",
    "mean_of_sample",
    "median",
    "rate",
    "rate_gap",
    "share",
    "unbounded_mean",
]

COLUMNS = ["value", "low", "high", "members"]

Values = Iterable[Any]
Counts = npt.NDArray[np.int64]
Estimate = dict[str, Any]
SHARE = (0.0, 1.0)
_DRAWS, _SEED = 2000, 20261  # of the bootstrap: the same table gives the same intervals
# An ensemble below this multiple of guessing has learned nothing, whatever its members do.
ABOVE_GUESSING = 1.5


def _finite(values: Values) -> npt.NDArray[np.float64]:
    array = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    return array[np.isfinite(array)]


def _estimate(value: float, low: float, high: float, members: float) -> Estimate:
    return {"value": float(value), "low": float(low), "high": float(high), "members": members}


def mean(values: Values, bounds: tuple[float, float] = SHARE) -> Estimate:
    """Mean over members with Student's t-interval, cut at the ends of a share.

    >>> interval = mean([0.9, 0.8, None, 0.85])
    >>> [round(interval[key], 3) for key in COLUMNS]
    [0.85, 0.726, 0.974, 3]
    """
    x = _finite(values)
    if x.size < 2:
        return _estimate(x.mean() if x.size else math.nan, math.nan, math.nan, x.size)
    centre = x.mean()
    arm = stats.t.ppf(0.975, x.size - 1) * stats.sem(x)
    return _estimate(centre, max(centre - arm, bounds[0]), min(centre + arm, bounds[1]), x.size)


def unbounded_mean(values: Values) -> Estimate:
    """Mean with Student's t-interval of what is not a share, such as a loss."""
    return mean(values, (-math.inf, math.inf))


def rate(flags: Values) -> Estimate:
    """Share of members for which a statement holds, with Wilson's score interval.

    >>> interval = rate([True] * 8)
    >>> round(interval["low"], 3), interval["high"]
    (0.676, 1.0)
    """
    x = np.asarray(list(flags), dtype=bool)
    return share(int(x.sum()), x.size)


def share(count: int, total: int) -> Estimate:
    """So many of a total, with Wilson's score interval; NaN of none."""
    if not total:
        return _estimate(math.nan, math.nan, math.nan, 0)
    low, high = stats.binomtest(count, total).proportion_ci(method="wilson")
    return _estimate(count / total, low, high, total)


def gap(a: Values, b: Values) -> Estimate:
    """Mean of `a` less mean of `b`, Welch's interval; members are those of the smaller group."""
    x, y = _finite(a), _finite(b)
    members = min(x.size, y.size)
    if not members:
        return _estimate(math.nan, math.nan, math.nan, 0)
    value = x.mean() - y.mean()
    if members < 2:
        return _estimate(value, math.nan, math.nan, members)
    # Not `ttest_ind`, which warns where all members agree.
    of_x, of_y = stats.sem(x) ** 2, stats.sem(y) ** 2
    if of_x + of_y == 0.0:
        return _estimate(value, value, value, members)
    a_share, b_share = of_x / (of_x + of_y), of_y / (of_x + of_y)
    freedom = 1 / (a_share**2 / (x.size - 1) + b_share**2 / (y.size - 1))
    arm = stats.t.ppf(0.975, freedom) * np.sqrt(of_x + of_y)
    return _estimate(value, value - arm, value + arm, members)


def rate_gap(a: Values, b: Values) -> Estimate:
    """Share of true flags of `a` less that of `b`, with Newcombe's interval (his method 10).

    >>> interval = rate_gap([True] * 56 + [False] * 14, [True] * 48 + [False] * 32)
    >>> [round(interval[key], 4) for key in ("value", "low", "high")]
    [0.2, 0.0524, 0.3339]
    """
    x, y = rate(a), rate(b)
    value = x["value"] - y["value"]
    low = value - math.hypot(x["value"] - x["low"], y["high"] - y["value"])
    high = value + math.hypot(x["high"] - x["value"], y["value"] - y["low"])
    return _estimate(value, low, high, min(x["members"], y["members"]))


def median(values: Values) -> Estimate:
    """Median with the interval of its order statistics (inverse of the sign test)."""
    x = _finite(values)
    if not x.size:
        return _estimate(math.nan, math.nan, math.nan, 0)
    low, high = stats.quantile_test(x, q=np.median(x), p=0.5).confidence_interval()
    return _estimate(np.median(x), low, high, x.size)


def mean_of_sample(accuracies: Values, chains: int) -> Estimate:
    """Mean accuracy where members differ and the chains of the test are a sample that all share.

    The arms of Student's t over members and of Wilson over chains add as independent ones.

    >>> interval = mean_of_sample([1.0, 1.0, 1.0], 200)
    >>> interval["value"], round(interval["low"], 3), interval["high"], interval["members"]
    (1.0, 0.981, 1.0, 3)
    """
    x = mean(accuracies)
    if not x["members"]:
        return x
    value = x["value"]
    sample = share(round(value * chains), chains)
    down, up = max(value - sample["low"], 0.0), max(sample["high"] - value, 0.0)
    if math.isfinite(x["low"]):
        down, up = math.hypot(down, value - x["low"]), math.hypot(up, x["high"] - value)
    return x | {"low": max(value - down, 0.0), "high": min(value + up, 1.0)}


def groups_differ(groups: Sequence[Values]) -> float:
    """The p-value of the Kruskal–Wallis test that all groups follow one distribution.

    A member without a value ranks below every other: it failed.  NaN if there are fewer than two
    groups with at least two members; 1 if all values agree.
    """
    lists = [[np.nan if v is None else v for v in group] for group in groups]
    filled = [np.nan_to_num(np.asarray(x, dtype=float), nan=-1.0) for x in lists if len(x) > 1]
    if len(filled) < 2:
        return math.nan
    if np.unique(np.concatenate(filled)).size == 1:
        return 1.0
    return float(stats.kruskal(*filled).pvalue)


def main_effects(successes: Counts, trials: Counts) -> tuple[Estimate, Estimate]:
    """Share of the variance of a table of success rates that its rows, and its columns, explain.

    Main effects of a two-way table (sums of squares over the total), with percentile intervals
    from drawing the successes of every cell anew; 0 where all cells are alike.
    """
    rng = np.random.default_rng(_SEED)
    drawn = rng.binomial(trials, successes / trials, size=(_DRAWS, *trials.shape)) / trials

    def effect(tables: npt.NDArray[np.float64], over: int) -> npt.NDArray[np.float64]:
        centre = tables.mean(axis=(1, 2), keepdims=True)
        total = ((tables - centre) ** 2).mean(axis=(1, 2))
        part = ((tables.mean(axis=over, keepdims=True) - centre) ** 2).mean(axis=(1, 2))
        return np.where(total > 0, part / np.where(total > 0, total, 1.0), 0.0)

    def share(over: int) -> Estimate:
        low, high = np.quantile(effect(drawn, over), [0.025, 0.975])
        value = effect((successes / trials)[None], over)[0]
        return _estimate(value, low, high, int(trials.sum()))

    return share(2), share(1)


def above_chance(levels: Values, chance: float) -> npt.NDArray[np.bool_]:
    """Members that learned at all: at least half way from guessing to the best one, (members,).

    All of them where the best is no better than 1.5 times `chance`: then nobody learned, and
    their order is chance.  A member without a value is none.  Leaving out those of an opponent
    that did not learn is to the opponent's favour only.

    >>> above_chance([0.95, 0.94, 0.25, None], 0.25).tolist()
    [True, True, False, False]
    """
    x = np.array([np.nan if v is None else v for v in levels], dtype=np.float64)
    finite = np.isfinite(x)
    best = float(x[finite].max()) if finite.any() else 0.0
    if best <= ABOVE_GUESSING * chance:
        return finite
    return np.asarray(finite & (np.nan_to_num(x, nan=0.0) >= (chance + best) / 2))
