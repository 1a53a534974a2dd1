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
        counts, reason = np.full((len(COUNTS), classifier.members), math.nan), ""
        try:
            if len(pairs):
                known = first[:, place[pairs.index]] if pairs.from_data else None
                counts = _counts(classifier, pairs, known)
            else:
                reason = "no pair was certified"
        except TnlearnError as error:
            if pairs.after.states.cells == data.states.cells:
                raise
            reason = f"takes chains of {data.states.cells} cells only: {str(error).splitlines()[0]}"
        tables.append(_rows(pairs, counts, reason))
        step()
    return pd.concat(tables, ignore_index=True)


def _counts(classifier: Classifier, pairs: Pairs, known: Array | None) -> Array:
    """The columns `COUNTS`, (4, members); `known` are the answers before, where they are there."""
    before = classifier.answer(pairs.before) if known is None else known
    after = classifier.answer(pairs.after)
    new = after == pairs.after.windings
    alike, right = before == after, before == pairs.before.windings
    follows = new & ~alike if pairs.intervention.family == "changing" else alike
    counts = np.stack([follows, right, new, follows & right]).sum(axis=2)
    finite = np.isfinite(before).all(axis=1) & np.isfinite(after).all(axis=1)
    return np.where(finite, counts, math.nan)


def _rows(pairs: Pairs, counts: Array, reason: str) -> pd.DataFrame:
    one, members = pairs.intervention, counts.shape[1]
    once = {
        "intervention": one.name,
        **{word: getattr(one, word) for word in (*WORDS, "family", "scored")},
        **{"altered": pairs.altered, "certified": len(pairs), "refused": pairs.refused},
        **{"reason": reason, "edge_count_kept": pairs.edge_count_kept},
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
    member, family = rows["member"].to_numpy(), rows["family"].to_numpy()
    pairs = rows[[count, total]].to_numpy(float)

    def means(values: Any) -> Array:
        """Over the interventions where there is a value, then over families, of each member."""
        x = np.asarray(values)
        each = [
            [x[(member == k) & (family == f) & np.isfinite(x)] for f in dict.fromkeys(family)]
            for k in np.unique(member)
        ]
        return np.array([np.mean([y.mean() if y.size else math.nan for y in row]) for row in each])

    each = means(pairs[:, 0] / np.where(pairs[:, 1] > 0, pairs[:, 1], math.nan))
    if len(each) != 1:
        return Estimate(**stats.mean(each)), each
    shares = [stats.share(int(k), int(n)) if np.isfinite(k) else _NONE for k, n in pairs]
    low, high = (float(means([x[end] for x in shares])[0]) for end in ("low", "high"))
    return Estimate(float(each[0]), low, high, 1), each


_NONE = stats.share(0, 0)


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
