"""The page of the study `samples`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from tnlearn.report.curves import interval, look, per_cent
from tnlearn.report.html import figure as shown
from tnlearn.report.html import folded, switch
from tnlearn.report.statistics import summary
from tnlearn.report.study import Page
from tnlearn.report.style import BLACK, GREY, figure, save, tidy

__all__ = ["page"]

_FAMILIES = {
    "rswn": "RSWN networks",
    "symmetric": "Symmetric networks",
    "generic": "Generic networks",
}
_BUDGETS = {
    "steps": "the same number of steps at every size (but each chain seen at least {} times)",
    "epochs": "the epochs of the catalogue at every size",
}


def page(results: Mapping[str, Any], folder: Path) -> Page:
    """Draw the figures and say what they show."""
    figures = folder / "figures"
    sections = []
    for budget in results["config"]["budgets"]:
        words = _BUDGETS[budget].format(results["config"]["passes"])
        drawn = shown(
            save(_curves(results, budget), figures / f"error-{budget}.png"),
            f"Error (one less the accuracy) on all test chains against the number of training "
            f"chains, with {words}; mean over members with 95 % interval. Dotted: guessing.",
            f"Error against training chains, equal {budget}",
        )
        table = folded(
            "Every number",
            switch(
                f"table-{budget}",
                _table(results, budget, "accuracy"),
                _table(results, budget, "accuracy_clear"),
            ),
        )
        sections.append((f"curve-{budget}", f"Equal {budget}", drawn + table))
    if any(f["claim"] == "beats-cnn-resnet" for f in results["findings"]):
        drawn = shown(
            save(_differences(results), figures / "differences.png"),
            "Difference of the mean accuracies, in points, with Welch's 95 % interval. Members of "
            "the rival that did not learn at all (validation accuracy less than half way from "
            "guessing to its best member) are left out, to its favour. The dashed line is the "
            f"claim, {results['config']['margin']:g} points.",
            "Differences from CNN and ResNet against training chains",
        )
        sections.append(("differences", "Against CNN and ResNet", drawn + _gaps(results)))
    return Page(answer=_answer(results), sections=sections)


_CLAIMS = {
    "beats-cnn-resnet": "That it beats CNNs and ResNets by more than 15 points",
    "accurate-symmetric-generic": "That symmetric and generic networks are accurate",
}


def _answer(results: Mapping[str, Any]) -> list[str]:
    clean = results["config"]["shifts"][0]
    said = []
    sizes = sorted({row["size"] for row in results["rows"]})
    for size in (sizes[0], sizes[-1]):
        rows = [row for row in results["rows"] if row["size"] == size]
        rows.sort(key=lambda row: -summary(row["accuracy"][clean]).mean)
        named = [
            f"{_title(results, row)} {per_cent(summary(row['accuracy'][clean]))}"
            for row in (rows[:3] if len(rows) > 3 else rows)
        ]
        said.append(
            f"With {size:,} training chains the most accurate on {clean} chains are "
            f"{', '.join(named)}."
        )
    for verdict in results["verdicts"]:
        said.append(f"{_CLAIMS[verdict['claim']]}: {verdict['verdict']} ({verdict['condition']}).")
    return said


def _title(results: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    return str(results["config"]["entries"][row["network"]]["title"])


def _logarithmic(ax: Any, sizes: list[int]) -> None:
    ax.set_xscale("log")
    # At most about six labels fit under a panel.
    kept = sizes if len(sizes) <= 6 else sizes[:: math.ceil(len(sizes) / 6)]
    ax.set_xticks(kept)
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value / 1000:g}k" if value >= 1000 else f"{value:g}")
    )
    ax.xaxis.set_minor_locator(NullLocator())


def _curves(results: Mapping[str, Any], budget: str) -> Figure:
    """Error: a row a shift, a column a family, a line a network."""
    config = results["config"]
    entries = config["entries"]
    families = [f for f in _FAMILIES if any(e["family"] == f for e in entries.values())]
    shifts = config["shifts"]
    made, axes = figure(
        len(shifts), len(families), 0.8 + 3.6 * len(shifts), sharey="row", sharex=True
    )
    rows = [row for row in results["rows"] if budget in row["budgets"]]
    sizes = sorted({row["size"] for row in rows})
    for place, ax in enumerate(axes):
        how, family = shifts[place // len(families)], families[place % len(families)]
        names = [name for name, entry in entries.items() if entry["family"] == family]
        for index, name in enumerate(names):
            mine = sorted((r for r in rows if r["network"] == name), key=lambda r: r["size"])
            _error(ax, mine, how, entries[name]["title"], index)
        ax.axhline(1.0 - results["chance"], color=GREY, linestyle=":", linewidth=1.2)
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
        _logarithmic(ax, sizes)
        last = place // len(families) == len(shifts) - 1
        tidy(
            ax,
            title=f"{_FAMILIES[family]}, {how}",
            x="training chains" if last else "",
            y="error (share of test chains)" if place % len(families) == 0 else "",
            grid="both",
        )
        if last:
            ax.legend(
                title="network (members)",
                title_fontsize=8,
                fontsize=8,
                frameon=False,
                labelcolor=BLACK,
                loc="upper center",
                bbox_to_anchor=(0.5, -0.14),
            )
    # Only now: a limit set earlier would be that of the panels drawn until then.
    for first in axes[:: len(families)]:
        first.set_ylim(top=1.0)
    return made


def _error(ax: Any, mine: list[Mapping[str, Any]], how: str, title: str, index: int) -> None:
    """One network: mean error with its interval at every number of chains."""
    found = [summary(row["accuracy"][how]) for row in mine]
    errors = np.array([1.0 - s.mean for s in found])
    lows = np.array([1.0 - s.high if s.has_interval else 1.0 - s.mean for s in found])
    highs = np.array([1.0 - s.low if s.has_interval else 1.0 - s.mean for s in found])
    # No logarithm of zero: an interval that holds it ends at a tenth of the mean.
    lows = np.maximum(lows, 0.1 * errors)
    ax.errorbar(
        [row["size"] for row in mine],
        errors,
        yerr=[errors - lows, highs - errors],
        markersize=4.5,
        linewidth=1.3,
        capsize=2,
        label=f"{title} ({len(mine[0]['accuracy'][how])})",
        **look(index),
    )


def _differences(results: Mapping[str, Any]) -> Figure:
    """A panel a shift: difference from each rival against the number of chains."""
    config = results["config"]
    found = [f for f in results["findings"] if f["claim"] == "beats-cnn-resnet"]
    made, axes = figure(1, len(config["shifts"]), 4.6, sharey=True)
    pairs = list(dict.fromkeys((f["key"], f["rival"], tuple(f["budgets"])) for f in found))
    lines = list(dict.fromkeys((key, rival) for key, rival, _ in pairs))
    for ax, how in zip(axes, config["shifts"], strict=True):
        for index, (key, rival) in enumerate(lines):
            for budget in config["budgets"]:
                rows = sorted(
                    (
                        f
                        for f in found
                        if (f["key"], f["rival"], f["shift"]) == (key, rival, how)
                        and budget in f["budgets"]
                    ),
                    key=lambda f: f["size"],
                )
                if rows:
                    _gap(ax, config, rows, index, budget, len(lines))
        ax.axhline(0.0, color=GREY, linewidth=0.9)
        ax.axhline(config["margin"], color=BLACK, linestyle="--", linewidth=1.0)
        _logarithmic(ax, sorted({f["size"] for f in found}))
        tidy(ax, title=how, x="training chains")
    axes[0].set_ylabel("difference of accuracy (points)", fontsize=9, color=BLACK)
    made.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        fontsize=8.5,
        frameon=False,
    )
    return made


def _gap(
    ax: Any,
    config: Mapping[str, Any],
    rows: list[Mapping[str, Any]],
    index: int,
    budget: str,
    total: int,
) -> None:
    values = np.array([f["value"] for f in rows])
    lows = np.array([f["value"] if f["low"] is None else f["low"] for f in rows])
    highs = np.array([f["value"] if f["high"] is None else f["high"] for f in rows])
    titles = [config["entries"][name]["title"] for name in (rows[0]["key"], rows[0]["rival"])]
    words = f"{titles[0]} less {titles[1]}"
    several = len(config["budgets"]) > 1
    ax.errorbar(
        # Curves set a little apart, as their intervals overlap.
        [f["size"] * (1 + 0.04 * (index - (total - 1) / 2)) for f in rows],
        values,
        yerr=[values - lows, highs - values],
        linestyle="-" if budget == "steps" else "--",
        linewidth=1.3,
        markersize=5,
        capsize=2.5,
        label=f"{words}, equal {budget}" if several else words,
        **look(index),
    )


def _table(results: Mapping[str, Any], budget: str, key: str) -> str:
    rows = [row for row in results["rows"] if budget in row["budgets"]]
    sizes = sorted({row["size"] for row in rows})
    shifts = results["config"]["shifts"]
    head = "".join(f"<th>{size:,}</th>" for size in sizes)
    body = []
    for how in shifts:
        body.append(f'<tr class="family"><th colspan="{len(sizes) + 1}">{escape(how)}</th></tr>')
        for name in results["config"]["entries"]:
            mine = {row["size"]: row for row in rows if row["network"] == name}
            cells = "".join(
                f"<td>{per_cent(summary(mine[s][key][how]))}</td>" if s in mine else "<td></td>"
                for s in sizes
            )
            if mine:
                title = escape(str(results["config"]["entries"][name]["title"]))
                count = len(next(iter(mine.values()))[key][how])
                body.append(f"<tr><th>{title}<small>{count} members</small></th>{cells}</tr>")
    return (
        f'<div class="wide"><table><thead><tr><th>training chains</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _gaps(results: Mapping[str, Any]) -> str:
    found = [f for f in results["findings"] if f["claim"] == "beats-cnn-resnet"]
    rows = "".join(
        f"<tr><th>{escape(f['network'])} {escape(f['name'].partition('accuracy ')[2])}</th>"
        f"<td>{f['size']:,}</td><td>{' and '.join(f['budgets'])}</td>"
        f"<td>{interval(f['value'], f['low'], f['high'], '{:+.1f}')}</td>"
        f"<td>{interval(f['everyone'], None, None, '{:+.1f}')}</td>"
        f"<td>{f['learned']}</td></tr>"
        for f in found
    )
    return (
        '<div class="wide"><table><thead><tr><th>difference</th><th>training chains</th>'
        "<th>equal</th><th>points</th><th>points, all members of the rival</th>"
        f"<th>members of the rival that learned</th></tr></thead><tbody>{rows}</tbody></table>"
        "</div>"
    )
