"""What a matrix is, where it closes and how it is ordered: read by structure, never guessed.

A chiral operator that is diagonal colours the orbitals with two colours, A and B, such
that H joins only unlike ones: it is found on the graph of H.  The i-th A and the i-th B
orbital, counted along the chain, make cell i; a chain with several orbitals per cell and
sublattice is read as one with that many smaller cells, which has the same winding number
(the bulk sum of d(x, y)|q_xy|² depends on positions only through the total dipole, and q
is unitary).  Every sample is judged by itself, with a relative tolerance below which
elements count as rounding; what has two readings, or none, is refused with the word to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnlearn.errors import (
    ConfigError,
    NotChiralError,
    ShapeError,
    UnclearError,
    check_choice,
)
from tnlearn.physics.blocks import bands_of, check_boundary
from tnlearn.physics.chains import Chains
from tnlearn.physics.matrices import Matrices, matrices, times_power
from tnlearn.physics.orders import Place, places, position_order
from tnlearn.physics.rawblocks import Blocks, stacked
from tnlearn.physics.states import States, states_of
from tnlearn.physics.sublattices import (
    colours,
    read_sublattice,
    split_chiral,
    standard_signs,
    violation,
)
from tnlearn.physics.systems import read_system

__all__ = ["KINDS", "ORDERS", "Words", "read", "states"]

Array = NDArray[Any]

KINDS = ("auto", "block", "hamiltonian")
ORDERS = ("site", "sublattice", "orbital")

# A matrix this near to its adjoint is meant to be Hermitian.
_NEARLY = 1e-3


class UnbalancedError(ShapeError):
    """A Hamiltonian has more orbitals on one sublattice than on the other."""

    def __init__(self, message: str, samples: int = 1) -> None:
        super().__init__(message)
        self.samples = samples


class Words(TypedDict, total=False):
    """How a matrix is read: the arguments of `tnlearn.winding` of the same names."""

    kind: str
    order: str | None
    sublattice: Any
    chiral: Any
    positions: Any
    cells: int | None
    params: Mapping[str, Any] | None
    tolerance: float | None


@dataclass(frozen=True)
class _Told:
    """What the user says of a matrix; None where it has to be seen from the matrix."""

    kind: str = "auto"
    order: str | None = None
    signs: Array | None = None
    along: Array | None = None
    cells: int | None = None
    boundary: str | None = None
    ends: bool = True


def read(
    given: Any,
    *,
    kind: str = "auto",
    order: str | None = None,
    sublattice: Any = None,
    chiral: Any = None,
    positions: Any = None,
    cells: int | None = None,
    boundary: str | None = None,
    params: Mapping[str, Any] | None = None,
    tolerance: float | None = None,
    ends: bool = True,
    first: int = 0,
) -> Chains | Blocks:
    """The chains that anything describes: `Chains` as they are, all else as blocks.

    What comes and how it is read, with the errors, is told in `tnlearn.winding`; blocks that were
    read come back as they are.  Beyond that:

    Parameters
    ----------
    ends : bool
        Whether the order and the ends of a block matter; without, it is taken as it came.
    first : int
        Number of the first sample, for messages.
    """
    if isinstance(given, Blocks):
        return given
    check_choice("kind", kind, KINDS)
    if order is not None:
        check_choice("order", order, ORDERS)
    if boundary is not None:
        check_boundary(boundary)
    where = {"sublattice": sublattice, "chiral": chiral, "positions": positions}
    named = [name for name, value in where.items() if value is not None]
    if isinstance(given, Chains):
        words = [
            *named,
            *[n for n, v in (("order", order), ("cells", cells), ("params", params)) if v],
        ]
        _refuse("chains know their sublattices", words)
        if boundary is None or boundary == given.boundary:
            return given
        return given.with_boundary(boundary)
    system = read_system(given, params)
    if system is not None:
        if kind == "block":
            raise ConfigError("a model of PythTB or kwant is a Hamiltonian, not a block")
        kind, given = "hamiltonian", system.hamiltonian
        if positions is None and order is None:
            positions = system.positions
        if sublattice is None and chiral is None:
            chiral = system.chiral
    else:
        _refuse("these are the parameters of a PythTB or kwant system", ["params"] * bool(params))
    if kind == "block":
        _refuse("a block has its sublattices told already", named)
        if order == "sublattice":
            raise ConfigError('order="sublattice" is one of Hamiltonians, not of blocks')
    elif named or order == "sublattice":
        kind = "hamiltonian"
    loaded = replace(matrices(given), first=first)
    if tolerance is not None:
        loaded = replace(loaded, tolerance=float(tolerance))
    if cells is not None and (isinstance(cells, bool) or int(cells) != cells or cells < 1):
        raise ConfigError(f"cells must be a whole number of at least 1, got {cells!r}")
    if sublattice is not None and chiral is not None:
        raise ConfigError("give the sublattice vector or the chiral operator, not both")
    signs = None
    if sublattice is not None:
        signs = read_sublattice(sublattice, loaded.size)
    elif chiral is not None:
        basis, signs = split_chiral(chiral, loaded.size)
        loaded = loaded if basis is None else loaded.in_basis(basis)
    elif order == "sublattice":
        signs = read_sublattice(order, loaded.size)
    along = None if positions is None else position_order(positions, loaded.size)
    return _blocks(loaded, _Told(kind, order, signs, along, cells, boundary, ends))


def states(h: Chains | Any, **words: Unpack[Words]) -> States:
    """Eigenstates of chiral chains, from the SVD of the block h.

    Open nearest-neighbour chains (a bidiagonal block) go through LAPACK's `dbdsdc`,
    everything else through the dense SVD.

    h = U S V†, u_n = U[:, n], v_n = V[:, n], energies ascending.  Never from
    `eigh(H)`: it mixes the two edge modes once their splitting is below rounding,
    and then q is not unitary.

    Parameters
    ----------
    h : Chains, or anything else that `tnlearn.winding` takes
        A block h[x, y] = <A,x|H|B,y>, in units of the hopping, is taken in the order it has.
    **words
        How a matrix is read, by kind, order, sublattice, chiral, positions, cells, params and
        tolerance: as in `tnlearn.winding`.

    Returns
    -------
    States
        A single block gives a batch of one.  For an exact zero singular value the
        pairing of u_0 and v_0 is arbitrary: `tnlearn.winding` flags it.

    Raises
    ------
    UnclearError, NotChiralError, ShapeError, NotFiniteError, MemoryLimitError
        For a matrix that is neither a block nor a chiral Hamiltonian, or could be both; for NaN
        or infinity; for a size past memory.
    """
    blocks = read(h, ends=False, **words)
    if isinstance(blocks, Chains):
        return blocks.states()
    if isinstance(blocks.source, Chains):
        solved = blocks.source.states()
    else:
        block = blocks.source
        # No bond in the far corners (a cheap look): it could be bidiagonal.
        near = not (np.any(block[:, -1, :-2]) or np.any(block[:, 0, 2:]))
        solved = states_of(bands_of(block) if near else None, block.dtype, lambda: block)
    if not blocks.exponents.any():
        return solved
    return replace(solved, energies=times_power(solved.energies, blocks.exponents[:, None]))


def _refuse(why: str, named: list[str]) -> None:
    if named:
        raise ConfigError(f"{', '.join(named)} cannot be given here: {why}")


@dataclass(frozen=True, eq=False)
class _Reading:
    """How samples of one pattern are read: the orbitals of h's rows and columns, and its ends."""

    samples: Array
    kind: str
    rows: Array
    columns: Array
    place: Place


