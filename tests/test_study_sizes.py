"""The study `sizes`: its grid, what it knows of lengths, and the findings that were kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from golden import compare, golden, profile_of
from tiny import tiny

from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.lab.ensembles import trained
from tnlearn.studies.sizes import STUDY, accuracies, run


def table_of(old: dict[str, Any]) -> pd.DataFrame:
    """The table of the results that were kept."""
    parts = []
    for chains, test in old["tests"].items():
        for training, networks in test["accuracy"].items():
            for network, lists in networks.items():
                for cells, samples, values in zip(
                    test["lengths"], test["samples"], lists, strict=True
                ):
                    labels = {"chains": chains, "training": training, "network": network}
                    labels |= {"cells": cells, "samples": samples, "kind": "test"}
                    parts.append(pd.DataFrame({**labels, "accuracy": values}))
    fixed = [
        {"network": name, "kind": "fixed", "any_length": about["any_length"]}
        for name, about in old["fixed"].items()
    ]
    return pd.concat([*parts, pd.DataFrame(fixed)], ignore_index=True)


def test_findings_and_verdicts_are_those_that_were_kept() -> None:
    old = golden("sizes")
    verdicts = STUDY.decide(table_of(old), profile_of(STUDY, old))
    assert [v.word for v in verdicts.values()] == ["depends on", "depends on"]
    rows = verdicts["sizes"].rows
    assert (rows["chains"] == "of one length").sum() == 8
    verdicts["sizes"] = replace(verdicts["sizes"], rows=rows[rows["chains"] != "of one length"])
    labels = ["network", "training", "chains", "cells"]
    assert compare(verdicts, old, {"sizes": labels}) == 39
    assert compare(verdicts, old, {"position-nodes": labels}) == 30
    assert verdicts["position-nodes"].counts == {
        "position": (1, 1),
        "position-short": (0, 1),
        "position-lowrank": (1, 1),
    }


def test_members_are_trained_at_all_lengths_and_tested_at_others(tmp_path: Path) -> None:
    profile = tiny("sizes", tmp_path, members=2)
    tasks = STUDY.tasks(profile)
    first = next(task for task in tasks if task.kind == "train")
    fitted = trained(first.config, tmp_path)
    assert first.config["cells"] == [8, 10]
    test = next(task for task in tasks if task.labels.get("cells") == 16)
    rows = run(test, profile, tmp_path).assign(**test.labels)
    assert {"formula, open", "formula, periodic", "position", "low"} == set(rows["network"])
    found = accuracies(rows)
    ours = rows[(rows["network"] == "position") & (rows["training"] == "two")]
    mean = found.set_index(["training", "network"])["value"]["two", "position"]
    assert mean == pytest.approx(ours["accuracy"].mean())
    assert len(ours) == len(fitted.ids) == 2


def test_which_networks_know_their_length(tmp_path: Path) -> None:
    profile = tiny("sizes", tmp_path)
    fixed = [task for task in STUDY.tasks(profile) if task.kind == "fixed"]
    known = {task.labels["network"]: run(task, profile, tmp_path).iloc[0] for task in fixed}
    assert {name: row["any_length"] for name, row in known.items()} == {
        "position": True,
        "low": True,
        "quartic": False,
        "cnn": False,
    }
    assert known["quartic"]["because"] == "D"


@pytest.mark.parametrize("network", ["position", "low"])
def test_the_exact_d_is_drawn_beside_the_learned(network: str, tmp_path: Path) -> None:
    profile = tiny("sizes", tmp_path)
    task = next(
        t for t in STUDY.tasks(profile) if t.kind == "learned" and t.labels["network"] == network
    )
    rows = run(task, profile, tmp_path).set_index(["cells", "matrix"])["D"]
    exact = np.array(rows[8, "exact D"])
    x = np.arange(8)
    # D_xy = (x - y) window(y) / L', in units of its largest entry
    inside = exact.any(axis=0)
    d = (x[:, None] - x[None, :]) * inside
    assert np.allclose(exact, d / np.abs(d).max(), atol=2e-3)
    assert np.array(rows[12, "D 1"]).shape == (12, 12)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"goal": {"chains": "clean", "accuracy": 0.6, "lengths": [10, 17]}}, ConfigError, "goal"),
        (
            {"goal": {"chains": "claen", "accuracy": 0.6, "lengths": [10, 16]}},
            UnknownNameError,
            "cl",
        ),
        ({"fixed": {"networks": ["mlp"], "lengths": [8, 12]}}, UnknownNameError, r"of \[fixed\]"),
        (
            {"fixed": {"networks": ["position", "low", "quartic", "cnn"], "lengths": [8, 12]}},
            ConfigError,
            "every network is in",
        ),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        tiny("sizes", tmp_path, **change)
