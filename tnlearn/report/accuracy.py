"""Figures of accuracy: the overview, and accuracy against the strength of disorder."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.figure import Figure

from tnlearn.report.reading import FAMILIES, Results, Run, Shift
from tnlearn.report.statistics import Summary, summary
from tnlearn.report.style import BLACK, COLOURS, GREY, MARKERS, figure, tidy, wrapped

__all__ = ["against_disorder", "overview"]


def against_disorder(results: Results, data: str) -> Figure | None:
    """Accuracy against the strength of the disorder, a panel per family, mean and 95 % interval.

    None if fewer than two strengths were tested.
    """
    dataset = results.datasets[data]
    shifts = dataset.disorders()
    families = results.families(data)
    if len(shifts) < 2 or not families:
        return None
    made, axes = figure(1, len(families), 4.3, sharey=True)
    for ax, family in zip(axes, families, strict=True):
        tidy(
            ax, title=FAMILIES.get(family, family), x="strength of disorder (units of the hopping)"
        )
        for index, run in enumerate(results.runs(data, family)):
            _curve(ax, run, shifts, index)
        _references(ax, results, data, shifts)
        ax.set_xticks([shift.strength for shift in shifts])
        ax.set_xticklabels([f"{shift.strength:g}" for shift in shifts])
        ax.set_ylim(0.0, 1.02)
        # Below the axes: inside, some curve would run through it.
        ax.legend(
            fontsize=8.5,
            frameon=False,
            labelcolor=BLACK,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.15),
            handlelength=2.2,
        )
    axes[0].set_ylabel("accuracy (share of test chains)", fontsize=9, color=BLACK)
    return made


def _curve(ax: Any, run: Run, shifts: list[Shift], index: int) -> None:
    # A strength without a value breaks the line: nothing is drawn across what was not measured.
    strengths = [shift.strength for shift in shifts]
    found = [summary(run.accuracy(shift.name)) for shift in shifts]
    if not any(s.count for s in found):
        return
    ax.errorbar(
        strengths,
        [s.mean for s in found],
        yerr=_arms(found),
        color=COLOURS[index % len(COLOURS)],
        marker=MARKERS[index % len(MARKERS)],
        markersize=5,
        linewidth=1.4,
        elinewidth=1.0,
        capsize=2.5,
        label=run.title,
    )


def _references(ax: Any, results: Results, data: str, shifts: list[Shift]) -> None:
    """The exact RSWN and the level of guessing, the same in every panel."""
    exact = results.exact(data)
    points = [(s.strength, exact[s.name]) for s in shifts if exact.get(s.name) is not None]
    if points:
        ax.plot(
            *zip(*points, strict=True),
            color=BLACK,
            linestyle="--",
            linewidth=1.2,
            label=results.exact_title(),
        )
    chance = results.datasets[data].chance
    if chance:
        ax.axhline(chance, color=GREY, linestyle=":", linewidth=1.2, label="guessing")


def _has(values: Any) -> bool:
    return values is not None and summary(values).count > 0


def _arms(found: list[Summary]) -> list[list[float]]:
    """Lower and upper arm of every interval; 0 where there is none."""
    lower = [s.mean - s.low if s.has_interval else 0.0 for s in found]
    upper = [s.high - s.mean if s.has_interval else 0.0 for s in found]
    return [lower, upper]


def overview(results: Results, data: str) -> Figure | None:
    """Every network clean and under the weakest disorder: members as dots, mean and interval.

    None if no run has a clean accuracy.
    """
    runs = [run for run in results.runs(data) if _has(run.accuracy("clean"))]
    if not runs:
        return None
    dataset = results.datasets[data]
    shown = [s for s in dataset.disorders() if s.strength in (0.0, _weakest(results, data))]
    made, axes = figure(1, len(shown), 1.1 + 0.31 * len(runs), sharey=True)
    exact = results.exact(data)
    for ax, shift in zip(axes, shown, strict=True):
        tidy(ax, title=shift.title, x="accuracy (share of test chains)", grid="both")
        for row, run in enumerate(runs):
            _row(
                ax,
                run,
                shift,
                row,
                list(FAMILIES).index(run.family) if run.family in FAMILIES else 3,
            )
        level = exact.get(shift.name)
        if level is not None:
            _vertical(ax, level, "exact RSWN", color=BLACK, linestyle="--")
        if dataset.chance:
            _vertical(ax, dataset.chance, "guessing", color=GREY, linestyle=":")
        ax.set_xlim(0.0, 1.02)
        ax.set_ylim(len(runs) - 0.4, -1.0)
    axes[0].set_yticks(range(len(runs)), [wrapped(run.title) for run in runs])
    return made


def _vertical(ax: Any, place: float, text: str, *, color: str, linestyle: str) -> None:
    """A reference line with its name to its left, above the first row."""
    ax.axvline(place, color=color, linestyle=linestyle, linewidth=1.2)
    ax.annotate(
        text,
        (place, -0.7),
        xytext=(-4, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=8,
        color=BLACK,
    )


def _weakest(results: Results, data: str) -> float:
    strengths = [s.strength for s in results.datasets[data].disorders() if s.strength]
    return 0.5 if 0.5 in strengths else min(strengths, default=math.nan)


def _row(ax: Any, run: Run, shift: Shift, row: int, colour: int) -> None:
    values = run.accuracy(shift.name)
    if values is None or not _has(values):
        ax.annotate("n/a", (0.02, row), fontsize=8, color=GREY, va="center")
        return
    found = summary(values)
    ax.plot(
        values,
        [row + 0.24] * len(values),
        linestyle="none",
        marker="o",
        markersize=3.5,
        alpha=0.5,
        markeredgewidth=0,
        color=COLOURS[colour],
    )
    ax.errorbar(
        [found.mean],
        [row - 0.08],
        xerr=_arms([found]),
        fmt="|",
        markersize=9,
        markeredgewidth=1.6,
        elinewidth=1.3,
        capsize=2.5,
        color=COLOURS[colour],
    )
