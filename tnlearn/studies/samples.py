"""How does accuracy grow with the number of training chains?

Every network is trained on the first n chains of one data set and tested clean and disordered.
The budget ``steps`` gives every training as many steps as the network's entry takes on the
reference number of chains, but each chain is seen at least `passes` times: what more chains give,
not more optimisation.  The budget ``epochs`` gives every training the same number of passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pandas as pd

from tnlearn.errors import ConfigError
from tnlearn.lab.ensembles import chains, ensemble, measured, trained
from tnlearn.lab.job import Task
from tnlearn.lab.profile import Count, Data, NetworkName, Profile
from tnlearn.lab.study import Study
from tnlearn.report.claims import PAPER, SUMMARY, above, at_least, claim
from tnlearn.report.figures import Figure, lines, look
from tnlearn.report.stats import above_chance
from tnlearn.report.table import against, in_points, over_members, where


class Samples(Profile, kw_only=True):
    """What the study runs on; `few` are networks with sizes of their own."""

    data: Data
    shifts: list[str]
    sizes: list[Count]
    few: dict[NetworkName, list[Count]] = {}
    elsewhere: Count | None = None  # members at other sizes than the reference
    passes: Count
    budgets: list[Literal["steps", "epochs"]]
    ours: list[NetworkName]
    rivals: list[NetworkName]
    margin: float  # points

    def __post_init__(self) -> None:
        """Refuse fewer chains than a batch."""
        super().__post_init__()
        for size in [n for sizes in (self.sizes, *self.few.values()) for n in sizes]:
            if size < self.batch_size:
                raise ConfigError(
                    f"sizes are numbers of training chains, at least the batch size "
                    f"{self.batch_size}, not {size}"
                )


def epochs_at(epochs: int, reference: int, size: int, passes: int) -> int:
    """Passes over `size` chains that take as many steps as `epochs` over `reference` chains.

    >>> epochs_at(40, 4000, 1000, 2), epochs_at(40, 4000, 100_000, 2)
    (160, 2)
    """
    return max(passes, round(epochs * reference / size))


def grid(profile: Samples) -> Iterator[Task]:
    """A task for each network, number of chains, budget and chunk of members."""
    reference = profile.data.train
    for name, entry in profile.entries.items():
        for size in profile.few.get(name, profile.sizes):
            most = None if size == reference else profile.elsewhere
            for budget in profile.budgets:
                epochs = entry.epochs
                if budget == "steps":
                    epochs = epochs_at(epochs, reference, size, profile.passes)
                labels = {"network": name, "size": size, "budget": budget}
                for chunk in ensemble(profile, name, train=size, epochs=epochs, at_most=most):
                    yield Task(labels, chunk, weight=epochs * size * chunk["members"])


def run(task: Task, profile: Samples, store: Path) -> pd.DataFrame:
    """Train a chunk on so many chains, and test it: a row a member and shift."""
    fitted = trained(task.config, store)
    return pd.concat(
        measured(fitted, chains(task.config, "test", shift)).assign(shift=shift)
        for shift in profile.shifts
    )


@claim(SUMMARY, above(lambda p: p.margin), unit="points", by="shift")
def beats_cnn_resnet(table: pd.DataFrame, profile: Samples) -> pd.DataFrame:
    """Networks of the formula beat CNNs and ResNets by more than 15 points.

    Accuracy less that of the rival.

    Rivals' members that never learned are left out, to the rivals' favour.
    """
    by, chance = ["shift", "size", "budget"], profile.data.chance
    gaps = against(
        table, profile.ours, profile.rivals, by, "accuracy",
        keep=lambda rows: above_chance(rows["validation"], chance),
    )  # fmt: skip
    # At the reference size both budgets are the same training.
    twice = (gaps["size"] == profile.data.train) & (gaps["budget"] != profile.budgets[0])
    return in_points(gaps[~twice])


@claim(PAPER, at_least(lambda p: p.threshold), by="family")
def accurate_symmetric_generic(table: pd.DataFrame, profile: Samples) -> pd.DataFrame:
    """Simpler networks, informed of the symmetry or generic, reach high accuracy.

    Accuracy of the best network of its family.

    Clean chains, the reference number of training chains.
    """
    here = where(table, shift=profile.shifts[0], size=profile.data.train, budget=profile.budgets[0])
    rows = over_members(here, ["shift", "size", "network"], "accuracy")
    rows["family"] = rows["network"].map(profile.families)
    rows = where(rows, family=["symmetric", "generic"])
    return rows.loc[rows.groupby("family", sort=False)["value"].idxmax()]


def error(table: pd.DataFrame, profile: Samples) -> Figure:
    """Share of wrong answers against the number of training chains: mean over members with its
    95 % interval; the same number of optimiser steps at every size.
    """
    rows = where(table, budget=profile.budgets[0])
    rows = over_members(rows, ["shift", "network", "size"], "accuracy")
    rows["family"] = rows["network"].map(profile.families)
    return lines(
        rows, "size", "network", "shift", "family", log="xy", error=True,
        marks={"guessing": 1 - profile.data.chance}, **look(profile),
    )  # fmt: skip


@beats_cnn_resnet.picture
def differences(rows: pd.DataFrame, profile: Samples) -> Figure:
    """Accuracy less that of CNN and ResNet, in points, with Welch's 95 % interval."""
    titles = profile.titles
    pairs = rows["network"].map(titles) + " less " + rows["rival"].map(titles)
    return lines(
        rows.assign(pair=pairs), "size", "pair", column="shift", names=titles, log="x",
        label="difference in accuracy (points)",
        marks={f"{profile.margin:g} points": profile.margin, "equal": 0.0},
    )  # fmt: skip


STUDY = Study(
    __name__,
    __doc__,
    Samples,
    grid,
    run,
    claims=(beats_cnn_resnet, accurate_symmetric_generic),
    figures=(error, differences),
    columns="size",
)
