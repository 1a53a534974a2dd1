"""`tnlearn.winding`: every winding number of whatever describes a chiral chain, gap and flag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Unpack

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import check_choice
from tnlearn.physics.blocks import Window
from tnlearn.physics.bulk import Bulk, bulk_of, confirmed
from tnlearn.physics.chains import Chains
from tnlearn.physics.gaps import chain_gaps
from tnlearn.physics.hamiltonians import Words, read
from tnlearn.physics.localizer import localizer_values
from tnlearn.physics.matrices import times_power
from tnlearn.physics.memory import check_memory, check_threads, chunk_length
from tnlearn.physics.rings import log_winding, momentum_winding, twist_winding
from tnlearn.physics.rswn import (
    ROUNDING_LIMIT,
    TOLERANCE,
    Labels,
    check_tolerance,
    local_windings,
    rswn,
    zero_level,
)
from tnlearn.shown import Shown, some, span

__all__ = ["METHODS", "ROUNDING_LIMIT", "Winding", "local_winding", "winding"]

Array = NDArray[Any]

METHODS = ("rswn", "lyapunov", "twist", "log", "momentum", "localizer")

# Hoppings of this power of two and beyond are scaled before anything is computed.
_PLAIN_EXPONENT = 100


@dataclass(frozen=True, eq=False, repr=False)
class Winding(Shown):
    """Winding numbers of a batch, each with what is needed to trust it or not.

    Attributes
    ----------
    value : (samples,) float array
        The number before rounding.  NaN where it does not exist (det h vanishes
        at every flux).
    integer : (samples,) int array
        `value` rounded; 0 where it does not exist.
    gap : (samples,) float array
        Smallest singular value of the block the method looks at, in units of
        the hopping: of the open block for `rswn` on an open chain, of the ring
        for all else; but for `localizer` the gap of the localizer.
    reliable : (samples,) bool array
        False if the gap is zero to rounding, if |value − integer| > 0.3, or if
        the method could not settle its count; for `localizer`, if its integer
        might be another one elsewhere in the middle half of the chain; for raw blocks, if
        their bulk does not say the same (`tnlearn.physics.bulk`).
    method : str
        Which number this is.
    error : (samples,) float array
        Bound of the error of `value` by poles, tails and rounding (first order in
        the rounding), in the units of `value`; 0 for a count that is settled, and
        infinity where nothing is known.
    """

    value: Array
    integer: Array
    gap: Array
    reliable: Array
    method: str
    error: Array

    _name: ClassVar[str] = "winding number"

    def __len__(self) -> int:
        return len(self.value)

    def plot(self, *, against: Any = None, label: str = "", ax: Any = None) -> Any:
        """The winding numbers against the sample or a parameter, unreliable ones crossed out.

        Parameters
        ----------
        against : (samples,) array, optional
            A number of each sample, such as a hopping, for the horizontal axis.
        label : str
            What that axis is called.
        ax : matplotlib axes, optional
            Where to draw; by default in a figure of its own.

        Returns
        -------
        The axes it was drawn on; a notebook shows them.
        """
        from tnlearn.physics import plots

        return plots.windings(
            self.value, self.integer, self.reliable, against, label, self._name, ax
        )

    def _facts(self) -> dict[str, str]:
        numbers, counts = np.unique(self.integer, return_counts=True)
        parts = {"samples": str(len(self)), "method": self.method}
        if len(self) == 1:
            parts["value"] = f"{self.value[0]:.6g}"
            parts["integer"] = str(self.integer[0])
            parts["reliable"] = str(bool(self.reliable[0]))
        else:
            parts["integers"] = (
                f"{{{some(f'{n}: {k}' for n, k in zip(numbers, counts, strict=True))}}}"
            )
            parts["reliable"] = str(int(self.reliable.sum()))
        return parts | {"gap": span(self.gap), "error": span(self.error)}

    def _sketch(self) -> Any:
        return self.plot() if 1 < len(self) <= 2000 else None


def winding(
    given: Any,
    method: str = "rswn",
    boundary: str | None = None,
    window: Window = 0.5,
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
    compiled: bool | None = None,
) -> Winding:
    """Winding number of chiral chains, from anything that describes them.

    =========== ======================================================== =================
    method      formula                                                  note
    =========== ======================================================== =================
    `rswn`      (1/L') Σ_{y in window} Σ_x d(x, y) ``|q_xy|²``           real
    `lyapunov`  m_min + number of growing Lyapunov exponents             integer, O(L r³)
    `twist`     winding of det h(φ) as the flux goes 0 → 2π              integer
    `log`       (1/2πi) Tr log(X_A X_B†)                                 integer on a ring
    `momentum`  lowest power + zeros of Σ t_m z^m in the unit circle     clean chains only
    `localizer` −½ signature of the spectral localizer of the open chain integer, O(L r²)
    =========== ======================================================== =================

    `rswn` looks at the chain as it is, `localizer` at the open chain, the others at the
    same sample closed into a ring.  `Chains` hold the hopping of every cell; a raw open block
    answers by the cell of its bulk, if that repeats, or by its complete rows, and is called
    reliable only where a bound or two independent ways agree (`tnlearn.physics.bulk`).
    The SSH chain with |t_1| > |t_0| has W = +1.

    Parameters
    ----------
    given
        - `Chains`, or blocks that were read (`tnlearn.physics.hamiltonians.read`);
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
    window : float, or (start, stop)
        Cells over which `rswn` traces an open chain: a share of them in the middle, or the cells
        start … stop − 1 wherever they are, to see a domain wall (`local_winding`).
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
    compiled : bool, optional
        Whether by compiled kernels or by plain linear algebra; they agree to `error`, not to the
        bit.  None: the plain way until it has cost the process a second.

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
    check_choice("method", method, METHODS)
    limit = check_tolerance(TOLERANCE if tolerance is None else tolerance)
    workers = check_threads(threads)
    source = read(
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
    if not len(source):
        none = np.empty(0)
        return Winding(none, none.astype(np.int64), none, none > 0, method, none)
    if isinstance(source, Chains):
        source, exponents, kept = _scaled(source)
    else:
        exponents, kept = source.exponents, np.ones(len(source), dtype=bool)
    whole = source if isinstance(source, Chains) else source.source
    bulk = bulk_of(source, compiled, workers)
    if method == "rswn":
        labels = rswn(whole, source.boundary, window, limit, workers, compiled)
    elif method == "localizer":
        chains = source if isinstance(source, Chains) else source.chains()[0]
        value, clear, size = localizer_values(chains.bands(), gap, compiled=compiled)
        labels = Labels(value, size, np.where(clear, 0.0, np.inf), clear)
    else:
        labels = _of_rings(method, bulk, gap)
    exists = np.isfinite(labels.value)
    integer = np.round(np.where(exists, labels.value, 0.0)).astype(np.int64)
    near = exists & (np.abs(np.where(exists, labels.value, np.inf) - integer) <= ROUNDING_LIMIT)
    # A number is trusted where the bulk has that integer, by a bound or by all who were asked.
    reliable = kept & labels.sound & near & (integer == bulk.integer)
    reliable &= confirmed(source, bulk, reliable, compiled)
    size = times_power(labels.gap, exponents)
    return Winding(labels.value, integer, size, reliable, method, labels.error)


def local_winding(given: Any, boundary: str | None = None, **words: Unpack[Words]) -> Array:
    """Local winding number of chiral chains, cell by cell: where its plateaus end is a wall.

        c(y) = Σ_x d(x, y) |q_xy|²,    W of a window = the mean of c over its cells.

    Deep inside a phase c is its integer, up to exponentially small terms (and disorder); at a
    wall, over a localisation length, it is none.  At the ends of an open chain it is large and
    of the other sign: the sum over a whole open chain is zero.

    Parameters
    ----------
    given, boundary, **words
        Chains, blocks, Hamiltonians or models, and how they are read: as in `tnlearn.winding`.
        A chain of several orbitals a cell is taken orbital by orbital; if `cells` says how many
        cells there are, c is the mean over the orbitals of each.

    Returns
    -------
    c : (samples, cells) float array
        q has the pairing that the SVD found where a singular value is zero: on the cells of a
        zero mode c is then arbitrary.

    Raises
    ------
    As `tnlearn.winding`.

    Examples
    --------
    >>> import numpy as np, tnlearn as tnl
    >>> left, right = np.repeat([1.0, 0.2], 20), np.repeat([0.2, 1.0], 20)
    >>> wall = tnl.chain(40, {0: left[None], -1: right[None]})
    >>> tnl.local_winding(wall)[0, [10, 30]].round(2)
    array([ 0., -1.])

    Source: arXiv:2509.26261, the summands of its formula; Mondragon-Shem, Hughes, Song, Prodan,
    arXiv:1311.5233, for the local form.
    """
    source = read(given, boundary=boundary, **words)
    if isinstance(source, Chains):
        source, _, _ = _scaled(source)
    samples, size = len(source), source.cells
    check_memory(f"the local windings of {samples} chains of {size} cells", 64 * size**2)
    local = np.empty((samples, size))
    step = chunk_length(size)
    for start in range(0, samples, step):
        part = np.arange(start, min(start + step, samples))
        local[part] = local_windings(source[part].block(), source.boundary)[0]
    unit = words.get("cells") or size
    return np.asarray(local.reshape(samples, unit, -1).mean(axis=2))


def _of_rings(method: str, bulk: Bulk, gap: bool) -> Labels:
    """Numbers of the rings of a bulk by a method that needs one, and their gaps."""
    value, size, error, sound = np.full((4, len(bulk.count)), np.nan)
    for samples, ring in bulk.rings:
        step = chunk_length(ring.cells)
        if method in ("lyapunov", "momentum") and not gap:
            step = len(samples)
        for start in range(0, len(samples), step):
            chains, at = ring[start : start + step], samples[start : start + step]
            if method == "log":
                values, energies, clear = log_winding(chains.block())
                size[at], error[at] = energies[:, -1], np.abs(values - np.round(values))
                clear &= energies[:, -1] > zero_level(energies)
            else:
                values, clear = bulk.count[at], bulk.settled[at]
                if method != "lyapunov":
                    count = twist_winding if method == "twist" else momentum_winding
                    values, clear = count(chains)
                error[at] = np.where(clear & np.isfinite(values), 0.0, np.inf)
                if gap:
                    size[at] = chain_gaps(chains)
                    norm = np.sum([np.abs(t).max(axis=1) for t in chains.hoppings.values()], axis=0)
                    clear &= size[at] > 4 * ring.cells * np.finfo(float).eps * norm
            value[at], sound[at] = values, clear
    return Labels(value, size, error, sound > 0)


def _scaled(chains: Chains) -> tuple[Chains, Array, Array]:
    """The chains with hoppings of order one, the power of two that each was over it, and whether
    no hopping was lost on the way, being that much smaller than the largest.

    Only samples whose squares could leave the range of the numbers are touched.
    """
    bonds = chains.hoppings
    with np.errstate(over="ignore", under="ignore"):
        squares = sum(np.einsum("sy,sy->s", t, t.conj()).real for t in bonds.values())
    exponents, kept = np.zeros(chains.samples, dtype=int), np.ones(chains.samples, dtype=bool)
    if np.all((squares > 1e-60) & (squares < 1e60)):
        return chains, exponents, kept
    parts = [np.abs(part).max(axis=1) for t in bonds.values() for part in (t.real, t.imag)]
    exponents = np.frexp(np.max(parts, axis=0))[1]
    exponents[np.abs(exponents) < _PLAIN_EXPONENT] = 0
    scaled = {m: times_power(t, -exponents[:, None]) for m, t in bonds.items()}
    for m, t in bonds.items():
        kept &= ((t == 0) | (np.abs(scaled[m]) >= np.finfo(float).tiny)).all(axis=1)
    return replace(chains, hoppings=scaled), exponents, kept
