"""What was learned: the learned D beside the exact one, singular values, pruning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tnlearn.report.reading import Results
from tnlearn.report.statistics import numbers, summary
from tnlearn.report.style import BLACK, COLOURS, DIVERGING, GREY, MARKERS, WIDTH, figure, tidy

__all__ = ["learned_matrices", "pruning", "singular_values"]

_COLUMNS = 5


def learned_matrices(results: Results) -> Figure | None:
    """The exact D and every learned channel on one colour scale, rows x (A), columns y (B).

    Each matrix is divided by its root mean square: the head after D may take
    any factor, so only the shape can be compared.
    None if no weights were kept.
    """
    part = results.raw.get("learned") or {}
    if not part.get("learned") or not part.get("exact"):
        return None
    exact = np.asarray(part["exact"], dtype=float)
    channels = [np.asarray(channel, dtype=float) for channel in part["learned"]]
    named = [("exact D", exact)] + [(f"channel {k}", c) for k, c in enumerate(channels, 1)]
    scaled = [(name, matrix, _unit(matrix)) for name, matrix in named]
    # Of the learned ones the outermost per cent is cut: one stray weight would bleach the rest.
    limit = max(
        float(np.nanmax(np.abs(scaled[0][2]))),
        *(float(np.nanquantile(np.abs(unit), 0.99)) for *_, unit in scaled[1:]),
    )
    columns = min(_COLUMNS, len(named))
    rows = -(-len(named) // columns)
    made, axes = figure(
        *(rows, columns, 0.3 + 2.5 * rows),
        width=min(WIDTH, 1.0 + 1.8 * columns),
        sharex=True,
        sharey=True,
    )
    for ax in axes[len(named) :]:
        ax.set_visible(False)
    for ax, (name, matrix, unit) in zip(axes, scaled, strict=False):
        ax.imshow(
            unit, cmap=DIVERGING, vmin=-limit, vmax=limit, origin="lower", interpolation="nearest"
        )
        tidy(ax, grid="none")
        if matrix is not exact:
            name += f", overlap {_overlap(matrix, exact):.2f}"
        ax.set_title(name, fontsize=9, color=BLACK, loc="left")
        ax.set_xlabel("y, cell of B", fontsize=9, color=BLACK)
        ax.tick_params(labelbottom=True)
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    for row in range(rows):
        axes[row * columns].set_ylabel("x, cell of A", fontsize=9, color=BLACK)
    bar = made.colorbar(axes[0].images[0], ax=axes, shrink=0.75, pad=0.015, extend="both")
    bar.set_label("D / rms of D", fontsize=9, color=BLACK)
    bar.ax.tick_params(labelsize=9)
    bar.outline.set_visible(False)
    return made


def _unit(matrix: Any) -> Any:
    """The matrix divided by its root mean square."""
    size = float(np.sqrt(np.nanmean(np.square(matrix))))
    return matrix / size if size > 0 else matrix


def _overlap(a: Any, b: Any) -> float:
    """Cosine of the angle between two matrices, 1 for the same shape."""
    if a.shape != b.shape:
        return float("nan")
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.sum(a * b)) / norm if norm > 0 else float("nan")


def singular_values(results: Results) -> Figure | None:
    """Singular values of the exact D and of every learned channel, in shares of the largest."""
    part = results.raw.get("learned") or {}
    lists = [numbers(values) for values in part.get("singular_values") or []]
    if not lists:
        return None
    made, (ax,) = figure(1, 1, 3.4, width=6.0)
    tidy(ax, x="index of the singular value", y="singular value / largest", grid="both")
    exact = numbers(part.get("exact_singular_values"))
    for index, values in enumerate(lists):
        ax.plot(
            *_falling(values),
            color=COLOURS[index % len(COLOURS)],
            marker=MARKERS[index % len(MARKERS)],
            markersize=4,
            linewidth=1.1,
            label=f"channel {index + 1}",
        )
    if exact.size:
        ax.plot(*_falling(exact), color=BLACK, linestyle="--", marker="x", label="exact D")
    ax.set_yscale("log")
    ax.set_ylim(1e-3, 1.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.legend(fontsize=8.5, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return made


def _falling(values: Any) -> tuple[Any, Any]:
    """Index and share of the largest, without those that are zero to rounding."""
    share = values / np.nanmax(values)
    kept = share > 1e-12
    return np.arange(1, values.size + 1)[kept], share[kept]


def pruning(results: Results) -> Figure | None:
    """Accuracy against the kept rank of a weight: members thin, mean with its 95 % band.

    None if nothing was pruned.
    """
    entries = [entry for entry in results.part("pruning") if entry.get("accuracy")]
    if not entries:
        return None
    columns = min(3, len(entries))
    rows = -(-len(entries) // columns)
    made, axes = figure(
        rows, columns, 0.3 + 3.2 * rows, sharey=True, width=min(WIDTH, 2 + 4 * columns)
    )
    for ax in axes[len(entries) :]:
        ax.set_visible(False)
    for ax, entry in zip(axes, entries, strict=False):
        _pruned(ax, results, entry)
    for row in range(rows):
        axes[row * columns].set_ylabel("accuracy (share of test chains)", fontsize=9, color=BLACK)
    return made


def _pruned(ax: Any, results: Results, entry: Mapping[str, Any]) -> None:
    ranks = numbers(entry["ranks"])
    members = np.stack([numbers(row) for row in entry["accuracy"]])
    found = [summary(members[:, k]) for k in range(ranks.size)]
    for row in members:
        ax.plot(ranks, row, color=COLOURS[0], linewidth=0.6, alpha=0.4)
    ax.fill_between(
        ranks,
        [s.low for s in found],
        [s.high for s in found],
        color=COLOURS[0],
        alpha=0.2,
        linewidth=0,
    )
    ax.plot(
        ranks, [s.mean for s in found], color=COLOURS[0], marker="o", markersize=4, linewidth=1.4
    )
    title = f"{results.title(str(entry['network']))}: {entry.get('node', 'weight')}"
    data = str(entry.get("data", ""))
    if len(results.datasets) > 1 and data:
        title += f" ({results.data_title(data)})"
    tidy(ax, title=title, x="kept rank")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    smallest = entry.get("smallest_rank")
    if smallest is not None:
        ax.axvline(smallest, color=GREY, linestyle="--", linewidth=1.1)
        ax.annotate(
            f"rank {smallest}",
            (smallest, 0.04),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=8.5,
            color=BLACK,
        )
    dataset = results.datasets.get(data)
    if dataset and dataset.chance:
        ax.axhline(dataset.chance, color=GREY, linestyle=":", linewidth=1.2)
    ax.set_ylim(0.0, 1.02)
