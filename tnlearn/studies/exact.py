"""Study `exact`: how precisely the untrained networks give the winding number.

Two distances are measured, and they are different questions:

- from the network to the formula: every form of the RSWN, in single and double
  precision, against the trace of the formula written out with 2L-dimensional
  matrices (numpy, states from the SVD of h, no network involved);
- from the formula to the integer invariant of the same sample: |W − n| and the
  share of chains for which rounding W gives n, open and on a ring, against
  length and disorder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.data.dataset import Dataset
from tnlearn.models.rswn import FORMS, rswn
from tnlearn.physics.geometry import window_cells
from tnlearn.physics.invariants import winding
from tnlearn.report.statistics import wilson
from tnlearn.report.study_exact import page
from tnlearn.studies.members import data_set, part_seed
from tnlearn.studies.profile import Profile
from tnlearn.studies.study import Study
from tnlearn.studies.tasks import Result, Task

__all__ = ["STUDY", "trace_formula"]

Floats = npt.NDArray[np.float64]

# Sums of L⁴ rounded products stay well below this for the lengths of the profiles.
_ROUNDING = 1e-11

_SCHEMA = {
    "data": "list",
    "lengths": "list",
    "disorders": "list",
    "samples": "int",
    "window": "number",
}


def trace_formula(u: npt.NDArray[Any], v: npt.NDArray[Any], window: float) -> Floats:
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


def tasks(profile: Profile) -> list[Task]:
    """One task a data set, length and strength of disorder."""
    return [
        Task(
            "exact-precision",
            f"{data}, {cells} cells, disorder {disorder:g}",
            {
                "data": data,
                "cells": cells,
                "disorder": disorder,
                "samples": profile["samples"],
                "seed": profile["seed"],
                "window": profile["window"],
            },
            weight=cells**2,
        )
        for data in profile["data"]
        for cells in profile["lengths"]
        for disorder in profile["disorders"]
    ]


def work(task: Task, folder: Path) -> Result:
    """Every form against the trace formula, and the formula against the integer."""
    config = task.config
    data = data_set(
        config["data"],
        config["cells"],
        config["samples"],
        float(config["disorder"]),
        part_seed(config["seed"], "test"),
    )
    window = config["window"]
    double = data.states.astype("float64")
    truth = trace_formula(double.u, double.v, window)
    deviation = {}
    for form in FORMS:
        network = rswn(config["cells"], form=form, window=window)
        for precision in ("float64", "float32"):
            given = double if precision == "float64" else data.states.astype("float32")
            away = np.abs(np.asarray(network(given), dtype=np.float64) - truth)
            deviation[f"{form}, {precision}"] = {"largest": away.max(), "median": np.median(away)}
    return {"deviation": deviation, "open": _rounded(data, truth), "ring": _ring(data)}


def _rounded(data: Dataset, values: Floats) -> Result:
    """How far W is from the integer, on all samples and on the unambiguous ones."""
    found: dict[str, Any] = {}
    for name, chosen in (("all", np.full(len(data), True)), ("clear", ~data.ambiguous)):
        away = np.abs(values - data.windings)[chosen]
        found[name] = {
            "samples": int(chosen.sum()),
            "right": int((away < 0.5).sum()),
            "median": float(np.median(away)) if len(away) else None,
            "largest": float(away.max()) if len(away) else None,
        }
    return found


def _ring(data: Dataset) -> Result:
    return _rounded(data, winding(data.chains, "rswn", boundary="periodic").value)


def assemble(profile: Profile, done: list[tuple[Task, Result]]) -> dict[str, Any]:
    """Rows for the figures, and what the claim about precision rests on."""
    rows = [
        {key: task.config[key] for key in ("data", "cells", "disorder")} | result
        for task, result in done
    ]
    findings = []
    for precision in ("float64", "float32"):
        values = [
            row["deviation"][f"{form}, {precision}"]["largest"] for row in rows for form in FORMS
        ]
        findings.append(
            {
                "claim": "exact-precise",
                "name": f"largest |network − trace formula|, all forms, {precision}",
                "network": "RSWN, untrained",
                "data": ", ".join(profile["data"]),
                "value": max(values),
                "low": None,
                "high": None,
                "members": profile["samples"] * len(rows),
                "unit": "",
                "condition": f"lengths {_listed(profile['lengths'])}, "
                f"disorder {_listed(profile['disorders'])}; members counts chains",
            }
        )
    for row in rows:
        for boundary in ("open", "ring"):
            found = row[boundary]["all"]
            low, high = wilson(found["right"], found["samples"])
            findings.append(
                {
                    "claim": "exact-precise",
                    "name": f"rounded W is the sample's integer, {boundary}",
                    "network": "RSWN, untrained",
                    "data": row["data"],
                    "value": found["right"] / found["samples"],
                    "low": low,
                    "high": high,
                    "members": found["samples"],
                    "cells": row["cells"],
                    "disorder": row["disorder"],
                    "boundary": boundary,
                    "condition": f"{row['cells']} cells, disorder {row['disorder']:g}, {boundary}"
                    + (f", window {profile['window']:g}" if boundary == "open" else "")
                    + "; members counts chains",
                }
            )
    return {"rows": rows, "findings": findings, "verdicts": [_verdict(findings)]}


def _verdict(findings: list[dict[str, Any]]) -> dict[str, Any]:
    """Exact where double precision leaves nothing but rounding."""
    double = next(f["value"] for f in findings if "float64" in f["name"])
    clean = [f for f in findings if f.get("boundary") == "open" and f["disorder"] == 0]
    worst = min(clean, key=lambda f: f["value"]) if clean else None
    because = f"All forms agree with the trace formula to {double:.1e} in double precision."
    if worst:
        because += (
            f" The formula is a real number, though: on open chains without disorder its rounding "
            f"is the integer for {100 * worst['value']:.1f} % [{100 * worst['low']:.1f}, "
            f"{100 * worst['high']:.1f}] of the {worst['data']} chains of {worst['cells']} cells "
            "(the worst case measured)"
        )
    return {
        "claim": "exact-precise",
        "verdict": "supported" if double <= _ROUNDING else "not supported",
        "condition": "the formula is meant, a real number on a finite open chain, not the integer",
        "because": because,
    }


def _listed(values: list[Any]) -> str:
    return ", ".join(f"{value:g}" for value in values)


STUDY = Study(
    name="exact",
    title="How precisely does the untrained network give the invariant?",
    schema=_SCHEMA,
    tasks=tasks,
    work=work,
    assemble=assemble,
    page=page,
)
