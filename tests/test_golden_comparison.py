"""The findings that were kept of the study `comparison`, from before it had a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from golden import golden

from tnlearn.data.shifts import describe
from tnlearn.lab.profile import read_profile
from tnlearn.studies.comparison import (
    FORMULA,
    Comparison,
    everything,
    formula_networks_ahead,
)


def table_of(old: dict[str, Any]) -> pd.DataFrame:
    """The tests of a run that was kept."""
    rows: list[dict[str, Any]] = []
    for one in old["runs"]:
        for shift, values in one["accuracy"].items():
            rows += [
                {"kind": "test", "data": one["data"], "network": one["network"], "shift": shift,
                 "member": k, "accuracy": np.nan if v is None else v}
                for k, v in enumerate(values or [None] * one["members"])
            ]  # fmt: skip
    for data, levels in old["exact"].items():
        rows += [
            {"kind": "formula", "data": data, "network": FORMULA, "shift": s, "accuracy": v}
            for s, v in levels.items()
        ]
    return pd.DataFrame(rows)


def test_the_numbers_are_those_of_the_run_that_was_kept() -> None:
    old = golden("comparison")
    profile = read_profile(Comparison, "comparison", "quick")
    table = table_of(old)
    wide = everything(table, profile).set_index(["network", "data"])
    clean = describe("clean").title
    assert wide.loc[("RSWN quartic", "extended"), clean].startswith("0.990 ± 0.00")
    assert wide.loc[("CNN", "extended"), describe("size-2x").title] == ""
    found = formula_networks_ahead.findings(table, profile).set_index(["data", "shift", "network"])
    row = found.loc[("extended", "clean", "quartic")]
    runs = {r["network"]: r["accuracy"]["clean"] for r in old["runs"] if r["data"] == "extended"}
    assert row["rival"] == "cnn"
    assert row["value"] == pytest.approx(
        100 * (np.mean(runs["quartic"]) - np.mean(runs["cnn"])), abs=1e-12
    )
