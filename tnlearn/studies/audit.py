"""Do the trained networks follow the invariant, or the edge states?

Every network is trained on clean chains as in the comparison and put to the interventions of
`tnlearn.audit`, each certified; so are the untrained formula, rounded, an edge counter, which knows
nothing but the proxy, and one constant answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import pandas as pd

from tnlearn.audits.audit import Audit
from tnlearn.audits.certify import Suite, sample_set, suite
from tnlearn.audits.classifiers import adapted, edge_count
from tnlearn.audits.interventions import INTERVENTIONS, find
from tnlearn.audits.table import WORDS, ask, mean_share, of_right
from tnlearn.errors import ConfigError
from tnlearn.lab.ensembles import ensemble, trained
from tnlearn.lab.job import Task
from tnlearn.lab.profile import Amount, Count, Data, Known, Profile
from tnlearn.lab.study import Study
from tnlearn.look import GREY
from tnlearn.models.rswn import rswn
from tnlearn.report.claims import PACKAGE, PAPER, claim, decided, not_below
from tnlearn.report.figures import Figure, dots, heat, network_styles
from tnlearn.report.page import interval
from tnlearn.report.table import over_members, scaled, where

# What is put to the same questions without training.
EXACT, COUNTER, CONSTANT = "RSWN, rounded", "edge states counted", "one answer to all"
REFERENCES = (EXACT, COUNTER, CONSTANT)

# Three ways to tell an answer that rests on the edge states from one that rests on the invariant.
# In the first two the winding stands and the answer changes, in the third it changes and the answer
# does not follow, if it rests on them.
TESTS = {
    "ends altered": ["edge-cell", "edge-potential", "weak-ends", "ends-replaced"],
    "lowest states left out": ["no-zero-modes-1", "no-zero-modes-2"],
    "bulk replaced": ["bulk-replaced"],
}
JUDGED = "judged"
# Between the score of one answer to all and that of the invariant.
HALFWAY = 0.75


class Audits(Profile, kw_only=True):
    """What the study runs on; `threshold` is the accuracy on clear chains from which one judges."""

    data: Data
    samples: Count  # chains altered by each intervention
    disorders: list[Amount]  # of the chains that are altered
    lengths: list[Count]  # of the references
    interventions: list[Annotated[str, Known("intervention", tuple(INTERVENTIONS))]] = (
        msgspec.field(default_factory=lambda: list(INTERVENTIONS))
    )

    def __post_init__(self) -> None:
        """Refuse references of other lengths."""
        super().__post_init__()
        if self.cells not in self.lengths:
            raise ConfigError(
                f"lengths must hold the networks' own {self.cells} cells, not {self.lengths}: the "
                "references are compared with the networks there"
            )


def grid(profile: Audits) -> Iterator[Task]:
    """A task for each chunk of members of a network, and for each reference and length."""
    for name in profile.entries:
        for chunk in ensemble(profile, name):
            labels = {"network": name, "cells": profile.cells}
            yield Task(labels, chunk, weight=10.0 * chunk["members"])
    for name in REFERENCES:
        for cells in profile.lengths:
            yield Task({"network": name, "cells": cells}, {}, "reference", weight=cells / 10)


@lru_cache(maxsize=4)
def _suite(disorder: float, name: str, cells: int, samples: int, seed: int, *chosen: str) -> Suite:
    """The certified pairs, which a process makes once."""
    return suite(sample_set(name, cells, samples, seed, disorder), None, chosen, seed)


def run(task: Task, profile: Audits, store: Path) -> pd.DataFrame:
    """Audit a chunk or a reference: a row a strength of disorder, intervention and member."""
    name, cells = task.labels["network"], task.labels["cells"]
    fitted = trained(task.config, store) if task.config else None
    parts = []
    fixed = (profile.data.name, cells, profile.samples, profile.seed, *profile.interventions)
    for disorder in map(float, profile.disorders):
        questions = _suite(disorder, *fixed)
        classifier = fitted if task.config else _reference(name, questions)
        answers = "windings" if name in (COUNTER, CONSTANT) else "auto"
        rows = ask(adapted(classifier, questions.data, answers=answers), questions)
        parts.append(rows.drop(columns=WORDS).assign(disorder=disorder))
    table = pd.concat(parts, ignore_index=True)
    table["member"] += task.config.get("offset", 0)
    return table


def _reference(name: str, questions: Suite) -> Any:
    if name == EXACT:
        cells = questions.data.states.cells
        return rswn(cells).head(classes=questions.classes, kind="rounding")
    if name == COUNTER:
        return edge_count
    return lambda states: np.full(len(states), questions.classes[0])


# ---------------------------------------------------------------------- what the table says


def _deciding(table: pd.DataFrame, profile: Audits) -> pd.DataFrame:
    """The rows at the networks' length and the first strength of disorder, which decide."""
    return where(table, cells=profile.cells, disorder=float(profile.disorders[0]))


