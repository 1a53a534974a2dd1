"""The batch and the channel round the diagram of a contraction, as a bus with taps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from tnlearn.drawing.scene import SMALL, Dot, Point, Rect, Scene, Text, text_width
from tnlearn.networks.nodes import BATCH, CHANNEL, Inds

__all__ = ["BUS", "Leg", "add_buses", "bounds"]

BUS = {BATCH: "#0072B2", CHANNEL: "#B85600"}
Leg = tuple[float, float, str]  # x, y and colour of a line that leaves the frame below


def bounds(scene: Scene) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of all that is in a scene."""
    boxes = [text.box for text in scene.texts]
    boxes += [_edges(rect) for rect in scene.rects]
    boxes += [(x, y, x, y) for line in scene.lines for x, y in line.points]
    lows, highs = zip(*(((a, b), (c, d)) for a, b, c, d in boxes), strict=True)
    return (
        min(x for x, _ in lows),
        min(y for _, y in lows),
        max(x for x, _ in highs),
        max(y for _, y in highs),
    )


def _edges(rect: Rect) -> tuple[float, float, float, float]:
    half, high = rect.width / 2, rect.height / 2
    return rect.x - half, rect.y - high, rect.x + half, rect.y + high


def add_buses(
    scene: Scene, parts: Sequence[Inds], boxes: Sequence[tuple[Point, Point]], out: Inds
) -> list[Leg]:
    """Batch and channel: a line round the diagram with a tap to every tensor that has it.

    `parts` are the indices of the tensors, `boxes` the middles and sizes of their boxes,
    `out` the indices of the result.  Returned are the lines that leave at the bottom.
    """
    legs: list[Leg] = []
    for ind in sorted(BUS, reverse=True):  # the channel, if it is there, inside the batch
        colour = BUS[ind]
        holders = [box for box, inds in zip(boxes, parts, strict=True) if ind in inds]
        if not holders:
            continue
        if len(holders) == 1:
            _add_stub(scene, *holders[0], ind)
            continue
        left, top, right, bottom = bounds(scene)
        frame = (left - 0.15, top - 0.15, right + 0.15, bottom + 0.15)
        ends = []
        for at, size in holders:
            start, stop = _tap(scene, at, size, frame)
            scene.line(start, stop, stroke=colour)
            ends.append(stop)
        if ind in out:
            x = _way_out(frame, ends, legs, text_width(ind, SMALL) + 0.12)
            ends.append((x, frame[3]))
            scene.texts.append(
                Text(x + 0.05, frame[3] + 0.13, ind, SMALL, align="start", colour=colour)
            )
            legs.append((x, frame[3], colour))
        else:
            scene.texts.append(
                Text(frame[2], frame[3] + 0.1, ind, SMALL, align="end", colour=colour)
            )
        _loop(scene, ends, frame, colour)
    return legs


def _way_out(
    frame: Sequence[float], ends: Sequence[Point], legs: Sequence[Leg], name: float
) -> float:
    """Where a bus leaves at the bottom: near the middle, clear of its taps and of other legs."""
    middle = (frame[0] + frame[2]) / 2
    for step in range(9):
        for way in (1, -1):
            x = middle + 0.15 * step * way
            taps = [end for end, level in ends if level == frame[3]]
            if all(abs(x - tap) > 0.1 for tap in taps) and not any(
                abs(x - leg[0]) < max(name, 0.6) for leg in legs
            ):
                return x
    return middle


def _add_stub(scene: Scene, at: Point, size: Point, ind: str) -> None:
    """A free leg of a single tensor, where there is room for it and its name."""
    (x, y), half, tall = at, size[0] / 2, size[1] / 2
    away = text_width(ind, SMALL) + 0.2
    # Each way: where the leg ends, and the middle of its name.
    choices: list[tuple[Point, Point]] = []
    for length in (0.16, 0.3, 0.5):
        left, right = x - half - length, x + half + length
        choices += [((left, y), (left - away / 2 + 0.06, y))]
        choices += [((right, y), (right + away / 2 - 0.06, y))]
        for shift in (0.0, -half / 2, half / 2):
            for way in (-1, 1):
                end = y + way * (tall + length)
                choices.append(((x + shift, end), (x + shift, end + 0.08 * way)))
    blocks = [_edges(rect) for rect in scene.rects if (rect.x, rect.y) != at]
    blocks += [text.box for text in scene.texts if (text.x, text.y) != at]

    def badness(choice: tuple[Point, Point]) -> float:
        (ex, ey), (tx, ty) = choice
        start = (ex if ey != y else x, y)
        low = (min(ex, tx - away / 2 + 0.05), min(ey, ty - 0.06))
        high = (max(ex, tx + away / 2 - 0.05), max(ey, ty + 0.06))
        hits = sum(
            low[0] < r and le < high[0] and low[1] < b and t < high[1] for le, t, r, b in blocks
        )
        corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
        sides = [*zip(corners, [*corners[1:], corners[0]], strict=True), (start, (ex, ey))]
        for line in scene.lines:
            for p, q in _segments(line.points):
                if at not in (p, q) or ey == y:
                    hits += any(_cross(side, (p, q)) for side in sides)
        return hits + 0.1 * (abs(ex - x) + abs(ey - y))

    (ex, ey), (tx, ty) = min(choices, key=badness)
    scene.line((ex if ey != y else x, y), (ex, ey), stroke=BUS[ind])
    scene.texts.append(Text(tx, ty, ind, SMALL, colour=BUS[ind]))


