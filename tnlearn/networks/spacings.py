"""Nodes of position with one weight a cell: the value there, or the spacing to the cell before.

A position operator on 2L sites holds every position twice, once for each
sublattice.  Trained entry by entry the two drift apart, and since the columns of
|q|² sum to 1 their distance moves W of every sample alike: a direction in which
the loss is steep and nothing is learned.  With one value a cell it does not exist.

The running sum of spacings is the same set of functions in other coordinates.
A step of the optimiser moves all cells beyond a bond together, so long slopes
(a position, the edge of a window) take few steps instead of many that agree.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ConfigError
from tnlearn.networks.init import Init
from tnlearn.networks.nodes import (
    CHANNEL,
    Contraction,
    Function,
    Inds,
    Node,
    Operand,
    Parameter,
    as_constant,
)

__all__ = ["by_cell", "spacing_basis"]

Floats = npt.NDArray[np.float64]


def by_cell(
    name: str,
    inds: Inds,
    exact: Floats,
    *,
    structure: str,
    channels: int | None,
    init: Init,
    cells: int,
) -> list[Node]:
    """The nodes of a vector that is trained with one weight a cell.

    Where the vector has several entries a cell (the two sublattices), they are
    alike; a node in which they are not starts from their mean.

    Parameters
    ----------
    structure
        ``"cells"``: the weights are the values; ``"spacings"``: their mean and the
        differences of neighbouring cells.

    Raises
    ------
    ConfigError
        If the node is no vector over sites.
    """
    if len(inds) != 1 or exact.shape[0] % cells:
        raise ConfigError(
            f"structure {structure!r} needs a node with one index over the sites, such as X or "
            f"window on an open chain; {name!r} has the shape {exact.shape} for {cells} cells"
        )
    front: Inds = () if channels is None else (CHANNEL,)
    lead: tuple[int, ...] = () if channels is None else (channels,)
    copies = exact.shape[0] // cells
    start = exact.reshape(copies, cells).mean(axis=0)
    # With one entry a cell (one sublattice) the values are the node itself.
    made, last = (name, inds[0]) if copies == 1 else (f"{name}.cells", "cell")
    of_cells, shape = (*front, last), (*lead, cells)
    nodes: list[Node] = []
    if structure == "cells":
        nodes.append(Parameter(made, of_cells, shape, init, start))
    else:
        spacings = np.concatenate([[start.mean()], np.diff(start)])
        weights = Parameter(f"{name}.spacings", (*front, "bond"), shape, init, spacings)
        steps = as_constant(f"{name}.steps", ("bond", last), spacing_basis(cells))
        parts = (Operand(weights.name, weights.inds), Operand(steps.name, steps.inds))
        nodes += [weights, steps, Contraction(made, of_cells, shape, parts)]
    if copies > 1:
        sites, alike = (*lead, *exact.shape), (Operand(made, of_cells),)
        nodes.append(Function(name, (*front, *inds), sites, "tile", alike, {"copies": copies}))
    return nodes


def spacing_basis(cells: int) -> Floats:
    """A constant, and one step for every bond between neighbouring cells, (cells, cells).

    Function 0 is 1; function k > 0 is ``[x >= k]`` less its mean over the chain.  With
    weights ``s`` the node is ``s_0 + Σ_k s_k ([x >= k] − (L − k)/L)``: s_0 is its mean and
    s_k the spacing of the cells k − 1 and k.
    """
    steps = np.triu(np.ones((cells, cells)))
    steps[1:] -= steps[1:].mean(axis=1, keepdims=True)
    return steps