def _audits(rows: pd.DataFrame) -> dict[str, Audit]:
    return {name: Audit(name, (), part, {}) for name, part in rows.groupby("network", sort=False)}


def _accuracy(audit: Audit) -> Any:
    """On the clear chains: gauge and rotation keep every one of them."""
    return max(audit.rows, key=lambda row: row.certified).accuracy("before")


def role(name: str, audit: Audit, profile: Audits) -> str:
    """Whether the claim is of a network: accurate, and without the formula.

    Of one that is hardly ever right, answers that change tell nothing of what they rest on.
    """
    if name in REFERENCES:
        return "untrained"
    if profile.entries[name].family == "rswn":
        return "form of the RSWN"
    accuracy = _accuracy(audit)
    least = accuracy.value if np.isnan(accuracy.low) else accuracy.low
    return JUDGED if least >= profile.threshold else "not accurate"


def rests_on_edges(rows: pd.DataFrame, profile: Audits) -> pd.Series:
    """Holds where the interval is above half the failures of the edge counter.

    Not where it is below: the network is nearer to the invariant, which by certification fails
    nowhere.  Undecided where the half lies in the interval, and for networks that are not judged.
    """
    counter = where(rows, network=COUNTER).set_index("test")["value"]
    half, asked = rows["test"].map(counter / 2), rows["role"] == JUDGED
    return decided(asked & (rows["low"] > half), asked & (rows["high"] < half))


@claim(PAPER, rests_on_edges, by="test")
def proxies(table: pd.DataFrame, profile: Audits) -> pd.DataFrame:
    """Trained networks answer through proxies such as edge states.

    Share of the pairs answered rightly before on which the answer does not follow.

    Of accurate networks that do not hold the formula; true where the failures are more than half of
    those of a counter of edge states, false where they are fewer.
    """
    rows = []
    for name, audit in _audits(_deciding(table, profile)).items():
        if name == CONSTANT:
            continue
        labels = {"network": name, "role": role(name, audit, profile)}
        for test, names in TESTS.items():
            answers = where(audit.table, intervention=names)
            if len(answers):
                share = mean_share(answers, *of_right(True))[0]
                ends = {"value": 1 - share.value, "low": 1 - share.high, "high": 1 - share.low}
                rows.append({"test": test, **labels, **ends, "members": share.members})
    return pd.DataFrame(rows)


def follows(rows: pd.DataFrame, profile: Audits) -> pd.Series:
    """Holds where a trained network is nearer to the invariant (1) than to one answer (½)."""
    return not_below(HALFWAY)(rows, profile).where(rows["network"].isin(profile.networks))


def scored(table: pd.DataFrame, profile: Audits, right: bool) -> pd.DataFrame:
    """The score of every network and reference; `right`: of the pairs that were right before."""
    audits = _audits(_deciding(table, profile)).items()
    return pd.DataFrame({"network": k, **a.estimate(right=right)._asdict()} for k, a in audits)


@claim(PACKAGE, follows)
def audit_score(table: pd.DataFrame, profile: Audits) -> pd.DataFrame:
    """Answers of the trained networks follow the invariant.

    Score of the audit.

    Holds nearer to the invariant (1) than to one answer to all (0.5); what is not trained stands
    beside it.
    """
    return scored(table, profile, right=False)


def overview(table: pd.DataFrame, profile: Audits) -> pd.DataFrame:
    """Accuracy on the clear chains, and scores

    Of all networks, and of the references at every length and disorder.
    """
    rows = []
    for (cells, disorder), here in table.groupby(["cells", "disorder"], sort=False):
        for name, audit in _audits(here).items():
            columns = {
                "accuracy": _accuracy(audit),
                "winding stands": audit.estimate(family="preserving"),
                "winding changes": audit.estimate(family="changing"),
                "score": audit.estimate(),
                "score, if right before": audit.estimate(right=True),
            }
            labels = {
                "network": profile.titles.get(name, name),
                "cells": cells,
                "disorder": disorder,
                "members": "" if name in REFERENCES else audit.members,
            }
            rows.append(labels | {key: interval(e._asdict()) for key, e in columns.items()})
    return pd.DataFrame(rows)


