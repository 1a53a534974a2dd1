"""The real-space winding number from the states."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.geometry import displacement, kept_cells

__all__ = ["rswn_values"]

Array = NDArray[Any]


def rswn_values(
    block: Array, boundary: str = "open", window: float = 0.5, start: int | None = None
) -> tuple[Array, Array]:
    """Real-space winding number (RSWN) of blocks by their polar factor.

    With h = U S V† and q = U V†,

        W = (1/L') Tr{P_B Q P_A [X, P_A Q P_B]} = (1/L') Σ_{y in window} Σ_x d(x, y) |q_xy|².

    On an open chain the trace runs over the window of L' cells (over the whole
    chain it is identically zero); on a ring there is no window, L' = L, and d is
    the minimal image of x − y.

    Parameters
    ----------
    block : (samples, cells, cells) array
        h[x, y] = <A,x|H|B,y>.
    boundary, window
        As in `tnlearn.physics.displacement` and `window_cells`.
    start : int, optional
        First cell of the window, where it is not to stand in the middle.

    Returns
    -------
    value : (samples,) float array
    energies : (samples, cells) float array
        Singular values of the block, descending.

    Source: arXiv:2509.26261, with its two sublattice names exchanged, so that the
    SSH chain with |t_1| > |t_0| has W = +1.
    """
    u, s, vh = np.linalg.svd(block)
    size = block.shape[-1]
    d = displacement(size, boundary)
    if boundary == "open":
        first, kept = kept_cells(size, window)
        inside = np.zeros(size)
        inside[first if start is None else start :][:kept] = 1 / kept
        d = d * inside
    else:
        d = d / size
    weight = np.abs(u @ vh) ** 2
    return np.einsum("sxy,xy->s", weight, d), s
