"""How close to a transition an answer is right: accuracy against distance, and where it crosses.

The accuracy near a transition rises with the distance δ.  It is estimated by a Gaussian average
of right (1) and wrong (0) answers over ln δ, of standard deviation 0.2, made non-decreasing by
isotonic regression; the closest approach at accuracy a is

    δ*(a) = the smallest δ from which on the estimate is at least a:

infinite where no distance has it, 0 where the smallest one does.  Its interval is the 95 %
percentile bootstrap: chains are drawn anew with replacement and, where many trained members
answer, members too, so that it holds both kinds of luck.  (Isotonic regression alone is an
inconsistent estimate of a crossing under the bootstrap; with the average before it, 91 to 94 of
100 intervals held the crossing of known curves.)

Answers are arrays of bools, (samples,) or (members, samples): of many members, the accuracy is
that of one of them taken at random.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from tnlearn.report.stats import Estimate, share

__all__ = ["binned", "closest", "gain", "ratio"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_BANDWIDTH = 0.2  # in ln δ
_GRID = 80
# An accuracy is believed only where this share of the chains lies beyond: the last few chains of
# a sample are all right by luck often enough.
_BEYOND = 0.05


def closest(
    distance: Floats, right: Array, level: float, *, rng: np.random.Generator, bootstraps: int = 200
) -> Estimate:
    """Closest approach δ* of an answer to the transition, at an accuracy.

    Parameters
    ----------
    distance : (samples,) float array
        δ of each chain.
    right
        Where the answer was right.
    level
        The accuracy.
    rng, bootstraps
        Stream and number of the resamplings.

    Returns
    -------
    dict
        ``value, low, high, members``, in the units of the distance.
    """
    curve, rows = _Curve(distance), _rows(right)

    def approach(chains: Floats, mean: Floats) -> float:
        return curve.crossing(mean, chains, level)

    return _resampled(approach, [rows], rng, bootstraps)


def ratio(
    distance: Floats,
    other: Array,
    right: Array,
    level: float,
    *,
    rng: np.random.Generator,
    bootstraps: int = 200,
) -> Estimate:
    """How many times closer an answer comes than another one: δ* of `other` over δ* of `right`.

    Both are resampled together.  Where one is right down to the smallest distance, that distance
    stands for its δ*; where neither reaches the level, the ratio is 1.  Arguments as of `closest`.
    """
    curve = _Curve(distance)

    def times(chains: Floats, *means: Floats) -> float:
        first, second = (max(curve.crossing(m, chains, level), curve.least) for m in means)
        return first / second if math.isfinite(first) or math.isfinite(second) else 1.0

    return _resampled(times, [_rows(other), _rows(right)], rng, bootstraps)


def gain(
    other: Array, right: Array, *, rng: np.random.Generator, bootstraps: int = 200
) -> Estimate:
    """Share of `right` answers less that of `other` ones on the same chains, resampled together."""

    def more(chains: Floats, second: Floats, first: Floats) -> float:
        return float(chains @ (second - first)) / len(chains)

    return _resampled(more, [_rows(right), _rows(other)], rng, bootstraps)


def binned(distance: Floats, right: Array, edges: Floats) -> list[dict[str, Any]]:
    """Accuracy between distances, with Wilson's interval of the chains; no bin is empty.

    Returns
    -------
    list of dict
        ``distance`` (geometric mean), ``samples``, ``value`` (mean over members), ``low, high``.
    """
    mean, rows = _rows(right).mean(axis=0), []
    for low, high in itertools.pairwise(edges):
        inside = (distance >= low) & (distance < high)
        if count := int(inside.sum()):
            value = float(mean[inside].mean())
            centre = float(np.exp(np.log(distance[inside]).mean()))
            ends = share(round(value * count), count)
            of = {"distance": centre, "samples": count, "value": value}
            rows.append({**of, "low": ends["low"], "high": ends["high"]})
    return rows


class _Curve:
    """Accuracy against ln δ for chains at these distances, however often each is drawn."""

    def __init__(self, distance: Floats) -> None:
        self.logs = np.log(np.asarray(distance, dtype=float))
        self.grid = np.linspace(self.logs.min(), self.logs.max(), _GRID)
        self.kernel = np.exp(-0.5 * ((self.grid[:, None] - self.logs) / _BANDWIDTH) ** 2)
        self.least = float(np.exp(self.logs.min()))

    def crossing(self, mean: Floats, weights: Floats, level: float) -> float:
        """Where the estimate reaches `level`: δ*."""
        size = self.kernel @ weights
        fitted = isotonic_regression((self.kernel @ (weights * mean)) / size, weights=size).x
        # Averages carry rounding: 0.95 of twenty is 0.95.
        above = np.flatnonzero(fitted >= level - 1e-12)
        if not len(above):
            return math.inf
        first = int(above[0])
        if weights[self.logs >= self.grid[first]].sum() < _BEYOND * weights.sum():
            return math.inf
        if first == 0:
            return 0.0
        before, after = fitted[first - 1 : first + 1]
        step = (level - before) / (after - before) * (self.grid[first] - self.grid[first - 1])
        return float(np.exp(self.grid[first - 1] + step))


def _rows(right: Array) -> Floats:
    return np.atleast_2d(np.asarray(right, dtype=float))


def _resampled(
    number: Callable[..., float], answers: list[Floats], rng: np.random.Generator, bootstraps: int
) -> Estimate:
    """``number(chains, mean, …)``, and its interval with chains and members drawn anew.

    `chains` says how often each chain was drawn, `mean` is that of the drawn members of an answer.
    """
    samples = answers[0].shape[1]
    value = number(np.ones(samples), *(rows.mean(axis=0) for rows in answers))
    draws = np.empty(bootstraps)
    for k in range(bootstraps):
        chains = _drawn(rng, samples)
        draws[k] = number(chains, *(_drawn(rng, len(x)) @ x / len(x) for x in answers))
    # Order statistics and not interpolation: some may be infinite.
    low, high = np.quantile(draws, [0.025, 0.975], method="nearest")
    members = max(len(rows) for rows in answers)
    return {"value": value, "low": float(low), "high": float(high), "members": members}


def _drawn(rng: np.random.Generator, count: int) -> Floats:
    """How often each of `count` was drawn in as many draws."""
    return np.bincount(rng.integers(count, size=count), minlength=count).astype(float)
