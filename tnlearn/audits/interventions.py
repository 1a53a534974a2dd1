"""The interventions of an audit: what each changes, what it keeps, how it is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tnlearn.audits import alterations as alter
from tnlearn.data.dataset import Dataset
from tnlearn.data.sampling import stream
from tnlearn.data.shifts import shift
from tnlearn.errors import ConfigError, UnknownNameError, check_choice, nearest

__all__ = ["FAMILIES", "INTERVENTIONS", "Intervention", "find", "resolved"]

FAMILIES = ("preserving", "changing", "ablation")

Make = Callable[[Dataset, int], tuple[Dataset, Dataset]]


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
    make: Make
    scored: bool = True
    keeps_q: bool = False

    def __post_init__(self) -> None:
        check_choice("family", self.family, FAMILIES)


def _shifted(name: str) -> Make:
    return lambda data, seed: (data, shift(name, data, seed))


def _altered(name: str, change: Callable[[Dataset, np.random.Generator], Any]) -> Make:
    """With a generator of its own; a change that gives one data set alters `data`."""

    def make(data: Dataset, seed: int) -> tuple[Dataset, Dataset]:
        found = change(data, stream(seed, f"audit/{name}", data.info["seed"]))
        return found if isinstance(found, tuple) else (data, found)

    return make


def _edge(name: str, title: str, changes: str, *, scored: bool = True) -> Intervention:
    keeps = "the bulk, and the winding of the sample where its own integer does not move"
    return Intervention(name, title, "preserving", changes, keeps, _shifted(name), scored=scored)


def _lowest(count: int) -> Intervention:
    name = f"no-zero-modes-{count}"
    title = "lowest pair left out" if count == 1 else f"{count} lowest pairs left out"
    states = "pair of states" if count == 1 else f"{count} pairs of states"
    return Intervention(
        name,
        title,
        "preserving",
        f"the {states} nearest zero energy, replaced by zeros",
        "the chain, and all its other states",
        _shifted(name),
    )


def _ends(depth: int | None) -> Intervention:
    name = "ends-replaced" if depth is None else f"ends-replaced-{depth}"
    return Intervention(
        name,
        "ends replaced" if depth is None else f"ends replaced, {depth} cells",
        "preserving",
        f"every bond of the {_cells(depth)} at either end, taken from a sample of a neighbouring "
        "winding: the edge states become those of the other winding, or lie deeper",
        "the bulk between, and the winding of the sample where its own integer does not move",
        _altered(name, lambda data, rng: alter.ends_replaced(data, rng, _depth(data, depth))),
    )


def _bulk(depth: int | None) -> Intervention:
    name = "bulk-replaced" if depth is None else f"bulk-replaced-{depth}"
    return Intervention(
        name,
        "bulk replaced" if depth is None else f"bulk replaced, but {depth} cells",
        "changing",
        "every bond between the two ends, taken from a sample of a neighbouring winding",
        f"every bond of the {_cells(depth)} at either end, and so the edge states as far as they "
        "live there",
        _altered(name, lambda data, rng: alter.bulk_replaced(data, rng, _depth(data, depth))),
    )


def _depth(data: Dataset, depth: int | None) -> int:
    return alter.cap(data.chains.cells) if depth is None else depth


def _cells(depth: int | None) -> str:
    return "outer fifth of the cells" if depth is None else f"{depth} cells"


_GIVEN = (
    _edge(
        "edge-cell",
        "end cell altered",
        "every bond of one end cell, left or right at random, times 5 or 1/5",
    ),
    _edge(
        "edge-potential",
        "end potential",
        "5 added to the modulus of the intracell hopping of both end cells: edge states are "
        "pushed one cell inwards",
    ),
    Intervention(
        "weak-ends",
        "weak end cells",
        "preserving",
        "all bonds of both end cells times 1/10: a pair of states near zero energy appears at "
        "each end, whatever the winding",
        "the bulk; h is multiplied by positive diagonal matrices, so the winding stands exactly",
        _altered("weak-ends", lambda data, rng: alter.weak_ends(data, rng, 0.0)),
    ),
    _ends(None),
    _edge("edge-removed", "end cell removed", "the first cell, cut off", scored=False),
    _lowest(1),
    _lowest(2),
    Intervention(
        "ring",
        "closed to a ring",
        "preserving",
        "the ends, joined: there are no edge states",
        "every bond of the sample",
        _shifted("ring"),
    ),
    Intervention(
        "gauge",
        "other gauge",
        "preserving",
        "the sign (phase) of every pair of states",
        "the chain and q",
        _shifted("gauge"),
        keeps_q=True,
    ),
    Intervention(
        "rotation",
        "rotated states",
        "preserving",
        "the states, rotated among those near in energy",
        "the chain and q",
        _shifted("rotation"),
        keeps_q=True,
    ),
    _bulk(None),
    Intervention(
        "exchange",
        "sublattices exchanged",
        "changing",
        "which sublattice is called A: W → −W",
        "every energy, the number of states near zero, and the density of each state in each cell",
        _altered("exchange", lambda data, rng: alter.exchanged(data, rng, 0.0)),
    ),
    Intervention(
        "ring-shift",
        "ring, A moved by a cell",
        "changing",
        "sublattice A of a ring, moved round by one cell: W → W ± 1; compared with the ring itself",
        "every energy, v, and u but for its place: no edges, no state near zero more or less",
        _altered("ring-shift", lambda data, rng: alter.ring_shifted(data, rng, 0.0)),
    ),
    Intervention(
        "ring-replaced",
        "ring, bulk replaced",
        "changing",
        "the whole ring, replaced by that of a sample of a neighbouring winding; compared with "
        "the ring itself",
        "that there are no edges",
        _altered("ring-replaced", lambda data, rng: alter.ring_replaced(data, rng, 0.0)),
    ),
    Intervention(
        "mask-ends",
        "ends blanked",
        "ablation",
        "all amplitudes on the outer quarters of the chain, set to zero",
        "those of the inner half",
        _altered("mask-ends", lambda data, rng: alter.blank_cells(data, outer=True)),
    ),
    Intervention(
        "mask-bulk",
        "bulk blanked",
        "ablation",
        "all amplitudes on the inner half of the chain, set to zero",
        "those of the outer quarters",
        _altered("mask-bulk", lambda data, rng: alter.blank_cells(data, outer=False)),
    ),
    Intervention(
        "mask-gapped",
        "gapped states blanked",
        "ablation",
        "all states but the two pairs nearest zero energy, set to zero",
        "those two pairs",
        _altered("mask-gapped", lambda data, rng: alter.blank_gapped(data)),
    ),
)

INTERVENTIONS: dict[str, Intervention] = {one.name: one for one in _GIVEN}

# Families of names with a number of cells or states in them.
_NUMBERED: dict[str, Callable[[int], Intervention]] = {
    r"no-zero-modes-(\d+)": _lowest,
    r"ends-replaced-(\d+)": _ends,
    r"bulk-replaced-(\d+)": _bulk,
}


def find(name: str) -> Intervention:
    """The intervention of that name.

    One of `INTERVENTIONS`, or `no-zero-modes-K`, `ends-replaced-K`, `bulk-replaced-K` with
    another number of states or cells.  Raises `UnknownNameError`, telling the nearest.
    """
    if name in INTERVENTIONS:
        return INTERVENTIONS[name]
    for pattern, build in _NUMBERED.items():
        match = re.fullmatch(pattern, name) if isinstance(name, str) else None
        if match:
            return build(int(match[1]))
    close = nearest(str(name), INTERVENTIONS)
    hint = f": did you mean {close!r}?" if close else ":"
    raise UnknownNameError(
        f"unknown intervention {name!r}{hint} Known: {', '.join(INTERVENTIONS)}, and with another "
        "number ends-replaced-K, bulk-replaced-K, no-zero-modes-K"
    )


def resolved(chosen: Iterable[str | Intervention] | None) -> tuple[Intervention, ...]:
    """The interventions meant: all of `INTERVENTIONS`, or those given by name or as instances.

    Raises
    ------
    UnknownNameError, ConfigError
        For an unknown name; if none is given, or one twice.
    """
    if chosen is None:
        return tuple(INTERVENTIONS.values())
    given = [chosen] if isinstance(chosen, (str, Intervention)) else list(chosen)
    found = [one if isinstance(one, Intervention) else find(one) for one in given]
    names = [one.name for one in found]
    if not found or len(set(names)) < len(names):
        raise ConfigError(
            f"interventions must be at least one, and each once, not {names}: leave the argument "
            "out for all of them"
        )
    return tuple(found)
