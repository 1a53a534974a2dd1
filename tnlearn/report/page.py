"""The page of a study: one self-contained file from its table, its verdicts and its figures.

The template holds all of the HTML; figures are inlined as ``data:`` addresses.  The file has no
script and asks the network for nothing, so that it can be sent to a colleague alone.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import jinja2
import pandas as pd

from tnlearn.report.claims import Verdict, titled
from tnlearn.report.table import in_words, spread

__all__ = ["interval", "render", "template", "wide"]

# Of the 150 dots an inch of a figure to the 1128 dots that the page has for its ten inches.
SCALE = 0.752


def render(
    results: Mapping[str, Any],
    verdicts: Sequence[Verdict],
    pictures: Sequence[tuple[str, bytes]],
    listings: Sequence[tuple[str, pd.DataFrame]],
    titles: Mapping[str, str],
    columns: str = "",
) -> str:
    """The page of a study as HTML.

    Parameters
    ----------
    results
        Of ``results.json``.
    verdicts
        Of its claims.
    pictures
        Captions and PNGs.
    listings
        Headings, and tables that decide nothing.
    titles
        Of networks, shifts and the like, as `titled` takes them.
    columns
        The label whose values head the columns of the tables of findings, if it is one of theirs.
    """
    return template("page.html").render(
        results=results,
        verdicts=[verdict for verdict in verdicts if verdict.word],
        tables=[
            (v, wide(v, titles, columns), in_words(columns) if columns in v.rows else "")
            for v in verdicts
            if len(v.rows)
        ],
        figures=[
            (caption, base64.b64encode(picture).decode("ascii"), round(_width(picture) * SCALE))
            for caption, picture in pictures
        ],
        listings=listings,
        titled=lambda column, value: titled(titles, column, value),
    )


def wide(verdict: Verdict, titles: Mapping[str, str], columns: str = "") -> pd.DataFrame:
    """Findings as they are read: a row a condition, a column a value of `columns`.

    A finding that decides is marked: ✓ where the claim holds in it, ✗ where it does not.
    """
    rows, labels = verdict.rows, verdict.labels
    shown = rows[labels].apply(lambda x: x.map(lambda value: titled(titles, x.name, value)))
    texts = [interval(row, verdict.claim.unit) for row in rows.to_dict("records")]
    texts = [a + b for a, b in zip(texts, rows["holds"].map(_mark), strict=True)]
    if columns not in labels or len(labels) < 2:
        return shown.assign(measured=texts, members=rows["members"])
    table = spread(shown, columns, texts)
    if pd.api.types.is_numeric_dtype(rows[columns]):
        ascending = sorted(rows[columns].dropna().unique().tolist())
        heads = [titled(titles, columns, value) for value in ascending]
        table = table[[head for head in table.columns if head not in heads] + heads]
    return table


def interval(row: Mapping[str, Any], unit: str = "") -> str:
    """A finding with its interval: ``0.952 [0.947, 0.957]``.

    >>> interval({"value": -18.8, "low": -20.6, "high": -17.1}, "points")
    '−18.8 [−20.6, −17.1]'
    """
    ends = [math.nan if row[key] is None else row[key] for key in ("value", "low", "high")]
    size = max((abs(x) for x in ends if math.isfinite(x)), default=0.0)
    form = ".1f" if unit in ("points", "%") or size >= 100 else ".3f"
    if size and (size < 1e-3 or size >= 1e5):
        form = ".1e"
    value, low, high = (
        "" if math.isnan(x) else f"{x:{form}}".replace("-", "−").replace("inf", "∞") for x in ends
    )
    return f"{value} [{low}, {high}]" if low else value


def _aligned(frame: pd.DataFrame) -> list[str]:
    """The class of every column: ``"text"`` where it holds words, ``""`` where numbers."""
    return [
        "" if all(_numeric(str(cell)) for cell in frame[head]) else "text" for head in frame.columns
    ]


def _numeric(cell: str) -> bool:
    """Whether it begins as a number does, and holds no word (two letters in a row)."""
    return not cell or cell == "nan" or re.match(r"[−\-\d∞.≤](?!.*[^\W\d_]{2})", cell) is not None


def _mark(value: Any) -> str:
    return "" if pd.isna(value) else " ✓" if value else " ✗"


def _width(picture: bytes) -> int:
    return int.from_bytes(picture[16:20], "big")


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    loader = jinja2.PackageLoader("tnlearn.report", "templates")
    environment = jinja2.Environment(
        loader=loader,
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(in_words=in_words, aligned=_aligned)
    return environment


def template(name: str) -> jinja2.Template:
    """A template of the reports; only HTML is escaped."""
    return _environment().get_template(name)
