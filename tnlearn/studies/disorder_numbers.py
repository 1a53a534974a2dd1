"""The numbers of the study `disorder`: trainings against tests, regret, findings, verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.data.recipes import recipe_for
from tnlearn.report.statistics import difference, summary, wilson
from tnlearn.studies.profile import Profile
from tnlearn.studies.success import ABOVE_GUESSING, learned_at_all
from tnlearn.studies.tasks import Result, Task

__all__ = ["assemble"]

Floats = npt.NDArray[np.float64]

CLAIM = "disorder-erodes"
POINT = 0.01
_MEMBERS = ("accuracy", "accuracy_clear", "validation")
KINDS = {"u2": "|u|²", "v2": "|v|²", "q2": "|q|²"}


def assemble(profile: Profile, done: list[tuple[Task, Result]]) -> dict[str, Any]:
    """Every network under every training, the formula, the amplitudes; findings and verdict."""
    tests = [float(w) for w in profile["test_at"]]
    networks = {name: _network(name, done) for name in profile["networks"]}
    exact = [_exact(t, r) for t, r in done if t.kind == "disorder-exact"]
    correlation = [
        {"strength": task.config["strength"], **result}
        for task, result in done
        if task.kind == "disorder-correlation"
    ]
    regrets = [row for name in networks for row in _regrets(profile, networks[name], name, tests)]
    lost = [row for name in networks for row in _lost(profile, networks[name], name, tests)]
    known = _known(profile, correlation)
    return {
        "test_at": tests,
        "chance": _chance(profile),
        "networks": networks,
        "exact": exact,
        "correlation": correlation,
        "regrets": regrets,
        "findings": [*regrets, *lost, *known, *_formula(profile, exact)],
        "verdicts": _verdict(_above_guessing(profile, networks, regrets), lost, known),
    }


def _network(name: str, done: list[tuple[Task, Result]]) -> list[dict[str, Any]]:
    """The trainings of a network in the order of the profile, each with all its members."""
    rows: dict[str, dict[str, Any]] = {}
    for task, result in done:
        if task.kind == "disorder-train" and task.config["name"] == name:
            at = task.config["trained_at"]
            row = rows.setdefault(repr(at), {"at": at} | {key: [] for key in _MEMBERS})
            for key in _MEMBERS:
                row[key] += result[key]
    return list(rows.values())


def _chance(profile: Profile) -> float:
    return 1 / len(recipe_for(profile["data"]["name"]).classes)


def of(trainings: Sequence[Mapping[str, Any]], at: float | str) -> Mapping[str, Any]:
    """The training at a strength, or the one on the ``"mixture"``."""
    mixed = at == "mixture"
    return next(
        t for t in trainings if isinstance(t["at"], list) == mixed and (mixed or t["at"] == at)
    )


def _exact(task: Task, result: Result) -> dict[str, Any]:
    return {"strength": task.config["strength"], **result}


def _column(training: Mapping[str, Any], place: int, key: str = "accuracy") -> Floats:
    return np.array(training[key], dtype=float)[:, place]


def _finding(profile: Profile, name: str, network: str, **rest: Any) -> dict[str, Any]:
    entry = profile["entries"].get(network, {})
    return {
        "claim": CLAIM,
        "name": name,
        "network": entry.get("title", network),
        "key": network,
        "data": profile["data"]["name"],
        "condition": "",
        **rest,
    }


def _regrets(
    profile: Profile, trainings: Sequence[Mapping[str, Any]], name: str, tests: list[float]
) -> list[dict[str, Any]]:
    """Trained on the mixture less trained clean, at every strength, in points.

    Members that did not learn at all, on the chains they were trained on, are left out of both.
    """
    chance = _chance(profile)
    mixed, clean = of(trainings, "mixture"), of(trainings, 0.0)
    keep = [learned_at_all(row["validation"], chance) for row in (mixed, clean)]
    found = []
    for place, strength in enumerate(tests):
        gap, unclear = (
            difference(_column(mixed, place, key)[keep[0]], _column(clean, place, key)[keep[1]])
            for key in ("accuracy", "accuracy_clear")
        )
        found.append(
            _finding(
                profile,
                f"regret at disorder {strength:g}",
                name,
                kind="regret",
                strength=strength,
                value=100 * gap.value,
                low=_points(gap.low),
                high=_points(gap.high),
                members=int(min(k.sum() for k in keep)),
                unit="points",
                clear=100 * unclear.value,
                condition="trained on the mixture less trained clean, same number of chains; "
                f"{100 * unclear.value:+.1f} on unambiguous chains; "
                f"{int(keep[0].sum())} and {int(keep[1].sum())} of {len(keep[0])} members learned",
            )
        )
    return found


def _lost(
    profile: Profile, trainings: Sequence[Mapping[str, Any]], name: str, tests: list[float]
) -> list[dict[str, Any]]:
    """What a network trained clean loses from clean to disordered test chains, in points."""
    clean = of(trainings, 0.0)
    start = _column(clean, tests.index(0.0))
    found = []
    for place, strength in enumerate(tests):
        if strength == 0:
            continue
        s = summary(100 * (start - _column(clean, place)), share=False)
        found.append(
            _finding(
                profile,
                f"accuracy lost at disorder {strength:g}, trained clean",
                name,
                kind="lost",
                strength=strength,
                **s.numbers(),
                unit="points",
            )
        )
    return found


def _known(profile: Profile, correlation: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean correlation ratio of the amplitudes of a region with the label, at every strength."""
    found = []
    for row in correlation:
        for kind, title in KINDS.items():
            for region, number in row[kind]["regions"].items():
                found.append(
                    _finding(
                        profile,
                        f"ε² of {title} with the label, {region}, disorder {row['strength']:g}",
                        "",
                        kind="correlation",
                        amplitude=kind,
                        region=region,
                        strength=row["strength"],
                        value=number["value"],
                        low=number["low"],
                        high=number["high"],
                        members=row["samples"],
                        condition=f"mean over {number['entries']} amplitudes, largest "
                        f"{number['largest']:.3f}; bootstrap over chains; members counts chains",
                    )
                )
    return found


