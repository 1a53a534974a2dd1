"""The study `comparison`: against a run from before it had a table, and its own parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from golden import golden
from tiny import tiny

from tnlearn.data.shifts import describe
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.lab.profile import read_profile
from tnlearn.lab.tasks import Task
from tnlearn.studies.comparison import (
    FORMULA,
    STUDY,
    Comparison,
    best_rate,
    everything,
    over_generic,
    run,
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
    found = over_generic(table, profile).set_index(["data", "shift", "network"])
    row = found.loc[("extended", "clean", "quartic")]
    runs = {r["network"]: r["accuracy"]["clean"] for r in old["runs"] if r["data"] == "extended"}
    assert row["rival"] == "cnn"
    assert row["value"] == pytest.approx(
        100 * (np.mean(runs["quartic"]) - np.mean(runs["cnn"])), abs=1e-12
    )


def test_a_rate_that_is_searched_for_is_the_best_on_validation_chains(tmp_path: Path) -> None:
    profile = tiny("comparison", tmp_path)
    task = next(t for t in STUDY.tasks(profile) if t.labels.get("network") == "quartic")
    assert task.config["lr"] is None
    assert best_rate(task, profile, tmp_path) in profile.search.rates
    rows = run(task, profile, tmp_path)
    assert set(rows["kind"]) == {"test", "curve", "rank", "node"}
    assert set(rows["lr"].dropna()) == {best_rate(task, profile, tmp_path)}
    ranks = rows[rows["kind"] == "rank"].groupby("rank")["accuracy"].mean()
    clean = rows[(rows["kind"] == "test") & (rows["shift"] == "clean")]
    assert len(ranks) == 9
    assert ranks[8] == pytest.approx(clean["accuracy"].mean())


def test_a_network_that_knows_its_length_has_no_value_at_another(tmp_path: Path) -> None:
    profile = tiny("comparison", tmp_path)
    task = next(t for t in STUDY.tasks(profile) if t.labels.get("network") == "cnn")
    rows = run(task, profile, tmp_path)
    longer = rows[rows["shift"] == "size-2x"]
    assert longer["accuracy"].isna().all()
    assert len(longer) == 2


def test_the_formula_is_put_to_every_shift(tmp_path: Path) -> None:
    profile = tiny("comparison", tmp_path)
    task: Task = next(t for t in STUDY.tasks(profile) if t.kind == "formula")
    rows = run(task, profile, tmp_path)
    assert len(rows) == 3 * 3
    assert rows["accuracy"].between(0.5, 1.0).all()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"search": None}, ConfigError, r"entries.quartic.lr is 'search'"),
        (
            {"pruning": {"data": "extended", "networks": [], "node": "D"}},
            UnknownNameError,
            r"data set in \[pruning\]",
        ),
        (
            {"pruning": {"data": "ssh", "networks": ["mlp"], "node": "D"}},
            UnknownNameError,
            r"network in \[pruning\]",
        ),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        tiny("comparison", tmp_path, **change)
