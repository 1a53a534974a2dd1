"""Phase diagrams: the mean winding number, and the analytic boundary as a line over it.

In colour over two parameters, as a line with its error over one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from tnlearn.look import BLACK, COLOURS, panels, tidy, write_figure

__all__ = ["draw_phases", "phase_figure"]

Array = NDArray[Any]

_NOTHING = "#BDBDBD"
_LINE = COLOURS[1]
_MEAN = "mean winding number"
# Beyond this the exponent only says on which side of the boundary a point lies.
_CLIP = 50.0
_SUBSCRIPTS = str.maketrans("-0123456789", "₋₀₁₂₃₄₅₆₇₈₉")


def draw_phases(diagrams: Sequence[Any], path: Path, *, titles: Sequence[str] = ()) -> Path:
    """Draw phase diagrams side by side to a .png, .svg or .pdf file; return its path.

    Raises `UnknownNameError` for another kind of picture, `FileError` if the file
    cannot be written (it is written whole or not at all).
    """
    write_figure(phase_figure(diagrams, titles=titles), path)
    return path


def phase_figure(diagrams: Sequence[Any], *, titles: Sequence[str] = (), ax: Any = None) -> Figure:
    """The figure: a panel for each diagram, one scale of colour for all.

    Parameters
    ----------
    diagrams
        Objects with the attributes of `tnlearn.phase.diagram.PhaseDiagram`.
    titles
        One for each; without it, or where it is empty, hoppings and disorder in words.
    ax
        Axes to draw a single one on.
    """
    count = len(diagrams)
    figure, axes = panels(count, count, 5.0, width=1.6 + 4.7 * count, ax=ax)
    low, high = _range(diagrams)
    shown: Any = None
    for number, (ax, diagram) in enumerate(zip(axes, diagrams, strict=True)):
        title = titles[number] if number < len(titles) else ""
        names = [_labelled(name, diagram.recipe) for name in diagram.names]
        x, y = (*names, _MEAN)[:2]
        flat = diagram.rows is None
        tidy(ax, title=title or _in_words(diagram.recipe), x=x, y=y, grid="y" if flat else "none")
        if flat:
            ax.errorbar(
                diagram.columns, diagram.mean, diagram.error, color=COLOURS[0], linewidth=1.3,
                elinewidth=0.9, capsize=2, marker=".",
            )  # fmt: skip
        else:
            ax.set_facecolor(_NOTHING)
            shown = ax.pcolormesh(
                _edges(diagram.columns),
                _edges(diagram.rows),
                np.ma.masked_invalid(diagram.mean),
                cmap="Blues" if high - low == 1 else "cividis",
                vmin=low,
                vmax=high,
                rasterized=True,
            )
        _boundary(ax, diagram)
    if ax is None:
        figure.supxlabel(_method(diagrams), fontsize=8.5, color=BLACK)
    if shown is None:
        return figure
    bar = figure.colorbar(shown, ax=axes, shrink=0.9, pad=0.02)
    bar.set_label(_MEAN, fontsize=9, color=BLACK)
    bar.ax.tick_params(labelsize=9, labelcolor=BLACK)
    bar.outline.set_visible(False)
    if high - low > 1:
        bar.set_ticks(list(range(low, high + 1)))
    return figure


def _boundary(ax: Any, diagram: Any) -> None:
    """The zeros of E ln|t_{m+1}| − E ln|t_m|, where it is known and passes through."""
    if diagram.exponent is None or min(diagram.exponent.shape) < 2:
        return
    field = np.ma.masked_invalid(np.clip(diagram.exponent, -_CLIP, _CLIP))
    if not (field.min() < 0 < field.max()):
        return
    if diagram.rows is None:
        for place in _zeros(diagram.columns, field):
            ax.axvline(place, color=_LINE, linewidth=1.8)
    else:
        ax.contour(diagram.columns, diagram.rows, field, levels=[0.0], colors=_LINE, linewidths=1.8)
    m = min(diagram.recipe["offsets"])
    inner, outer = (str(k).translate(_SUBSCRIPTS) for k in (m, m + 1))
    name = f"infinite chain: E ln|t{inner}| = E ln|t{outer}|"
    ax.legend(
        handles=[Line2D([], [], color=_LINE, linewidth=1.8, label=name)],
        fontsize=8.5,
        frameon=False,
        labelcolor=BLACK,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.13),
    )


def _zeros(x: Array, field: Any) -> Array:
    """Where a function changes its sign between neighbouring points, by linear interpolation."""
    here, there = field[:-1], field[1:]
    change = np.flatnonzero(np.ma.filled((here > 0) != (there > 0), False))
    return np.asarray((x[:-1] - here * np.diff(x) / (there - here))[change])


def _range(diagrams: Sequence[Any]) -> tuple[int, int]:
    """The integers the colours run between: those that some point has as its majority."""
    every = np.concatenate([np.zeros(0, int), *(d.majority[d.agreement > 0] for d in diagrams)])
    low, high = (int(every.min()), int(every.max())) if every.size else (0, 1)
    return low, max(high, low + 1)


def _edges(values: Array) -> Array:
    """Borders of the cells around ascending values: half way between neighbours."""
    if len(values) == 1:
        return np.array([values[0] - 0.5, values[0] + 0.5])
    middle = (values[1:] + values[:-1]) / 2
    first, last = 2 * values[0] - middle[0], 2 * values[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


def _labelled(name: str, recipe: dict[str, Any]) -> str:
    """The name of an axis, with its unit where it is itself a hopping or a strength."""
    words = [*recipe["hoppings"].values(), *recipe["disorder"].values()]
    energy = any(word == name or word.endswith(f" {name}") for word in words)
    return f"{name} (units of the hopping)" if energy else name


def _in_words(recipe: dict[str, Any]) -> str:
    def line(symbol: str, quantities: dict[str, str]) -> str:
        parts = []
        for m, word in sorted(quantities.items(), key=lambda item: int(item[0])):
            value = recipe["fixed"].get(word)
            text = word if value is None else f"{value:g}"
            if text != "0":
                parts.append(f"{symbol}{m.translate(_SUBSCRIPTS)} = {text}")
        return ", ".join(parts)

    return ", ".join(filter(None, (line("t", recipe["hoppings"]), line("W", recipe["disorder"]))))


def _method(diagrams: Sequence[Any]) -> str:
    """What was averaged, in one line; settings that differ between the panels are left out."""
    recipes = [d.recipe for d in diagrams]

    def same(key: str, text: str) -> str:
        values = {recipe[key] for recipe in recipes}
        return text.format(values.pop()) if len(values) == 1 else ""

    parts = [same("kind", "{}"), same("cells", "{} cells"), same("samples", "{} chains a point")]
    if any(not np.isfinite(d.mean).all() for d in diagrams):
        parts.append("grey: no chain has a winding number")
    return ", ".join(filter(None, parts))
