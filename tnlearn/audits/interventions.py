"""The interventions of an audit: what each changes, what it keeps, and how it is made.

Most are shifts of `tnlearn.shift`; the others are written here.  Chains are altered as rings too:
the bonds across the seam of an open chain belong to the sample, for its winding number is that of
the ring.  Labels are left as they are; `tnlearn.audits.certify` recomputes them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.data.dataset import Dataset
from tnlearn.data.sampling import stream
from tnlearn.data.shifts import describe, shift
from tnlearn.data.transforms import ring, with_chains
from tnlearn.errors import ConfigError, check_choice
from tnlearn.physics.chains import Chains
from tnlearn.physics.states import States

__all__ = ["FAMILIES", "INTERVENTIONS", "Intervention", "end_cells", "find", "resolved"]

Array = NDArray[Any]

FAMILIES = ("preserving", "changing", "ablation")
WEAK = 0.1  # of the bonds of an end cell
LOWEST = 2  # pairs of states near zero energy: as many as the largest winding of `extended`


@dataclass(frozen=True)
class Intervention:
    """One way to alter samples, and what is claimed of the winding number.

    Attributes
    ----------
    name, title : str
        For arguments, and for tables.
    family : "preserving" | "changing" | "ablation"
        The winding of the altered chain is the same; is another; or the chain is the same
        and its states are given in part, so that they are no set of states of any chain.
    changes, keeps : str
        In words: what a classifier might have looked at, and what it should.
    make : callable
        ``make(data, seed) -> (before, after)``: two data sets of as many samples, sample by
        sample the pairs.  `before` is `data` itself unless they differ.
    scored : bool
        Whether it enters the score.  Not where some classifiers cannot be asked.
    keeps_q : bool
        Whether the flattened block q of the states must be the same; checked in each pair.

    An intervention of your own is an instance; whatever it claims is certified.
    """

    name: str
    title: str
    family: str
    changes: str
    keeps: str
    make: Callable[[Dataset, int], tuple[Dataset, Dataset]]
    scored: bool = True
    keeps_q: bool = False

    def __post_init__(self) -> None:
        check_choice("family", self.family, FAMILIES)


_BULK = "the bulk, and the winding of the sample where its own integer does not move"


def _shifted(name: str, keeps: str = _BULK, **options: bool) -> Intervention:
    """A shift of `tnlearn.shift` that keeps the winding, in its own words."""

    def make(data: Dataset, seed: int) -> tuple[Dataset, Dataset]:
        return data, shift(name, data, seed)

    known = describe(name)
    changes = known.description.partition(";")[0]
    return Intervention(name, known.title, "preserving", changes, keeps, make, **options)


Change = Callable[[Dataset, np.random.Generator], Any]


def _altered(
    family: str, name: str, title: str, changes: str, keeps: str, change: Change
) -> Intervention:
    """With a generator of its own; a change that gives one data set alters the samples."""

    def make(data: Dataset, seed: int) -> tuple[Dataset, Dataset]:
        new = change(data, stream(seed, f"audit/{name}", data.info["seed"]))
        return new if isinstance(new, tuple) else (data, new)

    return Intervention(name, title, family, changes, keeps, make)


def _altering(family: str, title: str, keeps: str) -> Callable[[Change], Intervention]:
    """An intervention of the name of a function, whose docstring begins with what it changes."""

    def intervention(change: Change) -> Intervention:
        words = " ".join((inspect.getdoc(change) or "").partition("\n\n")[0].split())
        changes = words[:1].lower() + words[1:].removesuffix(".")
        name = change.__name__.replace("_", "-")
        return _altered(family, name, title, changes, keeps, change)

    return intervention


# ------------------------------------------------------------------ the winding stands


def end_cells(cells: int) -> int:
    """Cells at either end that count as an end: a fifth of the chain, at least one."""
    return max(1, round(0.2 * cells))


def _lowest(count: int) -> Intervention:
    title = "lowest pair left out" if count == 1 else f"{count} lowest pairs left out"
    pairs = "pair of states" if count == 1 else f"{count} pairs of states"
    return replace(
        _shifted(f"no-zero-modes-{count}", "the chain, and all its other states"),
        title=title,
        changes=f"the {pairs} nearest zero energy, replaced by zeros",
    )


def _replaced(part: str, depth: int | None = None) -> Intervention:
    """Ends of one winding on a bulk of another: one of the two, `part`, is of a neighbour.

    Bonds that touch one of the `depth` cells at either end, those across the seam among them, are
    of the ends; all others are of the bulk.
    """
    name = f"{part}-replaced"
    cells = "outer fifth of the cells" if depth is None else f"{depth} cells"

    def change(data: Dataset, rng: np.random.Generator) -> Dataset:
        _check_open(data, name)
        both = (data.chains[_neighbours(data, rng)], data.chains)
        outer, inner = both if part == "ends" else both[::-1]
        reach = end_cells(outer.cells) if depth is None else depth
        return with_chains(data, _joined(outer, inner, reach), rng)

    if part == "ends":
        family, title = "preserving", "ends replaced" + ("" if depth is None else f", {cells}")
        changes = (
            f"every bond of the {cells} at either end, taken from a sample of a neighbouring "
            "winding: the edge states become those of the other winding, or lie deeper"
        )
        keeps = _BULK.replace("bulk,", "bulk between,")
    else:
        family, title = "changing", "bulk replaced" + ("" if depth is None else f", but {cells}")
        changes = "every bond between the two ends, taken from a sample of a neighbouring winding"
        keeps = (
            f"every bond of the {cells} at either end, and so the edge states as far as they live "
            "there"
        )
    full = name if depth is None else f"{name}-{depth}"
    return _altered(family, full, title, changes, keeps, change)


def _joined(outer: Chains, inner: Chains, depth: int) -> Chains:
    """Bonds that touch the `depth` cells at either end from `outer`, all others from `inner`."""
    cells = outer.cells
    if depth < 1 or 2 * depth >= cells:
        raise ConfigError(
            f"a chain of {cells} cells has no ends of {depth} cells and a bulk between them"
        )
    y = np.arange(cells)
    end = (y < depth) | (y >= cells - depth)
    hoppings = {
        m: np.where(end | end[(y + m) % cells], t, inner.hoppings[m])
        for m, t in outer.hoppings.items()
    }
    return Chains(cells, hoppings, outer.boundary)


def _neighbours(data: Dataset, rng: np.random.Generator) -> Array:
    """For each sample another one whose winding is the nearest other to its own, (samples,) ints.

    Drawn among the samples that are not ambiguous.  Raises `ConfigError` if all that are
    clear have one winding.
    """
    clear = ~data.ambiguous
    known = np.unique(data.windings[clear])
    if len(known) < 2:
        raise ConfigError(
            "replacing a part of a chain needs clear samples of two windings at least; these "
            f"have {', '.join(map(str, known)) or 'none'}"
        )
    chosen = np.empty(len(data), dtype=np.int64)
    for winding in np.unique(data.windings):
        away = np.where(known == winding, np.iinfo(np.int64).max, np.abs(known - winding))
        pool = np.flatnonzero(clear & np.isin(data.windings, known[away == away.min()]))
        here = data.windings == winding
        chosen[here] = rng.choice(pool, size=int(here.sum()))
    return chosen


def _check_open(data: Dataset, name: str) -> None:
    if data.chains.boundary != "open":
        raise ConfigError(f"{name} alters the ends of open chains, and these are rings")


@_altering(
    "preserving",
    "weak end cells",
    "the bulk; h is multiplied by positive diagonal matrices, so the winding stands exactly",
)
def weak_ends(data: Dataset, rng: np.random.Generator) -> Dataset:
    """All bonds of both end cells times 1/10: a pair of states near zero energy appears at
    each end, whatever the winding.

    Once for each end that a bond touches: h → D h D, D diagonal and positive, so that det h(φ) is
    multiplied by a number.
    """
    _check_open(data, "weak-ends")
    factor = np.ones(data.chains.cells)
    factor[[0, -1]] = WEAK
    hoppings = {m: t * (factor * np.roll(factor, -m)) for m, t in data.chains.hoppings.items()}
    return with_chains(data, replace(data.chains, hoppings=hoppings), rng)


# ------------------------------------------------------------------ the winding changes


@_altering(
    "changing",
    "sublattices exchanged",
    "every energy, the number of states near zero, and the density of each state in each cell",
)
def exchange(data: Dataset, rng: np.random.Generator) -> Dataset:
    """Which sublattice is called A: W → −W.

    h → h†, t'_{−m}(y + m) = t_m(y)*, and (u, v) → (v, u).
    """
    chains, states = data.chains, data.states
    hoppings = {-m: np.roll(t.conj(), m, axis=1) for m, t in chains.hoppings.items()}
    turned = Chains(chains.cells, hoppings, chains.boundary, chains.flux)
    return replace(data, states=States(states.v, states.u, states.energies), chains=turned)


@_altering(
    "changing",
    "ring, A moved by a cell",
    "every energy, v, and u but for its place: no edges, no state near zero more or less",
)
def ring_shift(data: Dataset, rng: np.random.Generator) -> tuple[Dataset, Dataset]:
    """Sublattice A of a ring, moved round by one cell: W → W ± 1; compared with the ring itself.

    t'_{m ± 1}(y) = t_m(y), in the direction that leads to another class, drawn where both do.
    """
    before = ring(data, rng, 0.0)
    up = rng.random(len(data)) < 0.5
    above = np.isin(data.windings + 1, data.classes)
    below = np.isin(data.windings - 1, data.classes)
    up = np.where(above == below, up, above)
    hoppings: dict[int, Array] = {}
    for step, chosen in ((1, up), (-1, ~up)):
        for m, t in before.chains.hoppings.items():
            moved = np.where(chosen[:, None], t, 0.0)
            hoppings[m + step] = hoppings.get(m + step, 0.0) + moved
    chains = replace(before.chains, hoppings=dict(sorted(hoppings.items())))
    u, v, energies = before.states.u, before.states.v, before.states.energies
    turned = np.where(up[:, None, None], np.roll(u, 1, axis=2), np.roll(u, -1, axis=2))
    return before, replace(before, states=States(turned, v, energies), chains=chains)


@_altering("changing", "ring, bulk replaced", "that there are no edges")
def ring_replaced(data: Dataset, rng: np.random.Generator) -> tuple[Dataset, Dataset]:
    """The whole ring, replaced by that of a sample of a neighbouring winding; compared with
    the ring itself.
    """
    before = ring(data, rng, 0.0)
    chosen = _neighbours(data, rng)
    return before, replace(before, states=before.states[chosen], chains=before.chains[chosen])


# ------------------------------------------------------------------ states blanked out


def _blanked(data: Dataset, cells: Array | slice = slice(0), pairs: slice = slice(0)) -> Dataset:
    """The amplitudes in some cells, or of some pairs of states, set to zero."""
    u, v = data.states.u.copy(), data.states.v.copy()
    for amplitudes in (u, v):
        amplitudes[:, :, cells] = 0.0
        amplitudes[:, pairs] = 0.0
    return replace(data, states=States(u, v, data.states.energies))


def _outer(cells: int) -> Array:
    """Where the outer quarters of a chain are."""
    depth, x = max(1, round(cells / 4)), np.arange(cells)
    return np.asarray((x < depth) | (x >= cells - depth))


@_altering("ablation", "ends blanked", "those of the inner half")
def mask_ends(data: Dataset, rng: np.random.Generator) -> Dataset:
    """All amplitudes on the outer quarters of the chain, set to zero."""
    return _blanked(data, cells=_outer(data.states.cells))


@_altering("ablation", "bulk blanked", "those of the outer quarters")
def mask_bulk(data: Dataset, rng: np.random.Generator) -> Dataset:
    """All amplitudes on the inner half of the chain, set to zero."""
    return _blanked(data, cells=~_outer(data.states.cells))


@_altering("ablation", "gapped states blanked", "those two pairs")
def mask_gapped(data: Dataset, rng: np.random.Generator) -> Dataset:
    """All states but the two pairs nearest zero energy, set to zero."""
    return _blanked(data, pairs=slice(LOWEST, None))


# ------------------------------------------------------------------ all of them

_EVERY = (
    _shifted("edge-cell"),
    _shifted("edge-potential"),
    weak_ends,
    _replaced("ends"),
    _shifted("edge-removed", scored=False),
    _lowest(1),
    _lowest(2),
    _shifted("ring", "every bond of the sample"),
    _shifted("gauge", "the chain and q", keeps_q=True),
    _shifted("rotation", "the chain and q", keeps_q=True),
    *(_replaced("bulk"), exchange, ring_shift, ring_replaced),
    *(mask_ends, mask_bulk, mask_gapped),
)

INTERVENTIONS: dict[str, Intervention] = {one.name: one for one in _EVERY}

# Names that take another number of states or cells.
_NUMBERED: dict[str, Callable[[int], Intervention]] = {
    "ends-replaced": partial(_replaced, "ends"),
    "bulk-replaced": partial(_replaced, "bulk"),
    "no-zero-modes": _lowest,
}


def find(name: str) -> Intervention:
    """The intervention of that name.

    One of `INTERVENTIONS`, or `ends-replaced-K`, `bulk-replaced-K`, `no-zero-modes-K` with
    another number of cells or states.  Raises `UnknownNameError`, telling the nearest.
    """
    kind, _, number = str(name).rpartition("-")
    if name not in INTERVENTIONS and kind in _NUMBERED and number.isdecimal():
        return _NUMBERED[kind](int(number))
    numbered = ", ".join(f"{kind}-K" for kind in _NUMBERED)
    return INTERVENTIONS[
        check_choice("intervention", name, INTERVENTIONS, f", and with another number {numbered}")
    ]


def resolved(chosen: Iterable[str | Intervention] | None) -> tuple[Intervention, ...]:
    """The interventions meant: all of `INTERVENTIONS`, or those given by name or as instances.

    Raises
    ------
    UnknownNameError, ConfigError
        For an unknown name; if none is given, or one twice.
    """
    if chosen is None:
        return tuple(INTERVENTIONS.values())
    named = [chosen] if isinstance(chosen, (str, Intervention)) else list(chosen)
    every = tuple(one if isinstance(one, Intervention) else find(one) for one in named)
    names = [one.name for one in every]
    if not every or len(set(names)) < len(names):
        raise ConfigError(
            f"interventions must be at least one, and each once, not {names}: leave the argument "
            "out for all of them"
        )
    return every
