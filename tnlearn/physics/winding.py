"""`tnlearn.winding`: every winding number of whatever describes a chiral chain, gap and flag."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import check_choice
from tnlearn.physics.chains import Chains
from tnlearn.physics.hamiltonians import read
from tnlearn.physics.localizer import localizer_values
from tnlearn.physics.lyapunov import lyapunov_winding
from tnlearn.physics.matrices import times_power
from tnlearn.physics.memory import check_threads, chunk_length, in_threads
from tnlearn.physics.rawblocks import Blocks, bulk_of
from tnlearn.physics.rings import log_winding, momentum_winding, ring_gaps, twist_winding
from tnlearn.physics.rswn import TOLERANCE, Labels, check_tolerance, rswn, zero_level
from tnlearn.shown import Shown, some, span

__all__ = ["METHODS", "Winding", "winding"]

Array = NDArray[Any]

METHODS = ("rswn", "lyapunov", "twist", "log", "momentum", "localizer")

# A real winding number further than this from an integer is not rounded in good faith.
ROUNDING_LIMIT = 0.3
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
        their bulk does not say the same (`tnlearn.physics.rawblocks`).
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
    reliable only where a bound or two independent ways agree (`tnlearn.physics.rawblocks`).
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
    source = given
    if not isinstance(given, Blocks):
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
    number = partial(rswn, tolerance=limit, threads=workers, compiled=compiled)
    if not len(source):
        none = np.empty(0)
        labels = Labels(none, none, none, none > 0)
    elif isinstance(source, Blocks):
        labels = _of_blocks(source, method, window, number, gap, compiled)
    else:
        chains, exponents = _scaled(source)
        if method == "rswn":
            labels = number(chains, chains.boundary, window)
        else:
            ring = chains.with_boundary("periodic", chains.flux)
            labels = _of_rings(method, [(np.arange(len(ring)), ring)], gap, compiled, workers)
        labels = replace(labels, gap=times_power(labels.gap, exponents))
    exists = np.isfinite(labels.value)
    nearest = np.round(np.where(exists, labels.value, 0.0))
    near = np.abs(np.where(exists, labels.value, np.inf) - nearest) <= ROUNDING_LIMIT
    reliable = labels.sound & near & exists
    integer = nearest.astype(np.int64)
    return Winding(labels.value, integer, labels.gap, reliable, method, labels.error)


def _of_blocks(
    blocks: Blocks,
    method: str,
    window: float,
    number: Callable[..., Labels],
    gap: bool,
    compiled: bool | None,
) -> Labels:
    """Blocks by one method; reliable only where the bulk says the same.

    `number(source, boundary, window)` is their real-space winding number.
    """
    bulk = bulk_of(blocks)
    if method == "rswn":
        labels = number(blocks.source, blocks.boundary, window)
        agreed = labels
    else:
        whole = [(np.arange(len(blocks)), blocks.chains()[0])]
        labels = _of_rings(method, whole if method == "localizer" else bulk.rings, gap, compiled)
        # Where no bound says it, the real-space number has to be the bulk's, too.
        agreed = labels
        if (bulk.likely & labels.sound).any():
            agreed = number(blocks.source, blocks.boundary, 0.5)
    near = np.abs(np.nan_to_num(agreed.value, nan=np.inf) - bulk.integer) <= ROUNDING_LIMIT
    doubt = np.flatnonzero(labels.sound & near & bulk.likely & ~bulk.certain)
    if len(doubt) and blocks.boundary == "open":
        # What lies beyond the ends is not known: the middle half has to have one integer.
        middle = _localizer(blocks.chains()[0][doubt], False, compiled)
        near[doubt] = middle.sound & (middle.value == bulk.integer[doubt])
    same = np.round(np.nan_to_num(labels.value)) == bulk.integer
    sound = labels.sound & same & (bulk.certain | (bulk.likely & agreed.sound & near))
    return replace(labels, gap=times_power(labels.gap, blocks.exponents), sound=sound)


def _of_rings(
    method: str,
    rings: list[tuple[Array, Chains]],
    gap: bool,
    compiled: bool | None,
    threads: int = 1,
) -> Labels:
    """Labels of rings, each with the numbers of its samples, a few samples at a time."""
    arrays = np.empty((4, sum(len(samples) for samples, _ in rings)))
    for samples, chains in rings:
        # (The count of exponents takes linear memory.)
        step = len(chains) if method == "lyapunov" and not gap else chunk_length(chains.cells)
        for start in range(0, len(chains), step):
            part = slice(start, start + step)
            labels = _RING[method](chains[part], gap, compiled, threads)
            arrays[:, samples[part]] = labels.value, labels.gap, labels.error, labels.sound
    value, size, error, sound = arrays
    return Labels(value, size, error, sound > 0)


def _scaled(chains: Chains) -> tuple[Chains, Array]:
    """The chains with hoppings of order one, and the power of two that each sample was over it.

    Only samples whose squares could leave the range of the numbers are touched.
    """
    bonds = chains.hoppings
    with np.errstate(over="ignore", under="ignore"):
        squares = sum(np.einsum("sy,sy->s", t, t.conj()).real for t in bonds.values())
    exponents = np.zeros(chains.samples, dtype=int)
    if np.all((squares > 1e-60) & (squares < 1e60)):
        return chains, exponents
    parts = [np.abs(part).max(axis=1) for t in bonds.values() for part in (t.real, t.imag)]
    exponents = np.frexp(np.max(parts, axis=0))[1]
    exponents[np.abs(exponents) < _PLAIN_EXPONENT] = 0
    scaled = {m: times_power(t, -exponents[:, None]) for m, t in bonds.items()}
    return replace(chains, hoppings=scaled), exponents


def _localizer(chains: Chains, gap: bool, compiled: bool | None, threads: int = 1) -> Labels:
    value, clear, size = localizer_values(chains.bands(), gap, compiled=compiled)
    return Labels(value, size, np.where(clear, 0.0, np.inf), clear)


def _lyapunov(chains: Chains, gap: bool, compiled: bool | None, threads: int) -> Labels:
    value, settled = np.empty((2, len(chains)))

    def work(part: slice) -> None:
        bonds = {m: t[part] for m, t in chains.hoppings.items()}
        value[part], settled[part] = lyapunov_winding(bonds, compiled)

    in_threads(work, len(chains), 1 if gap else threads, group=32)
    return _with_gap(chains, value, settled > 0, gap)


def _twist(chains: Chains, gap: bool, compiled: bool | None, threads: int) -> Labels:
    value, resolved = twist_winding(chains)
    # The determinants of nearly singular rings are off by more than rounding: another
    # method has to agree.
    count, settled = lyapunov_winding(chains.hoppings)
    return _with_gap(chains, value, resolved & settled & (count == value), gap)


def _momentum(chains: Chains, gap: bool, compiled: bool | None, threads: int) -> Labels:
    return _with_gap(chains, *momentum_winding(chains), gap)


def _log(chains: Chains, gap: bool, compiled: bool | None, threads: int) -> Labels:
    value, energies, clear = log_winding(chains.block())
    sound = clear & (energies[:, -1] > zero_level(energies))
    return Labels(value, energies[:, -1], np.abs(value - np.round(value)), sound)


_RING: dict[str, Callable[[Chains, bool, bool | None, int], Labels]] = {
    "lyapunov": _lyapunov,
    "twist": _twist,
    "log": _log,
    "momentum": _momentum,
    "localizer": _localizer,
}


def _with_gap(chains: Chains, value: Array, settled: Array, gap: bool) -> Labels:
    error = np.where(settled & np.isfinite(value), 0.0, np.inf)
    if not gap:
        return Labels(value, np.full(len(value), np.nan), error, settled)
    smallest = ring_gaps(chains)
    norm = np.sum([np.abs(t).max(axis=1) for t in chains.hoppings.values()], axis=0)
    rounding = 4 * chains.cells * np.finfo(float).eps
    return Labels(value, smallest, error, settled & (smallest > rounding * norm))