def certificates(table: pd.DataFrame, profile: Audits) -> pd.DataFrame:
    """The interventions, and what was certified"""
    rows = _deciding(table, profile).drop_duplicates("intervention")
    words = rows["intervention"].map(find)
    refused = [[f"{reason}: {count}" for reason, count in r.items()] for r in rows["refused"]]
    return pd.DataFrame(
        {
            "intervention": [one.title for one in words],
            "changes": [one.changes for one in words],
            "keeps": [one.keeps for one in words],
            "certified": [f"{k:,} of {n:,}" for k, n in rows[["certified", "altered"]].to_numpy()],
            "refused": ["; ".join(reasons) for reasons in refused],
            "edge count kept": [f"{100 * share:.0f} %" for share in rows["edge_count_kept"]],
        }
    )


# ---------------------------------------------------------------------- figures


def _styles(profile: Audits) -> dict[str, Any]:
    greys = zip(REFERENCES, "sDo", strict=True)
    references = {name: {"color": GREY, "marker": marker} for name, marker in greys}
    return references | network_styles(profile.entries)


def _shares(table: pd.DataFrame, profile: Audits, disorder: float, right: bool = False) -> Figure:
    """Networks × interventions: share of the certified pairs that follow, in per cent."""
    heads = {
        "preserving": "winding stands: answer stays",
        "changing": "winding changes: follows",
        "ablation": "blanked: stays",
    }
    rows = where(table, cells=profile.cells, disorder=float(disorder))
    count, total = of_right(right)
    rows = rows.assign(share=rows[count] / rows[total].where(rows[total] > 0))
    points = over_members(rows, ["family", "intervention", "network"], "share")
    points["network"] = pd.Categorical(points["network"], [*profile.networks, *REFERENCES][::-1])
    points["intervention"] = pd.Categorical(points["intervention"], profile.interventions)
    names = {i: f"{find(i).title}{'' if find(i).scored else '*'}" for i in profile.interventions}
    return heat(
        points, "intervention", "network", "family", names={**profile.titles, **names, **heads},
        upright=True, height=1.9 + 0.3 * points["network"].nunique(),
    )  # fmt: skip


def shares(table: pd.DataFrame, profile: Audits) -> Figure:
    """Share of the certified pairs of each intervention on which the answer follows the invariant,
    in per cent, mean over members. Empty: the network takes chains of its own length only. *: not
    scored.
    """
    return _shares(table, profile, profile.disorders[0])


def scores(table: pd.DataFrame, profile: Audits) -> Figure:
    """The score: mean share over the interventions that keep the winding and over those that change
    it, each kind counting half. Intervals of 95 %: over members, for what is not trained over
    pairs. Blue: forms of the RSWN; green: networks that know the symmetry; orange and brown:
    generic networks; grey: untrained.
    """
    kinds = {"all certified pairs": False, "answered rightly before": True}
    points = [scored(table, profile, right).assign(pairs=words) for words, right in kinds.items()]
    return dots(
        pd.concat(points), "network", "pairs", names=profile.titles, styles=_styles(profile),
        label="score (1: follows the invariant in every pair)",
        marks={CONSTANT: 0.5, "half way to the invariant": HALFWAY}, limits=(0.0, 1.02),
    )  # fmt: skip


@proxies.picture
def edges(rows: pd.DataFrame, profile: Audits) -> Figure:
    """What an answer that rests on the edge states does, and one on the invariant never: failures
    of accurate networks in three tests, of the pairs answered rightly before, in units of those of
    a counter of the edge states (the two pairs of states nearest zero energy in the outer 15 % of
    the cells).
    """
    counter = where(rows, network=COUNTER).set_index("test")["value"]
    rows = where(rows, role=[JUDGED, "form of the RSWN", "untrained"])
    rows = scaled(rows, 1 / rows["test"].map(counter))
    return dots(
        rows, "network", "test", names=profile.titles, styles=_styles(profile),
        label="failures / those of the edge counter", limits=(0.0, None),
        marks={"half way from the invariant to the edge counter": 0.5},
    )  # fmt: skip


def shares_right(table: pd.DataFrame, profile: Audits) -> Figure:
    """As the first, of the pairs answered rightly before."""
    return _shares(table, profile, profile.disorders[0], right=True)


def shares_disorder(table: pd.DataFrame, profile: Audits) -> Figure | None:
    """As the first, at the strongest disorder of the chains, networks trained as above."""
    several = len(profile.disorders) > 1
    return _shares(table, profile, profile.disorders[-1]) if several else None


STUDY = Study(
    __name__,
    __doc__,
    Audits,
    grid,
    run,
    claims=(proxies, audit_score),
    figures=(shares, scores, edges, shares_right, shares_disorder),
    tables=(overview, certificates),
    columns="test",
)
