"""The questions of an audit: pairs of samples, each with the winding of its own chain recomputed.

A pair counts only where the certificate says what the intervention claims: the winding
stands, or has changed, and is clear in both members.  All others are refused, with the
reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.audits.classifiers import edge_count
from tnlearn.audits.interventions import Intervention, resolved
from tnlearn.data.dataset import Dataset
from tnlearn.data.generate import dataset
from tnlearn.data.integers import class_indices, sample_integers
from tnlearn.data.sampling import derived_seed
from tnlearn.data.stored import StoredDataset
from tnlearn.errors import ConfigError, ShapeError, check_whole
from tnlearn.physics.chains import Chains

__all__ = ["SAMPLES", "Pairs", "Suite", "certificate", "certified", "first_samples"]
__all__ += ["sample_set", "suite"]

Array = NDArray[Any]

SAMPLES = 500
SAME_Q = 1e-4  # entries of q are at most 1, those of single precision are good to about 1e-6


@dataclass(frozen=True, eq=False)
class Pairs:
    """The certified pairs of one intervention.

    Attributes
    ----------
    intervention : Intervention
    before, after : Dataset
        The two members of each certified pair, with the labels of the certificate.
    index : (certified,) int array
        Which samples of the data set they are of.
    from_data : bool
        Whether `before` are the samples of the data set as they were.
    altered : int
        Pairs, certified or not.
    refused : dict of str to int
        Why the others do not count, and how many.
    """

    intervention: Intervention
    before: Dataset
    after: Dataset
    index: Array
    from_data: bool
    altered: int
    refused: dict[str, int]

    def __len__(self) -> int:
        return len(self.index)

    @property
    def edge_count_kept(self) -> float:
        """Share of the pairs with as many counted edge states (`edge_count`) after as before."""
        if not len(self):
            return float("nan")
        same = edge_count(self.before.states) == edge_count(self.after.states)
        return float(same.mean())


@dataclass(frozen=True, eq=False)
class Suite:
    """Samples, and the certified pairs of every intervention.

    Attributes
    ----------
    data : Dataset
        The samples as they were, with the windings of their certificate.
    classes : tuple of int
        The windings that an answer can name.
    pairs : tuple of Pairs
        One for each intervention.
    seed : int
        Of what the interventions drew.
    """

    data: Dataset
    classes: tuple[int, ...]
    pairs: tuple[Pairs, ...]
    seed: int

    @property
    def usable(self) -> Array:
        """Indices of the samples whose winding is clear and among the classes."""
        return np.flatnonzero(~self.data.ambiguous & np.isin(self.data.windings, self.classes))

    def settings(self) -> dict[str, Any]:
        """What was asked, as JSON holds it."""
        info = self.data.info
        return {
            **{key: info.get(key) for key in ("name", "cells", "disorder", "variant", "start")},
            "shifts": [step["name"] for step in info["shifts"]],
            "samples": len(self.data),
            "usable": len(self.usable),
            "data_seed": info["seed"],
            "seed": self.seed,
        }


def sample_set(name: str, cells: int, samples: int, seed: int, disorder: float = 0.0) -> Dataset:
    """Samples for an audit, from a stream of their own: not those of a small seed.

    Raises what `tnlearn.dataset` raises.
    """
    # Seeds of PCG64 streams may be large; JSON readers want them below 2^53.
    stream = derived_seed(check_whole("seed", seed, 0), "audit") >> 10
    return dataset(name, cells, samples, disorder, stream)


def first_samples(data: Any, samples: int | None = None) -> Dataset:
    """The first samples of a data set, if it is one that can be audited on.

    Raises
    ------
    ShapeError, ConfigError
        If it is no data set, holds rings or too few samples, or lacks its chains.
    """
    if isinstance(data, Chains):
        data = Dataset.from_chains(data)
    if isinstance(data, StoredDataset):
        data = data[: len(data) if samples is None else samples]
    if not isinstance(data, Dataset):
        raise ShapeError(
            f"data must be a data set of tnlearn.dataset, not {type(data).__name__}: the winding "
            "numbers are recomputed from its chains"
        )
    if data.chains.boundary != "open":
        raise ConfigError("an audit alters the ends of open chains, and these are rings")
    if data.states.cells != data.chains.cells or len(data.chains) != len(data):
        raise ShapeError("the states of the data set are not those of its chains")
    if not len(data):
        raise ShapeError("there are no samples in the data set")
    count = len(data) if samples is None else check_whole("samples", samples, 1)
    if count > len(data):
        raise ConfigError(f"samples must lie between 1 and {len(data)}, not {samples}")
    # The other kinds of winding number would be of the chains as they were.
    return replace(data[:count], kinds={})


def certificate(data: Dataset) -> Dataset:
    """The samples with the winding number of their own chain, recomputed; labels are not looked at.

    `windings` are `lyapunov` of the chain closed into a ring, 0 where it does not exist.  Not
    `ambiguous` is where that count is settled, the RSWN of the ring rounds to the same integer
    from within 0.3, and the ring has a gap.
    """
    windings, unclear = sample_integers(data.chains)
    labels = class_indices(windings, tuple(data.classes))
    return replace(data, windings=windings, labels=labels, ambiguous=unclear)


def certified(
    data: Dataset, intervention: Intervention, classes: Sequence[int], *, seed: int = 0
) -> Pairs:
    """Alter the samples by an intervention, and keep the pairs that stand up to recomputation.

    Parameters
    ----------
    data : Dataset
        The samples that are altered, as `certificate` gives them.
    intervention : Intervention
        What is done to them.
    classes : sequence of int
        Windings that an answer can name; pairs with another are refused.
    seed : int
        Of what is drawn.

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
    first = data if before is data else certificate(before)
    if after.chains is before.chains:
        second = replace(
            after, windings=first.windings, labels=first.labels, ambiguous=first.ambiguous
        )
    else:
        second = certificate(after)
    tests = [
        ("ambiguous before", first.ambiguous),
        ("no class before", ~np.isin(first.windings, classes)),
    ]
    if intervention.family != "ablation":
        same = first.windings == second.windings
        stands = intervention.family == "preserving"
        tests += [
            ("winding moved", ~same) if stands else ("winding stands", same),
            ("ambiguous after", second.ambiguous),
            ("no class after", ~np.isin(second.windings, classes)),
        ]
    if intervention.keeps_q:
        change = np.abs(before.states.q() - after.states.q()).max(axis=(1, 2))
        tests.append(("q changed", ~(change <= SAME_Q)))
    left = np.ones(len(data), dtype=bool)
    refused = {}
    for reason, fails in tests:
        if count := int((left & fails).sum()):
            refused[reason] = count
        left &= ~fails
    index = np.flatnonzero(left)
    return Pairs(
        intervention, first[index], second[index], index, before is data, len(data), refused
    )


