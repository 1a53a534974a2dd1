"""Which networks learn the winding number, and how far does what they learn carry?

Every network on every data set, trained clean, put to every shift.

What `tnlearn benchmark` runs.  Beside accuracy: learning curves, calibration, success, the rank
that D needs, one row of trainability, and the formula itself, untrained and rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import pandas as pd

from tnlearn.analysis.weights import singular, weights_of, with_parameters
from tnlearn.data.recipes import recipe_for
from tnlearn.data.shifts import describe
from tnlearn.errors import ConfigError, TnlearnError
from tnlearn.lab.ensembles import Config, best_member, chains, ensemble, learning_rate, trained
from tnlearn.lab.job import Task
from tnlearn.lab.profile import (
    Amount,
    Count,
    DataName,
    Known,
    NetworkName,
    Profile,
    Rate,
    Section,
    as_record,
)
from tnlearn.lab.study import Study
from tnlearn.models.catalogue import build_network
from tnlearn.models.rswn import FORMS, rswn
from tnlearn.physics.winding import winding
from tnlearn.report.claims import PACKAGE, above, claim
from tnlearn.report.figures import Figure, dots, image, lines, look
from tnlearn.report.stats import rate
from tnlearn.report.table import against, in_points, over_members, spread, where
from tnlearn.training import metrics
from tnlearn.training.fitted import Fitted

BATCH = 64  # the batch for which costs are listed
FORMULA = "formula, untrained"
SHOWN = ["clean", "disorder-0.5"]  # that decide
TestedOn = Annotated[str, Known("data set", "data")]


class Tested(Section, kw_only=True):
    """A data set of the comparison, and the shifts of its test chains."""

    train: Count
    validation: Count
    test: Count
    shifts: list[str]
    disorder: Amount = 0.0


class Search(Section, kw_only=True):
    """Learning rates tried for each network, by how many members, on validation chains."""

    rates: list[Rate]
    members: Count
    epochs: Count | None = None


class Ranks(Section, kw_only=True):
    """Networks whose node is cut to every rank."""

    data: TestedOn
    networks: list[NetworkName]
    node: str = "D"


class Scales(Section, kw_only=True):
    """A row of trainability: networks begun at several scales of the initialisation."""

    data: TestedOn
    networks: list[NetworkName]
    scales: list[Rate]
    members: Count
    epochs: Count
    train: Count


class Comparison(Profile, kw_only=True):
    """What the comparison runs on."""

    data: dict[DataName, Tested]
    pruning: Ranks
    trainability: Scales
    search: Search | None = None

    def __post_init__(self) -> None:
        """Refuse a search without its rates."""
        super().__post_init__()
        for name, entry in self.entries.items():
            if entry.lr == "search" and self.search is None:
                raise ConfigError(f"entries.{name}.lr is 'search' but there is no [search]")

    def chunks(self, name: str, data: str, **changes: Any) -> Iterator[Config]:
        """The chunks of a network; a learning rate that is searched for is left to `run`."""
        entry = self.entries[name]
        table = {"name": data, **as_record(self.data[data])}
        table.pop("shifts")
        lr = None if entry.lr == "search" else learning_rate(entry, data)
        yield from ensemble(self, name, **{"data": table, "lr": lr, "curves": True, **changes})


def grid(profile: Comparison) -> Iterator[Task]:
    """The formula on each data set, the training of every network, and the row of trainability."""
    for data, tested in profile.data.items():
        first = next(profile.chunks(profile.networks[0], data))
        yield Task(
            {"data": data}, {key: first[key] for key in ("data", "cells", "seed")}, "formula"
        )
        for name, entry in profile.entries.items():
            network = build_network(as_record(entry), profile.cells, len(recipe_for(data).classes))
            flops = network.cost(BATCH).shared / BATCH
            for chunk in profile.chunks(name, data):
                weight = flops * chunk["members"] * entry.epochs * tested.train
                yield Task({"data": data, "network": name}, chunk, weight=weight)
    row = profile.trainability
    for name in row.networks:
        for scale in row.scales:
            for chunk in profile.chunks(
                name,
                row.data,
                network={"init": {"kind": "normal", "scale": scale}},
                members=row.members,
                train=row.train,
                epochs=row.epochs,
                curves=False,
            ):
                labels = {"data": row.data, "network": name, "scale": scale}
                yield Task(labels, chunk, kind="scale")


def run(task: Task, profile: Comparison, store: Path) -> pd.DataFrame:
    """Do a task; its rows differ in the column `kind`."""
    if task.kind == "formula":
        return _formula(task, profile)
    config = dict(task.config)
    if config["lr"] is None:
        config["lr"] = best_rate(task, profile, store)
    fitted = trained(config, store)
    if task.kind == "scale":
        accuracy = fitted.accuracy(chains(config, "test"))
        rows = {"kind": "scale", "member": list(fitted.ids), "accuracy": accuracy}
        return pd.DataFrame(rows)
    data, name = task.labels["data"], task.labels["network"]
    parts = [_shifted(fitted, config, how) for how in profile.data[data].shifts]
    curves = fitted.history["validation_accuracy"]
    parts.append(
        pd.DataFrame(
            {
                "kind": "curve",
                "member": list(fitted.ids),
                "loss": fitted.history["loss"].tolist(),
                "curve": curves.tolist(),
                "reached": metrics.success_epochs(curves, profile.threshold),
                "lr": config["lr"],
            }
        )
    )
    if (data, name) in [(profile.pruning.data, n) for n in profile.pruning.networks]:
        parts += [_ranks(fitted, config, profile.pruning.node), _node(fitted, profile.pruning.node)]
    return pd.concat(parts, ignore_index=True)


def best_rate(task: Task, profile: Comparison, store: Path) -> float:
    """The learning rate with the highest mean validation accuracy: one ensemble for all rates."""
    search = profile.search
    assert search is not None
    config = dict(task.config) | {
        "members": len(search.rates) * search.members,
        "offset": 0,
        "lr": [rate for rate in search.rates for _ in range(search.members)],
        "epochs": search.epochs or task.config["epochs"],
        "curves": False,
    }
    final = trained(config, store).history["validation_accuracy"][:, -1]
    means = np.nan_to_num(final.reshape(len(search.rates), -1), nan=0.0).mean(axis=1)
    return float(search.rates[int(np.argmax(means))])


def _shifted(fitted: Fitted, config: Config, how: str) -> pd.DataFrame:
    """Accuracy and calibration of every member on the test chains under a shift."""
    data = chains(config, "test", how)
    rows = pd.DataFrame({"kind": "test", "shift": how, "member": list(fitted.ids)})
    cells = data.states.u.shape[-1]
    try:
        logits = (fitted if cells == config["cells"] else fitted.resize(cells)).predict(data)
    except TnlearnError:  # a network that knows its length
        return rows.assign(accuracy=np.nan, accuracy_clear=np.nan, calibration=np.nan)
    clear = ~data.ambiguous
    return rows.assign(
        accuracy=metrics.accuracy(logits, data.labels),
        accuracy_clear=metrics.accuracy(logits[:, clear], data.labels[clear])
        if clear.any()
        else np.nan,
        calibration=metrics.calibration_error(logits, data.labels),
    )


def _ranks(fitted: Fitted, config: Config, node: str) -> pd.DataFrame:
    """Accuracy of every member with the node cut to each rank; nothing is trained on."""
    part = next(singular(fitted, w) for w in weights_of(fitted.net) if w.name == node)
    rows, test = [], chains(config, "test")
    for rank in range(part.weight.rank + 1):
        accuracy = with_parameters(fitted, {node: part.truncated(rank)}).accuracy(test)
        labels = {"kind": "rank", "rank": rank, "member": list(fitted.ids)}
        rows.append(pd.DataFrame({**labels, "accuracy": accuracy}))
    return pd.concat(rows)


def _node(fitted: Fitted, node: str) -> pd.DataFrame:
    """The exact node, and the learned one of the best member by channel; each of unit rms.

    A head that follows can absorb any factor; the sign is the one nearer to the exact node.
    """
    exact = fitted.net.parameters[node].exact
    learned = (
        fitted.parameters[node][best_member(fitted)].astype(np.float64).reshape(-1, *exact.shape)
    )
    rows = []
    for channel, matrix in enumerate([exact, *learned]):
        unit = matrix / np.sqrt((matrix**2).mean())
        overlap = (unit * exact).mean() / np.sqrt((exact**2).mean())
        unit = np.round(unit * (np.sign(overlap) or 1.0), 3)
        rows.append(
            {"kind": "node", "channel": channel, "overlap": abs(overlap), "matrix": unit.tolist()}
        )
    return pd.DataFrame(rows)


def _formula(task: Task, profile: Comparison) -> pd.DataFrame:
    """The untrained formula and two labels of the physics, rounded, on every shift.

    The formula sees the states that the networks see (open, half a window); the labels are
    computed from the chains, with the boundary they have.
    """
    rows = []
    for how in profile.data[task.labels["data"]].shifts:
        data = chains(task.config, "test", how)
        net = rswn(data.states.u.shape[-1]).head(classes=data.classes, kind="rounding")
        answers = np.argmax(net(data.states.astype("float64")), axis=-1)
        right = {FORMULA: answers == data.labels}
        for method in ("rswn", "log"):
            right[f"label {method}"] = winding(data.chains, method).integer == data.windings
        rows += [
            {"kind": "formula", "shift": how, "network": name, "accuracy": float(np.mean(flags))}
            for name, flags in right.items()
        ]
    return pd.DataFrame(rows)


# ---------------------------------------------------------------------- what the table says


def _chosen_shifts(table: pd.DataFrame) -> pd.DataFrame:
    """Tests on clean chains and at disorder 0.5."""
    return where(table, kind="test", shift=SHOWN)


@claim(PACKAGE, above(0.0), unit="points", by="shift")
def formula_networks_ahead(table: pd.DataFrame, profile: Comparison) -> pd.DataFrame:
    """Networks of the formula are more accurate than every generic network.

    Accuracy less that of the best generic network.

    Clean chains and disorder 0.5, both trained clean.
    """
    parts = []
    for _, here in _chosen_shifts(table).groupby(["data", "shift"], sort=False):
        generic = here[here["network"].map(profile.families) == "generic"]
        if len(generic):
            best = generic.groupby("network")["accuracy"].mean().idxmax()
            parts.append(against(here, _ours(profile), [best], ["data", "shift"], "accuracy"))
    return in_points(pd.concat(parts, ignore_index=True))


def _ours(profile: Comparison) -> list[str]:
    return [name for name, family in profile.families.items() if family == "rswn"]


@claim(PACKAGE, above(0.0), unit="points", by="shift")
def training_helps(table: pd.DataFrame, profile: Comparison) -> pd.DataFrame:
    """Trained networks are right more often than the formula they start from.

    Accuracy less that of the formula, untrained and rounded.

    Networks of the formula; that of the open chain, half a window, rounded.
    """
    rows = where(_chosen_shifts(table), network=_ours(profile))
    rows = over_members(rows, ["data", "shift", "network"], "accuracy")
    formula = where(table, kind="formula", network=FORMULA)[["data", "shift", "accuracy"]]
    rows = rows.merge(formula, on=["data", "shift"])
    ends = ["value", "low", "high"]
    rows[ends] = rows[ends].sub(rows.pop("accuracy"), axis=0)
    return in_points(rows)


def everything(table: pd.DataFrame, profile: Comparison) -> pd.DataFrame:
    """Accuracy of every network on every shift (mean over members)"""
    by = ["network", "data", "shift"]
    tests = over_members(where(table, kind="test"), by, "accuracy")
    formula = where(table, kind="formula").rename(columns={"accuracy": "value"})
    rows = pd.concat([tests, formula[[*by, "value"]]], ignore_index=True)
    texts = [
        "" if pd.isna(v) else f"{v:.3f}" if pd.isna(low) else f"{v:.3f} ± {(high - low) / 2:.3f}"
        for v, low, high in rows[["value", "low", "high"]].to_numpy()
    ]
    wide = spread(rows[by], "shift", texts)
    return wide.replace({"network": profile.titles}).rename(columns=profile.titles)


def costs(table: pd.DataFrame, profile: Comparison) -> pd.DataFrame:
    """What the networks cost, for 64 chains"""
    classes = len(recipe_for(next(iter(profile.data))).classes)
    curves = where(table, kind="curve")
    rows = []
    for name, entry in profile.entries.items():
        cost = build_network(as_record(entry), profile.cells, classes).cost(BATCH)
        success = rate(where(curves, network=name)["reached"] >= 0)
        rows.append(
            {
                "network": entry.title,
                "parameters": f"{cost.parameters:,}",
                "flops, as written": f"{cost.naive:,.0f}",
                "flops, shared": f"{cost.shared:,.0f}",
                "largest intermediate": f"{cost.peak:,}",
                "epochs": entry.epochs,
                f"members that reach {profile.threshold:g}": f"{100 * success['value']:.0f} %",
            }
        )
    return pd.DataFrame(rows)


# ---------------------------------------------------------------------- figures


def _dots(table: pd.DataFrame, profile: Comparison, column: str, label: str) -> Figure:
    """A column of the tests that decide: a panel a data set and shift, a row a network."""
    rows = over_members(table, ["data", "shift", "network"], column)
    rows["panel"] = rows["data"] + ", " + rows["shift"].map(profile.titles)
    return dots(rows, "network", "panel", label=label, across=2, **look(profile))


def overview(table: pd.DataFrame, profile: Comparison) -> Figure:
    """Accuracy on test chains, clean and disordered: mean over members with its 95 % interval.
    Blue: networks of the formula; green: networks that know the symmetry; orange and brown: generic
    networks.
    """
    formula = where(table, kind="formula", shift=SHOWN, network=FORMULA)
    return _dots(pd.concat([_chosen_shifts(table), formula]), profile, "accuracy", "accuracy")


def disorder(table: pd.DataFrame, profile: Comparison) -> Figure:
    """Accuracy against the strength of disorder; trained clean."""
    rows = over_members(where(table, kind="test"), ["data", "network", "shift"], "accuracy")
    rows = rows[(rows["shift"] == "clean") | rows["shift"].str.startswith("disorder-")]
    rows["strength"] = [0.0 if s == "clean" else describe(s).strength for s in rows["shift"]]
    rows["family"] = rows["network"].map(profile.families)
    along = "strength of disorder (units of the hopping)"
    return lines(
        rows, "strength", "network", "data", "family", along=along, label="accuracy",
        **look(profile),
    )  # fmt: skip


def learning(table: pd.DataFrame, profile: Comparison) -> Figure:
    """Validation error during training, mean over members."""
    curves = where(table, kind="curve")[["data", "network", "curve"]].explode("curve")
    curves["epoch"] = curves.groupby(level=0).cumcount() + 1
    rows = over_members(curves.astype({"curve": float}), ["data", "network", "epoch"], "curve")
    rows["family"] = rows["network"].map(profile.families)
    rows["low"] = rows["high"] = np.nan  # the intervals of neighbouring epochs would overlap
    label = "share of validation chains that are wrong"
    return lines(
        rows, "epoch", "network", "data", "family", label=label, log="y", error=True,
        **look(profile),
    )  # fmt: skip


def learned_d(table: pd.DataFrame, profile: Comparison) -> Figure | None:
    """D of the best member beside the exact D, each of unit rms."""
    arrays: dict[str, Any] = {}
    for row in where(table, kind="node").to_dict("records"):
        title = f"{profile.titles[row['network']]}, channel {row['channel']:.0f}"
        title += f", overlap {row['overlap']:.2f}"
        arrays.setdefault(title if row["channel"] else "exact", row["matrix"])
    labels = ("y (cell of B)", "x (cell of A)")
    return image(arrays, labels=labels, unit="units of its rms", across=3) if arrays else None


def ranks(table: pd.DataFrame, profile: Comparison) -> Figure | None:
    """Accuracy with D cut to its leading singular values."""
    rows = over_members(where(table, kind="rank"), ["network", "rank"], "accuracy")
    along = f"kept rank of {profile.pruning.node}"
    if rows.empty:
        return None
    return lines(rows, "rank", "network", along=along, label="accuracy", **look(profile))


def trainability(table: pd.DataFrame, profile: Comparison) -> Figure | None:
    """Members that learn, against the scale of the initialisation (Wilson's interval)."""
    rows = where(table, kind="scale")
    rows = rows.assign(success=rows["accuracy"] >= profile.threshold)
    rows = over_members(rows, ["network", "scale"], "success", rate)
    label = f"share of members that reach {profile.threshold:g}"
    if rows.empty:
        return None
    return lines(rows, "scale", "network", label=label, log="x", **look(profile))


def calibration(table: pd.DataFrame, profile: Comparison) -> Figure:
    """Expected calibration error; less is better."""
    label = "expected calibration error"
    return _dots(_chosen_shifts(table), profile, "calibration", label)


def graph(form: str) -> Callable[[pd.DataFrame, Comparison], Figure]:
    """A figure of the RSWN in a form; it needs no table."""

    def draw(table: pd.DataFrame, profile: Comparison) -> Figure:
        return cast(Figure, rswn(profile.cells, form=form).draw().figure)

    draw.__name__ = f"graph_{form}"
    draw.__doc__ = f"The contraction graph of the RSWN in its {form} form."
    return draw


STUDY = Study(
    __name__,
    __doc__,
    Comparison,
    grid,
    run,
    claims=(formula_networks_ahead, training_helps),
    figures=(
        *(overview, disorder, learning, learned_d, ranks, trainability, calibration),
        *map(graph, FORMS),
    ),
    tables=(everything, costs),
    columns="network",
)
