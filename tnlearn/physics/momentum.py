"""The winding number of clean chains from the zeros of h(z)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError
from tnlearn.physics.chains import Chains

__all__ = ["momentum_winding"]

Array = NDArray[Any]

_CLEAN = 1e-12
_NEAR = 1e-9


def momentum_winding(chains: Chains) -> tuple[Array, Array]:
    """W = lowest power + number of zeros of h(z) = Σ_m t_m z^m inside the unit circle.

    Parameters
    ----------
    chains : Chains
        Clean ones: each t_m the same in every cell.

    Returns
    -------
    value : (samples,) float array
        Whole numbers; NaN where every hopping vanishes.
    clear : (samples,) bool array
        False where a zero lies on the unit circle to 1e-9.

    Raises
    ------
    ConfigError
        For a disordered sample: momentum is no quantum number there.

    Source: Cauchy's argument principle; docs/physics.md.
    """
    low, high = chains.offsets[0], chains.offsets[-1]
    coefficients = np.zeros((chains.samples, high - low + 1), dtype=chains.dtype)
    scale = np.max([np.abs(t).max(axis=1) for t in chains.hoppings.values()], axis=0)
    for m, t in chains.hoppings.items():
        spread = np.abs(t - t[:, :1]).max(axis=1)
        dirty = spread > _CLEAN * scale
        if dirty.any():
            first = int(np.argmax(dirty))
            raise ConfigError(
                f"the momentum method is for clean chains, and in sample {first} the hopping of "
                f"offset {m} varies by {spread[first]:.3g} from cell to cell; use "
                'method="lyapunov" or "twist"'
            )
        coefficients[:, m - low] = t[:, 0]
    value = np.full(chains.samples, np.nan)
    clear = np.zeros(chains.samples, dtype=bool)
    for k, c in enumerate(coefficients):
        present = np.flatnonzero(c)
        if len(present):
            zeros = np.roots(c[present[0] : present[-1] + 1][::-1])
            distance = np.abs(np.abs(zeros) - 1.0)
            value[k] = low + present[0] + np.count_nonzero(np.abs(zeros) < 1.0)
            clear[k] = bool(distance.min(initial=np.inf) > _NEAR)
    return value, clear
