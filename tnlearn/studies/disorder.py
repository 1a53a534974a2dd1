"""What does disorder take from a network?

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
from tnlearn.lab.job import Task
from tnlearn.lab.profile import Amount, Data, NetworkName, Profile, as_record
from tnlearn.lab.study import Study
from tnlearn.models.rswn import rswn
from tnlearn.physics.winding import winding
from tnlearn.report.claims import PAPER, claim, decided
from tnlearn.report.figures import Figure, dots, lines, look, rescaled
from tnlearn.report.stats import ABOVE_GUESSING
from tnlearn.report.table import against, in_points, learned, over_members, spread, where

CLEAN, MIXTURE = "clean", "mixture"
FORMULA = "rounded RSWN, untrained"


class Disorder(Profile, kw_only=True):
    """What the study runs on; `brief` networks are trained clean and on the mixture only."""

    data: Data
    train_at: list[Amount]  # units of the hopping
    mixture: list[Amount]
    test_at: list[Amount]
    brief: list[NetworkName] = []

    def __post_init__(self) -> None:
        """Refuse strengths without the clean chains, which are the reference."""
        super().__post_init__()
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


def eroded(rows: pd.DataFrame, profile: Disorder) -> pd.Series:
    """Holds where the largest regret of a network is more than a point, not where it is at most.

    Not asked of a network that is at guessing when trained clean: it has nothing to lose.
    """
    asked = rows[(rows["strength"] > 0) & rows["low"].notna()]
    asked = asked[asked["validation"] > ABOVE_GUESSING * profile.data.chance]
    worst = asked.loc[asked.groupby("network", sort=False)["value"].idxmax()]
    return decided(worst["low"] > 1.0, worst["high"] <= 1.0).reindex(rows.index)


@claim(PAPER, eroded, unit="points", by="family")
def disorder_erodes(table: pd.DataFrame, profile: Disorder) -> pd.DataFrame:
    """Disorder erodes answers that rest on correlation.

    Regret: accuracy trained on the mixture of strengths less trained clean.

    The largest regret of a network is more than a point; the same number of training chains;
    members that did not learn are left out.
    """
    rows = trainings(table)
    # On the chains they were trained on, and of both.
    by = ["network", "trained_at"]
    keep = learned(rows, where(rows, strength=0.0), profile.data.chance, by, "validation")
    gaps = against(keep, [MIXTURE], [CLEAN], ["network", "strength"], "accuracy", of="trained_at")
    level = where(rows, trained_at=CLEAN, strength=0.0).groupby("network")["validation"].mean()
    family = gaps["network"].map(profile.families)
    gaps = in_points(gaps.drop(columns=["trained_at", "rival"]))
    return gaps.assign(validation=gaps["network"].map(level), family=family)


# ---------------------------------------------------------------------- what it shows


def error(table: pd.DataFrame, profile: Disorder) -> Figure:
    """Share of wrong answers against the strength of the disorder tested at, a line a training:
    mean over members with its 95 % interval.
    """
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
        along="disorder tested at (units of the hopping)", names=profile.titles | words,
        log="y", error=True, height=2.8,
    )  # fmt: skip


@disorder_erodes.picture
def regret(rows: pd.DataFrame, profile: Disorder) -> Figure:
    """Accuracy trained on the mixture less that trained clean, with Welch's 95 % interval; the
    scale is linear up to one point.
    """
    panel = ["clean" if w == 0 else f"disorder {w:g}" for w in rows["strength"]]
    figure = dots(
        rows.assign(panel=panel), "network", "panel", across=5, **look(profile),
        label="regret (points)", marks={"equal": 0.0, "one point": 1.0}, limits=(-30.0, 100.0),
    )  # fmt: skip
    return rescaled(figure, x="points")


def everything(table: pd.DataFrame, profile: Disorder) -> pd.DataFrame:
    """Accuracy at every strength in per cent (of unambiguous chains)"""
    table = table.assign(network=table["network"].map(profile.titles).fillna(FORMULA))
    table["trained_at"] = table["boundary"].fillna(table["trained_at"])
    table["strength"] = table["strength"].map("{:g}".format)
    means = table.groupby(["network", "trained_at", "strength"], sort=False)
    rows = means[["accuracy", "accuracy_clear"]].mean().reset_index()
    percent = [100 * rows.pop(column) for column in ("accuracy", "accuracy_clear")]
    texts = [f"{every:.1f} ({clear:.1f})" for every, clear in zip(*percent, strict=True)]
    return spread(rows, "strength", texts)


STUDY = Study(
    __name__,
    __doc__,
    Disorder,
    grid,
    run,
    claims=(disorder_erodes,),
    figures=(error, regret),
    tables=(everything,),
    columns="strength",
)
