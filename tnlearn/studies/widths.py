"""Is it less trainable at other batch sizes, channels and heads as well?

The networks of the formula are trained with other batch sizes, numbers of channels and widths of
the head, one at a time, and compared with a network that does not know the formula at the same
batch size, each at its own best learning rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from tnlearn.errors import ConfigError
from tnlearn.lab.ensembles import chains, ensemble
from tnlearn.lab.job import Task
from tnlearn.lab.profile import Count, Data, NetworkName, Number, Profile, Rate
from tnlearn.lab.study import Study
from tnlearn.models.catalogue import build_network
from tnlearn.report.claims import PAPER, below, claim
from tnlearn.report.figures import Figure, dots, look
from tnlearn.report.stats import rate, rate_gap
from tnlearn.report.table import Row, against, over_members, where
from tnlearn.studies.maps import TUNED, at_every_rate, tuned

EVERY = "over all learning rates"


class Widths(Profile, kw_only=True):
    """What the study runs on; the first number of each list is that of the other settings."""

    data: Data
    batch: list[Count]
    channels: list[Count]
    head: list[Number]  # hidden units; 0 is an affine head
    rates: list[Rate]
    epochs: Count
    ours: list[NetworkName]
    rivals: list[NetworkName]

    def __post_init__(self) -> None:
        """Refuse some of ours without channels and head."""
        super().__post_init__()
        for name in self.ours:
            if self.entries[name].kind != "rswn":
                raise ConfigError(f"'ours' are networks of the formula; {name!r} is none")
        for entry in self.entries.values():
            entry.epochs = self.epochs


def settings(profile: Widths) -> list[Row]:
    """Batch size, channels and width of the head, one of them changed at a time."""
    lists = {key: getattr(profile, key) for key in ("batch", "channels", "head")}
    base = {key: values[0] for key, values in lists.items()}
    changed = [base | {key: value} for key, values in lists.items() for value in values]
    return [row for n, row in enumerate(changed) if row not in changed[:n]]


def grid(profile: Widths) -> Iterator[Task]:
    """A task for each network, setting and chunk; a rival has only batch sizes."""
    rates = [float(x) for x in profile.rates]
    for labels in settings(profile):
        network = {
            "channels": labels["channels"],
            "hidden": [labels["head"]] * (labels["head"] > 0),
        }
        batch = labels["batch"]
        for name in profile.ours:
            for chunk in ensemble(profile, name, lr=rates, batch_size=batch, network=network):
                yield Task({"network": name, **labels}, chunk, weight=1 / batch)
    for batch in profile.batch:
        for name in profile.rivals:
            for chunk in ensemble(profile, name, lr=rates, batch_size=batch):
                yield Task({"network": name, "batch": batch}, chunk, weight=1 / batch)


def run(task: Task, profile: Widths, store: Path) -> pd.DataFrame:
    """Train a chunk at every learning rate: a row a member and rate."""
    config = task.config
    classes = len(chains(config, "train").classes)
    network = build_network(config["network"], config["cells"], classes)
    return at_every_rate(config, config, network)[1]


def pairs(table: pd.DataFrame, profile: Widths) -> Iterator[pd.DataFrame]:
    """Each setting of ours with the rivals at its batch size, over all rates and at the best."""
    table = table.assign(success=table["accuracy"] >= profile.threshold)
    for labels in settings(profile):
        ours = where(table, network=profile.ours, **labels)
        rivals = where(table, network=profile.rivals, batch=labels["batch"])
        both = pd.concat([ours, rivals]).assign(**labels)
        yield both.assign(where=EVERY)
        yield tuned(both, "success").assign(where=TUNED)


@claim(PAPER, below(0.0), by="where")
def less_trainable(table: pd.DataFrame, profile: Widths) -> pd.DataFrame:
    """Networks that hold the formula are less trainable than others.

    Share of members that succeed less that of the rival.

    At other batch sizes, numbers of channels and heads: the rival at the same batch size; as many
    passes over the chains at each.
    """
    by = ["batch", "channels", "head", "where"]
    rows = pd.concat(pairs(table, profile))
    return against(rows, profile.ours, profile.rivals, by, "success", rate_gap)


def shares(table: pd.DataFrame, profile: Widths) -> Figure:
    """Members that reach the threshold, with Wilson's 95 % interval, over all learning rates and at
    each network's best; a head of 0 is affine. The rival is shown beside every setting with its
    batch size.
    """
    rows = pd.concat(pairs(table, profile))
    rows = over_members(rows, ["where", "batch", "channels", "head", "network"], "success", rate)
    rows["setting"] = [
        f"batch {row.batch}, channels {row.channels}, head {row.head}" for row in rows.itertuples()
    ]
    label, limits = "share of members that succeed", (-0.04, 1.04)
    return dots(
        rows, "setting", "where", dot="network", label=label, limits=limits, **look(profile)
    )


STUDY = Study(
    __name__,
    __doc__,
    Widths,
    grid,
    run,
    claims=(less_trainable,),
    figures=(shares,),
    columns="where",
)
