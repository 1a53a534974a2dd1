"""The study `samples`: its grid, and its budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import tiny

from tnlearn.lab.ensembles import chains
from tnlearn.lab.profile import read_profile
from tnlearn.studies.samples import STUDY, Samples, epochs_at


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


@pytest.mark.parametrize("name", ["quick", "hour", "paper"])
def test_ours_and_the_rivals_meet_at_the_reference(name: str) -> None:
    profile = read_profile(Samples, "samples", name)
    reference = [t.labels["network"] for t in STUDY.tasks(profile) if t.labels["size"] == 4000]
    assert {*profile.ours, *profile.rivals} <= set(reference)
