"""A drawing as plain shapes in inches, before any library draws it.

x grows to the right and y downwards; sizes are in inches, type and widths of lines in points.
There are three kinds of shape, drawn in the order in which they stand, so that a scene is the
same picture on matplotlib axes and in an SVG element.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from tnlearn.networks.graph import BATCH, CHANNEL

__all__ = [
    "BODY",
    "INK",
    "LOOK",
    "MARKS",
    "MUTED",
    "ROW",
    "SHARED",
    "SMALL",
    "Box",
    "Line",
    "Point",
    "Scene",
    "Shape",
    "Text",
    "box_size",
    "page",
    "rows_width",
    "si",
    "text_width",
]

Point = tuple[float, float]
Bounds = tuple[float, float, float, float]  # left, top, right, bottom

TITLE, BODY, SMALL = 11.0, 8.0, 7.0  # type sizes in points
ROW = 0.145  # from one row of type to the next
MARGIN = 0.3
SHARED = 0.08  # a second outline is wider and higher by this
INK, MUTED, WHITE = "#222222", "#4A4A4A", "#FFFFFF"
Style = tuple[str, str, float, float]  # fill and outline, width of the outline, radius of corners
# Okabe and Ito (2008), told apart with every form of colour blindness; the fills
# are their colours mixed with white, so that black type on them is easy to read.
LOOK: dict[str, Style] = {
    "input": ("#A8D4EE", "#0072B2", 1.0, 0.0),
    "constant": ("#D5D5D5", "#5C5C5C", 1.0, 0.0),
    "parameter": ("#F6CE7A", "#B85600", 1.8, 0.0),
    "function": ("#D6EFE6", "#007A5A", 1.0, 0.09),
    "contraction": (WHITE, INK, 1.0, 0.0),
}
LOOK |= {"frozen": LOOK["input"], "live": LOOK["parameter"]}
# An index that stands on many tensors at once is a bar inside their boxes, not a line.
MARKS = {BATCH: "#8B2E6B", CHANNEL: INK}  # at the left, at the right


@dataclass(frozen=True)
class Box:
    """A rectangle about (x, y); `radius` rounds its corners, a disc at the most."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str = INK
    line: float = 1.0
    radius: float = 0.0
    node: str = ""

    @property
    def bounds(self) -> Bounds:
        """Left, top, right and bottom edge."""
        half, high = self.width / 2, self.height / 2
        return self.x - half, self.y - high, self.x + half, self.y + high


@dataclass(frozen=True)
class Line:
    """A line through points; with a fill a closed outline, such as the head of an arrow."""

    points: tuple[Point, ...]
    stroke: str = INK
    line: float = 1.0
    fill: str = ""

    @property
    def bounds(self) -> Bounds:
        """The least and the greatest x and y."""
        xs, ys = zip(*self.points, strict=True)
        return min(xs), min(ys), max(xs), max(ys)


@dataclass(frozen=True)
class Text:
    """One line of type; (x, y) is its middle, or its left or right end, at half its height."""

    x: float
    y: float
    text: str
    size: float = SMALL
    bold: bool = False
    align: str = "middle"
    colour: str = INK
    node: str = ""

    @property
    def bounds(self) -> Bounds:
        """Left, top, right and bottom of the type."""
        width = text_width(self.text, self.size, self.bold)
        left = self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.align] * width
        half = 0.5 * self.size / 72
        return left, self.y - half, left + width, self.y + half


Shape = Box | Line | Text


