"""Figures of a table: lines, heat maps, dots and images, in one look.

A family of networks has one hue on every page, and its networks differ in tone and marker.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import colormaps
from matplotlib.ticker import LogLocator, NullLocator

from tnlearn.look import BLACK, COLOURS, DIVERGING, GREY, MARKERS, WIDTH, Figure, panels, tidy
from tnlearn.report.table import in_words

__all__ = [
    "FAMILIES",
    "Figure",
    "dots",
    "heat",
    "image",
    "lines",
    "look",
    "network_styles",
    "rescaled",
]

_DASHES = (":", "-", "--", "-.")  # of levels that are marked
MOST_TICKS = 7
WRONG = "share of test chains that are wrong"
MOST_MARKERS = 20  # on a line; longer ones have a band instead of error bars

# Title and hue of each family of networks, in reading order.
FAMILIES = {
    "rswn": ("networks of the formula", ("#0072B2", "#56B4E9", "#003F66", "#3A8FC2", "#8CCBF0")),
    "symmetric": ("networks that know the symmetry", ("#009E73", "#66C2A5", "#00543D", "#4DB892")),
    "generic": ("generic networks", ("#D55E00", "#E69F00", "#7F5539", "#CC79A7", "#A33B00")),
}

Style = Mapping[str, Any]
Names = Mapping[Any, str]
Limits = tuple[float | None, float | None]


def network_styles(entries: Mapping[str, Any]) -> dict[str, Style]:
    """Colour and marker of every network of a catalogue, by its family and place in it."""
    place = dict.fromkeys(FAMILIES, 0)
    styles: dict[str, Style] = {}
    for name, entry in entries.items():
        tones = FAMILIES[entry.family][1]
        turn = place[entry.family]
        place[entry.family] += 1
        styles[name] = {
            "color": tones[turn % len(tones)],
            "marker": MARKERS[turn % len(MARKERS)],
            "linestyle": "-" if turn < len(tones) else "--",
        }
    return styles


def look(profile: Any) -> dict[str, Any]:
    """Titles and styles of the networks of a profile, as `lines` and `dots` take them."""
    return {"names": profile.titles, "styles": network_styles(profile.entries)}


def lines(
    rows: pd.DataFrame,
    x: str,
    line: str,
    row: str | None = None,
    column: str | None = None,
    *,
    label: str = "",
    along: str | None = None,
    names: Names | None = None,
    styles: Mapping[str, Style] | None = None,
    log: str = "",
    error: bool = False,
    marks: Mapping[str, float] | None = None,
    limits: Limits = (None, None),
    height: float = 3.4,
    across: int = 3,
) -> Figure:
    """Value with its interval against `x`: a line a `line`, a panel a (`row`, `column`).

    Without `row`, panels are put `across` beside one another.

    Parameters
    ----------
    rows
        With ``value, low, high`` (of `over_members`, or the findings of a claim).
    label, along
        Of the vertical axis; of the horizontal one, if not what `x` is in words.
    names, styles
        Titles of what `line`, `row` and `column` hold, and styles (`network_styles`) of `line`.
    log
        ``"x"``, ``"y"`` or ``"xy"``.  An `x` of 0 has a place left of the others.
    error
        Draw ``1 - value``: the share of test chains that is wrong, if `label` says nothing else.
    marks
        Horizontal lines, by their names.
    limits
        Of the vertical axis.
    """
    shown = [(r, c) for r in _values(rows, row) for c in _values(rows, column)]
    wide = min(across, len(shown)) if row is None else len(_values(rows, column))
    figure, axes = panels(len(shown), wide, height, sharex=True, sharey=row is None or "row")
    order = _values(rows, line)
    for n, (ax, (r, c)) in enumerate(zip(axes, shown, strict=True)):
        for name, points in _of(_of(rows, row, r), column, c).groupby(line, sort=False):
            style = {"label": _name(name, names)}
            style |= (styles or {}).get(name) or _style(order.index(name))
            points = points.sort_values(x)
            value, low, high = (points[key].to_numpy(float) for key in ("value", "low", "high"))
            if error:
                value, low, high = 1 - value, 1 - high, 1 - low
            if rows[x].nunique() > MOST_MARKERS:
                ax.plot(points[x], value, **{**style, "marker": ""})
                ax.fill_between(points[x], low, high, color=style["color"], alpha=0.2, linewidth=0)
                continue
            arms = np.nan_to_num(np.maximum(np.stack([value - low, high - value]), 0.0))
            form = {"linewidth": 1.3, "capsize": 2, "markersize": 4.5, "elinewidth": 0.9}
            ax.errorbar(points[x], value, yerr=arms, **form, **style)
        _mark(ax.axhline, marks)
        if "x" in log:
            _logarithmic(ax, sorted(set(rows[x])))
        if "y" in log:
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_locator(NullLocator())
        if limits != (None, None):
            ax.set_ylim(*limits)
        below = n + wide >= len(shown)
        tidy(
            ax,
            title=", ".join(_name(v, names) for v in (c, r) if v is not None),
            x=(in_words(x) if along is None else along) if below else "",
            y=(label or WRONG * error) if n % wide == 0 else "",
            grid="both",
        )
        ax.tick_params(labelbottom=below)
    _legend(figure, axes)
    return figure


def heat(
    rows: pd.DataFrame,
    x: str,
    y: str,
    panel: str,
    *,
    labels: tuple[str, str] = ("", ""),
    names: Names | None = None,
    height: float = 2.5,
    across: int = 4,
    upright: bool = False,
) -> Figure:
    """Shares by colour and in per cent over `x` and `y`: a panel a `panel`.

    `upright`: panels of one `y` in one row, as wide as they have columns, whose names stand upright
    (both in the order of their categories, if they are such).
    """
    shown = _values(rows, panel)
    form: dict[str, Any] = {}
    if upright:
        widths = [_of(rows, panel, key)[x].nunique() for key in shown]
        across, form = len(shown), {"sharey": True, "width_ratios": widths}
    figure, axes = panels(len(shown), min(across, len(shown)), height, **form)
    for ax, key in zip(axes, shown, strict=True):
        grid = _of(rows, panel, key).pivot(index=y, columns=x, values="value")
        ax.imshow(grid, origin="lower", aspect="auto", cmap="Blues", vmin=0.0, vmax=1.0)
        for (i, j), value in np.ndenumerate(grid.to_numpy(float)):
            if np.isfinite(value):
                dark = sum(colormaps["Blues"](value)[:3]) < 1.6
                form = {"ha": "center", "va": "center", "fontsize": 8}
                ax.text(j, i, f"{100 * value:.0f}", color="white" if dark else BLACK, **form)
        ticks = [textwrap.fill(_name(v, names), 15 if upright else 40) for v in grid.columns]
        ax.set_xticks(range(grid.shape[1]), ticks, rotation=90 if upright else 0)
        ax.set_yticks(range(grid.shape[0]), [_name(v, names) for v in grid.index])
        tidy(ax, title=_name(key, names), x=labels[0], y=labels[1], grid="none")
    return figure


def dots(
    rows: pd.DataFrame,
    row: str,
    panel: str | None = None,
    *,
    dot: str | None = None,
    label: str = "",
    names: Names | None = None,
    styles: Mapping[str, Style] | None = None,
    marks: Mapping[str, float] | None = None,
    limits: Limits = (None, None),
    across: int = 4,
    ax: Any = None,
) -> Figure:
    """Value with its interval as a dot on a row of its own: a panel a `panel`, colours by `dot`.

    What differs little is not squeezed: the axis spans what is there, unless `limits` are given.
    """
    shown, order, kinds = _values(rows, panel), _values(rows, row), _values(rows, dot)
    words = [textwrap.fill(_name(v, names), 30) for v in order]
    height = 0.9 + (0.36 if any("\n" in text for text in words) else 0.28) * len(order)
    figure, axes = panels(len(shown), min(across, len(shown)), height, sharey=True, ax=ax)
    for ax, key in zip(axes, shown, strict=True):
        for n, kind in enumerate(kinds):
            shift = 0.5 * ((n + 0.5) / len(kinds) - 0.5)
            for one in _of(_of(rows, panel, key), dot, kind).to_dict("records"):
                style = {**((styles or {}).get(one[dot or row]) or _style(n)), "linestyle": "none"}
                style["label"] = _name(kind, names) if kind is not None else None
                arms = np.nan_to_num([[one["value"] - one["low"]], [one["high"] - one["value"]]])
                form = {"capsize": 2.5, "elinewidth": 1.1, "markersize": 5}
                place = [order.index(one[row]) + shift]
                ax.errorbar([one["value"]], place, xerr=np.maximum(arms, 0.0), **form, **style)
        _mark(ax.axvline, marks)
        ax.set_yticks(range(len(order)), words)
        ax.set_ylim(len(order) - 0.4, -0.6)
        if limits != (None, None):
            ax.set_xlim(*limits)
        tidy(ax, title="" if key is None else _name(key, names), x=label, grid="both")
    _legend(figure, axes)
    return figure


def image(
    arrays: Mapping[str, npt.ArrayLike],
    *,
    labels: tuple[str, str] = ("", ""),
    unit: str = "",
    across: int = 5,
) -> Figure:
    """Real matrices as colours, row 0 at the top as a matrix is written; white is zero."""
    across = min(across, max(len(arrays), 1))
    figure, axes = panels(len(arrays), across, WIDTH / across + 0.2)
    for ax, (title, array) in zip(axes, arrays.items(), strict=True):
        matrix = np.asarray(array, dtype=float)
        top = float(np.nanmax(np.abs(matrix))) or 1.0
        shown = ax.imshow(matrix, cmap=DIVERGING, vmin=-top, vmax=top, interpolation="nearest")
        # A bar of colours takes its part of the panel.
        tidy(ax, title=title, x=labels[0], y=labels[1], grid="none", letters=78)
        bar = figure.colorbar(shown, ax=ax, shrink=0.8)
        bar.set_label(unit, fontsize=8)
        bar.ax.tick_params(labelsize=7)
    return figure


def rescaled(figure: Figure, x: str = "", y: str = "") -> Figure:
    """The figure with other scales on the axes of all panels.

    ``"log2"`` doubles from mark to mark; ``"points"`` is linear up to one point and logarithmic
    beyond, on both sides, so that what differs by a tenth of a point and by 50 can both be read.
    """
    ticks = {
        sign * mark: f"{sign * mark}".replace("-", "−")
        for sign in (-1, 1)
        for mark in (0, 1, 10, 100)
    }
    for ax in figure.axes:
        for name, scale in (("x", x), ("y", y)):
            axis = getattr(ax, f"{name}axis")
            if scale == "log2":
                getattr(ax, f"set_{name}scale")("log", base=2)
                axis.set_major_formatter("{x:g}")
            elif scale == "points":
                low, high = getattr(ax, f"get_{name}lim")()
                getattr(ax, f"set_{name}scale")("symlog", linthresh=1.0)
                axis.set_ticks(list(ticks), list(ticks.values()))
                getattr(ax, f"set_{name}lim")(min(low, -1.0), max(high, 1.0))
    return figure


def _logarithmic(ax: Any, values: Sequence[float]) -> None:
    """A logarithmic horizontal axis with a place for 0; its ticks are the values if few."""
    if values and values[0] == 0 and len(values) > 1:
        ax.set_xscale("symlog", linthresh=values[1], linscale=0.5)
    else:
        ax.set_xscale("log")
    if len(values) <= MOST_TICKS:
        ax.set_xticks(values, [_label(value) for value in values])
        ax.minorticks_off()
    elif values[0] > 0:
        near = values[-1] < 100 * values[0]  # else there is room for powers of ten only
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if near else (1,)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_locator(NullLocator() if near else LogLocator(subs=(2, 5)))
        ax.xaxis.set_minor_formatter("")


def _values(rows: pd.DataFrame, column: str | None) -> list[Any]:
    return [None] if column is None else list(dict.fromkeys(rows[column]))


def _of(rows: pd.DataFrame, column: str | None, value: Any) -> pd.DataFrame:
    return rows if column is None else rows[rows[column] == value]


def _style(n: int) -> dict[str, Any]:
    turn, place = divmod(n, len(COLOURS))
    return {"color": COLOURS[place], "marker": MARKERS[(place + 3 * turn) % len(MARKERS)]}


def _name(value: Any, names: Names | None) -> str:
    return (names or {}).get(value) or FAMILIES.get(value, (_label(value),))[0]


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)


def _mark(draw: Any, marks: Mapping[str, float] | None) -> None:
    for (name, level), dashes in zip((marks or {}).items(), _DASHES, strict=False):
        draw(level, color=GREY, linestyle=dashes, linewidth=1.2, label=name)


def _legend(figure: Figure, axes: Sequence[Any]) -> None:
    """One legend below all panels; a name stands in it once."""
    entries: dict[str, Any] = {}
    for ax in axes:
        for handle, text in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(text, handle)
    if entries:
        inches = 0.75 + 0.085 * max(map(len, entries))  # of one entry, its handle included
        figure.legend(
            list(entries.values()),
            list(entries),
            loc="outside lower center",
            ncols=max(1, min(4, len(entries), int(figure.get_figwidth() / inches))),
            fontsize=8.5,
            frameon=False,
        )
