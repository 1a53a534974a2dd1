"""The numbers of the study `audit`: members joined, findings, verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tnlearn.audits.audit import Audit
from tnlearn.audits.score import Estimate, mean_share, plain
from tnlearn.studies.profile import Profile
from tnlearn.studies.tasks import Result, Task

__all__ = ["REFERENCES", "TESTS", "assemble"]

# What is put to the same questions without training.
REFERENCES = {
    "exact": "RSWN, rounded",
    "edge-count": "Edge states counted",
    "constant": "One answer to all",
}

# Three ways to tell an answer that rests on the edge states from one that rests on the invariant:
# the rows of the audit, and what the answer does if it rests on them.
TESTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "ends": (
        ("edge-cell", "edge-potential", "weak-ends", "ends-replaced"),
        "ends altered, the winding stands: the answer changes",
    ),
    "near-zero": (
        ("no-zero-modes-1", "no-zero-modes-2"),
        "states nearest zero energy left out, the winding stands: the answer changes",
    ),
    "bulk": (
        ("bulk-replaced",),
        "bulk replaced and ends kept, the winding changes: the answer does not follow",
    ),
}
# Words and certificates stand once in the results, not once a network; and of the counts of each
# member what the page does not read is left to the files of the tasks.
_ONCE = ("title", "family", "scored", "changes", "keeps", "made", "certified", "refused")
_COUNTS = ("right_before", "right_after", "followed_right", "edge_count_kept")
# The claim is of these: networks that do not contain the formula.
_SIMPLER = ("symmetric", "generic")
# Between the score of one answer to all and that of the invariant.
_HALFWAY = 0.75


def assemble(profile: Profile, done: list[tuple[Task, Result]]) -> dict[str, Any]:
    """Audits with the members of all chunks together, and what the claims rest on."""
    parts: dict[tuple[str, str, int, float], list[Audit]] = {}
    for task, result in done:
        name = task.config.get("network") or task.config["reference"]
        for one in result["audits"]:
            key = (task.kind, name, task.config["audit"]["cells"], one["disorder"])
            parts.setdefault(key, []).append(Audit.read(one["audit"]))
    whole = [(_told(profile, *key), Audit.joined(found)) for key, found in parts.items()]
    rows = [{**told, **_numbers(profile, audit)} for told, audit in whole]
    first = float(profile["disorders"][0])
    own = [row for row in rows if row["cells"] == profile["cells"] and row["disorder"] == first]
    return {
        "audits": [
            {**row, "record": _slim(audit)} for row, (_, audit) in zip(rows, whole, strict=True)
        ],
        "interventions": _certificates(whole),
        "tests": {name: words for name, (_, words) in TESTS.items()},
        "sides": {test: _sides(own, test) for test in TESTS},
        "findings": [*_of_tests(profile, own), *_of_scores(profile, own)],
        "verdicts": [_proxies(profile, own), _follow(profile, own)],
    }


def _told(profile: Profile, kind: str, name: str, cells: int, disorder: float) -> dict[str, Any]:
    trained = kind == "audit-network"
    entry = profile["entries"][name] if trained else {}
    return {
        "network": name,
        "title": entry["title"] if trained else REFERENCES[name],
        "family": entry.get("family", "reference"),
        "trained": trained,
        "cells": cells,
        "disorder": disorder,
    }


def _numbers(profile: Profile, audit: Audit) -> dict[str, Any]:
    """Accuracy, the three tests and the score, of all pairs and of those right before."""
    # Gauge and rotation keep every clear sample: accuracy there is that on the clear samples.
    accuracy = max(audit.rows, key=lambda row: row.certified).accuracy("before")
    # One member alone has no interval over members.
    least = accuracy.low if math.isfinite(accuracy.low) else accuracy.value
    return {
        "members": audit.members,
        "accuracy": plain(accuracy),
        "accurate": least >= profile["threshold"],
        "tests": {
            name: {
                how: plain(_failing(audit, rows, right=how == "right")) for how in ("all", "right")
            }
            for name, (rows, _) in TESTS.items()
        },
        "score": plain(audit.estimate()),
        "score_right": plain(audit.estimate(right=True)),
    }


def _failing(audit: Audit, names: Iterable[str], *, right: bool) -> Estimate:
    """Mean over some rows of the share of pairs that do not follow the invariant."""
    rows = [row for row in audit.rows if row.name in names]
    if not rows:
        return Estimate(math.nan, math.nan, math.nan)
    found, _ = mean_share(rows, right=right)
    return Estimate(1 - found.value, 1 - found.high, 1 - found.low)


def _slim(audit: Audit) -> dict[str, Any]:
    record = audit.record()
    for row in record["rows"]:
        for key in (*_ONCE, *_COUNTS):
            row.pop(key)
    found: dict[str, Any] = _rounded(record)
    return found


def _rounded(value: Any) -> Any:
    """Shares to five digits: far below what their intervals leave open."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 5) if isinstance(value, float) else value


def _certificates(whole: Sequence[tuple[dict[str, Any], Audit]]) -> list[dict[str, Any]]:
    """What each intervention is, and how many pairs were certified, once for each test set."""
    found: dict[tuple[int, float], list[dict[str, Any]]] = {}
    for told, audit in whole:
        found.setdefault(
            (told["cells"], told["disorder"]),
            [
                {
                    "name": row.name,
                    **{key: told[key] for key in ("cells", "disorder")},
                    **{key: getattr(row, key) for key in _ONCE},
                    "edge_count_kept": row.edge_count_kept,
                }
                for row in audit.rows
            ],
        )
    return [row for rows in found.values() for row in rows]


