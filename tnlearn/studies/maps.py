"""From which starts, and at which learning rates, does each network learn?

Success of every member over initialisation scale and learning rate; every cell of a map has
members, starts and orders of the data of its own.  The nodes of a formula start from normal numbers
of the given scale, or from that times what the entry says; its head starts as ever, and a baseline
from the scale times its own initial values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd

from tnlearn.analysis.landscape import scaled
from tnlearn.errors import check_choice
from tnlearn.lab.ensembles import chains, ensemble, fit_chunk, seed_of
from tnlearn.lab.job import Task
from tnlearn.lab.profile import Count, Data, Known, NetworkName, Profile, Rate, Section, Share
from tnlearn.lab.study import Study
from tnlearn.models.catalogue import build_network
from tnlearn.models.network import Network
from tnlearn.report.claims import PACKAGE, PAPER, claim, decided
from tnlearn.report.figures import Figure, dots, heat
from tnlearn.report.stats import groups_differ, main_effects, mean, rate, rate_gap
from tnlearn.report.table import against, over_members, where
from tnlearn.training.fitted import Fitted

MAP, TUNED = "anywhere on the map", "at the best learning rate"


class Map(Section, kw_only=True):
    """Networks over the same scales and learning rates; success is an accuracy of `threshold`."""

    networks: list[NetworkName]
    scales: list[Rate]
    rates: list[Rate]
    threshold: Share
    epochs: Count
    members: Count | None = None


class Roles(Section, kw_only=True):
    """Which networks are compared for what; `margin` and `own` are shares."""

    exact: list[Annotated[str, Known("network", "mapped")]]  # that hold the formula
    others: list[Annotated[str, Known("network", "mapped")]]
    map: Annotated[str, Known("map", "maps")]  # on which the following three are compared
    plain: str
    mended: str
    reference: str
    margin: float  # success rates this close count as level
    own: float  # a member this near to the best of its network has done what it can


class Maps(Profile, kw_only=True):
    """What the study runs on."""

    data: Data
    shifts: list[str]
    maps: dict[str, Map]
    verdicts: Roles

    def __post_init__(self) -> None:
        """Refuse networks that are not on the map on which they are compared."""
        super().__post_init__()
        for role in ("plain", "mended", "reference"):
            compared = self.maps[self.verdicts.map].networks
            check_choice(f"{role} in [verdicts]", getattr(self.verdicts, role), compared)
        for chosen in self.maps.values():
            for network in chosen.networks:
                self.entries[network].epochs = chosen.epochs  # a map says how long they train

    @property
    def mapped(self) -> list[str]:
        """The networks of all maps."""
        return sorted({name for chosen in self.maps.values() for name in chosen.networks})


def started(entry: Mapping[str, Any], scale: float, cells: int, classes: int) -> Network:
    """The network of an entry with its start scaled, as the study says."""
    if entry["kind"] != "rswn":
        return scaled(build_network(entry, cells, classes), scale)

    def larger(node: Mapping[str, Any]) -> dict[str, Any]:
        init = node.get("init") or {"kind": "normal"}
        return {**node, "init": {**init, "scale": init.get("scale", 1.0) * scale}}

    if "nodes" in entry["free"]:
        return build_network(larger(entry), cells, classes)
    free = {name: larger(node) for name, node in entry["free"].items()}
    return build_network({**entry, "free": free}, cells, classes)


def grid(profile: Maps) -> Iterator[Task]:
    """A task for each network, scale and chunk: all learning rates train as one ensemble."""
    for name, chosen in profile.maps.items():
        rates, members = [float(x) for x in chosen.rates], chosen.members or profile.members
        for network in chosen.networks:
            for scale in chosen.scales:
                labels = {"map": name, "network": network, "scale": float(scale)}
                for chunk in ensemble(
                    profile, network, members=members, lr=rates, epochs=chosen.epochs
                ):
                    weight = chunk["members"] * len(rates) * chosen.epochs
                    yield Task(labels, chunk, "map", weight)


def run(task: Task, profile: Maps, store: Path) -> pd.DataFrame:
    """Train a chunk at every learning rate: a row a member and rate, with its accuracies.

    Columns as of `at_every_rate`, and of each shift the accuracy on test chains.
    """
    config, scale = task.config, task.labels["scale"]
    classes = len(chains(config, "train").classes)
    network = started(config["network"], scale, config["cells"], classes)
    # Other numbers and another order of the data for every scale: cells are independent.
    fitted, rows = at_every_rate(
        {**config, "seed": seed_of(config["seed"], scale)}, config, network
    )
    shifted = {how: fitted.accuracy(chains(config, "test", how)) for how in profile.shifts}
    return rows.assign(**{how: np.round(values, 6) for how, values in shifted.items()})


def at_every_rate(
    config: Mapping[str, Any], data: Mapping[str, Any], network: Network
) -> tuple[Fitted, pd.DataFrame]:
    """Train members at each learning rate of a list, as one ensemble, on the chains of `data`.

    The rows are ``rate, member, accuracy`` (of validation chains, 0 if it failed) and ``failed``.
    """
    rates, count, offset = config["lr"], config["members"], config["offset"]
    lanes = {"members": count * len(rates), "offset": offset * len(rates), "lr": rates * count}
    fitted = fit_chunk(
        {**config, **lanes}, network, chains(data, "train"), chains(data, "validation")
    )
    failed = fitted.failed >= 0
    accuracy = np.where(failed, 0.0, fitted.history["validation_accuracy"][:, -1])
    members = np.repeat(np.arange(offset, offset + count), len(rates))
    rows = {"rate": lanes["lr"], "member": members, "accuracy": np.round(accuracy, 6)}
    return fitted, pd.DataFrame({**rows, "failed": failed})


def successes(table: pd.DataFrame, profile: Maps) -> pd.DataFrame:
    """Three flags of every row: the map's threshold, the common one, near the network's best."""
    accuracy, roles = table["accuracy"], profile.verdicts
    best = table.groupby(["map", "network"])["accuracy"].transform("max")
    return table.assign(
        success=accuracy >= table["map"].map({n: m.threshold for n, m in profile.maps.items()}),
        common=accuracy >= profile.threshold,
        near=accuracy >= best - roles.own,
    )


def judged(table: pd.DataFrame, profile: Maps) -> pd.DataFrame:
    """The rows of the first map of every network that a claim asks for, with their flags."""
    first = table.groupby("network")["map"].transform("first")
    names = [*profile.verdicts.exact, *profile.verdicts.others]
    return where(successes(table[table["map"] == first], profile), network=names)


def tuned(table: pd.DataFrame, flag: str) -> pd.DataFrame:
    """The rows at each network's rate with most successes; ties go to the mean accuracy."""
    merit = table.groupby(["network", "rate"], as_index=False).agg(
        successes=(flag, "sum"), mean=("accuracy", "mean")
    )
    order = merit.sort_values(["successes", "mean", "rate"], ascending=[True, True, False])
    best = order.drop_duplicates("network", keep="last")
    return table.merge(best[["network", "rate"]])


