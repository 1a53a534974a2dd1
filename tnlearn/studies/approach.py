"""How close to a transition an answer is right: accuracy against distance, and where it crosses.

The accuracy near a transition rises with the distance δ.  It is estimated by a Gaussian
average of right (1) and wrong (0) answers over ln δ, of standard deviation 0.2, made
non-decreasing by isotonic regression; the closest approach at accuracy a is

    δ*(a) = the smallest δ from which on the estimate is at least a.

Its interval is the 95 % percentile bootstrap: chains are drawn anew with replacement and,
where many trained members answer, members too, so that it holds both kinds of luck.
(Isotonic regression alone is an inconsistent estimate of a crossing under the bootstrap;
with the average before it, 91 to 94 of 100 intervals held the crossing of known curves.)
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

__all__ = ["Approach", "Bin", "Ratio", "binned", "closest", "gain", "ratio"]

Array = NDArray[Any]
Floats = NDArray[np.float64]

_BANDWIDTH = 0.2  # in ln δ
_GRID = 80
# An accuracy is believed only where this share of the chains lies beyond: the last few
# chains of a sample are all right by luck often enough.
_BEYOND = 0.05
_BOOTSTRAPS = 200


@dataclass(frozen=True)
class Approach:
    """Closest approach with its 95 % interval, in the units of the distance.

    Attributes
    ----------
    value : float
        Infinite where the accuracy is not reached at any distance tested, 0 where it is
        reached already at the smallest one (it is then at most `least`).
    low, high : float
        Likewise.
    least, most : float
        Smallest and largest distance tested.
    """

    value: float
    low: float
    high: float
    least: float
    most: float

    def record(self) -> dict[str, float | None]:
        """As JSON holds it, with null for infinity."""

        numbers = _plain(value=self.value, low=self.low, high=self.high)
        return {**numbers, "least": self.least, "most": self.most}


def closest(
    distance: Floats,
    right: Array,
    level: float,
    *,
    rng: np.random.Generator,
    bootstraps: int = _BOOTSTRAPS,
) -> Approach:
    """The closest approach at accuracy `level`, with its interval.

    Parameters
    ----------
    distance : (samples,) float array
        δ of each chain.
    right : (samples,) or (members, samples) bool array
        Whether the answer was right; of many members, the accuracy is that of one of them
        taken at random.
    level : float
        Accuracy asked for.
    rng : Generator
        Of the bootstrap.
    bootstraps : int
        Number of resamplings.
    """
    curve = _Curve(distance)
    rows = np.atleast_2d(np.asarray(right, dtype=float))
    value = curve.crossing(rows.mean(axis=0), np.ones(rows.shape[1]), level)
    found = np.empty(bootstraps)
    for k in range(bootstraps):
        chains = _drawn(rng, rows.shape[1])
        found[k] = curve.crossing(_some(rng, rows), chains, level)
    low, high = _ends(found)
    return Approach(value, low, high, *curve.span)


@dataclass(frozen=True)
class Ratio:
    """How many times closer one answer comes than another, with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """`ahead`, `behind`, or `level` where the interval holds 1."""
        if self.low > 1:
            return "ahead"
        return "behind" if self.high < 1 else "level"

    def record(self) -> dict[str, float | str | None]:
        """As JSON holds it, with null for infinity."""
        return {**_plain(value=self.value, low=self.low, high=self.high), "verdict": self.verdict}


def ratio(
    distance: Floats,
    other: Array,
    right: Array,
    level: float,
    *,
    rng: np.random.Generator,
    bootstraps: int = _BOOTSTRAPS,
) -> Ratio:
    """δ* of the `other` answers over δ* of those in question, on the same chains.

    Both are resampled together.  Where one is right down to the smallest distance tested,
    that distance stands for its δ*; where neither reaches the level, the ratio is 1.

    Parameters
    ----------
    distance, right, level, rng, bootstraps
        As in `closest`.
    other : (samples,) or (members, samples) bool array
    """
    curve = _Curve(distance)
    pair = [np.atleast_2d(np.asarray(x, dtype=float)) for x in (other, right)]

    def one(means: list[Floats], chains: Floats) -> float:
        first, second = (max(curve.crossing(m, chains, level), curve.span[0]) for m in means)
        return first / second if np.isfinite(first) or np.isfinite(second) else 1.0

    samples = pair[0].shape[1]
    value = one([rows.mean(axis=0) for rows in pair], np.ones(samples))
    found = np.empty(bootstraps)
    for k in range(bootstraps):
        chains = _drawn(rng, samples)
        found[k] = one([_some(rng, rows) for rows in pair], chains)
    return Ratio(value, *_ends(found))


