"""The numbers of the study `pruning`: chunks put together, findings, verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.data.recipes import recipe_for
from tnlearn.report.statistics import difference, summary
from tnlearn.studies.masks import MASKS
from tnlearn.studies.merging import chosen_members, merged_chunks
from tnlearn.studies.profile import Profile
from tnlearn.studies.pruning_verdicts import LEADING, edges_verdict, shallow_verdict
from tnlearn.studies.success import ABOVE_GUESSING, learned_at_all
from tnlearn.studies.tasks import Result, Task
from tnlearn.studies.weights import POINT, smallest_rank

__all__ = ["assemble", "rank_finding", "smallest_cut"]

Floats = npt.NDArray[np.float64]


def assemble(profile: Profile, done: list[tuple[Task, Result]]) -> dict[str, Any]:
    """Every network with the members that learned, the masked ones, findings and verdicts."""
    chance = _chance(profile)
    networks = {
        name: _network(
            [r for t, r in done if t.kind == "pruning-weights" and t.config["name"] == name],
            chance,
        )
        for name in profile["networks"]
    }
    masked = list(_masked(profile, [(t, r) for t, r in done if t.kind == "pruning-masked"]))
    for row in masked:
        _smallest_input(row, networks[row["network"]]["accuracy"][profile["shifts"][0]])
    features = _features(profile, networks)
    inputs = _inputs(profile, masked)
    proxies = _proxies(profile, networks)
    pairs = _pairs(profile, networks)
    return {
        "networks": networks,
        "masked": masked,
        # What decides comes first; the tables of claims show the first rows.
        "findings": [*inputs, *sorted(features, key=_order), *proxies, *pairs],
        "verdicts": [
            *edges_verdict(_above_guessing(profile, networks), features, masked),
            *shallow_verdict(pairs),
        ],
    }


# ---------------------------------------------------------------- chunks put together


def _chance(profile: Profile) -> float:
    return 1 / len(recipe_for(profile["data"]["name"]).classes)


def _network(parts: list[Result], chance: float) -> dict[str, Any]:
    """The chunks of a network as one, with the smallest ranks that keep its accuracy.

    Members that did not learn at all are left out: there is nothing in them to prune.
    """
    counts = [len(next(iter(part["accuracy"].values()))) for part in parts]
    merged: dict[str, Any] = merged_chunks(parts, counts)
    keep = learned_at_all(next(iter(merged["accuracy"].values())), chance)
    merged = chosen_members(merged, keep)
    merged |= {"members": len(keep), "learned": int(keep.sum())}
    best = max(range(len(parts)), key=lambda k: parts[k]["best"])
    for mine, theirs in zip(merged["weights"], parts[best]["weights"], strict=True):
        mine["pictures"] = theirs["pictures"]
        mine["smallest"] = _smallest(mine, None)
    again = merged.get("retrained", {})
    clean = next(iter(again["control"].values())) if again else []
    for weight in again.get("weights", []):
        weight["smallest"] = _smallest(weight, clean)
    for where, reference in ((merged, None), (again, clean)):
        if "together" in where:
            where["together"]["smallest"] = smallest_cut(where["together"], reference)
    return merged


def _smallest(weight: Mapping[str, Any], control: Sequence[float] | None) -> dict[str, Any]:
    """The smallest rank within a point: of the mean, and of each member."""
    table = np.array(weight["accuracy"], dtype=float)
    goal = table[:, -1] if control is None else np.array(control, dtype=float)
    each = [
        smallest_rank(weight["ranks"], row, g - POINT) for row, g in zip(table, goal, strict=True)
    ]
    return {
        "mean": smallest_rank(weight["ranks"], table.mean(axis=0), goal.mean() - POINT),
        "members": each,
    }


def smallest_cut(together: Mapping[str, Any], control: Sequence[float] | None) -> int | None:
    """Which share of the norm² is the smallest whose mean accuracy is within a point of the goal.

    The goal is the mean of `control`, the network trained on as a whole, or else of
    the largest share.  The index of the share, or None if none suffices.
    """
    table = np.array(next(iter(together["accuracy"].values())), dtype=float)
    goal = float(np.mean(table[:, -1] if control is None else np.array(control, dtype=float)))
    return smallest_rank(range(table.shape[1]), table.mean(axis=0), goal - POINT)


def _masked(profile: Profile, done: list[tuple[Task, Result]]) -> Any:
    """A row a network and family of masks: accuracy (kept, members)."""
    for name in profile["masked"]["networks"]:
        for how in MASKS:
            kept = profile["masked"].get(how)
            if not kept:
                continue
            rows = [
                [
                    value
                    for task, result in done
                    if task.config["name"] == name
                    and task.config["mask"] == {"how": how, "kept": k}
                    for value in result["accuracy"]
                ]
                for k in kept
            ]
            title = profile["entries"][name]["title"]
            yield {"network": name, "title": title, "how": how, "kept": kept, "accuracy": rows}


def _smallest_input(row: dict[str, Any], whole: Sequence[float]) -> None:
    """The smallest input within a point of the whole one, and the difference of the means."""
    means = np.array([summary(values).mean for values in row["accuracy"]])
    row["smallest"] = smallest_rank(row["kept"], means, summary(whole).mean - POINT)
    row["differences"] = []
    for values in row["accuracy"]:
        found = difference(values, whole)
        row["differences"].append([found.value, found.low, found.high])


def _above_guessing(profile: Profile, networks: Mapping[str, Any]) -> dict[str, Any]:
    """The networks that have learned something: one at guessing has no features to speak of."""
    clean, floor = profile["shifts"][0], ABOVE_GUESSING * _chance(profile)
    return {
        name: network
        for name, network in networks.items()
        if summary(network["accuracy"][clean]).mean > floor
    }


# ---------------------------------------------------------------- findings


def _finding(claim: str, name: str, network: str, profile: Profile, **rest: Any) -> dict[str, Any]:
    entry = profile["entries"].get(network, {})
    return {
        "claim": claim,
        "name": name,
        "network": entry.get("title", network),
        "key": network,
        "data": profile["data"]["name"],
        "low": None,
        "high": None,
        "condition": "",
        **rest,
    }


def _order(finding: Mapping[str, Any]) -> int:
    return 0 if finding["kind"] == "rank" else 1 if finding.get("part") == LEADING else 2


def _features(profile: Profile, networks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Edge share over that of equal entries: leading singular vectors, with and without retraining,
    and the whole weight; and what is left of all weights."""
    found = []
    for name, network in networks.items():
        again = network.get("retrained", {})
        retrained = {weight["name"]: weight for weight in again.get("weights", [])}
        for weight in network["weights"]:
            if "edge" not in weight:
                continue
            for kind in ("cells", "states"):
                rows = [(LEADING, weight, 0), ("whole weight", weight, -1)]
                if weight["name"] in retrained:
                    rows.append(("rank 1, retrained", retrained[weight["name"]], 0))
                for words, source, place in rows:
                    if kind in source["edge"]:
                        found.append(
                            _edge_finding(profile, name, weight, kind, words, source, place)
                        )
            for words, mine in (
                ("as it was cut", weight),
                ("retrained", retrained.get(weight["name"])),
            ):
                if mine is not None:
                    found.append(rank_finding(profile, name, weight, words, mine["smallest"]))
        for words, where in (("as it was cut", network), ("retrained", again)):
            cut = where.get("together", {})
            if cut.get("smallest") is None:
                continue
            shares = np.array(cut["numbers"], dtype=float)[:, cut["smallest"]] / network["size"]
            s = summary(shares)
            found.append(
                _finding(
                    "pruning-edges",
                    f"share of the parameters that keeps the accuracy, {words}",
                    name,
                    profile,
                    **s.numbers(),
                    kind="compact",
                    retrained=words == "retrained",
                    condition=f"all weights keep {100 * cut['shares'][cut['smallest']]:g} % of "
                    "their norm², mean accuracy within one point",
                )
            )
    return found


