"""The page of the study `marker`: who is right closest to the transition, and how close that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tnlearn.report.html import figure as shown
from tnlearn.report.html import folded
from tnlearn.report.study import Page
from tnlearn.report.study_marker_figures import approaches, collapse, disordered
from tnlearn.report.style import save

__all__ = ["page"]

Row = Mapping[str, Any]

_SEES = {
    "states": "the states of the open chain only",
    "block": "the hoppings or energies of the open chain, too",
    "ring": "the chain closed into a ring",
}


def page(results: Mapping[str, Any], folder: Path) -> Page:
    """Draw the figures and say what they show."""
    return Page(
        answer=_answer(results),
        opening=_opening(results, folder),
        sections=[
            ("collapse", "Accuracy against L δ", _collapse(results, folder)),
            ("table", "Closest approaches", _tables(results)),
            ("transitions", "One zero crossing, or a pair", _transitions(results)),
            ("disorder", "Disordered chains", _disordered(results, folder)),
            ("compared", "Every label against the learned marker", _compared(results)),
            ("reliable", "What the shipped marker says of itself", _reliable(results)),
            ("labels", "What was tried", _labels(results)),
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
    lengths = _lengths(results, condition)
    parts = []
    for sees in (None, "states", "block", "ring"):
        values = []
        for cells in lengths:
            name = results["judged"] if sees is None else _best(results, condition, cells, sees)
            values.append(_scaled(_row(results, condition, cells, name, level)))
        title = "the learned marker" if sees is None else f"the best label that sees {_SEES[sees]}"
        alike = len(set(values)) == 1 and len(values) > 1
        parts.append(f"{title}: {values[0] + ' at each' if alike else ', '.join(values)}")
    where = "Of clean chains" if condition == "clean" else f"At {condition.replace('-', ' ')}"
    return (
        f"{where} of {', '.join(map(str, lengths))} cells, L δ* at {100 * level:g} %: "
        f"{'; '.join(parts)}."
    )


def _lengths(results: Row, condition: str) -> list[int]:
    return sorted({row["cells"] for row in results["closest"] if row["condition"] == condition})


def _best(results: Row, condition: str, cells: int, sees: str) -> str:
    for row in results["best"]:
        if (row["condition"], row["cells"], row["sees"]) == (condition, cells, sees):
            return str(row["label"])
    raise KeyError((condition, cells, sees))


def _row(
    results: Row, condition: str, cells: int, answer: str, level: float, crossing: int = 0
) -> Row | None:
    key = (condition, cells, answer, level, crossing)
    for row in results["closest"]:
        if (
            row["condition"],
            row["cells"],
            row["answer"],
            row["level"],
            row["crossing"],
        ) == key:
            found: Row = row
            return found
    return None


def _scaled(row: Row | None, *, interval: bool = False) -> str:
    """L δ* with its interval; ≤ the nearest tested, or – where it is not reached."""
    if row is None:
        return ""
    cells = row["cells"]

    def plain(value: float | None) -> str:
        if value is None:
            return "–"
        if value == 0.0:
            return f"≤ {cells * row['least']:.2f}"
        return f"{cells * value:.2f}"

    text = plain(row["value"])
    if not interval or row["value"] == row["low"] == row["high"]:
        return text
    ends = [("∞" if row[key] is None else plain(row[key])) for key in ("low", "high")]
    return f"{text} <small>[{', '.join(ends)}]</small>"


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


def _tables(results: Row) -> str:
    parts = []
    for condition in results["conditions"]:
        for level in results["config"]["levels"]:
            title = f"{condition.replace('-', ' ')}, accuracy {100 * level:g} %"
            table = _approach_table(results, condition, level)
            if level == results["config"]["levels"][0]:
                parts.append(f"<h3>L δ*, {escape(title)}</h3>{table}")
            else:
                parts.append(folded(f"L δ*, {title}", table))
    return "".join(parts)


def _approach_table(results: Row, condition: str, level: float) -> str:
    lengths = _lengths(results, condition)
    rows = []
    for sees, words in _SEES.items():
        rows.append(
            f'<tr class="family"><th colspan="{len(lengths) + 1}">sees {escape(words)}</th></tr>'
        )
        for name, about in results["answers"].items():
            if about["sees"] != sees:
                continue
            cells = "".join(
                f"<td>{_scaled(_row(results, condition, c, name, level), interval=True)}</td>"
                for c in lengths
            )
            rows.append(f"<tr><th>{escape(about['title'])}</th>{cells}</tr>")
    head = "".join(f"<th>{c} cells</th>" for c in lengths)
    return (
        f'<div class="wide"><table><thead><tr><th>answer</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _transitions(results: Row) -> str:
    level = results["config"]["levels"][0]
    kinds = {row["crossing"] for row in results["closest"] if row["condition"] == "clean"} - {0}
    if not kinds:
        return ""
    lengths = _lengths(results, "clean")
    head = "".join(f'<th colspan="{len(kinds)}">{c} cells</th>' for c in lengths)
    below = "".join(
        f"<th>{'one' if k == 1 else 'pair'}</th>" for _ in lengths for k in sorted(kinds)
    )
    rows = []
    for name, about in results["answers"].items():
        cells = "".join(
            f"<td>{_scaled(_row(results, 'clean', c, name, level, k))}</td>"
            for c in lengths
            for k in sorted(kinds)
        )
        rows.append(f"<tr><th>{escape(about['title'])}</th>{cells}</tr>")
    return (
        "<p>With real hoppings one zero crosses the unit circle at z = ±1 and the winding number "
        "changes by one, or a complex pair crosses and it changes by two. L δ* of each, at "
        f"{100 * level:g} %:</p>"
        f'<div class="wide"><table><thead><tr><th rowspan="2">answer</th>{head}</tr>'
        f"<tr>{below}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
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


def _compared(results: Row) -> str:
    parts = []
    for condition in results["conditions"]:
        lengths = _lengths(results, condition)
        rows = []
        for name, about in results["answers"].items():
            mine = {
                row["cells"]: row
                for row in results["comparisons"]
                if (row["condition"], row["label"]) == (condition, name)
            }
            if mine:
                cells = "".join(_ratio(mine[c]) for c in lengths)
                rows.append(f"<tr><th>{escape(about['title'])}</th>{cells}</tr>")
        head = "".join(f"<th>{c} cells</th>" for c in lengths)
        parts.append(
            f"<h3>{escape(condition.replace('-', ' '))}</h3>"
            f'<div class="wide"><table><thead><tr><th>label</th>{head}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table></div>"
            + folded("Share of all these chains right", _shares(results, condition))
        )
    words = (
        "<p>How many times closer the judged marker comes: the label's δ* over its own, on the "
        "same chains, with the 95 % interval of resampling chains and members together. In bold "
        "where the interval is above 1, in italics where it is below. Where one is right down to "
        "the nearest chain, the distance of that chain stands for its δ*; ∞: the label never "
        "reaches the level.</p>"
    )
    return words + "".join(parts)


def _shares(results: Row, condition: str) -> str:
    """Per cent of the chains right, and how much more the judged marker has right."""
    lengths = _lengths(results, condition)
    right = {
        (curve["answer"], curve["cells"]): curve["right"]
        for curve in results["curves"]
        if curve["condition"] == condition
    }
    gains = {
        (row["label"], row["cells"]): row["gain"]
        for row in results["comparisons"]
        if row["condition"] == condition
    }
    rows = []
    for name, about in results["answers"].items():
        cells = ""
        for c in lengths:
            cells += f"<td>{100 * right[name, c]:.1f}"
            if (name, c) in gains:
                more = (f"{100 * gains[name, c][key]:+.1f}" for key in ("value", "low", "high"))
                value, low, high = (text.replace("-", "−") for text in more)
                cells += f" <small>{value} [{low}, {high}]</small>"
            cells += "</td>"
        rows.append(f"<tr><th>{escape(about['title'])}</th>{cells}</tr>")
    head = "".join(f"<th>{c} cells</th>" for c in lengths)
    return (
        "<p>In per cent; small: what the judged marker has more, in points.</p>"
        f'<div class="wide"><table><thead><tr><th>answer</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _ratio(row: Row) -> str:
    def plain(value: float | None) -> str:
        if value is None:
            return "∞"
        return f"{value:.2f}" if value < 10 else f"{value:.0f}"

    text = plain(row["value"])
    tag = {"ahead": "b", "behind": "i"}.get(row["verdict"])
    text = f"<{tag}>{text}</{tag}>" if tag else text
    return f"<td>{text} <small>[{plain(row['low'])}, {plain(row['high'])}]</small></td>"


def _reliable(results: Row) -> str:
    rows = []
    for row in results["reliable"]:
        inside = "–"
        if row["right_if_reliable"] is not None:
            share, low, high = (100 * row[key] for key in ("right_if_reliable", "low", "high"))
            inside = f"{share:.1f} <small>[{low:.1f}, {high:.1f}]</small>"
        rows.append(
            f"<tr><th>{escape(row['condition'].replace('-', ' '))}</th><td>{row['cells']}</td>"
            f"<td>{row['samples']}</td><td>{100 * row['right']:.1f}</td>"
            f"<td>{100 * row['reliable']:.1f}</td><td>{inside}</td></tr>"
        )
    return (
        "<p>Of these chains, all of them chosen near transitions, in per cent: how many answers "
        'of <code>tnl.marker("extended")</code> are right, how many it calls reliable, and how '
        "many of those are right.</p>"
        '<div class="wide"><table><thead><tr><th>chains</th><th>cells</th><th>number</th>'
        "<th>right</th><th>reliable</th><th>right if reliable</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _labels(results: Row) -> str:
    rows = []
    for name, about in results["answers"].items():
        chosen = [
            f"{one['cells']} cells {one['options'][name]:g}"
            + ("" if one["condition"] == "clean" else f" ({one['condition'].replace('-', ' ')})")
            for one in results["options"]
            if name in one["options"]
        ]
        members = ""
        if about["kind"] == "trained":
            members = f"{about['members']} members, {about['parameters']:,} parameters"
        words = "; ".join(text for text in (about["words"], members) if text)
        if chosen:
            words += f". Chosen: {_joined(chosen)}"
        rows.append(
            f'<tr><th>{escape(about["title"])}</th><td class="text">{escape(_SEES[about["sees"]])}'
            f'</td><td class="text">{escape(words)}</td></tr>'
        )
    return (
        '<div class="wide"><table><thead><tr><th>answer</th><th class="text">sees</th>'
        '<th class="text">what it is</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        "<p>A free number (window, κ, threshold) is chosen on other chains of the same length and "
        "kind for the closest approach. The truth of a clean chain is the winding number of the "
        "infinite one, by the zeros of h(z); a label that is told the hoppings can only repeat "
        "it.</p>"
    )


def _joined(parts: Sequence[str]) -> str:
    return ", ".join(parts)
