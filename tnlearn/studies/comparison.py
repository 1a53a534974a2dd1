"""Study `comparison`: every network on every data set, trained clean, put to every shift.

What `tnlearn benchmark` runs.  Beside accuracy: learning curves, calibration, success, the rank
that D needs, one row of trainability, and the formula itself, untrained and rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tnlearn.analysis.weights import singular, weights_of, with_parameters
from tnlearn.data.dataset import Dataset
from tnlearn.data.recipes import DATASETS, recipe_for
from tnlearn.data.shifts import describe
from tnlearn.errors import ConfigError, TnlearnError
from tnlearn.lab.ensembles import Config, best_member, chains, ensemble, learning_rate, trained
from tnlearn.lab.profile import Amount, Count, Profile, Rate, Section, as_record, check_names
from tnlearn.lab.study import Listing, Picture, Study, Verdicts
from tnlearn.lab.tasks import Task
from tnlearn.models.catalogue import build_network
from tnlearn.models.rswn import FORMS, rswn
from tnlearn.physics.winding import winding
from tnlearn.report.claims import PACKAGE, Claim, above
from tnlearn.report.figures import Figure, dots, image, lines, look
from tnlearn.report.stats import rate
from tnlearn.report.table import against, in_points, over_members, where
from tnlearn.training import metrics

BATCH = 64  # the batch for which costs are listed
FORMULA = "formula, untrained"
SHOWN = ["clean", "disorder-0.5"]  # that decide


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

    data: str
    networks: list[str]
    node: str = "D"


class Scales(Section, kw_only=True):
    """A row of trainability: networks begun at several scales of the initialisation."""

    data: str
    networks: list[str]
    scales: list[Rate]
    members: Count
    epochs: Count
    train: Count


class Comparison(Profile, kw_only=True):
    """What the comparison runs on."""

    data: dict[str, Tested]
    pruning: Ranks
    trainability: Scales
    search: Search | None = None

    def __post_init__(self) -> None:
        """Refuse names that are not there."""
        check_names("data set", self.data, DATASETS)
        for key in ("pruning", "trainability"):
            part = getattr(self, key)
            check_names(f"data set in [{key}]", [part.data], self.data)
            check_names(f"network in [{key}]", part.networks, self.networks)
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


def _shifted(fitted: Any, config: Config, how: str) -> pd.DataFrame:
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


def _ranks(fitted: Any, config: Config, node: str) -> pd.DataFrame:
    """Accuracy of every member with the node cut to each rank; nothing is trained on."""
    part = next(singular(fitted, w) for w in weights_of(fitted.net) if w.name == node)
    rows, test = [], chains(config, "test")
    for rank in range(part.weight.rank + 1):
        accuracy = with_parameters(fitted, {node: part.truncated(rank)}).accuracy(test)
        labels = {"kind": "rank", "rank": rank, "member": list(fitted.ids)}
        rows.append(pd.DataFrame({**labels, "accuracy": accuracy}))
    return pd.concat(rows)


def _node(fitted: Any, node: str) -> pd.DataFrame:
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
        data: Dataset = chains(task.config, "test", how)
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


def over_generic(table: pd.DataFrame, profile: Comparison) -> pd.DataFrame:
    """The formula's networks less the best generic one, in points."""
    tests = _chosen_shifts(table)
    ours = [name for name, its in profile.families.items() if its == "rswn"]
    parts = []
    for _, here in tests.groupby(["data", "shift"], sort=False):
        generic = here[here["network"].map(profile.families) == "generic"]
        if len(generic):
            best = generic.groupby("network")["accuracy"].mean().idxmax()
            parts.append(against(here, ours, [best], ["data", "shift"], "accuracy"))
    return in_points(pd.concat(parts, ignore_index=True))


def over_formula(table: pd.DataFrame, profile: Comparison) -> pd.DataFrame:
    """Every network less the untrained, rounded formula, in points."""
    rows = over_members(_chosen_shifts(table), ["data", "shift", "network"], "accuracy")
    formula = where(table, kind="formula", network=FORMULA)[["data", "shift", "accuracy"]]
    rows = rows.merge(formula, on=["data", "shift"])
    ends = ["value", "low", "high"]
    rows[ends] = rows[ends].sub(rows.pop("accuracy"), axis=0)
    return in_points(rows)


