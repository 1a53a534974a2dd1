"""Study `pruning`: what is left of a network when its weights and its input are cut down.

Every weight of every network is cut to its largest singular values, without
training on and with it; the weights are drawn in the coordinates of the chain;
and states and cells are left out of the input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tnlearn.errors import ConfigError, check_choice
from tnlearn.report.study_pruning import page
from tnlearn.studies.masks import MASKS
from tnlearn.studies.profile import Profile
from tnlearn.studies.pruning_numbers import assemble
from tnlearn.studies.study import Study
from tnlearn.studies.tasks import Result, Task
from tnlearn.studies.trained import chunks, members_of, training_config

__all__ = ["STUDY"]

_DATA = {
    "name": "str",
    "train": "int",
    "validation": "int",
    "test": "int",
    "disorder": "?number",
}
_SCHEMA = {
    "data": _DATA,
    "shifts": "list",
    "every": "int",
    "shares": "list",
    "edge": "number",
    "edge_states": "int",
    "pictures": "int",
    "shallow": "list",
    "complex": "list",
    "retrain": {
        "weights": "list",
        "together": "list",
        "epochs": "int",
        "rate": "number",
        "every": "int",
        "most": "int",
        "shares": "list",
    },
    "masks": {"nearest": "list", "farthest": "list", "outer": "list", "inner": "list"},
    "masked": {
        "networks": "list",
        "members": "int",
        "nearest": "?list",
        "farthest": "?list",
        "outer": "?list",
        "inner": "?list",
    },
}


def tasks(profile: Profile) -> list[Task]:
    """For each chunk of members of a network its weights; for each mask a training of its own."""
    _check(profile)
    return [*_weights(profile), *_masked(profile)]


def _check(profile: Profile) -> None:
    for where in ("shallow", "complex"):
        for name in profile[where]:
            check_choice(f"network in {where}", name, profile["networks"])
    for where in ("weights", "together"):
        for name in profile["retrain"][where]:
            check_choice(f"network in [retrain] {where}", name, profile["networks"])
    for name in profile["masked"]["networks"]:
        check_choice("network in [masked]", name, profile["networks"])
    if not 0 < profile["edge"] < 0.5:
        raise ConfigError(f"edge is the share of the chain at each end, not {profile['edge']!r}")
    for share in (*profile["shares"], *profile["retrain"]["shares"]):
        if not 0 < share <= 1:
            raise ConfigError(f"a share of the norm² is in (0, 1], not {share!r}")


def _weights(profile: Profile) -> Iterator[Task]:
    retrain = profile["retrain"]
    for name in profile["networks"]:
        how: dict[str, Any] | None = None
        if name in retrain["weights"] or name in retrain["together"]:
            how = {**retrain, "weights": name in retrain["weights"]}
            how["together"] = name in retrain["together"]
        for offset, members in chunks(members_of(profile, name), profile["chunk"]):
            training = training_config(profile, profile["data"], name, offset, members)
            config = {
                "training": training,
                "retrain": how,
                "masks": profile["masks"],
                **{
                    key: profile[key]
                    for key in ("shifts", "every", "shares", "edge", "edge_states", "pictures")
                },
            }
            title = f"weights of {name}, members {offset} to {offset + members - 1}"
            yield Task("pruning-weights", title, {"name": name, **config}, 10.0 * members)


def _masked(profile: Profile) -> Iterator[Task]:
    masks: Mapping[str, Any] = profile["masked"]
    for name in masks["networks"]:
        total = min(members_of(profile, name), masks["members"])
        for how in MASKS:
            for kept in masks.get(how, ()):
                for offset, members in chunks(total, profile["chunk"]):
                    training = training_config(profile, profile["data"], name, offset, members)
                    config = {
                        "name": name,
                        "training": training,
                        "mask": {"how": how, "kept": kept},
                    }
                    yield Task("pruning-masked", f"{name}, {how} {kept}", config, 1.0 * members)


def work(task: Task, folder: Path) -> Result:
    """Do one task; torch is loaded here."""
    from tnlearn.studies.pruning_work import work as do

    return do(task, folder)


STUDY = Study(
    name="pruning",
    title="What is left of a network when its weights and its input are cut down?",
    schema=_SCHEMA,
    tasks=tasks,
    work=work,
    assemble=assemble,
    page=page,
)
