"""Study `samples`: accuracy against the number of training chains, at an equal number of steps.

Every network takes as many gradient steps as the comparison gives it at its own number of
chains, whatever the number of chains here, but sees each chain at least `passes` times: so the
curve shows what more chains give, not what more optimisation gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tnlearn.errors import ConfigError, check_choice
from tnlearn.report.statistics import difference, summary
from tnlearn.report.study_samples import page
from tnlearn.studies.profile import Profile
from tnlearn.studies.study import Study
from tnlearn.studies.tasks import Result, Task
from tnlearn.studies.trained import chunks, shifted_part, store_of, trained, training_config

__all__ = ["STUDY", "epochs_at"]

_SCHEMA = {
    "data": {"name": "str", "train": "int", "validation": "int", "test": "int"},
    "sizes": "list",
    "elsewhere": "?int",
    "passes": "int",
    "shifts": "list",
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


def tasks(profile: Profile) -> list[Task]:
    """For each network, number of chains and chunk of members one task."""
    for key in ("ours", "rivals"):
        for name in profile[key]:
            check_choice(f"network in {key!r}", name, profile["networks"])
    if min(profile["sizes"]) < profile["batch_size"]:
        raise ConfigError(
            f"sizes must be at least the batch size {profile['batch_size']}, not "
            f"{min(profile['sizes'])}"
        )
    return list(_tasks(profile))


def _tasks(profile: Profile) -> Iterator[Task]:
    reference = profile["data"]["train"]
    for name in profile["networks"]:
        entry = profile["entries"][name]
        most = min(profile["members"], entry.get("members", profile["members"]))
        for size in profile["sizes"]:
            # The levels are compared at the reference: the curve may have fewer members.
            total = most if size == reference else min(most, profile.get("elsewhere", most))
            for offset, members in chunks(total, profile["chunk"]):
                epochs = epochs_at(entry, reference, size, profile["passes"])
                training = training_config(
                    profile, {**profile["data"], "train": size}, name, offset, members
                )
                config = {
                    "network": name,
                    "size": size,
                    "training": training | {"epochs": epochs},
                    "shifts": profile["shifts"],
                }
                title = f"{name}, {size} chains, members {offset} to {offset + members - 1}"
                yield Task("samples-train", title, config, float(members * epochs * size))


def work(task: Task, folder: Path) -> Result:
    """Train a chunk and test it."""
    training = task.config["training"]
    fitted = trained(training, store_of(folder))
    return {
        "accuracy": {
            how: fitted.accuracy(shifted_part(training, how)) for how in task.config["shifts"]
        },
        "training": fitted.history["loss"][:, -1],
    }


def assemble(profile: Profile, done: list[tuple[Task, Result]]) -> dict[str, Any]:
    """Curves with intervals, the differences that the claims are about, and their verdicts."""
    members: dict[tuple[str, int, str], list[float]] = {}
    for task, result in done:
        for how, values in result["accuracy"].items():
            key = (task.config["network"], task.config["size"], how)
            members.setdefault(key, []).extend(values)
    curves = [
        {"network": name, "size": size, "shift": how, "accuracy": values}
        for (name, size, how), values in members.items()
    ]
    findings = [*_levels(profile, members), *_leads(profile, members)]
    return {
        "curves": curves,
        "findings": findings,
        "verdicts": [_accurate(profile, members), _ahead(profile, findings)],
    }


def _levels(
    profile: Profile, members: Mapping[tuple[str, int, str], list[float]]
) -> Iterator[dict[str, Any]]:
    for (name, size, how), values in members.items():
        if size != profile["data"]["train"] or how != "clean":
            continue
        found = summary(values)
        yield {
            "claim": "accurate-symmetric-generic",
            "name": "accuracy",
            "network": profile["entries"][name]["title"],
            "data": profile["data"]["name"],
            "value": found.mean,
            "low": found.low,
            "high": found.high,
            "members": found.count,
            "family": profile["entries"][name]["family"],
            "condition": f"{size} training chains, clean, {profile['cells']} cells",
        }


def _leads(
    profile: Profile, members: Mapping[tuple[str, int, str], list[float]]
) -> Iterator[dict[str, Any]]:
    """Points by which our networks are ahead of each rival, for every number of chains."""
    for ours in profile["ours"]:
        for rival in profile["rivals"]:
            for how in profile["shifts"]:
                for size in profile["sizes"]:
                    a, b = members[ours, size, how], members[rival, size, how]
                    lead = difference(a, b)
                    yield {
                        "claim": "beats-cnn-resnet",
                        "name": f"{profile['entries'][ours]['title']} minus "
                        f"{profile['entries'][rival]['title']}",
                        "network": profile["entries"][ours]["title"],
                        "data": profile["data"]["name"],
                        "value": 100 * lead.value,
                        "low": 100 * lead.low,
                        "high": 100 * lead.high,
                        "members": min(len(a), len(b)),
                        "unit": "points",
                        "size": size,
                        "shift": how,
                        "condition": f"{size} training chains, tested {how}; n is that of the "
                        "network with fewer members",
                    }


def _accurate(
    profile: Profile, members: Mapping[tuple[str, int, str], list[float]]
) -> dict[str, Any]:
    """Whether a symmetric and a generic network reach the threshold on clean chains."""
    size = profile["data"]["train"]
    best: dict[str, tuple[float, float, str]] = {}
    for name in profile["networks"]:
        entry = profile["entries"][name]
        found = summary(members[name, size, "clean"])
        if entry["family"] not in best or found.mean > best[entry["family"]][0]:
            best[entry["family"]] = (found.mean, found.low, entry["title"])
    others = {family: best[family] for family in ("symmetric", "generic") if family in best}
    reached = [low >= profile["threshold"] for _, low, _ in others.values()]
    words = "; ".join(
        f"the best {family} network, {title}, has {100 * mean:.1f} % (interval from "
        f"{100 * low:.1f} %)"
        for family, (mean, low, title) in others.items()
    )
    verdict = "supported" if all(reached) else "depends on" if any(reached) else "not supported"
    return {
        "claim": "accurate-symmetric-generic",
        "verdict": verdict,
        "condition": f"clean test chains of the training size, {size} training chains; high means "
        f"at least {100 * profile['threshold']:g} %",
        "because": words[:1].upper() + words[1:],
    }


def _ahead(profile: Profile, findings: list[dict[str, Any]]) -> dict[str, Any]:
    """Supported where every lead is beyond the margin, not where none is."""
    leads = [f for f in findings if f["claim"] == "beats-cnn-resnet"]
    beyond = [f for f in leads if np.isfinite(f["low"]) and f["low"] > profile["margin"]]
    most = max(leads, key=lambda f: f["value"])
    least = min(leads, key=lambda f: f["value"])
    verdict = "not supported"
    if beyond:
        verdict = "supported" if len(beyond) == len(leads) else "depends on"
    return {
        "claim": "beats-cnn-resnet",
        "verdict": verdict,
        "condition": "the number of training chains and the disorder of the test chains"
        if verdict == "depends on"
        else "",
        "because": f"The lead is beyond {profile['margin']:g} points in {len(beyond)} of "
        f"{len(leads)} comparisons: from {least['value']:.1f} points ({least['name']}, "
        f"{least['size']} chains, {least['shift']}) to {most['value']:.1f} ({most['name']}, "
        f"{most['size']} chains, {most['shift']})",
    }


STUDY = Study(
    name="samples",
    title="How does accuracy grow with the number of training chains?",
    schema=_SCHEMA,
    tasks=tasks,
    work=work,
    assemble=assemble,
    page=page,
)