def everything(table: pd.DataFrame, profile: Comparison) -> pd.DataFrame:
    """Accuracy of every network on every shift, with the parameters and flops of each."""
    tests = over_members(where(table, kind="test"), ["data", "network", "shift"], "accuracy")
    formula = where(table, kind="formula")[["data", "network", "shift", "accuracy"]]
    text = [
        "" if pd.isna(v) else f"{v:.3f}" if pd.isna(low) else f"{v:.3f} ± {(high - low) / 2:.3f}"
        for v, low, high in tests[["value", "low", "high"]].to_numpy()
    ]
    cells = pd.concat(
        [
            tests[["data", "network", "shift"]].assign(text=text),
            formula.assign(text=[f"{v:.3f}" for v in formula["accuracy"]]),
        ]
    )
    wide = cells.pivot_table(
        index=["network", "data"], columns="shift", values="text", aggfunc="first", sort=False
    )
    wide = wide.fillna("").reset_index()
    return wide.replace({"network": profile.titles}).rename(columns=profile.titles)


def costs(table: pd.DataFrame, profile: Comparison) -> pd.DataFrame:
    """Parameters of every network, and flops and largest intermediate of 64 chains."""
    classes = len(recipe_for(next(iter(profile.data))).classes)
    curves = where(table, kind="curve")
    rows = []
    for name, entry in profile.entries.items():
        cost = build_network(as_record(entry), profile.cells, classes).cost(BATCH)
        reached = curves[curves["network"] == name]
        success = rate(reached["reached"] >= 0)
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


def overview(table: pd.DataFrame, profile: Comparison, verdicts: Verdicts) -> Figure:
    """Accuracy of every network, clean and under the weakest disorder, a panel a data set."""
    rows = over_members(_chosen_shifts(table), ["data", "shift", "network"], "accuracy")
    formula = where(table, kind="formula", shift=SHOWN, network=FORMULA)
    formula = formula.rename(columns={"accuracy": "value"})[["data", "shift", "network", "value"]]
    return _dots(pd.concat([rows, formula], ignore_index=True), profile, "accuracy")


def calibration(table: pd.DataFrame, profile: Comparison, verdicts: Verdicts) -> Figure:
    """Expected calibration error on clean chains and at disorder 0.5."""
    rows = over_members(_chosen_shifts(table), ["data", "shift", "network"], "calibration")
    return _dots(rows, profile, "expected calibration error")


def _dots(rows: pd.DataFrame, profile: Comparison, label: str) -> Figure:
    rows["panel"] = rows["data"] + ", " + rows["shift"].map(profile.titles)
    return dots(rows, "network", "panel", label=label, across=2, **look(profile))


def disorder(table: pd.DataFrame, profile: Comparison, verdicts: Verdicts) -> Figure:
    """Accuracy against the strength of disorder, a column a family."""
    rows = over_members(where(table, kind="test"), ["data", "network", "shift"], "accuracy")
    rows = rows[(rows["shift"] == "clean") | rows["shift"].str.startswith("disorder-")]
    rows["strength"] = [0.0 if s == "clean" else describe(s).strength for s in rows["shift"]]
    rows["family"] = rows["network"].map(profile.families)
    labels = ("strength of disorder (units of the hopping)", "accuracy")
    return lines(rows, "strength", "network", "data", "family", labels=labels, **look(profile))


def learning(table: pd.DataFrame, profile: Comparison, verdicts: Verdicts) -> Figure:
    """Share of wrong validation chains against epochs, mean over members."""
    curves = where(table, kind="curve")[["data", "network", "curve"]].explode("curve")
    curves["epoch"] = curves.groupby(level=0).cumcount() + 1
    rows = over_members(curves.astype({"curve": float}), ["data", "network", "epoch"], "curve")
    rows["family"] = rows["network"].map(profile.families)
    rows["low"] = rows["high"] = np.nan  # the intervals of neighbouring epochs would overlap
    labels = ("epoch", "share of validation chains that are wrong")
    return lines(
        rows, "epoch", "network", "data", "family", labels=labels, log="y", error=True,
        **look(profile),
    )  # fmt: skip


