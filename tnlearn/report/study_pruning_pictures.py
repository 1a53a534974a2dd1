"""Pictures of the study `pruning`: weights in the coordinates of the chain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tnlearn.report.curves import band, look
from tnlearn.report.style import BLACK, COLOURS, DIVERGING, GREY, figure, tidy, wrapped

__all__ = ["profiles", "singular_values", "vectors"]

_COLUMNS = 4
_COORDINATE = {"x": "cell x", "y": "cell y", "e": "outer cell y", "cell": "cell"}


def _title(results: Mapping[str, Any], name: str) -> str:
    return str(results["config"]["entries"][name]["title"])


def profiles(results: Mapping[str, Any]) -> Figure:
    """Share of the norm² along every index of cells: leading singular vector and whole weight."""
    panels = [
        (name, weight, ind)
        for name, network in results["networks"].items()
        for weight in network["weights"]
        for ind in weight.get("profile", {})
    ]
    rows = math.ceil(len(panels) / _COLUMNS)
    made, axes = figure(rows, _COLUMNS, 0.5 + 2.0 * rows)
    for ax, panel in zip_longest(axes, panels):
        if panel is None:
            ax.set_visible(False)
            continue
        name, weight, ind = panel
        found = weight["profile"][ind]
        size = len(found["whole"][0])
        places = list(range(size))
        for kind, colour in (("leading", COLOURS[1]), ("whole", COLOURS[0])):
            words = "leading singular vector" if kind == "leading" else "whole weight"
            band(ax, places, found[kind], colour, label=words)
        ax.axhline(1 / size, color=GREY, linestyle=":", linewidth=1.2)
        cells = results["config"]["cells"]
        if size == 2 * cells:
            words = "site (cells of A, then B)"
        else:
            words = _COORDINATE[ind] if size in (cells, cells // 2) and ind != "e" else ind
            words = _COORDINATE.get(ind, words)
            words += "" if size == cells or ind == "e" else " (coarse)"
        tidy(ax, title=wrapped(f"{_title(results, name)}: {weight['name']}", 32), x=words)
        ax.title.set_fontsize(8.5)
        ax.set_ylim(bottom=0.0)
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    made.supylabel("share of the norm²", fontsize=9, color=BLACK)
    made.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        fontsize=8.5,
        frameon=False,
    )
    return made


def vectors(results: Mapping[str, Any]) -> Figure:
    """A line a network (or a sublattice of one), a column a singular vector; two lines a row."""
    lines: list[tuple[str, Mapping[str, Any], int]] = []
    for name, network in results["networks"].items():
        there = [weight for weight in network["weights"] if weight.get("pictures")]
        if there:
            panels = there[0]["pictures"]["panels"]
            lines += [(name, there[0], panel) for panel in range(len(panels))]
    count = max(len(weight["pictures"]["pictures"]) for _, weight, _ in lines)
    rows = math.ceil(len(lines) / 2)
    made, axes = figure(rows, 2 * count, 0.4 + 1.85 * rows)
    for ax in axes:
        ax.set_visible(False)
    for number, (name, weight, panel) in enumerate(lines):
        drawn = weight["pictures"]
        for k in range(len(drawn["pictures"])):
            ax = axes[number * count + k]
            ax.set_visible(True)
            _draw(ax, drawn, k, panel)
            share = (drawn["values"][k] / drawn["norm"]) ** 2 if drawn["norm"] else 0.0
            words = f"{k + 1}: {100 * share:.0f} %"
            if drawn["panels"][panel]:
                words += f", {drawn['panels'][panel].partition(',')[0]}"
            ax.set_title(words, fontsize=7.5, color=BLACK, loc="left")
            if k:
                ax.set_ylabel("")
        first = axes[number * count]
        title = wrapped(f"{_title(results, name)}: {weight['name']}", 20)
        ends = f"\n{first.get_ylabel()}" if first.get_ylabel() else ""
        first.set_ylabel(f"{title}{ends}", fontsize=7.5, color=BLACK)
    return made


def _draw(ax: Any, drawn: Mapping[str, Any], k: int, panel: int) -> None:
    values = np.array(drawn["pictures"][k][panel], dtype=float)
    tidy(ax, grid="none")
    ax.tick_params(labelsize=7)
    if values.ndim == 1:
        ax.plot(range(len(values)), values, color=COLOURS[0], linewidth=1.2, marker=".")
        ax.axhline(0.0, color=GREY, linewidth=0.8)
        ax.set_xlabel(drawn["axes"][0], fontsize=7.5, color=BLACK)
    else:
        everything = np.abs(np.array(drawn["pictures"][k], dtype=float)).max() or 1.0
        ax.imshow(
            values,
            cmap=DIVERGING,
            vmin=-everything,
            vmax=everything,
            origin="lower",
            interpolation="nearest",
            aspect="auto",
        )
        ax.set_xlabel(drawn["axes"][1], fontsize=7.5, color=BLACK)
        ax.set_ylabel(drawn["axes"][0], fontsize=7.5, color=BLACK)
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))


def singular_values(results: Mapping[str, Any]) -> Figure:
    """A panel a network: singular values of every weight over the largest."""
    networks = results["networks"]
    rows = math.ceil(len(networks) / _COLUMNS)
    made, axes = figure(rows, _COLUMNS, 0.4 + 2.3 * rows, sharey=True)
    for ax, name in zip_longest(axes, networks):
        if name is None:
            ax.set_visible(False)
            continue
        for index, weight in enumerate(networks[name]["weights"]):
            values = np.array(weight["singular_values"], dtype=float)
            places = np.arange(1, len(values) + 1)
            positive = values > 1e-6
            ax.plot(
                places[positive],
                values[positive],
                markersize=3,
                linewidth=1.0,
                label=weight["name"],
                **look(index),
            )
        ax.set_yscale("log")
        ax.set_ylim(1e-3, 1.5)
        tidy(ax, title=_title(results, name), x="number")
        ax.title.set_fontsize(9)
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.legend(fontsize=6.5, frameon=False, labelcolor=BLACK, loc="lower left")
    made.supylabel("singular value over the largest", fontsize=9, color=BLACK)
    return made
