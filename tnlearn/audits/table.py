"""A table of answers, a row an intervention and member, and the shares that a score is made of.

On a pair an answer *follows* if, where the winding stands, it is the same before and after, and
where the winding changes, it changes to the new one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tnlearn.audits.certify import Pairs, Suite
from tnlearn.audits.classifiers import Classifier
from tnlearn.errors import TnlearnError
from tnlearn.report import stats

__all__ = ["COUNTS", "PAIRS", "WORDS", "Estimate", "Row", "ask", "mean_share", "of_right"]

Array = NDArray[Any]

# Columns of the table: what the intervention is, how many pairs, how many answers.
WORDS = ["title", "changes", "keeps"]
PAIRS = ["family", "scored", "altered", "certified", "refused", "reason", "edge_count_kept"]
COUNTS = ["followed", "right_before", "right_after", "followed_right"]


def ask(
    classifier: Classifier, questions: Suite, step: Callable[[], Any] = lambda: None
) -> pd.DataFrame:
    """Put the questions to a classifier: a row an intervention and member, as `Audit.table`.

    Parameters
    ----------
    classifier : Classifier
        As `tnlearn.audits.classifiers.adapted` makes it.
    questions : Suite
        Certified for its classes.
    step : callable
        Called after each intervention.

    Raises
    ------
    ConfigError, ShapeError, NotFiniteError, UnknownNameError
        If the classifier fails, or gives what cannot be read.
    """
    data, index = questions.data, questions.usable
    place = np.full(len(data), -1)
    place[index] = np.arange(len(index))
    first = classifier.answer(data[index], certified=True)
    tables = []
    for pairs in questions.pairs:
        tables.append(_answers(classifier, pairs, first[:, place[pairs.index]], data.states.cells))
        step()
    return pd.concat(tables, ignore_index=True)


def _answers(classifier: Classifier, pairs: Pairs, before: Array, cells: int) -> pd.DataFrame:
    """The rows of one intervention; without counts where it is of a length that is not taken."""
    if not len(pairs):
        return _rows(pairs, np.full((4, classifier.members), math.nan), "no pair was certified")
    try:
        if not pairs.from_data:
            before = classifier.answer(pairs.before)
        return _rows(pairs, _counts(pairs, before, classifier.answer(pairs.after)))
    except TnlearnError as error:
        if pairs.after.states.cells == cells:
            raise
        reason = f"takes chains of {cells} cells only: {str(error).splitlines()[0]}"
        return _rows(pairs, np.full((4, classifier.members), math.nan), reason)


def _counts(pairs: Pairs, before: Array, after: Array) -> Array:
    """The columns `COUNTS`, (4, members), from the answers as windings, (members, pairs)."""
    old, new = pairs.before.windings, pairs.after.windings
    alike, right = before == after, before == old
    changing = pairs.intervention.family == "changing"
    follows = (after == new) & ~alike if changing else alike
    counts = np.stack([follows, right, after == new, follows & right]).sum(axis=2)
    finite = np.isfinite(before).all(axis=1) & np.isfinite(after).all(axis=1)
    return np.where(finite, counts, math.nan)


def _rows(pairs: Pairs, counts: Array, reason: str = "") -> pd.DataFrame:
    intervention, members = pairs.intervention, counts.shape[1]
    once = {
        "intervention": intervention.name,
        "title": intervention.title,
        "changes": intervention.changes,
        "keeps": intervention.keeps,
        "family": intervention.family,
        "scored": intervention.scored,
        "altered": pairs.altered,
        "certified": len(pairs),
        "refused": pairs.refused,
        "reason": reason,
        "edge_count_kept": pairs.edge_count_kept,
    }
    each = {"member": range(members)} | dict(zip(COUNTS, counts, strict=True))
    return pd.DataFrame({key: [value] * members for key, value in once.items()} | each)


class Estimate(NamedTuple):
    """A share with its 95 % interval, NaN where it does not exist, and the members it rests on.

    For one classifier Wilson's interval over the pairs; for an ensemble Student's over the
    members, on the same pairs.
    """

    value: float
    low: float
    high: float
    members: int


def mean_share(
    rows: pd.DataFrame, count: str = "followed", total: str = "certified"
) -> tuple[Estimate, Array]:
    """Mean share over the interventions of each family, and over the families, with its interval.

    Of one classifier the ends of the interval are the same means of the ends of Wilson's.  Pairs
    of different interventions are made of the same samples, and this holds 95 % or more however
    they depend on one another.

    Parameters
    ----------
    rows
        Of a table of answers: a row an intervention and member.
    count, total
        The columns whose ratio is the share; rows without a total are left out of the means.

    Returns
    -------
    (Estimate, (members,) float array)
        And the mean share of each member.
    """
    pairs = rows[[count, total]].to_numpy(float)
    shares = pairs[:, 0] / np.where(pairs[:, 1] > 0, pairs[:, 1], math.nan)
    each = _means(rows, shares)
    if len(each) != 1:
        return Estimate(**stats.mean(each)), each
    asked = [(int(k), int(n)) if np.isfinite(k) else (0, 0) for k, n in pairs]
    ends = [stats.share(k, n) for k, n in asked]
    low, high = (float(_means(rows, [end[key] for end in ends])[0]) for key in ("low", "high"))
    return Estimate(float(each[0]), low, high, 1), each


def _means(rows: pd.DataFrame, values: Any) -> Array:
    """Mean over the interventions where it is finite, then over families, of each member."""
    member, family, values = rows["member"], rows["family"], np.asarray(values, dtype=float)
    means = [
        [values[(member == k) & (family == f) & np.isfinite(values)] for f in family.unique()]
        for k in np.unique(member)
    ]
    each = np.array([[x.mean() if x.size else math.nan for x in row] for row in means])
    return np.asarray(each.mean(axis=1))


@dataclass(frozen=True, eq=False)
class Row:
    """One intervention of an audit: its rows of the table, one a member.

    Every column of the table is an attribute: what is of the intervention (`title`, `family`,
    `certified`, `refused`, `edge_count_kept`, …) as it is, the counts as tuples over members.
    """

    rows: pd.DataFrame

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self.rows.columns:
            raise AttributeError(name)
        values = self.rows[name].tolist()
        return tuple(values) if name in (*COUNTS, "member") else values[0]

    def estimate(self, *, right: bool = False) -> Estimate:
        """Share of the pairs on which the answer followed; `right`: that were right before."""
        return mean_share(self.rows, *of_right(right))[0]

    def accuracy(self, when: str) -> Estimate:
        """Share of right answers "before" or "after"."""
        return mean_share(self.rows, f"right_{when}")[0]


def of_right(right: bool) -> tuple[str, str]:
    """The columns of `mean_share`: of all pairs, or of those that were right before."""
    return ("followed_right", "right_before") if right else ("followed", "certified")
