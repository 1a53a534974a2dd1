"""A drawing as plain shapes in inches, before any library draws it.

x grows to the right, y downwards, sizes are in inches and type in points, so a
scene is the same picture on a matplotlib figure and in an SVG element.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

__all__ = [
    "BODY",
    "FILL",
    "INK",
    "MUTED",
    "SMALL",
    "Dot",
    "Line",
    "Point",
    "Rect",
    "Scene",
    "Text",
    "text_width",
]

Point = tuple[float, float]

BODY, SMALL = 8.0, 7.0  # type sizes in points
INK, MUTED = "#222222", "#4A4A4A"
# Okabe and Ito (2008), told apart with every form of colour blindness; the fills
# are their colours mixed with white, so that black type on them is easy to read.
FILL = {
    "input": "#A8D4EE",
    "constant": "#D5D5D5",
    "parameter": "#F6CE7A",
    "function": "#D6EFE6",
    "contraction": "#FFFFFF",
    "frozen": "#A8D4EE",
    "live": "#F6CE7A",
}
EDGE = {
    "input": "#0072B2",
    "constant": "#5C5C5C",
    "parameter": "#B85600",
    "function": "#007A5A",
    "contraction": "#222222",
    "frozen": "#0072B2",
    "live": "#B85600",
}


@dataclass(frozen=True)
class Rect:
    """A box with its centre at (x, y); `radius` rounds its corners; a frame is under all lines."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str
    line: float = 1.0
    radius: float = 0.0
    node: str = ""
    frame: bool = False


@dataclass(frozen=True)
class Line:
    """A line through points; `arrow` puts a head at its end, `dashed` breaks it."""

    points: tuple[Point, ...]
    stroke: str = INK
    line: float = 1.0
    arrow: bool = False
    dashed: bool = False


@dataclass(frozen=True)
class Dot:
    """A disc: filled where an index joins three or more tensors, hollow for a contraction."""

    x: float
    y: float
    radius: float
    fill: str
    stroke: str = INK
    node: str = ""


@dataclass(frozen=True)
class Text:
    """One line of type; (x, y) is its middle, or its left or right end, at half its height."""

    x: float
    y: float
    text: str
    size: float = BODY
    bold: bool = False
    align: str = "middle"
    colour: str = INK
    node: str = ""
    halo: bool = False

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the type."""
        width = text_width(self.text, self.size, self.bold)
        left = self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.align] * width
        half = 0.5 * self.size / 72
        return left, self.y - half, left + width, self.y + half


@dataclass
class Scene:
    """Shapes in the order they are drawn: lines first, boxes over them, type on top."""

    width: float = 0.0
    height: float = 0.0
    lines: list[Line] = field(default_factory=list)
    rects: list[Rect] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)

    def add(self, other: Scene, dx: float = 0.0, dy: float = 0.0) -> None:
        """Add the shapes of another scene, moved by (dx, dy)."""
        for line in other.lines:
            points = tuple((x + dx, y + dy) for x, y in line.points)
            self.lines.append(replace(line, points=points))
        self.rects += [replace(s, x=s.x + dx, y=s.y + dy) for s in other.rects]
        self.dots += [replace(s, x=s.x + dx, y=s.y + dy) for s in other.dots]
        self.texts += [replace(s, x=s.x + dx, y=s.y + dy) for s in other.texts]

    def line(
        self, *points: Point, arrow: bool = False, stroke: str = INK, line: float = 1.0
    ) -> None:
        """Add a line through points, leaving out those that repeat the one before."""
        kept = [p for i, p in enumerate(points) if i == 0 or p != points[i - 1]]
        self.lines.append(Line(tuple(kept), stroke, line, arrow))

    def box(
        self, x: float, y: float, kind: str, rows: Sequence[str], node: str, least: float = 0.0
    ) -> None:
        """Add the box of a node, of a least width, with its rows of type, the first bold."""
        width, height = box_size(kind, rows)
        width = max(width, least)
        line = 1.8 if kind in ("parameter", "live") else 1.0
        radius = 0.09 if kind == "function" else 0.0
        self.rects.append(
            Rect(x, y, width, height, FILL[kind], EDGE[kind], line, radius, node=node)
        )
        self.rows(x, y, rows, node=node)

    def rows(
        self, x: float, y: float, rows: Sequence[str], *, node: str = "", align: str = "middle"
    ) -> None:
        """Add rows of type about the height y, the first of them bold."""
        top = y - 0.5 * ROW * (len(rows) - 1)
        for number, row in enumerate(rows):
            first = number == 0
            self.texts.append(
                Text(
                    x,
                    top + number * ROW,
                    row,
                    BODY if first else SMALL,
                    bold=first,
                    align=align,
                    colour=INK if first else MUTED,
                    node=node,
                )
            )


ROW = 0.145  # from one row of type to the next


def arrow_head(line: Line) -> tuple[Point, Point, Point]:
    """The corners of the head of an arrow, its tip first."""
    (ax, ay), (bx, by) = line.points[-2:]
    length = math.hypot(bx - ax, by - ay) or 1.0
    dx, dy = (bx - ax) / length, (by - ay) / length
    back = (bx - 0.075 * dx, by - 0.075 * dy)
    return (
        (bx, by),
        (back[0] - 0.03 * dy, back[1] + 0.03 * dx),
        (back[0] + 0.03 * dy, back[1] - 0.03 * dx),
    )


def box_size(kind: str, rows: Sequence[str]) -> Point:
    """Width and height of the box of a node that holds these rows of type."""
    width = rows_width(rows) + 0.2
    height = ROW * len(rows) + 0.13
    return (max(width, height), height) if kind != "function" else (max(width, 0.6), height)


def rows_width(rows: Sequence[str]) -> float:
    """Width of rows of type, the first of them bold."""
    return max(
        text_width(row, BODY if number == 0 else SMALL, number == 0)
        for number, row in enumerate(rows)
    )


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = BODY, bold: bool = False) -> float:
    """Width in inches of a line of DejaVu Sans, the type of all drawings."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():
        return 0.0
    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    path = TextPath((0, 0), text, size=size, prop=font)
    return float(path.get_extents().x1) / 72
