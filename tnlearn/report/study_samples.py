"""The page of the study `samples`: accuracy against the number of training chains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from tnlearn.report.html import figure as shown
from tnlearn.report.statistics import summary
from tnlearn.report.study import Page
from tnlearn.report.style import COLOURS, GREY, MARKERS, figure, save, tidy

__all__ = ["page"]


def page(results: Mapping[str, Any], folder: Path) -> Page:
    """Draw the curves and say what they show."""
    figures = folder / "figures"
    config = results["config"]
    curves = shown(
        save(_curves(results), figures / "curves.png"),
        f"Mean accuracy over members, with the 95 % interval of Student's t, on {config['cells']}-"
        f"cell chains of <code>{escape(config['data']['name'])}</code>, against the number of "
        "clean training chains. Every network takes the same number of gradient steps at each "
        f"number of chains, but sees every chain at least {config['passes']} times.",
        "Accuracy against the number of training chains",
    )
    leads = shown(
        save(_leads(results), figures / "leads.png"),
        "Difference of the mean accuracies in points, with Welch's 95 % interval. Dotted: the "
        f"{config['margin']:g} points of the claim.",
        "Lead over the rivals against the number of training chains",
    )
    said = [verdict["because"] for verdict in results["verdicts"]]
    return Page(
        answer=[words if words.endswith(".") else f"{words}." for words in said],
        sections=[
            ("curves", "Accuracy against training chains", curves),
            ("leads", "The lead over the rivals", leads),
            ("numbers", "Numbers", _table(results)),
        ],
    )


def _titles(results: Mapping[str, Any]) -> dict[str, str]:
    return {name: entry["title"] for name, entry in results["config"]["entries"].items()}


def _curves(results: Mapping[str, Any]) -> Figure:
    shifts = list(dict.fromkeys(curve["shift"] for curve in results["curves"]))
    made, axes = figure(1, len(shifts), 4.4, sharey=True)
    for ax, how in zip(axes, shifts, strict=True):
        for number, (name, title) in enumerate(_titles(results).items()):
            chosen = sorted(
                (c for c in results["curves"] if c["network"] == name and c["shift"] == how),
                key=lambda c: c["size"],
            )
            found = [summary(c["accuracy"]) for c in chosen]
            mean = np.array([f.mean for f in found])
            ends = np.array([[f.mean - f.low, f.high - f.mean] for f in found]).T
            ax.errorbar(
                [c["size"] for c in chosen],
                mean,
                yerr=np.nan_to_num(ends),
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
                markersize=5,
                linewidth=1.4,
                capsize=2,
                label=title,
            )
        _log(ax, results["config"]["sizes"])
        tidy(ax, title=f"tested {how}", x="training chains")
    axes[0].set_ylabel("accuracy (share of test chains)", fontsize=9)
    axes[-1].legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return made


def _leads(results: Mapping[str, Any]) -> Figure:
    leads = [f for f in results["findings"] if f["claim"] == "beats-cnn-resnet"]
    shifts = list(dict.fromkeys(f["shift"] for f in leads))
    made, axes = figure(1, len(shifts), 3.8, sharey=True)
    for ax, how in zip(axes, shifts, strict=True):
        names = list(dict.fromkeys(f["name"] for f in leads))
        for number, name in enumerate(names):
            chosen = [f for f in leads if f["name"] == name and f["shift"] == how]
            value = np.array([f["value"] for f in chosen])
            ends = np.array([[f["low"], f["high"]] for f in chosen], dtype=float).T
            ax.errorbar(
                [f["size"] for f in chosen],
                value,
                yerr=np.nan_to_num(np.abs(ends - value)),
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
                markersize=5,
                linewidth=1.4,
                capsize=2,
                label=name,
            )
        ax.axhline(results["config"]["margin"], color=GREY, linestyle=":", linewidth=1.2)
        ax.axhline(0.0, color=GREY, linewidth=0.8)
        _log(ax, results["config"]["sizes"])
        tidy(ax, title=f"tested {how}", x="training chains")
    axes[0].set_ylabel("lead (points)", fontsize=9)
    axes[-1].legend(fontsize=8, frameon=False)
    return made


def _log(ax: Any, sizes: Sequence[int]) -> None:
    ax.set_xscale("log")
    ax.set_xticks(sizes)
    ax.xaxis.set_major_formatter(FuncFormatter(_short))
    ax.xaxis.set_minor_locator(NullLocator())


def _short(value: float, _: Any = None) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _table(results: Mapping[str, Any]) -> str:
    sizes = results["config"]["sizes"]
    shifts = list(dict.fromkeys(curve["shift"] for curve in results["curves"]))
    head = "".join(f"<th>{_short(size)}</th>" for size in sizes)
    parts = []
    for how in shifts:
        rows = []
        for name, title in _titles(results).items():
            of = {
                c["size"]: summary(c["accuracy"])
                for c in results["curves"]
                if c["network"] == name and c["shift"] == how
            }
            cells = "".join(
                f"<td>{100 * of[size].mean:.1f}<small>{_arm(of[size].half_width)}</small></td>"
                for size in sizes
            )
            count = max(found.count for found in of.values())
            rows.append(f"<tr><th>{escape(title)}</th><td>{count}</td>{cells}</tr>")
        parts.append(
            f"<h3>Tested {escape(how)}</h3><div class='wide'><table><thead><tr><th>network</th>"
            f"<th>members</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        )
    return (
        "<p>Accuracy in per cent, with half of the 95 % interval over members, against the number "
        "of training chains.</p>" + "".join(parts)
    )


def _arm(width: float) -> str:
    return f"± {100 * width:.1f}" if np.isfinite(width) else "one member"
