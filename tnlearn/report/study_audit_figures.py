"""The figures of the study `audit`: what follows the invariant, scores, and where edges decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tnlearn.report.style import BLACK, COLOURS, GREY, MARKERS, figure, tidy, wrapped

__all__ = ["FAMILY_COLOURS", "label", "reliance", "scores", "shares"]

# Colour and marker of each family of networks.
FAMILY_COLOURS = {
    "rswn": (COLOURS[0], MARKERS[0], "form of the RSWN"),
    "symmetric": (COLOURS[2], MARKERS[1], "knows the symmetry"),
    "generic": (COLOURS[1], MARKERS[2], "generic"),
    "reference": (GREY, MARKERS[3], "untrained"),
}
_MAP = "cividis"
_NONE = "#E3E3E3"

Row = Mapping[str, Any]


def label(row: Row) -> str:
    """Title and number of members."""
    if not row["trained"]:
        return str(row["title"])
    return f"{row['title']} ({row['members']})"


def shares(rows: Sequence[Row], interventions: Sequence[Row], *, right: bool) -> Figure:
    """Networks × interventions: share of the certified pairs that follow, in per cent.

    `right`: of those that were answered rightly before.
    """
    families = ("preserving", "changing", "ablation")
    groups = [[i for i in interventions if i["family"] == family] for family in families]
    groups = [group for group in groups if group]
    widths = [len(group) for group in groups]
    made, axes = figure(
        1, len(groups), 1.9 + 0.3 * len(rows), width=10.0, sharey=True, width_ratios=widths
    )
    shown: Any = None
    for ax, group in zip(axes, groups, strict=True):
        names = [one["name"] for one in group]
        grid = np.array([[_share(row, name, right) for name in names] for row in rows])
        ax.set_facecolor(_NONE)
        shown = ax.imshow(np.ma.masked_invalid(grid), cmap=_MAP, vmin=0.0, vmax=1.0, aspect="auto")
        _numbers(ax, grid)
        tidy(ax, title=_HEADS[group[0]["family"]], grid="none")
        ax.set_xticks(range(len(names)), [wrapped(_short(one), 13) for one in group], rotation=90)
        ax.tick_params(length=0, labelsize=8)
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)
        for edge in _borders(rows):
            ax.axhline(edge, color="white", linewidth=3)
    axes[0].set_yticks(range(len(rows)), [label(row) for row in rows])
    bar = made.colorbar(shown, ax=axes, shrink=0.7, pad=0.01)
    bar.set_label("share of certified pairs", fontsize=9, color=BLACK)
    bar.ax.tick_params(labelsize=8, labelcolor=BLACK)
    bar.outline.set_visible(False)
    return made


_HEADS = {
    "preserving": "winding stands: answer stays",
    "changing": "changes: follows",
    "ablation": "blanked: stays",
}


def _short(one: Row) -> str:
    unscored = one["family"] != "ablation" and not one["scored"]
    return f"{one['title']}*" if unscored else str(one["title"])


def _share(row: Row, name: str, right: bool) -> float:
    found = next((one for one in row["record"]["rows"] if one["name"] == name), None)
    value = found["follows_right" if right else "follows"]["value"] if found else None
    return np.nan if value is None else float(value)


def _numbers(ax: Any, grid: np.ndarray[Any, Any]) -> None:
    """The value in every cell, dark on light and light on dark."""
    colours = colormaps[_MAP]
    for (y, x), value in np.ndenumerate(grid):
        if not np.isfinite(value):
            ax.text(x, y, "–", ha="center", va="center", fontsize=8, color=BLACK)
            continue
        red, green, blue, _ = colours(float(value))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        said = f"{100 * value:.0f}"
        ax.text(
            *(x, y, said), ha="center", va="center", fontsize=8, color="white" if dark else BLACK
        )


def _borders(rows: Sequence[Row]) -> list[float]:
    families = [row["family"] for row in rows]
    return [k - 0.5 for k in range(1, len(rows)) if families[k] != families[k - 1]]


def scores(rows: Sequence[Row]) -> Figure:
    """The score of every network with its interval, and that of the pairs right before."""
    made, axes = figure(1, 1, 1.5 + 0.27 * len(rows), width=8.2)
    ax = axes[0]
    places = np.arange(len(rows))[::-1]
    for y, row in zip(places, rows, strict=True):
        colour, marker, _ = FAMILY_COLOURS[row["family"]]
        found, right = row["score"], row["score_right"]
        if found["value"] is None:
            continue
        if found["low"] is not None:
            ax.plot([found["low"], found["high"]], [y, y], color=colour, linewidth=1.5)
        ax.plot(found["value"], y, marker, color=colour, markersize=6.5)
        if right["value"] is not None:
            ax.plot(
                *(right["value"], y, "D"),
                markersize=5.5,
                markerfacecolor="none",
                markeredgecolor=BLACK,
                markeredgewidth=0.9,
            )
    ax.axvline(0.5, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
    ax.set_yticks(places, [label(row) for row in rows])
    ax.set_ylim(-0.7, len(rows) - 0.3)
    ax.set_xlim(0.0, 1.02)
    tidy(ax, x="score: 1 follows the invariant in every certified pair", grid="x")
    handles = [*_families(rows), _hollow()]
    handles.append(
        Line2D([], [], color=GREY, linewidth=1, linestyle=(0, (4, 3)), label="a constant answer")
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


def reliance(rows: Sequence[Row], tests: Mapping[str, str]) -> Figure:
    """For each test of the edge states the failures of every network, of pairs right before."""
    made, axes = figure(1, len(tests), 1.7 + 0.27 * len(rows), width=10.0, sharey=True)
    places = np.arange(len(rows))[::-1]
    counter = next(row for row in rows if row["network"] == "edge-count" and not row["trained"])
    for ax, (test, words) in zip(axes, tests.items(), strict=True):
        for y, row in zip(places, rows, strict=True):
            found = row["tests"][test]["right"]
            colour, marker, _ = FAMILY_COLOURS[row["family"]]
            if found["value"] is None:
                continue
            how = {"color": colour, "alpha": 0.3 if row["trained"] and not row["accurate"] else 1.0}
            if found["low"] is not None:
                ax.plot([found["low"], found["high"]], [y, y], linewidth=1.5, **how)
            ax.plot(found["value"], y, marker, markersize=6, **how)
        half = counter["tests"][test]["right"]["value"]
        if half is not None:
            ax.axvline(half / 2, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
        ax.set_xlim(-0.02, 1.02)
        tidy(ax, x="share of the pairs", grid="x")
        ax.set_title(wrapped(words, 36), fontsize=9, color=BLACK, loc="left")
    axes[0].set_yticks(places, [label(row) for row in rows])
    axes[0].set_ylim(-0.7, len(rows) - 0.3)
    half_line = Line2D(
        *([], []),
        color=GREY,
        linewidth=1,
        linestyle=(0, (4, 3)),
        label="half way to the edge counter",
    )
    made.legend(
        handles=[*_families(rows), half_line],
        loc="outside lower center",
        ncols=5,
        fontsize=8.5,
        frameon=False,
        labelcolor=BLACK,
    )
    return made


def _families(rows: Sequence[Row]) -> list[Line2D]:
    there = {row["family"] for row in rows}
    return [
        Line2D([], [], color=colour, marker=marker, markersize=6, linewidth=1.4, label=words)
        for family, (colour, marker, words) in FAMILY_COLOURS.items()
        if family in there
    ]


def _hollow() -> Line2D:
    return Line2D(
        *([], []),
        color=BLACK,
        marker="D",
        markersize=5.5,
        markerfacecolor="white",
        linewidth=0,
        label="pairs answered rightly before",
    )
