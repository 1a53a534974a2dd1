"""Study `disorder`: what a network keeps of its answer when the chains are disordered.

Every network is trained at one strength of disorder or on a mixture and tested
at every strength; and for every amplitude it is measured how much of it the
label explains, where in the chain, at every strength.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tnlearn.errors import ConfigError, check_choice
from tnlearn.report.study_disorder import page
from tnlearn.studies.disorder_numbers import assemble
from tnlearn.studies.profile import Profile
from tnlearn.studies.study import Study
from tnlearn.studies.tasks import Result, Task
from tnlearn.studies.trained import chunks, members_of, training_config

__all__ = ["STUDY"]

_SCHEMA = {
    "data": {"name": "str", "train": "int", "validation": "int", "test": "int"},
    "train_at": "list",
    "mixture": "list",
    "test_at": "list",
    "brief": "?list",
    "correlation": {
        "samples": "int",
        "resamples": "int",
        "edge": "number",
        "edge_states": "int",
    },
}


def tasks(profile: Profile) -> list[Task]:
    """For each training and chunk of a network a task; for each strength the amplitudes."""
    for key in ("train_at", "mixture", "test_at"):
        for strength in profile[key]:
            if not isinstance(strength, (int, float)) or strength < 0:
                raise ConfigError(f"{key} lists strengths of disorder of at least 0: {strength!r}")
    if 0 not in profile["train_at"] or 0 not in profile["test_at"]:
        raise ConfigError("train_at and test_at must hold 0: the clean chains are the reference")
    for name in profile.get("brief", ()):
        check_choice("network in brief", name, profile["networks"])
    return [*_trainings(profile), *_chains(profile)]


def trainings(profile: Profile, name: str) -> list[float | list[float]]:
    """What a network is trained on: strengths, and the mixture; `brief` ones clean and mixed."""
    single = [0.0] if name in profile.get("brief", ()) else [float(w) for w in profile["train_at"]]
    return [*single, [float(w) for w in profile["mixture"]]]


def _trainings(profile: Profile) -> Iterator[Task]:
    for name in profile["networks"]:
        for strength in trainings(profile, name):
            # Clean data has no key of disorder, so that other studies find what is trained here.
            data: dict[str, Any] = dict(profile["data"])
            if strength != 0.0:
                data["disorder"] = strength
            for offset, members in chunks(members_of(profile, name), profile["chunk"]):
                config = {
                    "name": name,
                    "trained_at": strength,
                    "training": training_config(profile, data, name, offset, members),
                    "test_at": [float(w) for w in profile["test_at"]],
                }
                at = "a mixture" if isinstance(strength, list) else f"disorder {strength:g}"
                title = f"{name} at {at}, members {offset} to {offset + members - 1}"
                yield Task("disorder-train", title, config, 10.0 * members)


def _chains(profile: Profile) -> Iterator[Task]:
    for strength in profile["test_at"]:
        data = dict(profile["data"])
        common = {"data": data, "cells": profile["cells"], "seed": profile["seed"]}
        yield Task(
            "disorder-exact",
            f"the formula at disorder {strength:g}",
            {**common, "strength": float(strength)},
            0.5,
        )
        how = profile["correlation"]
        data = {**data, "test": how["samples"]}
        yield Task(
            "disorder-correlation",
            f"amplitudes at disorder {strength:g}",
            {**common, "data": data, "strength": float(strength), **how},
            1.0,
        )


def work(task: Task, folder: Path) -> Result:
    """Do one task; torch is loaded here."""
    from tnlearn.studies.disorder_work import work as do

    return do(task, folder)


STUDY = Study(
    name="disorder",
    title="What does disorder take from a network, and from what it could rest on?",
    schema=_SCHEMA,
    tasks=tasks,
    work=work,
    assemble=assemble,
    page=page,
)
