"""A mean over members with its interval, as a line, a band, or a point in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tnlearn.report.statistics import Summary, summary
from tnlearn.report.style import COLOURS, MARKERS

__all__ = ["band", "interval", "line", "listed", "look", "per_cent"]


def look(index: int) -> dict[str, Any]:
    """Colour and marker of the curve number `index`; a second round changes the marker."""
    turn, place = divmod(index, len(COLOURS))
    return {"color": COLOURS[place], "marker": MARKERS[(place + 3 * turn) % len(MARKERS)]}


def line(
    ax: Any,
    x: Sequence[float],
    members: Any,
    index: int,
    *,
    label: str = "",
    dashed: bool = False,
    share: bool = True,
    **style: Any,
) -> None:
    """Mean over members at every `x` with 95 % intervals; `members` is (members, x).

    A place without a finite value breaks the line.
    """
    table = np.array(members, dtype=float)
    found = [summary(column, share=share) for column in table.T]
    lower = [s.mean - s.low if s.has_interval else 0.0 for s in found]
    upper = [s.high - s.mean if s.has_interval else 0.0 for s in found]
    given = {**look(index), **style}
    if dashed:
        given |= {"linestyle": "--", "markerfacecolor": "white"}
    ax.errorbar(
        x,
        [s.mean for s in found],
        yerr=[lower, upper],
        label=label or None,
        **{"markersize": 4.5, "linewidth": 1.3, "elinewidth": 0.9, "capsize": 2.0, **given},
    )


def band(ax: Any, x: Sequence[float], members: Any, colour: str, *, label: str = "") -> None:
    """Mean over members with its 95 % interval as a shaded band; `members` is (members, x)."""
    found = [summary(column, share=False) for column in np.array(members, dtype=float).T]
    ax.plot(x, [s.mean for s in found], color=colour, linewidth=1.4, label=label or None)
    if all(s.has_interval for s in found):
        ends = [[s.low for s in found], [s.high for s in found]]
        ax.fill_between(x, *ends, color=colour, alpha=0.2, linewidth=0)


def per_cent(found: Summary, digits: int = 1) -> str:
    """``98.9 % [98.7, 99.0]``; without interval where there is none."""
    if not math.isfinite(found.mean):
        return "none"
    text = f"{100 * found.mean:.{digits}f} %"
    if found.has_interval:
        text += f" [{100 * found.low:.{digits}f}, {100 * found.high:.{digits}f}]"
    return text


def interval(value: float, low: float | None, high: float | None, pattern: str = "{:.2f}") -> str:
    """``1.58 [1.41, 1.75]``, with a true minus sign."""
    text = pattern.format(value)
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        text += f" [{pattern.format(low)}, {pattern.format(high)}]"
    return text.replace("-", "−")


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
