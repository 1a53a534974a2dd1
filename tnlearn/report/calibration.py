"""Figure of calibration, success rate and epochs to success of every network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tnlearn.report.reading import FAMILIES, Results, Run
from tnlearn.report.statistics import summary, wilson
from tnlearn.report.style import COLOURS, GREY, figure, tidy, wrapped

__all__ = ["calibration_and_success"]


def calibration_and_success(results: Results, data: str) -> Figure | None:
    """Three panels, a row per network: calibration error, success rate, epochs to success.

    None if no run has any of the three.
    """
    runs = [run for run in results.runs(data) if run.success() or run.calibration() is not None]
    if not runs:
        return None
    made, axes = figure(1, 3, 1.1 + 0.31 * len(runs), sharey=True)
    tidy(axes[0], title="Calibration", x="expected calibration error, clean", grid="both")
    tidy(axes[1], title="Success rate", x="share of members that succeed", grid="both")
    tidy(axes[2], title="Time to success", x="epochs to the threshold", grid="both")
    for row, run in enumerate(runs):
        family = list(FAMILIES).index(run.family) if run.family in FAMILIES else 3
        _dots(axes[0], run.calibration(), row, COLOURS[family], share=True)
        _rate(axes[1], run, row, COLOURS[family])
        _dots(axes[2], run.epochs_to_success(), row, COLOURS[family], share=False)
    axes[0].set_xlim(left=0.0)
    axes[1].set_xlim(-0.03, 1.03)
    axes[2].set_xlim(left=0.0)
    axes[0].set_ylim(len(runs) - 0.4, -0.6)
    axes[0].set_yticks(range(len(runs)), [wrapped(run.title) for run in runs])
    return made


def _dots(ax: Any, values: Any, row: int, colour: str, *, share: bool) -> None:
    """The members as dots, mean and interval over them."""
    found = summary(values, share=share)
    if not found.count:
        text = "n/a" if share else "never"
        ax.text(
            0.02, row, text, transform=ax.get_yaxis_transform(), fontsize=8, color=GREY, va="center"
        )
        return
    kept = np.asarray(values)[np.isfinite(values)]
    ax.plot(
        kept,
        [row + 0.24] * kept.size,
        linestyle="none",
        marker="o",
        markersize=3.5,
        alpha=0.45,
        markeredgewidth=0,
        color=colour,
    )
    arms = [[found.mean - found.low], [found.high - found.mean]] if found.has_interval else None
    ax.errorbar(
        [found.mean],
        [row - 0.08],
        xerr=arms,
        fmt="|",
        markersize=9,
        markeredgewidth=1.6,
        elinewidth=1.4,
        capsize=3,
        color=colour,
    )


def _rate(ax: Any, run: Run, row: int, colour: str) -> None:
    success = run.success()
    if not success:
        ax.text(0.0, row, "n/a", fontsize=8, color=GREY, va="center")
        return
    hits, members, _ = success
    rate = hits / members if members else math.nan
    low, high = wilson(hits, members)
    ax.errorbar(
        [rate],
        [row],
        xerr=[[max(rate - low, 0.0)], [max(high - rate, 0.0)]],
        fmt="o",
        markersize=5,
        elinewidth=1.4,
        capsize=3,
        color=colour,
    )
