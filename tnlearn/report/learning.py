"""Learning curves of all members, and the trainability of the networks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from tnlearn.report.reading import FAMILIES, Results
from tnlearn.report.statistics import Floats, numbers, summary, wilson
from tnlearn.report.style import BLACK, COLOURS, GREY, MARKERS, figure, tidy, wrapped

__all__ = ["learning_curves", "trainability"]

_COLUMNS = 4


def learning_curves(results: Results, data: str, kind: str) -> Figure | None:
    """One panel per network, one thin line per member, the mean thick; `kind`: accuracy or loss.

    None if no run kept such curves.
    """
    runs = [run for run in results.runs(data) if run.history(kind)]
    if not runs:
        return None
    rows = math.ceil(len(runs) / _COLUMNS)
    made, axes = figure(rows, _COLUMNS, 0.4 + 1.9 * rows, sharex=True, sharey=True)
    positive = [v for run in runs for curve in run.history(kind) for v in curve if v > 0]
    for index, (ax, run) in enumerate(zip_longest(axes, runs)):
        if run is None:
            ax.set_visible(False)
            continue
        family = list(FAMILIES).index(run.family) if run.family in FAMILIES else 3
        curves = run.history(kind)
        for curve in curves:
            ax.plot(
                np.arange(1, curve.size + 1),
                curve,
                color=COLOURS[family],
                linewidth=0.7,
                alpha=0.55,
            )
        mean = _mean(curves)
        ax.plot(np.arange(1, mean.size + 1), mean, color=BLACK, linewidth=1.3)
        members = f"{len(curves)} members" if len(curves) != 1 else "1 member"
        tidy(ax, title=wrapped(run.title))
        ax.title.set_fontsize(9)
        where = (0.97, 0.06, "bottom") if kind == "accuracy" else (0.97, 0.95, "top")
        ax.text(
            *where[:2],
            members,
            transform=ax.transAxes,
            ha="right",
            va=where[2],
            fontsize=8,
            color=GREY,
        )
        # The label of the shared axis stands under the last panel of each column.
        if index + _COLUMNS >= len(runs):
            ax.set_xlabel("epoch", fontsize=9, color=BLACK)
            ax.tick_params(labelbottom=True)
        if kind == "accuracy":
            ax.set_ylim(0.0, 1.02)
    if kind == "loss" and positive:
        _logarithmic(axes[0])
    label = "validation accuracy" if kind == "accuracy" else "training loss (nats)"
    made.supylabel(label, fontsize=9, color=BLACK)
    return made


def _logarithmic(ax: Any) -> None:
    """A logarithmic axis for losses; all panels share it, hence set once.

    Ticks at 1, 2 and 5 of every decade and none between: a loss may fall by
    less than a decade, and small ticks take half the time of drawing.
    """
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())


def _mean(curves: list[Floats]) -> Floats:
    """Mean over the members still training at each epoch; curves may end early."""
    longest = max(curve.size for curve in curves)
    padded = np.full((len(curves), longest), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[: curve.size] = curve
    total = np.isfinite(padded).sum(axis=0)
    summed = np.nansum(padded, axis=0)
    return np.where(total > 0, summed / np.maximum(total, 1), np.nan)


def trainability(results: Results) -> Figure | None:
    """Success rate and accuracy against the scale of the initialisation, a line per network.

    None if no scale was varied.
    """
    entries = [entry for entry in results.part("trainability") if entry.get("scales")]
    if not entries:
        return None
    made, axes = figure(1, 2, 4.0)
    rate, level = axes
    threshold = entries[0].get("threshold", math.nan)
    tidy(
        rate,
        title="Members that succeed",
        x="scale of the initialisation",
        y=f"share of members with accuracy ≥ {threshold:g}",
    )
    tidy(
        level,
        title="Accuracy of every member",
        x="scale of the initialisation",
        y="accuracy (share of clean test chains)",
    )
    severals = len({entry.get("data") for entry in entries}) > 1
    for index, entry in enumerate(entries):
        name = results.title(str(entry.get("network")))
        label = f"{name} ({results.data_title(str(entry.get('data')))})" if severals else name
        _scales(rate, level, entry, label, index, len(entries))
    if math.isfinite(threshold):
        level.axhline(threshold, color=GREY, linestyle=":", linewidth=1.2)
    scales = sorted({float(scale) for entry in entries for scale in entry["scales"]})
    for ax in axes:
        ax.set_ylim(-0.02, 1.04)
        if scales[0] > 0:
            ax.set_xscale("log")
        elif scales[-1] > 0:
            # Scale 0 is the exact solution: it has its place left of the smallest other.
            smallest = min(scale for scale in scales if scale > 0)
            ax.set_xscale("symlog", linthresh=smallest)
            # Its own limits would reach far below 0 and end on the last point.
            ax.set_xlim(-0.3 * smallest, 1.4 * scales[-1])
        ax.set_xticks(scales)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_minor_formatter(NullFormatter())
    made.legend(
        *rate.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=min(3, len(entries)),
        fontsize=8.5,
        frameon=False,
    )
    return made


def _scales(
    rate: Any, level: Any, entry: Mapping[str, Any], label: str, index: int, total: int
) -> None:
    """One network in both panels; neighbouring networks are set a little apart."""
    scales = [float(scale) for scale in entry["scales"]]
    apart = 1.0 + 0.05 * (index - (total - 1) / 2)
    places = [scale * apart for scale in scales]
    members = [numbers(row) for row in entry["accuracy"]]
    threshold = float(entry.get("threshold", math.nan))
    counts = [(int((row >= threshold).sum()), row.size) for row in members]
    rates = [hit / total if total else math.nan for hit, total in counts]
    ends = [wilson(*count) for count in counts]
    style = {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}
    rate.errorbar(
        places,
        rates,
        yerr=[
            [max(r - low, 0.0) for r, (low, _) in zip(rates, ends, strict=True)],
            [max(high - r, 0.0) for r, (_, high) in zip(rates, ends, strict=True)],
        ],
        markersize=5,
        linewidth=1.4,
        elinewidth=1.0,
        capsize=2.5,
        label=label,
        **style,
    )
    for place, row in zip(places, members, strict=True):
        level.plot([place] * row.size, row, linestyle="none", markersize=3.5, alpha=0.4, **style)
    level.plot(places, [summary(row).mean for row in members], linewidth=1.4, color=style["color"])
