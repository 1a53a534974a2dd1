"""The tables of a report, as HTML: networks × shifts, networks, data, settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tnlearn.report.reading import FAMILIES, DataSet, Results, Run, Shift
from tnlearn.report.statistics import Summary, difference, summary

__all__ = ["comparison", "costs", "definitions", "networks", "settings"]


class _Notes:
    """Footnotes of one table: the same remark gets the same letter."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def mark(self, remark: str) -> str:
        """The letter of a remark, as a superscript."""
        index = len(self.found)
        letter = chr(97 + index) if index < 26 else f"{chr(96 + index // 26)}{chr(97 + index % 26)}"
        return f"<sup>{self.found.setdefault(remark, letter)}</sup>"

    def html(self) -> str:
        if not self.found:
            return ""
        items = "; ".join(
            f"<sup>{mark}</sup>&nbsp;{escape(text)}" for text, mark in self.found.items()
        )
        return f'<p class="notes">{items}.</p>'


def comparison(results: Results, data: str, *, clear: bool = False) -> str:
    """Networks × shifts: mean with half-width, worst and best member, in per cent.

    `clear`: on the samples that are not ambiguous.
    """
    dataset = results.datasets[data]
    shifts, notes = dataset.shifts, _Notes()
    if clear:
        head = "".join(_head(s.title, _kept(s)) for s in shifts)
    else:
        head = "".join(_head(s.title, f"n = {s.samples}" if s.samples else "") for s in shifts)
    best = {s.name: _best(results.runs(data), s.name, clear) for s in shifts}
    rows = []
    for family in results.families(data):
        title = escape(FAMILIES.get(family, family))
        rows.append(f'<tr class="family"><th colspan="{len(shifts) + 1}">{title}</th></tr>')
        for run in results.runs(data, family):
            cells = "".join(_cell(run, s, clear, best[s.name], notes) for s in shifts)
            members = "1 member" if run.members == 1 else f"{run.members} members"
            name = f"<th>{escape(run.title)}<small>{members}</small></th>"
            rows.append(f"<tr>{name}{cells}</tr>")
    if not clear:
        rows += _untrained(results, data, shifts)
    return (
        '<div class="wide"><table class="comparison"><thead><tr><th>network</th>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f"{notes.html()}"
    )


def _head(title: str, small: str) -> str:
    return f"<th>{escape(title)}<small>{escape(small)}</small></th>"


def _kept(shift: Shift) -> str:
    if shift.samples is None or shift.ambiguous is None:
        return ""
    return f"n = {shift.samples - shift.ambiguous}"


def _best(runs: Sequence[Run], shift: str, clear: bool) -> Run | None:
    scored = [
        (summary(values).mean, run)
        for run in runs
        if (values := run.accuracy(shift, clear=clear)) is not None and summary(values).count
    ]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None


def _cell(run: Run, shift: Shift, clear: bool, best: Run | None, notes: _Notes) -> str:
    values = run.accuracy(shift.name, clear=clear)
    if values is None:
        reason = run.reason(shift.name)
        # The errors of the package tell the case and then, after a colon, the rule: the rule is
        # the footnote, shared by many cells, and the case appears under the pointer.
        rule = reason.rsplit(": ", 1)[-1]
        return f'<td class="none" title="{escape(reason)}">n/a{notes.mark(rule)}</td>'
    found = summary(values)
    if not found.count:
        return f'<td class="none">–{notes.mark("every member diverged")}</td>'
    kind = ""
    if best is not None:
        level = difference(values, best.accuracy(shift.name, clear=clear)).verdict == "level"
        kind = ' class="best"' if run is best else ' class="level"' if level else ""
    mark = ""
    if found.missing:
        mark = notes.mark(
            f"{found.missing} of {found.count + found.missing} members diverged and are left out"
        )
    return f"<td{kind}>{_value(found)}{mark}<small>{_extremes(found)}</small></td>"


def _value(found: Summary) -> str:
    text = f"<b>{100 * found.mean:.1f}</b>"
    return text + (f" ±{100 * found.half_width:.1f}" if found.has_interval else "")


