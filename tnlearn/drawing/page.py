"""What stands round a drawing: its title, what the network costs, and the legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tnlearn.drawing.bus import bounds
from tnlearn.drawing.scene import (
    BODY,
    EDGE,
    FILL,
    MUTED,
    SMALL,
    Rect,
    Scene,
    Text,
    text_width,
)

if TYPE_CHECKING:
    from tnlearn.networks.network import Network

__all__ = ["NOMINAL_BATCH", "caption", "page", "si"]

MARGIN, TITLE = 0.3, 11.0
NOMINAL_BATCH = 64


def caption(network: Network) -> tuple[str, list[str]]:
    """What the network is, in one line, and what it costs, in more."""
    recipe = network.describe()["recipe"]
    base = recipe[0]
    cells = f"{network.cells} cells"
    if base["call"] == "rswn":
        window = f", window {base['window']:g}" if base["boundary"] == "open" else ""
        title = f"Winding number, {base['form']} form, {cells}, {base['boundary']}{window}"
    elif base["call"] == "baseline":
        variant = f" ({base['variant']})" if base["kind"] == "symmetric" else ""
        title = f"Baseline {base['kind']}{variant}, {cells}"
    else:
        title = f"Network with output {network.output}, {cells}"
    freed = [name for step in recipe[1:] if step["call"] == "trainable" for name in step["names"]]
    if freed:
        title += f", {', '.join(freed)} trainable"
    if any(step["call"] == "head" for step in recipe[1:]):
        title += ", with a head"
    cost = network.cost(NOMINAL_BATCH)
    return title, [
        f"flops of a batch of {NOMINAL_BATCH}: naive {si(cost.naive)}, path {si(cost.path)}, "
        f"shared {si(cost.shared)}",
        f"largest intermediate {si(cost.peak)} entries, {cost.parameters:,} parameters",
    ]


def si(number: float) -> str:
    """A number in short, such as 12.3k, 4.56M."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def _wrapped(text: str, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, TITLE, True) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def page(
    body: Scene,
    title: str,
    lines: Sequence[str],
    legend: Sequence[tuple[str, str]],
    notes: Sequence[str],
) -> Scene:
    """A body with a title above and a legend below, (kind, text) each."""
    left, top, right, bottom = bounds(body)
    widths = [text_width(line, BODY) for line in lines]
    inner = max(right - left, *widths, 4.5)
    scene = Scene(inner + 2 * MARGIN)
    y = MARGIN
    for line in _wrapped(title, inner):
        scene.texts.append(Text(MARGIN, y, line, TITLE, True, "start"))
        y += 0.22
    for line in lines:
        scene.texts.append(Text(MARGIN, y, line, BODY, align="start", colour=MUTED))
        y += 0.17
    y += 0.12
    scene.add(body, MARGIN + (inner - (right - left)) / 2 - left, y - top)
    y += bottom - top + 0.28
    x = MARGIN
    for kind, entry in [*legend, *(("", note) for note in notes)]:
        swatch = 0.24 if kind else 0.0
        width = swatch + text_width(entry, SMALL)
        if x > MARGIN and x + width > MARGIN + inner:
            x, y = MARGIN, y + 0.2
        if kind:
            stroke = 1.8 if kind in ("parameter", "live") else 1.0
            radius = 0.05 if kind == "function" else 0.0
            swatch_box = Rect(x + 0.08, y, 0.16, 0.12, FILL[kind], EDGE[kind], stroke, radius)
            scene.rects.append(swatch_box)
        scene.texts.append(Text(x + swatch, y, entry, SMALL, align="start", colour=MUTED))
        x += width + 0.25
    scene.height = y + MARGIN
    return scene
