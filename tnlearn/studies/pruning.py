"""What is left of a network when its weights are cut down?

Every weight is cut to its largest singular values, alone and together with all others (each keeps
the same share of its norm²), as it is and with training going on at that rank; and the leading
singular vectors are looked for in the chain.  Members that did not learn at all are left out:
there is nothing in them to prune.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from msgspec import Meta

from tnlearn.analysis.places import (
    edge_entries,
    has_cells,
    has_states,
    leading_vectors,
    share_of,
)
from tnlearn.analysis.retraining import retrained
from tnlearn.analysis.weights import (
    POINT,
    Singular,
    kept_numbers,
    rank_grid,
    ranks_for_share,
    singular,
    smallest_rank,
    weights_of,
    with_parameters,
)
from tnlearn.data.dataset import Dataset
from tnlearn.errors import ConfigError
from tnlearn.lab.ensembles import best_member, chains, ensemble, trained
from tnlearn.lab.job import Task
from tnlearn.lab.profile import Count, Data, NetworkName, Profile, Rate, Section, Share
from tnlearn.lab.study import Study
from tnlearn.look import GREY
from tnlearn.report.claims import PACKAGE, PAPER, claim, decided, not_below
from tnlearn.report.figures import Figure, dots, lines, look, rescaled
from tnlearn.report.stats import ABOVE_GUESSING, unbounded_mean
from tnlearn.report.table import Row, against, in_points, learned, over_members, scaled, where
from tnlearn.studies import pictures
from tnlearn.training.fitted import Fitted

AS_CUT, TRAINED_ON = "as cut", "trained on"
LEADING = "leading singular vector"
# How each way is drawn.
WAYS = {
    AS_CUT: {"color": GREY, "marker": "o", "linestyle": "--", "markerfacecolor": "white"},
    TRAINED_ON: {"color": "#0072B2", "marker": "o"},
}

Cut = Mapping[str, npt.NDArray[Any]]  # ranks to keep (members, copies) of some weights


class Retraining(Section, kw_only=True):
    """Training that goes on after a cut: of each weight alone in `weights`, of all `together`."""

    weights: list[NetworkName]
    together: list[NetworkName]
    epochs: Count
    rate: Rate  # of the learning rate of the first training
    every: Count
    most: Count  # largest rank
    shares: list[Share]


class Pruning(Profile, kw_only=True):
    """What the study runs on; the first of the shifts decides."""

    data: Data
    shifts: list[str]
    every: Count  # each rank up to this, then in steps of about √2
    shares: list[Share]  # of the norm² of every weight, all at once
    edge: Annotated[float, Meta(gt=0, lt=0.5)]  # of the chain at each end
    edge_states: Count  # pairs of states nearest zero energy
    pictures: Count  # leading singular vectors drawn
    shallow: list[NetworkName]
    complex: list[NetworkName]
    retrain: Retraining

    def __post_init__(self) -> None:
        """Refuse a network on both sides of a comparison."""
        super().__post_init__()
        if both := set(self.shallow) & set(self.complex):
            raise ConfigError(f"{both.pop()!r} is shallow or complex, not both")


# ---------------------------------------------------------------------- what is measured


def grid(profile: Pruning) -> Iterator[Task]:
    """A task for each chunk of members of each network."""
    for name in profile.networks:
        for chunk in ensemble(profile, name):
            yield Task({"network": name}, chunk, weight=10.0 * chunk["members"])


def run(task: Task, profile: Pruning, store: Path) -> pd.DataFrame:
    """Cut the weights of a chunk of members: a row a member, cut and test set."""
    fitted, again, name = trained(task.config, store), profile.retrain, task.labels["network"]
    parts = {weight.name: singular(fitted, weight) for weight in weights_of(fitted.net)}
    tests = {shift: chains(task.config, "test", shift) for shift in profile.shifts}
    tables = list(leading(profile, fitted, parts))
    ranks = {key: rank_grid(p.weight.rank, profile.every) for key, p in parts.items()}
    for labels, cut in cuts(parts, ranks, profile.shares):
        end = with_parameters(fitted, {key: parts[key].truncated(r) for key, r in cut.items()})
        tables.append(measured_cut(profile, parts, cut, end, tests, way=AS_CUT, **labels))
    if name not in (*again.weights, *again.together):
        return pd.concat(tables)
    ranks = {key: [r for r in rank_grid(p.weight.rank, again.every) if r <= again.most]
             for key, p in parts.items() if name in again.weights}  # fmt: skip
    shares = again.shares if name in again.together else []
    data, rate = chains(task.config, "train"), again.rate * task.config["lr"]
    # Cuts of the same weights are trained as one block.
    for _, block in groupby(cuts(parts, ranks, shares), key=lambda pair: list(pair[1])):
        pairs = list(block)
        ends = retrained(fitted, [cut for _, cut in pairs], data, epochs=again.epochs, lr=rate)
        for (labels, cut), end in zip(pairs, ends, strict=True):
            tables.append(measured_cut(profile, parts, cut, end, tests, way=TRAINED_ON, **labels))
    return pd.concat(tables)


def cuts(
    parts: Mapping[str, Singular], ranks: Mapping[str, Sequence[int]], shares: Sequence[float]
) -> Iterator[tuple[Row, Cut]]:
    """No cut, each weight cut alone to its `ranks`, and all of them to `shares` of their norm²."""
    yield {"weight": ""}, {}
    for name, several in ranks.items():
        values, full = parts[name].values, parts[name].weight.rank
        for rank in several:
            yield (
                {"weight": name, "rank": rank, "full": full},
                {name: np.full(values.shape[:2], rank)},
            )
    for share in shares:
        cut = {name: ranks_for_share(part.values, share) for name, part in parts.items()}
        yield {"weight": "all", "share": share}, cut


def measured_cut(
    profile: Pruning,
    parts: Mapping[str, Singular],
    cut: Cut,
    end: Fitted,
    tests: Mapping[str, Dataset],
    **labels: Any,
) -> pd.DataFrame:
    """A row a member and test set; of one weight alone on the first set, and where it then sits.

    `numbers` are those left, biases included; `cells` and `states` the norm² on the outer cells
    and in the edge states over that of equal entries; `relative` the smallest singular value kept.
    """
    biases = sum(x[0].size for name, x in end.parameters.items() if name not in parts)
    weights = [(part.weight, cut.get(name, part.weight.rank)) for name, part in parts.items()]
    numbers = biases + sum(kept_numbers(weight, ranks) for weight, ranks in weights)
    shifts = profile.shifts
    if rank := labels.get("rank"):
        part, values = parts[labels["weight"]], end.parameters[labels["weight"]]
        labels["relative"] = np.round(part.relative(rank), 5)
        for kind, states in (("cells", None), ("states", profile.edge_states)):
            if has_cells(part.weight, profile.cells) and (
                states is None or has_states(part.weight)
            ):
                there = edge_entries(part.weight, profile.cells, profile.edge, states)
                labels[kind] = np.round(share_of(there, values) / there.mean(), 6)
    return pd.concat(
        pd.DataFrame({"member": end.ids, "shift": shift, "accuracy": end.accuracy(tests[shift])})
        .assign(numbers=numbers, **labels)
        for shift in (shifts[:1] if "rank" in labels else shifts)
    )  # fmt: skip


def leading(
    profile: Pruning, fitted: Fitted, parts: Mapping[str, Singular]
) -> Iterator[pd.DataFrame]:
    """Leading singular vectors of the first weight that has a place in the chain.

    Of the member with the best validation accuracy.
    """
    best = best_member(fitted)
    level = fitted.history["validation_accuracy"][best, -1]
    for name, part in parts.items():
        if has_cells(part.weight, profile.cells):
            for vector in leading_vectors(part, best, profile.pictures, profile.cells):
                yield pd.DataFrame({
                    "weight": name, "member": fitted.ids[best], "validation": level,
                    "number": vector.number, "panel": vector.panel, "axes": [vector.axes],
                    "norm": vector.share, "vector": [np.round(vector.values, 4)],
                })  # fmt: skip
            return


# ---------------------------------------------------------------------- what it decides


def kept(table: pd.DataFrame, profile: Pruning, clean: bool = False) -> pd.DataFrame:
    """The rows of the members that learned; `clean`: on the first of the shifts."""
    whole = where(table, way=AS_CUT, weight="", shift=profile.shifts[0])
    rows = learned(table, whole, profile.data.chance)
    return where(rows, shift=profile.shifts[0]) if clean else rows


def levels(rows: pd.DataFrame, over: str) -> tuple[list[Any], Any, Any]:
    """Cuts of a kind and way, accuracy (members, cuts) with them, and what each member has to keep.

    That is its accuracy trained on as long without a cut, or that of the largest cut as it is.
    """
    cuts = rows[rows[over].notna()].pivot(index="member", columns=over, values="accuracy")
    accuracy = np.ascontiguousarray(cuts.to_numpy())
    if where(rows, way=TRAINED_ON).empty:
        return list(cuts.columns), accuracy, accuracy[:, -1]
    goal = where(rows, weight="").set_index("member")["accuracy"].loc[cuts.index]
    return list(cuts.columns), accuracy, goal.to_numpy()


def titles(rows: pd.DataFrame, profile: Pruning) -> pd.Series:
    """Network and weight of every row in words."""
    return rows["network"].map(profile.titles) + ": " + rows["weight"]


def few(rows: pd.DataFrame, profile: Pruning) -> pd.Series:
    """Holds where at most half of the singular vectors are needed.

    Not asked where there is but one, or where the network is at guessing.
    """
    asked = (rows["full"] > 1) & (rows["accuracy"] > ABOVE_GUESSING * profile.data.chance)
    half = rows["rank"] <= rows["full"] / 2
    return decided(asked & half, asked & ~half)


@claim(PACKAGE, few, by="way")
def low_rank(table: pd.DataFrame, profile: Pruning) -> pd.DataFrame:
    """A network needs few of the singular vectors of its weights.

    Smallest rank that keeps the accuracy within a point, mean over members.

    Few are at most half of them; one weight is cut at a time.
    """
    # `rank` is that of the mean accuracy (NaN if none that was tried), `value` the mean over
    # members of their own; without a value where a member needs more than was tried.
    weights = []
    for (network, way), rows in kept(table, profile, True).groupby(["network", "way"], sort=False):
        for (weight, full), some in rows.groupby(["weight", "full"], sort=False):
            ranks, accuracy, goal = levels(pd.concat([some, where(rows, weight="")]), "rank")
            each = [
                smallest_rank(ranks, row, g - POINT) for row, g in zip(accuracy, goal, strict=True)
            ]
            rank = smallest_rank(ranks, accuracy.mean(axis=0), goal.mean() - POINT)
            measured = unbounded_mean([np.nan] if None in each else each) | {"members": len(each)}
            weights.append({"network": network, "weight": weight, "way": way, "rank": rank,
                            "full": full, "accuracy": goal.mean(), **measured})  # fmt: skip
    return pd.DataFrame(weights).astype({"rank": float})


def outside(rows: pd.DataFrame, profile: Pruning) -> pd.Series:
    """Holds where the leading vector sits on the edge and few singular vectors are needed.

    Asked of the first weight of a network, and where that tells states apart, of the edge states;
    of none that is at guessing.
    """
    asked = rows[(rows["part"] == LEADING) & rows["low"].notna()]
    asked = asked[asked["weight"] == asked.groupby("network")["weight"].transform("first")]
    asked = asked[asked["place"] == asked.groupby("network")["place"].transform("last")]
    compact = few(asked, profile).dropna()
    return (compact & (asked["low"] > 1)[compact.index]).reindex(rows.index)


@claim(PAPER, outside, by="family")
def pruning_edges(table: pd.DataFrame, profile: Pruning) -> pd.DataFrame:
    """Pruning leaves a compact set of edge-state features.

    Norm² of the leading singular vector on the edge over that of equal entries, and the rank that
    keeps the accuracy within a point.

    Asked of the first weight that has a place in the chain, of its edge states where it tells
    states apart: above 1 at 95 %, and at most half of the rank needed.
    """
    one = kept(table, profile, True).dropna(subset="rank")
    leading, whole = where(one, rank=1), one[one["rank"] == one["full"]]
    shares = pd.concat([
        where(leading, way=AS_CUT).assign(part=LEADING),
        where(leading, way=TRAINED_ON).assign(part="rank 1, trained on"),
        where(whole, way=AS_CUT).assign(part="whole weight"),
    ])  # fmt: skip
    shares = shares.melt(["network", "weight", "part"], ["cells", "states"], "place", "ratio")
    by = ["network", "weight", "place", "part"]
    shares = over_members(shares.dropna(subset="ratio"), by, "ratio", unbounded_mean)
    ranks = low_rank.findings(table, profile).drop_duplicates(["network", "weight"], keep="last")
    shares = shares.merge(ranks[["network", "weight", "rank", "full", "accuracy"]])
    return shares.assign(family=shares["network"].map(profile.families))


def smallest_cut(rows: pd.DataFrame, profile: Pruning) -> pd.DataFrame:
    """The rows of a network with the smallest share of all weights that keeps its accuracy.

    Trained on, where a share that was tried suffices then; else as they were cut.
    """
    for way in (TRAINED_ON, AS_CUT):
        some = where(rows, way=way)
        if some["share"].notna().any():
            shares, accuracy, goal = levels(where(some, shift=profile.shifts[0]), "share")
            places = range(len(shares))
            place = smallest_rank(places, accuracy.mean(axis=0), goal.mean() - POINT)
            if place is not None:
                return where(some, share=shares[place])
    return rows.iloc[:0]


@claim(PAPER, not_below(-100 * POINT), unit="points", by="family")
def shallow_equals_complex(table: pd.DataFrame, profile: Pruning) -> pd.DataFrame:
    """Shallow pruned networks match complex ones.

    Accuracy of the pruned shallow network less that of the whole complex one.

    All weights keep the smallest share of their norm² that keeps the accuracy within a point; to
    match is to be worse by a point at most.
    """
    rows = kept(table, profile)
    cut = pd.concat(smallest_cut(where(rows, network=name), profile) for name in profile.shallow)
    whole = where(rows, network=profile.complex, way=AS_CUT, weight="")
    both = pd.concat([cut, whole])
    gaps = in_points(against(both, profile.shallow, profile.complex, ["shift"], "accuracy"))
    numbers = gaps["network"].map(cut.groupby("network")["numbers"].mean())
    return gaps.assign(numbers=numbers.round(), family=gaps["network"].map(profile.families))


# ---------------------------------------------------------------------- what it shows


def first_weights(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first weight of each network that has a place in the chain, if one has."""
    placed = rows[rows["cells"].notna()].groupby("network")["weight"].first()
    first = rows[rows["full"].notna()].groupby("network")["weight"].first()
    return rows[rows["weight"] == rows["network"].map(placed.combine_first(first))]