def ranks(table: pd.DataFrame, profile: Comparison, verdicts: Verdicts) -> Figure | None:
    """Accuracy against the rank that a node is cut to."""
    rows = over_members(where(table, kind="rank"), ["network", "rank"], "accuracy")
    labels = (f"kept rank of {profile.pruning.node}", "accuracy")
    return lines(rows, "rank", "network", labels=labels, **look(profile)) if len(rows) else None


def trainability(table: pd.DataFrame, profile: Comparison, verdicts: Verdicts) -> Figure | None:
    """Members that reach the threshold against the scale of the initialisation."""
    rows = where(table, kind="scale")
    rows = rows.assign(success=rows["accuracy"] >= profile.threshold)
    rows = over_members(rows, ["network", "scale"], "success", rate)
    labels = ("scale of the start", f"share of members that reach {profile.threshold:g}")
    if rows.empty:
        return None
    return lines(rows, "scale", "network", labels=labels, log="x", **look(profile))


def node_picture(table: pd.DataFrame, profile: Comparison, verdicts: Verdicts) -> Figure | None:
    """The learned node of each channel beside the exact one."""
    arrays: dict[str, Any] = {}
    for row in where(table, kind="node").to_dict("records"):
        if row["channel"] == 0:
            arrays.setdefault("exact", row["matrix"])
            continue
        title = f"{profile.titles[row['network']]}, channel {row['channel']:.0f}"
        arrays[f"{title}, overlap {row['overlap']:.2f}"] = row["matrix"]
    labels = ("y (cell of B)", "x (cell of A)")
    return image(arrays, labels=labels, unit="units of its rms", across=3) if arrays else None


def _graph(form: str) -> Picture:
    def draw(table: pd.DataFrame, profile: Comparison, verdicts: Verdicts) -> Figure:
        figure: Figure = rswn(profile.cells, form=form).draw()
        return figure

    return Picture(f"graph-{form}", f"The contraction graph of the RSWN in its {form} form.", draw)


STUDY = Study(
    name="comparison",
    question="Which networks learn the winding number, and how far does what they learn carry?",
    profile=Comparison,
    grid=grid,
    run=run,
    claims=(
        Claim(
            "formula-networks-ahead",
            "Networks of the formula are more accurate than every generic network.",
            PACKAGE,
            "accuracy less that of the best generic network",
            over_generic,
            above(lambda p: 0.0),
            unit="points",
            condition="Clean chains and disorder 0.5, both trained clean.",
            by="shift",
        ),
        Claim(
            "training-helps",
            "Trained networks are right more often than the formula they start from.",
            PACKAGE,
            "accuracy less that of the formula, untrained and rounded",
            over_formula,
            above(lambda p: 0.0),
            unit="points",
            condition="The formula of the open chain, half a window, rounded.",
            by="shift",
        ),
    ),
    tables=(
        Listing("Accuracy of every network on every shift (mean over members)", everything),
        Listing(f"What the networks cost, for {BATCH} chains", costs),
    ),
    figures=(
        Picture(
            "overview",
            "Accuracy on test chains, clean and disordered: mean over members with its 95 % "
            "interval. Blue: networks of the formula; green: networks that know the symmetry; "
            "orange and brown: generic networks.",
            overview,
        ),
        Picture("disorder", "Accuracy against the strength of disorder; trained clean.", disorder),
        Picture("learning", "Validation error during training, mean over members.", learning),
        Picture(
            "learned-d", "D of the best member beside the exact D, each of unit rms.", node_picture
        ),
        Picture("ranks", "Accuracy with D cut to its leading singular values.", ranks),
        Picture(
            "trainability",
            "Members that learn, against the scale of the initialisation (Wilson's interval).",
            trainability,
        ),
        Picture("calibration", "Expected calibration error; less is better.", calibration),
        *map(_graph, FORMS),
    ),
    columns="network",
)
