"""The quartic form with functions of position that keep their meaning at every length.

Of a chain of L cells, with m = x − y the displacement, s = m/L and c = (x + y + 1)/L − 1 the
centre on [−1, 1], the network sees the moments

    B_k = Σ_xy f_k(x, y) |q_xy|²,         q_xy = Σ_n u_n(x) v_n(y)*,

of two families of functions:

    near    hat(m) / L              bulk averages of |q|² a few cells off the diagonal: which
                                    transition is next
    far     hat(s) T_d(c)           with hats between fixed fractions of L, zero around s = 0:
                                    how the tails of q end on the sample

Next to a transition |q_xy|² falls as 1/m² up to m ~ 1/δ, so a sum over a share of all pairs
tends to a number that depends on L δ alone: weights trained at some lengths serve at others.
A far function must not contain s = 0, where it would count cells.  Only even Chebyshev
polynomials T_d are needed: the mirror (x, y) → (L−1−y, L−1−x) keeps W and c² and turns
clean chains into themselves.
A head on the moments makes of every hidden unit a node D(x, y) = Σ_k w_k f_k(x, y).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ConfigError, check_whole
from tnlearn.models.layers import Stack
from tnlearn.models.network import Network
from tnlearn.models.rswn import Q_SQUARED
from tnlearn.networks.graph import BATCH, Graph, as_constant

__all__ = ["DEGREES", "FAR", "NEAR", "moment_count", "scaling", "scaling_functions"]

Floats = npt.NDArray[np.float64]

# Knots of the hats: the first and the last are their feet, but the last far one, which is
# the longest displacement there is.
NEAR = (-8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8)
FAR = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4, 7 / 8, 1.0)
DEGREES = (0, 2, 4, 6)

_MOMENT = "moment"


def moment_count() -> int:
    """Number of moments, the same for every length."""
    return len(NEAR) - 2 + 2 * (len(FAR) - 1) * len(DEGREES)


def scaling_functions(cells: int, rows: slice = slice(None)) -> Floats:
    """The functions f_k(x, y), shape (moments, rows, cells); `rows` are those x that are wanted.

    First the near ones in the order of their knots, then the far ones: for m > 0 and for
    m < 0, for each knot, each degree.
    """
    x = np.arange(cells)[rows, None]
    y = np.arange(cells)[None, :]
    offset = (x - y).astype(float)
    share = offset / cells
    centre = (x + y + 1) / cells - 1
    functions = np.empty((moment_count(), *offset.shape))
    k = 0
    for number in range(1, len(NEAR) - 1):
        functions[k] = _hat(offset, NEAR, number) / cells
        k += 1
    angle = np.arccos(np.clip(centre, -1.0, 1.0))
    waves = [np.cos(degree * angle) for degree in DEGREES]
    for side in (1, -1):
        for number in range(1, len(FAR)):
            hat = _hat(side * share, FAR, number)
            for wave in waves:
                np.multiply(hat, wave, out=functions[k])
                k += 1
    return functions


def _hat(at: Floats, knots: Sequence[float], number: int) -> Floats:
    heights = np.zeros(len(knots))
    heights[number] = 1.0
    return np.asarray(np.interp(at, knots, heights), dtype=np.float64)


def scaling(
    cells: int,
    *,
    shift: Sequence[float] | None = None,
    scale: Sequence[float] | None = None,
) -> Network:
    """The moments as a network ``net(states) -> (samples, moments)``; attach a head to train it.

    ``scaling(20).head(classes=4, hidden=(32,))`` takes chains of any length by `resize`, and
    `tnl.fit` trains it on several lengths at once.

    Parameters
    ----------
    cells
        Number L of unit cells, at least 2.
    shift, scale
        Numbers a moment is standardised with, (B_k − shift_k) scale_k, the same for every length;
        none by default.  Adam learns several times faster with features of one size.

    Raises
    ------
    ConfigError
        If they are not as many as there are moments, or the chain is too short.
    """
    cells = check_whole("cells", cells, 2)
    recipe: dict[str, object] = {"call": "scaling", "cells": cells}
    stack = Stack(cells)
    basis = as_constant("D.basis", (_MOMENT, "x", "y"), scaling_functions(cells))
    parts = (*Q_SQUARED, stack.add(basis).use)
    stack.function("B", "real", stack.contract("polynomial", (BATCH, _MOMENT), *parts))
    for name, op, values in (("shift", "subtract", shift), ("scale", "multiply", scale)):
        if values is None:
            continue
        numbers = np.asarray(values, dtype=float)
        if numbers.shape != (moment_count(),) or not np.isfinite(numbers).all():
            raise ConfigError(
                f"{name} must be {moment_count()} finite numbers, one a moment, "
                f"not of shape {numbers.shape}"
            )
        recipe[name] = [float(number) for number in numbers]
        moments = stack.last
        stack.function(f"B.{name}", op, moments, stack.add(as_constant(name, (_MOMENT,), numbers)))
    return Network(Graph(stack.nodes, stack.last.name), recipe=[recipe], factory=scaling)