def smallest(table: pd.DataFrame, profile: Pruning) -> Figure | None:
    """Smallest rank that keeps the accuracy within a point, of the first weight that has a place in
    the chain (in brackets its full rank): mean over members with its 95 % interval. No dot: a
    member needs more than was tried.
    """
    first = first_weights(table)[["network", "weight"]].drop_duplicates()
    rows = low_rank.decide(table, profile).rows.merge(first).dropna(subset="holds")
    if rows.empty:
        return None
    rows = scaled(rows, 100 / rows["full"])
    rows["of"] = titles(rows, profile) + rows["full"].map(" ({:g})".format)
    label = "smallest rank that keeps the accuracy (% of the full rank)"
    return dots(rows, "of", dot="way", label=label, styles=WAYS, limits=(-2.0, 102.0))


def ranks(table: pd.DataFrame, profile: Pruning) -> Figure:
    """Accuracy lost when that weight keeps only its largest singular values, mean over members with
    its 95 % interval; the scale is linear up to one point. Trained on: at that rank, against the
    whole network trained on as long.
    """
    clean, key = kept(table, profile, True), ["network", "way", "member"]
    goal = where(clean, weight="").set_index(key)["accuracy"]
    rows = first_weights(clean[clean["rank"] > 0]).set_index(key)
    rows = rows.assign(lost=100 * (goal.reindex(rows.index) - rows["accuracy"])).reset_index()
    figure = lines(
        over_members(rows, ["network", "rank", "way"], "lost", unbounded_mean),
        "rank", "way", column="network", along="rank kept", label="accuracy lost (points)",
        names=profile.titles, styles=WAYS, marks={"one point": 1.0}, height=2.4,
    )  # fmt: skip
    return rescaled(figure, x="log2", y="points")


