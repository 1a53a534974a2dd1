"""The logarithm form of the real-space winding number, an integer on a ring."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_values"]

Array = NDArray[Any]

# An eigenvalue of X_A X_B† this near to −1 could be taken for either side of the cut.
_CUT = 1e-6


def log_values(block: Array) -> tuple[Array, Array, Array]:
    """W = (1/2πi) Tr log(X_A X_B†) of the blocks of rings.

    X_A = U† e^{2πiX/L} U and X_B = V† e^{2πiX/L} V with h = U S V†; the logarithm
    is the principal one of the unitary matrix, so 2πW is the sum of the angles of
    its eigenvalues, which are those of e^{2πiX/L} q e^{−2πiX/L} q†.

    Parameters
    ----------
    block : (samples, cells, cells) array
        h[x, y] on a ring.

    Returns
    -------
    value : (samples,) float array
        W, an integer to rounding.
    energies : (samples, cells) float array
        Singular values of the block, descending.
    clear : (samples,) bool array
        False where an eigenvalue lies on the branch cut at −1.

    Source: Lin, Ke, Lee, arXiv:2101.08546; the sign as in docs/physics.md.
    """
    u, s, vh = np.linalg.svd(block)
    q = u @ vh
    size = block.shape[-1]
    twist = np.exp(2j * np.pi * np.arange(size) / size)
    turned = (twist[:, None] * q * twist.conj()) @ q.conj().swapaxes(1, 2)
    eigenvalues = np.linalg.eigvals(turned)
    angles = np.angle(eigenvalues)
    clear = (np.pi - np.abs(angles)).min(axis=1) > _CUT
    return angles.sum(axis=1) / (2 * np.pi), s, clear
