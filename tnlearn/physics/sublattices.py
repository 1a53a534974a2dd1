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

__all__ = ["colours", "read_sublattice", "split_chiral", "standard_signs", "violation"]

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


def colours(pattern: Any) -> tuple[Array, Array] | None:
    """Connected pieces of a graph and a colouring of each with two colours; None if there is none.

    Two copies of the orbitals, each bond joining unlike copies: an orbital is joined to its
    own other copy exactly where a cycle of odd length (or an on-site term) is in its piece.

    Returns
    -------
    piece, signs : (n,) int arrays
        Number of the piece, and ±1; the first orbital of a piece has +1.
    """
    from scipy.sparse.csgraph import connected_components

    size = pattern.shape[0]
    double = sp.block_array([[None, pattern], [pattern.T, None]], format="csr")
    _, label = connected_components(double, directed=False)
    up, down = label[:size], label[size:]
    if np.any(up == down):
        return None
    # Labels count up, so that the first orbital of a piece has the smaller one above.
    _, first, piece = np.unique(np.minimum(up, down), return_index=True, return_inverse=True)
    signs = np.where(up < down, 1, -1)
    return piece, signs * signs[first][piece]


def standard_signs(piece: Array, signs: Array, order: str | None = None) -> list[Array]:
    """The sublattice vectors that a Hamiltonian may have, +1 for A, the first orbital on A.

    One where it hangs together.  Where it falls into pieces their relative sign is not in H:
    then those of the usual orders that colour each piece rightly: A B A B …, A … A B … B, and
    both with several orbitals on each place, orbital by orbital or cell by cell.
    """
    if piece.max() == 0:
        return [signs]
    size = len(signs)
    usual = []
    for count in range(1, min(16, size // 2) + 1):
        if size % (2 * count) == 0:
            part = size // count
            if order != "sublattice":
                usual.append(np.repeat(np.tile([1, -1], part // 2), count))
            if order != "site":
                usual.append(np.tile(np.repeat([1, -1], part // 2), count))
    whole = np.bincount(piece)
    fit = [u for u in usual if np.array_equal(np.abs(np.bincount(piece, signs * u)), whole)]
    return [u for k, u in enumerate(fit) if not any(np.array_equal(u, v) for v in fit[:k])]


def violation(weights: Any) -> float:
    """The smallest possible largest element within a sublattice, over all sublattice vectors.

    Parameters
    ----------
    weights : sparse (n, n) array
        |H|.
    """
    graph = sp.coo_array(weights)
    levels = np.unique(graph.data)
    low, high = 0, len(levels)  # no elements above the last level: colours exist
    while low < high:
        middle = (low + high) // 2
        stay = graph.data > levels[middle]
        there = (graph.data[stay], (graph.row[stay], graph.col[stay]))
        if colours(sp.csr_array(there, shape=graph.shape)) is None:
            low = middle + 1
        else:
            high = middle
    return float(levels[low]) if len(levels) else 0.0


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
