"""The tables of the study `marker`: closest approaches, comparisons, and what was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tnlearn.report.html import folded

__all__ = [
    "SEES",
    "compared",
    "labels",
    "lengths_of",
    "reliable",
    "row_of",
    "scaled",
    "tables",
    "transitions",
]

Row = Mapping[str, Any]

SEES = {
    "states": "the states of the open chain only",
    "block": "the hoppings or energies of the open chain, too",
    "ring": "the chain closed into a ring",
}


def lengths_of(results: Row, condition: str) -> list[int]:
    """The lengths tried at a strength of disorder, ascending."""
    return sorted({row["cells"] for row in results["closest"] if row["condition"] == condition})


def row_of(
    results: Row, condition: str, cells: int, answer: str, level: float, crossing: int = 0
) -> Row | None:
    """The closest approach of an answer; `crossing` 0 is all transitions together."""
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


def scaled(row: Row | None, *, interval: bool = False) -> str:
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


def tables(results: Row) -> str:
    """L δ* of every answer, for each strength of disorder and accuracy."""
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
    lengths = lengths_of(results, condition)
    rows = []
    for sees, words in SEES.items():
        rows.append(
            f'<tr class="family"><th colspan="{len(lengths) + 1}">sees {escape(words)}</th></tr>'
        )
        for name, about in results["answers"].items():
            if about["sees"] != sees:
                continue
            cells = "".join(
                f"<td>{scaled(row_of(results, condition, c, name, level), interval=True)}</td>"
                for c in lengths
            )
            rows.append(f"<tr><th>{escape(about['title'])}</th>{cells}</tr>")
    head = "".join(f"<th>{c} cells</th>" for c in lengths)
    return (
        f'<div class="wide"><table><thead><tr><th>answer</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def transitions(results: Row) -> str:
    """L δ* of clean chains, a single zero and a pair apart."""
    level = results["config"]["levels"][0]
    kinds = {row["crossing"] for row in results["closest"] if row["condition"] == "clean"} - {0}
    if not kinds:
        return ""
    lengths = lengths_of(results, "clean")
    head = "".join(f'<th colspan="{len(kinds)}">{c} cells</th>' for c in lengths)
    below = "".join(
        f"<th>{'one' if k == 1 else 'pair'}</th>" for _ in lengths for k in sorted(kinds)
    )
    rows = []
    for name, about in results["answers"].items():
        cells = "".join(
            f"<td>{scaled(row_of(results, 'clean', c, name, level, k))}</td>"
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


def compared(results: Row) -> str:
    """How many times closer than each label the judged marker comes."""
    parts = []
    for condition in results["conditions"]:
        lengths = lengths_of(results, condition)
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
    lengths = lengths_of(results, condition)
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
    ends = f"<small>[{plain(row['low'])}, {plain(row['high'])}]</small>"
    if row["verdict"] == "ahead":
        return f'<td class="best"><b>{text}</b> {ends}</td>'
    return (
        f"<td><i>{text}</i> {ends}</td>"
        if row["verdict"] == "behind"
        else f"<td>{text} {ends}</td>"
    )


def reliable(results: Row) -> str:
    """How often the shipped marker trusts itself, and is then right."""
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


def labels(results: Row) -> str:
    """What was tried: what it sees, what it is, which free number was chosen."""
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
            f'<tr><th>{escape(about["title"])}</th><td class="text">{escape(SEES[about["sees"]])}'
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
