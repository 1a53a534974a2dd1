"""Study `audit`: do the trained networks follow the invariant, or the edge states?

Every network is trained on clean chains as in the comparison and put to the
interventions of `tnlearn.audit`, each certified; so are the untrained formula,
rounded, an edge counter, which knows nothing but the proxy, and one constant answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from tnlearn.audits.audit import put
from tnlearn.audits.classifiers import Classifier, adapted
from tnlearn.audits.interventions import INTERVENTIONS, find
from tnlearn.audits.proxies import edge_count
from tnlearn.audits.suite import Suite, drawn, suite
from tnlearn.errors import ConfigError
from tnlearn.models.rswn import rswn
from tnlearn.physics.states import States
from tnlearn.report.study_audit import page
from tnlearn.studies.audit_numbers import REFERENCES, assemble
from tnlearn.studies.profile import Profile
from tnlearn.studies.study import Study
from tnlearn.studies.tasks import Result, Task
from tnlearn.studies.trained import chunks, store_of, trained, training_config

__all__ = ["STUDY"]

_SCHEMA = {
    "data": {"name": "str", "train": "int", "validation": "int", "disorder": "?number"},
    "samples": "int",
    "disorders": "list",
    "lengths": "list",
    "interventions": "?list",
}


def tasks(profile: Profile) -> list[Task]:
    """For each chunk of members of a network one task; for each reference and length one."""
    _check(profile)
    made = []
    for name in profile["networks"]:
        entry = profile["entries"][name]
        total = min(profile["members"], entry.get("members", profile["members"]))
        for offset, members in chunks(total, profile["chunk"]):
            config = {
                "network": name,
                "training": training_config(profile, profile["data"], name, offset, members),
                "audit": _questions(profile, profile["cells"]),
            }
            title = f"{name}, members {offset} to {offset + members - 1}"
            made.append(Task("audit-network", title, config, 10.0 * members))
    for name in REFERENCES:
        for cells in profile["lengths"]:
            config = {"reference": name, "audit": _questions(profile, cells)}
            made.append(Task("audit-reference", f"{name}, {cells} cells", config, cells / 10))
    return made


def _check(profile: Profile) -> None:
    if profile["cells"] not in profile["lengths"]:
        raise ConfigError(
            f"lengths must hold the networks' own {profile['cells']} cells, not "
            f"{profile['lengths']}: the references are compared with the networks there"
        )
    for name in profile.get("interventions", ()):
        find(name)


def _questions(profile: Profile, cells: int) -> dict[str, Any]:
    """Everything that decides the certified pairs."""
    return {
        "data": profile["data"]["name"],
        "cells": cells,
        "samples": profile["samples"],
        "disorders": [float(strength) for strength in profile["disorders"]],
        "seed": profile["seed"],
        "interventions": list(profile.get("interventions", INTERVENTIONS)),
    }


@lru_cache(maxsize=4)
def _suite(
    name: str, cells: int, samples: int, disorder: float, seed: int, chosen: tuple[str, ...]
) -> Suite:
    """The certified pairs, made once a process."""
    return suite(drawn(name, cells, samples, seed, disorder), None, chosen, seed)


def work(task: Task, folder: Path) -> Result:
    """Audit one chunk of an ensemble, or one reference, at every strength of disorder."""
    asked: Mapping[str, Any] = task.config["audit"]
    found = []
    for disorder in asked["disorders"]:
        questions = _suite(
            asked["data"],
            asked["cells"],
            asked["samples"],
            disorder,
            asked["seed"],
            tuple(asked["interventions"]),
        )
        audit = put(_made(task, folder, questions), questions)
        found.append({"disorder": disorder, "audit": audit.record()})
    return {"audits": found}


def _made(task: Task, folder: Path, questions: Suite) -> Classifier:
    if task.kind == "audit-network":
        given: Any = trained(task.config["training"], store_of(folder))
        return adapted(given, questions.data, title=task.config["network"])
    name = task.config["reference"]
    classes = questions.classes
    if name == "exact":
        given = rswn(questions.data.states.cells).head(classes=classes, kind="rounding")
    elif name == "edge-count":
        given = edge_count
    else:
        given = partial(_one_answer, classes[0])
    return adapted(given, questions.data, title=name)


def _one_answer(winding: int, states: States) -> Any:
    return np.full(len(states), float(winding))


STUDY = Study(
    name="audit",
    title="Do the trained networks follow the invariant, or the edge states?",
    schema=_SCHEMA,
    tasks=tasks,
    work=work,
    assemble=assemble,
    page=page,
)