def gain(
    other: Array, right: Array, *, rng: np.random.Generator, bootstraps: int = _BOOTSTRAPS
) -> tuple[float, float, float]:
    """Share of the `right` answers less that of the `other` on the same chains, with its interval.

    Resampled as in `ratio`.
    """
    first, second = (np.atleast_2d(np.asarray(x, dtype=float)) for x in (other, right))
    samples = first.shape[1]
    value = float(second.mean() - first.mean())
    found = np.empty(bootstraps)
    for k in range(bootstraps):
        chains = _drawn(rng, samples)
        found[k] = chains @ (_some(rng, second) - _some(rng, first)) / samples
    return value, *_ends(found)


class _Curve:
    """Accuracy against ln δ for chains at these distances, however often each is drawn."""

    def __init__(self, distance: Floats) -> None:
        self.logs = np.log(np.asarray(distance, dtype=float))
        least, most = self.logs.min(), self.logs.max()
        self.grid = np.linspace(least, most, _GRID)
        self.kernel = np.exp(-0.5 * ((self.grid[:, None] - self.logs) / _BANDWIDTH) ** 2)
        self.span = (float(np.exp(least)), float(np.exp(most)))

    def crossing(self, mean: Floats, weights: Floats, level: float) -> float:
        """Where the estimate reaches `level`: see `Approach.value`."""
        size = self.kernel @ weights
        fitted = isotonic_regression((self.kernel @ (weights * mean)) / size, weights=size).x
        # Averages carry rounding: 0.95 of twenty is 0.95.
        above = np.flatnonzero(fitted >= level - 1e-12)
        if not len(above):
            return float("inf")
        first = int(above[0])
        if weights[self.logs >= self.grid[first]].sum() < _BEYOND * weights.sum():
            return float("inf")
        if first == 0:
            return 0.0
        before, after = fitted[first - 1 : first + 1]
        step = (level - before) / (after - before) * (self.grid[first] - self.grid[first - 1])
        return float(np.exp(self.grid[first - 1] + step))


def _drawn(rng: np.random.Generator, count: int) -> Floats:
    """How often each of `count` was drawn in as many draws."""
    return np.bincount(rng.integers(count, size=count), minlength=count).astype(float)


def _some(rng: np.random.Generator, rows: Floats) -> Floats:
    """Mean over members drawn with replacement."""
    return np.asarray(_drawn(rng, len(rows)) @ rows / len(rows))


def _ends(found: Floats) -> tuple[float, float]:
    # Order statistics and not interpolation: some may be infinite.
    low, high = np.quantile(found, [0.025, 0.975], method="nearest")
    return float(low), float(high)


def _plain(**numbers: float) -> dict[str, float | None]:
    return {name: float(x) if np.isfinite(x) else None for name, x in numbers.items()}


@dataclass(frozen=True)
class Bin:
    """Share of right answers between two distances; `centre` is their geometric mean."""

    low: float
    high: float
    centre: float
    samples: int
    right: float


def binned(distance: Floats, right: Array, edges: Floats) -> list[Bin]:
    """Accuracy in bins of the distance (the mean over members); empty bins are left out."""
    mean = np.atleast_2d(np.asarray(right, dtype=float)).mean(axis=0)
    found = []
    for low, high in itertools.pairwise(edges):
        inside = (distance >= low) & (distance < high)
        if inside.any():
            centre = float(np.exp(np.log(distance[inside]).mean()))
            share = float(mean[inside].mean())
            found.append(Bin(float(low), float(high), centre, int(inside.sum()), share))
    return found
