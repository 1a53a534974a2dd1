"""Study `disorder`: what a network keeps of its answer when the chains are disordered.

Every network is trained at one strength of disorder or on a mixture and tested at every strength.
A loss that the network trained on the mixture has too is hardness; what training on the mixture
would have kept, of as many chains, is the regret of training clean.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tnlearn.errors import ConfigError
from tnlearn.lab.ensembles import chains, ensemble, measured, trained
from tnlearn.lab.profile import Amount, Data, Profile, as_record, check_names
from tnlearn.lab.study import Listing, Picture, Study, Verdicts
from tnlearn.lab.tasks import Task
from tnlearn.models.rswn import rswn
from tnlearn.physics.winding import winding
from tnlearn.report.claims import PAPER, Claim
from tnlearn.report.figures import Figure, dots, lines, look, rescaled
from tnlearn.report.stats import ABOVE_GUESSING
from tnlearn.report.table import against, in_points, learned, over_members, where

CLEAN, MIXTURE = "clean", "mixture"
FORMULA = "rounded RSWN, untrained"


class Disorder(Profile, kw_only=True):
    """What the study runs on; `brief` networks are trained clean and on the mixture only."""

    data: Data
    train_at: list[Amount]  # units of the hopping
    mixture: list[Amount]
    test_at: list[Amount]
    brief: list[str] = []

    def __post_init__(self) -> None:
        """Refuse strengths without the clean chains, which are the reference."""
        check_names("network in 'brief'", self.brief, self.networks)
        if 0 not in self.train_at or 0 not in self.test_at:
            raise ConfigError(
                "train_at and test_at must hold 0: the clean chains are the reference"
            )

    def trainings(self, name: str) -> dict[str, float | list[float]]:
        """What a network is trained on, by its name: strengths, and the mixture."""
        single = [0.0] if name in self.brief else self.train_at
        return {f"{w:g}" if w else CLEAN: w for w in single} | {MIXTURE: self.mixture}


def grid(profile: Disorder) -> Iterator[Task]:
    """A task for each training and chunk of members of a network, and one for the formula."""
    for name in profile.networks:
        for words, strength in profile.trainings(name).items():
            # Clean data has no key of disorder, so that other studies find what is trained here.
            changes: dict[str, Any] = {"disorder": strength} if strength else {}
            for chunk in ensemble(profile, name, **changes):
                labels = {"network": name, "trained_at": words}
                yield Task(labels, chunk, weight=10.0 * chunk["members"])
    config = {"data": as_record(profile.data), "cells": profile.cells, "seed": profile.seed}
    yield Task({"trained_at": FORMULA}, config, kind="formula")


def run(task: Task, profile: Disorder, store: Path) -> pd.DataFrame:
    """Accuracy at every strength of a chunk of members (a row a member), or of the formula."""
    # The test chains are the shifts of the clean ones, whatever was trained on.
    data = {key: value for key, value in task.config["data"].items() if key != "disorder"}
    config = {**task.config, "data": data}
    hows = {w: f"disorder-{w:g}" if w else "clean" for w in profile.test_at}
    tests = {strength: chains(config, "test", how) for strength, how in hows.items()}
    if task.kind == "formula":
        return pd.concat(formula(test).assign(strength=w) for w, test in tests.items())
    fitted = trained(task.config, store)
    return pd.concat(measured(fitted, test).assign(strength=w) for w, test in tests.items())


def formula(data: Any) -> pd.DataFrame:
    """The untrained formula, rounded, on open chains and on rings: a row a boundary."""
    network = rswn(data.states.u.shape[-1]).head(classes=data.classes, kind="rounding")
    logits = network(data.states.astype("float64"))
    ring = winding(data.chains, "rswn", boundary="periodic").integer
    answers = {"open": np.array(data.classes)[np.argmax(logits, axis=-1)], "periodic": ring}
    right = {boundary: answer == data.windings for boundary, answer in answers.items()}
    clear = ~data.ambiguous
    return pd.DataFrame(
        {
            "boundary": boundary,
            "accuracy": r.mean(),
            "accuracy_clear": r[clear].mean(),
            "samples": len(data),
            "ambiguous": int((~clear).sum()),
        }
        for boundary, r in right.items()
    )


# ---------------------------------------------------------------------- what it decides


def trainings(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of trained networks."""
    return table[table["network"].notna()]