def _formula(profile: Profile, exact: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The untrained formula, rounded, on all chains."""
    found = []
    for row in exact:
        for boundary in ("open", "ring"):
            right = row[boundary]["all"]
            low, high = wilson(right, row["samples"])
            found.append(
                _finding(
                    profile,
                    f"rounded RSWN right at disorder {row['strength']:g}, {boundary}",
                    "RSWN, untrained",
                    kind="formula",
                    strength=row["strength"],
                    value=right / row["samples"],
                    low=low,
                    high=high,
                    members=row["samples"],
                    condition=f"{row['ambiguous']} of {row['samples']} chains are ambiguous; "
                    "members counts chains",
                )
            )
    return found


def _points(value: float) -> float | None:
    return 100 * value if np.isfinite(value) else None


def _above_guessing(
    profile: Profile, networks: Mapping[str, Any], regrets: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Regrets of the networks that learned something clean: one at guessing has nothing to lose."""
    floor = ABOVE_GUESSING * _chance(profile)
    good = [
        name for name, rows in networks.items() if summary(of(rows, 0.0)["validation"]).mean > floor
    ]
    return [regret for regret in regrets if regret["key"] in good]


def _verdict(
    regrets: Sequence[Mapping[str, Any]],
    lost: Sequence[Mapping[str, Any]],
    known: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Eroded: the correlation falls beyond doubt, and the network loses what training could keep.

    A loss that the network trained on the mixture has too is no erosion but hardness; so a
    network counts as eroded where its regret is more than a point at 95 %.
    """
    judged = [r for r in regrets if r["strength"] > 0 and r["low"] is not None]
    if not judged:
        return []
    names = list(dict.fromkeys(r["network"] for r in judged))
    worst = {
        name: max((r for r in judged if r["network"] == name), key=lambda r: r["value"])
        for name in names
    }
    eroded = [name for name in names if worst[name]["low"] > 100 * POINT]
    kept = [name for name in names if worst[name]["high"] <= 100 * POINT]
    falls = _falls(known)
    if falls and len(eroded) == len(names):
        verdict = "supported"
    elif not eroded or not falls:
        verdict = "not supported"
    else:
        verdict = "depends on"
    because = "Largest regret of each network trained clean: " + "; ".join(
        f"{name} {found['value']:.1f} points [{found['low']:.1f}, {found['high']:.1f}] at "
        f"{found['strength']:g} (of {_loss(lost, found):.1f} lost)"
        for name, found in worst.items()
    )
    if falls:
        because += f". ε² of the amplitudes with the label: {'; '.join(falls)}"
    parts = [
        ("more than a point of regret: ", eroded),
        ("at most a point: ", kept),
        ("undecided: ", [n for n in names if n not in (*eroded, *kept)]),
    ]
    condition = "; ".join(words + ", ".join(found) for words, found in parts if found)
    return [{"claim": CLAIM, "verdict": verdict, "condition": condition, "because": because}]


def _loss(lost: Sequence[Mapping[str, Any]], regret: Mapping[str, Any]) -> float:
    same = (regret["key"], regret["strength"])
    return float(next(row["value"] for row in lost if (row["key"], row["strength"]) == same))


def _falls(known: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where the correlation at the strongest disorder is below the clean one beyond doubt.

    Of each kind of amplitude the region that keeps most of it and the one that keeps least.
    """
    last = max((k["strength"] for k in known), default=0.0)
    said = []
    for kind, title in KINDS.items():
        found = []
        for region in dict.fromkeys(k["region"] for k in known if k["amplitude"] == kind):
            rows = {
                k["strength"]: k for k in known if (k["amplitude"], k["region"]) == (kind, region)
            }
            if 0.0 in rows and last > 0 and rows[last]["high"] < rows[0.0]["low"]:
                clean, end = rows[0.0]["value"], rows[last]["value"]
                words = f"{title} {region} {clean:.3f} clean, {end:.3f} at {last:g}"
                found.append((end / clean, words))
        found.sort(reverse=True)
        said += list(dict.fromkeys(words for _, words in found[:1] + found[-1:]))
    return said
