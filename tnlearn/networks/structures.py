"""How a freed node is parametrised: dense, diagonal, of low rank, by cells, or by position.

Whatever the structure, the last node made carries the freed node's own name
and indices, so nothing downstream changes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ConfigError, check_choice
from tnlearn.networks.init import Init
from tnlearn.networks.nodes import (
    CHANNEL,
    Contraction,
    Inds,
    Node,
    Operand,
    Parameter,
    as_constant,
)
from tnlearn.networks.position import position_nodes
from tnlearn.networks.spacings import by_cell

__all__ = ["STRUCTURES", "free"]

STRUCTURES = ("dense", "diagonal", "lowrank", "cells", "spacings", "position", "position-short")
Floats = npt.NDArray[np.float64]


def free(
    name: str,
    inds: Inds,
    exact: Floats,
    *,
    structure: str,
    channels: int | None,
    init: Init,
    bond: int | None,
    cells: int,
) -> list[Node]:
    """The nodes that replace a constant `name` when it is set free.

    Raises
    ------
    UnknownNameError
        For a structure that does not exist.
    ConfigError
        If the structure needs two indices and the node has one, or one and it has two, or
        `bond` is missing.
    """
    check_choice("structure", structure, STRUCTURES)
    front: Inds = () if channels is None else (CHANNEL,)
    copies: tuple[int, ...] = () if channels is None else (channels,)
    if structure == "dense" or (structure == "diagonal" and len(inds) == 1):
        return [Parameter(name, (*front, *inds), (*copies, *exact.shape), init, exact)]
    out_inds, out_shape = (*front, *inds), (*copies, *exact.shape)
    if structure in ("position", "position-short"):
        return position_nodes(
            name,
            inds,
            exact,
            short_range=structure == "position-short",
            channels=channels,
            init=init,
            bond=bond,
            cells=cells,
        )
    if structure in ("cells", "spacings"):
        return by_cell(
            name, inds, exact, structure=structure, channels=channels, init=init, cells=cells
        )
    if len(inds) != 2:
        raise ConfigError(
            f"structure {structure!r} needs a node with two indices; {name!r} has {len(inds)}. "
            "Use structure='dense' or 'position'"
        )
    row = inds[0]
    if structure == "diagonal":
        size = min(exact.shape)
        entries = Parameter(
            f"{name}.diagonal",
            (*front, row),
            (*copies, size),
            init,
            np.diagonal(exact).copy(),
        )
        identity = as_constant(f"{name}.identity", inds, np.eye(*exact.shape))
        parts = (Operand(entries.name, entries.inds), Operand(identity.name, inds))
        return [entries, identity, Contraction(name, out_inds, out_shape, parts)]
    return _low_rank(name, inds, exact, front, copies, init, bond)


def _low_rank(
    name: str,
    inds: Inds,
    exact: Floats,
    front: Inds,
    copies: tuple[int, ...],
    init: Init,
    bond: int | None,
) -> list[Node]:
    limit = min(exact.shape)
    if not isinstance(bond, (int, np.integer)) or not 1 <= bond <= limit:
        raise ConfigError(
            f"structure 'lowrank' of {name!r} needs bond between 1 and {limit}, not {bond!r}"
        )
    left, values, right = np.linalg.svd(exact)
    root = np.sqrt(values[:bond])
    row, column = inds
    factors = (
        Parameter(
            f"{name}.left",
            (*front, row, "bond"),
            (*copies, exact.shape[0], bond),
            init,
            left[:, :bond] * root,
        ),
        Parameter(
            f"{name}.right",
            (*front, column, "bond"),
            (*copies, exact.shape[1], bond),
            init,
            right[:bond].T * root,
        ),
    )
    parts = tuple(Operand(f.name, f.inds) for f in factors)
    shape = (*copies, *exact.shape)
    return [*factors, Contraction(name, (*front, *inds), shape, parts)]
