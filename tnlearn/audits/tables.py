"""An audit as text, and as HTML for a notebook."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from tnlearn.audits.interventions import FAMILIES
from tnlearn.audits.score import Estimate, Row

if TYPE_CHECKING:
    from tnlearn.audits.audit import Audit

__all__ = ["HEADINGS", "as_html", "as_text"]

HEADINGS = {
    "preserving": "The winding number stands: does the answer stay?",
    "changing": "The winding number changes: does the answer follow?",
    "ablation": "States blanked out, not scored: does the answer stay?",
}
_COLUMNS = ("certified", "follows", "95 % interval", "if right before", "edge count kept")


def as_text(audit: Audit) -> str:
    """A table in plain letters, 100 columns wide at most."""
    lines = [_heading(audit), ""]
    width = max(len(row.title) for row in audit.rows) + 1
    for family in FAMILIES:
        rows = [row for row in audit.rows if row.family == family]
        if not rows:
            continue
        lines.append(HEADINGS[family])
        head = (
            f"{'certified':>12} {'follows':>8}  {'95 % interval':<15} {'if right':>8} {'edge':>6}"
        )
        lines.append(" " * (width + 2) + head)
        for row in rows:
            mark = "" if row.scored or family == "ablation" else "*"
            first, second, third, fourth, fifth = _cells(row)
            told = f"{first:>12} {second:>8}  {third:<15} {fourth:>8} {fifth:>6}"
            if row.reason:
                # The detail after the colon is in the row.
                told = f"{first:>12}  {row.reason.split(':')[0]}"
            lines.append(f"  {row.title + mark:<{width}}{told}".rstrip())
        lines.append("")
    for name, right in (("score", False), ("score, answers right before", True)):
        whole = audit.estimate(right=right)
        parts = ", ".join(
            f"{family} {_number(audit.estimate(right=right, family=family).value)}"
            for family in ("preserving", "changing")
        )
        lines.append(f"{name}: {_number(whole.value)} {_interval(whole)}   ({parts})")
    lines += ["", *_notes(audit)]
    return "\n".join(lines)


def as_html(audit: Audit) -> str:
    """The same as an HTML table."""
    parts = [f"<p><b>{escape(_heading(audit))}</b></p><table><thead><tr><th></th>"]
    parts += [f"<th>{column}</th>" for column in _COLUMNS]
    parts.append("</tr></thead><tbody>")
    for family in FAMILIES:
        rows = [row for row in audit.rows if row.family == family]
        if rows:
            parts.append(
                f'<tr><th colspan="6" style="text-align:left">{HEADINGS[family]}</th></tr>'
            )
        for row in rows:
            mark = "" if row.scored or family == "ablation" else "*"
            about = escape(f"changes: {row.changes}; keeps: {row.keeps}")
            parts.append(f'<tr><td title="{about}">{escape(row.title)}{mark}</td>')
            if row.reason:
                first = _cells(row)[0]
                parts.append(f'<td>{first}</td><td colspan="4">{escape(row.reason)}</td></tr>')
            else:
                parts += [f"<td>{escape(cell)}</td>" for cell in _cells(row)]
                parts.append("</tr>")
    whole = audit.estimate()
    parts.append(
        f"</tbody></table><p>Score {_number(whole.value)} {_interval(whole)}</p>"
        f"<p><small>{escape(' '.join(_notes(audit)))}</small></p>"
    )
    return "".join(parts)


def _heading(audit: Audit) -> str:
    told = audit.settings
    members = "" if audit.members == 1 else f", {audit.members} members"
    return (
        f"Audit of {audit.title}{members}: {told.get('samples')} chains of "
        f"{told.get('name')!r}, {told.get('cells')} cells"
    )


def _notes(audit: Audit) -> list[str]:
    found = [
        "certified: pairs whose windings, recomputed from the chains, are as claimed and clear, of",
        "the pairs made. if right: of the certified pairs answered rightly before. edge: share of",
        "them with as many counted edge states after as before. score: mean of the preserving and",
        "the changing rows, each family counting half; 0.5 for a constant answer.",
    ]
    if any(not row.scored and row.family != "ablation" for row in audit.rows):
        found.append("* not scored.")
    return found


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    found = row.estimate()
    return (
        f"{row.certified}/{row.made}",
        _number(found.value),
        _interval(found),
        _number(row.estimate(right=True).value),
        _number(row.edge_count_kept, 2),
    )


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def _interval(found: Estimate) -> str:
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return ""
    return f"[{found.low:.3f}, {found.high:.3f}]"