def _tap(scene: Scene, at: Point, size: Point, frame: Sequence[float]) -> tuple[Point, Point]:
    """The shortest straight way from a tensor to the bus that runs over nothing."""
    x, y = at
    candidates: list[tuple[Point, Point]] = []
    for share in (0.0, -0.25, 0.25, -0.4, 0.4):
        across, along = x + share * size[0], y + share * size[1]
        candidates += [((across, y), (across, frame[1])), ((across, y), (across, frame[3]))]
        candidates += [((x, along), (frame[0], along)), ((x, along), (frame[2], along))]
    blocks = [_edges(rect) for rect in scene.rects if (rect.x, rect.y) != at]
    blocks += [text.box for text in scene.texts if abs(text.x - x) + abs(text.y - y) > 1e-9]

    def badness(way: tuple[Point, Point]) -> float:
        (ax, ay), (bx, by) = way
        low, high = (
            (min(ax, bx) - 0.03, min(ay, by) - 0.03),
            (max(ax, bx) + 0.03, max(ay, by) + 0.03),
        )
        hits = sum(
            low[0] < right and left < high[0] and low[1] < bottom and top < high[1]
            for left, top, right, bottom in blocks
        )
        crossed = sum(
            _cross(way, (p, q)) for line in scene.lines for p, q in _segments(line.points)
        )
        beside = sum(
            _beside(way, (p, q)) for line in scene.lines for p, q in _segments(line.points)
        )
        off = abs(ax - x) + abs(ay - y)
        return 100.0 * hits + 5.0 * beside + 0.4 * crossed + abs(ax - bx) + abs(ay - by) + 0.1 * off

    return min(candidates, key=badness)


def _segments(points: Sequence[Point]) -> Iterable[tuple[Point, Point]]:
    return pairwise(points)


def _beside(way: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Whether a horizontal or vertical way runs close along another line."""
    axis = 0 if way[0][1] == way[1][1] else 1
    if abs(other[0][1 - axis] - other[1][1 - axis]) > 1e-9:
        return False
    (low, high), (a, b) = (
        sorted((way[0][axis], way[1][axis])),
        sorted((other[0][axis], other[1][axis])),
    )
    return abs(way[0][1 - axis] - other[0][1 - axis]) < 0.1 and low < b and a < high


def _cross(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    def turn(a: Point, b: Point, c: Point) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    (a, b), (c, d) = first, second
    return turn(a, b, c) * turn(a, b, d) <= 0 and turn(c, d, a) * turn(c, d, b) <= 0


def _loop(scene: Scene, ends: Sequence[Point], frame: Sequence[float], colour: str) -> None:
    left, top, right, bottom = frame
    wide, high = right - left, bottom - top

    def position(point: Point) -> float:
        x, y = point
        if y == top:
            return x - left
        if x == right:
            return wide + y - top
        if y == bottom:
            return wide + high + right - x
        return 2 * wide + high + bottom - y

    round_trip = 2 * (wide + high)
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    marks = sorted({position(end): end for end in ends}.items())
    gaps = [
        ((marks[(i + 1) % len(marks)][0] - at) % round_trip or round_trip, i)
        for i, (at, _) in enumerate(marks)
    ]
    after = max(gaps)[1]  # the longest stretch without a tap is left out
    order = [*marks[after + 1 :], *marks[: after + 1]]
    start = order[0][0]
    stops = [((at - start) % round_trip, point) for at, point in order]
    length = stops[-1][0]
    stops += [
        ((position(corner) - start) % round_trip, corner)
        for corner in corners
        if (position(corner) - start) % round_trip < length
    ]
    stops.sort(key=lambda stop: stop[0])
    scene.line(*(point for _, point in stops), stroke=colour)
    if len(ends) > 2:
        inner = [point for _, point in order[1:-1]]
        scene.dots += [Dot(x, y, 0.03, colour, colour) for x, y in inner]
