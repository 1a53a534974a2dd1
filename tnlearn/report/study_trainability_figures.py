"""The figures of the study `trainability`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tnlearn.report.curves import look
from tnlearn.report.statistics import wilson
from tnlearn.report.style import BLACK, COLOURS, GREY, figure, tidy, wrapped

__all__ = ["basin", "consequence", "densities", "gradients", "lines", "maps"]

Results = Mapping[str, Any]

# One hue, light to dark: read in grey as well.
_SEQUENTIAL = "Blues"
_COLUMNS = 4
_PLACES = {"start": "at the start", "learned": "learned", "exact": "exact"}


def maps(results: Results) -> Figure:
    """Success of every cell, a panel a network, one colour scale."""
    panels = [
        (found, network)
        for found in results["maps"].values()
        for network in found["networks"].values()
    ]
    rows = math.ceil(len(panels) / _COLUMNS)
    columns = min(_COLUMNS, len(panels))
    made, axes = figure(rows, columns, 0.4 + 2.35 * rows)
    shown: Any = None
    for number, (ax, (found, network)) in enumerate(zip(axes, panels, strict=False)):
        shown = _panel(ax, found, network)
        tidy(
            ax,
            title=f"{wrapped(network['title'], 28)}\n≥ {found['threshold']:g}",
            x="learning rate" if number + columns >= len(panels) else "",
            y="scale of the start" if number % columns == 0 else "",
            grid="none",
        )
        ax.title.set_fontsize(9)
        ax.tick_params(axis="x", labelsize=7)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    bar = made.colorbar(shown, ax=axes, shrink=0.6, aspect=30, pad=0.01)
    bar.set_label("members that succeed (%)", fontsize=9, color=BLACK)
    bar.ax.tick_params(labelsize=8)
    return made


def _panel(ax: Any, found: Mapping[str, Any], network: Mapping[str, Any]) -> Any:
    scales, rates = found["scales"], found["rates"]
    place = {(cell["scale"], cell["rate"]): cell for cell in network["cells"]}
    table = np.array(
        [[100 * place[s, r]["success"] / place[s, r]["members"] for r in rates] for s in scales]
    )
    image = ax.imshow(table, origin="lower", aspect="auto", cmap=_SEQUENTIAL, vmin=0, vmax=100)
    for (row, column), value in np.ndenumerate(table):
        colour = "white" if value > 60 else BLACK
        ax.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=7.5, color=colour)
    ax.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    ax.set_yticks(range(len(scales)), [f"{scale:g}" for scale in scales])
    return image


def consequence(results: Results) -> Figure:
    """Success of the plain, the mended and the reference network by rate and by scale."""
    chosen = results["config"]["verdicts"]
    found = results["maps"][chosen["map"]]
    names = [chosen[role] for role in ("reference", "plain", "mended")]
    made, axes = figure(1, 2, 3.5, sharey=True)
    for ax, key, words in (
        (axes[0], "rate", "learning rate (all scales)"),
        (axes[1], "scale", "scale of the start (all learning rates)"),
    ):
        places = found["rates" if key == "rate" else "scales"]
        for number, name in enumerate(names):
            network = found["networks"][name]
            counts = []
            for value in places:
                cells = [c for c in network["cells"] if c[key] == value]
                counts.append((sum(c["success"] for c in cells), sum(c["members"] for c in cells)))
            _shares(ax, places, counts, number, network["title"])
        ax.set_xscale("log")
        _ticks(ax, places)
        ax.set_ylim(-0.04, 1.04)
        tidy(ax, x=words, y="share of members that succeed" if ax is axes[0] else "")
    handles, labels = axes[0].get_legend_handles_labels()
    made.legend(
        handles, labels, fontsize=8, frameon=False, loc="outside lower center", ncols=len(names)
    )
    return made


def _shares(
    ax: Any, x: Sequence[float], counts: Sequence[tuple[int, int]], number: int, label: str
) -> None:
    rate = np.array([k / n for k, n in counts])
    ends = np.array([wilson(k, n) for k, n in counts]).T
    ax.errorbar(
        x,
        rate,
        yerr=np.abs(ends - rate),
        label=label,
        **look(number),
        markersize=5,
        linewidth=1.4,
        elinewidth=0.9,
        capsize=2,
    )


def _ticks(ax: Any, values: Sequence[float]) -> None:
    ax.set_xticks(values, [f"{value:g}" for value in values])
    ax.minorticks_off()


def basin(results: Results) -> Figure:
    """Success, accuracy and what is left of the exact solution, against the noise."""
    found = results["basin"]
    made, axes = figure(1, 3, 3.5)
    for number, (form, of_form) in enumerate(found["forms"].items()):
        rows = of_form["rows"]
        x = _with_zero([row["noise"] for row in rows])
        counts = [(row["success"], row["members"]) for row in rows]
        _shares(axes[0], x, counts, number, form)
        _curve(axes[1], x, [row["trained"] for row in rows], number, form)
        _curve(axes[1], x, [row["untrained"] for row in rows], number, "", dashed=True)
        _curve(axes[2], x, [row["cosine_after"] for row in rows], number, form)
        _curve(axes[2], x, [row["cosine_before"] for row in rows], number, "", dashed=True)
    rows = next(iter(found["forms"].values()))["rows"]
    noises = [row["noise"] for row in rows]
    words = (
        (f"success (≥ {found['threshold']:g}) after training", "share of members"),
        ("after training (dashed: before)", "validation accuracy"),
        ("after training (dashed: before)", "cosine with the exact kernel"),
    )
    for ax, (title, y) in zip(axes, words, strict=True):
        ax.set_xscale("log")
        _noise_ticks(ax, noises)
        tidy(ax, title=title, x="noise / rms of the node", y=y)
        ax.title.set_fontsize(9)
    axes[0].axhline(0.5, color=GREY, linestyle=":", linewidth=1.0)
    axes[0].legend(fontsize=8, frameon=False, loc="lower left")
    return made


def _with_zero(noises: Sequence[float]) -> list[float]:
    """The noises with 0 at a place of its own left of the others, as a logarithm has none."""
    positive = [noise for noise in noises if noise > 0]
    return [noise if noise > 0 else positive[0] / 4 for noise in noises]


def _noise_ticks(ax: Any, noises: Sequence[float]) -> None:
    ax.set_xticks(_with_zero(noises), [f"{noise:g}" for noise in noises])
    ax.minorticks_off()


def _curve(
    ax: Any,
    x: Sequence[float],
    values: Sequence[Mapping[str, Any]],
    number: int,
    label: str,
    *,
    dashed: bool = False,
) -> None:
    """Means (or medians) with their intervals, as far as there are any."""
    centre = np.array([v.get("mean", v.get("median")) for v in values], dtype=float)
    low, high = (
        np.array(
            [c if v[end] is None else v[end] for v, c in zip(values, centre, strict=True)],
            dtype=float,
        )
        for end in ("low", "high")
    )
    style = {**look(number)} | (
        {"linestyle": "--", "markerfacecolor": "white", "linewidth": 1.0} if dashed else {}
    )
    ax.errorbar(
        x,
        centre,
        yerr=[np.maximum(centre - low, 0), np.maximum(high - centre, 0)],
        label=label or None,
        **{"markersize": 4.5, "linewidth": 1.4, "elinewidth": 0.9, "capsize": 2, **style},
    )


def gradients(results: Results) -> Figure:
    """Norm of the gradient, and mean square of a component, against the length."""
    made, axes = figure(1, 2, 3.6)
    for number, network in enumerate(results["gradient"].values()):
        rows = network["rows"]
        cells = [row["cells"] for row in rows]
        _curve(axes[0], cells, [row["norm"] for row in rows], number, _law(network, "norm"))
        square = [row["variance"] for row in rows]
        axes[1].plot(
            cells,
            square,
            **look(number),
            markersize=4.5,
            linewidth=1.4,
            label=_law(network, "variance"),
        )
    for ax, title, y in (
        (axes[0], "norm of the gradient", "|∂loss/∂nodes| (nats)"),
        (axes[1], "variance of one component over starts", "variance (nats²)"),
    ):
        ax.set_xscale("log")
        ax.set_yscale("log")
        _ticks(ax, cells)
        tidy(ax, title=title, x="cells L", y=y, grid="both")
        # Below the axes: the lines cross the whole of them.
        ax.legend(fontsize=7.5, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return made


def _law(network: Mapping[str, Any], key: str) -> str:
    power = network[key]
    text = network["title"]
    if power["value"] is None:
        return str(text)
    span = f"{power['value']:.2f} [{power['low']:.2f}, {power['high']:.2f}]".replace("-", "−")
    return f"{text}: power {span}"


def densities(results: Results) -> Figure:
    """Spectral densities of the Hessian, a panel a network."""
    found = results["spectrum"]
    networks = list(found["networks"].values())
    columns = min(_COLUMNS, len(networks))
    rows = math.ceil(len(networks) / columns)
    made, axes = figure(rows, columns, 0.5 + 2.5 * rows, sharex=True, sharey=True)
    edges = np.array(found["bins"])
    at = _signed(edges)
    for number, (ax, network) in enumerate(zip(axes, networks, strict=False)):
        for place, colour, style in zip(
            _PLACES, (GREY, COLOURS[0], COLOURS[1]), (":", "-", "--"), strict=True
        ):
            there = network["places"].get(place)
            if there is None:
                continue
            # Shares that a log axis can show; the density is that of whole bins.
            share = np.maximum(np.array(there["density"], dtype=float), 1e-5)
            ax.stairs(share, at, color=colour, linestyle=style, linewidth=1.3, label=_PLACES[place])
            for end in ("lowest", "highest"):
                value = _signed(np.array([there[end]["mean"]]))[0]
                ax.plot([value], [1.6e-5], color=colour, marker="^", markersize=5, linestyle="")
        ax.set_yscale("log")
        ax.set_ylim(1e-5, 1.5)
        tidy(
            ax,
            title=wrapped(f"{network['title']} ({network['parameters']})", 24),
            x="eigenvalue (nats)" if number + columns >= len(networks) else "",
            y="share in a bin" if number % columns == 0 else "",
        )
        ax.title.set_fontsize(9)
        ticks = [-1e0, -1e-3, 0.0, 1e-3, 1e0]
        ax.set_xticks(_signed(np.array(ticks)), ["−1", "−10⁻³", "0", "10⁻³", "1"])
    for ax in axes[len(networks) :]:
        ax.set_visible(False)
    axes[0].legend(fontsize=7.5, frameon=False, loc="upper left")
    return made


def _signed(values: Any) -> Any:
    """A logarithmic scale for both signs: decades above 1e-6 on either side of zero."""
    size = np.maximum(np.log10(np.maximum(np.abs(values), 1e-300)) + 6.0, 0.0)
    return np.sign(values) * (size + (np.abs(values) > 0) * 0.25)


def lines(results: Results) -> Figure:
    """Loss on straight lines between solutions in normal form, a panel a form."""
    networks = list(results["lines"].values())
    made, axes = figure(1, len(networks), 3.2, sharey=True)
    for ax, network in zip(axes, networks, strict=True):
        at = network["at"]
        for number, (kind, words) in enumerate(
            (("exact", "exact to learned"), ("learned", "learned to learned"))
        ):
            if kind not in network:
                continue
            rows = network[kind]["loss"]
            centre = [row["median"] for row in rows]
            ax.plot(at, centre, color=COLOURS[number], linewidth=1.5, label=words)
            if rows[0]["low"] is not None:
                ends = [[row[end] for row in rows] for end in ("low", "high")]
                ax.fill_between(at, *ends, color=COLOURS[number], alpha=0.2, linewidth=0)
        ax.set_yscale("log")
        tidy(ax, title=wrapped(network["title"], 24), x="place t on the line")
        ax.title.set_fontsize(9)
    low, high = axes[0].get_ylim()
    marks = [m * 10.0**k for k in range(-4, 5) for m in (1, 2, 5)]
    axes[0].set_yticks(marks, [f"{mark:g}" for mark in marks])
    axes[0].minorticks_off()
    axes[0].set_ylim(low, high)
    axes[0].set_ylabel("loss (nats), median", fontsize=9)
    axes[0].legend(fontsize=8, frameon=False)
    return made
