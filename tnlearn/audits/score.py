"""Shares of the certified pairs on which an answer follows the invariant, and the score.

On a pair an answer *follows* if, where the winding stands, it is the same before and after,
and where the winding changes, it changes to the new one.  With s_i the share of the
certified pairs of intervention i,

    score = ½ ⟨s_i⟩ over the preserving interventions + ½ ⟨s_i⟩ over the changing ones,

each intervention counting once, however many pairs it has.  So what follows the winding
of each sample scores 1, and what gives one answer to all scores ½.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.audits.certify import Pairs
from tnlearn.audits.interventions import Intervention
from tnlearn.audits.proxies import edge_count
from tnlearn.errors import FileError

__all__ = ["Estimate", "Row", "finite", "judged", "mean_share", "not_asked", "plain", "score"]

Array = NDArray[Any]
Counts = tuple[int | None, ...]

# The two families that the score weighs alike.
_WEIGHED = ("preserving", "changing")


@dataclass(frozen=True)
class Estimate:
    """A share with its 95 % interval; NaN where it does not exist.

    For one classifier Wilson's interval over the pairs; for an ensemble Student's over the
    members, on the same pairs.
    """

    value: float
    low: float
    high: float


_NOTHING = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Row:
    """One intervention: what was certified, and how each member answered.

    Attributes
    ----------
    name, title, family, scored, changes, keeps
        Of the intervention.
    made, certified : int
        Pairs made, and of them certified.
    refused : dict of str to int
        Why the others were not.
    reason : str
        Why there is no answer to the certified pairs, if there is none.
    followed : tuple of int or None
        Of each member, on how many certified pairs its answer followed the invariant; for
        an ablation, on how many it stayed.  None for a member without finite answers.
    right_before, right_after, followed_right : tuple of int or None
        On how many its answer before, after, was right; and on how many of those that
        were right before it followed.
    edge_count_kept : float
        Share of the certified pairs on which the counted edge states (`edge_count`) are as
        many after as before: what the intervention does to the proxy.
    """

    name: str
    title: str
    family: str
    scored: bool
    changes: str
    keeps: str
    made: int
    certified: int
    refused: dict[str, int]
    reason: str
    followed: Counts
    right_before: Counts
    right_after: Counts
    followed_right: Counts
    edge_count_kept: float

    def shares(self, *, right: bool = False) -> list[float]:
        """Share of the pairs on which each member followed, NaN where it has none.

        `right`: of the pairs to which its answer before was right.
        """
        if right:
            return [
                _share(k, n) for k, n in zip(self.followed_right, self.right_before, strict=True)
            ]
        return [_share(k, self.certified) for k in self.followed]

    def estimate(self, *, right: bool = False) -> Estimate:
        """That share over the members, with its interval."""
        totals = self.right_before if right else [self.certified] * len(self.followed)
        return _estimate(self.followed_right if right else self.followed, totals)

    def accuracy(self, when: str) -> Estimate:
        """Share of right answers "before" or "after"."""
        counts = self.right_before if when == "before" else self.right_after
        return _estimate(counts, [self.certified] * len(counts))

    def record(self) -> dict[str, Any]:
        """Everything, as JSON holds it: NaN as None."""
        found = asdict(self)
        found["edge_count_kept"] = finite(self.edge_count_kept)
        for key, right in (("follows", False), ("follows_right", True)):
            found[key] = plain(self.estimate(right=right))
        found["accuracy_before"] = plain(self.accuracy("before"))
        found["accuracy_after"] = plain(self.accuracy("after"))
        return found

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Row:
        """Back from `record`.  Raises `FileError` if something is missing."""
        try:
            values = {name: record[name] for name in cls.__dataclass_fields__}
            for name in ("followed", "right_before", "right_after", "followed_right"):
                values[name] = tuple(values[name])
        except (KeyError, TypeError) as error:
            raise FileError(f"this is no row of an audit: {error}") from error
        if values["edge_count_kept"] is None:
            values["edge_count_kept"] = math.nan
        return cls(**values)


def judged(pairs: Pairs, before: Array, after: Array) -> Row:
    """The row of an intervention from the answers to its certified pairs.

    Parameters
    ----------
    pairs : Pairs
    before, after : (members, pairs) float arrays
        Answers as windings; NaN in a member's row if it has none.
    """
    old, new = pairs.before.windings, pairs.after.windings
    alike = before == after
    changing = pairs.intervention.family == "changing"
    follows = (after == new) & ~alike if changing else alike
    right = before == old
    answers: Array = np.isfinite(np.concatenate([before, after], axis=1)).all(axis=1)

    def counts(found: Array) -> Counts:
        numbers = found.sum(axis=1)
        return tuple(int(k) if answers[i] else None for i, k in enumerate(numbers))

    return _row(
        pairs,
        "" if len(pairs) else "no pair was certified",
        (counts(follows), counts(right), counts(after == new), counts(follows & right)),
    )


def not_asked(pairs: Pairs, members: int, reason: str) -> Row:
    """The row of an intervention whose altered chains the classifier does not take."""
    return _row(pairs, reason, ((None,) * members,) * 4)


def _row(pairs: Pairs, reason: str, counts: tuple[Counts, Counts, Counts, Counts]) -> Row:
    what: Intervention = pairs.intervention
    kept = math.nan
    if len(pairs):
        same = edge_count(pairs.before.states) == edge_count(pairs.after.states)
        kept = float(same.mean())
    followed, before, after, of_right = counts
    return Row(
        what.name,
        what.title,
        what.family,
        what.scored,
        what.changes,
        what.keeps,
        pairs.made,
        len(pairs),
        dict(pairs.refused),
        reason,
        followed,
        before,
        after,
        of_right,
        kept,
    )


def score(
    rows: Sequence[Row], *, right: bool = False, family: str | None = None
) -> tuple[Estimate, list[float]]:
    """The score, or the mean share of one family: with its interval, and for each member.

    As `mean_share` of the scored rows of each family; the two families count alike.  NaN where
    a family has no certified pair: there is no score without both.
    """
    families = _WEIGHED if family is None else (family,)
    groups = [[row for row in rows if row.family == name and row.scored] for name in families]
    return mean_share(*groups, right=right)


def mean_share(*groups: Sequence[Row], right: bool = False) -> tuple[Estimate, list[float]]:
    """Mean share over the rows of each group, and over the groups: (estimate, of each member).

    One classifier: the ends of the interval are the same means of the ends of Wilson's
    intervals.  Pairs of different interventions are made of the same samples, and this holds 95 %
    or more however they depend on one another.  Ensembles: Student's interval over the members.

    Rows in which a member has no pair (with `right`: was never right) are left out of its means;
    NaN where none of a group is left.
    """
    from tnlearn.report.statistics import summary

    members = max((len(row.followed) for group in groups for row in group), default=0)
    means, ends = [], []
    for group in groups:
        used = [row for row in group if row.certified]
        if not used:
            return _NOTHING, [math.nan] * members
        means.append(_mean([row.shares(right=right) for row in used]))
        found = [row.estimate(right=right) for row in used]
        ends.append(_mean([[one.low, one.high] for one in found]))
    each = np.mean(means, axis=0)
    if members > 1:
        whole = summary(each)
        return Estimate(whole.mean, whole.low, whole.high), each.tolist()
    low, high = np.mean(ends, axis=0)
    return Estimate(float(each[0]), float(low), float(high)), each.tolist()


def _mean(table: Sequence[Sequence[float]]) -> Array:
    """Mean of each column over the rows where it is finite; NaN where it nowhere is."""
    values = np.asarray(table, dtype=np.float64)
    there = np.isfinite(values)
    count = there.sum(axis=0)
    total = np.where(there, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), math.nan)


def _estimate(counts: Sequence[int | None], totals: Sequence[int | None]) -> Estimate:
    from tnlearn.report.statistics import summary, wilson

    if len(counts) == 1:
        k, n = counts[0], totals[0]
        if k is None or not n:
            return _NOTHING
        return Estimate(k / n, *wilson(k, n))
    found = summary([_share(k, n) for k, n in zip(counts, totals, strict=True)])
    return Estimate(found.mean, found.low, found.high)


def _share(count: int | None, total: int | None) -> float:
    return math.nan if count is None or not total else count / total


def finite(value: float) -> float | None:
    """The number, or None where it is NaN or infinite: as JSON holds it."""
    return value if math.isfinite(value) else None


def plain(found: Estimate) -> dict[str, float | None]:
    """An estimate as JSON holds it."""
    return {key: finite(value) for key, value in asdict(found).items()}