def regrets(table: pd.DataFrame, profile: Disorder) -> pd.DataFrame:
    """Trained on the mixture less trained clean, at every strength, in points.

    Members that did not learn at all, on the chains they were trained on, are left out of both.
    """
    rows = trainings(table)
    by = ["network", "trained_at"]
    keep = learned(rows, where(rows, strength=0.0), profile.data.chance, by, "validation")
    gaps = against(keep, [MIXTURE], [CLEAN], ["network", "strength"], "accuracy", of="trained_at")
    level = where(rows, trained_at=CLEAN, strength=0.0).groupby("network")["validation"].mean()
    family = gaps["network"].map(profile.families)
    gaps = in_points(gaps.drop(columns=["trained_at", "rival"]))
    return gaps.assign(validation=gaps["network"].map(level), family=family)


def eroded(rows: pd.DataFrame, profile: Disorder) -> pd.Series:
    """Holds where the largest regret of a network is more than a point, not where it is at most.

    Not asked of a network that is at guessing when trained clean: it has nothing to lose.
    """
    asked = rows[(rows["strength"] > 0) & rows["low"].notna()]
    asked = asked[asked["validation"] > ABOVE_GUESSING * profile.data.chance]
    worst = asked.loc[asked.groupby("network", sort=False)["value"].idxmax()]
    more = (worst["low"] > 1.0).astype("boolean")
    return more.where(more | (worst["high"] <= 1.0)).reindex(rows.index)


# ---------------------------------------------------------------------- what it shows


def errors(table: pd.DataFrame, profile: Disorder, verdicts: Verdicts) -> Figure:
    """Share of wrong answers against the strength tested at: a panel a network."""
    by = ["network", "trained_at", "strength"]
    rows = over_members(trainings(table), by, "accuracy")
    exact = where(table, boundary="open").rename(columns={"accuracy": "value"})
    exact = exact[["trained_at", "strength", "value"]].merge(
        pd.DataFrame({"network": profile.networks}), how="cross"
    )
    words = {CLEAN: "trained clean", MIXTURE: "trained on the mixture"}
    words |= {f"{w:g}": f"trained at {w:g}" for w in profile.train_at if w}
    return lines(
        pd.concat([rows, exact]), "strength", "trained_at", column="network",
        labels=("disorder tested at (units of the hopping)", "share of test chains wrong"),
        names=profile.titles | words, log="y", error=True, height=2.8,
    )  # fmt: skip


def regret(table: pd.DataFrame, profile: Disorder, verdicts: Verdicts) -> Figure | None:
    """Regret with its interval: a panel a strength, a row a network."""
    rows = verdicts["disorder-erodes"].rows
    if rows.empty:
        return None
    panel = ["clean" if w == 0 else f"disorder {w:g}" for w in rows["strength"]]
    figure = dots(
        rows.assign(panel=panel), "network", "panel", across=5, **look(profile),
        label="regret (points)", marks={"equal": 0.0, "one point": 1.0}, limits=(-30.0, 100.0),
    )  # fmt: skip
    return rescaled(figure, x="points")


def everything(table: pd.DataFrame, profile: Disorder) -> pd.DataFrame:
    """Mean accuracy over members on all chains, and on unambiguous ones, in per cent."""
    rows = table.assign(network=table["network"].map(profile.titles).fillna(FORMULA))
    rows["trained_at"] = rows["boundary"].fillna(rows["trained_at"])
    means = rows.groupby(["network", "trained_at", "strength"], sort=False)
    percent = 100 * means[["accuracy", "accuracy_clear"]].mean()
    text = percent["accuracy"].map("{:.1f}".format) + percent["accuracy_clear"].map(
        " ({:.1f})".format
    )
    return text.unstack("strength", sort=False).rename(columns="{:g}".format).reset_index()


STUDY = Study(
    name="disorder",
    question="What does disorder take from a network?",
    profile=Disorder,
    grid=grid,
    run=run,
    claims=(
        Claim(
            "disorder-erodes",
            "Disorder erodes answers that rest on correlation.",
            PAPER,
            "regret: accuracy trained on the mixture of strengths less trained clean",
            regrets,
            eroded,
            unit="points",
            condition="The largest regret of a network is more than a point; the same number of "
            "training chains; members that did not learn are left out.",
            by="family",
        ),
    ),
    figures=(
        Picture(
            "against",
            "Share of wrong answers against the strength of the disorder tested at, a line a "
            "training: mean over members with its 95 % interval.",
            errors,
        ),
        Picture(
            "regret",
            "Accuracy trained on the mixture less that trained clean, with Welch's 95 % interval; "
            "the scale is linear up to one point.",
            regret,
        ),
    ),
    tables=(Listing("Accuracy at every strength in per cent (of unambiguous chains)", everything),),
    columns="strength",
)
