r"""Nodes that are functions of position: the same few weights for a chain of any length.

``D(x, y) = sum_k w_k f_k(x, y)`` contracts with a sample to ``sum_k w_k B_k``, with the numbers
``B_k = sum_xy f_k(x, y) |q_xy|^2``.  Weights trained at one length serve at another if these
numbers mean the same there.  Three conditions follow.

1. Far from the ends |q_xy|^2 depends on d = x - y only and its columns sum to 1, so that a function
   of d and of the place along the chain adds up to ``L <f(d, place)>``.  A function of d/L has a
   limit only if it vanishes on the diagonal linearly: what is steeper there, such as a square root,
   grows with L; what is flatter fades in the bulk as 1/L.  A function of d in cells is divided by L
   and is an average along the chain, but the ends add to it a part that fades as 1/L.
2. The states of the two ends connect the corners, |x - y| near L, each with a weight that does not
   depend on L.  They decay within a length ξ of the corner, so a function with a slope there is off
   its limit by ξ/L times the slope (of a Chebyshev polynomial n^2).  Without slope, by its square.
3. Mirrored (x -> L-1-y, y -> L-1-x) a chain keeps its winding number: the functions of the centre
   of x and y are even.  An odd one is zero on every clean chain, and its weight would be noise.

Standing waves ``cos(pi n (x + 1/2)/L)``, n whole, have no slope at the ends; ``sin(pi d/2L)`` is
linear on the diagonal and flat in the corners.  The functions are made of these.  With
`short_range` functions of d in cells are added: they are as good at the lengths trained at and
mislead beyond (docs/sizes.md), and are there to show it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ConfigError
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

__all__ = ["factor_bases", "position_basis", "position_nodes"]

Floats = npt.NDArray[np.float64]

CENTRE = 5  # waves of the centre of x and y that go with sin(pi |x - y|/2L) and its odd partner
KNOTS = 4  # short range: hat functions of x - y in cells, at -3 … 3, zero from ± 4 on
SHORT = 3  # waves of the centre that go with these
VECTOR = 7  # waves of a node with one index
LEFT, RIGHT = 3, 7  # waves of the two factors of a node of low rank


def position_nodes(
    name: str,
    inds: Inds,
    exact: Floats,
    *,
    short_range: bool,
    channels: int | None,
    init: Init,
    bond: int | None,
    cells: int,
) -> list[Node]:
    """The nodes that replace a constant `name` set free as a function of position.

    Without `bond`: weights and fixed functions, ``name = sum_k weights_k basis_k`` (see
    `position_basis`).  With it: ``name(x, y) = sum_b [l_b(x) - l_b(y)] r_b(y)``, with l_b and r_b
    functions of one position (see `factor_bases`): a matrix of rank at most `bond` + 1 that
    vanishes on the diagonal.

    Raises
    ------
    ConfigError
        If the node is no vector or matrix over sites, or `bond` is given and it is no matrix over
        cells, or `short_range` is asked for as well.
    """
    front: Inds = () if channels is None else (CHANNEL,)
    copies: tuple[int, ...] = () if channels is None else (channels,)
    out_inds, out_shape = (*front, *inds), (*copies, *exact.shape)
    if bond is None:
        basis = position_basis(exact, cells, short_range=short_range)
        start = np.zeros(len(basis))
        start[0] = 1.0  # the first function is the exact node itself
        shape = (*copies, len(basis))
        weights = Parameter(f"{name}.weights", (*front, "basis"), shape, init, start)
        functions = as_constant(f"{name}.basis", ("basis", *inds), basis)
        parts = (Operand(weights.name, weights.inds), Operand(functions.name, functions.inds))
        return [weights, functions, Contraction(name, out_inds, out_shape, parts)]
    whole = isinstance(bond, (int, np.integer)) and not isinstance(bond, bool) and bond >= 1
    if exact.shape != (cells, cells) or not whole or short_range:
        raise ConfigError(
            f"bond (a whole number >= 1, here {bond!r}) makes factors of a matrix over cells with "
            f"structure='position'; {name!r} has the shape {exact.shape} on {cells} cells"
        )
    differences, profiles = factor_bases(exact)
    # The exact node, or what is nearest to it: [l(x) - l(y)] r(y) with l the position itself.
    left, right = np.zeros((bond, len(differences))), np.zeros((bond, len(profiles)))
    left[0, 0] = right[0, 0] = 1.0
    right[1:, 1] = 1.0  # with both factors zero no gradient would reach either
    nodes: list[Node] = []
    sides: tuple[tuple[str, Floats, Floats, Inds], ...] = (
        ("left", left, differences, inds),
        ("right", right, profiles, inds[1:]),
    )
    for side, first, functions_of, on in sides:
        shape = (*copies, *first.shape)
        own = f"{name}.{side}"
        nodes.append(Parameter(own, (*front, "bond", side), shape, init, first))
        nodes.append(as_constant(f"{own}.basis", (side, *on), functions_of))
    factors = tuple(Operand(node.name, node.inds) for node in nodes)
    return [*nodes, Contraction(name, out_inds, out_shape, factors)]


def position_basis(exact: Floats, cells: int, *, short_range: bool = False) -> Floats:
    """Functions of position, (functions, *shape); the first is the exact node itself.

    A node with one index is expanded in waves ``cos(pi n (x + 1/2)/L)``, n = 0 … 6, on each
    sublattice apart if it has 2 `cells` entries, times its largest modulus.  A node D(x, y) in

    - ``sin(pi |x - y|/2L)`` and ``sin(pi (x - y)/2L)`` times the even waves of the centre,
      ``cos(pi n (x + y + 1)/L)``, n = 0 … 4;
    - with `short_range` also in hat functions of x - y at -3 … 3 cells, zero from ± 4 on, times
      the first three waves of the centre, over L.

    See the module for why these.  They are made for open chains: on a ring, where the centre of x
    and y is not unique, only the first function is at home.

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
