"""Figures of the study `pruning`: accuracy against rank, numbers and input; edge shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tnlearn.report.curves import line, look
from tnlearn.report.statistics import summary
from tnlearn.report.style import BLACK, COLOURS, GREY, MARKERS, figure, tidy, wrapped

__all__ = ["cut", "edges", "masks", "ranks"]

_COLUMNS = 3
_POINT = 0.01
_COMPLEX = ("P", "X", "*", "h")
_FAMILIES = {
    "nearest": ("states nearest zero energy", "pairs of states kept"),
    "farthest": ("states farthest from zero energy", "pairs of states kept"),
    "outer": ("outer cells", "cells kept"),
    "inner": ("inner cells", "cells kept"),
}


def _title(results: Mapping[str, Any], name: str) -> str:
    return str(results["config"]["entries"][name]["title"])


def ranks(results: Mapping[str, Any]) -> Figure:
    """A panel a network, a line a weight: as cut (dashed) and trained on (solid)."""
    networks = results["networks"]
    clean = results["config"]["shifts"][0]
    rows = math.ceil(len(networks) / _COLUMNS)
    most = max(len(network["weights"]) for network in networks.values())
    made, axes = figure(rows, _COLUMNS, rows * (2.5 + 0.16 * most), sharey=True)
    for ax, name in zip_longest(axes, networks):
        if name is None:
            ax.set_visible(False)
            continue
        network = networks[name]
        again = {w["name"]: w for w in network.get("retrained", {}).get("weights", [])}
        for index, weight in enumerate(network["weights"]):
            line(
                *(ax, weight["ranks"], weight["accuracy"], index),
                label=f"{weight['name']} (rank {weight['ranks'][-1]})",
                dashed=True,
            )
            if weight["name"] in again:
                trained = again[weight["name"]]
                line(ax, trained["ranks"], trained["accuracy"], index)
        whole = summary(network["accuracy"][clean]).mean
        ax.axhline(whole - _POINT, color=GREY, linewidth=0.9)
        ax.set_xscale("symlog", base=2, linthresh=1)
        largest = max(weight["ranks"][-1] for weight in network["weights"])
        ticks = [0, *(2**k for k in range(10) if 2**k <= largest)]
        ax.set_xticks(ticks, [str(tick) for tick in ticks])
        ax.set_xlim(-0.15, largest * 1.15)
        ax.set_ylim(0.0, 1.03)
        tidy(ax, title=_title(results, name), x="rank kept")
        ax.minorticks_off()
        ax.tick_params(labelleft=True)
        ax.legend(
            fontsize=7.5,
            frameon=False,
            labelcolor=BLACK,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.2),
        )
    for row in range(rows):
        axes[row * _COLUMNS].set_ylabel("accuracy (share of chains)", fontsize=9, color=BLACK)
    return made


def cut(results: Mapping[str, Any]) -> Figure:
    """Accuracy against numbers kept, a panel a shift, a line a network; complex ones in black."""
    config = results["config"]
    made, axes = figure(1, len(config["shifts"]), 5.6, sharey=True)
    whole = [name for name in config["complex"] if name in results["networks"]]
    lines = [name for name in results["networks"] if name not in whole]
    for ax, how in zip(axes, config["shifts"], strict=True):
        for index, name in enumerate(lines):
            _cut_line(ax, results, name, how, index)
        for index, name in enumerate(whole):
            black = {"color": BLACK, "marker": _COMPLEX[index % len(_COMPLEX)]}
            _cut_line(ax, results, name, how, index, **black)
            found = summary(results["networks"][name]["accuracy"][how])
            arms = [[found.mean - found.low], [found.high - found.mean]]
            ax.errorbar(
                [results["networks"][name]["size"]],
                [found.mean],
                yerr=arms if found.has_interval else None,
                **black,
                markersize=10,
                linestyle="none",
                capsize=3,
                label=f"{_title(results, name)}, whole",
            )
        ax.set_xscale("log")
        ax.set_ylim(0.0, 1.02)
        tidy(ax, title=how, x="numbers kept", grid="both")
    axes[0].set_ylabel("accuracy (share of test chains)", fontsize=9, color=BLACK)
    made.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        fontsize=8,
        frameon=False,
    )
    return made


def _cut_line(
    ax: Any, results: Mapping[str, Any], name: str, how: str, index: int, **style: Any
) -> None:
    network = results["networks"][name]
    again = network.get("retrained", {}).get("together")
    for together, dashed in ((network["together"], True), (again, False)):
        if together is None:
            continue
        numbers = np.array(together["numbers"], dtype=float).mean(axis=0)
        label = _title(results, name) if dashed else ""
        line(ax, numbers, together["accuracy"][how], index, label=label, dashed=dashed, **style)


def masks(results: Mapping[str, Any]) -> Figure:
    """A column a family of masks; above trained on everything, below on the masked input."""
    config = results["config"]
    families = list(config["masks"])
    made, axes = figure(2, len(families), 7.2, sharey=True, sharex="col")
    names = list(results["networks"])
    for column, how in enumerate(families):
        above, below = axes[column], axes[len(families) + column]
        for index, name in enumerate(names):
            mask = results["networks"][name]["masks"][how]
            line(
                *(above, mask["kept"], mask["accuracy"], index),
                label=_title(results, name),
                dashed=True,
                linewidth=0.9,
                markersize=3.5,
            )
        for row in results["masked"]:
            if row["how"] == how:
                _masked(below, results, row, names.index(row["network"]))
        title, unit = _FAMILIES[how]
        tidy(above, title=wrapped(f"Only the {title}", 24))
        tidy(below, x=f"{unit}, of {config['cells']}")
        above.set_ylim(0.0, 1.03)
        below.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    for place, words in ((0, "trained on the whole input"), (len(families), "trained on the mask")):
        axes[place].set_ylabel(f"accuracy, {words}", fontsize=9, color=BLACK)
    made.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        fontsize=8,
        frameon=False,
    )
    return made


def _masked(ax: Any, results: Mapping[str, Any], row: Mapping[str, Any], index: int) -> None:
    """One network trained on the masked input, and a line one point below its whole input."""
    clean = results["config"]["shifts"][0]
    whole = results["networks"][row["network"]]["accuracy"][clean]
    kept = [*row["kept"]]
    table = [*row["accuracy"]]
    ends = [[values[k] for values in table] for k in range(len(table[0]))]
    line(ax, kept, ends, index)
    ax.axhline(summary(whole).mean - _POINT, color=look(index)["color"], linewidth=0.8)


def edges(results: Mapping[str, Any]) -> Figure:
    """Edge share over that of equal entries, a row a weight, with 95 % intervals."""
    found = [f for f in results["findings"] if f.get("kind") in ("cells", "states")]
    rows = list(dict.fromkeys((f["network"], f["weight"]) for f in found))
    states = [f for f in found if f["kind"] == "states"]
    kinds = ["cells", "states"] if states else ["cells"]
    made, axes = figure(1, len(kinds), 1.5 + 0.34 * len(rows), sharey=True)
    parts = list(dict.fromkeys(f["part"] for f in found))
    for ax, kind in zip(axes, kinds, strict=True):
        for number, part in enumerate(parts):
            chosen = [f for f in found if f["kind"] == kind and f["part"] == part]
            if not chosen:
                continue
            values = np.array([f["value"] for f in chosen])
            lows = np.array([v if f["low"] is None else f["low"] for f, v in _with(chosen)])
            highs = np.array([v if f["high"] is None else f["high"] for f, v in _with(chosen)])
            ax.errorbar(
                values,
                [rows.index((f["network"], f["weight"])) + 0.22 * (number - 1) for f in chosen],
                xerr=[values - lows, highs - values],
                color=COLOURS[number],
                marker=MARKERS[number],
                linestyle="none",
                markersize=5,
                capsize=2,
                label=part,
            )
        ax.axvline(1.0, color=GREY, linestyle=":", linewidth=1.2)
        title = "outer cells" if kind == "cells" else "states nearest zero, in the outer cells"
        tidy(ax, title=f"On the {title}", x="share of the norm² over that of equal entries")
        ax.grid(axis="both", color="#E6E6E6", linewidth=0.8)
        ax.set_xlim(left=0.0)
        ax.set_ylim(len(rows) - 0.4, -0.6)
    axes[0].set_yticks(
        range(len(rows)), [wrapped(f"{network}: {weight}", 38) for network, weight in rows]
    )
    made.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        fontsize=8.5,
        frameon=False,
    )
    return made


def _with(chosen: list[Any]) -> list[tuple[Any, float]]:
    return [(finding, finding["value"]) for finding in chosen]
