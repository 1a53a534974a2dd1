"""Study `samples`: accuracy against the number of training chains.

Every network is trained on the first n chains of one data set, for n from 500
to 100,000, and tested clean and disordered.  With the budget ``"steps"`` every
training of a network takes as many steps as its catalogue entry on the number
of chains it was made for, but sees each chain at least `passes` times: so the
curve shows what more chains give, not what more optimisation gives.  With
``"epochs"`` it takes the epochs of its entry, so that both grow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tnlearn.errors import ConfigError, check_choice
from tnlearn.report.study_samples import page
from tnlearn.studies.profile import Profile
from tnlearn.studies.samples_numbers import assemble
from tnlearn.studies.study import Study
from tnlearn.studies.tasks import Result, Task
from tnlearn.studies.trained import chunks, members_of, training_config

__all__ = ["BUDGETS", "STUDY", "epochs_at"]

BUDGETS = ("steps", "epochs")

_SCHEMA = {
    "data": {"name": "str", "train": "int", "validation": "int", "test": "int"},
    "shifts": "list",
    "sizes": "list",
    "elsewhere": "?int",
    "few": "?table",
    "passes": "int",
    "budgets": "list",
    "ours": "list",
    "rivals": "list",
    "margin": "number",
}


def epochs_at(entry: Mapping[str, Any], reference: int, size: int, passes: int) -> int:
    """Passes over `size` chains that take as many steps as the entry's over `reference` chains.

    >>> epochs_at({"epochs": 40}, 4000, 1000, 2), epochs_at({"epochs": 40}, 4000, 100_000, 2)
    (160, 2)
    """
    return max(passes, round(int(entry["epochs"]) * reference / size))


def sizes_of(profile: Profile, name: str) -> list[int]:
    """Numbers of chains a network is trained on: its own in the table `few`, or those of all."""
    sizes: list[int] = profile.get("few", {}).get(name, profile["sizes"])
    return sizes


def tasks(profile: Profile) -> list[Task]:
    """A task for each network, number of chains, budget and chunk of members."""
    for budget in profile["budgets"]:
        check_choice("budget", budget, BUDGETS)
    few: Mapping[str, Any] = profile.get("few", {})
    for where, names in (
        ("ours", profile["ours"]),
        ("rivals", profile["rivals"]),
        ("few", few),
    ):
        for name in names:
            check_choice(f"network in {where!r}", name, profile["networks"])
    _check_sizes("sizes", profile["sizes"], profile["batch_size"])
    for name, sizes in few.items():
        _check_sizes(f"few.{name}", sizes, profile["batch_size"])
    return list(_trainings(profile))


def _check_sizes(where: str, sizes: Any, least: int) -> None:
    if not isinstance(sizes, list) or not sizes:
        raise ConfigError(f"{where} must be a list of numbers of training chains, not {sizes!r}")
    for size in sizes:
        whole = isinstance(size, int) and not isinstance(size, bool)
        if not whole or size < least:
            raise ConfigError(
                f"{where} are numbers of training chains, at least the batch size {least}, "
                f"not {size!r}"
            )


def _trainings(profile: Profile) -> Iterator[Task]:
    reference = profile["data"]["train"]
    for name in profile["networks"]:
        entry = profile["entries"][name]
        most = members_of(profile, name)
        for size in sizes_of(profile, name):
            # The levels are compared at the reference: elsewhere the curve may have fewer members.
            total = most if size == reference else min(most, profile.get("elsewhere", most))
            # At the reference the two budgets are the same training.
            lengths = {
                epochs_at(entry, reference, size, profile["passes"])
                if budget == "steps"
                else int(entry["epochs"])
                for budget in profile["budgets"]
            }
            for epochs in sorted(lengths):
                for offset, members in chunks(total, profile["chunk"]):
                    yield _training(profile, name, size, epochs, offset, members)


def _training(
    profile: Profile, name: str, size: int, epochs: int, offset: int, members: int
) -> Task:
    data = {**profile["data"], "train": size}
    config = {
        "network": name,
        "size": size,
        "training": training_config(profile, data, name, offset, members, epochs=epochs),
        "shifts": profile["shifts"],
    }
    title = f"{name}, {size} chains, members {offset} to {offset + members - 1}"
    return Task("samples-train", title, config, float(members * epochs * size))


def work(task: Task, folder: Path) -> Result:
    """Train a chunk on so many chains, and test it; torch is loaded here."""
    from tnlearn.studies.trained import shifted_part, store_of, trained
    from tnlearn.training import metrics

    fitted = trained(task.config["training"], store_of(folder))
    result: Result = {
        "accuracy": {},
        "accuracy_clear": {},
        "validation": fitted.history["validation_accuracy"][:, -1],
    }
    for how in task.config["shifts"]:
        data = shifted_part(task.config["training"], how)
        logits, clear = fitted.predict(data), ~data.ambiguous
        result["accuracy"][how] = metrics.accuracy(logits, data.labels)
        result["accuracy_clear"][how] = metrics.accuracy(logits[:, clear], data.labels[clear])
    return result


STUDY = Study(
    name="samples",
    title="How does accuracy grow with the number of training chains?",
    schema=_SCHEMA,
    tasks=tasks,
    work=work,
    assemble=assemble,
    page=page,
)
