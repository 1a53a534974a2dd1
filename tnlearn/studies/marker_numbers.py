"""The numbers of the study `marker`: closest approaches, curves, comparisons."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError
from tnlearn.report.statistics import summary, wilson
from tnlearn.studies.approach import binned, closest, gain, ratio
from tnlearn.studies.marker_data import NEAREST_PHASE, condition_name
from tnlearn.studies.marker_labels import LABELS
from tnlearn.studies.marker_verdict import findings, verdict
from tnlearn.studies.marker_work import SHIPPED, unpacked
from tnlearn.studies.profile import Profile
from tnlearn.studies.tasks import Result, Task

__all__ = ["assemble"]

Bools = NDArray[np.bool_]
Row = dict[str, Any]

# Bins of the curves: in L δ of clean chains, in δ of disordered ones.
_BINS = 12


@dataclass(frozen=True, eq=False)
class _Case:
    """Chains of one length and disorder, and who was right on them."""

    condition: str
    strength: float
    cells: int
    distance: NDArray[np.float64]
    crossing: NDArray[np.int64]
    right: dict[str, Bools]  # (members, samples)
    reliable: Bools


def assemble(profile: Profile, done: list[tuple[Task, Result]]) -> dict[str, Any]:
    """Closest approaches of every answer at every length and disorder, and what follows."""
    if profile["judged"] not in profile["training"]:
        raise ConfigError(
            f"judged names one of the trainings {', '.join(profile['training'])}, not "
            f"{profile['judged']!r}"
        )
    cases = _cases(done)
    judged = f"{profile['networks'][0]}:{profile['judged']}"
    answers = _answers(profile, done)
    found: dict[str, Any] = {
        "answers": answers,
        "judged": judged,
        "conditions": {c.condition: c.strength for c in cases},
        "closest": list(_closest(profile, cases)),
        "curves": list(_curves(profile, cases)),
        "options": [
            {
                "condition": condition_name(task.config["strength"]),
                "cells": task.config["cells"],
                "options": result["options"],
            }
            for task, result in done
            if task.kind == "marker-labels"
        ],
        "reliable": [_trusted(case) for case in cases],
    }
    found["slopes"] = _slopes(found["closest"])
    found["comparisons"] = list(_comparisons(profile, cases, judged))
    found["best"] = list(_best(found["closest"], cases))
    found["findings"] = findings(profile, found)
    found["verdicts"] = [verdict(found)]
    return found


def _cases(done: list[tuple[Task, Result]]) -> list[_Case]:
    cases = {}
    for task, result in done:
        if task.kind != "marker-labels":
            continue
        count = result["samples"]
        right = {name: unpacked(bits, count)[None] for name, bits in result["right"].items()}
        strength, cells = task.config["strength"], task.config["cells"]
        cases[condition_name(strength), cells] = _Case(
            condition_name(strength),
            strength,
            cells,
            np.array(result["distance"]),
            np.array(result["crossing"]),
            right,
            unpacked(result["reliable"], count),
        )
    for task, result in sorted(
        (pair for pair in done if pair[0].kind == "marker-train"),
        key=lambda pair: int(pair[0].config["offset"]),
    ):
        name = f"{task.config['name']}:{task.config['recipe']}"
        for place, rows in result["right"].items():
            condition, cells = place.rsplit("/", 1)
            case = cases[condition, int(cells)]
            more = np.array([unpacked(bits, len(case.distance)) for bits in rows])
            before = case.right.get(name)
            case.right[name] = more if before is None else np.concatenate([before, more])
    return sorted(cases.values(), key=lambda case: (case.strength, case.cells))


def _answers(profile: Profile, done: list[tuple[Task, Result]]) -> dict[str, Row]:
    """Everything that was tried: title, what it sees, what it is."""
    found: dict[str, Row] = {}
    for recipe in profile["training"]:
        for name in profile["networks"]:
            entry = profile["entries"][name]
            mine = [
                result
                for task, result in done
                if task.kind == "marker-train"
                and (task.config["name"], task.config["recipe"]) == (name, recipe)
            ]
            found[f"{name}:{recipe}"] = {
                "title": f"{entry['title']}, trained on {_TRAINED.get(recipe, recipe)}",
                "sees": "states",
                "kind": "trained",
                "words": entry["description"],
                "members": sum(len(result["validation"]) for result in mine),
                "failed": sum(result["failed"] for result in mine),
                "parameters": mine[0]["parameters"],
                "validation": asdict(summary([x for r in mine for x in r["validation"]])),
            }
    found[SHIPPED] = {
        "title": "tnl.marker, as shipped",
        "sees": "states",
        "kind": "shipped",
        "words": "the mean of the members in the file that comes with the package",
        "members": 1,
    }
    for name, label in LABELS.items():
        found[name] = {
            "title": label.title,
            "sees": label.sees,
            "kind": "label",
            "words": label.words,
            "members": 1,
        }
    return found


_TRAINED = {"clean": "clean chains", "mixed": "clean and disordered"}


def _rng(*key: object) -> np.random.Generator:
    """A stream of its own for every number: none changes with what else is computed."""
    return np.random.default_rng(zlib.crc32("/".join(map(str, key)).encode()))


def _closest(profile: Profile, cases: list[_Case]) -> Iterator[Row]:
    turns = profile["bootstraps"]
    for case in cases:
        kinds = sorted({0, *case.crossing.tolist()})
        for name, right in case.right.items():
            for crossing in kinds:
                some = slice(None) if crossing == 0 else case.crossing == crossing
                # The transitions apart at the main level only: a half of the chains each.
                for level in profile["levels"] if crossing == 0 else profile["levels"][:1]:
                    rng = _rng(case.condition, case.cells, name, crossing, level)
                    found = closest(
                        case.distance[some], right[:, some], level, rng=rng, bootstraps=turns
                    )
                    yield {
                        "condition": case.condition,
                        "cells": case.cells,
                        "answer": name,
                        "crossing": crossing,
                        "level": level,
                        "samples": int(np.size(case.distance[some])),
                        **found.record(),
                    }


def _curves(profile: Profile, cases: list[_Case]) -> Iterator[Row]:
    low, high, farthest = profile["reach"]
    for case in cases:
        if case.strength:
            scale, edges = 1.0, np.geomspace(NEAREST_PHASE, max(2.0, farthest), _BINS)
        else:
            scale, edges = float(case.cells), np.geomspace(low, high, _BINS + 1)
        edges[-1] *= 1 + 1e-9
        for name, right in case.right.items():
            rows = binned(scale * case.distance, right, edges)
            ends = [wilson(round(one.right * one.samples), one.samples) for one in rows]
            yield {
                "condition": case.condition,
                "cells": case.cells,
                "answer": name,
                "right": float(right.mean()),
                # One column a quantity, to four digits: there are many curves.
                "centre": [float(f"{one.centre:.4g}") for one in rows],
                "samples": [one.samples for one in rows],
                "share": [round(one.right, 4) for one in rows],
                "low": [round(low, 4) for low, _ in ends],
                "high": [round(high, 4) for _, high in ends],
            }


def _trusted(case: _Case) -> Row:
    """The shipped marker's flag: how often it trusts itself, and is then right."""
    right, sure = case.right[SHIPPED][0], case.reliable
    low, high = wilson(int(right[sure].sum()), int(sure.sum()))
    return {
        "condition": case.condition,
        "cells": case.cells,
        "samples": len(right),
        "right": float(right.mean()),
        "reliable": float(sure.mean()),
        "right_if_reliable": float(right[sure].mean()) if sure.any() else math.nan,
        "low": low,
        "high": high,
    }


