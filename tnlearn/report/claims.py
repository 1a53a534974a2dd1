"""A claim: a statement that somebody made, a table of findings that decides it, and the verdict.

A study leaves its findings and verdicts in ``results.json``; the page of claims puts those of all
studies beside the words.  Nothing is judged twice, no number is typed in, no sentence is composed.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tnlearn.report.stats import COLUMNS
from tnlearn.report.table import in_words, text

__all__ = [
    "PACKAGE",
    "PAPER",
    "SUMMARY",
    "WORDS",
    "Claim",
    "Picture",
    "Verdict",
    "above",
    "at_least",
    "below",
    "claim",
    "decided",
    "not_below",
    "paragraphs",
    "titled",
    "undecided",
]

# Where the claims of these networks were made.
PAPER = "abstract of arXiv:2509.26261"
SUMMARY = "a second summary of the same work"
PACKAGE = "this package"

SUPPORTED, DEPENDS, REFUSED = WORDS = ("supported", "depends on", "not supported")

Findings = Callable[[pd.DataFrame, Any], pd.DataFrame]
Rule = Callable[[pd.DataFrame, Any], pd.Series]
Margin = float | Callable[[Any], float]  # a number, or of a profile


def paragraphs(what: Any) -> list[str]:
    """The docstring of a function as it is printed: a line a paragraph."""
    return [" ".join(part.split()) for part in (inspect.getdoc(what) or "").split("\n\n")]


def titled(titles: Mapping[str, str], column: str, value: Any) -> str:
    """A value of a column as it is read: by its title as ``column.value`` or ``value``, if any."""
    return titles.get(f"{column}.{value}") or titles.get(value) or text(value)


@dataclass(frozen=True)
class Claim:
    """A statement and how the table of a study decides it; see `claim`.

    Attributes
    ----------
    key, words, source : str
        Its short name, the statement, and who made it.
    findings
        ``findings(table, profile)``: rows with ``value, low, high, members`` and the columns that
        say of what.
    holds
        ``holds(findings, profile)``: True, False or NA (undecided), row by row.
    measured : str
        What a finding measures.
    condition : str
        Under which conditions the verdict was reached.
    unit : str
        Of the value, such as "points"; "" for a share.
    by : str
        The column by which it is counted in how many findings the claim holds.
    """

    key: str
    words: str
    source: str
    findings: Findings
    holds: Rule
    measured: str = ""
    condition: str = ""
    unit: str = ""
    by: str = ""

    def decide(self, table: pd.DataFrame, profile: Any) -> Verdict:
        """Supported where every decided finding holds, not supported where none does."""
        rows = self.findings(table, profile).reset_index(drop=True)
        rows["holds"] = self.holds(rows, profile).astype("boolean") if len(rows) else None
        flags = rows["holds"].dropna()
        word = SUPPORTED if flags.all() else DEPENDS if flags.any() else REFUSED
        return Verdict(self, word if len(flags) else "", rows)

    def picture(self, draw: Callable[[pd.DataFrame, Any], Any]) -> Picture:
        """A figure of the findings, ``draw(findings, profile)``; none where there are none."""
        return Picture(draw, self.key)


@dataclass(frozen=True)
class Picture:
    """A figure of a study, ``draw(rows, profile)``: of the whole table, or of a claim's findings.

    The name of its file is that of the function, its caption the first paragraph of the docstring.
    """

    draw: Callable[[pd.DataFrame, Any], Any]
    claim: str = ""

    @property
    def name(self) -> str:
        """Of its file, without the ending."""
        return self.draw.__name__.replace("_", "-")

    @property
    def caption(self) -> str:
        """What it shows."""
        return paragraphs(self.draw)[0]

    def drawn(
        self, table: pd.DataFrame, profile: Any, verdicts: Mapping[str, Verdict]
    ) -> Any | None:
        """The figure, None where there is nothing to draw."""
        rows = verdicts[self.claim].rows if self.claim else table
        return self.draw(rows, profile) if len(rows) else None


@dataclass(frozen=True)
class Verdict:
    """A claim, its word ("" where nothing decides it), and its findings with the column `holds`."""

    claim: Claim
    word: str
    rows: pd.DataFrame

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """In how many of the decided findings the claim holds, by the value of the column `by`."""
        flags = self.rows[self.rows["holds"].notna()]
        groups = flags.groupby(self.claim.by, sort=False) if self.claim.by else [("", flags)]
        return {str(key): (int(rows["holds"].sum()), len(rows)) for key, rows in groups}

    @property
    def labels(self) -> list[str]:
        """The columns that say of what a finding is; flags serve the rule alone."""
        rows = self.rows.drop(columns=[*COLUMNS, "holds"], errors="ignore")
        return list(rows.select_dtypes(exclude="bool").columns)

    def record(self, titles: Mapping[str, str]) -> dict[str, Any]:
        """The verdict as ``results.json`` has it; `titles` of what the column `by` holds."""
        counts = [
            f"{titled(titles, self.claim.by, key)}: {k} of {n}".removeprefix(": ")
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
            words = {label: titled(titles, label, row[label]) for label in labels}
            yield {
                "claim": self.claim.key,
                "name": self.claim.measured,
                "network": titles.get(row.get("network", ""), row.get("network", "")),
                "data": row.get("data", data),
                **{key: _number(row[key]) for key in ("value", "low", "high")},
                "members": int(row["members"]),
                "unit": self.claim.unit,
                "condition": "; ".join(
                    f"{in_words(k)}: {word}" for k, word in words.items() if word
                ),
                "holds": None if pd.isna(row["holds"]) else bool(row["holds"]),
            }


def _number(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


# ---------------------------------------------------------------------- rules


def decided(yes: pd.Series, no: pd.Series) -> pd.Series:
    """True where `yes`, False where `no`, undecided where neither."""
    return yes.astype("boolean").where(yes | no)


def above(margin: Margin) -> Rule:
    """Holds where the whole interval is above the margin, undecided where there is none."""
    return lambda rows, p: decided(rows["low"] > _of(margin, p), rows["low"] <= _of(margin, p))


def at_least(margin: Margin) -> Rule:
    """Holds where the whole interval is at the margin or above it."""
    return lambda rows, p: decided(rows["low"] >= _of(margin, p), rows["low"] < _of(margin, p))


def below(margin: Margin) -> Rule:
    """Holds where the whole interval is below the margin, undecided where there is none."""
    return lambda rows, p: decided(rows["high"] < _of(margin, p), rows["high"] >= _of(margin, p))


def not_below(margin: Margin) -> Rule:
    """Holds where the interval is at the margin or above, not where it is below; else undecided."""
    return lambda rows, p: decided(rows["low"] >= _of(margin, p), rows["high"] < _of(margin, p))


def undecided(rows: pd.DataFrame, profile: Any) -> pd.Series:
    """Decides nothing: the findings stand on the page for the reader to judge."""
    return pd.Series(pd.NA, index=rows.index, dtype="boolean")


def _of(margin: Margin, profile: Any) -> float:
    return margin(profile) if callable(margin) else margin


def claim(
    source: str, holds: Rule = undecided, *, unit: str = "", by: str = ""
) -> Callable[[Findings], Claim]:
    """The claim of a function of findings, whose name is its key.

    The docstring says it: a paragraph the statement, one what a finding measures, and the rest
    under which conditions the verdict is reached.

    >>> @claim(PAPER, above(0.5))
    ... def accurate(table, profile):
    ...     '''Networks are right more often than not.
    ...
    ...     Accuracy.
    ...     '''
    ...     return table
    >>> accurate.key, accurate.words, accurate.measured
    ('accurate', 'Networks are right more often than not.', 'Accuracy')
    """

    def of(findings: Findings) -> Claim:
        words, measured, *rest = [*paragraphs(findings), ""]
        return Claim(
            findings.__name__.replace("_", "-"), words, source, findings, holds,
            measured.removesuffix("."), " ".join(rest).strip(), unit, by,
        )  # fmt: skip

    return of
