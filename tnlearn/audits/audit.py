"""`tnlearn.audit`: what a classifier of states relies on, by interventions that are certified.

With s_i the share of the certified pairs of intervention i on which the answer follows,

    score = ½ ⟨s_i⟩ over the preserving interventions + ½ ⟨s_i⟩ over the changing ones,

each intervention counting once, however many pairs it has.  So what follows the winding of each
sample scores 1, and what gives one answer to all scores ½.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tnlearn.audits.certify import SAMPLES, first_samples, sample_set, suite
from tnlearn.audits.classifiers import adapted, known_cells, known_data
from tnlearn.audits.interventions import Intervention, resolved
from tnlearn.audits.table import COUNTS, PAIRS, WORDS, Estimate, Row, ask, mean_share, of_right
from tnlearn.data.dataset import Dataset
from tnlearn.errors import ConfigError, FileError
from tnlearn.files import parsing, read_json, replace_file
from tnlearn.lab.results import columns_of, table_of
from tnlearn.physics.chains import Chains
from tnlearn.progress import tqdm
from tnlearn.shown import Shown

if TYPE_CHECKING:
    pass

__all__ = ["Audit", "audit"]

FORMAT = "tnlearn-audit/2"
HEADINGS = {
    "preserving": "The winding number stands: does the answer stay?",
    "changing": "The winding number changes: does the answer follow?",
    "ablation": "States blanked out, not scored: does the answer stay?",
}
NOTES = """\
certified: pairs whose windings, recomputed from the chains, are as claimed and clear, of
the pairs altered. if right: of the certified pairs answered rightly before. edge: share of
them with as many counted edge states after as before. score: mean of the preserving and
the changing rows, each family counting half; 0.5 for a constant answer. *: not scored."""


@dataclass(frozen=True, eq=False, repr=False)
class Audit(Shown):
    """What a classifier relies on: made by `tnlearn.audit`, or read by `Audit.load`.

    Attributes
    ----------
    title : str
        Of the classifier.
    classes : tuple of int
        The windings it tells apart.
    table : DataFrame
        A row an intervention and member.  `intervention`, `title`, `family`, `scored`, `changes`
        and `keeps` are its own; pairs `altered`, `certified` and `refused` (reasons and how many);
        `reason` why there is no answer, if there is none; `edge_count_kept`, the share of the
        certified pairs with as many counted edge states after as before.  Then, of the certified
        pairs, on how many the member's answer `followed` (of an ablation: stayed), was right,
        `right_before` and `right_after`, and followed of those that were right before,
        `followed_right`: NaN for a member without finite answers.
    settings : dict
        The samples (name, cells, samples, disorder, seed) and the seed of the interventions.
    """

    title: str
    classes: tuple[int, ...]
    table: pd.DataFrame
    settings: dict[str, Any]

    @property
    def members(self) -> int:
        """Members of the ensemble; 1 for a single classifier."""
        return int(self.table["member"].nunique())

    @property
    def rows(self) -> list[Row]:
        """The interventions one by one."""
        return [Row(rows) for _, rows in self.table.groupby("intervention", sort=False)]

    def __getitem__(self, name: str) -> Row:
        """The row of an intervention.  Raises `KeyError` if it is not among them."""
        rows = self.table[self.table["intervention"] == name]
        if rows.empty:
            raise KeyError(name)
        return Row(rows)

    def estimate(self, *, right: bool = False, family: str | None = None) -> Estimate:
        """The score, or the mean share of one family ("preserving", "changing"), with interval.

        `right`: of the pairs to which the answer before was right.  NaN without pairs of it.
        """
        return self._score(right, family)[0]

    def _score(self, right: bool = False, family: str | None = None) -> tuple[Estimate, Any]:
        families = ["preserving", "changing"] if family is None else [family]
        rows = self.table[self.table["family"].isin(families) & self.table["scored"]]
        rows = rows[rows["certified"] > 0]
        if set(rows["family"]) != set(families):
            nothing = np.full(self.members, math.nan)
            return Estimate(math.nan, math.nan, math.nan, 0), nothing
        return mean_share(rows, *of_right(right))

    @property
    def score(self) -> float:
        """The score, the mean over the members; NaN without pairs of both families."""
        return self.estimate().value

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval: over the pairs for one classifier, over the members for several."""
        return self.estimate()[1:3]

    @property
    def scores(self) -> list[float]:
        """The score of each member."""
        return [float(value) for value in self._score()[1]]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a JSON file, whole or not at all; `load` reads it back.

        Raises `FileError` if it cannot be written.
        """
        once = self.table[["intervention", *WORDS, *PAIRS]].drop_duplicates("intervention")
        record = {
            "format": FORMAT,
            "title": self.title,
            "classes": list(self.classes),
            "settings": self.settings,
            "interventions": columns_of(once),
            "answers": columns_of(self.table[["intervention", "member", *COUNTS]]),
        }
        text = json.dumps(record, indent=1, allow_nan=False).encode()
        replace_file(Path(path), lambda stream: stream.write(text))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Audit:
        """Read an audit written by `save`.  Raises `FileError` if it cannot be, or is none."""
        what = f"an audit written by Audit.save ({FORMAT})"
        record = read_json(Path(path), what)
        with parsing(path, what):
            if record["format"] != FORMAT:
                raise FileError(f"{path} is not {what}")
            once = table_of(record["interventions"])[["intervention", *WORDS, *PAIRS]]
            answers = table_of(record["answers"])[["intervention", "member", *COUNTS]]
            table = once.merge(answers, "left", on="intervention", validate="1:m")
            one = cls(record["title"], tuple(record["classes"]), table, dict(record["settings"]))
            str(one)  # what cannot be said of it is not in it
            return one

    def draw(self, path: str | os.PathLike[str] | None = None, *, ax: Any = None) -> Any:
        """The picture: for each intervention the share of pairs that follow the invariant.

        Filled: of all certified pairs, hollow: of those that were answered rightly before; with
        95 % intervals.  Written to `path` (.png, .svg or .pdf) if one is given; raises
        `FileError` or `UnknownNameError` if it cannot be.  Returns the axes it was drawn on, `ax`
        or those of a figure of its own.
        """
        from tnlearn.look import BLACK, COLOURS, GREY, write_figure
        from tnlearn.report.figures import dots

        rightly = "pairs answered rightly before"
        points = []
        for row in self.rows:
            label = f"{_title(row)} ({row.certified:,}{_why(row, '; ')})"
            for kind, right in ((HEADINGS[row.family], False), (rightly, True)):
                points.append({"row": label, "kind": kind} | row.estimate(right=right)._asdict())
        kinds = zip(HEADINGS.values(), (COLOURS[0], COLOURS[1], GREY), "os^", strict=True)
        styles: dict[str, dict[str, Any]] = {k: {"color": c, "marker": m} for k, c, m in kinds}
        styles[rightly] = {"color": BLACK, "marker": "D", "markerfacecolor": "none"}
        figure = dots(
            pd.DataFrame(points),
            "row",
            dot="kind",
            label="share of the certified pairs (how many, in brackets) that follow; *: not scored",
            styles=styles,
            limits=(-0.02, 1.02),
            ax=ax,
        )
        members = "" if self.members == 1 else f", {self.members} members"
        words = f"{self.title}{members}: score {_text(self.estimate())}; a constant answer has 0.5"
        figure.axes[0].set_title(words) if ax is None else ax.set_title(words)
        if path is not None:
            write_figure(figure, Path(path))
        return figure.axes[0] if ax is None else ax

    def _shown(self) -> pd.DataFrame:
        """What is printed: a row an intervention below the heading of its family."""
        lines = {}
        for row in self.rows:
            follows, right = row.estimate(), row.estimate(right=True)
            lines[HEADINGS[row.family], _title(row)] = {
                "certified": f"{row.certified}/{row.altered}",
                "follows": _text(follows),
                "if right": _number(right.value),
                "edge": _number(row.edge_count_kept, 2),
            }
        return pd.DataFrame.from_dict(lines, orient="index")

    def __str__(self) -> str:
        members = "" if self.members == 1 else f", {self.members} members"
        settings = self.settings
        parts = [
            f"Audit of {self.title}{members}: {settings.get('samples')} chains of "
            f"{settings.get('name')!r}, {settings.get('cells')} cells"
        ]
        shown = self._shown()
        for heading in HEADINGS.values():
            if heading in shown.index:
                parts.append(f"{heading}\n{shown.loc[heading].to_string()}")
        reasons = [f"{_title(row)}: {_why(row)}" for row in self.rows if row.reason]
        return "\n\n".join([*parts, *reasons, self._scores(), NOTES])

    def _scores(self) -> str:
        lines = []
        for name, right in (("score", False), ("score, answers right before", True)):
            parts = [
                f"{family} {_number(self.estimate(right=right, family=family).value)}"
                for family in ("preserving", "changing")
            ]
            lines.append(f"{name}: {_text(self.estimate(right=right))}   ({', '.join(parts)})")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Audit({self.title}: score {_text(self.estimate())})"

    def _facts(self) -> dict[str, str]:
        scores = dict(line.split(": ", 1) for line in self._scores().splitlines())
        members = {"members": str(self.members)} if self.members > 1 else {}
        return {"of": self.title, **members, **scores, "interventions": str(len(self.rows))}

    def _sketch(self) -> Any:
        return self.draw()


def audit(
    classifier: Any,
    data: Dataset | Chains | None = None,
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
    data : Dataset or Chains, optional
        Samples on open chains; bare chains as `Dataset.from_chains` labels them.  Drawn unless
        given, from a stream of their own: they are none of those of `tnlearn.dataset` with a
        small seed.
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
    answers : "auto" | "windings" | "indices" | "scores" | "logit"
        What it gives: winding numbers; numbers of classes, from 0; scores; or one logit, above 0
        for the second of two classes.  "auto": two dimensions are scores, one is windings, and
        an error that names both readings where another than these is right far more often.
    title : str, optional
        Its name in the table.
    progress : bool
        A bar on stderr.

    Returns
    -------
    Audit
        Prints as a table; `score`, `interval`, `table`, `draw`, `save`.

    Raises
    ------
    ConfigError, ShapeError, NotFiniteError, UnknownNameError
        If the classifier is of none of these kinds, does not take these samples, gives another
        shape, NaN or an unknown class, or what it gives is not known; if the samples are no open
        chains, or none of them is clear.

    Source: docs/audit.md for the interventions and the score; docs/physics.md for the winding.
    """
    if data is None:
        known = known_cells(classifier) or 20
        data = sample_set(
            dataset or known_data(classifier) or "extended",
            known if cells is None else cells,
            SAMPLES if samples is None else samples,
            seed,
        )
    elif cells is not None or dataset is not None:
        raise ConfigError("cells and dataset say what is drawn: leave them out where data is given")
    else:
        data = first_samples(data, samples)
    asked = adapted(classifier, data, classes=classes, inputs=inputs, answers=answers, title=title)
    chosen = resolved(interventions)
    bar = tqdm(total=2 * len(chosen), unit="step", disable=not progress)
    with contextlib.closing(bar):
        questions = suite(data, asked.classes, chosen, seed, bar.update)
        table = ask(asked, questions, bar.update)
    return Audit(asked.title, asked.classes, table, questions.settings())


def _title(row: Row) -> str:
    return f"{row.title}{'' if row.scored or row.family == 'ablation' else '*'}"


def _why(row: Row, before: str = "") -> str:
    """Why there is no answer; the detail after the colon is in the table."""
    return before + row.reason.split(":")[0] if row.reason else ""


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def _text(share: Estimate) -> str:
    ends = f" [{share.low:.3f}, {share.high:.3f}]" if math.isfinite(share.low) else ""
    return _number(share.value) + ends