def _extremes(found: Summary) -> str:
    if found.count < 2:
        return "1 member"
    return f"{100 * found.worst:.1f} – {100 * found.best:.1f}"


def _untrained(results: Results, data: str, shifts: Sequence[Shift]) -> list[str]:
    """Rows of what is not trained, so that it has neither members nor an interval."""
    named: list[tuple[str, Mapping[str, float | None]]] = []
    if results.exact(data):
        named.append((results.exact_title(), results.exact(data)))
    named += [(f"label by {name}", row) for name, row in results.markers(data).items()]
    if not named:
        return []
    rows = [f'<tr class="family"><th colspan="{len(shifts) + 1}">Without training</th></tr>']
    for title, row in named:
        cells = "".join(
            '<td class="none">n/a</td>' if level is None else f"<td><b>{100 * level:.1f}</b></td>"
            for level in (row.get(shift.name) for shift in shifts)
        )
        rows.append(f"<tr><th>{escape(title)}</th>{cells}</tr>")
    return rows


def networks(results: Results, data: str) -> str:
    """What each network is and costs, and how it was trained on a data set."""
    columns = (
        *("network", "what it is", "parameters", "flops naive", "path", "shared", "peak"),
        *("learning rate", "epochs", "batches", "seconds"),
    )
    rows = []
    for run in results.runs(data):
        # Of this data set where the run says so: the number of classes counts.
        made = {**run.about, **run.facts}
        flops = made.get("flops") or {}
        cells = [
            *(_count(made.get("parameters")), *map(_count, map(flops.get, _FLOPS))),
            *(_count(made.get("peak")), _plain(run.facts.get("lr"))),
            *(_plain(run.facts.get("epochs")), _plain(run.facts.get("batches"))),
            _plain(run.facts.get("seconds"), ".1f"),
        ]
        about = escape(str(run.about.get("description") or ""))
        rows.append(
            f'<tr><th>{escape(run.title)}</th><td class="text">{about}</td>'
            + "".join(f"<td>{cell}</td>" for cell in cells)
            + "</tr>"
        )
    return _table(columns, rows, text=1)


_FLOPS = ("naive", "path", "shared")


def costs(graph: Mapping[str, Any]) -> str:
    """The costs of one contraction graph in a line."""
    named = [(f"{name} flops", graph.get(name)) for name in _FLOPS]
    named += [("largest intermediate", graph.get("peak")), ("parameters", graph.get("parameters"))]
    return ", ".join(f"{name} {_count(value)}" for name, value in named if value is not None)


def definitions(dataset: DataSet) -> str:
    """What each test set of a data set is."""
    rows = []
    for shift in dataset.shifts:
        rest = {
            key: value
            for key, value in shift.facts.items()
            if key not in ("name", "title", "samples", "ambiguous", "description")
        }
        words = [str(shift.facts.get("description") or "")]
        words += [f"{key} = {value}" for key, value in rest.items()]
        rows.append(
            f"<tr><th>{escape(shift.title)}</th>"
            f'<td class="text">{escape("; ".join(word for word in words if word))}</td>'
            f"<td>{_count(shift.samples)}</td><td>{_count(shift.ambiguous)}</td></tr>"
        )
    return _table(("test set", "definition", "samples", "of them ambiguous"), rows, text=1)


def settings(values: Mapping[str, Any]) -> str:
    """Nested settings as a list of dotted names and values."""
    rows = [
        f'<tr><th>{escape(name)}</th><td class="text">{escape(str(value))}</td></tr>'
        for name, value in _flat(values)
    ]
    return _table(("setting", "value"), rows, text=1)


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{before}{key}.")
        else:
            found.append((f"{before}{key}", value))
    return found


def _table(columns: Sequence[str], rows: Sequence[str], *, text: int) -> str:
    """A plain table whose column number `text` holds words and not numbers."""
    head = "".join(
        f'<th class="text">{escape(column)}</th>' if k == text else f"<th>{escape(column)}</th>"
        for k, column in enumerate(columns)
    )
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _count(value: float | None) -> str:
    """A whole number with commas between thousands."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{round(value):,}"


def _plain(value: Any, form: str = "") -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return format(value, form or "g")
    return escape(str(value))
