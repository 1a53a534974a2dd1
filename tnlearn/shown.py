"""What an object says of itself: one line of text; in a notebook a small table and a picture."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Shown", "some", "span"]


class Shown:
    """An object that shows itself: by name and facts, and in a notebook by a picture as well.

    A class says `_facts`, in the order in which a reader asks for them, and may give a
    `_sketch` (matplotlib axes of a figure of their own) or a `_drawing` (SVG).
    """

    def _facts(self) -> dict[str, str]:
        raise NotImplementedError

    def _sketch(self) -> Any:
        return None

    def _drawing(self) -> str:
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in self._facts().items())})"

    def _repr_html_(self) -> str:
        picture, width, drawing = "", 0, self._drawing()
        ax = None if drawing else self._sketch()
        if ax is not None:
            from tnlearn.look import png

            picture = base64.b64encode(png(ax.figure)).decode()
            width = round(96 * ax.figure.get_figwidth())
        return str(
            _template().render(
                name=type(self).__name__,
                facts=self._facts(),
                picture=picture,
                width=width,
                drawing=drawing,
            )
        )


@cache
def _template() -> Any:
    from jinja2 import Environment

    text = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    return Environment(autoescape=True).from_string(text)


def some(values: Iterable[Any], most: int = 6) -> str:
    """The values in words, the first few of many."""
    words = [str(value) for value in values]
    return ", ".join(words if len(words) <= most else [*words[: most - 1], "…", words[-1]])


def span(values: Any) -> str:
    """The one value, or the smallest and the largest (modulus): ``0.5`` or ``0.1 … 1.9``."""
    held = np.abs(values) if np.iscomplexobj(values) else np.asarray(values)
    held = held[np.isfinite(held)]
    if not held.size:
        return "–"
    low, high = f"{held.min():.3g}", f"{held.max():.3g}"
    return low if low == high else f"{low} … {high}"
