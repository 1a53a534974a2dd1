"""The page of the study `marker`: who is right closest to the transition, and how close that is."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from tnlearn.report.html import figure as shown
from tnlearn.report.study import Page
from tnlearn.report.study_marker_figures import approaches, collapse, disordered
from tnlearn.report.study_marker_tables import (
    SEES,
    compared,
    labels,
    lengths_of,
    reliable,
    row_of,
    scaled,
    tables,
    transitions,
)
from tnlearn.report.style import save

__all__ = ["page"]

Row = Mapping[str, Any]


def page(results: Mapping[str, Any], folder: Path) -> Page:
    """Draw the figures and say what they show."""
    return Page(
        answer=_answer(results),
        opening=_opening(results, folder),
        sections=[
            ("collapse", "Accuracy against L δ", _collapse(results, folder)),
            ("table", "Closest approaches", tables(results)),
            ("transitions", "One zero crossing, or a pair", transitions(results)),
            ("disorder", "Disordered chains", _disordered(results, folder)),
            ("compared", "Every label against the learned marker", compared(results)),
            ("reliable", "What the shipped marker says of itself", reliable(results)),
            ("labels", "What was tried", labels(results)),
        ],
    )


def _answer(results: Row) -> list[str]:
    verdict = results["verdicts"][0]
    judged = results["answers"][results["judged"]]
    said = [
        f"Judged is “{judged['title']}”, {judged['members']} members of "
        f"{judged['parameters']:,} parameters trained at "
        f"{min(results['config']['sizes'])} to {max(results['config']['sizes'])} cells.",
        f"{_WORDS[verdict['verdict']]}: {verdict['condition']}.",
        verdict["because"],
    ]
    level = results["config"]["levels"][0]
    for condition in results["conditions"]:
        said.append(_in_numbers(results, condition, level))
    return said


_WORDS = {
    "supported": "The learned marker is right closer to the transition than every label",
    "depends on": "Whether the learned marker is right closer to the transition than the labels "
    "depends on what a label is told",
    "not supported": "The learned marker is not right closer to the transition than any label",
}


def _in_numbers(results: Row, condition: str, level: float) -> str:
    lengths = lengths_of(results, condition)
    parts = []
    for sees in (None, "states", "block", "ring"):
        values = []
        for cells in lengths:
            name = results["judged"] if sees is None else _best(results, condition, cells, sees)
            values.append(scaled(row_of(results, condition, cells, name, level)))
        title = "the learned marker" if sees is None else f"the best label that sees {SEES[sees]}"
        alike = len(set(values)) == 1 and len(values) > 1
        parts.append(f"{title}: {values[0] + ' at each' if alike else ', '.join(values)}")
    where = "Of clean chains" if condition == "clean" else f"At {condition.replace('-', ' ')}"
    return (
        f"{where} of {', '.join(map(str, lengths))} cells, L δ* at {100 * level:g} %: "
        f"{'; '.join(parts)}."
    )


def _best(results: Row, condition: str, cells: int, sees: str) -> str:
    for row in results["best"]:
        if (row["condition"], row["cells"], row["sees"]) == (condition, cells, sees):
            return str(row["label"])
    raise KeyError((condition, cells, sees))


def _opening(results: Row, folder: Path) -> str:
    level = 100 * results["config"]["levels"][0]
    path = save(approaches(results), folder / "figures" / "marker-approach.png")
    return shown(
        path,
        f"Closest approach δ* at an accuracy of {level:g} % against the length, with 95 % "
        "bootstrap intervals over chains and members; lower is better. Clean: δ = min |ln |z<sub>i"
        "</sub>||, z<sub>i</sub> the zeros of h(z); disordered: the smallest modulus of a Lyapunov "
        "exponent of the infinite chain. Solid lines see the states of the open chain only, "
        "dashed ones hoppings or energies, dotted ones the closed ring. A point on the grey area "
        "is right at every distance tested; a missing one never reaches the level.",
        "closest approach against length, both logarithmic, for every label",
    )


def _collapse(results: Row, folder: Path) -> str:
    if "clean" not in results["conditions"]:
        return ""
    left_out = ("twist", "lyapunov-ring", "localizer")
    answers = [name for name in results["answers"] if name not in left_out]
    path = save(collapse(results, answers), folder / "figures" / "marker-collapse.png")
    slopes = [
        f"{escape(results['answers'][row['answer']]['title'])} {row['exponent']:.2f}".replace(
            "-", "−"
        )
        for row in results["slopes"]
        if row["condition"] == "clean"
    ]
    words = (
        "<p>Where the curves of all lengths fall on one, the label depends on L δ alone, and its "
        "closest approach falls as 1/L. Exponents p of a fit δ* ~ L<sup>p</sup>: "
        f"{'; '.join(slopes)}.</p>"
        if slopes
        else ""
    )
    return words + shown(
        path,
        "Share of right answers on clean chains against the scaling variable L δ, with Wilson's "
        "95 % intervals of the chains in the bin. The windings of the four classes are about "
        "equally frequent, so chance is a quarter, and a label that knows the transition but not "
        "the side a half. The grey line is the level of the closest approach.",
        "accuracy against L times delta, one panel a label, one line a length",
    )


def _disordered(results: Row, folder: Path) -> str:
    chosen = [
        name
        for name, about in results["answers"].items()
        if about["kind"] == "trained"
        or name in ("rswn", "log-open", "localizer-best", "rswn-ring", "lyapunov-ring")
    ]
    drawn = disordered(results, chosen)
    if drawn is None:
        return ""
    path = save(drawn, folder / "figures" / "marker-disorder.png")
    words = (
        "<p>The truth is the phase of the infinite chain with these hoppings and strengths: that "
        "of the same sample continued, whose first L cells decide nothing. Its distance from the "
        "transition is the smallest modulus of a Lyapunov exponent, from 16,000 cells. No label of "
        "L cells can follow it to the transition: the sample's own exponents scatter about the "
        "infinite ones by some 1/√L, and the integer of the sample itself shows that bound.</p>"
    )
    return words + shown(
        path,
        "Share of right answers on disordered chains against the distance of the infinite chain "
        "from its transition, with Wilson's 95 % intervals of the chains in the bin.",
        "accuracy against distance, one panel a length and strength",
    )
