"""Whatever describes a chiral chain, turned into chains or blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnlearn.errors import (
    ConfigError,
    NotChiralError,
    NotFiniteError,
    ShapeError,
    check_choice,
)
from tnlearn.physics.chains import Chains
from tnlearn.physics.geometry import check_boundary
from tnlearn.physics.hamiltonians import banded_or_dense, block_of, is_hermitian
from tnlearn.physics.systems import read_system

__all__ = ["KINDS", "chains_or_block", "kind_of"]

Array = NDArray[Any]

KINDS = ("auto", "block", "hamiltonian")


def chains_or_block(
    given: Any,
    *,
    kind: str = "auto",
    sublattice: Any = None,
    chiral: Any = None,
    positions: Any = None,
    params: Mapping[str, Any] | None = None,
    boundary: str | None = None,
) -> Chains | Any:
    """`Chains` or a raw block, from anything that `tnlearn.winding` takes.

    Parameters
    ----------
    given
        `Chains`; a block h or a Hamiltonian H, dense (one or a batch) or sparse
        (one or a list); a finite PythTB model; a finalised finite kwant system.
    kind : "auto" | "block" | "hamiltonian"
        What a matrix is.  "auto": as `kind_of` tells.
    sublattice, chiral, positions
        As in `tnlearn.physics.hamiltonians.splitting_of`; they make it a Hamiltonian.
    params : dict, optional
        Parameters of a PythTB or kwant system.
    boundary : "open" | "periodic", optional
        Of a raw matrix; "open" unless told.

    Raises
    ------
    NotChiralError, ShapeError, NotFiniteError, ConfigError, UnknownNameError
        As told there.
    """
    check_choice("kind", kind, KINDS)
    where = "open" if boundary is None else check_boundary(boundary)
    told = {"sublattice": sublattice, "chiral": chiral, "positions": positions}
    named = [name for name, value in told.items() if value is not None]
    if isinstance(given, Chains):
        _refuse("chains know their sublattices", [*named, *(["params"] if params else [])])
        return given
    system = read_system(given, params)
    if system is not None:
        if kind == "block":
            raise ConfigError("a model of PythTB or kwant is a Hamiltonian, not a block")
        if positions is None:
            told["positions"] = system.positions
        if sublattice is None and chiral is None:
            told["chiral"] = system.chiral
        full = system.hamiltonian
        return block_of(full if sp.issparse(full) else sp.csr_array(full), boundary=where, **told)
    _refuse("these are the parameters of a PythTB or kwant system", ["params"] if params else [])
    if kind == "block":
        _refuse("a block has its sublattices told already", named)
    if kind == "hamiltonian" or named:
        return block_of(given, boundary=where, **told)
    listed = isinstance(given, (list, tuple)) and bool(given) and all(map(sp.issparse, given))
    if not listed and not sp.issparse(given):
        if kind == "auto" and kind_of(given) == "hamiltonian":
            return _found(given, where)
        return given
    matrices = list(given) if listed else [given]
    if kind == "auto" and all(kind_of(m) == "hamiltonian" for m in matrices):
        return _found(given, where)
    _check_blocks(matrices)
    return banded_or_dense([sp.csr_array(m) for m in matrices], where)


def kind_of(matrix: Any) -> str:
    """ "hamiltonian" for a Hermitian matrix of even size that is not diagonal, else "block".

    A block that is Hermitian on purpose has winding number zero whatever it is
    (q is Hermitian too, and d(x, y) is odd), so that little is lost; `kind="block"`
    takes it as a block all the same.
    """
    if not sp.issparse(matrix):
        try:
            matrix = np.asarray(matrix)
        except (TypeError, ValueError):
            return "block"
        if matrix.ndim not in (2, 3) or matrix.dtype.kind not in "iufcb":
            return "block"
    shape = matrix.shape
    if shape[-1] != shape[-2] or shape[-1] % 2 or 0 in shape:
        return "block"
    if not is_hermitian(matrix) or _is_diagonal(matrix):
        return "block"
    return "hamiltonian"


def _found(given: Any, boundary: str) -> Array | Chains:
    try:
        return block_of(given, boundary=boundary)
    except NotChiralError as error:
        raise NotChiralError(
            f"{error}. (The matrix is Hermitian, so it was read as a Hamiltonian: if it is a block "
            'h[x, y] = <A,x|H|B,y>, say kind="block")'
        ) from None


def _is_diagonal(matrix: Any) -> bool:
    if sp.issparse(matrix):
        entries = sp.coo_array(matrix)
        return not np.any(entries.data[entries.row != entries.col])
    apart = ~np.eye(matrix.shape[-1], dtype=bool)
    return not np.any(matrix[..., apart])


def _check_blocks(matrices: list[Any]) -> None:
    for matrix in matrices:
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.shape[0]:
            raise ShapeError(f"a block must be square; this sparse one has shape {matrix.shape}")
        if matrix.shape != matrices[0].shape:
            raise ShapeError("the sparse blocks of one call must have one shape")
        if not np.isfinite(sp.csr_array(matrix).data).all():
            raise NotFiniteError("a sparse block holds values that are NaN or infinite")


def _refuse(why: str, named: list[str]) -> None:
    if named:
        raise ConfigError(f"{', '.join(named)} cannot be given here: {why}")
