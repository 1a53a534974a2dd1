"""Where a disordered chain changes its phase: the mean of ln|t| in closed form.

An infinite chain with two neighbouring offsets m and m + 1 (the SSH chain: 0 and
1) winds m + 1 times where E ln|t_{m+1}| > E ln|t_m| and m times where it is
less; on the boundary the localisation length of its zero mode diverges.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError, ShapeError, check_finite

__all__ = ["mean_log", "ssh_exponent", "ssh_transitions"]

Array = NDArray[Any]

# Below this |w/2a| the closed form is a difference of nearly equal numbers, and the
# series in (w/2a)² is exact to rounding with the terms kept.
_SMALL = 0.1
_TERMS = 8
_HALVINGS = 60


def mean_log(amplitude: Any, strength: Any) -> Array:
    """E ln|a + w r|, r uniform on [−1/2, 1/2).

    For real a

        E ln|a + w r| = [(a + w/2) ln|a + w/2| − (a − w/2) ln|a − w/2|] / w − 1,

    and for complex a the real part of the same with complex logarithms.  Limits:
    ln|a| for w → 0 (taken by its series, ln|a| − Σ_k (w/2a)^{2k} / 2k(2k+1));
    ln w − 1 at a = ±w/2, where one of the two terms vanishes; ln(w/2) − 1 at a = 0;
    −∞ for a = w = 0.

    Parameters
    ----------
    amplitude, strength : scalars or arrays that broadcast
        a, real or complex, and w ≥ 0, in units of the hopping.

    Returns
    -------
    float array of the broadcast shape (zero-dimensional for scalars).

    Raises
    ------
    ConfigError, ShapeError, NotFiniteError
        For a negative or complex strength, shapes that do not broadcast, NaN or
        infinity.

    Source: Mondragon-Shem, Hughes, Song, Prodan, arXiv:1311.5233, where the
    boundary is written out for (W intra, W/2 inter).
    """
    given_a, given_w = np.asarray(amplitude), np.asarray(strength)
    check_finite("the amplitude", given_a)
    check_finite("the strength of disorder", given_w)
    if np.iscomplexobj(given_w) or np.any(given_w < 0):
        raise ConfigError("a strength of disorder is a real number of at least 0")
    try:
        a, half = np.broadcast_arrays(given_a * 1.0, given_w / 2.0)
    except ValueError:
        raise ShapeError(
            f"the amplitude has shape {given_a.shape} and the strength {given_w.shape}: they do "
            "not broadcast"
        ) from None
    mean = np.full(a.shape, -np.inf)
    gentle = (half < _SMALL * np.abs(a)) & (np.abs(a) > 0)
    s = np.divide(half, a, out=np.zeros_like(a), where=gentle)
    k = np.arange(1, _TERMS + 1)
    series = (s[..., None] ** (2 * k) / (2 * k * (2 * k + 1))).sum(axis=-1).real
    np.log(np.abs(a), out=mean, where=gentle)
    mean = np.where(gentle, mean - series, mean)
    rough = ~gentle & (half > 0)
    c = np.divide(a, half, out=np.zeros_like(a), where=rough)
    size = np.log(half, out=np.zeros(half.shape), where=rough)
    mean = np.where(rough, size + (_x_log(c + 1) - _x_log(c - 1)) / 2 - 1, mean)
    return np.asarray(mean)


def ssh_exponent(
    intra: Any, inter: Any, disorder_intra: Any = 0.0, disorder_inter: Any = 0.0
) -> Array:
    """E ln|t_1| − E ln|t_0| of the disordered SSH chain: positive where W = +1, 0 on the boundary.

    It is the inverse localisation length (per cell) of the zero mode, with a sign.
    NaN where both hoppings vanish.  Parameters as in `tnlearn.ssh`, scalars or
    arrays that broadcast; errors and source as in `mean_log`.
    """
    with np.errstate(invalid="ignore"):
        exponent: Array = mean_log(inter, disorder_inter) - mean_log(intra, disorder_intra)
    return exponent


def ssh_transitions(
    intra: float,
    inter: float = 1.0,
    *,
    shares: tuple[float, float] = (1.0, 0.5),
    up_to: float = 10.0,
    points: int = 4001,
) -> Array:
    """The strengths W in (0, up_to] at which the disordered SSH chain changes its phase.

    The zeros of W ↦ E ln|inter + W s_1 r'| − E ln|intra + W s_0 r|: bracketed on
    `points` equidistant strengths, then bisected to rounding.  Two zeros within
    one step are missed.

    Parameters
    ----------
    intra, inter : float
        Mean hoppings t_0 and t_1.
    shares : (s_0, s_1)
        Disorder of the intracell and the intercell hopping per unit of W:
        (1, 1/2) and (1/2, 1) are the two conventions in use.
    up_to : float
        Largest strength looked at, in units of the hopping.

    Returns
    -------
    (transitions,) float array, ascending.

    Raises
    ------
    ConfigError, NotFiniteError
        For a negative share, a range that is empty, NaN or infinity.

    >>> ssh_transitions(1.1).round(3).tolist()  # a topological Anderson insulator
    [1.712, 3.65]
    """
    if not np.isfinite(up_to) or up_to <= 0 or points < 2:
        raise ConfigError(f"up_to must be positive with at least 2 points, got {up_to!r}")

    def exponent(w: Array) -> Array:
        return ssh_exponent(intra, inter, shares[0] * w, shares[1] * w)

    # Strength 0 itself is left out: at |intra| = |inter| it is a zero of another kind.
    w = np.linspace(0.0, up_to, points)[1:]
    side = exponent(w) > 0
    jumps = np.flatnonzero(side[1:] != side[:-1])
    low, high = w[jumps], w[jumps + 1]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        left = (exponent(middle) > 0) == side[jumps]
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    return (low + high) / 2


def _x_log(x: Array) -> Array:
    """Re(x ln x), 0 at x = 0."""
    if not np.iscomplexobj(x):
        modulus = np.abs(x)
        logs = np.log(modulus, out=np.zeros_like(modulus), where=modulus > 0)
        return np.asarray(x * logs)
    logs = np.log(x, out=np.zeros_like(x), where=x != 0)
    return np.asarray((x * logs).real)
