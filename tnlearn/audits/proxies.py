"""What a classifier may read instead of the invariant: the edge states, counted.

By the bulk–boundary correspondence a long open chain of winding W has W states near
zero energy at its left end, on sublattice A if W > 0 and on B if W < 0, and their
partners at the right end.  Counting them tells the winding of a clean chain without
looking at its bulk.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError
from tnlearn.physics.states import States

__all__ = ["edge_count"]

Array = NDArray[Any]


def edge_count(states: States, depth: int | None = None, lowest: int = 2) -> Array:
    """Edge states of open chains, counted with the sign of their sublattice: (samples,) floats.

    round Σ_{n < lowest} (Σ_{x < depth} |u_n(x)|² − Σ_{x ≥ L − depth} |u_n(x)|²): the weight of
    the states nearest zero energy, on sublattice A, at the left end less at the right end.  It
    looks at a few states and a few cells only; on long clean open chains it is W for |W| ≤
    lowest.

    Parameters
    ----------
    states : States
        Energies ascending, as `tnlearn.states` gives them.
    depth : int, optional
        Cells at either end that are looked at; 0.15 L, at least one, unless given.
    lowest : int
        How many pairs of states.

    Raises
    ------
    ConfigError
        If `depth` or `lowest` is below 1 or above what there is.

    Source: of the correspondence, e.g. doi:10.1007/978-3-319-25607-8, chapter 1.
    """
    reach = max(1, round(0.15 * states.cells)) if depth is None else depth
    if not 1 <= reach <= states.cells or not 1 <= lowest <= states.u.shape[1]:
        raise ConfigError(
            f"depth={reach} and lowest={lowest} must lie between 1 and the number of cells "
            f"({states.cells}) and of states ({states.u.shape[1]})"
        )
    density = np.abs(states.u[:, :lowest]).astype(np.float64) ** 2
    left = density[:, :, :reach].sum(axis=(1, 2))
    right = density[:, :, states.cells - reach :].sum(axis=(1, 2))
    found: Array = np.round(left - right) + 0.0  # no negative zero
    return found
