"""What is left of an answer when states or cells are left out of the input?

Networks that were trained on everything are asked with part of the amplitudes set to zero: that
tells what they use.  Some are trained from the start on the masked input: that tells what it
holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pandas as pd

from tnlearn.analysis.masks import MASKS, masked
from tnlearn.analysis.weights import POINT
from tnlearn.data.dataset import Dataset
from tnlearn.lab.ensembles import chains, ensemble, fit_chunk, trained
from tnlearn.lab.job import Task
from tnlearn.lab.profile import Count, Data, Known, NetworkName, Profile
from tnlearn.lab.study import Study
from tnlearn.models.catalogue import build_network
from tnlearn.report.claims import PACKAGE, PAPER, claim, not_below
from tnlearn.report.figures import Figure, dots, heat, look, rescaled
from tnlearn.report.stats import COLUMNS, gap
from tnlearn.report.table import in_points, learned, over_members, where
from tnlearn.training.fitted import Fitted

# Family of masks -> how many states or cells are kept.
Masks = dict[Annotated[str, Known("mask", tuple(MASKS))], list[Count]]


class Masked(Profile, kw_only=True):
    """What the study runs on."""

    data: Data
    asked: Masks  # of networks trained on everything
    trained: Masks  # of networks trained on the masked input
    retrained: list[NetworkName]
    retrained_members: Count
    edge_states: Count  # pairs of states nearest zero energy

    @property
    def titles(self) -> dict[str, str]:
        """Titles of the networks and of the masks."""
        return super().titles | MASKS


def grid(profile: Masked) -> Iterator[Task]:
    """A task for each chunk of members of each network, and for each mask they are trained on."""
    for name in profile.networks:
        for chunk in ensemble(profile, name):
            of = {"network": name, "trained_on": "everything"}
            yield Task(of, chunk, kind="ask", weight=chunk["members"])
    for name in profile.retrained:
        for mask, several in profile.trained.items():
            for kept in several:
                labels = {"network": name, "trained_on": "a part", "mask": mask, "kept": kept}
                for chunk in ensemble(profile, name, at_most=profile.retrained_members):
                    yield Task(labels, chunk, weight=chunk["members"])


def run(task: Task, profile: Masked, store: Path) -> pd.DataFrame:
    """Accuracy on masked test chains, of a chunk trained on everything or on the same mask."""
    config, labels, test = task.config, task.labels, chains(task.config, "test")
    if task.kind == "train":
        data = masked(chains(config, "train"), labels["mask"], labels["kept"])
        network = build_network(config["network"], config["cells"], len(data.classes))
        fitted = fit_chunk(config, network, data)
        return answers(fitted, masked(test, labels["mask"], labels["kept"]))
    fitted = trained(config, store)
    rows = [answers(fitted, test, mask="", kept=profile.cells)]
    for mask, several in profile.asked.items():
        rows += [answers(fitted, masked(test, mask, k), mask=mask, kept=k) for k in several]
    return pd.concat(rows)


def answers(fitted: Fitted, data: Dataset, **labels: Any) -> pd.DataFrame:
    """A row a member: its accuracy."""
    accuracy = fitted.accuracy(data)
    return pd.DataFrame({"member": list(fitted.ids), "accuracy": accuracy, **labels})


def asked(table: pd.DataFrame, profile: Masked) -> pd.DataFrame:
    """Answers of the networks trained on everything; members that did not learn are left out."""
    rows = where(table, trained_on="everything")
    return learned(rows, where(rows, mask=""), profile.data.chance)


@claim(PACKAGE, not_below(-100 * POINT), unit="points", by="mask")
def either_part(table: pd.DataFrame, profile: Masked) -> pd.DataFrame:
    """Either part of the input holds the invariant: edge states are enough, and not needed.

    Accuracy trained and tested on a part of the input less that on the whole of it.

    A part is enough if it costs a point at most; of the network trained on everything, members
    that did not learn are left out.
    """
    whole = where(asked(table, profile), mask="").groupby("network")["accuracy"]
    by, part = ["network", "mask", "kept"], where(table, trained_on="a part")
    gaps = [
        dict(zip(by, key, strict=True)) | gap(rows["accuracy"], whole.get_group(key[0]))
        for key, rows in part.groupby(by, sort=False)
    ]
    return in_points(pd.DataFrame(gaps, columns=[*by, *COLUMNS]))


@claim(PAPER)
def proxies(table: pd.DataFrame, profile: Masked) -> pd.DataFrame:
    """Trained networks answer through proxies such as edge states.

    Accuracy with a part of the input left, not trained again.
    """
    near = min((k for k in profile.asked.get("nearest", []) if k >= profile.edge_states), default=0)
    rest = max((k for k in profile.asked.get("farthest", []) if k < profile.cells), default=0)
    rows, kept = asked(table, profile), {"nearest": near, "farthest": rest}
    rows = pd.concat([where(rows, mask=mask, kept=k) for mask, k in kept.items()])
    return over_members(rows, ["network", "mask", "kept"], "accuracy")


def left(table: pd.DataFrame, profile: Masked) -> Figure:
    """Accuracy in per cent of networks that were trained on everything, when only so many pairs of
    states or cells are left of the input and all other amplitudes are zero: mean over members.
    """
    rows = where(asked(table, profile), mask=list(profile.asked))
    rows = over_members(rows, ["network", "mask", "kept"], "accuracy")
    rows["network"] = pd.Categorical(rows["network"], profile.networks[::-1], ordered=True)
    height = 0.9 + 0.24 * len(profile.networks)
    labels = (f"kept, of {profile.cells}", "")
    return heat(
        rows, "kept", "network", "mask", labels=labels, names=profile.titles, height=height,
        across=2,
    )  # fmt: skip


@either_part.picture
def parts(rows: pd.DataFrame, profile: Masked) -> Figure:
    """Accuracy of networks trained from the start on a part of the input, less that with the whole
    of it, with Welch's 95 % interval; the scale is linear up to one point.
    """
    part = [f"{k} {MASKS[m]}" for k, m in zip(rows["kept"], rows["mask"], strict=True)]
    figure = dots(
        rows.assign(part=part), "part", dot="network", limits=(-100.0, 10.0), **look(profile),
        label="accuracy less that with the whole input (points)", marks={"one point below": -1.0},
    )  # fmt: skip
    return rescaled(figure, x="points")


STUDY = Study(
    __name__, __doc__, Masked, grid, run, claims=(either_part, proxies), figures=(left, parts)
)
