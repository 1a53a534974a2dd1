"""The verdicts of the study `pruning`, decided by its findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tnlearn.studies.masks import MASKS
from tnlearn.studies.weights import POINT

__all__ = ["LEADING", "edges_verdict", "shallow_verdict"]

LEADING = "leading singular vector"
# A weight is compact if at most this share of its singular vectors keeps the accuracy.
_HALF = 0.5

_WORDS = {
    "edge": "compact and on the edge",
    "bulk": "away from the edge",
    "neither": "no preference",
    "big": "on the edge, but more than half of the singular vectors needed",
}


def edges_verdict(
    networks: Mapping[str, Any], features: Sequence[Mapping[str, Any]], masked: Sequence[Any]
) -> list[dict[str, Any]]:
    """Supported where few singular vectors suffice and the leading one sits on the edge.

    Asked of the first weight of each network that has a place in the chain.  Where it tells
    states apart, edge states are meant: near zero energy, in outer cells.  Few are at most half
    (retrained, where that was done); on the edge is an edge share above that of equal entries,
    at 95 %.
    """
    found: dict[str, list[str]] = {kind: [] for kind in _WORDS}
    said = []
    for name in networks:
        mine = [f for f in features if f["key"] == name]
        leading = [f for f in mine if f.get("part") == LEADING]
        leading = [f for f in leading if f["weight"] == leading[0]["weight"]]
        leading = [f for f in leading if f["kind"] == "states"] or leading
        if not leading or leading[0]["low"] is None:
            continue
        # The last is that with retraining, where there is one.
        ranks = [f for f in mine if f["kind"] == "rank" and f["weight"] == leading[0]["weight"]][
            -1:
        ]
        found[_where(leading[0], ranks)].append(leading[0]["network"])
        said.append(_words(leading[0], ranks))
    total = sum(map(len, found.values()))
    if not total:
        return []
    there = len(found["edge"])
    verdict = "supported" if there == total else "depends on" if there else "not supported"
    because = (
        "Norm² of the leading singular vector on the outer cells (or in the edge states, where the "
        "weight tells states apart) over that of equal entries, and the rank that keeps the "
        "accuracy: " + "; ".join(said)
    )
    inputs = [row for row in masked if row["smallest"] is not None]
    if inputs:
        because += ". Smallest inputs within one point, trained on them alone: " + "; ".join(
            f"{row['smallest']} {MASKS[row['how']].title} ({row['title']})" for row in inputs
        )
    condition = "; ".join(
        f"{_WORDS[kind]}: {', '.join(titles)}" for kind, titles in found.items() if titles
    )
    return [
        {"claim": "pruning-edges", "verdict": verdict, "condition": condition, "because": because}
    ]


def _where(leading: Mapping[str, Any], ranks: Sequence[Mapping[str, Any]]) -> str:
    if leading["high"] < 1:
        return "bulk"
    if leading["low"] <= 1:
        return "neither"
    few = [f["rank"] is not None and f["rank"] <= _HALF * f["full"] for f in ranks]
    return "edge" if few and few[0] else "big"


def _words(leading: Mapping[str, Any], ranks: Sequence[Mapping[str, Any]]) -> str:
    where = "edge states" if leading["kind"] == "states" else "outer cells"
    text = (
        f"{leading['network']} {where} ×{leading['value']:.2f} "
        f"[{leading['low']:.2f}, {leading['high']:.2f}]"
    )
    if not ranks:
        return text
    rank = "more than tried" if ranks[0]["rank"] is None else f"{ranks[0]['rank']}"
    return f"{text}, rank {rank} of {ranks[0]['full']}"


def shallow_verdict(pairs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A shallow network matches if it is nowhere worse by more than a point, at 95 %.

    It fails if it is worse by more than a point somewhere, at 95 %; else it is undecided.
    """
    judged = [p for p in pairs if p["low"] is not None]
    if not judged:
        return []
    least = -100 * POINT
    names = list(dict.fromkeys(p["network"] for p in judged))
    mine = {name: [p for p in judged if p["network"] == name] for name in names}
    good = [name for name in names if all(p["low"] >= least for p in mine[name])]
    bad = [name for name in names if any(p["high"] < least for p in mine[name])]
    unclear = [name for name in names if name not in (*good, *bad)]
    verdict = "depends on" if good else "not supported"
    verdict = "supported" if len(good) == len(names) else verdict
    worst = [min(mine[name], key=lambda p: p["value"]) for name in names]
    because = "Worst difference of each pruned network from a whole complex one: " + "; ".join(
        f"{pair['network']} {pair['value']:+.1f} points [{pair['low']:+.1f}, {pair['high']:+.1f}] "
        f"({pair['name'].removeprefix('pruned − ')}), {pair['kept']:,.0f} numbers kept"
        for pair in worst
    )
    parts = [("it holds for", good), ("it fails for", bad), ("undecided for", unclear)]
    return [
        {
            "claim": "shallow-equals-complex",
            "verdict": verdict,
            "condition": "; ".join(f"{words} {', '.join(some)}" for words, some in parts if some),
            "because": because,
        }
    ]