def rank_finding(
    profile: Profile,
    name: str,
    weight: Mapping[str, Any],
    words: str,
    smallest: Mapping[str, Any],
) -> dict[str, Any]:
    """The finding on the smallest rank of a weight; no mean where that of a member is not known."""
    s = summary(smallest["members"], share=False)
    # The members whose rank is known are those of low rank: their mean would say too little.
    numbers = {**s.numbers(), "members": s.count + s.missing}
    if s.missing:
        numbers |= dict.fromkeys(("value", "low", "high"))
    mean = smallest["mean"]
    return _finding(
        "pruning-edges",
        f"smallest rank of {weight['name']} within one point, {words}",
        name,
        profile,
        **numbers,
        kind="rank",
        weight=weight["name"],
        rank=mean,
        full=min(weight["rows"], weight["columns"]),
        unit=f"of {min(weight['rows'], weight['columns'])}",
        condition=f"mean over members; {mean if mean is not None else 'none tried'} keeps the mean "
        f"accuracy; {s.missing} members need a larger rank than was tried",
    )


def _edge_finding(
    profile: Profile,
    name: str,
    weight: Mapping[str, Any],
    kind: str,
    words: str,
    source: Mapping[str, Any],
    place: int,
) -> dict[str, Any]:
    edge = source["edge"][kind]
    s = summary(np.array(edge["share"], dtype=float)[:, place] / edge["uniform"], share=False)
    where = "outer cells" if kind == "cells" else "nearest states in the outer cells"
    return _finding(
        "pruning-edges",
        f"norm² of {weight['name']} on the {where} over that of equal entries, {words}",
        name,
        profile,
        **s.numbers(),
        kind=kind,
        part=words,
        weight=weight["name"],
        condition=f"outer {100 * profile['edge']:g} % of the chain at each end"
        + (f", {profile['edge_states']} pairs of states" if kind == "states" else ""),
    )


