"""Study `widths`: does it stay less trainable at other batch sizes, channels and heads?

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
from tnlearn.lab.profile import Count, Data, Number, Profile, Rate, check_names
from tnlearn.lab.study import Picture, Study, Verdicts
from tnlearn.lab.tasks import Task
from tnlearn.models.catalogue import build_network
from tnlearn.report.claims import PACKAGE, Claim, below
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
    ours: list[str]
    rivals: list[str]

    def __post_init__(self) -> None:
        """Refuse networks that are not there, and some of ours without channels and head."""
        check_names("network in 'ours'", self.ours, self.networks)
        check_names("network in 'rivals'", self.rivals, self.networks)
        for name in self.ours:
            if self.entries[name].kind != "rswn":
                raise ConfigError(f"'ours' are networks of the formula; {name!r} is none")
        for entry in self.entries.values():
            entry.epochs = self.epochs


def settings(profile: Widths) -> list[tuple[int, ...]]:
    """Batch size, channels and width of the head, one of them changed at a time."""
    lists = [profile.batch, profile.channels, profile.head]
    base = [values[0] for values in lists]
    changed = [
        (*base[:place], value, *base[place + 1 :])
        for place, values in enumerate(lists)
        for value in values
    ]
    return list(dict.fromkeys(changed))


def grid(profile: Widths) -> Iterator[Task]:
    """A task for each network, setting and chunk; a rival has only batch sizes."""
    rates = [float(x) for x in profile.rates]
    for batch, channels, head in settings(profile):
        for name in profile.ours:
            labels = {"network": name, "batch": batch, "channels": channels, "head": head}
            network = {"channels": channels, "hidden": [head] if head else []}
            for chunk in ensemble(profile, name, lr=rates, batch_size=batch, network=network):
                yield Task(labels, chunk, weight=1 / batch)
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


def pairs(table: pd.DataFrame, profile: Widths) -> Iterator[tuple[Row, pd.DataFrame]]:
    """Each setting of ours with the rivals at its batch size, over all rates and at the best."""
    table = table.assign(success=table["accuracy"] >= profile.threshold)
    for batch, channels, head in settings(profile):
        labels = {"batch": batch, "channels": channels, "head": head}
        ours = where(table, network=profile.ours, **labels)
        both = pd.concat([ours, where(table, network=profile.rivals, batch=batch)])
        yield {**labels, "where": EVERY}, both
        yield {**labels, "where": TUNED}, tuned(both, "success")


def gaps(table: pd.DataFrame, profile: Widths) -> pd.DataFrame:
    """Share of members that succeed, less the rival's, at every setting."""
    return pd.concat(
        against(rows.assign(**labels), profile.ours, profile.rivals, [*labels], "success", rate_gap)
        for labels, rows in pairs(table, profile)
    )


def shares(table: pd.DataFrame, profile: Widths, verdicts: Verdicts) -> Figure:
    """Share of members that succeed: a row a setting."""
    rates = pd.concat(
        over_members(rows, ["network"], "success", rate).assign(**labels)
        for labels, rows in pairs(table, profile)
    )
    rates["setting"] = [
        f"batch {row.batch}, channels {row.channels}, head {row.head}" for row in rates.itertuples()
    ]
    label, limits = "share of members that succeed", (-0.04, 1.04)
    return dots(
        rates, "setting", "where", dot="network", label=label, limits=limits, **look(profile)
    )


STUDY = Study(
    name="widths",
    question="Is it less trainable at other batch sizes, channels and heads as well?",
    profile=Widths,
    grid=grid,
    run=run,
    claims=(
        Claim(
            "less-trainable-widths",
            "Networks of the formula are less trainable at every batch size, channel and head.",
            PACKAGE,
            "share of members that succeed less that of the rival",
            gaps,
            below(lambda p: 0.0),
            condition="The rival at the same batch size; as many passes over the chains at each.",
            by="where",
        ),
    ),
    figures=(
        Picture(
            "shares",
            "Members that reach the threshold, with Wilson's 95 % interval, over all learning "
            "rates and at each network's best; a head of 0 is affine. The rival is shown beside "
            "every setting with its batch size.",
            shares,
        ),
    ),
    columns="where",
)
