"""The numbers of the study `sizes`: accuracy against length, findings and verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tnlearn.report.estimate import estimate
from tnlearn.studies.profile import Profile
from tnlearn.studies.tasks import Result, Task

__all__ = ["assemble"]

SIZES = "sizes"
NODES = "position-nodes"


def assemble(profile: Profile, done: list[tuple[Task, Result]]) -> dict[str, Any]:
    """Accuracy by chains, training, network and length; findings and verdicts."""
    tests = {name: _tests(name, chosen, done) for name, chosen in profile["chains"].items()}
    training: dict[str, dict[str, Any]] = {name: {} for name in profile["training"]}
    for task, result in done:
        if task.kind == "sizes-train":
            chosen = training[task.config["training"]].setdefault(
                task.config["network"],
                {"validation": [], "failed": 0, "parameters": result["parameters"]},
            )
            chosen["validation"] += list(result["validation"])
            chosen["failed"] += result["failed"]
    found = {
        "tests": tests,
        "training": training,
        "learned": {t.config["network"]: r for t, r in done if t.kind == "sizes-learned"},
        "fixed": next(result for task, result in done if task.kind == "sizes-fixed"),
    }
    lowest = _lowest(profile, tests)
    nodes = _nodes(profile, tests)
    return {
        **found,
        "findings": [*lowest, *_elsewhere(profile, tests), *nodes],
        "verdicts": [*_verdict_sizes(profile, lowest, found), *_verdict_nodes(profile, nodes)],
    }


def _tests(name: str, chosen: Mapping[str, Any], done: list[tuple[Task, Result]]) -> dict[str, Any]:
    """All lengths of one kind of chains, in the order of the profile."""
    rows = {
        task.config["cells"]: result
        for task, result in done
        if task.kind == "sizes-test" and task.config["chains"] == name
    }
    lengths = list(chosen["lengths"])
    networks = list(rows[lengths[0]]["accuracy"][chosen["trainings"][0]])

    def collected(key: str) -> dict[str, Any]:
        return {
            training: {
                network: [rows[n][key][training][network] for n in lengths] for network in networks
            }
            for training in chosen["trainings"]
        }

    return {
        "lengths": lengths,
        "samples": [rows[n]["samples"] for n in lengths],
        "clear": [rows[n]["clear"] for n in lengths],
        "formula": {
            boundary: [rows[n]["formula"][boundary] for n in lengths]
            for boundary in ("open", "periodic")
        },
        "accuracy": collected("accuracy"),
        "accuracy_clear": collected("accuracy_clear"),
    }


def _finding(
    profile: Profile, claim: str, words: str, chains: str, training: str, network: str, **rest: Any
) -> dict[str, Any]:
    return {
        "claim": claim,
        "name": words,
        "network": profile["entries"][network]["title"],
        "key": network,
        "data": profile["chains"][chains]["title"],
        "chains": chains,
        "training": training,
        "condition": f"trained at {profile['training'][training]['title']}",
        **rest,
    }


def _judged(profile: Profile) -> list[int]:
    first, last = profile["goal"]["lengths"]
    return [
        n for n in profile["chains"][profile["goal"]["chains"]]["lengths"] if first <= n <= last
    ]


def _at(test: Mapping[str, Any], training: str, network: str, length: int) -> dict[str, Any]:
    place = test["lengths"].index(length)
    return estimate(test["accuracy"][training][network][place], test["samples"][place])


def _lowest(profile: Profile, tests: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each training and network the length, within the goal, where the interval ends lowest."""
    chains = profile["goal"]["chains"]
    test, lengths = tests[chains], _judged(profile)
    found = []
    for training, networks in test["accuracy"].items():
        for network in networks:
            by_length = {n: _at(test, training, network, n) for n in lengths}
            worst = min(by_length, key=lambda n: _or_zero(by_length[n]["low"]))
            words = (
                f"accuracy at {worst} cells, where of {lengths[0]} to {lengths[-1]} its interval "
                "ends lowest"
            )
            found.append(
                _finding(
                    profile,
                    SIZES,
                    words,
                    chains,
                    training,
                    network,
                    cells=worst,
                    **by_length[worst],
                )
            )
    return found


def _or_zero(value: float | None) -> float:
    return 0.0 if value is None else value


