"""Pairs of samples, each with the winding number of its own chain recomputed.

A pair counts only where the certificate says what the intervention claims: the winding
stands, or has changed, and is clear in both members.  All others are refused, with the
reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.audits.interventions import Intervention
from tnlearn.data.dataset import Dataset, ambiguity, class_indices
from tnlearn.errors import ShapeError
from tnlearn.physics.label import winding

__all__ = ["Certificate", "Pairs", "certificate", "certified"]

Array = NDArray[Any]

# Entries of q are at most 1, those of single precision are good to about 1e-6.
_SAME_Q = 1e-4


@dataclass(frozen=True, eq=False)
class Certificate:
    """The winding number of each sample's own chain, and whether it is clear.

    Attributes
    ----------
    windings : (samples,) int array
        `lyapunov` of the chain closed into a ring; 0 where it does not exist.
    clear : (samples,) bool array
        Where that count is settled, the RSWN of the ring rounds to the same integer from
        within 0.3, and the ring has a gap.
    """

    windings: Array
    clear: Array


@dataclass(frozen=True, eq=False)
class Pairs:
    """The certified pairs of one intervention.

    Attributes
    ----------
    intervention : Intervention
    before, after : Dataset
        The two members of each certified pair; `windings` are those of the certificate.
    index : (certified,) int array
        Which samples of the data set they are of.
    own : bool
        Whether `before` are the samples of the data set as they were.
    made : int
        Pairs made.
    refused : dict of str to int
        Why the others do not count, and how many.
    """

    intervention: Intervention
    before: Dataset
    after: Dataset
    index: Array
    own: bool
    made: int
    refused: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)


def certificate(data: Dataset) -> Certificate:
    """Recompute the winding number of every sample from its chain; labels are not looked at."""
    found = winding(data.chains, "lyapunov", gap=False)
    return Certificate(found.integer, found.reliable & ~ambiguity(data.chains, found.integer))


def certified(
    data: Dataset,
    intervention: Intervention,
    classes: Sequence[int],
    *,
    seed: int = 0,
    known: Certificate | None = None,
) -> Pairs:
    """Make the pairs of an intervention, and keep those that stand up to recomputation.

    Parameters
    ----------
    data : Dataset
        The samples that are altered.
    intervention : Intervention
        What is done to them.
    classes : sequence of int
        Windings that an answer can name; pairs with another are refused.
    seed : int
        Of what is drawn.
    known : Certificate, optional
        That of `data`, if it is there already.

    Raises
    ------
    ConfigError
        Where the intervention cannot be made of such data.
    ShapeError
        If an intervention of your own does not give two data sets of as many samples.
    """
    before, after = intervention.make(data, seed)
    if len(before) != len(data) or len(after) != len(data):
        raise ShapeError(
            f"{intervention.name!r} must give two data sets of {len(data)} samples, gave "
            f"{len(before)} and {len(after)}"
        )
    first = known if known is not None and before is data else certificate(before)
    second = first if after.chains is before.chains else certificate(after)
    tests = [("ambiguous before", ~first.clear), _unknown("before", first, classes)]
    if intervention.family != "ablation":
        same = first.windings == second.windings
        if intervention.family == "preserving":
            tests.append(("winding moved", ~same))
        else:
            tests.append(("winding stands", same))
        tests += [("ambiguous after", ~second.clear), _unknown("after", second, classes)]
    if intervention.keeps_q:
        change = np.abs(before.states.q() - after.states.q()).max(axis=(1, 2))
        tests.append(("q changed", ~(change <= _SAME_Q)))
    left = np.ones(len(data), dtype=bool)
    refused = {}
    for reason, fails in tests:
        if count := int((left & fails).sum()):
            refused[reason] = count
        left &= ~fails
    index = np.flatnonzero(left)
    return Pairs(
        intervention,
        _labelled(before[index], first.windings[index]),
        _labelled(after[index], second.windings[index]),
        index,
        before is data,
        len(data),
        refused,
    )


def _labelled(data: Dataset, windings: Array) -> Dataset:
    """The samples with the labels of their certificate: what is given a data set may read them."""
    return replace(
        data,
        windings=windings,
        labels=class_indices(windings, tuple(data.classes)),
        ambiguous=np.zeros(len(windings), dtype=bool),
    )


def _unknown(
    which: str, found: Certificate, classes: Sequence[int]
) -> tuple[str, NDArray[np.bool_]]:
    return f"no class {which}", ~np.isin(found.windings, list(classes))
