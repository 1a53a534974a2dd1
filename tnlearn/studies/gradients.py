"""How does the gradient at a random start depend on the length of the chain?

The norm of the gradient of the loss with respect to the nodes of the formula (of a baseline: all
its parameters), and the variance of one component, at random starts of one scale.  A variance that
falls exponentially with the length would be a barren plateau.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from tnlearn.analysis.landscape import Objective
from tnlearn.data.generate import dataset
from tnlearn.lab.ensembles import part_seed
from tnlearn.lab.job import Task
from tnlearn.lab.profile import Count, DataName, Profile, Rate, as_record
from tnlearn.lab.study import Study
from tnlearn.report.claims import PACKAGE, claim
from tnlearn.report.figures import Figure, lines, look
from tnlearn.report.stats import unbounded_mean
from tnlearn.report.table import Row, measures, where
from tnlearn.studies.maps import started

_DRAWS, _SEED = 2000, 20260  # of the bootstrap: the same table gives the same intervals
POWER, EXPONENTIAL = "power", "exponential"


class Gradients(Profile, kw_only=True):
    """What the study runs on."""

    data: DataName
    samples: Count
    scale: Rate  # of the start
    lengths: list[Count]


def grid(profile: Gradients) -> Iterator[Task]:
    """A task for each network and length."""
    for name in profile.networks:
        for cells in profile.lengths:
            yield Task({"network": name, "cells": cells}, {}, "gradient", cells**2)


def run(task: Task, profile: Gradients, store: Path) -> pd.DataFrame:
    """Norms of the gradient, of all nodes and of each: a row a start and node.

    ``square`` is the mean square of a component; ``variance`` its part that differs between starts,
    whose mean over starts is the unbiased variance of a component.
    """
    cells, members = task.labels["cells"], profile.members
    seed = part_seed(profile.seed, "test")
    data = dataset(profile.data, cells=cells, samples=profile.samples, seed=seed)
    entry = as_record(profile.entries[task.labels["network"]])
    objective = Objective(started(entry, profile.scale, cells, len(data.classes)), data, members=4)
    slopes = objective.unpack(objective.gradients(objective.initial(profile.seed, range(members))))
    nodes = {k: x.reshape(members, -1) for k, x in slopes.items() if not k.startswith("head.")}
    nodes = {"all": np.concatenate(list(nodes.values()), axis=1), **nodes}

    def rows(node: str, x: npt.NDArray[np.float64]) -> pd.DataFrame:
        norm, square = np.linalg.norm(x, axis=1), (x**2).mean(axis=1)
        apart = ((x - x.mean(axis=0)) ** 2).mean(axis=1) * members / max(members - 1, 1)
        return pd.DataFrame({"node": node, "member": range(members), "norm": norm,
                             "square": square, "variance": apart})  # fmt: skip

    return pd.concat(rows(node, x) for node, x in nodes.items())


def exponent(lengths: Sequence[int], values: Sequence[npt.NDArray[np.float64]]) -> Row:
    """The power of L with which the mean of some values grows, with a bootstrap interval.

    A least-squares line of the logarithm of the mean against ln L; ``law`` says whether that, or a
    line against L itself (an exponential), leaves less of the logarithm unexplained: "power" or
    "exponential", None for fewer than four lengths.  The interval comes from drawing the members
    at each length anew.  NaN for a single length.
    """
    members = sum(len(v) for v in values)
    if len(lengths) < 2:
        return {"law": None, "value": np.nan, "low": np.nan, "high": np.nan, "members": members}
    rng = np.random.default_rng(_SEED)
    length = np.array(lengths, dtype=float)
    drawn = np.stack([v[rng.integers(0, len(v), (_DRAWS, len(v)))].mean(axis=1) for v in values])
    powers = np.polyfit(np.log(length), np.log(drawn), 1)[0]
    means = np.log([v.mean() for v in values])
    left = [
        np.sum((means - np.polyval(np.polyfit(at, means, 1), at)) ** 2)
        for at in (np.log(length), length)
    ]
    low, high = np.quantile(powers, [0.025, 0.975])
    law = None if len(lengths) < 4 else POWER if left[0] <= left[1] else EXPONENTIAL
    value = float(np.polyfit(np.log(length), means, 1)[0])
    return {"law": law, "value": value, "low": low, "high": high, "members": members}


@claim(PACKAGE)
def gradients(table: pd.DataFrame, profile: Gradients) -> pd.DataFrame:
    """Powers of the length with which gradients at random starts grow

    Power of the length; law: a power or an exponential, whichever leaves less of the logarithm of
    the mean unexplained.
    """
    rows = []
    for name, of_network in where(table, node="all").groupby("network", sort=False):
        for column, measure in (("norm", "norm"), ("square", "mean square of a component")):
            values = [x.to_numpy(float) for _, x in of_network.groupby("cells")[column]]
            power = exponent(sorted(set(of_network["cells"])), values)
            rows.append({"network": name, "measure": measure, **power})
    return pd.DataFrame(rows)


def against_length(table: pd.DataFrame, profile: Gradients) -> Figure:
    """Gradient of the loss with respect to the nodes of the formula at random starts: its norm, and
    the variance of a component over the starts; means with 95 % intervals.
    """
    columns = {
        "norm of the gradient (nats)": ("norm", unbounded_mean),
        "variance of a component over starts (nats²)": ("variance", unbounded_mean),
    }
    rows = measures(where(table, node="all"), ["network", "cells"], columns, "panel")
    along = "unit cells L"
    return lines(rows, "cells", "network", "panel", along=along, log="xy", **look(profile))


STUDY = Study(
    __name__, __doc__, Gradients, grid, run, claims=(gradients,), figures=(against_length,)
)