def suite(
    data: Dataset,
    classes: Sequence[int] | None = None,
    interventions: Iterable[str | Intervention] | None = None,
    seed: int = 0,
    step: Callable[[], Any] = lambda: None,
) -> Suite:
    """Alter the samples by all interventions, and certify the pairs.

    Parameters
    ----------
    data : Dataset
        As `first_samples` gives it.
    classes : sequence of int, optional
        The windings that an answer can name; the classes of the data unless given.
    interventions, seed
        As in `tnlearn.audit`.
    step : callable
        Called after each intervention.

    Raises
    ------
    ConfigError
        If no sample is clear and of a known class, or an intervention cannot be made of them.
    UnknownNameError
        For an unknown intervention.
    """
    chosen = resolved(interventions)
    # What a label says does not count here: the alterations choose by the certificate, too.
    data = certificate(data)
    windings = tuple(data.classes) if classes is None else tuple(classes)
    questions = Suite(data, windings, (), seed)
    if not questions.usable.size:
        raise ConfigError(
            f"none of the {len(data)} samples is clear and of a winding among "
            f"{', '.join(map(str, windings))}: take more or longer chains, or other data"
        )
    pairs = []
    for intervention in chosen:
        pairs.append(certified(data, intervention, windings, seed=seed))
        step()
    return replace(questions, pairs=tuple(pairs))