def _blocks(loaded: Matrices, words: _Told) -> Blocks:
    readings = []
    for samples, pattern in loaded.patterns(loaded.tolerance):
        kind = words.kind
        if kind == "auto":
            kind = _kind_of(loaded, samples, pattern)
        everything = np.arange(loaded.size)
        pairs = [(everything, everything)]
        if kind == "hamiltonian":
            pairs = _sublattices(loaded, samples, pattern, words)
        name = loaded.name(samples[0])
        readings.append(_Reading(samples, kind, *_one_place(name, pattern, words, pairs, kind)))
    first = readings[0]
    for other in readings[1:]:
        ways = [f"a {r.kind} with boundary {r.place.boundary}" for r in (first, other)]
        if ways[0] != ways[1]:
            raise UnclearError(
                f"{loaded.name(first.samples[0])} is {ways[0]}, {loaded.name(other.samples[0])} is "
                f"{ways[1]}: give them in two calls, or say kind= and boundary="
            )
    parts = [
        (r.samples, loaded.part(r.samples, r.rows[r.place.order], r.columns[r.place.order]))
        for r in readings
    ]
    orbitals = len(first.rows) // words.cells if words.cells else None
    return stacked(parts, first.place.boundary, loaded.tolerance, loaded.exponents, orbitals)


