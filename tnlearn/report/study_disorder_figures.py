"""Figures of the study `disorder`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tnlearn.report.curves import line, look
from tnlearn.report.style import BLACK, GREY, figure, tidy, wrapped

__all__ = ["against", "knowledge", "maps", "regret"]

_COLUMNS = 4
_KINDS = {
    "u2": ("|u_n(x)|²", "cell x", "state n"),
    "v2": ("|v_n(y)|²", "cell y", "state n"),
    "q2": ("|q_xy|²", "cell y", "cell x"),
}


def _title(results: Mapping[str, Any], name: str) -> str:
    return str(results["config"]["entries"][name]["title"])


def _at(at: float | list[float]) -> str:
    return "the mixture" if isinstance(at, list) else "clean" if at == 0 else f"{at:g}"


def against(results: Mapping[str, Any]) -> Figure:
    """A panel a network: accuracy against the strength tested at, a line a training."""
    tests = results["test_at"]
    networks = results["networks"]
    columns = min(_COLUMNS, len(networks))
    rows = math.ceil(len(networks) / columns)
    made, axes = figure(rows, columns, 0.8 + 2.9 * rows, sharey=True)
    exact = {row["strength"]: row for row in results["exact"]}
    # One colour a training, whatever trainings a network has.
    order = list(dict.fromkeys(repr(t["at"]) for trainings in networks.values() for t in trainings))
    order.sort(key=lambda text: (text.startswith("["), text))
    shown: dict[str, Any] = {}
    for ax, name in zip_longest(axes, networks):
        if name is None:
            ax.set_visible(False)
            continue
        for training in networks[name]:
            index = order.index(repr(training["at"]))
            line(ax, tests, training["accuracy"], index, label=f"trained: {_at(training['at'])}")
        ax.plot(
            tests,
            [exact[w]["open"]["all"] / exact[w]["samples"] for w in tests],
            color=BLACK,
            linestyle="--",
            linewidth=1.2,
            label="rounded RSWN, untrained",
        )
        ax.axhline(results["chance"], color=GREY, linestyle=":", linewidth=1.2)
        tidy(ax, title=wrapped(_title(results, name), 26), x="disorder tested at")
        ax.set_xticks(tests, [f"{w:g}" for w in tests])
        ax.set_ylim(0.0, 1.02)
        handles, labels = ax.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    for row in range(rows):
        axes[row * columns].set_ylabel("accuracy (share of test chains)", fontsize=9, color=BLACK)
    words = [f"trained: {text}" for text in ("clean", *(f"{w:g}" for w in sorted(tests)))]
    labels = [*(word for word in words if word in shown), *(w for w in shown if w not in words)]
    made.legend(
        [shown[label] for label in labels],
        labels,
        loc="outside lower center",
        ncols=4,
        fontsize=8.5,
        frameon=False,
    )
    return made


def regret(results: Mapping[str, Any]) -> Figure:
    """Regret with its interval, a panel a strength, a row a network."""
    strengths = list(results["test_at"])
    names = list(dict.fromkeys(r["network"] for r in results["regrets"]))
    made, axes = figure(1, len(strengths), 1.0 + 0.32 * len(names), sharey=True)
    for ax, strength in zip(axes, strengths, strict=True):
        for row, name in enumerate(names):
            found = next(
                r for r in results["regrets"] if (r["network"], r["strength"]) == (name, strength)
            )
            low = found["value"] if found["low"] is None else found["low"]
            high = found["value"] if found["high"] is None else found["high"]
            ax.errorbar(
                [found["value"]],
                [row],
                xerr=[[found["value"] - low], [high - found["value"]]],
                markersize=5,
                capsize=2.5,
                **look(0),
            )
        ax.axvline(0.0, color=GREY, linewidth=0.9)
        ax.axvline(1.0, color=BLACK, linestyle="--", linewidth=1.0)
        words = "clean" if strength == 0 else f"disorder {strength:g}"
        tidy(ax, title=words, x="regret (points)", grid="both")
        ax.xaxis.set_major_locator(MaxNLocator(5))
        # Few members may give an interval that would press all others together: it is cut.
        values = [r["value"] for r in results["regrets"] if r["strength"] == strength]
        room = 0.4 * (max(values) - min(values)) + 2.0
        ax.set_xlim(min(*values, 0.0) - room, max(*values, 1.0) + room)
        ax.set_ylim(len(names) - 0.5, -0.5)
    axes[0].set_yticks(range(len(names)), [wrapped(name, 26) for name in names])
    return made


def maps(results: Mapping[str, Any]) -> Figure:
    """Correlation ratio of every amplitude: a row a kind, a column a strength, one scale a row."""
    rows = results["correlation"]
    made, axes = figure(len(_KINDS), len(rows), 0.4 + 2.5 * len(_KINDS))
    for number, (kind, (title, across, up)) in enumerate(_KINDS.items()):
        tables = [np.array(row[kind]["map"], dtype=float) for row in rows]
        most = max(float(table.max()) for table in tables)
        mine = axes[number * len(rows) : (number + 1) * len(rows)]
        for ax, row, table in zip(mine, rows, tables, strict=True):
            drawn = ax.imshow(
                table,
                cmap="cividis",
                vmin=0.0,
                vmax=most,
                origin="lower",
                interpolation="nearest",
            )
            words = "clean" if row["strength"] == 0 else f"disorder {row['strength']:g}"
            tidy(
                ax, title=f"{title}, {words}", x=across, y=up if ax is mine[0] else "", grid="none"
            )
            ax.title.set_fontsize(9)
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        bar = made.colorbar(drawn, ax=mine, fraction=0.03, pad=0.01)
        bar.set_label("ε² with the label", fontsize=8, color=BLACK)
        bar.ax.tick_params(labelsize=8)
    return made


def knowledge(results: Mapping[str, Any]) -> Figure:
    """Mean correlation ratio of the regions against the strength of the disorder."""
    found = [f for f in results["findings"] if f.get("kind") == "correlation"]
    made, axes = figure(1, len(_KINDS), 4.4)
    for ax, (kind, (title, *_)) in zip(axes, _KINDS.items(), strict=True):
        mine = [f for f in found if f["amplitude"] == kind]
        for index, region in enumerate(dict.fromkeys(f["region"] for f in mine)):
            rows = sorted((f for f in mine if f["region"] == region), key=lambda f: f["strength"])
            values = np.array([f["value"] for f in rows])
            lows, highs = (np.array([f[end] for f in rows]) for end in ("low", "high"))
            ax.errorbar(
                [f["strength"] for f in rows],
                values,
                yerr=[np.maximum(values - lows, 0), np.maximum(highs - values, 0)],
                markersize=4.5,
                linewidth=1.3,
                capsize=2,
                label=region,
                **look(index),
            )
        ax.axhline(0.0, color=GREY, linewidth=0.8)
        tidy(ax, title=title, x="strength of disorder (units of the hopping)")
        ax.legend(
            fontsize=8,
            frameon=False,
            labelcolor=BLACK,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.16),
        )
    axes[0].set_ylabel("mean ε² with the label", fontsize=9, color=BLACK)
    return made
