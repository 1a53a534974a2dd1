"""Where the blocks of a layered drawing stand: layers by depth, few crossings, straight lines.

The method of Sugiyama, Tagawa and Toda (doi:10.1109/TSMC.1981.4308636): blocks
go into layers by their depth, each layer is ordered by the barycentre of its
neighbours, and then moved sideways as little as its order allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
from scipy.optimize import isotonic_regression

__all__ = ["Block", "Placed", "folded", "layered"]

SWEEPS = 12
GUTTER, HEADROOM = 0.5, 0.24  # beside and above a column after the first
Point = tuple[float, float]


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

    anchors: Mapping[str, Point]
    layer: Mapping[str, int]
    bends: Sequence[tuple[Point, ...]]
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


def folded(
    placed: Placed, blocks: Mapping[str, Block], edges: Sequence[tuple[str, str]], tall: float
) -> Placed:
    """The same layers in columns side by side if they are taller than `tall`.

    A column ends where the edges of one block alone go on; they run to the top of the next
    column through the gutter between the two.
    """
    layers, height = len(placed.tops), placed.bottoms[-1]
    wanted = max(1, round(height / tall + 0.35))
    passing: list[set[str]] = [set() for _ in range(layers)]  # whose edges leave each layer
    for source, target in edges:
        for depth in range(placed.layer[source], placed.layer[target]):
            passing[depth].add(source)
    cuts: list[int] = []
    for number in range(1, wanted):
        goal = height * number / wanted
        free = [d for d in range(layers - 1) if len(passing[d]) == 1 and d not in cuts]
        best = min(free, key=lambda d: abs(placed.bottoms[d] - goal), default=None)
        if best is not None and abs(placed.bottoms[best] - goal) < 0.5 * height / wanted:
            cuts.append(best)
    if not cuts:
        return placed
    column = [sum(depth > cut for cut in cuts) for depth in range(layers)]
    reach: list[list[float]] = [[] for _ in range(len(cuts) + 1)]  # every x of a column
    for name, block in blocks.items():
        x = placed.anchors[name][0]
        reach[column[placed.layer[name]]] += [x - block.left, x + block.right]
    for ends, points in zip(edges, placed.bends, strict=True):
        for number in {column[placed.layer[end]] for end in ends}:
            reach[number] += [x for x, _ in points]
    firsts = [column.index(number) for number in range(len(reach))]
    leads = [max(b.lead for n, b in blocks.items() if placed.layer[n] == d) for d in firsts]
    lefts = list(accumulate((max(xs) - min(xs) + GUTTER for xs in reach), initial=0.0))
    across = [lefts[number] - min(reach[number]) for number in column]
    down = [leads[c] - placed.tops[firsts[c]] + (HEADROOM if c else 0.0) for c in column]

    def moved(depth: int, point: Point) -> Point:
        return point[0] + across[depth], point[1] + down[depth]

    tops = [top + shift for top, shift in zip(placed.tops, down, strict=True)]
    bottoms = [bottom + shift for bottom, shift in zip(placed.bottoms, down, strict=True)]
    anchors = {name: moved(placed.layer[name], point) for name, point in placed.anchors.items()}
    bends = []
    for (source, target), points in zip(edges, placed.bends, strict=True):
        way = [anchors[source]]
        for depth in range(placed.layer[source] + 1, placed.layer[target] + 1):
            step = 2 * (depth - placed.layer[source] - 1)
            level = [moved(depth, point) for point in points[step : step + 2]]
            if column[depth] > column[depth - 1]:
                gutter, low = lefts[column[depth]] - GUTTER / 2, bottoms[depth - 1] + HEADROOM / 2
                high = tops[depth] - leads[column[depth]] - HEADROOM / 2
                onto = level[0] if level else anchors[target]
                way += [(way[-1][0], low), (gutter, low), (gutter, high), (onto[0], high)]
            way += level
        bends.append(tuple(way[1:]))
    return Placed(anchors, placed.layer, tuple(bends), tops, bottoms)


def _layers(blocks: Mapping[str, Block], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Depth of every block; one that nothing enters stands right above the first that uses it."""
    layer: dict[str, int] = {}
    for name in blocks:
        layer[name] = 1 + max((layer[a] for a, b in edges if b == name), default=-1)
    entered = {target for _, target in edges}
    for name in reversed(list(blocks)):
        users = [layer[b] for a, b in edges if a == name]
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
    before = dict(x)
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
        if not down:
            if max(abs(x[key] - before[key]) for key in x) < 1e-9:
                break  # they stand still
            before = dict(x)
    return x


def _spread(
    wanted: Sequence[float], weights: Sequence[float], apart: Sequence[float]
) -> list[float]:
    """Places nearest to the wanted ones (least squares) that keep order and distances."""
    if len(wanted) == 1:
        return [*wanted]
    offsets = np.concatenate([[0.0], np.cumsum(apart)])
    fit = isotonic_regression(np.asarray(wanted) - offsets, weights=weights)
    return [float(x) for x in fit.x + offsets]
