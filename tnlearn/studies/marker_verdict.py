"""What the claim of the study `marker` rests on, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tnlearn.studies.profile import Profile

__all__ = ["findings", "verdict"]

Row = dict[str, Any]


def findings(profile: Profile, found: Mapping[str, Any]) -> list[Row]:
    """What the claim rests on: the comparison with the best label of each kind, and δ* itself."""
    best = {(r["condition"], r["cells"], r["sees"]): r["label"] for r in found["best"]}
    rows = []
    for sees in ("states", "block", "ring"):
        for one in found["comparisons"]:
            if best[one["condition"], one["cells"], sees] != one["label"]:
                continue
            about = {
                "claim": "marker",
                "network": found["answers"][found["judged"]]["title"],
                "data": f"extended, {one['condition']}",
                "members": one["members"],
            }
            label = found["answers"][one["label"]]["title"]
            rows.append(
                {
                    **about,
                    "name": f"times closer than {label}, the closest label that sees {_SEES[sees]}",
                    **{key: one[key] for key in ("value", "low", "high")},
                    "unit": "",
                    "condition": f"{one['cells']} cells, ratio of closest approaches at "
                    f"{100 * one['level']:g} %",
                }
            )
            rows.append(
                {
                    **about,
                    "name": f"share right, less that of {label}",
                    **{key: 100 * one["gain"][key] for key in ("value", "low", "high")},
                    "unit": "points",
                    "condition": f"{one['cells']} cells, the same chains, all near transitions",
                }
            )
    for row in found["closest"]:
        answer = found["answers"][row["answer"]]
        told = answer["kind"] != "label" or row["answer"] in (
            best[row["condition"], row["cells"], sees] for sees in ("states", "block", "ring")
        )
        if row["crossing"] or row["level"] != profile["levels"][0] or not told:
            continue
        rows.append(
            {
                "claim": "marker",
                "name": "closest approach L δ*",
                "network": answer["title"],
                "data": f"extended, {row['condition']}",
                **{key: _times(row[key], row["cells"]) for key in ("value", "low", "high")},
                "members": answer["members"],
                "unit": "",
                "condition": f"{row['cells']} cells, accuracy {100 * row['level']:g} %; "
                f"0: at most {row['cells'] * row['least']:.2g}",
            }
        )
    return rows


_SEES = {
    "states": "the states only",
    "block": "the hoppings or energies, too",
    "ring": "the closed ring",
}


def _times(value: float | None, cells: int) -> float | None:
    return None if value is None else cells * value


def verdict(found: Mapping[str, Any]) -> Row:
    """Whether the judged marker is ahead of every label, of those that see what it sees, or none.

    Supported if the interval of the ratio is above 1 for every label at every length and
    disorder, not supported if for none.
    """
    said = [row["verdict"] for row in found["comparisons"]]
    if all(one == "ahead" for one in said):
        word = "supported"
    else:
        word = "depends on" if "ahead" in said else "not supported"
    condition = "ahead of every label that sees " + "; ".join(
        f"{words}: {', '.join(_ahead(found, name, sees) for name in found['conditions'])}"
        for sees, words in _SEES.items()
    )
    because = "Nearer than the closest label that sees the same states: " + "; ".join(
        _against(found, name) for name in found["conditions"]
    )
    behind = []
    for name in found["conditions"]:
        titles = [
            str(found["answers"][row["label"]]["title"])
            for row in found["comparisons"]
            if (row["condition"], row["verdict"]) == (name, "behind")
        ]
        if titles:
            behind.append(f"{_where(name)}: {', '.join(dict.fromkeys(titles))}")
    because += (
        f". Closer than it at some length: {'; '.join(behind)}."
        if behind
        else ". No label comes closer than it at any length."
    )
    return {"claim": "marker", "verdict": word, "condition": condition, "because": because}


def _where(condition: str) -> str:
    return condition.replace("-", " ")


def _ahead(found: Mapping[str, Any], condition: str, sees: str) -> str:
    """At how many lengths it is ahead of every label of a kind."""
    rows = [
        row for row in found["comparisons"] if (row["condition"], row["sees"]) == (condition, sees)
    ]
    lengths = {row["cells"] for row in rows}
    not_ahead = {row["cells"] for row in rows if row["verdict"] != "ahead"}
    return f"{len(lengths - not_ahead)} of {len(lengths)} lengths ({_where(condition)})"


def _against(found: Mapping[str, Any], condition: str) -> str:
    """The ratios of one strength of disorder, length by length."""
    best = {
        row["cells"]: row["label"]
        for row in found["best"]
        if (row["condition"], row["sees"]) == (condition, "states")
    }
    rows = [
        row
        for row in found["comparisons"]
        if row["condition"] == condition and best[row["cells"]] == row["label"]
    ]
    # What never reaches the level is farther than any that does.
    rows.sort(key=lambda row: math.inf if row["value"] is None else row["value"])
    points = sorted(round(100 * row["gain"]["value"]) for row in rows)
    return (
        f"{_where(condition)}: {_times_closer(rows[0])} to {_times_closer(rows[-1])}, and "
        f"{points[0]:+d} to {points[-1]:+d} points of all these chains right".replace("-", "−")
    )


def _times_closer(row: Mapping[str, Any]) -> str:
    value, low, high = (
        "∞" if row[key] is None else f"{row[key]:.1f}" for key in ("value", "low", "high")
    )
    return f"{value} [{low}, {high}] times at {row['cells']} cells"
