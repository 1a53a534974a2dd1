"""From how far away does training find the exact solution, and does it stay there?

One channel and an affine head, whose parameters hold the exact winding number.  The start is that
solution, its head the rounding of least loss, plus normal noise on the nodes of the formula, as a
share of the root mean square of each.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tnlearn.analysis.landscape import Objective
from tnlearn.analysis.normal_form import NODES, cosine, exact_solution, kernel
from tnlearn.lab.ensembles import chains, chunks, fit_chunk, seed_of
from tnlearn.lab.job import Task
from tnlearn.lab.profile import Amount, Count, Data, Known, Profile, Rate, as_record
from tnlearn.lab.study import Study
from tnlearn.look import COLOURS, MARKERS
from tnlearn.report.claims import PAPER, claim
from tnlearn.report.figures import Figure, lines
from tnlearn.report.stats import mean, rate, unbounded_mean
from tnlearn.report.table import measures, over_members, where

_DRAWS, _SEED = 2000, 20260  # of the posterior: the same table gives the same interval


class Basin(Profile, kw_only=True):
    """What the study runs on; success is an accuracy of `threshold`."""

    data: Data
    forms: list[Annotated[str, Known("form", tuple(NODES))]]
    noises: list[Amount]  # over the root mean square of a node, ascending
    epochs: Count
    rate: Rate


def grid(profile: Basin) -> Iterator[Task]:
    """A task for each form, noise and chunk."""
    common = {
        **{key: getattr(profile, key) for key in ("cells", "seed", "batch_size", "batches")},
        **{"epochs": profile.epochs, "lr": profile.rate, "data": as_record(profile.data)},
    }
    for form in profile.forms:
        for noise in profile.noises:
            for offset, members in chunks(profile.members, profile.chunk):
                labels = {"form": form, "noise": float(noise)}
                config = {**common, "members": members, "offset": offset}
                yield Task(labels, config, "basin", members * profile.epochs)


def run(task: Task, profile: Basin, store: Path) -> pd.DataFrame:
    """Accuracy, and cosine with the exact kernel, before and after training: a row a member."""
    config, form, noise = task.config, task.labels["form"], task.labels["noise"]
    data, held = chains(config, "train"), chains(config, "validation")
    net = exact_solution(form, data, noise=noise)
    ids = range(config["offset"], config["offset"] + config["members"])
    objective = Objective(net, held, members=min(32, len(ids)), dtype="float32")
    seed = seed_of(config["seed"], noise)
    start = objective.initial(seed, ids)
    exact = Objective(exact_solution(form, data), held[:1])
    goal = kernel(form, exact.unpack(exact.initial(0, [0])))
    loss, right = objective(start)
    fitted = fit_chunk({**config, "seed": seed}, net, data, held)
    accuracy = np.where(fitted.failed >= 0, 0.0, fitted.history["validation_accuracy"][:, -1])
    return pd.DataFrame(
        {
            "member": list(ids),
            "untrained": right,
            "untrained_loss": loss,
            "cosine_before": cosine(kernel(form, objective.unpack(start)), goal),
            "trained": accuracy,
            "cosine_after": cosine(kernel(form, fitted.parameters), goal),
        }
    )


def radius(noises: Sequence[Any], flags: Sequence[npt.NDArray[np.bool_]]) -> dict[str, float]:
    """The noise at which the success rate first falls below 1/2, with its 95 % interval.

    Interpolated linearly in the logarithm of the noise between the two neighbouring values
    (linearly in the noise where the lower one is 0).  For the interval the rate at every noise is
    drawn from its posterior given the members (Jeffreys, Beta(k + 1/2, n − k + 1/2)): unlike
    members drawn anew, k = 0 or n does not make it certain.

    Parameters
    ----------
    noises
        Ascending.
    flags
        For each noise, which members succeeded.

    Returns
    -------
    ``value, low, high, members``; infinite where it lies beyond the largest noise, and 0 for
    below 1/2 without any noise.
    """
    rng = np.random.default_rng(_SEED)
    drawn = np.stack([rng.beta(x.sum() + 0.5, len(x) - x.sum() + 0.5, size=_DRAWS) for x in flags])
    every = np.array([_crossing(noises, column) for column in drawn.T])
    low, high = np.quantile(every, [0.025, 0.975], method="nearest")
    value = _crossing(noises, [float(np.mean(x)) for x in flags])
    members = sum(len(x) for x in flags)
    return {"value": value, "low": float(low), "high": float(high), "members": members}


def _crossing(noises: Sequence[Any], rates: Sequence[float] | npt.NDArray[np.float64]) -> float:
    if rates[0] < 0.5:
        return 0.0
    for k in range(1, len(noises)):
        if rates[k] < 0.5:
            share = (rates[k - 1] - 0.5) / (rates[k - 1] - rates[k])
            if noises[k - 1] == 0:
                return float(share * noises[k])
            return float(noises[k - 1] * (noises[k] / noises[k - 1]) ** share)
    return math.inf


@claim(PAPER)
def init_sensitive(table: pd.DataFrame, profile: Basin) -> pd.DataFrame:
    """The training of networks of the formula depends on the initialisation.

    Radius of the basin of the exact solution, the noise at which half of the members succeed, and
    what training makes of the solution itself.

    Interval of a radius from the Jeffreys posterior of every success rate.
    """
    parts = []
    for form, of_form in table.groupby("form", sort=False):
        trained = of_form.groupby("noise")["trained"]
        flags = [(x >= profile.threshold).to_numpy() for _, x in trained]
        edge = radius([noise for noise, _ in trained], flags)
        parts.append(pd.DataFrame([{"form": form, "measure": "radius (noise / rms)", **edge}]))
    columns = {
        "accuracy of the exact solution": ("untrained", mean),
        "accuracy trained from it": ("trained", mean),
        "cosine with it after training": ("cosine_after", unbounded_mean),
    }
    parts.append(measures(where(table, noise=0.0), ["form"], columns))
    return pd.concat(parts, ignore_index=True)


def basin(table: pd.DataFrame, profile: Basin) -> Figure:
    """One channel, started at the exact solution with normal noise on the nodes of the formula,
    before and after training. The radius of the basin is where fewer than half of the members
    succeed. Cosine: of the kernel D(x, y) with the exact one, both less what depends on x or on y
    only, which |q|² cannot see. Means and shares over members with 95 % intervals.
    """
    rows = table.assign(success=table["trained"] >= profile.threshold)
    parts = []
    for column, how, panel, when in (
        ("success", rate, f"members that reach {profile.threshold:g}", ""),
        ("trained", mean, "accuracy", ""),
        ("untrained", mean, "accuracy", ", untrained"),
        ("cosine_after", unbounded_mean, "cosine with the exact kernel", ""),
        ("cosine_before", unbounded_mean, "cosine with the exact kernel", ", untrained"),
    ):
        points = over_members(rows, ["form", "noise"], column, how)
        parts.append(points.assign(panel=panel, line=points["form"] + when))
    before = {"linestyle": "--", "markerfacecolor": "white"}
    styles = {
        form + when: {"color": COLOURS[n], "marker": MARKERS[n], **more}
        for n, form in enumerate(profile.forms)
        for when, more in (("", {"linestyle": "-"}), (", untrained", before))
    }
    return lines(
        pd.concat(parts), "noise", "line", column="panel", along="noise / rms of the node",
        label="share, or cosine", styles=styles, log="x",
    )  # fmt: skip


STUDY = Study(
    __name__,
    __doc__,
    Basin,
    grid,
    run,
    claims=(init_sensitive,),
    figures=(basin,),
    columns="measure",
)