def together(table: pd.DataFrame, profile: Pruning) -> Figure:
    """Share of wrong answers when all weights keep the same share of their norm² and training goes
    on, if it does, against the numbers left: r (rows + columns) at rank r, at most all entries, and
    the biases. The last point is the whole network.
    """
    rows = where(kept(table, profile), weight=["", "all"])
    trained = where(rows, way=TRAINED_ON)["network"].unique()
    rows = rows[(rows["way"] == TRAINED_ON) | ~rows["network"].isin(trained)]
    family = rows["network"].map(profile.families)
    rows = rows.assign(share=rows["share"].fillna(np.inf), family=family)
    by = ["network", "shift", "family", "share"]
    points = over_members(rows, by, "accuracy")
    return lines(
        points.merge(rows.groupby(by, as_index=False)["numbers"].mean()),
        "numbers", "network", "shift", "family", log="xy", error=True, **look(profile),
        along="numbers kept",
    )  # fmt: skip


@shallow_equals_complex.picture
def leads(rows: pd.DataFrame, profile: Pruning) -> Figure:
    """Accuracy of shallow networks, cut as far as keeps it within a point, less that of whole
    complex ones, with Welch's 95 % interval; the scale is linear up to one point.
    """
    figure = dots(
        rows, "network", "shift", dot="rival", limits=(-100.0, 100.0), **look(profile),
        label="accuracy less that of a whole network (points)",
        marks={"one point below": -100 * POINT},
    )  # fmt: skip
    return rescaled(figure, x="points")