def _comparisons(profile: Profile, cases: list[_Case], judged: str) -> Iterator[Row]:
    """Every label against the judged marker, on the same chains."""
    level = profile["levels"][0]
    for case in cases:
        for name in LABELS:
            if name == "twist":
                continue  # the very integer of Lyapunov
            rng = _rng("ratio", case.condition, case.cells, name)
            found = ratio(
                case.distance,
                case.right[name],
                case.right[judged],
                level,
                rng=rng,
                bootstraps=profile["bootstraps"],
            )
            points = gain(
                case.right[name], case.right[judged], rng=rng, bootstraps=profile["bootstraps"]
            )
            yield {
                "condition": case.condition,
                "cells": case.cells,
                "label": name,
                "sees": LABELS[name].sees,
                "level": level,
                "members": len(case.right[judged]),
                **found.record(),
                "gain": dict(zip(("value", "low", "high"), points, strict=True)),
            }


def _best(rows: list[Row], cases: list[_Case]) -> Iterator[Row]:
    """The label of each kind of knowledge that comes closest, at each length and disorder.

    It is picked on the very chains it is judged on, which favours the labels.
    """
    for case in cases:
        for sees in ("states", "block", "ring"):
            mine = [
                row
                for row in _main(rows, case.condition, case.cells)
                if row["answer"] in LABELS and LABELS[row["answer"]].sees == sees
            ]
            # Equal where both are right down to the nearest: then who is right more often.
            best = min(
                mine,
                key=lambda r: (_number(r["value"]), -float(case.right[r["answer"]].mean())),
            )
            place = {"condition": case.condition, "cells": case.cells, "sees": sees}
            yield {**place, "label": best["answer"]}


def _main(rows: list[Row], condition: str, cells: int) -> list[Row]:
    level = rows[0]["level"]
    return [
        row
        for row in rows
        if (row["condition"], row["cells"], row["crossing"], row["level"])
        == (condition, cells, 0, level)
    ]


def _number(value: float | None) -> float:
    return math.inf if value is None else float(value)


def _slopes(rows: list[Row]) -> list[Row]:
    """Exponents p of δ* ~ L^p over the lengths at which an answer reached the level.

    Least squares of ln δ* on ln L, from three lengths on.
    """
    found = []
    level = rows[0]["level"]
    chosen = [row for row in rows if row["crossing"] == 0 and row["level"] == level]
    for key in dict.fromkeys((row["condition"], row["answer"]) for row in chosen):
        mine = [r for r in chosen if (r["condition"], r["answer"]) == key and r["value"]]
        if len(mine) < 3:
            continue
        x, y = (np.log([row[name] for row in mine]) for name in ("cells", "value"))
        slope, offset = np.polyfit(x, y, 1)
        found.append(
            {
                "condition": key[0],
                "answer": key[1],
                "lengths": len(mine),
                "exponent": float(slope),
                "factor": float(np.exp(offset)),
            }
        )
    return found
