"""Study `sizes`: trained on chains of one or several lengths, right on chains of which others?

Networks whose trained nodes are functions of position (`tnlearn.networks.position`) have the same
weights at every length.  Each is trained in several ways, with as many chains in each, and put to
chains from 12 to 400 cells: clean, disordered, complex, and with four bands.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tnlearn.data.recipes import DATASETS
from tnlearn.errors import ConfigError, check_choice
from tnlearn.report.study_sizes import page
from tnlearn.studies.profile import Profile
from tnlearn.studies.sizes_numbers import assemble
from tnlearn.studies.study import Study
from tnlearn.studies.tasks import Result, Task
from tnlearn.studies.trained import chunks, training_config

__all__ = ["STUDY"]

_SCHEMA = {
    "training": {
        "*": {
            "title": "str",
            "data": "str",
            "lengths": "list",
            "train": "int",
            "validation": "int",
            "disorder": "?number",
        }
    },
    "chains": {
        "*": {
            "title": "str",
            "data": "str",
            "lengths": "list",
            "samples": "list",
            "disorder": "?number",
            "windings": "?list",
            "trainings": "list",
        }
    },
    "goal": {"chains": "str", "accuracy": "number", "lengths": "list"},
    "learned": {"networks": "list", "training": "str", "lengths": "list"},
    "fixed": {"networks": "list", "lengths": "list"},
}


def tasks(profile: Profile) -> list[Task]:
    """Chunks of members to train; sets of chains to test all of them on; what is drawn.

    The chains of one length are drawn, and their states computed, once for all members: at 400
    cells that takes longer than the members do.
    """
    _check(profile)
    return [*_trainings(profile), *_tests(profile), *_learned(profile), _fixed(profile)]


def _check(profile: Profile) -> None:
    for name, training in profile["training"].items():
        check_choice(f"data set of [training.{name}]", training["data"], DATASETS)
        _check_lengths(f"training.{name}", training["lengths"])
    for name, chains in profile["chains"].items():
        check_choice(f"data set of [chains.{name}]", chains["data"], DATASETS)
        _check_lengths(f"chains.{name}", chains["lengths"])
        if len(chains["samples"]) != len(chains["lengths"]):
            raise ConfigError(
                f"[chains.{name}] has {len(chains['lengths'])} lengths but "
                f"{len(chains['samples'])} numbers of samples"
            )
        for training in chains["trainings"]:
            check_choice(f"training of [chains.{name}]", training, profile["training"])
    goal = profile["goal"]
    check_choice("chains of [goal]", goal["chains"], profile["chains"])
    judged = profile["chains"][goal["chains"]]["lengths"]
    if len(goal["lengths"]) != 2 or not set(goal["lengths"]) <= set(judged):
        raise ConfigError(
            f"[goal] lengths must be the first and the last of those of its chains, {judged}, "
            f"not {goal['lengths']}"
        )
    check_choice("training of [learned]", profile["learned"]["training"], profile["training"])
    for name in profile["learned"]["networks"]:
        check_choice("network of [learned]", name, profile["networks"])
    for name in profile["fixed"]["networks"]:
        check_choice("network of [fixed]", name, profile["networks"])
    _check_lengths("learned", profile["learned"]["lengths"])
    _check_lengths("fixed", profile["fixed"]["lengths"])
    if not _resized(profile):
        raise ConfigError("every network is in [fixed]: name one that is to be trained, too")


def _check_lengths(where: str, lengths: list[Any]) -> None:
    whole = all(isinstance(x, int) and not isinstance(x, bool) and x >= 4 for x in lengths)
    if not whole or lengths != sorted(set(lengths)):
        raise ConfigError(f"[{where}] lengths must be ascending numbers of cells, not {lengths}")


def _resized(profile: Profile) -> list[str]:
    """The networks that are trained: those not listed under `fixed`."""
    return [name for name in profile["networks"] if name not in profile["fixed"]["networks"]]


def _chunks(profile: Profile, name: str, training: str) -> list[dict[str, Any]]:
    """What each chunk of members of a network is trained with."""
    chosen = profile["training"][training]
    data = {
        "name": chosen["data"],
        "train": chosen["train"],
        "validation": chosen["validation"],
        "disorder": float(chosen.get("disorder", 0.0)),
    }
    return [
        training_config(profile, data, name, offset, members, cells=list(chosen["lengths"]))
        for offset, members in chunks(profile["members"], profile["chunk"])
    ]


def _trainings(profile: Profile) -> Iterator[Task]:
    for name in _resized(profile):
        for training, chosen in profile["training"].items():
            for chunk in _chunks(profile, name, training):
                last = chunk["offset"] + chunk["members"] - 1
                yield Task(
                    "sizes-train",
                    f"{name}, {chosen['title']}, members {chunk['offset']} to {last}",
                    {"network": name, "training": training, "chunk": chunk},
                    1e9 * chunk["members"],  # before the tests, which need them
                )


def _tests(profile: Profile) -> Iterator[Task]:
    for name, chains in profile["chains"].items():
        members = {
            training: {
                network: _chunks(profile, network, training) for network in _resized(profile)
            }
            for training in chains["trainings"]
        }
        for cells, samples in zip(chains["lengths"], chains["samples"], strict=True):
            config = {
                "chains": name,
                "data": chains["data"],
                "disorder": float(chains.get("disorder", 0.0)),
                "windings": chains.get("windings"),
                "cells": cells,
                "samples": samples,
                "seed": profile["seed"],
                "members": members,
            }
            yield Task(
                "sizes-test", f"{chains['title']}, {cells} cells", config, samples * cells**2
            )


def _learned(profile: Profile) -> Iterator[Task]:
    chosen = profile["learned"]
    for name in chosen["networks"]:
        chunk = _chunks(profile, name, chosen["training"])[0]
        config = {"network": name, "chunk": chunk, "lengths": chosen["lengths"]}
        yield Task("sizes-learned", f"what {name} has learned", config)


def _fixed(profile: Profile) -> Task:
    entries = {name: profile["entries"][name] for name in profile["networks"]}
    return Task(
        "sizes-fixed",
        "which networks have parameters that depend on the length",
        {"entries": entries, "lengths": profile["fixed"]["lengths"]},
    )


def work(task: Task, folder: Path) -> Result:
    """Do one task; torch is loaded here."""
    from tnlearn.studies.sizes_work import WORK

    return WORK[task.kind](task.config, folder)


STUDY = Study(
    name="sizes",
    title="Do networks trained on short chains know long ones?",
    schema=_SCHEMA,
    tasks=tasks,
    work=work,
    assemble=assemble,
    page=page,
)
