"""The study `samples`: its grid, its budgets, and the findings that were kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from golden import compare, golden, profile_of
from tiny import tiny

from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.lab.ensembles import chains
from tnlearn.studies.samples import STUDY, Samples, epochs_at


def table_of(old: dict[str, Any]) -> pd.DataFrame:
    """The table of the results that were kept."""
    return pd.DataFrame(
        {
            "network": row["network"],
            "size": row["size"],
            "budget": row["budgets"][0],
            "shift": shift,
            "member": member,
            "accuracy": accuracy,
            "validation": validation,
        }
        for row in old["rows"]
        for shift in old["config"]["shifts"]
        for member, (accuracy, validation) in enumerate(
            zip(row["accuracy"][shift], row["validation"], strict=True)
        )
    )


def test_findings_and_verdicts_are_those_that_were_kept() -> None:
    old = golden("samples")
    verdicts = STUDY.decide(table_of(old), profile_of(STUDY, old))
    assert compare(verdicts, old, {"beats-cnn-resnet": ["network", "rival", "shift", "size"]}) == 12
    assert compare(verdicts, old, {"accurate-symmetric-generic": ["network", "shift", "size"]}) == 2


@pytest.mark.parametrize("size", [100, 250, 4000, 9000])
def test_the_steps_are_as_many_at_every_number_of_chains(size: int) -> None:
    epochs = epochs_at(36, 4000, size, 2)
    assert epochs * size == pytest.approx(36 * 4000, rel=0.5 * size / (36 * 4000) + 1e-9)
    assert epochs_at(36, 4000, 10**6, 3) == 3


def test_fewer_chains_are_the_first_of_more() -> None:
    config = {"data": {"name": "ssh"}, "cells": 8, "seed": 0}
    few, many = (chains(config, "train", samples=n) for n in (10, 25))
    assert np.array_equal(few.states.u, many.states.u[:10])
    assert np.array_equal(few.labels, many.labels[:10])


def test_tasks_have_their_members_budgets_and_sizes(tmp_path: Path) -> None:
    profile = tiny("samples", tmp_path, few={"linear": [64]})
    count: dict[Any, int] = {}
    for task in STUDY.tasks(profile):
        key = *task.labels.values(), task.config["epochs"]
        count[key] = count.get(key, 0) + task.config["members"]
        assert task.config["data"]["train"] == task.labels["size"]
    assert count == {
        ("symmetric-dense", 32, "steps", 8): 2,  # as many steps as on 64 chains
        ("symmetric-dense", 32, "epochs", 4): 2,
        ("symmetric-dense", 64, "steps", 4): 3,  # both are the same training
        ("symmetric-dense", 64, "epochs", 4): 3,
        ("linear", 64, "steps", 4): 3,
        ("linear", 64, "epochs", 4): 3,
    }


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"rivals": ["cnn"]}, UnknownNameError, "network in 'rivals'"),
        ({"sizes": [8]}, ConfigError, "at least the batch size 16"),
        ({"sizes": [32.5]}, ConfigError, r"Expected `int`, got `float` - at `sizes"),
        ({"few": {"linear": 64}}, ConfigError, "Expected `array`, got `int` - at `few"),
        ({"few": {"linaer": [64]}}, UnknownNameError, "did you mean 'linear'"),
        ({"budgets": ["epoch"]}, ConfigError, "Invalid enum value 'epoch'"),
        ({"margni": 3.0}, ConfigError, "did you mean 'margin'"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, change: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        tiny("samples", tmp_path, **change)


@pytest.mark.parametrize("name", ["quick", "hour", "paper"])
def test_ours_and_the_rivals_meet_at_the_reference(name: str) -> None:
    from tnlearn.lab.profile import read_profile

    profile = read_profile(Samples, "samples", name)
    reference = [t.labels["network"] for t in STUDY.tasks(profile) if t.labels["size"] == 4000]
    assert {*profile.ours, *profile.rivals} <= set(reference)