def _elsewhere(profile: Profile, tests: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Other chains than those of the goal: the shortest and the longest of them."""
    found = []
    for chains, test in tests.items():
        if chains == profile["goal"]["chains"]:
            continue
        for training, networks in test["accuracy"].items():
            for network in networks:
                for cells in (test["lengths"][0], test["lengths"][-1]):
                    found.append(
                        _finding(
                            profile,
                            SIZES,
                            f"accuracy at {cells} cells",
                            chains,
                            training,
                            network,
                            cells=cells,
                            **_at(test, training, network, cells),
                        )
                    )
    return found


def _nodes(profile: Profile, tests: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Accuracy at every length, of the training with the most lengths."""
    chains = profile["goal"]["chains"]
    test = tests[chains]
    most = max(test["accuracy"], key=lambda name: len(profile["training"][name]["lengths"]))
    return [
        _finding(
            profile,
            NODES,
            f"accuracy at {cells} cells",
            chains,
            most,
            network,
            cells=cells,
            **_at(test, most, network, cells),
        )
        for network in test["accuracy"][most]
        for cells in test["lengths"]
    ]


def _verdict_sizes(
    profile: Profile, lowest: Sequence[Mapping[str, Any]], found: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Whether every training of every network reaches the goal at every length."""
    goal, lengths = profile["goal"], _judged(profile)
    met = [f for f in lowest if _or_zero(f["low"]) >= goal["accuracy"]]
    fixed = [name for name, about in found["fixed"].items() if not about["any_length"]]
    words = "; ".join(
        f"{f['network']}, {f['condition']}: {_per_cent(f)} at {f['cells']} cells" for f in lowest
    )
    unable = ", ".join(str(profile["entries"][name]["title"]) for name in fixed)
    if len(met) == len(lowest) and not fixed:
        verdict = "supported"
    else:
        verdict = "depends on" if met else "not supported"
    names = list(dict.fromkeys(f["network"] for f in lowest))
    counts = "; ".join(
        f"{name} in {sum(f['network'] == name for f in met)} of "
        f"{sum(f['network'] == name for f in lowest)} trainings"
        for name in names
    )
    condition = (
        f"trained at {_longest(profile)} cells or fewer, at least {100 * goal['accuracy']:g} % at "
        f"every length from {lengths[0]} to {lengths[-1]} cells is reached by {counts}"
    )
    if fixed:
        condition += f"; of one length by construction: {unable}"
    return [
        {
            "claim": SIZES,
            "verdict": verdict,
            "condition": condition,
            "because": f"Where, over these lengths, its interval ends lowest: {words}",
        }
    ]


def _longest(profile: Profile) -> int:
    trainings = profile["chains"][profile["goal"]["chains"]]["trainings"]
    return max(int(n) for name in trainings for n in profile["training"][name]["lengths"])


def _verdict_nodes(profile: Profile, nodes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Whether each network, trained at the most lengths, reaches the goal at every length."""
    goal, lengths = profile["goal"], _judged(profile)
    judged = [f for f in nodes if f["cells"] in lengths]
    names = list(dict.fromkeys(f["network"] for f in judged))
    worst = {
        name: min((f for f in judged if f["network"] == name), key=lambda f: _or_zero(f["low"]))
        for name in names
    }
    met = [name for name, f in worst.items() if _or_zero(f["low"]) >= goal["accuracy"]]
    verdict = "supported" if len(met) == len(names) else "depends on" if met else "not supported"
    words = "; ".join(f"{name}: {_per_cent(f)} at {f['cells']} cells" for name, f in worst.items())
    failing = [name for name in names if name not in met]
    reached = f"reached by {', '.join(met) or 'none'}" + (
        f"; not by {', '.join(failing)}" if failing else ""
    )
    return [
        {
            "claim": NODES,
            "verdict": verdict,
            "condition": f"at least {100 * goal['accuracy']:g} % on {judged[0]['data']} of "
            f"{lengths[0]} to {lengths[-1]} cells, {judged[0]['condition']}, is {reached}",
            "because": f"Where, over these lengths, its interval ends lowest: {words}",
        }
    ]


def _per_cent(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return "no member has a value"
    return f"{100 * found['value']:.1f} % [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"
