"""How is the loss shaped around the solutions, and between them?

The Hessian of the training loss at starts, at learned solutions and at the exact one; and the loss
on the straight line from the exact solution to learned ones and between learned ones, both ends in
normal form (`analysis.normal_form`), as many points are the same function.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tnlearn.analysis.landscape import Curvature, Objective, barrier, line
from tnlearn.analysis.normal_form import cosine, exact_solution, kernel, normal_form, one_channel
from tnlearn.analysis.spectra import extremes, spectral_density
from tnlearn.data.dataset import Dataset
from tnlearn.errors import ConfigError
from tnlearn.lab.ensembles import chains, ensemble, trained
from tnlearn.lab.job import Task
from tnlearn.lab.profile import Count, Data, Entry, NetworkName, Profile, Section
from tnlearn.lab.study import Study
from tnlearn.networks.init import normal
from tnlearn.report.claims import PACKAGE, claim
from tnlearn.report.figures import Figure, lines
from tnlearn.report.stats import mean, median, rate, unbounded_mean
from tnlearn.report.table import Row, measures, over_members, where
from tnlearn.studies.pictures import densities
from tnlearn.training.fitted import Fitted

Floats = npt.NDArray[np.float64]

# Borders of the bins of a spectral density: logarithmic for either sign, and a bin around zero.
_POSITIVE = np.logspace(-6.0, 3.0, 37)
BINS: Floats = np.concatenate([-_POSITIVE[::-1], _POSITIVE])
# Share of the largest eigenvalue below which a direction counts as flat.
FLAT = 1e-6
EXACT, LEARNED = "exact to learned", "learned to learned"


class Spectrum(Section, kw_only=True):
    """Whose Hessians: `ends` eigenvalues at either end, `probes` of `steps` Lanczos steps."""

    networks: list[NetworkName]
    members: Count
    samples: Count
    ends: Count
    probes: Count
    steps: Count


class Lines(Section, kw_only=True):
    """Between whose solutions, on how many chains and at how many places."""

    networks: list[NetworkName]
    members: Count
    samples: Count
    points: Count


class Curvatures(Profile, kw_only=True):
    """What the study runs on."""

    data: Data
    spectrum: Spectrum
    lines: Lines

    def __post_init__(self) -> None:
        """Refuse lines of networks without an exact solution."""
        super().__post_init__()
        for name in self.lines.networks:
            if not holds_exact(self.entries[name]):
                raise ConfigError(
                    f"[lines] is for rswn networks with one channel and an affine head, which "
                    f"hold the exact solution; {name!r} is none"
                )


def holds_exact(entry: Entry) -> bool:
    """Whether an entry is an RSWN whose parameters hold the exact solution."""
    other = entry.channels or entry.hidden or entry.structure
    return entry.kind == "rswn" and not other and "nodes" in entry.free


def grid(profile: Curvatures) -> Iterator[Task]:
    """A task for each network and chunk: spectra, and lines, of the same trained members."""
    for kind, chosen in (("spectrum", profile.spectrum), ("line", profile.lines)):
        for network in chosen.networks:
            for chunk in ensemble(profile, network, members=chosen.members):
                weight = 3.0 * chunk["members"] * chunk["epochs"]
                yield Task({"network": network, "kind": kind}, chunk, kind, weight)


def run(task: Task, profile: Curvatures, store: Path) -> pd.DataFrame:
    """A row a member and place of a spectrum, or a member and line."""
    fitted = trained(task.config, store)
    chosen = profile.spectrum if task.kind == "spectrum" else profile.lines
    data = chains(task.config, "train")[: chosen.samples]
    entry = profile.entries[task.labels["network"]]
    if isinstance(chosen, Lines):
        return between(entry.options["form"], fitted, data, chosen.points)
    net = fitted.net
    objective = Objective(net, data)
    points: list[tuple[str, Objective, Sequence[int], Floats]] = [
        ("start", objective, fitted.ids, objective.initial(profile.seed, fitted.ids)),
        ("learned", objective, fitted.ids, objective.pack(fitted.parameters)),
    ]
    if holds_exact(entry) and task.config["offset"] == 0:
        exact = Objective(exact_solution(entry.options["form"], data), data)
        points.append(("exact", exact, (0,), exact.initial(0, [0])))
    rows = [
        {"place": place, "member": k, **curved(here, point, chosen, [profile.seed, k])}
        for place, here, ids, several in points
        for k, point in zip(ids, several, strict=True)
    ]
    return pd.DataFrame(rows).assign(parameters=objective.size)


def curved(objective: Objective, point: Floats, how: Spectrum, key: list[int]) -> Row:
    """The Hessian at a point: ends and density of its spectrum, shares flat and negative."""
    curvature, rng = Curvature(objective, point), np.random.default_rng(key)
    low, high = extremes(curvature, objective.size, how.ends, rng=rng)
    density = spectral_density(
        curvature, objective.size, probes=how.probes, steps=how.steps, rng=rng
    )
    flat = FLAT * max(abs(low[0]), abs(high[-1]))
    counts, _ = np.histogram(density.values, bins=BINS, weights=density.weights)
    loss, right = objective(point[None])
    return {
        "loss": loss[0],
        "accuracy": right[0],
        "gradient": np.linalg.norm(curvature.gradient),
        "lowest": low[0],
        "highest": high[-1],
        "flat": density.share(-flat, flat),
        "negative": density.share(-np.inf, -flat),
        "low": low,
        "high": high,
        "density": np.round(counts, 7),
    }


def between(form: str, fitted: Fitted, data: Dataset, points: int) -> pd.DataFrame:
    """Loss on straight lines from the exact solution to members, and from each to the next.

    `ordered`: whether W puts the classes into the order of their windings; an affine head may use
    any order, and a solution with another one is another function altogether.
    """
    exact = Objective(exact_solution(form, data), data)
    net = one_channel(data.states.cells, form, data.classes, init=normal(1.0))
    objective = Objective(net, data, members=16)
    goal = normal_form(form, exact.unpack(exact.initial(0, [0])))
    values = {k: x for k, x in fitted.parameters.items() if not k.startswith("head.")}
    values["head.weight"] = fitted.parameters["head.0.weight"][:, :, 0]
    values["head.bias"] = fitted.parameters["head.0.bias"]
    learned = normal_form(form, values, goal)
    ends, kernels = objective.pack(learned), kernel(form, learned)

    def rows(words: str, start: Floats, end: Floats, angle: Floats) -> pd.DataFrame:
        _, loss, right = line(objective, start, end, points)
        return pd.DataFrame(
            {
                "line": words,
                "member": list(fitted.ids),
                "losses": list(loss),
                "accuracies": list(right),
                "barrier": barrier(loss),
                "cosine": angle,
                "ordered": (np.diff(learned["head.weight"], axis=1) > 0).all(axis=1),
            }
        )

    start = np.repeat(objective.pack(goal), len(ends), axis=0)
    parts = [rows(EXACT, start, ends, cosine(kernels, kernel(form, goal)))]
    if len(ends) > 1:
        # The next member of the chunk, brought nearest to this one.
        others = np.roll(np.arange(len(ends)), -1)
        nearest = [
            normal_form(
                form,
                {name: x[j : j + 1] for name, x in learned.items()},
                {name: x[k : k + 1] for name, x in learned.items()},
            )
            for k, j in enumerate(others)
        ]
        end = np.concatenate([objective.pack(solution) for solution in nearest])
        parts.append(rows(LEARNED, ends, end, cosine(kernels, kernels[others])))
    return pd.concat(parts)


@claim(PACKAGE)
def curvature(table: pd.DataFrame, profile: Curvatures) -> pd.DataFrame:
    """Curvature at the start, at learned solutions and at the exact one

    Mean over members of the loss, its gradient and its Hessian; flat: |λ| below 10⁻⁶ of the
    largest, negative: below minus that. Of the quartic form's D, 2L − 2 directions are exactly flat
    for every loss: functions of x or of y alone, of mean zero.
    """
    columns: dict[str, tuple[str, Any]] = {
        "loss (nats)": ("loss", unbounded_mean),
        "|gradient| (nats)": ("gradient", unbounded_mean),
        "lowest eigenvalue (nats)": ("lowest", unbounded_mean),
        "highest eigenvalue (nats)": ("highest", unbounded_mean),
        "share flat": ("flat", mean),
        "share negative": ("negative", mean),
    }
    return measures(where(table, kind="spectrum"), ["network", "place"], columns)


@claim(PACKAGE)
def barriers(table: pd.DataFrame, profile: Curvatures) -> pd.DataFrame:
    """Barriers on straight lines between solutions

    Highest loss on the line above that of its higher end.
    """
    rows = where(table, kind="line").assign(over=lambda rows: rows["barrier"] > 1e-6)
    rows = rows.assign(ordered=rows["ordered"].astype(bool))
    columns: dict[str, tuple[str, Any]] = {
        "barrier (nats), median": ("barrier", median),
        "share of lines with a barrier": ("over", rate),
        "cosine of the kernels": ("cosine", partial(mean, bounds=(-1.0, 1.0))),
        "share with W in the order of the classes": ("ordered", rate),
    }
    return measures(rows, ["network", "line"], columns)


def spectra(table: pd.DataFrame, profile: Curvatures) -> Figure:
    """Density of the eigenvalues of the Hessian of the training loss (stochastic Lanczos
    quadrature, bins of a quarter of a decade on either side of zero; the bin around zero is
    |λ| < 10⁻⁶), mean over members, with the number of parameters in the title. Triangles: mean
    lowest and highest eigenvalue (ARPACK).
    """
    return densities(where(table, kind="spectrum"), BINS, profile.titles)


def between_solutions(table: pd.DataFrame, profile: Curvatures) -> Figure:
    """Training loss on straight lines between solutions in normal form, median over members with
    its 95 % interval: X, window, left and right of mean zero and D without what depends on x or y
    only, head of mean zero over the classes, each node with the norm and sign, or rotation of the
    bond, nearest to the exact one.
    """
    rows = where(table, kind="line")[["network", "line", "losses"]].explode("losses")
    count = profile.lines.points
    rows["at"] = np.tile(np.linspace(0.0, 1.0, count), len(rows) // count)
    rows["losses"] = rows["losses"].astype(float)
    medians = over_members(rows, ["network", "line", "at"], "losses", median)
    return lines(
        medians, "at", "line", column="network", log="y", across=4, names=profile.titles,
        along="place t on the line", label="loss (nats), median",
    )  # fmt: skip


STUDY = Study(
    __name__,
    __doc__,
    Curvatures,
    grid,
    run,
    claims=(curvature, barriers),
    figures=(spectra, between_solutions),
    columns="measure",
)
