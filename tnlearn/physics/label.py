"""`tnlearn.winding`: the winding number of whatever describes a chiral chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tnlearn.physics import invariants
from tnlearn.physics.hamiltonians import read
from tnlearn.physics.invariants import Winding

__all__ = ["winding"]


def winding(
    given: Any,
    method: str = "rswn",
    boundary: str | None = None,
    window: float = 0.5,
    *,
    kind: str = "auto",
    order: str | None = None,
    sublattice: Any = None,
    chiral: Any = None,
    positions: Any = None,
    cells: int | None = None,
    params: Mapping[str, Any] | None = None,
    tolerance: float | None = None,
    threads: int | None = 1,
    gap: bool = True,
) -> Winding:
    """Winding number of chiral chains, from anything that describes them.

    ========== =======================================================  ================
    method     formula                                                  note
    ========== =======================================================  ================
    `rswn`     (1/L') Σ_{y in window} Σ_x d(x, y) |q_xy|²               real
    `lyapunov` m_min + number of growing Lyapunov exponents             integer, O(L r³)
    `twist`    winding of det h(φ) as the flux goes 0 → 2π              integer
    `log`      (1/2πi) Tr log(X_A X_B†)                                 integer on a ring
    `momentum` lowest power + zeros of Σ t_m z^m in the unit circle     clean chains only
    `localizer` −½ sig of the spectral localizer of the open chain     integer, O(L r²)
    ========== =======================================================  ================

    `rswn` looks at the chain as it is, `localizer` at the open chain, the others at the
    same sample closed into a ring.  `Chains` hold the hopping of every cell; a raw open block
    answers by the cell of its bulk, if that repeats, or by its complete rows, and is called
    reliable only where a bound or two independent ways agree (`tnlearn.physics.rawblocks`).
    The SSH chain with |t_1| > |t_0| has W = +1.

    Parameters
    ----------
    given
        - `Chains`;
        - a block h[x, y] = <A,x|H|B,y>, (cells, cells) or (samples, cells, cells),
          or sparse (cells, cells), or a list of these;
        - a Hamiltonian H, (n, n) or (samples, n, n), or sparse, or a list of these;
        - a finite model of PythTB, or a finalised finite system of kwant.

        Dense ones may be numpy arrays, nested lists or torch tensors.  Real or
        complex, in units of the hopping.
    method : str
        One of the table.
    boundary : "open" | "periodic", optional
        Known where chains are given; giving it all the same opens them or closes
        them.  Of a matrix, seen from the corners: elements that join the ends make a ring.
    window : float
        Fraction of the cells over which `rswn` traces an open chain.
    kind : "auto" | "block" | "hamiltonian"
        What a matrix is.  "auto": a Hamiltonian if it is Hermitian and joins A to B only, or
        if one of the following is given; a block if it is far from Hermitian.  What has both
        readings, or none, is refused.
    order : "site" | "sublattice" | "orbital", optional
        Of the orbitals: cell after cell (A B A B …, or each cell's orbitals together), A … A
        B … B, or all cells of one orbital after the other.  Found where one makes h local.
    sublattice : (n,) array or str, optional
        Of each orbital of H: +1 (A) or −1 (B), also 1 and 0, True and False, "A" and
        "B"; or "site" (A B A B …), "sublattice" (A … A B … B).  The i-th A and the
        i-th B orbital make cell i.  Found from H if not given, the first orbital
        being on A.
    chiral : (n, n) array or sparse array, or its (n,) diagonal, optional
        Chiral operator Γ of H in place of the sublattice vector, also one that is not
        diagonal: then orbitals that Γ mixes are turned into its eigenvectors.  The
        one of a kwant system is used if it has one.
    positions : (n,) or (n, dimensions) array, optional
        Where the orbitals of H are; they count along the longest extent.  Those of a
        PythTB or kwant model are known.
    cells : int, optional
        Number of unit cells, where they have several orbitals on a sublattice.
    params : dict, optional
        Parameters of a PythTB or kwant model.
    tolerance : float, optional
        What counts as rounding, from 1e-13 to 0.1: elements of a matrix, and violations of
        hermiticity and chirality, below this share of the largest element (1e-8 unless
        said, 1e-4 for single precision), and the error that the fast forms of `rswn` may
        make (1e-12 unless said; what was really reached is bounded by `error`).
    threads : int or None
        Threads that share the samples; None takes all cores.
    gap : bool
        Whether the integer methods also compute the gap, which costs far more than
        the integer; without it `gap` is NaN.

    Returns
    -------
    Winding
        value, integer, gap, reliable, method, error; nothing is rounded silently.

    Raises
    ------
    UnclearError
        For a matrix with two readings, or none; both are named, and the word to say.
    NotChiralError
        With the size of the violation, if H is not Hermitian or not chiral.
    UnknownNameError, ShapeError, NotFiniteError, ConfigError, MemoryLimitError
        For unknown names, shapes that do not fit, NaN or infinity, settings out of
        range or contradicting each other, a size past memory.

    Sources: rswn arXiv:2509.26261; lyapunov arXiv:1311.5233; log arXiv:2101.08546.
    """
    ready = read(
        given,
        kind=kind,
        order=order,
        sublattice=sublattice,
        chiral=chiral,
        positions=positions,
        cells=cells,
        boundary=boundary,
        params=params,
        tolerance=tolerance,
    )
    return invariants.winding(
        ready, method, window=window, tolerance=tolerance, threads=threads, gap=gap
    )