def _kind_of(loaded: Matrices, samples: Array, pattern: Any) -> str:
    """ "block" or "hamiltonian" for samples of one pattern, or an error that names both."""
    if not np.any(np.not_equal(*pattern.nonzero())):
        return "block"  # diagonal: as a Hamiltonian it would have no hopping
    block = 'as a block h[x, y] = <A,x|H|B,y> (say kind="block")'
    relative = loaded.skew[samples] / loaded.largest[samples]
    hermitian = relative <= loaded.tolerance
    nearly = ~hermitian & (relative <= _NEARLY)
    coloured = colours(pattern) is not None
    if nearly.any():
        k = samples[nearly.argmax()]
        raise NotChiralError(
            f"{loaded.name(k)} is Hermitian but for {loaded.skew[k]:.3g} (largest element "
            f"{loaded.largest[k]:.3g}), more than the tolerance {loaded.tolerance:.1g}: it is read "
            f"as a Hamiltonian if you symmetrise it or give tolerance={_NEARLY:g}, or {block}"
        )
    if hermitian.any() and not coloured:
        k = samples[hermitian.argmax()]
        raise NotChiralError(f"{_not_chiral(loaded, k)}.  It can also be read {block}")
    far = samples[~hermitian]
    if not len(far):
        return "hamiltonian"
    why = None
    if coloured and 2 * pattern.multiply(pattern.T).nnz >= pattern.nnz:
        why = "non-reciprocal hoppings"
    elif pattern.diagonal().any():
        near = loaded.bare_skew[far] <= _NEARLY * loaded.largest[far]
        why, far = ("gain and loss" if near.any() else None), far[near]
    if why is not None:
        k = far[0]
        raise NotChiralError(
            f"{loaded.name(k)} can be read {block}, or as a Hamiltonian with {why} (H − H† "
            f"reaches {loaded.skew[k]:.3g}), which has no winding number of this kind "
            '(kind="hamiltonian" expects H = H†)'
        )
    return "block"


def _not_chiral(loaded: Matrices, sample: int) -> str:
    weights = sp.csr_array(abs(sp.csr_array(loaded.values[int(sample)])))
    return (
        f"the Hamiltonian ({loaded.name(sample)}) is not chiral: whatever orbitals are called A "
        "and B, elements within a sublattice (on-site terms among them) reach "
        f"{violation(weights):.3g}, where {loaded.tolerance * loaded.largest[sample]:.1g} is "
        f"allowed (largest element {loaded.largest[sample]:.3g}); remove those terms, or give the "
        "chiral operator if it is not diagonal"
    )


