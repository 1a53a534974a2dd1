"""Figures of one study only: what the four of `report.figures` do not draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.ticker import MaxNLocator

from tnlearn.look import BLACK, COLOURS, DIVERGING, GREY, panels, tidy
from tnlearn.report.figures import Figure

__all__ = ["densities", "maps", "vectors"]


def densities(
    spectra: pd.DataFrame, bins: npt.NDArray[np.float64], titles: Mapping[str, str]
) -> Figure:
    """Spectral densities of Hessians over eigenvalues of both signs, a panel a network.

    Parameters
    ----------
    spectra
        Rows with ``network, place`` (start, learned or exact), ``density`` (share in each bin),
        ``lowest, highest`` and ``parameters``.
    bins
        Borders of the bins, as many and one more.
    """
    networks = dict(list(spectra.groupby("network", sort=False)))
    across = min(4, len(networks))
    figure, axes = panels(len(networks), across, 2.6, sharex=True, sharey=True)
    styles = {"start": (GREY, ":"), "learned": (COLOURS[0], "-"), "exact": (COLOURS[1], "--")}
    for number, (ax, (name, here)) in enumerate(zip(axes, networks.items(), strict=True)):
        for place, of_place in here.groupby("place", sort=False):
            colour, style = styles[place]
            # Shares that a logarithmic axis can show; the density is that of whole bins.
            share = np.maximum(np.mean(of_place["density"].to_list(), axis=0), 1e-5)
            form = {"color": colour, "linestyle": style, "linewidth": 1.3}
            ax.stairs(share, _signed(bins), label=place, **form)
            ends = _signed([of_place["lowest"].mean(), of_place["highest"].mean()])
            ax.plot(ends, [1.6e-5] * 2, color=colour, marker="^", markersize=5, linestyle="")
        ax.set_yscale("log")
        ax.set_ylim(1e-5, 1.5)
        tidy(
            ax,
            title=f"{titles[name]} ({here['parameters'].iloc[0]:.0f})",
            x="eigenvalue (nats)" if number + across >= len(networks) else "",
            y="share in a bin" if number % across == 0 else "",
        )
        ticks = {-1.0: "−1", -1e-3: "−10⁻³", 0.0: "0", 1e-3: "10⁻³", 1.0: "1"}
        ax.set_xticks(_signed(list(ticks)), list(ticks.values()))
    axes[0].legend(fontsize=8, frameon=False, loc="upper left")
    return figure


def _signed(values: Any) -> npt.NDArray[np.float64]:
    """A logarithmic scale for both signs: decades above 1e-6 on either side of zero."""
    x = np.asarray(values, dtype=np.float64)
    size = np.maximum(np.log10(np.maximum(np.abs(x), 1e-300)) + 6.0, 0.0)
    return np.asarray(np.sign(x) * (size + (np.abs(x) > 0) * 0.25))


def vectors(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure | None:
    """Singular vectors as the matrices or lines they are in the chain; two weights a row.

    Rows with ``network, member, validation, weight, number, panel, axes, norm, vector``, of which
    the member with the best validation accuracy is drawn.
    """
    if "vector" not in table:
        return None
    rows = table[table["vector"].notna()]
    best = rows.loc[rows.groupby("network", sort=False)["validation"].idxmax()]
    rows = rows.merge(best[["network", "member"]])
    rows["size"] = [float(np.abs(np.array(vector)).max()) for vector in rows["vector"]]
    groups, count = list(rows.groupby(["network", "panel"], sort=False)), int(rows["number"].max())
    figure, axes = panels(2 * count * -(-len(groups) // 2), 2 * count, 1.9)
    for ax in axes:
        ax.set_visible(False)
    for n, ((network, panel), group) in enumerate(groups):
        for k, one in enumerate(group.to_dict("records")):
            ax = axes[n * count + k]
            ax.set_visible(True)
            alike = (rows["network"] == network) & (rows["number"] == one["number"])
            top = rows[alike]["size"].max() or 1.0
            _vector(ax, np.array(one["vector"], dtype=float), one["axes"][-1], top)
            words = f"{one['number']:g}: {100 * one['norm']:.0f} %"
            if panel:
                words += f", {panel.partition(',')[0]}"
            ax.set_title(words, fontsize=7.5, color=BLACK, loc="left")
            if k == 0:
                lines = [f"{titles[network]}: {one['weight']}", *one["axes"][:-1]]
                ax.set_ylabel("\n".join(lines), fontsize=7.5, color=BLACK)
    return figure


def _vector(ax: Any, values: Any, along: str, top: float) -> None:
    tidy(ax, grid="none")
    if values.ndim == 1:
        ax.plot(values, color=COLOURS[0], linewidth=1.2, marker=".")
        ax.axhline(0.0, color=GREY, linewidth=0.8)
    else:
        look = {"cmap": DIVERGING, "vmin": -top, "vmax": top, "interpolation": "nearest"}
        ax.imshow(values, aspect="auto", **look)
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.set_xlabel(along, fontsize=7.5, color=BLACK)
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.tick_params(labelsize=7)


def maps(rows: pd.DataFrame, kinds: Mapping[str, tuple[str, str, str]], unit: str) -> Figure:
    """Maps over two indices: a row an amplitude, a column a strength, one scale for a row.

    `rows` have ``amplitude, strength, map``; `kinds` the title of an amplitude and its indices.
    """
    strengths = list(dict.fromkeys(rows["strength"]))
    figure, axes = panels(len(kinds) * len(strengths), len(strengths), 2.3)
    for n, (kind, (title, down, along)) in enumerate(kinds.items()):
        here, line = rows[rows["amplitude"] == kind], axes[n * len(strengths) :][: len(strengths)]
        arrays = [np.array(array) for array in here["map"]]
        look = {"cmap": "cividis", "vmin": 0.0, "vmax": max(array.max() for array in arrays)}
        for ax, strength, array in zip(line, here["strength"], arrays, strict=True):
            shown = ax.imshow(array, interpolation="nearest", **look)
            words = f"disorder {strength:g}" if strength else "clean"
            y = f"{title}\n{down}" if ax is line[0] else ""
            tidy(ax, title=words, x=along, y=y, grid="none")
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        bar = figure.colorbar(shown, ax=line, fraction=0.03, pad=0.01)
        bar.set_label(unit, fontsize=8, color=BLACK)
        bar.ax.tick_params(labelsize=7)
    return figure
