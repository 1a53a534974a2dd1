"""Intervals over the members of an ensemble.

Three statements are made in a report and each has one definition here:

- a mean over members carries the 95 % interval of Student's t,
  `mean ± t(0.975, n − 1) s / √n`, cut at 0 and 1 for shares;
- a success rate `k/n` carries Wilson's 95 % score interval
  (E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927));
- two networks differ if Welch's 95 % interval of the difference of their means
  excludes 0 (B. L. Welch, Biometrika 34, 28 (1947)), and a set of groups
  differs if the rank test of Kruskal and Wallis gives p < 0.05
  (J. Am. Stat. Assoc. 47, 583 (1952)).

A member without a finite value (its training diverged) is left out of means
and counted: no mean hides how many members it rests on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

__all__ = ["Difference", "Summary", "difference", "groups_differ", "numbers", "summary", "wilson"]

Floats = NDArray[np.float64]

# Two-sided 95 %.
_QUANTILE = 0.975
_NORMAL = 1.959963984540054


@dataclass(frozen=True)
class Summary:
    """Mean over members with its 95 % interval; NaN where it does not exist.

    Attributes
    ----------
    mean, low, high
        The mean and the two ends of its t-interval; `low` and `high` are NaN for one member.
    best, worst
        The largest and the smallest value of a member.
    count
        Members with a finite value, on which all of the above rest.
    missing
        Members without one.
    """

    mean: float
    low: float
    high: float
    best: float
    worst: float
    count: int
    missing: int

    @property
    def half_width(self) -> float:
        """Half the interval before it is cut at 0 and 1: the larger of its two arms."""
        return max(self.mean - self.low, self.high - self.mean)

    @property
    def has_interval(self) -> bool:
        """Whether there are enough members for an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def numbers(self) -> dict[str, Any]:
        """`value`, `low`, `high` and `members` as findings have them; ends that are not: None."""
        low, high = (self.low, self.high) if self.has_interval else (None, None)
        return {"value": self.mean, "low": low, "high": high, "members": self.count}


@dataclass(frozen=True)
class Difference:
    """Difference of two means, `a − b`, with Welch's 95 % interval (NaN if there is none)."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """`ahead`, `behind`, `level` (the interval holds 0) or `unknown` (no interval)."""
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            return "unknown"
        if self.low > 0:
            return "ahead"
        return "behind" if self.high < 0 else "level"


def numbers(values: Iterable[float | None] | None) -> Floats:
    """Values as floats, shape (n,); None, as JSON writes a missing number, becomes NaN."""
    if values is None:
        return np.empty(0)
    return np.array([math.nan if v is None else float(v) for v in values], dtype=np.float64)


def summary(values: Iterable[float | None] | None, *, share: bool = True) -> Summary:
    """Mean, t-interval and extremes of one value per member.

    >>> s = summary([0.9, 0.8, None, 0.85])
    >>> round(s.mean, 3), round(s.low, 3), round(s.high, 3), s.count, s.missing
    (0.85, 0.726, 0.974, 3, 1)

    Parameters
    ----------
    values
        One number per member; None and NaN stand for a member without one.
    share
        Whether the values are shares, so that the interval is cut at 0 and 1.
    """
    everything = numbers(values)
    finite = everything[np.isfinite(everything)]
    count, missing = finite.size, everything.size - finite.size
    if count == 0:
        return Summary(math.nan, math.nan, math.nan, math.nan, math.nan, 0, missing)
    mean = float(finite.mean())
    low = high = math.nan
    if count > 1:
        arm = float(stdtrit(count - 1, _QUANTILE) * finite.std(ddof=1) / math.sqrt(count))
        low, high = mean - arm, mean + arm
        if share:
            low, high = max(low, 0.0), min(high, 1.0)
    return Summary(mean, low, high, float(finite.max()), float(finite.min()), count, missing)


def difference(a: Iterable[float | None] | None, b: Iterable[float | None] | None) -> Difference:
    """Welch's 95 % interval of mean(a) − mean(b), one value per member in each."""
    first, second = numbers(a), numbers(b)
    first, second = first[np.isfinite(first)], second[np.isfinite(second)]
    if first.size == 0 or second.size == 0:
        return Difference(math.nan, math.nan, math.nan)
    value = float(first.mean() - second.mean())
    if first.size < 2 or second.size < 2:
        return Difference(value, math.nan, math.nan)
    of_first = float(first.var(ddof=1)) / first.size
    of_second = float(second.var(ddof=1)) / second.size
    variance = of_first + of_second
    if variance == 0.0:
        return Difference(value, value, value)
    # As shares of the variance: the squares of tiny variances would underflow.
    of_first, of_second = of_first / variance, of_second / variance
    freedom = 1.0 / (of_first**2 / (first.size - 1) + of_second**2 / (second.size - 1))
    arm = float(stdtrit(freedom, _QUANTILE)) * math.sqrt(variance)
    return Difference(value, value - arm, value + arm)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of the rate `successes / trials`.

    >>> low, high = wilson(8, 8)
    >>> round(low, 3), round(high, 3)
    (0.676, 1.0)
    """
    if trials == 0:
        return math.nan, math.nan
    rate, square = successes / trials, _NORMAL**2 / trials
    centre = (rate + square / 2) / (1 + square)
    arm = math.sqrt(rate * (1 - rate) * square + square**2 / 4) / (1 + square)
    return max(centre - arm, 0.0), min(centre + arm, 1.0)


def groups_differ(groups: Sequence[Iterable[float | None]]) -> float:
    """The p-value of the Kruskal–Wallis test that all groups follow one distribution.

    A member without a value ranks below every other: it failed.  NaN if there
    are fewer than two groups with at least two members; 1 if all values agree.
    """
    filled = [np.nan_to_num(numbers(group), nan=-1.0) for group in groups]
    filled = [group for group in filled if group.size > 1]
    if len(filled) < 2:
        return math.nan
    if np.unique(np.concatenate(filled)).size == 1:
        return 1.0
    # Loaded here: scipy.stats takes longer to import than the rest of this room together.
    from scipy.stats import kruskal

    return float(kruskal(*filled).pvalue)
