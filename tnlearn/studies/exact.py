"""Study `exact`: how precisely the untrained networks give the winding number.

Two distances are measured, and they are different questions:

- from the network to the formula: every form of the RSWN, in single and double precision, against
  the trace of the formula written out with 2L-dimensional matrices (numpy, no network involved);
- from the formula to the integer invariant of the same chain: the share of chains for which
  rounding W gives the integer, open and on a ring, against length and disorder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tnlearn.data.generate import dataset
from tnlearn.lab.ensembles import part_seed
from tnlearn.lab.profile import Amount, Count, Settings, Share
from tnlearn.lab.study import Picture, Study, Verdicts
from tnlearn.lab.tasks import Task
from tnlearn.models.rswn import FORMS, rswn
from tnlearn.physics.blocks import window_cells
from tnlearn.physics.winding import winding
from tnlearn.report.claims import PACKAGE, PAPER, Claim
from tnlearn.report.figures import Figure, lines
from tnlearn.report.stats import rate
from tnlearn.report.table import Row

# Sums of L⁴ rounded products stay well below this for the lengths of the profiles.
ROUNDING = 1e-11
# Share of chains whose rounded formula is the integer that counts as "always".
ALWAYS = 0.99


class Exact(Settings, kw_only=True):
    """What the study runs on: data sets, lengths in cells, strengths of disorder."""

    data: list[str]
    lengths: list[Count]
    disorders: list[Amount]
    samples: Count  # chains of each
    window: Share  # of the cells of an open chain that is traced over


def trace_formula(u: npt.NDArray[Any], v: npt.NDArray[Any], window: float) -> npt.NDArray[Any]:
    """W of open chains by the matrices of the formula, (samples,).

        W = (1/L') Tr{ P_B Q P_A [X, P_A Q P_B] window },  Q = Σ_n ψ_n ψ_n† − φ_n φ_n†,

    with ψ_n = (u_n, v_n)/√2 and φ_n = (u_n, −v_n)/√2, in (A; B) order
    (arXiv:2509.26261, its sublattice names exchanged).

    Parameters
    ----------
    u, v
        States (samples, states, cells).
    window
        Share of the cells whose B sites are traced over.
    """
    cells = u.shape[-1]
    upper, lower = np.concatenate([u, v], axis=-1), np.concatenate([u, -v], axis=-1)
    filled = np.einsum("snx,sny->sxy", upper, upper.conj())
    empty = np.einsum("snx,sny->sxy", lower, lower.conj())
    q = (filled - empty) / 2
    sites = np.arange(2 * cells)
    in_a, in_b = np.diag(sites < cells).astype(float), np.diag(sites >= cells).astype(float)
    x = np.diag(sites % cells).astype(float)
    kept = np.concatenate([np.zeros(cells), window_cells(cells, window)])
    block = in_a @ q @ in_b
    product = in_b @ q @ in_a @ (x @ block - block @ x)
    return np.asarray((np.einsum("sii,i->s", product, kept) / kept.sum()).real)


def grid(profile: Exact) -> Iterator[Task]:
    """A task for each data set, length and strength of disorder."""
    for data in profile.data:
        for cells in profile.lengths:
            for disorder in profile.disorders:
                labels = {"data": data, "cells": cells, "disorder": float(disorder)}
                yield Task(labels, {}, kind="precision", weight=cells**2)


def run(task: Task, profile: Exact, store: Path) -> pd.DataFrame:
    """Every form against the trace formula, and the formula against the integer.

    A row a form and precision with the largest and the median deviation; a row a boundary with
    the chains of which the rounded formula is the integer.
    """
    cells = task.labels["cells"]
    data = dataset(
        task.labels["data"],
        cells=cells,
        samples=profile.samples,
        disorder=task.labels["disorder"],
        seed=part_seed(profile.seed, "test"),
    )
    double = data.states.astype("float64")
    truth = trace_formula(double.u, double.v, profile.window)
    rows: list[Row] = []
    for form in FORMS:
        network = rswn(cells, form=form, window=profile.window)
        for precision in ("float64", "float32"):
            values = np.asarray(network(data.states.astype(precision)), dtype=np.float64)
            away = np.abs(values - truth)
            largest, median = away.max(), np.median(away)
            rows.append(
                {"form": form, "precision": precision, "largest": largest, "median": median}
            )
    ring = winding(data.chains, "rswn", boundary="periodic").value
    for boundary, values in (("open", truth), ("ring", ring)):
        right = int((np.abs(values - data.windings) < 0.5).sum())
        rows.append({"boundary": boundary, "right": right, "chains": len(data)})
    return pd.DataFrame(rows)


def deviations(table: pd.DataFrame, profile: Exact) -> pd.DataFrame:
    """The largest deviation from the trace formula, of all forms, in each precision."""
    rows = table[table["form"].notna()]
    found = rows.groupby("precision", sort=False)["largest"].max().rename("value").reset_index()
    members = profile.samples * len(profile.data) * len(profile.lengths) * len(profile.disorders)
    return found.assign(low=np.nan, high=np.nan, members=members)


def rounded(table: pd.DataFrame, profile: Exact) -> pd.DataFrame:
    """The share of chains whose rounded formula is their integer; members are chains."""
    rows = table[table["boundary"].notna()]
    return pd.DataFrame(
        {key: row[key] for key in ("boundary", "data", "cells", "disorder")}
        | rate(np.arange(int(row["chains"])) < row["right"])
        for row in rows.to_dict("records")
    )


def precision(table: pd.DataFrame, profile: Exact, verdicts: Verdicts) -> Figure:
    """Largest deviation of each form against length, a panel a precision."""
    rows = table[table["form"].notna()]
    largest = rows.groupby(["precision", "form", "cells"], sort=False)["largest"].max()
    found = largest.rename("value").reset_index().assign(low=np.nan, high=np.nan)
    # Set a little apart, as the forms lie on one another.
    found["cells"] *= 1 + 0.02 * found["form"].map({f: n - 1.5 for n, f in enumerate(FORMS)})
    return lines(
        found,
        "cells",
        "form",
        column="precision",
        labels=("unit cells", "largest |network − trace formula|"),
        names={"float64": "double precision", "float32": "single precision"},
        log="xy",
    )


def shares(table: pd.DataFrame, profile: Exact, verdicts: Verdicts) -> Figure:
    """Share of chains whose rounded formula is the integer, against length."""
    return lines(
        verdicts["exact-rounds"].rows,
        "cells",
        "disorder",
        "data",
        "boundary",
        labels=("unit cells", "share rounded to the integer"),
        names={
            **{s: f"disorder {s:g}" for s in profile.disorders},
            "open": f"open, window {profile.window:g}",
        },
        log="x",
    )


STUDY = Study(
    name="exact",
    question="How precisely does the untrained network give the invariant?",
    profile=Exact,
    grid=grid,
    run=run,
    claims=(
        Claim(
            "exact-precise",
            "The network expresses the winding number exactly.",
            PAPER,
            "largest |network − trace formula| of all forms and chains",
            deviations,
            lambda rows, p: (
                (rows["value"] <= ROUNDING).astype("boolean").where(rows["precision"] == "float64")
            ),
            condition="The formula is meant: a real number on a finite open chain, no integer.",
        ),
        Claim(
            "exact-rounds",
            "Rounded, the formula of a finite chain is its integer invariant.",
            PACKAGE,
            "share of chains whose rounded formula is the integer (members are chains)",
            rounded,
            lambda rows, p: rows["low"] >= ALWAYS,
            condition=f"Holds where the interval is above {ALWAYS:g}.",
            by="boundary",
        ),
    ),
    figures=(
        Picture(
            "precision",
            "Largest deviation of the four networks from the trace formula, over all chains.",
            precision,
        ),
        Picture(
            "rounding",
            "Share of chains for which rounding the real winding number gives the integer of the "
            "same chain (Wilson's interval).",
            shares,
        ),
    ),
    columns="cells",
)