def behind(rows: pd.DataFrame, profile: Maps) -> pd.Series:
    """Whether a network that holds the formula is beyond doubt below the best of the others."""
    by, exact = ["measure", "where"], rows["network"].isin(profile.verdicts.exact)
    others = where(rows, network=profile.verdicts.others)
    best = others.loc[others.groupby(by)["value"].idxmax()].set_index(by)["low"]
    less = rows["high"] < best.reindex(pd.MultiIndex.from_frame(rows[by])).to_numpy()
    return decided(exact & less, exact & ~less)


@claim(PAPER, behind, by="measure")
def less_trainable(table: pd.DataFrame, profile: Maps) -> pd.DataFrame:
    """Networks that hold the formula are less trainable than others.

    Share of members that learn.

    A network that holds the formula is behind where its interval is below that of the best network
    that does not.
    """
    roles, rows = profile.verdicts, judged(table, profile)
    words = {
        "common": f"reach {profile.threshold:g}",
        "near": f"come within {100 * roles.own:g} points of the network's own best member",
    }
    parts = []
    for flag, measure in words.items():
        for place, members in ((MAP, rows), (TUNED, tuned(rows, flag))):
            by = ["network", "rate"] if place == TUNED else ["network"]
            shares = over_members(members, by, flag, rate)
            parts.append(shares.assign(measure=measure, where=place))
    order = [*roles.exact, *roles.others]
    shares = pd.concat(parts, ignore_index=True)
    return shares.sort_values("network", key=lambda names: names.map(order.index), kind="stable")


def sensitive(rows: pd.DataFrame, profile: Maps) -> pd.Series:
    """Whether the two scales, and the ranks at all of them, differ beyond doubt."""
    asked = rows["network"].isin(profile.verdicts.exact) & rows["best"].notna()
    differ = (rows["low"] > 0) & (rows["p"] < 0.05)
    return decided(asked & differ, asked & ~differ)


