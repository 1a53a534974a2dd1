"""The numbers of the study `samples`: accuracy against chains, differences, verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tnlearn.data.recipes import recipe_for
from tnlearn.report.statistics import difference, summary
from tnlearn.studies.profile import Profile
from tnlearn.studies.success import learned_at_all
from tnlearn.studies.tasks import Result, Task

__all__ = ["assemble"]

ACCURATE = "accurate-symmetric-generic"
BEATS = "beats-cnn-resnet"


def assemble(profile: Profile, done: list[tuple[Task, Result]]) -> dict[str, Any]:
    """A row a network, number of chains and training; findings and verdicts."""
    rows = _rows(profile, done)
    beats, accurate = _differences(profile, rows), _accuracies(profile, rows)
    return {
        "chance": 1 / len(recipe_for(profile["data"]["name"]).classes),
        "rows": rows,
        "findings": [*beats, *accurate],
        "verdicts": [*_beats(profile, beats), *_accurate(profile, accurate)],
    }


def _rows(profile: Profile, done: list[tuple[Task, Result]]) -> list[dict[str, Any]]:
    """The chunks of one training as one row; its budgets are those that ask for it."""
    rows: dict[tuple[str, int, int], dict[str, Any]] = {}
    shifts = profile["shifts"]
    for task, result in done:
        name, size = task.config["network"], task.config["size"]
        epochs = task.config["training"]["epochs"]
        if (name, size, epochs) not in rows:
            rows[name, size, epochs] = {
                "network": name,
                "size": size,
                "epochs": epochs,
                "steps": epochs * (size // profile["batch_size"]),
                "budgets": _budgets(profile, name, size, epochs),
                "accuracy": {how: [] for how in shifts},
                "accuracy_clear": {how: [] for how in shifts},
                "validation": [],
            }
        row = rows[name, size, epochs]
        row["validation"] += list(result["validation"])
        for key in ("accuracy", "accuracy_clear"):
            for how in shifts:
                row[key][how] += list(result[key][how])
    return list(rows.values())


def _budgets(profile: Profile, name: str, size: int, epochs: int) -> list[str]:
    from tnlearn.studies.samples import epochs_at

    entry, reference = profile["entries"][name], profile["data"]["train"]
    asked = {
        "steps": epochs_at(entry, reference, size, profile["passes"]),
        "epochs": int(entry["epochs"]),
    }
    return [budget for budget in profile["budgets"] if asked[budget] == epochs]


def _finding(
    profile: Profile, claim: str, name: str, row: Mapping[str, Any], **rest: Any
) -> dict[str, Any]:
    return {
        "claim": claim,
        "name": name,
        "network": profile["entries"][row["network"]]["title"],
        "key": row["network"],
        "data": profile["data"]["name"],
        "size": row["size"],
        **rest,
    }


def _differences(profile: Profile, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Ours less each rival, in points, wherever both were trained with the same budget.

    Members of a rival that did not learn at all are left out, to its favour.
    """
    found = []
    for mine in rows:
        for other in rows:
            if mine["network"] not in profile["ours"] or other["network"] not in profile["rivals"]:
                continue
            shared = [b for b in mine["budgets"] if b in other["budgets"]]
            if mine["size"] == other["size"] and shared:
                found += [
                    _difference(profile, mine, other, how, shared) for how in profile["shifts"]
                ]
    return found


def _difference(
    profile: Profile,
    mine: Mapping[str, Any],
    other: Mapping[str, Any],
    how: str,
    shared: list[str],
) -> dict[str, Any]:
    chance = 1 / len(recipe_for(profile["data"]["name"]).classes)
    a, b = (np.array(row["accuracy"][how], dtype=float) for row in (mine, other))
    keep = learned_at_all(other["validation"], chance)
    gap, everyone = difference(a, b[keep]), difference(a, b)
    return _finding(
        profile,
        BEATS,
        f"accuracy less that of {profile['entries'][other['network']]['title']}, {how}",
        mine,
        value=100 * gap.value,
        low=100 * gap.low if np.isfinite(gap.low) else None,
        high=100 * gap.high if np.isfinite(gap.high) else None,
        everyone=100 * everyone.value,
        members=min(len(a), int(keep.sum())),
        learned=int(keep.sum()),
        unit="points",
        rival=other["network"],
        shift=how,
        budgets=shared,
        condition=f"{mine['size']:,} chains, equal {' and '.join(shared)}; {int(keep.sum())} of "
        f"{len(b)} members of the latter learned at all, {100 * everyone.value:+.1f} with all",
    )


