"""What one looks at after training: learning curves, confusion, what a node has become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ConfigError
from tnlearn.look import COLOURS, DIVERGING, canvas

__all__ = ["confusion", "curves", "node"]

Array = npt.NDArray[Any]
# What is plotted under a name: the curve of training, that of validation, the axis.
CURVES = {
    "loss": ("loss", "validation_loss", "loss (nats)"),
    "accuracy": (None, "validation_accuracy", "accuracy on the validation data"),
    "gradient": ("gradient", None, "norm of the gradient"),
}


def curves(history: Mapping[str, Array], what: str = "loss", ax: Any = None) -> Any:
    """Every member against the epoch, faint, and their median; dashed on the validation data.

    Raises
    ------
    ConfigError
        If there was no validation data.
    """
    trained, checked, name = CURVES[what]
    rows = [
        (history[key], label, style)
        for key, label, style in ((trained, "training", "-"), (checked, "validation", "--"))
        if key and key in history
    ]
    if not rows:
        raise ConfigError(f"no {name} was measured: give `fit` some validation data")
    with canvas(ax) as ax:
        for (values, label, style), colour in zip(rows, COLOURS, strict=False):
            epochs = np.arange(1, values.shape[1] + 1)
            seen = np.isfinite(values).any(axis=0)
            for member in values:
                here = np.isfinite(member)
                ax.plot(epochs[here], member[here], style, color=colour, alpha=0.25, linewidth=0.8)
            middle = np.nanmedian(values[:, seen], axis=0)
            ax.plot(epochs[seen], middle, style, color=colour, label=f"{label}, median")
        if what != "accuracy":
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter("{x:.2g}")
        ax.set(xlabel="epoch", ylabel=name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
        return ax


def confusion(counts: Array, true: Sequence[int], predicted: Sequence[int], ax: Any = None) -> Any:
    """Share of the samples of each true winding (rows) that get each answer (columns)."""
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with canvas(ax, width=3.6) as ax:
        ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (i, j), value in np.ndenumerate(share):
            dark = "white" if value > 0.6 else "#222222"
            ax.text(j, i, f"{value:.2f}", ha="center", va="center", color=dark, fontsize=8)
        ax.set_xticks(range(len(predicted)), list(map(str, predicted)))
        ax.set_yticks(range(len(true)), list(map(str, true)))
        ax.grid(False)
        ax.set(xlabel="predicted winding number", ylabel="true winding number")
        return ax


def node(values: Array, exact: Array | None, name: str, ax: Any = None) -> Any:
    """A learned matrix, channel by channel, beside the exact one, each of unit rms.

    Row x downwards and column y to the right, as a matrix is written; blue is negative.
    """
    size = values.shape[-2:] if values.ndim > 1 else (1, values.shape[-1])
    images = {} if exact is None else {f"exact {name}": exact.reshape(size)}
    channels = values.reshape(-1, *size)
    for k, channel in enumerate(channels):
        images[f"learned {name}" + (f" {k + 1}" if len(channels) > 1 else "")] = channel
    gap = max(1, size[1] // 8)
    step = size[1] + gap
    sheet = np.full((size[0], step * len(images) - gap), np.nan)
    for k, image in enumerate(images.values()):
        sheet[:, k * step : k * step + size[1]] = image / (np.sqrt(np.mean(image**2)) or 1.0)
    top = np.nanmax(np.abs(sheet)) or 1.0
    with canvas(ax, width=1.2 + 1.6 * len(images), height=2.2) as ax:
        shown = ax.imshow(sheet, cmap=DIVERGING, vmin=-top, vmax=top, interpolation="nearest")
        for k, label in enumerate(images):
            ax.text(k * step + size[1] / 2 - 0.5, -1, label, ha="center", va="bottom", fontsize=8.5)
        ax.set_axis_off()
        bar = ax.figure.colorbar(shown, ax=ax, pad=0.02, shrink=0.8)
        bar.set_label("value over its rms")
        bar.outline.set_visible(False)
        return ax
