"""`tnlearn.audit`: what a classifier of states relies on, by interventions that are certified."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tnlearn.audits.certify import Pairs
from tnlearn.audits.classifiers import Classifier, adapted, known_cells, known_data
from tnlearn.audits.interventions import Intervention, resolved
from tnlearn.audits.score import Estimate, Row, finite, judged, not_asked, plain, score
from tnlearn.audits.suite import SAMPLES, Suite, drawn, suite, taken
from tnlearn.audits.tables import as_html, as_text
from tnlearn.data.dataset import Dataset
from tnlearn.errors import ConfigError, FileError, TnlearnError
from tnlearn.files import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Audit", "audit", "put"]

Array = NDArray[Any]

FORMAT = "tnlearn-audit/1"


@dataclass(frozen=True, eq=False, repr=False)
class Audit:
    """What a classifier relies on: made by `tnlearn.audit`, or read by `Audit.load`.

    Attributes
    ----------
    title : str
        Of the classifier.
    classes : tuple of int
        The windings it tells apart.
    rows : tuple of Row
        One for each intervention: see `tnlearn.audits.score.Row`.
    settings : dict
        The samples (name, cells, samples, disorder, seed) and the seed of the interventions.
    """

    title: str
    classes: tuple[int, ...]
    rows: tuple[Row, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def members(self) -> int:
        """Members of the ensemble; 1 for a single classifier."""
        return len(self.rows[0].followed)

    @property
    def score(self) -> float:
        """The score, the mean over the members; NaN without pairs of both families."""
        return self.estimate().value

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval: over the pairs for one classifier, over the members for several."""
        found = self.estimate()
        return found.low, found.high

    @property
    def scores(self) -> list[float]:
        """The score of each member."""
        return score(self.rows)[1]

    def estimate(self, *, right: bool = False, family: str | None = None) -> Estimate:
        """The score, or the mean share of one family ("preserving", "changing"), with interval.

        `right`: of the pairs to which the answer before was right.
        """
        return score(self.rows, right=right, family=family)[0]

    def __getitem__(self, name: str) -> Row:
        """The row of an intervention.  Raises `KeyError` if it is not among them."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    @property
    def table(self) -> list[dict[str, Any]]:
        """The rows as dictionaries of plain numbers and words."""
        return [row.record() for row in self.rows]

    def record(self) -> dict[str, Any]:
        """Everything as a dictionary that JSON can hold."""
        found: dict[str, Any] = {
            "format": FORMAT,
            "title": self.title,
            "classes": list(self.classes),
            "members": self.members,
            "settings": self.settings,
        }
        for key, right in (("score", False), ("score_right", True)):
            whole, each = score(self.rows, right=right)
            found[key] = {
                **plain(whole),
                "members": [finite(value) for value in each],
                "preserving": plain(self.estimate(right=right, family="preserving")),
                "changing": plain(self.estimate(right=right, family="changing")),
            }
        return {**found, "rows": self.table}

    def to_json(self) -> str:
        """Everything as JSON."""
        return json.dumps(self.record(), indent=1, allow_nan=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a JSON file, whole or not at all; `load` reads it back.

        Raises `FileError` if it cannot be written.
        """
        text = self.to_json().encode()
        replace_file(Path(path), lambda handle: handle.write(text))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Audit:
        """Read an audit written by `save`.  Raises `FileError` if it cannot be, or is none."""
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror or error}") from error
        except ValueError as error:
            raise FileError(f"{path} is no JSON: {error}") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise FileError(f"{path} is no audit written by Audit.save ({FORMAT})")
        return cls.read(found)

    @classmethod
    def read(cls, record: dict[str, Any]) -> Audit:
        """Back from `record`.  Raises `FileError` if something is missing."""
        try:
            title, classes = record["title"], tuple(record["classes"])
            rows, settings = record["rows"], record["settings"]
        except (KeyError, TypeError) as error:
            raise FileError(f"this is no audit: {error}") from error
        return cls(title, classes, tuple(Row.read(row) for row in rows), settings)

    @classmethod
    def joined(cls, parts: Sequence[Audit]) -> Audit:
        """The audits of some members each, on the same pairs, as one of all members.

        Raises `ConfigError` if they are not of the same pairs.
        """
        first = parts[0]
        for part in parts[1:]:
            same = len(part.rows) == len(first.rows) and all(
                (a.name, a.certified, a.refused) == (b.name, b.certified, b.refused)
                for a, b in zip(part.rows, first.rows, strict=True)
            )
            if not same or part.settings != first.settings:
                raise ConfigError("these audits are not of the same certified pairs")
        rows = []
        for number, row in enumerate(first.rows):
            joined: dict[str, Any] = {
                name: tuple(k for part in parts for k in getattr(part.rows[number], name))
                for name in ("followed", "right_before", "right_after", "followed_right")
            }
            rows.append(replace(row, **joined))
        return cls(first.title, first.classes, tuple(rows), first.settings)

    def draw(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """The picture: for each intervention the share of pairs that follow the invariant.

        Written to `path` (.png, .svg or .pdf) if one is given.  Raises `FileError` or
        `UnknownNameError` if it cannot be.
        """
        from tnlearn.report.audit_figure import draw_audit

        made: Figure = draw_audit(self.record(), None if path is None else Path(path))
        return made

    def __str__(self) -> str:
        return as_text(self)

    def __repr__(self) -> str:
        low, high = self.interval
        return f"Audit({self.title}: score {self.score:.3f} [{low:.3f}, {high:.3f}])"

    def _repr_html_(self) -> str:
        return as_html(self)


def audit(
    classifier: Any,
    data: Dataset | None = None,
    *,
    cells: int | None = None,
    dataset: str | None = None,
    samples: int | None = None,
    classes: Sequence[int] | None = None,
    interventions: Iterable[str | Intervention] | None = None,
    seed: int = 0,
    inputs: str = "auto",
    answers: str = "auto",
    title: str | None = None,
    progress: bool = True,
) -> Audit:
    """What a classifier of states relies on: the invariant, or what goes with it.

    Samples are altered in ways that leave their winding number alone but not what is
    correlated with it (edge states, gauge, states near zero energy), and in ways that
    change the winding number and leave those alone.  The winding number of every altered
    sample is recomputed from its own chain, and only pairs that are certified count.

    >>> exact = tnl.rswn(20)
    >>> print(tnl.audit(exact))
    >>> tnl.audit(lambda states: np.ones(len(states))).score
    0.5

    Parameters
    ----------
    classifier
        - a `Fitted` (every member is asked) or a `Network`;
        - a torch module that takes (u, v), or one tensor, stacked (samples, 2, states, cells)
          or flat (samples, 2 · states · cells);
        - an object of the kind of scikit-learn: `predict(X)` with X flat, and `classes_`;
        - a function of `States`;
        - a list of these, as the members of an ensemble.

        It gives scores (samples, classes), of which the largest counts, or one winding number
        a sample; a real one is rounded.
    data : Dataset, optional
        Samples on open chains.  Drawn unless given, from a stream of their own: they are none
        of those of `tnlearn.dataset` with a small seed.
    cells : int, optional
        Of the chains that are drawn: what the classifier takes if it says so, else 20.
    dataset : str, optional
        What is drawn: that which the ensemble was trained on, else "extended".
    samples : int, optional
        How many are drawn, or taken of `data`: 500, or all of `data`.
    classes : sequence of int, optional
        The winding of each column of the scores, or of each class of an estimator; the classes
        of the data set unless given.
    interventions : sequence of str or `Intervention`, optional
        Some of `tnlearn.audits.interventions.INTERVENTIONS`, or your own; all of them unless
        given.  `edge-removed` changes the number of cells and is not scored.
    seed : int
        Of the samples and of what the interventions draw.
    inputs : "auto" | "states" | "dataset" | "uv" | "stacked" | "flat"
        What the classifier is called with.  "auto": a function gets `States`, an estimator a
        flat array, a torch module the first that it takes of (u, v), stacked, flat.  One array
        is real: of complex states the real and imaginary parts of u, then of v.
    answers : "auto" | "windings" | "indices" | "scores"
        What it gives; "auto": two dimensions are scores, one is windings.
    title : str, optional
        Its name in the table.
    progress : bool
        A bar on stderr.

    Returns
    -------
    Audit
        Prints as a table; `score`, `rows`, `draw`, `save`.

    Raises
    ------
    ConfigError, ShapeError, NotFiniteError, UnknownNameError
        If the classifier is of none of these kinds, does not take these samples, gives another
        shape, NaN or an unknown class, or its classes are not known; if the samples are no open
        chains, or none of them is clear.

    Source: docs/audit.md for the interventions and the score; docs/physics.md for the winding.
    """
    if data is None:
        known = known_cells(classifier) or 20
        data = drawn(
            dataset or known_data(classifier) or "extended",
            known if cells is None else cells,
            SAMPLES if samples is None else samples,
            seed,
        )
    elif cells is not None or dataset is not None:
        raise ConfigError("cells and dataset say what is drawn: leave them out where data is given")
    else:
        data = taken(data, samples)
    asked = adapted(classifier, data, classes=classes, inputs=inputs, answers=answers, title=title)
    chosen = resolved(interventions)
    bar = tqdm(total=2 * len(chosen), unit="step", disable=not progress)
    with contextlib.closing(bar):
        questions = suite(data, asked.classes, chosen, seed, bar.update)
        return put(asked, questions, bar.update)


def put(asked: Classifier, questions: Suite, step: Callable[[], Any] = lambda: None) -> Audit:
    """Put the questions to a classifier.

    Parameters
    ----------
    asked : Classifier
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
    first = asked.answer(data[index])
    rows = []
    for pairs in questions.pairs:
        rows.append(_row(asked, pairs, first[:, place[pairs.index]], data.states.cells))
        step()
    return Audit(asked.title, asked.classes, tuple(rows), questions.settings())


def _row(asked: Classifier, pairs: Pairs, first: Array, cells: int) -> Row:
    if not len(pairs):
        nothing = np.empty((asked.members, 0))
        return judged(pairs, nothing, nothing)
    before = first if pairs.own else asked.answer(pairs.before)
    try:
        return judged(pairs, before, asked.answer(pairs.after))
    except TnlearnError as error:
        if pairs.after.states.cells == cells:
            raise
        reason = f"takes chains of {cells} cells only: {str(error).splitlines()[0]}"
        return not_asked(pairs, asked.members, reason)