def _sublattices(
    loaded: Matrices, samples: Array, pattern: Any, words: _Told
) -> list[tuple[Array, Array]]:
    """The A orbitals and the B orbitals; several pairs where H does not tell."""
    largest, skew = loaded.largest, loaded.skew
    bad = samples[skew[samples] > loaded.tolerance * largest[samples]]
    if len(bad):
        k = bad[skew[bad].argmax()]
        raise NotChiralError(
            f"the Hamiltonian ({loaded.name(k)}) is not Hermitian: H − H† reaches {skew[k]:.3g} "
            f"(largest element {largest[k]:.3g}), more than the tolerance {loaded.tolerance:.1g}; "
            "symmetrise it, or give a larger tolerance"
        )
    k = samples[0]
    if words.signs is not None:
        candidates = [words.signs]
    else:
        coloured = colours(pattern)
        if coloured is None:
            raise NotChiralError(_not_chiral(loaded, k))
        candidates = standard_signs(*coloured, words.order)
        if not candidates:
            raise NotChiralError(
                f"the Hamiltonian falls into {coloured[0].max() + 1} pieces that no element "
                "joins, so which of their orbitals are A cannot be told from it; give the "
                "sublattice vector"
            )
    order = np.arange(loaded.size) if words.along is None else words.along
    pairs = [(order[signs[order] > 0], order[signs[order] < 0]) for signs in candidates]
    even = [pair for pair in pairs if len(pair[0]) == len(pair[1])]
    if not even:
        a, b = len(pairs[0][0]), len(pairs[0][1])
        raise UnbalancedError(
            f"read as a Hamiltonian, {a} orbitals are on sublattice A and {b} on B: the chain has "
            f"{abs(a - b)} states pinned at zero energy and no winding number by the polar factor; "
            'take off the orbitals in excess.  If it is a block, say kind="block"',
            len(loaded),
        )
    if words.signs is not None:
        matrix = abs(sp.csr_array(loaded.values[int(k)]))
        within = max(float(matrix[part][:, part].max()) for part in even[0])
        if within > loaded.tolerance * largest[k]:
            raise NotChiralError(
                f"the Hamiltonian ({loaded.name(k)}) is not chiral: elements within a sublattice "
                f"(A–A or B–B, on-site terms among them) reach {within:.3g}, where "
                f"{loaded.tolerance * largest[k]:.1g} is allowed (largest element "
                f"{largest[k]:.3g}); check the sublattices, or remove those terms"
            )
    return even


def _one_place(
    sample: str, pattern: Any, words: _Told, pairs: list[tuple[Array, Array]], kind: str
) -> tuple[Array, Array, Place]:
    """The only pair of sublattices and order along the chain that makes the block local."""
    as_it_came = (*pairs[0], Place(np.arange(len(pairs[0][0])), words.boundary or "open"))
    if not words.ends and (kind == "block" or words.signs is not None):
        return as_it_came
    fits = list(_fitting(pattern, words, pairs))
    if len(fits) == 1:
        return fits[0]
    if not fits and kind == "block" and words.boundary is not None:
        # The user says where it closes: a block of few cells, or of a long range.
        return as_it_came
    which = f"the {kind} ({sample})"
    if fits:
        ways = "; ".join(sorted({place.words for _, _, place in fits}))
        raise UnclearError(
            f"{which} has several orders that make a chain of it: {ways}.  Say which, by order= "
            "or by positions="
        )
    closed = "" if words.boundary is None else f' with boundary="{words.boundary}"'
    raise UnclearError(
        f"{which} is no chain{closed}: in no order known here do its elements join near cells "
        "only (a lattice of two dimensions, orbitals in another order, positions on a circle, "
        "noise above the tolerance?).  Give positions= along the chain, order=, cells=, "
        "boundary= or a larger tolerance="
    )


def _fitting(
    pattern: Any, words: _Told, pairs: list[tuple[Array, Array]]
) -> Iterator[tuple[Array, Array, Place]]:
    seen = set()
    for rows, columns in pairs:
        part = sp.csr_array(sp.csr_array(pattern)[rows][:, columns])
        alone = words.along is not None
        for place in places(part, words.order, words.cells, words.boundary, alone):
            # Dimers may be coloured in several ways; one block of them is one reading.
            block = sp.csr_array(part[place.order][:, place.order])
            block.sort_indices()
            key = (block.indptr.tobytes(), block.indices.tobytes(), place.boundary)
            if key not in seen:
                seen.add(key)
                yield rows, columns, place
