"""Study `trainability`: from which starts, and how, each form of the winding number is learned.

Success over initialisation scale and learning rate; the basin of the exact solution;
gradients against length; curvature; the loss between solutions; and what makes the
operator form train as reliably as the quartic one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tnlearn.errors import ConfigError, check_choice
from tnlearn.models.rswn import FORMS
from tnlearn.report.study_trainability import page
from tnlearn.studies.profile import Profile
from tnlearn.studies.results import Result, Task
from tnlearn.studies.study import Study
from tnlearn.studies.trainability_numbers import assemble
from tnlearn.studies.trainability_work import WORK
from tnlearn.studies.trained import chunks, training_config

__all__ = ["STUDY"]

_MAP = {
    "title": "str",
    "networks": "list",
    "scales": "list",
    "rates": "list",
    "threshold": "number",
    "epochs": "int",
    "members": "?int",
}
_SCHEMA = {
    "data": {
        "name": "str",
        "train": "int",
        "validation": "int",
        "test": "int",
        "disorder": "?number",
    },
    "shifts": "list",
    "maps": {"*": _MAP},
    # Which of the maps' networks are compared for what.
    "verdicts": {
        "exact": "list",
        "others": "list",
        "map": "str",
        "plain": "str",
        "mended": "str",
        "reference": "str",
        "margin": "number",
        "own": "number",
    },
    "basin": {
        "forms": "list",
        "noises": "list",
        "members": "int",
        "epochs": "int",
        "rate": "number",
        "threshold": "number",
    },
    "gradient": {
        "networks": "list",
        "lengths": "list",
        "members": "int",
        "samples": "int",
        "scale": "number",
    },
    "spectrum": {
        "networks": "list",
        "members": "int",
        "samples": "int",
        "ends": "int",
        "probes": "int",
        "steps": "int",
    },
    "lines": {"networks": "list", "members": "int", "samples": "int", "points": "int"},
}


def tasks(profile: Profile) -> list[Task]:
    """Ensemble chunks: of each cell row of a map, each noise, length, network."""
    _check(profile)
    return [
        *_maps(profile),
        *_basin(profile),
        *_gradients(profile),
        *_solutions(profile),
    ]


def _check(profile: Profile) -> None:
    networks = profile["networks"]
    for name, chosen in profile["maps"].items():
        for network in chosen["networks"]:
            check_choice(f"network in [maps.{name}]", network, networks)
        for key in ("scales", "rates"):
            if not all(isinstance(x, (int, float)) and x > 0 for x in chosen[key]):
                raise ConfigError(
                    f"[maps.{name}] {key} must be positive numbers, not {chosen[key]}"
                )
    for key in ("gradient", "spectrum", "lines"):
        for network in profile[key]["networks"]:
            check_choice(f"network in [{key}]", network, networks)
    for form in profile["basin"]["forms"]:
        check_choice("form in [basin]", form, FORMS)
    for network in profile["lines"]["networks"]:
        if not one_channel_entry(profile["entries"][network]):
            raise ConfigError(
                f"[lines] is for rswn networks with one channel and an affine head, which hold the "
                f"exact solution; {network!r} is none"
            )
    verdicts = profile["verdicts"]
    check_choice("map in [verdicts]", verdicts["map"], list(profile["maps"]))
    judged = profile["maps"][verdicts["map"]]["networks"]
    for role in ("plain", "mended", "reference"):
        check_choice(f"{role} in [verdicts]", verdicts[role], judged)
    mapped = {name for chosen in profile["maps"].values() for name in chosen["networks"]}
    for role in ("exact", "others"):
        for network in verdicts[role]:
            check_choice(f"network in [verdicts] {role}", network, sorted(mapped))


def one_channel_entry(entry: Mapping[str, Any]) -> bool:
    """Whether an entry is an RSWN whose parameters hold the exact solution."""
    return (
        entry["kind"] == "rswn"
        and "channels" not in entry
        and not entry.get("hidden")
        and "structure" not in entry
        and "nodes" in entry.get("free", {})
    )


def _training(profile: Profile) -> dict[str, Any]:
    return {key: profile[key] for key in ("cells", "seed", "batch_size", "batches", "data")}


def _maps(profile: Profile) -> Iterator[Task]:
    for name, chosen in profile["maps"].items():
        total = chosen.get("members", profile["members"])
        for network in chosen["networks"]:
            entry = profile["entries"][network]
            for scale in chosen["scales"]:
                for offset, members in chunks(total, profile["chunk"]):
                    config = {
                        **training_config(
                            profile,
                            profile["data"],
                            network,
                            offset,
                            members,
                            lr=[float(x) for x in chosen["rates"]],
                            epochs=chosen["epochs"],
                        ),
                        "scale": float(scale),
                        "shifts": profile["shifts"],
                    }
                    title = f"map {name}: {entry['title']}, scale {scale:g}"
                    weight = 1.0 * members * len(chosen["rates"]) * chosen["epochs"]
                    yield Task("trainability-map", title, config, weight)


def _basin(profile: Profile) -> Iterator[Task]:
    basin = profile["basin"]
    for form in basin["forms"]:
        for noise in basin["noises"]:
            for offset, members in chunks(basin["members"], profile["chunk"]):
                config = {
                    **_training(profile),
                    "form": form,
                    "noise": float(noise),
                    "members": members,
                    "offset": offset,
                    "epochs": basin["epochs"],
                    "lr": basin["rate"],
                }
                title = f"basin: {form}, noise {noise:g}"
                yield Task("trainability-basin", title, config, 1.0 * members * basin["epochs"])


def _gradients(profile: Profile) -> Iterator[Task]:
    chosen = profile["gradient"]
    for network in chosen["networks"]:
        entry = profile["entries"][network]
        for cells in chosen["lengths"]:
            config = {
                "network": training_config(profile, profile["data"], network, 0, 1)["network"],
                "data": profile["data"]["name"],
                "cells": cells,
                "seed": profile["seed"],
                **{key: chosen[key] for key in ("members", "samples", "scale")},
            }
            title = f"gradient: {entry['title']}, {cells} cells"
            yield Task("trainability-gradient", title, config, cells**2 / 10)


def _solutions(profile: Profile) -> Iterator[Task]:
    """Curvature at solutions and lines between them: both ask the same trained members."""
    for key, kind in (("spectrum", "trainability-spectrum"), ("lines", "trainability-lines")):
        chosen = profile[key]
        for network in chosen["networks"]:
            entry = profile["entries"][network]
            for offset, members in chunks(chosen["members"], profile["chunk"]):
                training = training_config(profile, profile["data"], network, offset, members)
                asked = {k: x for k, x in chosen.items() if k not in ("networks", "members")}
                config = {"training": training, "exact": one_channel_entry(entry), **asked}
                title = f"{key}: {entry['title']}"
                yield Task(kind, title, config, 3.0 * members * entry["epochs"])


def work(task: Task, folder: Path) -> Result:
    """Do one task, by its kind."""
    return WORK[task.kind](task.config, folder)


STUDY = Study(
    name="trainability",
    title="Does the network that expresses the winding number also learn it?",
    schema=_SCHEMA,
    tasks=tasks,
    work=work,
    assemble=assemble,
    page=page,
)
