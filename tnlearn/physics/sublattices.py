"""Which orbitals of a chiral Hamiltonian are A and which are B, and by how much H violates it.

A chiral operator Γ (Hermitian, Γ² = 1, Γ H Γ = −H) that is diagonal is a colouring
of the orbitals with two colours such that H joins only unlike ones.  It is found on
the graph of H, and checked on every sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnlearn.errors import NotChiralError, ShapeError

__all__ = ["find_sublattices", "read_sublattice", "split_chiral"]

Array = NDArray[Any]


def read_sublattice(given: Any, size: int) -> Array:
    """A sublattice vector as (size,) of +1 (A) and −1 (B).

    Taken: numbers of two signs (±1), booleans or 0/1 with True (1) for A,
    the letters "A" and "B" (a string or a sequence), or "site" (A B A B …) and
    "sublattice" (A … A B … B).  Raises `ShapeError` for anything else.
    """
    if isinstance(given, str) and given in ("site", "sublattice"):
        if size % 2:
            raise ShapeError(
                f"the order {given!r} needs as many B as A orbitals, and H has an odd size: {size}"
            )
        half = size // 2
        return np.tile([1, -1], half) if given == "site" else np.repeat([1, -1], half)
    vector = np.asarray(list(given) if isinstance(given, str) else given)
    if vector.shape != (size,):
        raise ShapeError(
            f"the sublattice vector has shape {vector.shape}, and H has {size} orbitals: "
            f"({size},) is expected"
        )
    if vector.dtype.kind in "US":
        letters = np.char.upper(vector.astype(str))
        known = (letters == "A") | (letters == "B")
        signs = np.where(letters == "A", 1, -1)
    elif vector.dtype.kind == "b":
        known, signs = np.ones(size, bool), np.where(vector, 1, -1)
    elif vector.dtype.kind in "iuf":
        low = -1 if np.any(vector < 0) else 0
        known = (vector == 1) | (vector == low)
        signs = np.where(vector == 1, 1, -1)
    else:
        known = np.zeros(size, bool)
        signs = known
    if not known.all():
        bad = int(np.flatnonzero(~known)[0])
        raise ShapeError(
            f"entry {bad} of the sublattice vector is {vector[bad]!r}; +1 for A and −1 for B (or "
            "1 and 0, True and False, 'A' and 'B') are expected"
        )
    return np.asarray(signs, dtype=np.int64)


def find_sublattices(weights: Any, tolerance: float = 1e-10) -> Array:
    """The diagonal chiral operator of a Hamiltonian, from the graph of its elements.

    The strongest elements decide: orbitals are coloured along a maximum spanning
    tree of |H|, so that if no colouring is free of A–A and B–B elements, the
    largest one left is as small as it can be; it is the violation that is told.

    Parameters
    ----------
    weights : (n, n) array or sparse array
        |H|, or the largest |H| over many samples that share one lattice.
    tolerance : float
        Elements below this share of the largest are rounding.

    Returns
    -------
    signs : (n,) int array
        +1 (A) and −1 (B), the first orbital on A.  Where H falls into pieces that
        no element joins, their relative sign is not in H: the orders A B A B … and
        A … A B … B are tried, and taken if they fit.

    Raises
    ------
    NotChiralError
        If no colouring fits, or if the pieces fit neither order.
    """
    graph = sp.csr_array(abs(sp.csr_array(weights)))
    size = graph.shape[0]
    scale = float(graph.max()) if graph.nnz else 0.0
    graph.data[graph.data <= tolerance * scale] = 0.0
    graph.eliminate_zeros()
    joined = sp.csr_array(graph.maximum(graph.T))
    onsite = float(joined.diagonal().max()) if size else 0.0
    pieces, label, signs = _colour(joined)
    violation = max(onsite, _within(joined, signs))
    if violation > 0.0:
        raise NotChiralError(
            "the Hamiltonian is not chiral: whatever orbitals are called A and B, elements within "
            f"a sublattice (on-site terms among them) reach {violation:.3g}, where "
            f"{tolerance * scale:.1g} is allowed (largest element {scale:.3g}); remove those "
            "terms, or give the chiral operator if it is not diagonal"
        )
    if pieces == 1:
        return np.asarray(signs * signs[0])
    if size % 2 == 0:
        for order in ("site", "sublattice"):
            known = read_sublattice(order, size)
            # It fits if within each piece it is the colouring found, up to one sign.
            agree = np.bincount(label, weights=signs * known, minlength=pieces)
            if np.array_equal(np.abs(agree), np.bincount(label, minlength=pieces)):
                return known
    raise NotChiralError(
        f"the Hamiltonian falls into {pieces} pieces that no element joins, so which of their "
        "orbitals are A cannot be told from it; give the sublattice vector"
    )


def _colour(graph: Any) -> tuple[int, Array, Array]:
    """Number of connected pieces, piece of each orbital, and a colouring along strong bonds."""
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    size = graph.shape[0]
    pieces, label = connected_components(graph, directed=False)
    # One more node, joined to the first orbital of each piece, makes one tree of all.
    firsts = np.unique(label, return_index=True)[1]
    tree = sp.coo_array(_strong_tree(graph))
    rows = np.concatenate([tree.row, np.full(pieces, size)])
    columns = np.concatenate([tree.col, firsts])
    whole = sp.csr_array(
        (np.ones(len(rows)), (rows, columns)), shape=(size + 1, size + 1), dtype=float
    )
    order, parent = breadth_first_order(whole, size, directed=False)
    signs = np.ones(size + 1, dtype=np.int64)
    # Level by level: parents stand before their children.
    signs[order] = np.where(_depths(order, parent) % 2, 1, -1)
    return int(pieces), label, signs[:size]


def _depths(order: Array, parent: Array) -> Array:
    place = np.empty(len(parent), dtype=np.int64)
    place[order] = np.arange(len(order))
    above = place[parent[order[1:]]]
    depth = [0] * len(order)
    for k, up in enumerate(above.tolist(), start=1):
        depth[k] = depth[up] + 1
    return np.asarray(depth)


def _strong_tree(graph: Any) -> Any:
    from scipy.sparse.csgraph import minimum_spanning_tree

    # A minimum spanning tree of 1 / |H| is a maximum spanning tree of |H|.
    inverse = graph.copy()
    inverse.setdiag(0.0)
    inverse.eliminate_zeros()
    inverse.data = inverse.data.max(initial=1.0) / inverse.data
    return minimum_spanning_tree(inverse)


def _within(graph: Any, signs: Array) -> float:
    entries = sp.coo_array(graph)
    same = signs[entries.row] == signs[entries.col]
    return float(entries.data[same].max(initial=0.0))


def split_chiral(operator: Any, size: int, tolerance: float = 1e-10) -> tuple[Any, Array]:
    """A basis in which a chiral operator Γ is diagonal, as local as Γ is.

    Parameters
    ----------
    operator : (size, size) array or sparse array, or (size,) diagonal
        Γ = Γ†, Γ² = 1.

    Returns
    -------
    basis : sparse (size, size) array or None
        Columns are eigenvectors, each on the orbitals that Γ mixes, in their
        order; None where Γ is diagonal already.
    signs : (size,) int array
        Eigenvalue of each column: +1 is A, −1 is B.

    Raises
    ------
    ShapeError, NotChiralError
        For a wrong shape, or an operator that is not Hermitian with square 1.
    """
    if not sp.issparse(operator) and np.ndim(operator) == 1:
        return None, read_sublattice(operator, size)
    gamma = sp.csr_array(operator)
    if gamma.shape != (size, size):
        raise ShapeError(f"the chiral operator has shape {gamma.shape}, H has {(size, size)}")
    defect = max(
        _largest(gamma - gamma.conj().T),
        _largest(gamma @ gamma - sp.eye_array(size, format="csr")),
    )
    if not defect <= tolerance:
        raise NotChiralError(
            "a chiral operator must be Hermitian with square 1; "
            f"this one misses that by {defect:.3g}"
        )
    gamma.data[np.abs(gamma.data) <= tolerance] = 0.0
    gamma.eliminate_zeros()
    diagonal = gamma.diagonal()
    if gamma.nnz == np.count_nonzero(diagonal):
        return None, np.where(diagonal.real > 0, 1, -1).astype(np.int64)
    return _local_basis(gamma)


def _local_basis(gamma: Any) -> tuple[Any, Array]:
    from scipy.sparse.csgraph import connected_components

    size = gamma.shape[0]
    pieces, label = connected_components(abs(gamma), directed=False)
    groups = np.split(
        np.argsort(label, kind="stable"), np.cumsum(np.bincount(label, minlength=pieces))[:-1]
    )
    rows, columns, values = [], [], []
    signs = np.empty(size, dtype=np.int64)
    for group in groups:
        energies, vectors = np.linalg.eigh(gamma[group][:, group].toarray())
        # A state of the group stands where an orbital of the group stood.
        order = np.argsort(-energies, kind="stable")
        signs[group] = np.where(energies[order] > 0, 1, -1)
        rows.append(np.repeat(group, len(group)))
        columns.append(np.tile(group, len(group)))
        values.append(vectors[:, order].ravel())
    basis = sp.csr_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(size, size),
    )
    return basis, signs


def _largest(matrix: Any) -> float:
    return float(abs(matrix).max()) if matrix.nnz else 0.0