def _proxies(profile: Profile, networks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What networks trained on everything make of edge states alone, and of all but the nearest."""
    clean, cells = profile["shifts"][0], profile["cells"]
    near = [k for k in profile["masks"]["nearest"] if k >= profile["edge_states"]]
    rest = [k for k in profile["masks"]["farthest"] if k < cells]
    asked = [("nearest", min(near, default=None)), ("farthest", max(rest, default=None))]
    found = []
    for name, network in networks.items():
        for how, kept in asked:
            if kept is None:
                continue
            mask = network["masks"][how]
            s = summary(np.array(mask["accuracy"], dtype=float)[:, mask["kept"].index(kept)])
            whole = summary(network["accuracy"][clean])
            found.append(
                _finding(
                    "proxies",
                    f"accuracy with only the {kept} {MASKS[how].title} left, not trained again",
                    name,
                    profile,
                    **s.numbers(),
                    kind="mask",
                    how=how,
                    condition=f"of {cells} pairs; {whole.mean:.3f} with all of them",
                )
            )
    return found


def _inputs(profile: Profile, masked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The smallest inputs that keep the accuracy, retrained."""
    found = []
    for row in masked:
        if row["smallest"] is None:
            continue
        place = row["kept"].index(row["smallest"])
        value, low, high = row["differences"][place]
        found.append(
            _finding(
                "pruning-edges",
                f"smallest input within one point: {MASKS[row['how']].title}",
                row["network"],
                profile,
                value=row["smallest"],
                members=len(row["accuracy"][place]),
                unit=f"of {profile['cells']}",
                kind="input",
                how=row["how"],
                condition=f"trained on the masked input; {100 * value:+.2f} points "
                f"[{100 * low:+.2f}, {100 * high:+.2f}] of the whole input",
            )
        )
    return found


def _pairs(profile: Profile, networks: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each shallow network, pruned as far as its accuracy allows, against each complex one.

    Members of a complex network that did not learn at all are left out, to its favour.
    """
    found = []
    for shallow in profile["shallow"]:
        network = networks[shallow]
        again = network.get("retrained", {})
        cut = again.get("together") or network["together"]
        place = cut["smallest"]
        if place is None:
            cut, place = network["together"], network["together"]["smallest"]
        kept = float(np.mean(np.array(cut["numbers"], dtype=float)[:, place]))
        for other in profile["complex"]:
            for how in profile["shifts"]:
                mine = np.array(cut["accuracy"][how], dtype=float)[:, place]
                gap = difference(mine, networks[other]["accuracy"][how])
                found.append(
                    _finding(
                        "shallow-equals-complex",
                        f"pruned − {profile['entries'][other]['title']} whole, {how}",
                        shallow,
                        profile,
                        value=100 * gap.value,
                        low=_points(gap.low),
                        high=_points(gap.high),
                        members=len(mine),
                        unit="points",
                        against=other,
                        shift=how,
                        accuracy=float(np.mean(mine)),
                        kept=kept,
                        condition=f"{kept:,.0f} numbers kept of {network['size']:,}, against "
                        f"{networks[other]['size']:,}; "
                        f"{'retrained' if cut is again.get('together') else 'not retrained'}; "
                        f"{networks[other]['learned']} of {networks[other]['members']} members of "
                        "the latter learned at all",
                    )
                )
    return found


def _points(value: float) -> float | None:
    return 100 * value if np.isfinite(value) else None