def _of_tests(profile: Profile, own: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Findings of the claim `proxies`: what should not change the answer, and does."""
    return [
        _finding(profile, row, "proxies", f"{words}{of}", row["tests"][test][how])
        for how, of in (("all", ""), ("right", " (pairs answered rightly before)"))
        for test, (_, words) in TESTS.items()
        for row in own
        if row["network"] != "constant" or row["trained"]
    ]


def _of_scores(profile: Profile, own: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        _finding(profile, row, "audit-score", words, row[key])
        for key, words in (
            ("score", "score of the audit"),
            ("score_right", "score of the audit (pairs answered rightly before)"),
            ("accuracy", "accuracy on the samples audited that are clear"),
        )
        for row in own
    ]


def _finding(
    profile: Profile,
    row: Mapping[str, Any],
    claim: str,
    name: str,
    found: Mapping[str, float | None],
) -> dict[str, Any]:
    data = profile["data"]["name"]
    trained = f"trained on {profile['data']['train']} chains" if row["trained"] else "untrained"
    return {
        "claim": claim,
        "name": name,
        "network": row["title"],
        "data": data,
        **found,
        "members": row["members"],
        "condition": f"{row['cells']} cells, disorder {row['disorder']:g}, {trained}, certified "
        f"pairs of {profile['samples']} chains",
    }


def _proxies(profile: Profile, own: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Whether the accurate networks that are not the formula are nearer to the edge count.

    In each test a network is nearer to the count of edge states than to the invariant (which
    by certification fails nowhere) if its 95 % interval is above half the failures of the
    edge counter, and nearer to the invariant if it is below.
    """
    simpler = [row for row in own if row["family"] in _SIMPLER and row["accurate"]]
    sides = {test: _sides([_counter(own), *simpler], test) for test in TESTS}
    titles = {row["network"]: str(row["title"]) for row in simpler}
    near = {
        test: {side: _listed([titles[name] for name in names]) for side, names in found.items()}
        for test, found in sides.items()
    }
    decided = {side for found in sides.values() for side, names in found.items() if names}
    verdict = "depends on"
    if decided in ({"edges"}, {"invariant"}):
        verdict = "supported" if "edges" in decided else "not supported"
    counted = {test: _percent(found["right"]) for test, found in _counter(own)["tests"].items()}
    because = "; ".join(
        f"{words} in {counted[test]} of the pairs for a counter of edge states; nearer to it: "
        f"{near[test]['edges']}; nearer to the invariant: {near[test]['invariant']}"
        + (f"; undecided: {near[test]['undecided']}" if sides[test]["undecided"] else "")
        for test, (_, words) in TESTS.items()
    )
    where = "; ".join(
        f"{words.partition(',')[0]}: {near[test]['edges']}" for test, (_, words) in TESTS.items()
    )
    return {
        "claim": "proxies",
        "verdict": verdict,
        "where": f"nearer to the edge states than to the invariant with {where}; of "
        f"{len(simpler)} accurate networks that are not the formula",
        "condition": f"networks that are symmetric or generic and right on at least "
        f"{100 * profile['threshold']:g} % of the clear chains ({_listed([*titles.values()])}); "
        "pairs answered rightly before; near means within half of the edge counter's share",
        "because": because,
        "sides": sides,
    }


def _counter(own: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return next(row for row in own if row["network"] == "edge-count" and not row["trained"])


def _sides(own: Sequence[Mapping[str, Any]], test: str) -> dict[str, list[str]]:
    """The trained networks by what they are nearer to in a test.

    Of one that is hardly ever right, answers that change tell nothing of what they rest on.
    """
    half = _counter(own)["tests"][test]["right"]["value"]
    found: dict[str, list[str]] = {name: [] for name in ("edges", "invariant", "undecided", "poor")}
    for row in own:
        if row["trained"]:
            side = _side(row["tests"][test]["right"], None if half is None else half / 2)
            found[side if row["accurate"] else "poor"].append(str(row["network"]))
    return found


def _side(found: Mapping[str, float | None], border: float | None) -> str:
    low, high = found["low"], found["high"]
    if border is None or low is None or high is None:
        return "undecided"
    return "edges" if low > border else "invariant" if high < border else "undecided"


def _follow(profile: Profile, own: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Whether the networks are nearer to the invariant (1) than to one answer to all (½)."""
    trained = [row for row in own if row["trained"] and row["score"]["value"] is not None]
    above = [str(r["title"]) for r in trained if (r["score"]["low"] or 0.0) > _HALFWAY]
    below = [str(r["title"]) for r in trained if (r["score"]["high"] or 1.0) < _HALFWAY]
    verdict = "depends on"
    if trained and len(trained) in (len(above), len(below)):
        verdict = "supported" if above else "not supported"
    known = {row["network"]: row["score"]["value"] for row in own if not row["trained"]}
    told = ", ".join(
        f"{REFERENCES[name].lower()} {value:.3f}"
        for name, value in known.items()
        if value is not None
    )
    best = max(trained, key=lambda row: row["score"]["value"], default=None)
    highest = ""
    if best:
        highest = f"; the highest score is {best['score']['value']:.3f} ({best['title']})"
    return {
        "claim": "audit-score",
        "verdict": verdict,
        "where": f"{len(above)} of {len(trained)} networks do, {len(below)} are nearer to one "
        f"answer to all{highest}",
        "condition": f"{profile['cells']} cells; references: {told}",
        "because": "by their 95 % intervals nearer to the invariant of each sample (1) than to "
        f"one answer to all (0.5): {_listed(above)}; nearer to one answer: {_listed(below)}"
        f"{highest}",
    }


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _percent(found: Mapping[str, float | None]) -> str:
    return "no share" if found["value"] is None else f"{100 * found['value']:.1f} %"