@claim(PAPER, sensitive)
def init_sensitive(table: pd.DataFrame, profile: Maps) -> pd.DataFrame:
    """The training of networks of the formula depends on the initialisation.

    Success at the best scale less that at the worst.

    Each network at its best learning rate; the accuracies at all scales differ as well (rank test,
    p < 0.05).
    """
    flagged, rows = judged(table, profile), []
    for name in [*profile.verdicts.exact, *profile.verdicts.others]:
        cells = where(flagged, network=name)
        best = tuned(cells, "success")
        scales = dict(list(best.groupby("scale")))
        if len(scales) < 2:  # a map of one scale says nothing of scales
            continue
        order = sorted(scales, key=lambda scale: scales[scale]["success"].mean())
        worst, top = order[0], order[-1]
        gap = rate_gap(scales[top]["success"], scales[worst]["success"])
        p = groups_differ([x["accuracy"] for x in scales.values()])
        differ = {"measure": "best less worst scale", "rate": best["rate"].iloc[0]}
        rows.append({"network": name, **differ, "best": top, "worst": worst, "p": p, **gap})
        flags = cells.groupby(["scale", "rate"])["success"]
        counts = (flags.agg(how).unstack().to_numpy() for how in ("sum", "count"))
        for axis, share in zip(("scale", "rate"), main_effects(*counts), strict=True):
            rows.append({"network": name, "measure": f"variance explained by {axis}", **share})
    return pd.DataFrame(rows)


def level(rows: pd.DataFrame, profile: Maps) -> pd.Series:
    """Whether the mended form is at most `margin` behind the reference, beyond doubt."""
    asked = (rows["network"] == profile.verdicts.mended) & rows["rival"].notna()
    near = rows["low"] > -profile.verdicts.margin
    return decided(asked & near, asked & ~near)


@claim(PACKAGE, level, by="where")
def operator_mended(table: pd.DataFrame, profile: Maps) -> pd.DataFrame:
    """The operator form can be made to train as reliably as the quartic form.

    Share of members that succeed, less that of the quartic form.

    On clean chains; under disorder see the rows on shifted chains.
    """
    roles, parts = profile.verdicts, []
    names = [roles.plain, roles.reference, roles.mended]
    here = where(successes(table, profile), map=roles.map, network=names)
    best = tuned(here, "success")
    for place, rows in ((MAP, here), (TUNED, best)):
        pairs = [roles.mended, roles.plain], [roles.reference]
        gaps = against(rows, *pairs, ["map"], "success", rate_gap).drop(columns="map")
        parts.append(gaps.assign(measure="success less that of the rival", where=place))
        shares = over_members(rows, ["network"], "success", rate)
        parts.append(shares.assign(measure="success", where=place))
    # On shifted chains at the best rate, and the scale best on validation chains.
    means = best.groupby(["network", "scale"])["accuracy"].mean()
    scales = pd.DataFrame([*means.groupby("network").idxmax()], columns=["network", "scale"])
    for how in profile.shifts:
        shifted = over_members(best.merge(scales), ["network", "scale"], how, mean)
        parts.append(shifted.assign(measure=f"test accuracy, {how}", where=TUNED))
    return pd.concat(parts, ignore_index=True)


def maps(table: pd.DataFrame, profile: Maps) -> Figure:
    """Members (%) whose validation accuracy reaches the threshold in the title, over initialisation
    scale and learning rate; each has its own start and data order.
    """
    rows = successes(table, profile)
    rows["panel"] = rows["map"] + " " + rows["network"]
    titles = {
        f"{name} {network}": f"{profile.titles[network]}, ≥\u00a0{chosen.threshold:g}"
        for name, chosen in profile.maps.items()
        for network in chosen.networks
    }
    cells = over_members(rows, ["panel", "scale", "rate"], "success", rate)
    labels = ("learning rate", "scale of the start")
    return heat(cells, "rate", "scale", "panel", labels=labels, names=titles)


@less_trainable.picture
def shares(rows: pd.DataFrame, profile: Maps) -> Figure:
    """Share of members that learn, with Wilson's 95 % interval, anywhere on the map and at the
    learning rate at which most do.
    """
    names, label = profile.titles, "share of members"
    return dots(rows, "network", "where", dot="measure", label=label, names=names)


STUDY = Study(
    __name__,
    __doc__,
    Maps,
    grid,
    run,
    claims=(less_trainable, init_sensitive, operator_mended),
    figures=(maps, shares),
)
