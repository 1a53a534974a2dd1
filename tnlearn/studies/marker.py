"""Study `marker`: which label of a finite open chain is right closest to the transition?

All labels are put to the same chains, at distances δ from their transition that are
log-uniform in L δ; the learned markers, trained at lengths up to 48, among them.  The
closest approach δ* is where the accuracy reaches a level (see `approach`).
"""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Any

from tnlearn.errors import ConfigError
from tnlearn.report.study_marker import page
from tnlearn.studies.marker_labels import LABELS
from tnlearn.studies.marker_numbers import assemble
from tnlearn.studies.marker_work import work
from tnlearn.studies.profile import Profile
from tnlearn.studies.study import Study
from tnlearn.studies.tasks import Task
from tnlearn.studies.trained import chunks, rate

__all__ = ["STUDY"]

_SCHEMA = {
    "sizes": "list",  # trained on
    "reach": "list",  # L δ from, to; largest δ
    "levels": "list",  # accuracies at which the closest approach is told; the first decides
    "bootstraps": "int",  # resamplings behind an interval
    "judged": "str",  # the training whose members are judged
    "training": {"*": {"near": "int", "clean": "int", "disordered": "int", "disorder": "?list"}},
    "tried": {"*": {"strength": "number", "cells": "list", "samples": "list", "choose": "int"}},
}


def tasks(profile: Profile) -> list[Task]:
    """A task for the labels at each length and disorder; one for each chunk of trained members."""
    _check(profile)
    reach = [float(x) for x in profile["reach"]]
    shipped = resources.files("tnlearn.markers").joinpath("extended.npz").read_bytes()
    made = []
    conditions = [
        {
            "strength": float(entry["strength"]),
            "cells": entry["cells"],
            "samples": entry["samples"],
            "reach": reach,
        }
        for entry in profile["tried"].values()
    ]
    for entry in profile["tried"].values():
        for cells, samples in zip(entry["cells"], entry["samples"], strict=True):
            config = {
                "strength": float(entry["strength"]),
                "cells": cells,
                "samples": samples,
                "choose": entry["choose"],
                "reach": reach,
                "seed": profile["seed"],
                "level": float(profile["levels"][0]),
                "labels": {name: list(label.options) for name, label in LABELS.items()},
                # Its answers are among the results, so the file is part of the question.
                "shipped": hashlib.sha256(shipped).hexdigest()[:20],
            }
            title = f"labels at {cells} cells, disorder {entry['strength']:g}"
            made.append(Task("marker-labels", title, config, samples * (cells / 30) ** 2))
    for recipe, numbers in profile["training"].items():
        for name in profile["networks"]:
            for offset, members in chunks(profile["members"], profile["chunk"]):
                config = _training(profile, recipe, name, offset, members)
                config["tried"] = conditions
                title = f"{name} trained on {recipe}, members {offset} to {offset + members - 1}"
                steps = members * (numbers["near"] + numbers["clean"] + numbers["disordered"])
                made.append(Task("marker-train", title, config, 1e4 + steps))
    return made


def _training(
    profile: Profile, recipe: str, name: str, offset: int, members: int
) -> dict[str, Any]:
    entry, numbers = profile["entries"][name], profile["training"][recipe]
    return {
        "name": name,
        "recipe": recipe,
        "network": {k: entry[k] for k in entry if k in _DECIDES},
        "training": {
            "sizes": profile["sizes"],
            "reach": [float(x) for x in profile["reach"]],
            "disorder": [],
            **numbers,
        },
        "cells": profile["cells"],
        "seed": profile["seed"],
        "members": members,
        "offset": offset,
        "epochs": entry["epochs"],
        "lr": rate(entry, "extended"),
        "batch_size": profile["batch_size"],
        "batches": profile["batches"],
    }


_DECIDES = ("kind", "options", "free", "channels", "structure", "bond", "init", "hidden")


def _check(profile: Profile) -> None:
    reach = profile["reach"]
    if len(reach) != 3 or not 0 < reach[0] < reach[1] or not reach[2] > 0:
        raise ConfigError(f"reach is [low, high, largest distance], all above zero, not {reach}")
    if any(not 0 < level < 1 for level in profile["levels"]):
        raise ConfigError(f"levels are accuracies between 0 and 1, not {profile['levels']}")
    for name, entry in profile["tried"].items():
        if len(entry["cells"]) != len(entry["samples"]):
            raise ConfigError(
                f"[tried.{name}] has {len(entry['cells'])} lengths but {len(entry['samples'])} "
                "numbers of samples"
            )


STUDY = Study(
    name="marker",
    title="Which label of a short open chain is right closest to the transition?",
    schema=_SCHEMA,
    tasks=tasks,
    work=work,
    assemble=assemble,
    page=page,
)
