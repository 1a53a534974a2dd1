"""Zolotarev's partial fractions of the inverse square root: the poles of the fast labels.

On [l², 1], with k' = l the complementary modulus and K' = K(√(1 − l²)),

    z^(−1/2) ≈ Σ_{k=1..K} c_k / (z + s_k),   s_k = l² sc²(τ_k),   τ_k = (k − ½) K'/K,
    c_k = (2 K' l / πK) dn(τ_k)/cn²(τ_k),    relative error ≈ 4 exp(−π² K / ln(4/l)).

Everything is found from l itself, never from the parameter m = 1 − l², which
rounds to 1 below l = 1e-8: with sc(τ | m) = −i sn(iτ | l²) the functions belong
to a tiny modulus, where Landen's transformation converges in two steps, and the
upper half of the poles follows from the lower by s_k s_{K+1−k} = l².  So the
table has full relative precision for any l down to 1e-100, without mpmath.

Sources: van den Eshof, Frommer, Lippert, Schilling, van der Vorst,
hep-lat/0202025; Hale, Higham, Trefethen, doi:10.1137/070700607 (method 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PoleTable", "pole_count", "pole_error", "pole_tables", "poles"]

Array = NDArray[Any]

# What the sum of positive terms may be off by when it is evaluated in float64.
_ROUNDING = 1e-15


@dataclass(frozen=True, eq=False)
class PoleTable:
    """Poles of z^(−1/2) on [low², 1].

    Attributes
    ----------
    low : float
        Smallest singular value served, relative to the norm.
    shifts, weights : (poles,) float arrays
        s_k > 0, ascending, and c_k > 0.
    error : float
        Bound of |1 − σ Σ_k c_k/(σ² + s_k)| for σ in [low, 1].
    """

    low: float
    shifts: Array
    weights: Array
    error: float


def pole_count(low: float, error: float) -> int:
    """Number of poles for a relative error on [low, 1]: ln(4/low) ln(4/error)/π², rounded up."""
    return max(4, math.ceil(math.log(4 / low) * math.log(4 / error) / math.pi**2))


@lru_cache(maxsize=512)
def poles(low: float, count: int) -> PoleTable:
    """The table of `count` poles on [low², 1], for 1e-100 <= low < 1."""
    quarter = math.pi / (2 * _agm(1.0, low))
    tau = (np.arange(1, count + 1) - 0.5) * quarter / count
    lower = (count + 1) // 2
    sc = np.empty(count)
    sc[:lower] = _sc(tau[:lower], low)
    sc[count - lower :] = 1 / (low * sc[:lower][::-1])
    weights = (2 * quarter * low / (math.pi * count)) * np.hypot(1.0, low * sc) * np.hypot(1.0, sc)
    shifts = (low * sc) ** 2
    for array in (shifts, weights):
        array.flags.writeable = False
    # The formula is met to a few per cent (the tests measure it): a tenth more bounds it.
    error = 4.4 * math.exp(-(math.pi**2) * count / math.log(4 / low))
    return PoleTable(low, shifts, weights, error + _ROUNDING)


@lru_cache(maxsize=32)
def pole_tables(error: float) -> tuple[Array, Array, Array, Array, Array]:
    """Tables for cut-offs 10^(−1/4), 10^(−1/2), … 10^(−16), … 10^(−60), of errors below `error`.

    Returns levels, counts, shifts, weights, errors; shifts and weights padded to
    the longest table.
    """
    levels = 10.0 ** -np.concatenate([np.arange(1, 65) / 4, np.arange(17.0, 61.0)])
    tables = [poles(low, pole_count(low, error)) for low in levels.tolist()]
    counts = np.array([len(t.shifts) for t in tables])
    shifts = np.ones((len(levels), counts.max()))
    weights = np.zeros(shifts.shape)
    for j, t in enumerate(tables):
        shifts[j, : counts[j]] = t.shifts
        weights[j, : counts[j]] = t.weights
    return levels, counts, shifts, weights, np.array([t.error for t in tables])


def pole_error(tolerance: float, cells: int) -> float:
    """Relative error of the poles for an error of W below the tolerance."""
    # |q_yx|² weighs the distance, which localisation keeps well below L: the bound
    # returned with a result is made with L itself.
    target = tolerance / (8 * min(cells, 128))
    # Two steps to a decade, so that few tables are ever made.
    return max(float(10 ** (np.floor(2 * np.log10(target)) / 2)), 1e-15)


def _agm(a: float, b: float) -> float:
    while abs(a - b) > 1e-15 * a:
        a, b = (a + b) / 2, math.sqrt(a * b)
    return a


def _sc(tau: Array, modulus: float) -> Array:
    """−i sn(iτ) of the given (small) modulus, for τ up to half the quarter period."""
    if modulus < 1e-10:
        return np.sinh(tau)
    smaller = (modulus / (1 + math.sqrt((1 - modulus) * (1 + modulus)))) ** 2
    below = _sc(tau / (1 + smaller), smaller)
    answer: Array = (1 + smaller) * below / (1 - smaller * below**2)
    return answer
