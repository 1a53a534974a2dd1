"""The page of the study `audit`: networks × interventions, scores, and what was certified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tnlearn.report.html import figure as shown
from tnlearn.report.html import folded
from tnlearn.report.study import Page
from tnlearn.report.study_audit_figures import label, reliance, scores, shares
from tnlearn.report.style import save

__all__ = ["page"]

_ORDER = ("reference", "rswn", "symmetric", "generic")
_SCORED = (
    "The score is the mean share over the interventions that keep the winding and over those that "
    "change it, each kind counting half: 1 for the invariant itself, 0.5 for one answer to all. "
    "Intervals of 95 %: over the members (their number stands beside the name), for what is "
    "not trained over the pairs (Wilson)."
)

Row = Mapping[str, Any]


def page(results: Mapping[str, Any], folder: Path) -> Page:
    """Draw the figures and say what they show."""
    config = results["config"]
    cells, first = config["cells"], float(config["disorders"][0])
    own = _chosen(results, cells, first)
    certificates = _certificates(results, cells, first)
    return Page(
        answer=_answer(results, own),
        opening=_heat(results, own, certificates, folder, "shares", right=False),
        sections=[
            ("score", "Scores", _scores(own, folder)),
            ("edges", "Do the edge states decide?", _edges(results, own, folder)),
            (
                "right",
                "Of the pairs that were answered rightly before",
                _heat(results, own, certificates, folder, "shares-right", right=True),
            ),
            ("disorder", "On disordered chains", _disordered(results, folder)),
            ("lengths", "The references at other lengths", _lengths(results)),
            (
                "certified",
                "The interventions, and what was certified",
                _definitions(certificates),
            ),
        ],
    )


def _chosen(results: Mapping[str, Any], cells: int, disorder: float) -> list[Row]:
    rows = [r for r in results["audits"] if r["cells"] == cells and r["disorder"] == disorder]
    return sorted(rows, key=lambda row: _ORDER.index(row["family"]))


def _certificates(results: Mapping[str, Any], cells: int, disorder: float) -> list[Row]:
    found = results["interventions"]
    return [r for r in found if r["cells"] == cells and r["disorder"] == disorder]


def _answer(results: Mapping[str, Any], own: Sequence[Row]) -> list[str]:
    trained = [row for row in own if row["trained"] and row["score"]["value"] is not None]
    said = []
    if trained:
        best, worst = (pick(trained, key=lambda row: row["score"]["value"]) for pick in (max, min))
        said.append(
            f"Of {len(trained)} trained networks the answer follows the certified winding most "
            f"often for {_named(best)} and least often for {_named(worst)}; {_references(own)}."
        )
        exact = _reference(own, "exact")
        above, below = (sum(_apart(row, exact, sign) for row in trained) for sign in (1, -1))
        said.append(
            f"By the intervals {_many(above)} above the untrained formula, rounded, and "
            f"{_many(below)} below it, though at {exact['cells']} cells the formula itself is "
            "off by its finite size."
        )
    verdict = next(v for v in results["verdicts"] if v["claim"] == "proxies")
    said.append(_VERDICTS[verdict["verdict"]] + _counted(results, verdict["sides"]))
    always = [
        row["title"]
        for row in trained
        if all(row["network"] in found["edges"] for found in results["sides"].values())
    ]
    if always:
        said.append(
            "Of all accurate networks, with and without the formula, nearer to the counter of edge "
            f"states in every test: {'; '.join(always)}."
        )
    return said


_VERDICTS = {
    "supported": "The accurate networks without the formula rest on the edge states in every test",
    "not supported": "The accurate networks without the formula rest on the edge states in no test",
    "depends on": "Whether the accurate networks without the formula rest on the edge states "
    "depends on the network and on the test",
}


def _counted(results: Mapping[str, Any], sides: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    parts = []
    for test, found in sides.items():
        if count := sum(map(len, found.values())):
            what = results["tests"][test].split(": ", 1)[0]
            parts.append(f"{what}: {len(found['edges'])} of {count}")
    if not parts:
        return " (none was accurate enough to ask)."
    return f" (nearer to a counter of edge states than to the invariant, {'; '.join(parts)})."


def _named(row: Row) -> str:
    found = row["score"]
    interval = "" if found["low"] is None else f" [{found['low']:.3f}, {found['high']:.3f}]"
    return f"“{row['title']}” ({found['value']:.3f}{interval})"


def _references(own: Sequence[Row]) -> str:
    parts = []
    for name, words in (
        ("exact", "the untrained formula, rounded, has"),
        ("edge-count", "a counter of edge states"),
        ("constant", "one answer to all"),
    ):
        value = _reference(own, name)["score"]["value"]
        parts.append(f"{words} {'no score' if value is None else f'{value:.3f}'}")
    return ", ".join(parts)


def _reference(own: Sequence[Row], name: str) -> Row:
    return next(row for row in own if row["network"] == name and not row["trained"])


def _many(count: int) -> str:
    return {0: "none is", 1: "one is"}.get(count, f"{count} are")


def _apart(row: Row, other: Row, sign: int) -> bool:
    """Whether the interval of a score is wholly above (1) or below (-1) that of another."""
    upper, lower = (row, other) if sign > 0 else (other, row)
    low, high = upper["score"]["low"], lower["score"]["high"]
    return low is not None and high is not None and low > high


def _heat(
    results: Mapping[str, Any],
    rows: Sequence[Row],
    certificates: Sequence[Row],
    folder: Path,
    name: str,
    *,
    right: bool,
) -> str:
    path = save(shares(rows, certificates, right=right), folder / "figures" / f"{name}.png")
    of = "that were answered rightly before the intervention" if right else "of each intervention"
    caption = (
        f"Share of the certified pairs {of} on which the answer follows the invariant, in per "
        "cent; mean over the members, whose number stands in brackets. Dash: the network takes "
        "chains of its own length only. *: not scored."
    )
    return shown(path, caption, "Heat map of networks against interventions")


def _scores(own: Sequence[Row], folder: Path) -> str:
    path = save(scores(own), folder / "figures" / "scores.png")
    table = _table(
        (
            "network",
            "members",
            "accuracy",
            "winding stands",
            "winding changes",
            "score",
            "if right",
        ),
        [
            (
                label(row) if not row["trained"] else row["title"],
                str(row["members"]) if row["trained"] else "–",
                _value(row["accuracy"]),
                _value(row["record"]["score"]["preserving"]),
                _value(row["record"]["score"]["changing"]),
                _value(row["score"]),
                _value(row["score_right"]),
            )
            for row in own
        ],
    )
    return shown(path, _SCORED, "Scores of all networks with intervals") + table


def _edges(results: Mapping[str, Any], own: Sequence[Row], folder: Path) -> str:
    asked = [row for row in own if row["trained"] or row["network"] != "constant"]
    path = save(reliance(asked, results["tests"]), folder / "figures" / "edges.png")
    caption = (
        "What an answer that rests on the edge states does, and one that rests on the invariant "
        "never: share of the certified pairs answered rightly before, mean over the interventions "
        "of the test. The dashed line is half the share of the edge counter, which looks at the "
        "two pairs of states nearest zero energy in the outer 15 % of the cells. Pale: networks "
        f"that are right on less than {100 * results['config']['threshold']:g} % of the clear "
        "chains, whose changes tell nothing."
    )
    verdict = next(v for v in results["verdicts"] if v["claim"] == "proxies")
    words = f"<p>{escape(verdict['because'])}.</p><p>{escape(verdict['condition'])}.</p>"
    return (
        shown(path, caption, "Failures of the networks in three tests of edge states")
        + _sides(results, own)
        + folded("What the verdict on accurate networks is made of", words)
    )


def _sides(results: Mapping[str, Any], own: Sequence[Row]) -> str:
    """Which networks are on which side of the line, test by test."""
    titles = {row["network"]: row["title"] for row in own if row["trained"]}

    def named(names: Sequence[str]) -> str:
        return escape("; ".join(titles[name] for name in names)) or "–"

    body = "".join(
        f'<tr><th>{escape(words)}</th><td class="text">{named(found["edges"])}</td>'
        f'<td class="text">{named(found["undecided"])}</td>'
        f'<td class="text">{named(found["invariant"])}</td>'
        f'<td class="text">{named(found["poor"])}</td></tr>'
        for test, words in results["tests"].items()
        for found in (results["sides"][test],)
    )
    head = "".join(
        f'<th class="text">{words}</th>'
        for words in (
            *("nearer to the edge states", "undecided", "nearer to the invariant"),
            "not accurate, not judged",
        )
    )
    return _wide(f"<tr><th>test</th>{head}</tr>", body)


def _disordered(results: Mapping[str, Any], folder: Path) -> str:
    config = results["config"]
    parts = []
    for disorder in config["disorders"][1:]:
        rows = _chosen(results, config["cells"], float(disorder))
        found = _certificates(results, config["cells"], float(disorder))
        parts.append(f"<h3>Disorder {disorder:g} on every hopping, networks trained as above</h3>")
        name = f"shares-disorder-{disorder:g}"
        parts.append(_heat(results, rows, found, folder, name, right=False))
    return "".join(parts)


def _lengths(results: Mapping[str, Any]) -> str:
    config = results["config"]
    if len(config["lengths"]) < 2:
        return ""
    rows = [
        (
            row["title"],
            str(row["cells"]),
            f"{row['disorder']:g}",
            *(_value(row[key]) for key in ("accuracy", "score", "score_right")),
        )
        for row in results["audits"]
        if not row["trained"]
    ]
    return (
        "<p>The formula is the invariant of an infinite chain: what it lacks here it lacks by its "
        "finite length.</p>"
        + _table(("reference", "cells", "disorder", "accuracy", "score", "if right"), rows)
    )


def _definitions(certificates: Sequence[Row]) -> str:
    rows = []
    for row in certificates:
        refused = "; ".join(f"{reason}: {count}" for reason, count in row["refused"].items())
        kept = row["edge_count_kept"]
        rows.append(
            f"<tr><th>{escape(row['title'])}<small>{escape(row['name'])}</small></th>"
            f'<td class="text">{escape(row["changes"])}</td>'
            f'<td class="text">{escape(row["keeps"])}</td>'
            f"<td>{row['certified']:,} of {row['made']:,}</td>"
            f'<td class="text">{escape(refused)}</td>'
            f"<td>{'–' if kept is None else f'{100 * kept:.0f} %'}</td></tr>"
        )
    head = (
        '<tr><th>intervention</th><th class="text">changes</th><th class="text">keeps</th>'
        '<th>certified</th><th class="text">refused</th><th>edge count kept</th></tr>'
    )
    return (
        "<p>Each pair is certified: the winding number (Lyapunov) of both chains is recomputed, "
        "and must be the same, or another, as claimed; both must be clear (RSWN of the ring within "
        "0.3 of the same integer, ring with a gap). The last column says on how many certified "
        "pairs the counted edge states stay as many.</p>" + _wide(head, "".join(rows))
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f"<tr><th>{escape(row[0])}</th>" + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    return _wide(f"<tr>{head}</tr>", body)


def _wide(head: str, body: str) -> str:
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _value(found: Mapping[str, float | None]) -> str:
    if found["value"] is None:
        return "–"
    small = ""
    if found["low"] is not None:
        small = f"<small>{found['low']:.3f} – {found['high']:.3f}</small>"
    return f"<b>{found['value']:.3f}</b>{small}"
