"""The picture of an audit: for each intervention, how often the answer follows the invariant."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tnlearn.errors import FileError, check_choice
from tnlearn.report.style import BLACK, COLOURS, GREY, figure, tidy

__all__ = ["FAMILIES", "audit_figure", "draw_audit"]

# Nothing that changes from run to run goes into a file: the same audit gives the same bytes.
_PLAIN: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
# Heading, colour and marker of each family; the order is that of the picture.
FAMILIES = {
    "preserving": ("winding stands: answer stays", COLOURS[0], "o"),
    "changing": ("winding changes: answer follows", COLOURS[1], "s"),
    "ablation": ("states blanked out (not scored): answer stays", GREY, "^"),
}
_HEAD, _ROW, _SPACE = 0.62, 0.29, 0.75


def draw_audit(record: Mapping[str, Any], path: Path | None = None) -> Figure:
    """The figure of an audit, written to a .png, .svg or .pdf file if a path is given.

    Raises `UnknownNameError` for another kind of picture, `FileError` if the file cannot be
    written (it is written whole or not at all).
    """
    suffix = (
        ".png" if path is None else check_choice("kind of picture", path.suffix.lower(), _PLAIN)
    )
    made = audit_figure(record)
    if path is None:
        return made
    partial = path.with_name(f".{path.name}.partial")
    try:
        made.savefig(partial, format=suffix[1:], metadata=_PLAIN[suffix])
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise FileError(
            f"cannot write {path}: {error.strerror or error}; give a folder that exists, is "
            "writable and has room"
        ) from error
    return made


def audit_figure(record: Mapping[str, Any]) -> Figure:
    """The figure of `Audit.record()`: a panel for each family, a row for each intervention.

    Filled: of all certified pairs, with the 95 % interval.  Hollow: of those that were
    answered rightly before.  Small dots: the members of an ensemble.
    """
    groups = {
        family: [row for row in record["rows"] if row["family"] == family] for family in FAMILIES
    }
    groups = {family: rows for family, rows in groups.items() if rows}
    heights = [len(rows) + 1.0 for rows in groups.values()]
    height = _SPACE + _HEAD * len(groups) + _ROW * sum(heights)
    made, axes = figure(len(groups), 1, height, width=8.2, sharex=True, height_ratios=heights)
    for ax, (family, rows) in zip(axes, groups.items(), strict=True):
        heading, colour, marker = FAMILIES[family]
        tidy(ax, title=heading, grid="x")
        _rows(ax, rows, colour, marker, record["members"])
    axes[-1].set_xlabel(
        "share of the certified pairs (number of them at the right)", fontsize=9, color=BLACK
    )
    made.suptitle(_title(record), fontsize=10.5, color=BLACK, x=0.02, ha="left")
    handles = [
        Line2D([], [], color=BLACK, marker="o", markersize=6, linewidth=1.2, label="all pairs"),
        Line2D(
            *([], []),
            color=BLACK,
            marker="D",
            markersize=5.5,
            markerfacecolor="white",
            linewidth=0,
            label="pairs answered rightly before",
        ),
    ]
    if record["members"] > 1:
        handles.append(
            Line2D([], [], color=GREY, marker=".", markersize=4, linewidth=0, label="members")
        )
    made.legend(
        handles=handles,
        loc="outside lower center",
        ncols=3,
        fontsize=8.5,
        frameon=False,
        labelcolor=BLACK,
    )
    return made


def _rows(
    ax: Any, rows: Sequence[Mapping[str, Any]], colour: str, marker: str, members: int
) -> None:
    places = np.arange(len(rows))[::-1]
    for y, row in zip(places, rows, strict=True):
        ax.text(
            *(1.035, y, f"{row['certified']:,}"),
            fontsize=8.5,
            color=BLACK,
            va="center",
            ha="left",
        )
        found, right = row["follows"], row["follows_right"]
        if found["value"] is None:
            said = row["reason"].split(":")[0] or "no answer"
            ax.text(0.01, y, said, fontsize=8.5, color=GREY, va="center", style="italic")
            continue
        if members > 1:
            shares = [k / row["certified"] for k in row["followed"] if k is not None]
            spread = y - 0.24 + 0.0 * np.asarray(shares)
            ax.plot(shares, spread, ".", color=colour, markersize=3, alpha=0.5)
        if found["low"] is not None:
            ax.plot([found["low"], found["high"]], [y, y], color=colour, linewidth=1.4)
        ax.plot(found["value"], y, marker, color=colour, markersize=6.5)
        if right["value"] is not None:
            ax.plot(
                *(right["value"], y),
                "D",
                markersize=5.5,
                markerfacecolor="none",
                markeredgecolor=BLACK,
                markeredgewidth=0.9,
            )
    ax.set_yticks(places, [_label(row) for row in rows])
    ax.set_ylim(-0.7, len(rows) - 0.4)
    ax.set_xlim(-0.02, 1.02)
    ax.set_xticks(np.linspace(0.0, 1.0, 6))


def _label(row: Mapping[str, Any]) -> str:
    unscored = row["family"] != "ablation" and not row["scored"]
    return f"{row['title']} (not scored)" if unscored else str(row["title"])


def _title(record: Mapping[str, Any]) -> str:
    found = record["score"]
    if found["value"] is None:
        score = "no score"
    else:
        score = f"score {found['value']:.3f}"
        if found["low"] is not None and math.isfinite(found["low"]):
            score += f" [{found['low']:.3f}, {found['high']:.3f}]"
        score += "; a constant answer has 0.5"
    members = "" if record["members"] == 1 else f", {record['members']} members"
    return f"{record['title']}{members}: {score}"