@pruning_edges.picture
def edges(rows: pd.DataFrame, profile: Pruning) -> Figure:
    """Norm² of the weights on the edge of the chain over that of equal entries, with its 95 %
    interval over members.
    """
    figure = dots(
        rows.assign(of=titles(rows, profile)), "of", "place", dot="part",
        label="norm² over that of equal entries", marks={"equal entries": 1.0},
        names={"cells": "on the outer cells", "states": "in the edge states"},
    )  # fmt: skip
    return rescaled(figure, x="log2")


def vectors(table: pd.DataFrame, profile: Pruning) -> Figure | None:
    """Leading singular vectors of the first weight with a place in the chain, of the member with
    the best validation accuracy, with the share of the norm² each carries. x are cells of
    sublattice A, y of B, states ascend in energy; red positive, blue negative.
    """
    return pictures.vectors(table, profile.titles)


def singular_values(table: pd.DataFrame, profile: Pruning) -> Figure:
    """Singular values of that weight over the largest, mean over members and channels with its 95 %
    interval: a steep line is a weight of low rank.
    """
    rows = where(kept(table, profile), way=AS_CUT)
    rows = first_weights(rows[rows["relative"].notna()])
    family = rows["network"].map(profile.families)
    rows = rows.assign(place=100 * rows["rank"] / rows["full"], family=family)
    return lines(
        over_members(rows, ["family", "network", "place"], "relative"),
        "place", "network", column="family", limits=(0.0, 1.03), **look(profile),
        along="number (% of the full rank)", label="singular value over the largest",
    )  # fmt: skip


STUDY = Study(
    __name__,
    __doc__,
    Pruning,
    grid,
    run,
    claims=(pruning_edges, low_rank, shallow_equals_complex),
    figures=(smallest, ranks, together, leads, edges, vectors, singular_values),
    columns="shift",
)