@dataclass
class Scene:
    """Shapes, each drawn over those before it, on a sheet of a width and a height."""

    width: float = 0.0
    height: float = 0.0
    shapes: list[Shape] = field(default_factory=list)

    @property
    def bounds(self) -> Bounds:
        """Left, top, right and bottom of all shapes."""
        left, top, right, bottom = zip(*(shape.bounds for shape in self.shapes), strict=True)
        return min(left), min(top), max(right), max(bottom)

    def add(self, other: Scene, dx: float = 0.0, dy: float = 0.0) -> None:
        """Add the shapes of another scene, moved by (dx, dy)."""
        for shape in other.shapes:
            if isinstance(shape, Line):
                points = tuple((x + dx, y + dy) for x, y in shape.points)
                self.shapes.append(replace(shape, points=points))
            else:
                self.shapes.append(replace(shape, x=shape.x + dx, y=shape.y + dy))

    def line(self, *points: Point, arrow: bool = False) -> None:
        """Add a line through points, with a head at its end if it is an arrow."""
        way = [p for i, p in enumerate(points) if i == 0 or p != points[i - 1]]
        if arrow:
            (ax, ay), (x, y) = way[-2:]
            length = math.hypot(x - ax, y - ay)
            dx, dy = (x - ax) / length, (y - ay) / length
            back, side = (x - 0.075 * dx, y - 0.075 * dy), (-0.03 * dy, 0.03 * dx)
            left, right = ((back[0] + s * side[0], back[1] + s * side[1]) for s in (1, -1))
            self.shapes.append(Line(((x, y), left, right), line=0.0, fill=INK))
            way[-1] = back
        self.shapes.append(Line(tuple(way)))

    def disc(self, x: float, y: float, radius: float, fill: str = INK, node: str = "") -> None:
        """Add a disc: black where an index joins three or more tensors, white for a product."""
        self.shapes.append(Box(x, y, 2 * radius, 2 * radius, fill, radius=radius, node=node))

    def label(
        self, x: float, y: float, text: str, align: str = "middle", colour: str = INK
    ) -> None:
        """Add a line of small type."""
        self.shapes.append(Text(x, y, text, align=align, colour=colour))

    def clear(self, text: Text) -> None:
        """Add a line of type that interrupts the lines below it."""
        left, top, right, bottom = text.bounds
        middle, width, height = (left + right) / 2, right - left + 0.04, bottom - top + 0.04
        self.shapes += [Box(middle, text.y, width, height, WHITE, WHITE, 0.0), text]

    def box(
        self,
        x: float,
        y: float,
        kind: str,
        rows: Sequence[str],
        node: str,
        *,
        least: float = 0.0,
        marks: Sequence[str] = (),
        round: bool = False,
        twice: bool = False,
    ) -> None:
        """Add the box of a node: its rows of type, the first bold, and a bar for each mark.

        `least` is its least width; the corners may be round, and the outline drawn twice.
        """
        width, height = box_size(kind, rows, marks)
        width = max(width, least)
        fill, edge, line, radius = LOOK[kind]
        radius = 0.08 if round else radius
        if twice:
            outline = (width + SHARED, height + SHARED)
            self.shapes.append(Box(x, y, *outline, WHITE, edge, 1.0, radius + SHARED / 2))
        self.shapes.append(Box(x, y, width, height, fill, edge, line, radius, node))
        for mark in marks:
            at = x + _side(mark) * (width / 2 - 0.06)
            self.shapes.append(Box(at, y, 0.04, height - 0.1, MARKS[mark], line=0.0))
        # The type makes room for the bars.
        self.rows(x - 0.03 * sum(_side(mark) for mark in marks), y, rows, node=node)

    def swatch(self, x: float, y: float, kind: str) -> None:
        """Add the small box of a kind, or of a mark, for the legend."""
        size = (0.16, 0.12)
        if kind in MARKS:
            self.shapes.append(Box(x, y, *size, WHITE, MUTED))
            at = x + _side(kind) * 0.045
            self.shapes.append(Box(at, y, 0.04, 0.08, MARKS[kind], line=0.0))
        else:
            fill, edge, line, radius = LOOK[kind]
            self.shapes.append(Box(x, y, *size, fill, edge, line, min(radius, 0.05)))

    def rows(
        self, x: float, y: float, rows: Sequence[str], *, node: str = "", align: str = "middle"
    ) -> None:
        """Add rows of type about the height y, the first of them bold."""
        y -= 0.5 * ROW * (len(rows) - 1)
        self.shapes.append(Text(x, y, rows[0], BODY, True, align, INK, node))
        for number, row in enumerate(rows[1:], 1):
            self.shapes.append(Text(x, y + number * ROW, row, SMALL, False, align, MUTED, node))


def _side(mark: str) -> int:
    return -1 if mark == BATCH else 1


def box_size(kind: str, rows: Sequence[str], marks: Sequence[str] = ()) -> Point:
    """Width and height of the box of a node that holds these rows of type and these marks."""
    width = rows_width(rows) + (0.28 if marks else 0.2)
    height = ROW * len(rows) + 0.13
    return max(width, 0.6 if kind == "function" else height), height


def rows_width(rows: Sequence[str]) -> float:
    """Width of rows of type, the first of them bold."""
    return max(text_width(rows[0], BODY, True), *(text_width(row) for row in rows))


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = SMALL, bold: bool = False) -> float:
    """Width in inches of a line of DejaVu Sans, the type of all drawings."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal", size=size)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, False)
    return float(width) / 72


def si(number: float) -> str:
    """A number in short, such as 12.3k, 4.56M."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def page(body: Scene, title: str, lines: Sequence[str], legend: Sequence[tuple[str, str]]) -> Scene:
    """A body with a title above and a legend below: (kind or mark or nothing, text) each."""
    left, top, right, bottom = body.bounds
    inner = max(right - left, *(text_width(line, BODY) for line in lines), 4.5)
    scene = Scene(inner + 2 * MARGIN)
    y = MARGIN
    for line in _wrapped(title, inner):
        scene.shapes.append(Text(MARGIN, y, line, TITLE, True, "start"))
        y += 0.22
    for line in lines:
        scene.shapes.append(Text(MARGIN, y, line, BODY, align="start", colour=MUTED))
        y += 0.17
    y += 0.12
    scene.add(body, MARGIN + (inner - left - right) / 2, y - top)
    y += bottom - top + 0.28
    x = MARGIN
    for kind, entry in legend:
        swatch = 0.24 if kind else 0.0
        width = swatch + text_width(entry)
        if x > MARGIN and x + width > MARGIN + inner:
            x, y = MARGIN, y + 0.2
        if kind:
            scene.swatch(x + 0.08, y, kind)
        scene.label(x + swatch, y, entry, "start", MUTED)
        x += width + 0.25
    scene.height = y + MARGIN
    return scene


def _wrapped(text: str, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, TITLE, True) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
