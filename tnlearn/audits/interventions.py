"""The interventions of an audit: what each changes, what it keeps, how it is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

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


_BULK = "the bulk, and the winding of the sample where its own integer does not move"


def _shifted(
    name: str,
    title: str,
    changes: str,
    keeps: str = _BULK,
    *,
    scored: bool = True,
    keeps_q: bool = False,
) -> Intervention:
    """A shift of `tnlearn.shift` that keeps the winding."""

    def make(data: Dataset, seed: int) -> tuple[Dataset, Dataset]:
        return data, shift(name, data, seed)

    return Intervention(name, title, "preserving", changes, keeps, make, scored, keeps_q)


def _altered(
    family: str, name: str, title: str, changes: str, keeps: str, change: Callable[..., Any]
) -> Intervention:
    """With a generator of its own; a change that gives one data set alters the samples."""

    def make(data: Dataset, seed: int) -> tuple[Dataset, Dataset]:
        new = change(data, stream(seed, f"audit/{name}", data.info["seed"]))
        return new if isinstance(new, tuple) else (data, new)

    return Intervention(name, title, family, changes, keeps, make)


def _lowest(count: int) -> Intervention:
    states = "pair of states" if count == 1 else f"{count} pairs of states"
    return _shifted(
        f"no-zero-modes-{count}",
        "lowest pair left out" if count == 1 else f"{count} lowest pairs left out",
        f"the {states} nearest zero energy, replaced by zeros",
        "the chain, and all its other states",
    )


def _ends(depth: int | None) -> Intervention:
    return _altered(
        "preserving",
        "ends-replaced" if depth is None else f"ends-replaced-{depth}",
        "ends replaced" if depth is None else f"ends replaced, {depth} cells",
        f"every bond of the {_cells(depth)} at either end, taken from a sample of a neighbouring "
        "winding: the edge states become those of the other winding, or lie deeper",
        _BULK.replace("bulk,", "bulk between,"),
        lambda data, rng: alter.ends_replaced(data, rng, _depth(data, depth)),
    )


def _bulk(depth: int | None) -> Intervention:
    return _altered(
        "changing",
        "bulk-replaced" if depth is None else f"bulk-replaced-{depth}",
        "bulk replaced" if depth is None else f"bulk replaced, but {depth} cells",
        "every bond between the two ends, taken from a sample of a neighbouring winding",
        f"every bond of the {_cells(depth)} at either end, and so the edge states as far as they "
        "live there",
        lambda data, rng: alter.bulk_replaced(data, rng, _depth(data, depth)),
    )


def _depth(data: Dataset, depth: int | None) -> int:
    return alter.cap(data.chains.cells) if depth is None else depth


def _cells(depth: int | None) -> str:
    return "outer fifth of the cells" if depth is None else f"{depth} cells"


_EVERY = (
    _shifted(
        "edge-cell",
        "end cell altered",
        "every bond of one end cell, left or right at random, times 5 or 1/5",
    ),
    _shifted(
        "edge-potential",
        "end potential",
        "5 added to the modulus of the intracell hopping of both end cells: edge states are "
        "pushed one cell inwards",
    ),
    _altered(
        "preserving",
        "weak-ends",
        "weak end cells",
        "all bonds of both end cells times 1/10: a pair of states near zero energy appears at "
        "each end, whatever the winding",
        "the bulk; h is multiplied by positive diagonal matrices, so the winding stands exactly",
        alter.weak_ends,
    ),
    _ends(None),
    _shifted("edge-removed", "end cell removed", "the first cell, cut off", scored=False),
    _lowest(1),
    _lowest(2),
    _shifted(
        "ring",
        "closed to a ring",
        "the ends, joined: there are no edge states",
        "every bond of the sample",
    ),
    _shifted(
        "gauge",
        "other gauge",
        "the sign (phase) of every pair of states",
        "the chain and q",
        keeps_q=True,
    ),
    _shifted(
        "rotation",
        "rotated states",
        "the states, rotated among those near in energy",
        "the chain and q",
        keeps_q=True,
    ),
    _bulk(None),
    _altered(
        "changing",
        "exchange",
        "sublattices exchanged",
        "which sublattice is called A: W → −W",
        "every energy, the number of states near zero, and the density of each state in each cell",
        alter.exchanged,
    ),
    _altered(
        "changing",
        "ring-shift",
        "ring, A moved by a cell",
        "sublattice A of a ring, moved round by one cell: W → W ± 1; compared with the ring itself",
        "every energy, v, and u but for its place: no edges, no state near zero more or less",
        alter.ring_shifted,
    ),
    _altered(
        "changing",
        "ring-replaced",
        "ring, bulk replaced",
        "the whole ring, replaced by that of a sample of a neighbouring winding; compared with "
        "the ring itself",
        "that there are no edges",
        alter.ring_replaced,
    ),
    _altered(
        "ablation",
        "mask-ends",
        "ends blanked",
        "all amplitudes on the outer quarters of the chain, set to zero",
        "those of the inner half",
        partial(alter.blank_cells, outer=True),
    ),
    _altered(
        "ablation",
        "mask-bulk",
        "bulk blanked",
        "all amplitudes on the inner half of the chain, set to zero",
        "those of the outer quarters",
        partial(alter.blank_cells, outer=False),
    ),
    _altered(
        "ablation",
        "mask-gapped",
        "gapped states blanked",
        "all states but the two pairs nearest zero energy, set to zero",
        "those two pairs",
        alter.blank_gapped,
    ),
)

INTERVENTIONS: dict[str, Intervention] = {one.name: one for one in _EVERY}

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
    named = [chosen] if isinstance(chosen, (str, Intervention)) else list(chosen)
    every = tuple(one if isinstance(one, Intervention) else find(one) for one in named)
    names = [one.name for one in every]
    if not every or len(set(names)) < len(names):
        raise ConfigError(
            f"interventions must be at least one, and each once, not {names}: leave the argument "
            "out for all of them"
        )
    return every
