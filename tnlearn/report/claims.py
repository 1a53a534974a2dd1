"""A claim: a statement that somebody made, a table of findings that decides it, and the verdict.

A study leaves its findings and verdicts in ``results.json``; the page of claims puts those of all
studies beside the words.  Nothing is judged twice, no number is typed in, no sentence is composed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tnlearn.report.stats import COLUMNS

__all__ = [
    "PACKAGE",
    "PAPER",
    "SUMMARY",
    "WORDS",
    "Claim",
    "Verdict",
    "above",
    "at_least",
    "below",
    "in_words",
    "not_below",
    "undecided",
]

# Where the claims of these networks were made.
PAPER = "abstract of arXiv:2509.26261"
SUMMARY = "a second summary of the same work"
PACKAGE = "this package"

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

SUPPORTED, DEPENDS, REFUSED = WORDS = ("supported", "depends on", "not supported")

Findings = Callable[[pd.DataFrame, Any], pd.DataFrame]
Rule = Callable[[pd.DataFrame, Any], pd.Series]


@dataclass(frozen=True)
class Claim:
    """A statement and how the table of a study decides it.

    Attributes
    ----------
    key, words, source : str
        Its short name, the statement, and who made it.
    measured : str
        What a finding measures, such as "accuracy less that of a rival".
    findings
        ``findings(table, profile)``: rows with ``value, low, high, members`` and the columns that
        say of what.
    holds
        ``holds(findings, profile)``: True, False or NA (undecided), row by row.
    unit : str
        Of the value, such as "points"; "" for a share.
    condition : str
        One sentence: under which conditions the verdict was reached.
    by : str
        The column by which it is counted in how many findings the claim holds.
    """

    key: str
    words: str
    source: str
    measured: str
    findings: Findings
    holds: Rule
    unit: str = ""
    condition: str = ""
    by: str = ""

    def decide(self, table: pd.DataFrame, profile: Any) -> Verdict:
        """Supported where every decided finding holds, not supported where none does."""
        rows = self.findings(table, profile).reset_index(drop=True)
        if rows.empty:
            return Verdict(self, "", rows.reindex(columns=[*rows.columns, "holds"]))
        rows["holds"] = self.holds(rows, profile).astype("boolean")
        decided = rows["holds"].dropna()
        if decided.empty:
            return Verdict(self, "", rows)
        return Verdict(
            self, SUPPORTED if decided.all() else DEPENDS if decided.any() else REFUSED, rows
        )


@dataclass(frozen=True)
class Verdict:
    """A claim, its word ("" where nothing decides it), and its findings with the column `holds`."""

    claim: Claim
    word: str
    rows: pd.DataFrame

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """In how many of the decided findings the claim holds, by the value of the column `by`."""
        decided = self.rows[self.rows["holds"].notna()]
        groups = decided.groupby(self.claim.by, sort=False) if self.claim.by else [("", decided)]
        return {str(key): (int(rows["holds"].sum()), len(rows)) for key, rows in groups}

    @property
    def labels(self) -> list[str]:
        """The columns that say of what a finding is; flags serve the rule alone."""
        rows = self.rows.drop(columns=[*COLUMNS, "holds"], errors="ignore")
        return list(rows.select_dtypes(exclude="bool").columns)

    def record(self, titles: Mapping[str, str]) -> dict[str, Any]:
        """The verdict as ``results.json`` has it; `titles` of what the column `by` holds."""
        counts = [
            f"{titles.get(key, key)}: {k} of {n}".removeprefix(": ")
            for key, (k, n) in self.counts.items()
        ]
        return {
            "claim": self.claim.key,
            "words": self.claim.words,
            "source": self.claim.source,
            "verdict": self.word,
            "holds": "; ".join(counts),
            "condition": self.claim.condition,
        }

    def records(self, titles: Mapping[str, str], data: str = "") -> Iterator[dict[str, Any]]:
        """The findings as ``results.json`` has them; `titles` of networks, shifts and the like."""
        labels = [label for label in self.labels if label not in ("data", "network")]
        for row in self.rows.to_dict("records"):
            conditions = [
                f"{in_words(label)}: {titles.get(row[label], text(row[label]))}"
                for label in labels
                if _there(row[label])
            ]
            yield {
                "claim": self.claim.key,
                "name": self.claim.measured,
                "network": titles.get(row.get("network", ""), row.get("network", "")),
                "data": row.get("data", data),
                **{key: _number(row[key]) for key in ("value", "low", "high")},
                "members": int(row["members"]),
                "unit": self.claim.unit,
                "condition": "; ".join(conditions),
                "holds": None if pd.isna(row["holds"]) else bool(row["holds"]),
            }


def above(margin: Callable[[Any], float]) -> Rule:
    """Holds where the whole interval is above the margin, undecided where there is none."""
    return lambda rows, p: (rows["low"] > margin(p)).astype("boolean").where(rows["low"].notna())


def at_least(margin: Callable[[Any], float]) -> Rule:
    """Holds where the whole interval is at the margin or above it."""
    return lambda rows, p: (rows["low"] >= margin(p)).astype("boolean").where(rows["low"].notna())


def below(margin: Callable[[Any], float]) -> Rule:
    """Holds where the whole interval is below the margin, undecided where there is none."""
    return lambda rows, p: (rows["high"] < margin(p)).astype("boolean").where(rows["high"].notna())


def not_below(margin: Callable[[Any], float]) -> Rule:
    """Holds where the interval is at the margin or above, not where it is below; else undecided."""

    def holds(rows: pd.DataFrame, p: Any) -> pd.Series:
        above = (rows["low"] >= margin(p)).astype("boolean")
        return above.where(above | (rows["high"] < margin(p)))

    return holds


def undecided(rows: pd.DataFrame, profile: Any) -> pd.Series:
    """Decides nothing: the findings stand on the page for the reader to judge."""
    return pd.Series(pd.NA, index=rows.index, dtype="boolean")


def in_words(head: Any) -> str:
    """The head of a column as it is read.

    >>> in_words("size"), in_words("trained_at")
    ('training chains', 'trained at')
    """
    return HEADS.get(head, str(head).replace("_", " "))


def text(value: Any) -> str:
    """A label of a condition as it is read: ``4,000``, ``0.5``, ``disorder-0.5``."""
    if isinstance(value, float):
        return f"{value:,.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _there(value: Any) -> bool:
    return not (value is None or value is pd.NA or value == "" or value != value)


def _number(value: Any) -> float | None:
    return float(value) if _there(value) and math.isfinite(value) else None
