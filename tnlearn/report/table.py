"""The tidy table: a row a member and condition, from which every claim and figure starts.

Columns say of what (network, shift, size, member, …) and what was measured (accuracy, …).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from tnlearn.report import stats

__all__ = [
    "Row",
    "against",
    "in_points",
    "in_words",
    "learned",
    "measures",
    "over_members",
    "scaled",
    "spread",
    "text",
    "where",
]

Estimate = Callable[..., dict[str, float]]
Row = dict[str, Any]  # of a table, by its columns

# Heads of the columns whose name is too short for a reader.
HEADS = {
    "batch": "batch size",
    "best": "best scale",
    "cells": "unit cells",
    "data": "data set",
    "entries": "amplitudes",
    "full": "full rank",
    "head": "hidden units of the head",
    "mask": "what is kept",
    "numbers": "numbers left",
    "p": "p of the rank test",
    "part": "part of the weight",
    "rank": "rank of the mean",
    "rate": "learning rate",
    "rival": "less that of",
    "scale": "scale of the start",
    "shift": "test chains",
    "size": "training chains",
    "strength": "disorder (units of the hopping)",
    "training": "trained on",
    "validation": "validation accuracy",
    "way": "cut",
    "where": "taken",
    "worst": "worst scale",
}


def in_words(head: Any) -> str:
    """The head of a column as it is read.

    >>> in_words("size"), in_words("trained_at")
    ('training chains', 'trained at')
    """
    return HEADS.get(head, str(head).replace("_", " "))


def text(value: Any) -> str:
    """A label of a condition as it is read: ``4,000``, ``0.5``, ``disorder-0.5``; "" for none."""
    if value is None or value is pd.NA or value != value:
        return ""
    if isinstance(value, float):
        return f"{value:,.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def spread(rows: pd.DataFrame, columns: str, texts: Iterable[str]) -> pd.DataFrame:
    """What rows say, `texts`, as a table is read: one of its columns heads the columns.

    >>> rows = pd.DataFrame({"network": ["a", "a"], "cells": ["12", "24"]})
    >>> spread(rows, "cells", ["right", "wrong"]).to_dict("records")
    [{'network': 'a', '12': 'right', '24': 'wrong'}]
    """
    index = [c for c in rows.columns if c != columns]
    wide = rows.assign(_text=list(texts)).pivot_table(
        "_text", index, columns, aggfunc="first", sort=False
    )
    return wide[list(dict.fromkeys(rows[columns]))].fillna("").reset_index()


def where(table: pd.DataFrame, **conditions: Any) -> pd.DataFrame:
    """The rows in which each column has the value, or one of the list of values, named for it.

    >>> where(pd.DataFrame({"shift": ["clean", "ring"]}), shift="ring").index.tolist()
    [1]
    """
    keep = pd.Series(True, index=table.index)
    for column, value in conditions.items():
        keep &= table[column].isin(value if isinstance(value, (list, tuple)) else [value])
    return table[keep]


def scaled(rows: pd.DataFrame, factor: Any) -> pd.DataFrame:
    """Findings with value and interval times a factor, one for all or one a row."""
    return rows.assign(**{end: rows[end] * factor for end in stats.COLUMNS[:3]})


def in_points(rows: pd.DataFrame) -> pd.DataFrame:
    """Findings that are shares, or differences of shares, in points (hundredths)."""
    return scaled(rows, 100)


def learned(
    table: pd.DataFrame,
    whole: pd.DataFrame,
    chance: float,
    by: Sequence[str] = ("network",),
    value: str = "accuracy",
) -> pd.DataFrame:
    """The rows of the members that learned at all, by the column `value` of their row in `whole`.

    Members are compared with those of the same `by`; see `stats.above_chance`.
    """
    level = whole.groupby(list(by), sort=False)[value]
    above = level.transform(lambda x: stats.above_chance(x, chance)).astype(bool)
    return table.merge(whole.loc[above, [*by, "member"]])


def over_members(
    table: pd.DataFrame, by: Sequence[str], value: str, how: Estimate = stats.mean
) -> pd.DataFrame:
    """One row a condition `by`, with ``value, low, high, members`` of the column `value`.

    >>> table = pd.DataFrame({"network": ["a", "a", "b"], "accuracy": [0.9, 0.8, 1.0]})
    >>> over_members(table, ["network"], "accuracy")["members"].tolist()
    [2, 1]
    """
    groups = table.groupby(list(by), sort=False, observed=True, dropna=False)[value]
    rows = [dict(zip(by, key, strict=True)) | how(x.to_numpy()) for key, x in groups]
    return pd.DataFrame(rows, columns=[*by, *stats.COLUMNS])


def measures(
    table: pd.DataFrame,
    by: Sequence[str],
    columns: Mapping[str, tuple[str, Estimate]],
    head: str = "measure",
) -> pd.DataFrame:
    """`over_members` of several columns, one below the other: what each measures is in `head`.

    `columns` are the column and its estimate by the words for it.
    """
    parts = [
        over_members(table, by, column, how).assign(**{head: words})
        for words, (column, how) in columns.items()
    ]
    return pd.concat(parts, ignore_index=True)


def against(
    table: pd.DataFrame,
    ours: Sequence[str],
    rivals: Sequence[str],
    by: Sequence[str],
    value: str,
    how: Estimate = stats.gap,
    keep: Callable[[pd.DataFrame], Any] | None = None,
    of: str = "network",
) -> pd.DataFrame:
    """Each of `ours` less each of `rivals`, wherever both stand under the same conditions `by`.

    Parameters
    ----------
    ours, rivals
        Values of the column `of`; the rows have them as columns `of` and ``rival``.
    how
        Of the two lists of values: `stats.gap` or `stats.rate_gap`.
    keep
        Which rows of a rival count (a mask), such as those of members that learned.
    """
    rows = []
    for key, here in table.groupby(list(by), sort=False, observed=True, dropna=False):
        groups = dict(list(here.groupby(of, sort=False)))
        for a in ours:
            for b in rivals:
                if a in groups and b in groups:
                    rival = groups[b] if keep is None else groups[b][keep(groups[b])]
                    labels = dict(zip(by, key, strict=True)) | {of: a, "rival": b}
                    rows.append(labels | how(groups[a][value], rival[value]))
    return pd.DataFrame(rows, columns=[*by, of, "rival", *stats.COLUMNS])
