"""The figures of the study `sizes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import NDArray

from tnlearn.report.curves import look
from tnlearn.report.style import BLACK, DIVERGING, GREY, figure, tidy, wrapped

__all__ = ["accuracy", "learned", "others", "profiles"]

Results = Mapping[str, Any]
Floats = NDArray[np.float64]
_FORMULA = {
    "open": ("formula, half window, rounded", "--"),
    "periodic": ("formula of the closed ring, rounded", ":"),
}
_FROM = 0.86  # where the enlarged axes begin
_TICKS = (12, 20, 32, 64, 100, 200, 400)


def accuracy(results: Results, estimates: Mapping[str, Any]) -> Figure:
    """A column a training: accuracy against length on the chains of the goal, and enlarged."""
    goal = results["config"]["goal"]
    test = results["tests"][goal["chains"]]
    trainings = list(test["accuracy"])
    made, axes = figure(2, len(trainings), 6.6, sharex=True, sharey="row")
    for place, training in enumerate(trainings):
        chosen = results["config"]["training"][training]
        for row in (0, 1):
            ax = axes[row * len(trainings) + place]
            ax.axvspan(
                min(chosen["lengths"]) / 1.03, max(chosen["lengths"]) * 1.03, color="#EEEEEE"
            )
            _formula(ax, test)
            for index, network in enumerate(test["accuracy"][training]):
                title = results["config"]["entries"][network]["title"]
                _curve(ax, test["lengths"], estimates[training][network], index, title)
            ax.axhline(goal["accuracy"], color=BLACK, linewidth=0.8, linestyle=(0, (5, 4)))
            _lengths(ax, test["lengths"])
            heading = wrapped(f"trained at {chosen['title']}", 34) if row == 0 else ""
            tidy(ax, title=heading, x="cells" if row else "", y="accuracy" if not place else "")
    axes[0].set_ylim(top=1.01)
    axes[-1].set_ylim(_FROM, 1.003)
    made.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        fontsize=8.5,
        frameon=False,
        labelcolor=BLACK,
    )
    return made


def others(results: Results, estimates: Mapping[str, Any]) -> Figure:
    """A panel for each other kind of chains: accuracy against length."""
    config = results["config"]
    kinds = [name for name in results["tests"] if name != config["goal"]["chains"]]
    columns = min(2, len(kinds))
    rows = -(-len(kinds) // columns)
    most = max(sum(map(len, estimates[kind].values())) for kind in kinds)
    made, axes = figure(rows, columns, (3.3 + 0.2 * most) * rows)
    for ax, kind in zip(axes, kinds, strict=False):
        test = results["tests"][kind]
        _formula(ax, test)
        index = 0
        for training, networks in estimates[kind].items():
            for network, found in networks.items():
                title = config["entries"][network]["title"]
                label = f"{title}; {config['training'][training]['title']}"
                _curve(ax, test["lengths"], found, index, label)
                index += 1
        _lengths(ax, test["lengths"])
        tidy(ax, title=wrapped(config["chains"][kind]["title"], 60), x="cells", y="accuracy")
        ax.set_ylim(top=1.01)
        ax.legend(
            fontsize=8,
            frameon=False,
            labelcolor=BLACK,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.17),
        )
    for ax in axes[len(kinds) :]:
        ax.set_visible(False)
    return made


def _curve(
    ax: Any, lengths: Sequence[int], found: Sequence[Mapping[str, Any]], index: int, label: str
) -> None:
    value, low, high = (
        np.array([np.nan if f[key] is None else f[key] for f in found], dtype=float)
        for key in ("value", "low", "high")
    )
    ax.errorbar(
        lengths,
        value,
        yerr=[value - low, high - value],
        label=label,
        markersize=4.5,
        linewidth=1.3,
        elinewidth=0.9,
        capsize=2.0,
        **look(index),
    )


def _formula(ax: Any, test: Mapping[str, Any]) -> None:
    for boundary, (label, style) in _FORMULA.items():
        shares = test["formula"][boundary]
        ax.plot(test["lengths"], shares, color=GREY, linestyle=style, linewidth=1.3, label=label)


def _lengths(ax: Any, lengths: Sequence[int]) -> None:
    ax.set_xscale("log")
    ticks = [n for n in _TICKS if min(lengths) <= n <= max(lengths)]
    ax.set_xticks(sorted({min(lengths), *ticks}))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())


def learned(found: Mapping[str, Any], channels: int = 4) -> Figure:
    """D in relative coordinates: a row a length, a column for the exact one and each channel."""
    lengths = found["lengths"]
    first = np.array(found["D"][str(lengths[0])], dtype=float)
    columns = min(len(first), channels + 1)
    made, axes = figure(len(lengths), columns, 1.9 * len(lengths) + 0.6, sharex=True, sharey=True)
    for row, length in enumerate(lengths):
        images = np.array(found["D"][str(length)], dtype=float)
        for column in range(columns):
            ax = axes[row * columns + column]
            image = images[column]
            bound = np.abs(first[column]).max() or 1.0
            drawn = ax.imshow(
                image,
                extent=(0, 1, 1, 0),
                cmap=DIVERGING,
                vmin=-bound,
                vmax=bound,
                interpolation="nearest",
            )
            ax.tick_params(labelsize=8)
            ax.set_xticks([0, 0.5, 1])
            ax.set_yticks([0, 0.5, 1])
            if row == 0:
                name = "exact, half window" if column == 0 else f"channel {column}"
                ax.set_title(name, fontsize=9.5, color=BLACK, loc="left")
            if column == 0:
                ax.set_ylabel(f"{length} cells\nx / L", fontsize=9, color=BLACK)
            if row == len(lengths) - 1:
                ax.set_xlabel("y / L", fontsize=9, color=BLACK)
    bar = made.colorbar(drawn, ax=axes, shrink=0.7, aspect=30, pad=0.01)
    bar.set_ticks([-bound, 0, bound])
    bar.set_ticklabels(["−", "0", "+"])
    bar.set_label("D, each column by its largest modulus", fontsize=8.5, color=BLACK)
    return made


def profiles(found: Mapping[str, Any], channels: int = 4) -> Figure:
    """D across the diagonal, in the middle of the chain and at an end, at every length."""
    lengths = found["lengths"]
    count = min(len(found["D"][str(lengths[0])]) - 1, channels)
    made, axes = figure(2, count, 5.0, sharex="row")
    for channel in range(count):
        for index, length in enumerate(lengths):
            image = np.array(found["D"][str(length)][channel + 1], dtype=float)
            style = {**look(index), "markersize": 4.0, "linewidth": 1.2, "label": f"{length} cells"}
            if index:  # many points: a line shows them as well
                style["marker"] = ""
            offset, middle = _across(image)
            axes[channel].plot(offset / length, middle, **style)
            place = (np.arange(length) + 0.5) / length
            axes[count + channel].plot(place, image[:, 0], **style)
        for row, x in enumerate(("(x − y)/L, middle of the chain", "(x + ½)/L, y = 0")):
            ax = axes[row * count + channel]
            ax.axhline(0.0, color=GREY, linewidth=0.7)
            title = f"channel {channel + 1}" if row == 0 else ""
            tidy(ax, title=title, x=x, y="D (own scale)" if channel == 0 else "", grid="both")
    axes[0].legend(fontsize=8, frameon=False, labelcolor=BLACK)
    return made


def _across(image: Floats) -> tuple[Floats, Floats]:
    """D(x, y) against x − y along x + y = L − 1: the line through the middle of the chain."""
    length = len(image)
    x = np.arange(length)
    y = length - 1 - x
    order = np.argsort(x - y)
    return np.asarray((x - y)[order], dtype=np.float64), np.asarray(image[x, y][order])
