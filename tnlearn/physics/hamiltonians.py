"""From anyone's Hamiltonian, dense or sparse, to the block h of a chiral chain.

Orbitals are named A and B by a sublattice vector or by a chiral operator, or found
on the graph of H.  The i-th A orbital and the i-th B orbital, counted along the
chain, make cell i; a chain with several orbitals per cell and sublattice is read as
one with that many smaller cells, which has the same winding number (the bulk sum of
d(x, y)|q_xy|² depends on positions only through the total dipole, and q is unitary).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnlearn.errors import ConfigError, NotChiralError, NotFiniteError, ShapeError, check_finite
from tnlearn.physics.bands import chains_from_bands
from tnlearn.physics.chains import Chains
from tnlearn.physics.memory import check_memory
from tnlearn.physics.sublattices import find_sublattices, read_sublattice, split_chiral

__all__ = ["Splitting", "block_of", "is_hermitian", "splitting_of"]

Array = NDArray[Any]

_TOLERANCE = 1e-10


class Splitting:
    """How the orbitals of a lattice divide into A and B, cell by cell along the chain.

    Attributes
    ----------
    a, b : (cells,) int arrays
        Orbitals of each sublattice, in the order of their positions.
    basis : sparse (n, n) array or None
        Columns are the orbitals in which the chiral operator is diagonal.
    """

    def __init__(self, signs: Array, positions: Any = None, basis: Any = None) -> None:
        order = _order(positions, len(signs))
        self.a = order[signs[order] > 0]
        self.b = order[signs[order] < 0]
        self.basis = basis
        if len(self.a) != len(self.b):
            raise ShapeError(
                f"{len(self.a)} orbitals are on sublattice A and {len(self.b)} on B: the chain has "
                f"{abs(len(self.a) - len(self.b))} states pinned at zero energy and no winding "
                "number by the polar factor; take off the orbitals in excess"
            )

    def block(self, full: Any, first: int = 0, tolerance: float = _TOLERANCE) -> Any:
        """The blocks h of Hamiltonians, each checked for hermiticity and chirality.

        Parameters
        ----------
        full : (samples, n, n) array or a sparse (n, n) array
            In units of the hopping.
        first : int
            Number of the first sample, for the messages.

        Returns
        -------
        (samples, cells, cells) array, or a sparse (cells, cells) array

        Raises
        ------
        NotChiralError
            If a sample is not Hermitian or not chiral; the violation is told.
        """
        if sp.issparse(full):
            return self._sparse_block(full, first, tolerance)
        if self.basis is not None:
            turn = self.basis.toarray()
            full = turn.conj().T @ full @ turn
        worst = np.abs(full).max(axis=(1, 2))
        skew = np.abs(full - full.conj().swapaxes(1, 2)).max(axis=(1, 2))
        _refuse_skew(skew, worst, first, tolerance)
        within = np.maximum(
            np.abs(full[:, self.a[:, None], self.a]).max(axis=(1, 2)),
            np.abs(full[:, self.b[:, None], self.b]).max(axis=(1, 2)),
        )
        _refuse_within(within, worst, first, tolerance)
        return np.ascontiguousarray(full[:, self.a[:, None], self.b])

    def _sparse_block(self, full: Any, first: int, tolerance: float) -> Any:
        matrix = sp.csr_array(full)
        if self.basis is not None:
            matrix = sp.csr_array(self.basis.conj().T @ matrix @ self.basis)
        worst = np.array([_top(matrix)])
        _refuse_skew(np.array([_top(matrix - matrix.conj().T)]), worst, first, tolerance)
        rows_a, rows_b = matrix[self.a], matrix[self.b]
        within = max(_top(rows_a[:, self.a]), _top(rows_b[:, self.b]))
        _refuse_within(np.array([within]), worst, first, tolerance)
        return sp.csr_array(rows_a[:, self.b])


def splitting_of(
    matrices: Any, *, sublattice: Any = None, chiral: Any = None, positions: Any = None
) -> Splitting:
    """The splitting told by a sublattice vector or a chiral operator, or found from H.

    Parameters
    ----------
    matrices : (samples, n, n) array, or list of sparse (n, n) arrays
        The samples among which the sublattices are looked for if nothing is told.
    sublattice : see `tnlearn.physics.sublattices.read_sublattice`; optional
    chiral : (n, n) array or sparse array, or its (n,) diagonal; optional
    positions : (n,) or (n, dimensions) array, optional
        Where the orbitals are; they count along the longest extent.  Without it
        they count in the order of H.

    Raises
    ------
    ConfigError, ShapeError, NotChiralError
        If both are given, shapes do not fit, no splitting makes H chiral, or the
        sublattices differ in size.
    """
    size = int(matrices[0].shape[-1])
    if sublattice is not None and chiral is not None:
        raise ConfigError("give the sublattice vector or the chiral operator, not both")
    basis = None
    if sublattice is not None:
        signs = read_sublattice(sublattice, size)
    elif chiral is not None:
        basis, signs = split_chiral(chiral, size)
    elif isinstance(matrices, np.ndarray):
        signs = find_sublattices(np.abs(matrices).max(axis=0))
    else:
        weights = abs(sp.csr_array(matrices[0]))
        for matrix in matrices[1:]:
            weights = weights.maximum(abs(sp.csr_array(matrix)))
        signs = find_sublattices(weights)
    return Splitting(signs, positions, basis)


def block_of(
    H: Any,
    *,
    sublattice: Any = None,
    chiral: Any = None,
    positions: Any = None,
    boundary: str = "open",
) -> Array | Chains:
    """The block of any chiral Hamiltonian: h[x, y] = <A,x|H|B,y>.

    Parameters
    ----------
    H : (n, n) or (samples, n, n) array; a sparse (n, n) array or a list of them
        Hermitian, in units of the hopping.
    sublattice, chiral, positions
        As in `splitting_of`.
    boundary : "open" | "periodic"
        Of the chain H describes; only sparse matrices need to know.

    Returns
    -------
    (samples, n/2, n/2) array, or `Chains` if H is sparse and h is banded.

    Raises
    ------
    NotChiralError
        With the size of the violation, if H is not Hermitian or not chiral.
    ShapeError, NotFiniteError, ConfigError, MemoryLimitError
        For shapes that do not fit, NaN, contradictions, a size past memory.
    """
    listed = isinstance(H, (list, tuple)) and len(H) > 0 and all(sp.issparse(m) for m in H)
    if not listed and not sp.issparse(H):
        full = _dense(H)
        return np.asarray(
            splitting_of(full, sublattice=sublattice, chiral=chiral, positions=positions).block(
                full
            )
        )
    matrices = [_checked_sparse(m) for m in (H if listed else [H])]
    if len({m.shape for m in matrices}) > 1:
        raise ShapeError("the sparse Hamiltonians of one call must have one shape")
    how = splitting_of(matrices, sublattice=sublattice, chiral=chiral, positions=positions)
    return banded_or_dense([how.block(m, k) for k, m in enumerate(matrices)], boundary)


def banded_or_dense(blocks: list[Any], boundary: str) -> Array | Chains:
    """Sparse blocks (cells, cells) as `Chains` where they are banded, else as one dense array."""
    found = chains_from_bands(blocks, boundary)
    if found is not None:
        return found
    size = blocks[0].shape[0]
    width = np.result_type(np.float64, *[b.dtype for b in blocks]).itemsize
    check_memory(f"{len(blocks)} dense blocks of {size} cells", len(blocks) * size**2 * width)
    return np.stack([b.toarray() for b in blocks])


def is_hermitian(matrix: Any) -> bool:
    """Whether a square array (or each of a batch), dense or sparse, is Hermitian to rounding."""
    if sp.issparse(matrix):
        matrix = sp.csr_array(matrix)
        return _top(matrix - matrix.conj().T) <= 1e-12 * _top(matrix)
    array = np.asarray(matrix)
    first = array[:1] if array.ndim == 3 else array
    # Most blocks are told from Hamiltonians by one sample.
    for part in (first, array):
        # Infinities are refused later, with their place.
        with np.errstate(invalid="ignore", over="ignore"):
            skew = np.abs(part - part.conj().swapaxes(-1, -2)).max()
        if not skew <= 1e-12 * np.abs(part).max():
            return False
    return True


def _dense(H: Any) -> Array:
    try:
        array = np.asarray(H)
        kind = np.result_type(array.dtype, np.float64)
        if kind not in (np.dtype(np.float64), np.dtype(np.complex128)):
            raise TypeError(f"dtype {array.dtype}")
        array = array.astype(kind, copy=False)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"a Hamiltonian must be an array of numbers: {error}") from None
    if array.ndim not in (2, 3) or array.shape[-1] != array.shape[-2] or not array.size:
        raise ShapeError(
            f"a Hamiltonian must be square, of shape (n, n) or (samples, n, n); got {array.shape}"
        )
    check_finite("a Hamiltonian", array)
    return array if array.ndim == 3 else array[None]


def _checked_sparse(matrix: Any) -> Any:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.shape[0]:
        raise ShapeError(f"a Hamiltonian must be square; this sparse one has shape {matrix.shape}")
    found = sp.csr_array(matrix)
    kind = np.result_type(found.dtype, np.float64)
    if kind not in (np.dtype(np.float64), np.dtype(np.complex128)):
        raise ShapeError(f"a Hamiltonian must hold numbers; this one has dtype {found.dtype}")
    if not np.isfinite(found.data).all():
        raise NotFiniteError(
            "a sparse Hamiltonian holds values that are NaN or infinite; remove or replace them"
        )
    return found.astype(kind)


def _order(positions: Any, size: int) -> Array:
    if positions is None:
        return np.arange(size)
    places = np.asarray(positions, dtype=float)
    if places.ndim not in (1, 2) or len(places) != size or places.size == 0:
        raise ShapeError(
            f"positions has shape {places.shape}; ({size},) or ({size}, dimensions) is expected"
        )
    check_finite("positions", places)
    if places.ndim == 2:
        places = places[:, int(np.ptp(places, axis=0).argmax())]
    # Positions equal to rounding keep the order of H.
    span = float(np.ptp(places))
    return np.argsort(np.round(places / span, 12) if span else places, kind="stable")


def _refuse_skew(skew: Array, worst: Array, first: int, tolerance: float) -> None:
    bad = np.flatnonzero(skew > tolerance * worst)
    if len(bad):
        k = int(bad[skew[bad].argmax()])
        raise NotChiralError(
            f"the Hamiltonian (sample {first + k}) is not Hermitian: H − H† reaches {skew[k]:.3g} "
            f"(largest element {worst[k]:.3g}); symmetrise it first"
        )


def _refuse_within(within: Array, worst: Array, first: int, tolerance: float) -> None:
    bad = np.flatnonzero(within > tolerance * worst)
    if len(bad):
        k = int(bad[within[bad].argmax()])
        raise NotChiralError(
            f"the Hamiltonian (sample {first + k}) is not chiral: elements within a sublattice "
            f"(A–A or B–B, on-site terms among them) reach {within[k]:.3g}, where "
            f"{tolerance * worst[k]:.1g} is allowed (largest element {worst[k]:.3g}); check the "
            "sublattices, or remove those terms"
        )


def _top(matrix: Any) -> float:
    return float(abs(matrix).max()) if matrix.nnz else 0.0
