"""Do networks trained on short chains know long ones?

Networks whose trained nodes are functions of position have the same weights at every length.  Each
is trained in several ways, with as many chains in each, and put to chains of 12 to 400 cells:
clean, disordered, complex, and with four bands.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from tnlearn.data.generate import dataset
from tnlearn.errors import ConfigError
from tnlearn.lab.ensembles import Config, best_member, ensemble, part_seed, trained
from tnlearn.lab.job import Task
from tnlearn.lab.profile import (
    Amount,
    Count,
    DataName,
    Known,
    NetworkName,
    Profile,
    Section,
    Share,
    as_record,
)
from tnlearn.lab.study import Study
from tnlearn.models.catalogue import build_network
from tnlearn.physics.winding import winding
from tnlearn.report.claims import PACKAGE, SUMMARY, claim, decided
from tnlearn.report.figures import Figure, image, lines, look
from tnlearn.report.stats import COLUMNS, mean_of_sample
from tnlearn.report.table import Row, where
from tnlearn.training import metrics

TrainedAt = Annotated[str, Known("training", "training")]


class Training(Section, kw_only=True):
    """A way of training: chains of which lengths, how many of each."""

    title: str
    data: DataName
    lengths: list[Count]
    train: Count
    validation: Count
    disorder: Amount = 0.0


class Chains(Section, kw_only=True):
    """Chains to be put to: of which lengths, how many of each, by members of which trainings."""

    title: str
    data: DataName
    lengths: list[Count]
    samples: list[Count]
    trainings: list[TrainedAt]
    disorder: Amount = 0.0
    windings: list[int] | None = None


class Goal(Section, kw_only=True):
    """Right for this share of the chains at every length from the first to the last."""

    chains: Annotated[str, Known("chains", "chains")]
    accuracy: Share
    lengths: tuple[Count, Count]


class Learned(Section, kw_only=True):
    """Whose learned D is drawn, at which lengths."""

    networks: list[NetworkName]
    training: TrainedAt
    lengths: list[Count]


class Fixed(Section, kw_only=True):
    """Networks that know their length: the shapes of their parameters at these lengths."""

    networks: list[NetworkName]
    lengths: tuple[Count, Count]


class Sizes(Profile, kw_only=True):
    """What the study runs on; networks that are not `fixed` are trained."""

    training: dict[str, Training]
    chains: dict[str, Chains]
    goal: Goal
    learned: Learned
    fixed: Fixed

    def __post_init__(self) -> None:
        """Refuse lengths that do not fit together, and profiles that train no network."""
        super().__post_init__()
        parts: dict[str, Training | Chains] = {**self.training, **self.chains}
        for key, part in parts.items():
            if part.lengths != sorted(set(part.lengths)) or part.lengths[0] < 4:
                raise ConfigError(f"lengths of {key!r} must ascend from 4 cells: {part.lengths}")
        for key, chains in self.chains.items():
            if len(chains.samples) != len(chains.lengths):
                raise ConfigError(
                    f"[chains.{key}] has {len(chains.lengths)} lengths but "
                    f"{len(chains.samples)} numbers of samples"
                )
        judged = self.chains[self.goal.chains].lengths
        if not set(self.goal.lengths) <= set(judged):
            raise ConfigError(f"[goal] lengths must be among those of its chains, {judged}")
        if not self.resized:
            raise ConfigError("every network is in [fixed]: name one that is to be trained, too")

    @property
    def titles(self) -> dict[str, str]:
        """Titles of the networks, and of chains and trainings."""
        chains = {f"chains.{key}": how.title for key, how in self.chains.items()}
        training = {f"training.{key}": how.title for key, how in self.training.items()}
        return super().titles | chains | training

    @property
    def resized(self) -> list[str]:
        """The networks that are trained."""
        return [name for name in self.networks if name not in self.fixed.networks]

    def chunks(self, network: str, training: str) -> list[Config]:
        """What each chunk of members of a network is trained with, at several lengths."""
        how = self.training[training]
        keys = ("train", "validation")
        data = {"name": how.data, **{key: getattr(how, key) for key in keys}}
        data["disorder"] = float(how.disorder)
        return list(ensemble(self, network, data=data, cells=list(how.lengths)))


def grid(profile: Sizes) -> Iterator[Task]:
    """Chunks of members to train; sets of chains to put all of them to; what is drawn.

    The chains of one length are drawn, and their states computed, once for all members: at 400
    cells that takes longer than the members do.
    """
    for name in profile.resized:
        for training in profile.training:
            for chunk in profile.chunks(name, training):
                # Before the tests, which need them.
                yield Task({"network": name, "training": training}, chunk, weight=1e9)
    for key, chains in profile.chains.items():
        for cells, samples in zip(chains.lengths, chains.samples, strict=True):
            labels = {"chains": key, "cells": cells}
            yield Task(labels, {"samples": samples}, kind="test", weight=samples * cells**2)
    for name in profile.learned.networks:
        labels = {"network": name, "training": profile.learned.training}
        yield Task(labels, profile.chunks(name, profile.learned.training)[0], kind="learned")
    for name in profile.networks:
        yield Task({"network": name}, {}, kind="fixed")


def run(task: Task, profile: Sizes, store: Path) -> pd.DataFrame:
    """Do a task: a row a member (train, test), a matrix (learned) or a network (fixed)."""
    do = {"train": _train, "test": _test, "learned": _learned, "fixed": _fixed}[task.kind]
    return do(task, profile, store).assign(kind=task.kind)


def _train(task: Task, profile: Sizes, store: Path) -> pd.DataFrame:
    """The members, and how accurate each is on validation chains."""
    fitted = trained(task.config, store)
    validation = fitted.history["validation_accuracy"][:, -1]
    return pd.DataFrame({"member": list(fitted.ids), "validation": validation})


def _test(task: Task, profile: Sizes, store: Path) -> pd.DataFrame:
    """Accuracy of every member on the chains of one length, and of the formula rounded."""
    chains, cells = profile.chains[task.labels["chains"]], task.labels["cells"]
    samples, seed = task.config["samples"], part_seed(profile.seed, "test")
    data = dataset(chains.data, cells=cells, samples=samples, disorder=chains.disorder, seed=seed)
    if chains.windings is not None:
        data = data[np.isin(data.windings, chains.windings)]
        if not len(data):
            raise ConfigError(f"no chain has a winding among {chains.windings}")
    rows = []
    for boundary in ("open", "periodic"):
        right = winding(data.chains, "rswn", boundary=boundary).integer == data.windings
        rows.append(pd.DataFrame({"network": f"formula, {boundary}", "accuracy": [right.mean()]}))
    for training in chains.trainings:
        for network in profile.resized:
            for chunk in profile.chunks(network, training):
                fitted = trained(chunk, store)
                known = {w: i for i, w in enumerate(fitted.classes)}
                labels = np.array([known.get(int(w), -1) for w in data.windings])
                logits = fitted.resize(data.states.u.shape[-1]).predict(data)
                accuracy = metrics.accuracy(logits, labels)
                of = {"network": network, "training": training, "member": list(fitted.ids)}
                rows.append(pd.DataFrame({**of, "accuracy": accuracy}))
    return pd.concat(rows, ignore_index=True).assign(samples=len(data))


def _learned(task: Task, profile: Sizes, store: Path) -> pd.DataFrame:
    """D of the best member, channel by channel, at several lengths, and the exact D.

    Divided by the largest entry at the first length, so that lengths compare.
    """
    fitted = trained(task.config, store)
    best = best_member(fitted)
    rows: list[Row] = []
    tops: list[float] = []
    for cells in profile.learned.lengths:
        weights = {name: x[best].astype(np.float64) for name, x in fitted.parameters.items()}
        matrices = _matrices(fitted.net.resize(cells).nodes, weights)
        tops = tops or [float(np.abs(matrix).max()) or 1.0 for matrix in matrices]
        for channel, (matrix, top) in enumerate(zip(matrices, tops, strict=True)):
            name = f"D {channel}" if channel else "exact D"
            rows.append({"cells": cells, "matrix": name, "D": np.round(matrix / top, 3).tolist()})
    return pd.DataFrame(rows)


def _matrices(nodes: Any, weights: dict[str, Any]) -> list[Any]:
    """The exact D, and the learned one of every channel."""
    if "D.weights" in weights:
        basis = nodes["D.basis"].array
        learned = np.einsum("ck,kxy->cxy", np.atleast_2d(weights["D.weights"]), basis)
        return [basis[0], *learned]
    if "D.left" in weights:
        left, right = (nodes[f"D.{side}.basis"].array for side in ("left", "right"))
        factors = [weights[f"D.{side}"] for side in ("left", "right")]
        factors = [array.reshape(-1, *array.shape[-2:]) for array in factors]
        learned = np.einsum("cbk,cbl,kxy,ly->cxy", *factors, left, right, optimize=True)
        return [left[0] * right[0], *learned]
    raise ConfigError(
        f"[learned] draws a node D that is a function of position; the parameters are "
        f"{', '.join(weights)}"
    )


def _fixed(task: Task, profile: Sizes, store: Path) -> pd.DataFrame:
    """Whether a network can be used at another length, or which parameter stands in the way."""
    entry = profile.entries[task.labels["network"]]
    shapes = [
        {k: node.shape for k, node in build_network(as_record(entry), n, 4).parameters.items()}
        for n in profile.fixed.lengths
    ]
    differ = [key for key in shapes[0] if shapes[0][key] != shapes[1].get(key)]
    return pd.DataFrame([{"any_length": not differ, "because": differ[0] if differ else ""}])


def accuracies(table: pd.DataFrame) -> pd.DataFrame:
    """Mean accuracy of members by chains, training, network and cells; interval of both samples."""
    labels = ["chains", "training", "network", "cells"]
    groups = where(table, kind="test").groupby(labels, sort=False, dropna=False)
    rows = [
        dict(zip(labels, key, strict=True))
        | mean_of_sample(rows["accuracy"], int(rows["samples"].iloc[0]))
        for key, rows in groups
    ]
    return pd.DataFrame(rows, columns=[*labels, *COLUMNS])


def lowest(rows: pd.DataFrame, profile: Sizes, by: list[str]) -> pd.DataFrame:
    """Of each group `by`, the length within the goal at which the interval ends lowest."""
    rows = where(rows, chains=profile.goal.chains, network=profile.resized)
    rows = rows[rows["cells"].between(*profile.goal.lengths)]
    rows = rows.assign(low=rows["low"].fillna(0.0))
    return rows.loc[rows.groupby(by, sort=False)["low"].idxmin()]


def reaches(rows: pd.DataFrame, profile: Sizes) -> pd.Series:
    """Holds where the interval is at the goal or above it; a network of one length does not."""
    asked = rows["chains"].isin([profile.goal.chains, "of one length"])
    there = rows["low"].fillna(0.0) >= profile.goal.accuracy
    return decided(asked & there, asked & ~there)


@claim(SUMMARY, reaches, by="chains")
def sizes(table: pd.DataFrame, profile: Sizes) -> pd.DataFrame:
    """A network generalises from the lengths it was trained on to others.

    Accuracy at the length where its interval ends lowest, or at the ends.

    Every length of the goal is reached, by networks trained at a few lengths. Networks with a
    weight for each cell are of one length by construction.
    """
    rows = where(accuracies(table), network=profile.resized)
    others = rows[rows["chains"] != profile.goal.chains]
    ends = others.groupby("chains")["cells"].transform(lambda n: n.isin([n.min(), n.max()]))
    fixed = where(table, kind="fixed", any_length=False)[["network"]]
    fixed = fixed.assign(chains="of one length", training="", members=0)
    worst = lowest(rows, profile, ["training", "network"])
    return pd.concat([worst, others[ends.astype(bool)], fixed], ignore_index=True)


@claim(PACKAGE, lambda rows, p: reaches(rows, p).where(rows["worst"]), by="network")
def position_nodes(table: pd.DataFrame, profile: Sizes) -> pd.DataFrame:
    """Nodes that are functions of position serve chains of every length.

    Accuracy at each length.

    Trained at the most lengths; decided where its interval ends lowest.
    """
    chains = profile.chains[profile.goal.chains]
    most = max(chains.trainings, key=lambda name: len(profile.training[name].lengths))
    rows = where(
        accuracies(table), chains=profile.goal.chains, training=most, network=profile.resized
    )
    return rows.assign(worst=rows.index.isin(lowest(rows, profile, ["network"]).index))


def accuracy(table: pd.DataFrame, profile: Sizes) -> Figure | None:
    """Share of wrong answers against length, clean chains: mean over members, 95 % interval of
    members and chains; the formula rounded beside it.
    """
    rows = where(accuracies(table), chains=profile.goal.chains)
    return against_length(rows.assign(of=""), profile)


def others(table: pd.DataFrame, profile: Sizes) -> Figure | None:
    """The same on chains of other kinds."""
    rows = accuracies(table)
    rows = rows[rows["chains"] != profile.goal.chains]
    titles = {key: f"{chains.title}; " for key, chains in profile.chains.items()}
    return against_length(rows.assign(of=rows["chains"].map(titles)), profile)


def against_length(rows: pd.DataFrame, profile: Sizes) -> Figure | None:
    """Errors against length: a panel a kind of chains and training, the formula in each."""
    trained_at = rows["training"].notna()
    if not trained_at.any():
        return None
    panels = rows[trained_at][["chains", "training"]].drop_duplicates()
    formula = rows[~trained_at].drop(columns="training").merge(panels, on="chains")
    rows = pd.concat([rows[trained_at], formula])
    trainings = rows["training"].map({k: how.title for k, how in profile.training.items()})
    return lines(
        rows.assign(panel=rows["of"] + "trained at " + trainings), "cells", "network",
        column="panel", log="xy", error=True, **look(profile),
        marks={"goal": 1 - profile.goal.accuracy},
    )  # fmt: skip


def learned(table: pd.DataFrame, profile: Sizes) -> Figure | None:
    """D of the best member beside the exact D (cell of A downwards, of B to the right), in units of
    its largest entry at the first length.
    """
    arrays = {
        f"{profile.titles[row['network']]}, {row['matrix']}, {row['cells']:.0f} cells": row["D"]
        for row in where(table, kind="learned").to_dict("records")
    }
    return image(arrays, labels=("y (cell of B)", "x (cell of A)")) if arrays else None


STUDY = Study(
    __name__,
    __doc__,
    Sizes,
    grid,
    run,
    claims=(sizes, position_nodes),
    figures=(accuracy, others, learned),
    columns="cells",
)