def _accuracies(profile: Profile, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Accuracy of every symmetric and generic network, at every number of chains."""
    found = []
    for row in rows:
        family = profile["entries"][row["network"]]["family"]
        if family not in ("symmetric", "generic"):
            continue
        for how in profile["shifts"]:
            s = summary(row["accuracy"][how])
            clear = summary(row["accuracy_clear"][how])
            found.append(
                _finding(
                    profile,
                    ACCURATE,
                    f"accuracy, {how}",
                    row,
                    **s.numbers(),
                    family=family,
                    shift=how,
                    condition=f"{row['size']:,} chains, {row['steps']:,} steps; "
                    f"{clear.mean:.3f} on unambiguous chains",
                )
            )
    return found


def _beats(profile: Profile, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Supported where every difference is above the margin at 95 %."""
    judged = [f for f in found if f["low"] is not None]
    if not judged:
        return []
    margin = profile["margin"]
    yes = [f for f in judged if f["low"] > margin]
    no = [f for f in judged if f["high"] < margin]
    verdict = "supported" if len(yes) == len(judged) else "depends on" if yes else "not supported"
    said = []
    for how in profile["shifts"]:
        for rival in profile["rivals"]:
            rows = [f for f in judged if f["shift"] == how and f["rival"] == rival]
            if rows:
                rows.sort(key=lambda f: (f["key"], f["size"]))
                title = profile["entries"][rival]["title"]
                said.append(
                    f"{how}, less {title}: "
                    + ", ".join(
                        f"{f['value']:+.1f} [{f['low']:+.1f}, {f['high']:+.1f}] "
                        f"({f['network']}, {f['size']:,})"
                        for f in rows
                    )
                )
    parts = []
    for how in profile["shifts"]:
        of_shift = [f for f in judged if f["shift"] == how]
        parts.append(
            f"{how}: above {margin:g} points in {sum(f in yes for f in of_shift)} of "
            f"{len(of_shift)} comparisons, below it in {sum(f in no for f in of_shift)}"
        )
    return [
        {
            "claim": BEATS,
            "verdict": verdict,
            "condition": "; ".join(parts),
            "because": "Differences in points by number of training chains: " + "; ".join(said),
        }
    ]


def _accurate(profile: Profile, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Whether the best symmetric and the best generic network reach the threshold, at 95 %.

    On clean chains, trained on the number of chains that the catalogue is made for.
    """
    clean, size = profile["shifts"][0], profile["data"]["train"]
    here = [f for f in found if f["shift"] == clean and f["size"] == size and f["low"] is not None]
    best = {
        family: max((f for f in here if f["family"] == family), key=lambda f: f["value"])
        for family in ("symmetric", "generic")
        if any(f["family"] == family for f in here)
    }
    if not best:
        return []
    threshold = profile["threshold"]
    reached = [f["low"] >= threshold for f in best.values()]
    verdict = "supported" if all(reached) else "depends on" if any(reached) else "not supported"
    below = [f["network"] for f in here if f["low"] < threshold]
    words = "; ".join(
        f"the best {family} network, {f['network']}, has {100 * f['value']:.1f} % "
        f"[{100 * f['low']:.1f}, {100 * f['high']:.1f}]"
        for family, f in best.items()
    )
    because = words[:1].upper() + words[1:]
    if below:
        because += f"; not so accurate: {', '.join(dict.fromkeys(below))}"
    return [
        {
            "claim": ACCURATE,
            "verdict": verdict,
            "condition": f"{clean} chains of the training size, {size:,} training chains; high "
            f"means at least {100 * threshold:g} %",
            "because": because,
        }
    ]
