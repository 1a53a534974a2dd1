"""The page of the study `exact`: two distances, from network to formula and on to the integer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tnlearn.report.html import figure as shown
from tnlearn.report.statistics import wilson
from tnlearn.report.study import Page
from tnlearn.report.style import COLOURS, GREY, MARKERS, figure, save, tidy

__all__ = ["page"]

_BOUNDARIES = {"open": "open chain, trace over a window", "ring": "the same chain as a ring"}


def page(results: Mapping[str, Any], folder: Path) -> Page:
    """Draw the figures and say what they show."""
    figures = folder / "figures"
    rounding = save(_rounding(results), figures / "rounding.png")
    precision = save(_precision(results), figures / "precision.png")
    return Page(
        answer=_answer(results),
        sections=[
            (
                "rounding",
                "From the formula to the integer",
                shown(
                    rounding,
                    "Share of all chains, balanced over the classes, for which the untrained RSWN, "
                    "rounded, is the sample's own integer (Lyapunov), with Wilson's 95 % interval. "
                    f"Open chains: window {results['config']['window']:g}.",
                    "Accuracy of the rounded RSWN against length",
                ),
            ),
            (
                "precision",
                "From the network to the formula",
                shown(
                    precision,
                    "Largest and median distance between each form of the network and the trace "
                    "of the formula written out with 2L × 2L matrices, over all chains of a "
                    "length (all data sets and strengths of disorder). Solid: largest; dashed: "
                    "median.",
                    "Deviation of the network from the formula against length",
                ),
            ),
        ],
    )


def _answer(results: Mapping[str, Any]) -> list[str]:
    found = {finding["name"]: finding for finding in results["findings"]}
    double = found["largest |network − trace formula|, all forms, float64"]["value"]
    single = found["largest |network − trace formula|, all forms, float32"]["value"]
    said = [
        f"The four networks give the formula to {double:.1e} in double precision and to "
        f"{single:.1e} in single precision: as the formula, the invariant is encoded exactly."
    ]
    shares = [f for f in results["findings"] if "boundary" in f]
    clean = [f for f in shares if f["boundary"] == "open" and f["disorder"] == 0]
    if clean:
        worst, best = (pick(clean, key=lambda f: f["value"]) for pick in (min, max))
        said.append(
            "The formula itself is not the integer on a finite open chain: without disorder its "
            f"rounding is right for {100 * worst['value']:.1f} % of the {worst['data']} chains of "
            f"{worst['cells']} cells at worst and {100 * best['value']:.1f} % of the "
            f"{best['data']} chains of {best['cells']} cells at best."
        )
    return said


def _rounding(results: Mapping[str, Any]) -> Figure:
    sets = list(dict.fromkeys(row["data"] for row in results["rows"]))
    made, axes = figure(len(sets), 2, 0.5 + 3.2 * len(sets), sharey=True, sharex=True)
    for row, data in enumerate(sets):
        for column, (boundary, words) in enumerate(_BOUNDARIES.items()):
            ax = axes[2 * row + column]
            _shares(ax, [r for r in results["rows"] if r["data"] == data], boundary)
            tidy(
                ax,
                title=f"{data}: {words}",
                x="cells" if row == len(sets) - 1 else "",
                y="share rounded to the integer" if column == 0 else "",
            )
    axes[0].legend(title="disorder", fontsize=8, title_fontsize=8, frameon=False)
    return made


def _shares(ax: Any, rows: list[Mapping[str, Any]], boundary: str) -> None:
    strengths = sorted({row["disorder"] for row in rows})
    for number, strength in enumerate(strengths):
        chosen = sorted((r for r in rows if r["disorder"] == strength), key=lambda r: r["cells"])
        found = [row[boundary]["all"] for row in chosen]
        share = np.array([f["right"] / f["samples"] for f in found])
        ends = np.array([wilson(f["right"], f["samples"]) for f in found]).T
        ax.errorbar(
            [row["cells"] for row in chosen],
            share,
            yerr=np.abs(ends - share),
            color=COLOURS[number],
            marker=MARKERS[number],
            markersize=5,
            linewidth=1.4,
            capsize=2,
            label=f"{strength:g}",
        )
    cells = sorted({row["cells"] for row in rows})
    ax.set_xscale("log")
    ax.set_xticks(cells, [str(c) for c in cells])
    ax.minorticks_off()


def _precision(results: Mapping[str, Any]) -> Figure:
    rows = results["rows"]
    cells = sorted({row["cells"] for row in rows})
    forms = list(dict.fromkeys(name.partition(",")[0] for name in rows[0]["deviation"]))
    made, axes = figure(1, 2, 3.6, sharey=True)
    for ax, precision in zip(axes, ("float64", "float32"), strict=True):
        for number, form in enumerate(forms):
            of_form = [
                [row["deviation"][f"{form}, {precision}"] for row in rows if row["cells"] == c]
                for c in cells
            ]
            # Sizes set a little apart, as the forms lie on one another.
            at = np.array(cells) * (1 + 0.02 * (number - 1.5))
            largest = [max(f["largest"] for f in found) for found in of_form]
            median = [float(np.median([f["median"] for f in found])) for found in of_form]
            style = {"color": COLOURS[number], "marker": MARKERS[number], "markersize": 5}
            ax.plot(at, largest, linewidth=1.4, label=form, **style)
            ax.plot(at, median, linewidth=1.0, linestyle="--", **style)
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xticks(cells, [str(c) for c in cells])
        ax.minorticks_off()
        ax.axhline(float(np.finfo(precision).eps), color=GREY, linestyle=":", linewidth=1.0)
        title = "double precision" if precision == "float64" else "single precision"
        tidy(ax, title=f"{title} (dotted: machine precision)", x="cells")
    axes[0].set_ylabel("|network − trace formula|", fontsize=9)
    axes[0].legend(fontsize=8, frameon=False)
    return made
