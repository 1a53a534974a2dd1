"""The real-space winding number as a tensor network, in four forms of one number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ConfigError, check_choice, check_memory, check_whole
from tnlearn.models.network import Network
from tnlearn.networks import formula as f
from tnlearn.networks.graph import BATCH, Contraction, Function, Graph, Operand, as_constant
from tnlearn.physics.blocks import displacement, window_cells

__all__ = ["FORMS", "Q_SQUARED", "rswn"]

FORMS = ("operator", "sublattice", "quartic", "lowrank")
BOUNDARIES = ("open", "periodic")
Floats = npt.NDArray[np.float64]

# |q_xy|² = Σ_nm u_n(x) v_n(y)* u_m(x)* v_m(y)
Q_SQUARED = (
    Operand("u", (BATCH, "n", "x")),
    Operand("v", (BATCH, "n", "y"), conj=True),
    Operand("u", (BATCH, "m", "x"), conj=True),
    Operand("v", (BATCH, "m", "y")),
)


def rswn(cells: int, form: str = "quartic", boundary: str = "open", window: float = 0.5) -> Network:
    """The real-space winding number of a chiral chain as a network ``net(states) -> (samples,)``.

    ``W = (1/L') Tr{P_B Q P_A [X, P_A Q P_B]} = (1/L') Σ_{y in window} Σ_x d(x, y) |q_xy|²``

    with ``q = Σ_n u_n v_n†`` the flattened block, and d = x − y on an open chain,
    its minimal image on a ring (0 at the tie).  The two sublattice names of
    arXiv:2509.26261 are exchanged, so that the topological SSH chain has W = +1.

    Parameters
    ----------
    cells
        Number L of unit cells.
    form
        ``"operator"``: the formula as it stands, on 2L sites, with nodes psi, sigma,
        P_A, P_B, X and window;
        ``"sublattice"``: the projectors used up, nodes u, v, X, window;
        ``"quartic"``: ``Σ D_xy u_n(x) v_n(y)* u_m(x)* v_m(y)`` with one node D;
        ``"lowrank"``: D as two factors of bond dimension 2 (open chain; on a ring
        the rank of D).
    boundary
        ``"open"`` or ``"periodic"``.
    window
        Fraction of the B cells that is traced over on an open chain, central and
        rounded half to even.  A ring has no window.

    Returns
    -------
    Network
        All forms give the same number to rounding, whatever the gauge of the states.

    Raises
    ------
    UnknownNameError
        For a form or boundary that does not exist.
    ConfigError
        If the window keeps no cell.
    MemoryLimitError
        If its nodes do not fit into memory.

    References
    ----------
    "Why is topology hard to learn?", arXiv:2509.26261.
    """
    check_choice("form", form, FORMS)
    check_choice("boundary", boundary, BOUNDARIES)
    cells = check_whole("cells", cells, 1)
    check_memory(f"a network of {cells} cells", 32 * cells**2)
    recipe: dict[str, object] = {"call": "rswn", "cells": cells, "form": form}
    recipe |= {"boundary": boundary, "window": float(window)}
    kept = window_cells(cells, window) if boundary == "open" else np.ones(cells)
    if not kept.any():
        raise ConfigError(f"window {window!r} keeps no cell of {cells}; it is a fraction in (0, 1]")
    distance = displacement(cells, boundary)
    if form in ("operator", "sublattice"):
        write = _operator if form == "operator" else _sublattice
        formula = write(cells, boundary, kept, distance)
        return Network.from_formula(formula, recipe=[recipe], factory=rswn)
    graph = _polynomial(cells, distance * kept / kept.sum(), low_rank=form == "lowrank")
    return Network(graph, recipe=[recipe], factory=rswn)


def _position(cells: int, boundary: str, distance: Floats, copies: int) -> f.Expression:
    """X: the positions on an open chain; on a ring, which has none, the minimal image d(x, y)."""
    if boundary == "open":
        return f.diagonal("X", np.tile(np.arange(cells, dtype=np.float64), copies))
    return f.displacement("X", np.tile(distance, (copies, copies)))


def _operator(cells: int, boundary: str, kept: Floats, distance: Floats) -> f.Scalar:
    psi, sigma = f.eigenstates(cells)
    zeros, ones = np.zeros(cells), np.ones(cells)
    P_A = f.diagonal("P_A", np.concatenate([ones, zeros]))
    P_B = f.diagonal("P_B", np.concatenate([zeros, ones]))
    window = f.diagonal("window", np.tile(kept, 2))
    X = _position(cells, boundary, distance, 2)
    Q = psi @ sigma @ psi.H
    return f.Tr(window @ P_B @ Q @ P_A @ f.commutator(X, P_A @ Q @ P_B)) / float(kept.sum())


def _sublattice(cells: int, boundary: str, kept: Floats, distance: Floats) -> f.Scalar:
    u, v = f.states(cells)
    window = f.diagonal("window", kept)
    X = _position(cells, boundary, distance, 1)
    q = u @ v.H
    return f.Tr(window @ q.H @ f.commutator(X, q)) / float(kept.sum())


def _polynomial(cells: int, weights: Floats, *, low_rank: bool) -> Graph:
    """The fourth-order polynomial ``Σ D_xy u_n(x) v_n(y)* u_m(x)* v_m(y)``."""
    factors = [as_constant("D", ("x", "y"), weights)]
    if low_rank:
        pairs = zip(("left", "right"), "xy", _factors(weights), strict=True)
        factors = [as_constant(name, (site, "bond"), factor) for name, site, factor in pairs]
    parts = (*Q_SQUARED, *(node.use for node in factors))
    polynomial = Contraction("polynomial", (BATCH,), (None,), parts)
    total = Function("W", (BATCH,), (None,), "real", (polynomial.use,))
    nodes = (*f.amplitudes(cells), *factors, polynomial, total)
    return Graph({node.name: node for node in nodes}, "W")


def _factors(weights: Floats) -> tuple[Floats, Floats]:
    """D = left @ right.T with as many columns as D has rank, balanced between the two."""
    left, values, right = np.linalg.svd(weights)
    rank = max(1, int(np.sum(values > values[0] * 1e-13)))
    root = np.sqrt(values[:rank])
    return left[:, :rank] * root, right[:rank].T * root
