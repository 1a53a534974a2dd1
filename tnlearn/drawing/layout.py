"""Where the blocks of a layered drawing stand: layers by depth, few crossings, straight lines.

The method of Sugiyama, Tagawa and Toda (doi:10.1109/TSMC.1981.4308636): blocks
go into layers by their depth, each layer is ordered by the barycentre of its
neighbours, and then moved sideways as little as its order allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import isotonic_regression

__all__ = ["Block", "Placed", "layered"]

SWEEPS = 12


@dataclass(frozen=True)
class Block:
    """What is placed: how far it reaches left and right of its anchor, and its height.

    `lead` is room above it, for the names of the indices that enter.
    """

    left: float
    right: float
    height: float
    lead: float = 0.0


@dataclass(frozen=True)
class Placed:
    """Anchors (x, top) of blocks, their layer, and the points each edge passes between them."""

    anchors: Mapping[str, tuple[float, float]]
    layer: Mapping[str, int]
    bends: Sequence[tuple[tuple[float, float], ...]]
    tops: Sequence[float]
    bottoms: Sequence[float]


_Key = str | tuple[int, int]  # a block, or the point where an edge passes a layer


def layered(
    blocks: Mapping[str, Block],
    edges: Sequence[tuple[str, str]],
    *,
    across: float = 0.25,
    down: float = 0.35,
) -> Placed:
    """Place blocks in layers from top to bottom, every edge leading downwards.

    Parameters
    ----------
    blocks
        The blocks by name, each after those it depends on.
    edges
        Pairs (from, to).
    across, down
        Least room between neighbours of a layer, and between layers.
    """
    layer = _layers(blocks, edges)
    rows: list[list[_Key]] = [[] for _ in range(max(layer.values()) + 1)]
    for name in blocks:
        rows[layer[name]].append(name)
    links: list[tuple[_Key, _Key]] = []
    for number, (source, target) in enumerate(edges):
        last: _Key = source
        for depth in range(layer[source] + 1, layer[target]):
            rows[depth].append((number, depth))
            links.append((last, (number, depth)))
            last = (number, depth)
        links.append((last, target))
    above: dict[_Key, list[_Key]] = {key: [] for row in rows for key in row}
    below: dict[_Key, list[_Key]] = {key: [] for row in rows for key in row}
    for a, b in links:
        below[a].append(b)
        above[b].append(a)
    rows = _ordered(rows, above, below)
    sizes = {key: blocks[key] if isinstance(key, str) else Block(0.1, 0.1, 0.0) for key in above}
    x = _columns(rows, above, below, sizes, across)
    tops, bottoms, y = [], [], 0.0
    for row in rows:
        y += max(sizes[key].lead for key in row)
        tops.append(y)
        y += max(sizes[key].height for key in row)
        bottoms.append(y)
        y += down
    bends = tuple(
        tuple(
            (x[(number, depth)], level)
            for depth in range(layer[source] + 1, layer[target])
            for level in (tops[depth], bottoms[depth])
        )
        for number, (source, target) in enumerate(edges)
    )
    anchors = {}
    for name, block in blocks.items():
        depth = layer[name]
        spare = bottoms[depth] - tops[depth] - block.height
        anchors[name] = (x[name], tops[depth] + spare / 2)
    return Placed(anchors, layer, bends, tops, bottoms)


def _layers(blocks: Mapping[str, Block], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Depth of every block; one that nothing enters stands right above the first that uses it."""
    layer = dict.fromkeys(blocks, 0)
    for name in blocks:
        for source, target in edges:
            if target == name:
                layer[name] = max(layer[name], layer[source] + 1)
    entered = {target for _, target in edges}
    for name in reversed(list(blocks)):
        users = [layer[target] for source, target in edges if source == name]
        if users and name not in entered:
            layer[name] = min(users) - 1
    return layer


_Links = Mapping[_Key, Sequence[_Key]]


def _ordered(rows: list[list[_Key]], above: _Links, below: _Links) -> list[list[_Key]]:
    best, fewest = rows, _crossings(rows, below)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        rows = [list(row) for row in rows]
        for depth in range(len(rows)) if down else reversed(range(len(rows))):
            other = depth - 1 if down else depth + 1
            if not 0 <= other < len(rows):
                continue
            place = {key: number for number, key in enumerate(rows[other])}
            links = above if down else below
            middle = {
                key: (sum(place[n] for n in links[key]) / len(links[key]))
                if links[key]
                else number * len(rows[other]) / len(rows[depth])
                for number, key in enumerate(rows[depth])
            }
            rows[depth].sort(key=lambda key: middle[key])
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _crossings(rows: Sequence[Sequence[_Key]], below: _Links) -> int:
    total = 0
    for upper, lower in pairwise(rows):
        place = {key: number for number, key in enumerate(lower)}
        ends = [
            place[target] for key in upper for target in sorted(below[key], key=place.__getitem__)
        ]
        total += sum(a > b for i, a in enumerate(ends) for b in ends[i + 1 :])
    return total


def _columns(
    rows: Sequence[Sequence[_Key]],
    above: _Links,
    below: _Links,
    sizes: Mapping[_Key, Block],
    across: float,
) -> dict[_Key, float]:
    x: dict[_Key, float] = {}
    for row in rows:
        at = 0.0
        for key in row:
            at += sizes[key].left
            x[key] = at
            at += sizes[key].right + across
        for key in row:
            x[key] -= at / 2
    for sweep in range(4 * SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else list(reversed(rows)):
            links = above if down else below
            wanted, weights = [], []
            for key in row:
                near = links[key]
                wanted.append(sum(x[n] for n in near) / len(near) if near else x[key])
                # A line that only passes through should be straight.
                weights.append(4.0 if not isinstance(key, str) else (1.0 if near else 0.1))
            apart = [sizes[a].right + sizes[b].left + across for a, b in pairwise(row)]
            for key, place in zip(row, _spread(wanted, weights, apart), strict=True):
                x[key] = place
    return x


def _spread(
    wanted: Sequence[float], weights: Sequence[float], apart: Sequence[float]
) -> list[float]:
    """Places nearest to the wanted ones (least squares) that keep order and distances."""
    offsets = np.concatenate([[0.0], np.cumsum(apart)])
    fit = isotonic_regression(np.asarray(wanted) - offsets, weights=weights)
    return [float(x) for x in fit.x + offsets]
