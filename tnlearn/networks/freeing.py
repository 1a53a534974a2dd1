"""A constant set free: dense, diagonal, of low rank, one value a cell, a function of position.

Whatever the structure, the last node made carries the freed node's own name and indices, so
nothing downstream changes.  Why the functions of position are what they are is derived in
docs/sizes.md, why one value a cell in docs/trainability.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ConfigError, check_choice
from tnlearn.networks.graph import (
    CHANNEL,
    Constant,
    Contraction,
    Function,
    Graph,
    Inds,
    Node,
    Operand,
    Parameter,
    Shape,
    as_constant,
    replace_node,
)
from tnlearn.networks.init import Init

__all__ = ["STRUCTURES", "factor_bases", "position_basis", "set_free", "spacing_basis"]

Floats = npt.NDArray[np.float64]

CENTRE = 5  # waves of the centre of x and y that go with sin(pi |x - y|/2L) and its odd partner
KNOTS = 4  # short range: hat functions of x - y in cells, at -3 … 3, zero from ± 4 on
SHORT = 3  # waves of the centre that go with these
VECTOR = 7  # waves of a node with one index
LEFT, RIGHT = 3, 7  # waves of the two factors of a node of low rank


def set_free(
    graph: Graph,
    names: Sequence[str],
    *,
    structure: str | None = None,
    channels: int | None = None,
    init: Init,
    bond: int | None = None,
    cells: int | None = None,
) -> Graph:
    """The graph with constants replaced by parameters; options and errors as `Network.trainable`.

    `cells` is the number of unit cells, for structures that know where a site is.
    """
    possible = _constants(graph)
    if not names:
        raise ConfigError(f"name at least one node to train: {', '.join(possible)}")
    for name in names:
        check_choice("trainable node", name, possible)
    if bond is not None and structure not in ("lowrank", "position"):
        raise ConfigError(
            f"bond={bond!r} goes with structure='lowrank' or 'position', not {structure!r}"
        )
    make = STRUCTURES[check_choice("structure", structure or "dense", STRUCTURES)]
    _check_channels(graph.nodes, names, channels)
    for name in names:
        node = graph.nodes[name]
        exact: Any = node.array if isinstance(node, Constant) else getattr(node, "exact", None)
        if np.iscomplexobj(exact):
            raise ConfigError(f"{name!r} is complex; only real nodes can be trained")
        inds = tuple(ind for ind in node.inds if ind != CHANNEL)
        free = _Freed(name, inds, np.asarray(exact), channels, init, bond, cells)
        graph = graph.with_nodes(replace_node(graph.nodes, name, make(free)))
    return graph


def _constants(graph: Graph) -> list[str]:
    """The names of the nodes that can be set free, or were."""
    return [
        node.name
        for node in graph.nodes.values()
        if isinstance(node, Constant) or (isinstance(node, Parameter) and node.exact is not None)
    ]


def _check_channels(nodes: Mapping[str, Node], names: Sequence[str], channels: int | None) -> None:
    """Refuse channels that the graph cannot take at the nodes of these names."""
    present = {
        size
        for node in nodes.values()
        for ind, size in zip(node.inds, node.shape, strict=True)
        if ind == CHANNEL
    }
    if channels is None and not any(CHANNEL in nodes[name].inds for name in names):
        return
    has_head = any(name.startswith("head.") for name in nodes)
    if has_head and (not present or "head.input" in nodes):
        raise ConfigError("the head is attached already; give nodes their channels before it")
    if present and channels not in present:
        raise ConfigError(
            f"the network has {present.pop()} channels already and every node must have as "
            f"many, not channels={channels!r}"
        )


@dataclass(frozen=True)
class _Freed:
    """A constant that is set free, and what takes part in replacing it."""

    name: str
    inds: Inds
    exact: Floats
    channels: int | None
    init: Init
    bond: int | None
    cells: int | None

    def with_channel(self, inds: Inds, shape: Shape) -> tuple[Inds, Shape]:
        """Indices and shape behind those of the channel, if there is one."""
        if self.channels is None:
            return inds, shape
        return (CHANNEL, *inds), (self.channels, *shape)

    def parameter(self, name: str, inds: Inds, start: Floats) -> Parameter:
        """A parameter, one copy a channel, that starts at these values where it starts exact."""
        return Parameter(name, *self.with_channel(inds, start.shape), self.init, start)

    def product(self, *factors: Node) -> list[Node]:
        """The factors and the node itself, which is their contraction."""
        parts = tuple(node.use for node in factors)
        inds, shape = self.with_channel(self.inds, self.exact.shape)
        return [*factors, Contraction(self.name, inds, shape, parts)]

    def need_matrix(self, structure: str) -> None:
        """Raise `ConfigError` unless the node has two indices."""
        if len(self.inds) != 2:
            raise ConfigError(
                f"structure {structure!r} needs a node with two indices; {self.name!r} has "
                f"{len(self.inds)}. Use structure='dense' or 'position'"
            )

    def need_cells(self) -> int:
        """The number of cells, or `ConfigError` where there are none."""
        if self.cells is None:
            raise ConfigError(
                f"{self.name!r} cannot be a function of the cell: the inputs of this network have "
                "no index 'cell'"
            )
        return self.cells


def _dense(free: _Freed) -> list[Node]:
    return [free.parameter(free.name, free.inds, free.exact)]


def _diagonal(free: _Freed) -> list[Node]:
    if len(free.inds) == 1:
        return _dense(free)
    free.need_matrix("diagonal")
    entries = np.diagonal(free.exact).copy()
    identity = as_constant(f"{free.name}.identity", free.inds, np.eye(*free.exact.shape))
    return free.product(free.parameter(f"{free.name}.diagonal", free.inds[:1], entries), identity)


def _low_rank(free: _Freed) -> list[Node]:
    """Two factors from the singular value decomposition, balanced between them."""
    free.need_matrix("lowrank")
    bond, limit = free.bond, min(free.exact.shape)
    if not isinstance(bond, (int, np.integer)) or not 1 <= bond <= limit:
        raise ConfigError(
            f"structure 'lowrank' of {free.name!r} needs bond between 1 and {limit}, not {bond!r}"
        )
    left, values, right = np.linalg.svd(free.exact)
    root = np.sqrt(values[:bond])
    row, column = free.inds
    return free.product(
        free.parameter(f"{free.name}.left", (row, "bond"), left[:, :bond] * root),
        free.parameter(f"{free.name}.right", (column, "bond"), right[:bond].T * root),
    )


# ------------------------------------------------------------------ one value a cell


def _by_cell(free: _Freed, spacings: bool) -> list[Node]:
    """A vector over sites with one weight a cell: the value there, or the spacing before it.

    A position operator on 2L sites holds every position twice.  Trained entry by entry the two
    drift apart, and as the columns of |q|² sum to 1 their distance moves W of every sample
    alike: a steep direction in which nothing is learned.  With one value a cell it does not
    exist; entries of a cell that differ start from their mean.  The running sum of spacings is
    the same set of functions: long slopes take few steps of an optimiser instead of many.
    """
    cells, (size, *more) = free.need_cells(), free.exact.shape
    if more or size % cells:
        structure = "spacings" if spacings else "cells"
        raise ConfigError(
            f"structure {structure!r} needs a node with one index over the sites, such as X or "
            f"window on an open chain; {free.name!r} has the shape {free.exact.shape} for "
            f"{cells} cells"
        )
    copies = size // cells
    start = free.exact.reshape(copies, cells).mean(axis=0)
    # With one entry a cell (one sublattice) the values are the node itself.
    name, last = (free.name, free.inds[0]) if copies == 1 else (f"{free.name}.cells", "cell")
    inds, shape = free.with_channel((last,), (cells,))
    nodes: list[Node] = []
    if spacings:
        values = np.concatenate([[start.mean()], np.diff(start)])
        weights = free.parameter(f"{free.name}.spacings", ("bond",), values)
        steps = as_constant(f"{free.name}.steps", ("bond", last), spacing_basis(cells))
        nodes += [weights, steps, Contraction(name, inds, shape, (weights.use, steps.use))]
    else:
        nodes.append(free.parameter(name, (last,), start))
    if copies > 1:
        sites = free.with_channel(free.inds, free.exact.shape)
        alike = (Operand(name, inds),)
        nodes.append(Function(free.name, *sites, "tile", alike, {"copies": copies}))
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


# ------------------------------------------------------------------ functions of position


def _position(free: _Freed, short_range: bool) -> list[Node]:
    """Weights and fixed functions of position, ``name = sum_k weights_k basis_k``.

    With a bond ``name(x, y) = sum_b [l_b(x) - l_b(y)] r_b(y)``, with l_b and r_b functions of
    one position: a matrix of rank at most bond + 1 that vanishes on the diagonal.
    """
    name, bond, cells = free.name, free.bond, free.need_cells()
    if bond is None:
        basis = position_basis(free.exact, cells, short_range=short_range)
        start = np.zeros(len(basis))
        start[0] = 1.0  # the first function is the exact node itself
        functions = as_constant(f"{name}.basis", ("basis", *free.inds), basis)
        return free.product(free.parameter(f"{name}.weights", ("basis",), start), functions)
    whole = isinstance(bond, (int, np.integer)) and not isinstance(bond, bool) and bond >= 1
    if free.exact.shape != (cells, cells) or not whole or short_range:
        raise ConfigError(
            f"bond (a whole number >= 1, here {bond!r}) makes factors of a matrix over cells with "
            f"structure='position'; {name!r} has the shape {free.exact.shape} on {cells} cells"
        )
    differences, profiles = factor_bases(free.exact)
    # The exact node, or what is nearest to it: [l(x) - l(y)] r(y) with l the position itself.
    left, right = np.zeros((bond, len(differences))), np.zeros((bond, len(profiles)))
    left[0, 0] = right[0, 0] = 1.0
    right[1:, 1] = 1.0  # with both factors zero no gradient would reach either
    return free.product(
        free.parameter(f"{name}.left", ("bond", "left"), left),
        as_constant(f"{name}.left.basis", ("left", *free.inds), differences),
        free.parameter(f"{name}.right", ("bond", "right"), right),
        as_constant(f"{name}.right.basis", ("right", free.inds[1]), profiles),
    )


def position_basis(exact: Floats, cells: int, *, short_range: bool = False) -> Floats:
    """Functions of position, (functions, *shape); the first is the exact node itself.

    A node with one index is expanded in waves ``cos(pi n (x + 1/2)/L)``, n = 0 … 6, on each
    sublattice apart if it has 2 `cells` entries, times its largest modulus.  A node D(x, y) in

    - ``sin(pi |x - y|/2L)`` and ``sin(pi (x - y)/2L)`` times the even waves of the centre,
      ``cos(pi n (x + y + 1)/L)``, n = 0 … 4: linear on the diagonal, without slope in the
      corners, so that their sums over a sample tend to a limit with the length;
    - with `short_range` also in hat functions of x - y at -3 … 3 cells, zero from ± 4 on, times
      the first three waves of the centre, over L: as good at the lengths trained at, and
      misleading beyond.

    They are made for open chains: on a ring, where the centre of x and y is not unique, only
    the first function is at home.

    Raises
    ------
    ConfigError
        If the node has neither one nor two indices over sites, or one and `short_range` is asked.
    """
    size = exact.shape[0]
    blocks = 2 if size == 2 * cells else 1
    functions: list[Any] = [exact]
    if exact.ndim == 1 and not short_range:
        height = np.abs(exact).max() or 1.0
        for block in range(blocks):
            for wave in standing_waves(VECTOR, cells):
                function = np.zeros((blocks, cells))
                function[block] = height * wave
                functions.append(function.reshape(size))
        return np.array(functions)
    if exact.ndim != 2 or exact.shape != (size, size):
        wanted = "two site indices" if short_range else "one or two site indices"
        raise ConfigError(f"this function of position needs {wanted}, not {exact.shape}")
    x, y = np.meshgrid(np.arange(cells), np.arange(cells), indexing="ij")
    centre = [np.cos(np.pi * n * (x + y + 1) / cells) for n in range(CENTRE)]
    sides = [np.sin(np.pi * d / (2 * cells)) for d in (np.abs(x - y), x - y)]
    shapes = [side * wave for side in sides for wave in centre]
    if short_range:
        hats = [np.maximum(0.0, 1.0 - np.abs(x - y - k)) for k in range(1 - KNOTS, KNOTS)]
        shapes += [hat * wave / cells for hat in hats for wave in centre[:SHORT]]
    for shape in shapes:
        for row in range(blocks):
            for column in range(blocks):
                whole = np.zeros((blocks, cells, blocks, cells))
                whole[row, :, column] = shape
                functions.append(whole.reshape(size, size))
    return np.array(functions)


def factor_bases(exact: Floats) -> tuple[Floats, Floats]:
    """The fixed functions of the two factors of a node of low rank over L cells.

    Returns
    -------
    differences : (4, L, L) array
        ``(x - y)/L``, then ``[c_n(y) - c_n(x)]/2`` of the waves c_n, n = 1, 2, 3.
    profiles : (8, L) array
        The profile r(y) with which ``(x - y)/L r(y)`` comes nearest to the exact node (it is the
        node itself if that is x - y times a window), then the waves c_n(y), n = 0 … 6.
    """
    cells = len(exact)
    columns = np.array([np.arange(cells) / cells, *(-standing_waves(LEFT + 1, cells)[1:] / 2)])
    differences = columns[:, :, None] - columns[:, None, :]
    first = differences[0]
    norm = (first**2).sum(axis=0)
    nearest = (first * exact).sum(axis=0) / np.where(norm > 0, norm, 1.0)
    return differences, np.array([nearest, *standing_waves(RIGHT, cells)])


def standing_waves(count: int, cells: int) -> Floats:
    """``cos(pi n (x + 1/2)/L)``, n = 0 … count - 1, x = 0 … L - 1: (count, cells)."""
    n, x = np.arange(count)[:, None], np.arange(cells)
    return np.asarray(np.cos(np.pi * n * (x + 0.5) / cells), dtype=np.float64)


STRUCTURES: dict[str, Callable[[_Freed], list[Node]]] = {
    "dense": _dense,
    "diagonal": _diagonal,
    "lowrank": _low_rank,
    "cells": lambda free: _by_cell(free, spacings=False),
    "spacings": lambda free: _by_cell(free, spacings=True),
    "position": lambda free: _position(free, short_range=False),
    "position-short": lambda free: _position(free, short_range=True),
}
