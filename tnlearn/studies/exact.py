"""How precisely does the untrained network give the invariant?

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
from tnlearn.lab.job import Task
from tnlearn.lab.profile import Amount, Count, Settings, Share
from tnlearn.lab.study import Study
from tnlearn.models.rswn import FORMS, rswn
from tnlearn.physics.blocks import window_cells
from tnlearn.physics.winding import winding
from tnlearn.report.claims import PACKAGE, PAPER, at_least, claim, decided
from tnlearn.report.figures import Figure, lines
from tnlearn.report.stats import share
from tnlearn.report.table import Row

# Sums of L⁴ rounded products stay well below this for the lengths of the profiles.
ROUNDING = 1e-11


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
    seed = part_seed(profile.seed, "test")
    data = dataset(
        task.labels["data"], task.labels["cells"], profile.samples, task.labels["disorder"], seed
    )
    double = data.states.astype("float64")
    truth = trace_formula(double.u, double.v, profile.window)
    rows: list[Row] = []
    for form in FORMS:
        network = rswn(task.labels["cells"], form=form, window=profile.window)
        for precision in ("float64", "float32"):
            values = np.asarray(network(data.states.astype(precision)), dtype=np.float64)
            away = np.abs(values - truth)
            of = {"form": form, "precision": precision}
            rows.append({**of, "largest": away.max(), "median": np.median(away)})
    ring = winding(data.chains, "rswn", boundary="periodic").value
    for boundary, values in (("open", truth), ("ring", ring)):
        right = int((np.abs(values - data.windings) < 0.5).sum())
        rows.append({"boundary": boundary, "right": right, "chains": len(data)})
    return pd.DataFrame(rows)


def to_rounding(rows: pd.DataFrame, profile: Exact) -> pd.Series:
    """Holds where double precision is exact to rounding; single precision decides nothing."""
    double, near = rows["precision"] == "float64", rows["value"] <= ROUNDING
    return decided(double & near, double & ~near)


@claim(PAPER, to_rounding)
def exact_precise(table: pd.DataFrame, profile: Exact) -> pd.DataFrame:
    """The network expresses the winding number exactly.

    Largest |network − trace formula| of all forms and chains.

    The formula is meant: a real number on a finite open chain, no integer.
    """
    rows = table[table["form"].notna()]
    largest = rows.groupby("precision", sort=False)["largest"].max().rename("value").reset_index()
    members = profile.samples * len(profile.data) * len(profile.lengths) * len(profile.disorders)
    return largest.assign(low=np.nan, high=np.nan, members=members)


@claim(PACKAGE, at_least(0.99), by="boundary")
def exact_rounds(table: pd.DataFrame, profile: Exact) -> pd.DataFrame:
    """Rounded, the formula of a finite chain is its integer invariant.

    Share of chains whose rounded formula is the integer (members are chains).

    Holds where the interval is above 0.99.
    """
    rows = table[table["boundary"].notna()]
    return pd.DataFrame(
        {key: row[key] for key in ("boundary", "data", "cells", "disorder")}
        | share(int(row["right"]), int(row["chains"]))
        for row in rows.to_dict("records")
    )


def precision(table: pd.DataFrame, profile: Exact) -> Figure:
    """Largest deviation of the four networks from the trace formula, over all chains."""
    rows = table[table["form"].notna()]
    largest = rows.groupby(["precision", "form", "cells"], sort=False)["largest"].max()
    rows = largest.rename("value").reset_index().assign(low=np.nan, high=np.nan)
    # Set a little apart, as the forms lie on one another.
    rows["cells"] *= 1 + 0.02 * rows["form"].map({f: n - 1.5 for n, f in enumerate(FORMS)})
    return lines(
        rows, "cells", "form", column="precision", label="largest |network − trace formula|",
        names={"float64": "double precision", "float32": "single precision"}, log="xy",
    )  # fmt: skip


@exact_rounds.picture
def rounding(rows: pd.DataFrame, profile: Exact) -> Figure:
    """Share of chains for which rounding the real winding number gives the integer of the same
    chain (Wilson's interval).
    """
    names: dict[Any, str] = {s: f"disorder {s:g}" for s in profile.disorders}
    names["open"] = f"open, window {profile.window:g}"
    label = "share rounded to the integer"
    return lines(rows, "cells", "disorder", "data", "boundary", label=label, names=names, log="x")


STUDY = Study(
    __name__,
    __doc__,
    Exact,
    grid,
    run,
    claims=(exact_precise, exact_rounds),
    figures=(precision, rounding),
    columns="cells",
)
