"""Study `samples`: accuracy against the number of training chains.

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
from tnlearn.lab.profile import Count, Data, Profile, check_names
from tnlearn.lab.study import Picture, Study, Verdicts
from tnlearn.lab.tasks import Task
from tnlearn.report.claims import PAPER, SUMMARY, Claim, above, at_least
from tnlearn.report.figures import Figure, lines, look
from tnlearn.report.stats import above_chance
from tnlearn.report.table import against, in_points, over_members, where


class Samples(Profile, kw_only=True):
    """What the study runs on; `few` are networks with sizes of their own."""

    data: Data
    shifts: list[str]
    sizes: list[Count]
    few: dict[str, list[Count]] = {}
    elsewhere: Count | None = None  # members at other sizes than the reference
    passes: Count
    budgets: list[Literal["steps", "epochs"]]
    ours: list[str]
    rivals: list[str]
    margin: float  # points

    def __post_init__(self) -> None:
        """Refuse names of networks that are not there, and fewer chains than a batch."""
        for key in ("ours", "rivals", "few"):
            check_names(f"network in {key!r}", getattr(self, key), self.networks)
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


def differences(table: pd.DataFrame, profile: Samples) -> pd.DataFrame:
    """Ours less each rival, in points; members of a rival that did not learn are left out."""
    found = against(
        table,
        profile.ours,
        profile.rivals,
        ["shift", "size", "budget"],
        "accuracy",
        keep=lambda rows: above_chance(rows["validation"], profile.data.chance),
    )
    found = in_points(found)
    # At the reference size both budgets are the same training.
    return found[(found["size"] != profile.data.train) | (found["budget"] == profile.budgets[0])]


def best(table: pd.DataFrame, profile: Samples) -> pd.DataFrame:
    """The most accurate symmetric and the most accurate generic network, at the reference."""
    here = where(table, shift=profile.shifts[0], size=profile.data.train, budget=profile.budgets[0])
    found = over_members(here, ["shift", "size", "network"], "accuracy")
    found["family"] = found["network"].map(profile.families)
    found = where(found, family=["symmetric", "generic"])
    return found.loc[found.groupby("family", sort=False)["value"].idxmax()]


def errors(table: pd.DataFrame, profile: Samples, verdicts: Verdicts) -> Figure:
    """Share of wrong answers against the number of chains: a row a shift, a column a family."""
    found = over_members(table, ["shift", "network", "size", "budget"], "accuracy")
    found = where(found, budget=profile.budgets[0])
    found["family"] = found["network"].map(profile.families)
    return lines(
        found, "size", "network", "shift", "family", log="xy", error=True, **look(profile),
        labels=("training chains", "share of test chains that are wrong"),
        marks={"guessing": 1 - profile.data.chance},
    )  # fmt: skip


def leads(table: pd.DataFrame, profile: Samples, verdicts: Verdicts) -> Figure | None:
    """Difference to each rival against the number of chains."""
    rows = verdicts["beats-cnn-resnet"].rows
    if rows.empty:
        return None
    titles = profile.titles
    pairs = rows["network"].map(titles) + " less " + rows["rival"].map(titles)
    return lines(
        rows.assign(pair=pairs), "size", "pair", column="shift", names=titles, log="x",
        labels=("training chains", "difference in accuracy (points)"),
        marks={f"{profile.margin:g} points": profile.margin, "equal": 0.0},
    )  # fmt: skip


STUDY = Study(
    name="samples",
    question="How does accuracy grow with the number of training chains?",
    profile=Samples,
    grid=grid,
    run=run,
    claims=(
        Claim(
            "beats-cnn-resnet",
            "Networks of the formula beat CNNs and ResNets by more than 15 points.",
            SUMMARY,
            "accuracy less that of the rival",
            differences,
            above(lambda p: p.margin),
            unit="points",
            condition="Rivals' members that never learned are left out, to the rivals' favour.",
            by="shift",
        ),
        Claim(
            "accurate-symmetric-generic",
            "Simpler networks, informed of the symmetry or generic, reach high accuracy.",
            PAPER,
            "accuracy of the best network of its family",
            best,
            at_least(lambda p: p.threshold),
            condition="Clean chains, the reference number of training chains.",
            by="family",
        ),
    ),
    figures=(
        Picture(
            "error",
            "Share of wrong answers against the number of training chains: mean over members with "
            "its 95 % interval; the same number of optimiser steps at every size.",
            errors,
        ),
        Picture(
            "differences",
            "Accuracy less that of CNN and ResNet, in points, with Welch's 95 % interval.",
            leads,
        ),
    ),
    columns="size",
)
