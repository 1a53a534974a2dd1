"""The figures of the study `marker`: closest approach against length, accuracy against distance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tnlearn.report.style import BLACK, COLOURS, GREY, MARKERS, figure, tidy, wrapped

__all__ = ["approaches", "collapse", "disordered", "style_of"]

Row = Mapping[str, Any]

# What a label sees is told by the line, which label by colour and marker.
_LINES = {"states": "-", "block": "--", "ring": ":"}
_LABEL_MARKERS = (*MARKERS[2:7], "<", ">", "p", "h", "d", "H", "8")
# Fewer chains than this in a bin say nothing.
_FEWEST = 15


def style_of(results: Row, answer: str) -> dict[str, Any]:
    """Colour, marker and line of an answer, the same in every figure."""
    order = list(results["answers"])
    about = results["answers"][answer]
    learned = [name for name in order if results["answers"][name]["kind"] != "label"]
    if answer in learned:
        place = learned.index(answer)
        return {
            "color": (COLOURS[0], COLOURS[5], BLACK)[min(place, 2)],
            "marker": ("o", "s", "*")[min(place, 2)],
            "linestyle": "-",
            "linewidth": 2.2 if about["kind"] == "trained" else 1.4,
        }
    labels = [name for name in order if name not in learned]
    same = [name for name in labels if results["answers"][name]["sees"] == about["sees"]]
    place = same.index(answer)
    colours = {
        "states": (COLOURS[1], COLOURS[4], COLOURS[3], COLOURS[6]),
        "block": (COLOURS[2], GREY, COLOURS[7], COLOURS[6]),
        "ring": (COLOURS[4], COLOURS[3], COLOURS[7], COLOURS[2]),
    }[about["sees"]]
    return {
        "color": colours[place % len(colours)],
        "marker": _LABEL_MARKERS[labels.index(answer) % len(_LABEL_MARKERS)],
        "linestyle": _LINES[about["sees"]],
        "linewidth": 1.2,
    }


def approaches(results: Row) -> Figure:
    """δ* against L for every answer, a panel for each strength of disorder."""
    conditions = list(results["conditions"])
    level = results["config"]["levels"][0]
    made, axes = figure(1, len(conditions), 4.6, sharey=False)
    for ax, condition in zip(axes, conditions, strict=True):
        _approach_panel(ax, results, condition, level)
        tidy(ax, title=_title(results, condition), x="cells L", grid="both")
    axes[0].set_ylabel(f"closest approach δ* at {100 * level:g} %  (1/cells)", fontsize=9)
    handles = [
        Line2D([], [], markersize=5, label=about["title"], **style_of(results, name))
        for name, about in results["answers"].items()
        if name != "twist"
    ]
    made.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return made


def _approach_panel(ax: Any, results: Row, condition: str, level: float) -> None:
    rows = [
        row
        for row in results["closest"]
        if (row["condition"], row["crossing"], row["level"]) == (condition, 0, level)
    ]
    lengths = sorted({row["cells"] for row in rows})
    floor = {row["cells"]: row["least"] for row in rows}
    for answer in results["answers"]:
        mine = {row["cells"]: row for row in rows if row["answer"] == answer}
        if answer == "twist" or not mine:
            continue  # the very integer of Lyapunov
        look = style_of(results, answer)
        # At the smallest distance tested stands who is right at every one.
        values = [_height(mine[c]) for c in lengths]
        ends = [(_or(mine[c]["low"], floor[c]), _or(mine[c]["high"], math.nan)) for c in lengths]
        lower = [max(v - max(e[0], floor[c]), 0.0) for v, e, c in _zip(values, ends, lengths)]
        upper = [
            max(e[1] - v, 0.0) if math.isfinite(e[1]) else 0.0
            for v, e, _ in _zip(values, ends, lengths)
        ]
        ax.errorbar(
            lengths, values, yerr=[lower, upper], markersize=5, elinewidth=0.8, capsize=1.5, **look
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(lengths, [str(c) for c in lengths])
    ax.minorticks_off()
    disordered = bool(results["conditions"][condition])
    bottom, top = ax.get_ylim()
    _guide(ax, lengths, 1.6 * top, 0.5 if disordered else 1.0)
    ax.set_ylim(bottom, 2.0 * top)
    if disordered:
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        least = [floor[c] for c in lengths]
        ax.fill_between(lengths, [bottom] * len(lengths), least, color="#EEEEEE", linewidth=0)
        ax.text(
            lengths[0], 1.15 * bottom, " nearer than tested", fontsize=8, color=GREY, va="bottom"
        )


def _guide(ax: Any, lengths: Sequence[int], height: float, power: float) -> None:
    """A straight line with the slope of a power law, named at its left end."""
    ends = np.array([lengths[0], lengths[-1]], dtype=float)
    ax.plot(ends, height * (ends[0] / ends) ** power, color=GREY, linewidth=0.8)
    middle = float(np.sqrt(ends[0] * ends[1]))
    ax.text(
        middle,
        1.08 * height * (ends[0] / middle) ** power,
        "~ 1/√L" if power == 0.5 else "~ 1/L",
        fontsize=8,
        color=GREY,
        va="bottom",
    )


def _zip(values: Sequence[float], ends: Sequence[Any], lengths: Sequence[int]) -> Any:
    return zip(values, ends, lengths, strict=True)


def _height(row: Row) -> float:
    return max(_or(row["value"], math.nan), float(row["least"]))


def _or(value: float | None, other: float) -> float:
    return other if value is None else float(value)


def _title(results: Row, condition: str) -> str:
    strength = results["conditions"][condition]
    return f"disorder {strength:g}" if strength else "clean"


def collapse(results: Row, answers: Sequence[str]) -> Figure:
    """Accuracy against L δ of clean chains, a panel for each answer, a line for each length."""
    columns = 4
    rows = -(-len(answers) // columns)
    made, axes = figure(rows, columns, 2.4 * rows + 0.5, sharex=True, sharey=True)
    lengths = sorted({c["cells"] for c in results["curves"] if c["condition"] == "clean"})
    shades = colormaps["viridis"](np.linspace(0.0, 0.9, len(lengths)))
    for place, (ax, answer) in enumerate(zip(axes, answers, strict=False)):
        for cells, shade, marker in zip(lengths, shades, _cycled(len(lengths)), strict=True):
            look = {"color": shade, "marker": marker, "markersize": 3.5, "linewidth": 1.1}
            _line(ax, results, "clean", cells, answer, **look)
        title = wrapped(results["answers"][answer]["title"], 26)
        lowest = place >= len(answers) - columns
        tidy(ax, title=title, x="L δ" if lowest else "", grid="both")
        ax.tick_params(labelbottom=lowest)
        ax.set_xscale("log")
        ax.axhline(results["config"]["levels"][0], color=GREY, linewidth=0.7)
        ax.set_ylim(0.0, 1.03)
        if place % columns == 0:
            ax.set_ylabel("share right", fontsize=9)
    for ax in axes[len(answers) :]:
        ax.set_visible(False)
    handles = [
        Line2D([], [], color=shade, marker=marker, markersize=4, label=f"{cells} cells")
        for cells, shade, marker in zip(lengths, shades, _cycled(len(lengths)), strict=True)
    ]
    made.legend(
        handles=handles, loc="outside lower center", ncols=len(lengths), fontsize=8, frameon=False
    )
    return made


def disordered(results: Row, answers: Sequence[str]) -> Figure | None:
    """Accuracy against δ of disordered chains: a row for each strength, a panel for each length."""
    strong = [name for name, strength in results["conditions"].items() if strength]
    if not strong:
        return None
    lengths = {
        name: sorted({c["cells"] for c in results["curves"] if c["condition"] == name})
        for name in strong
    }
    columns = max(map(len, lengths.values()))
    made, axes = figure(len(strong), columns, 2.6 * len(strong) + 0.9, sharex=True, sharey=True)
    for row, condition in enumerate(strong):
        for column in range(columns):
            ax = axes[row * columns + column]
            if column >= len(lengths[condition]):
                ax.set_visible(False)
                continue
            cells = lengths[condition][column]
            for answer in answers:
                look = style_of(results, answer)
                _line(ax, results, condition, cells, answer, markersize=4, **look)
            title = f"{_title(results, condition)}, {cells} cells"
            tidy(ax, title=title, x="δ  (1/cells)" if row == len(strong) - 1 else "", grid="both")
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            ax.xaxis.set_minor_formatter(NullFormatter())
            ax.axhline(results["config"]["levels"][0], color=GREY, linewidth=0.7)
            ax.set_ylim(0.3, 1.03)
            if column == 0:
                ax.set_ylabel("share right", fontsize=9)
    handles = [
        Line2D(
            [], [], markersize=5, label=results["answers"][name]["title"], **style_of(results, name)
        )
        for name in answers
    ]
    made.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return made


def _cycled(count: int) -> list[str]:
    return [MARKERS[k % len(MARKERS)] for k in range(count)]


def _line(ax: Any, results: Row, condition: str, cells: int, answer: str, **look: Any) -> None:
    """Accuracy against distance, with the intervals of the bins."""
    for curve in results["curves"]:
        if (curve["condition"], curve["cells"], curve["answer"]) == (condition, cells, answer):
            columns = (curve[key] for key in ("centre", "share", "low", "high", "samples"))
            rows = [row for row in zip(*columns, strict=True) if row[-1] >= _FEWEST]
            if not rows:
                return
            x, y, low, high, _ = np.array(rows).T
            ends = [np.maximum(y - low, 0.0), np.maximum(high - y, 0.0)]
            ax.errorbar(x, y, yerr=ends, elinewidth=0.6, **look)
