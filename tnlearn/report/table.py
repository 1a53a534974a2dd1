"""The tidy table: a row a member and condition, from which every claim and figure starts.

Columns say of what (network, shift, size, member, …) and what was measured (accuracy, …).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from tnlearn.report import stats

__all__ = ["Row", "against", "in_points", "learned", "measures", "over_members", "where"]

Estimate = Callable[..., dict[str, float]]
Row = dict[str, Any]  # of a table, by its columns


def where(table: pd.DataFrame, **conditions: Any) -> pd.DataFrame:
    """The rows in which each column has the value, or one of the list of values, named for it.

    >>> where(pd.DataFrame({"shift": ["clean", "ring"]}), shift="ring").index.tolist()
    [1]
    """
    keep = pd.Series(True, index=table.index)
    for column, value in conditions.items():
        keep &= table[column].isin(value if isinstance(value, (list, tuple)) else [value])
    return table[keep]


def in_points(rows: pd.DataFrame) -> pd.DataFrame:
    """Findings that are shares, or differences of shares, in points (hundredths)."""
    return rows.assign(**{end: 100 * rows[end] for end in ("value", "low", "high")})


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
