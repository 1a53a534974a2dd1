"""What the numbers of `trainability` say about three claims, decided by intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tnlearn.report.statistics import wilson
from tnlearn.studies.profile import Profile

__all__ = ["best_rate", "explained", "findings_and_verdicts", "newcombe", "pooled"]

Cells = Sequence[Mapping[str, Any]]
Finding = dict[str, Any]

_DRAWS = 2000
_SEED = 20261


def newcombe(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float, float]:
    """Difference of two success rates, ``first − second``, and its 95 % interval.

    Newcombe's hybrid of the two Wilson intervals (Stat. Med. 17, 873 (1998), method 10).

    >>> value, low, high = newcombe((56, 70), (48, 80))
    >>> round(value, 4), round(low, 4), round(high, 4)
    (0.2, 0.0524, 0.3339)

    Parameters
    ----------
    first, second
        ``(successes, trials)`` of each.
    """
    rates, lows, highs = [], [], []
    for successes, trials in (first, second):
        low, high = wilson(successes, trials)
        rates.append(successes / trials)
        lows.append(low)
        highs.append(high)
    value = rates[0] - rates[1]
    below = math.hypot(rates[0] - lows[0], highs[1] - rates[1])
    above = math.hypot(highs[0] - rates[0], rates[1] - lows[1])
    return value, value - below, value + above


def pooled(
    cells: Cells, key: str = "success", rate: float | None = None, scale: float | None = None
) -> tuple[int, int]:
    """Successes and members of the cells of a map at one rate, at one scale, or of all of them."""
    chosen = [
        c
        for c in cells
        if (rate is None or c["rate"] == rate) and (scale is None or c["scale"] == scale)
    ]
    return sum(c[key] for c in chosen), sum(c["members"] for c in chosen)


def best_rate(cells: Cells, key: str = "success") -> float:
    """The learning rate with most successes over all scales; ties go to the mean accuracy."""

    def merit(rate: float) -> tuple[int, float]:
        row = [c for c in cells if c["rate"] == rate]
        return sum(c[key] for c in row), sum(c["accuracy"]["mean"] or 0.0 for c in row)

    rates: list[float] = sorted({float(c["rate"]) for c in cells})
    return max(rates, key=merit)


def explained(cells: Cells) -> dict[str, dict[str, float]]:
    """Share of the variance of success over a map that the scale, and the rate, explain.

    Main effects of a two-way table of success rates (sums of squares over the total), with
    intervals (95 %, percentile) from drawing the successes of every cell anew.  Both are 0
    where all cells are alike.
    """
    scales = sorted({c["scale"] for c in cells})
    rates = sorted({c["rate"] for c in cells})
    place = {(c["scale"], c["rate"]): c for c in cells}
    table = [[place[s, r] for r in rates] for s in scales]
    trials = np.array([[c["members"] for c in row] for row in table])
    successes = np.array([[c["success"] for c in row] for row in table])
    rng = np.random.default_rng(_SEED)
    drawn = rng.binomial(trials, successes / trials, size=(_DRAWS, *trials.shape)) / trials
    found: dict[str, dict[str, float]] = {}
    for name, axis in (("scale", 1), ("rate", 0)):
        low, high = np.quantile(_main_effect(drawn, axis), [0.025, 0.975])
        value = _main_effect((successes / trials)[None], axis)[0]
        found[name] = {"value": float(value), "low": float(low), "high": float(high)}
    return found


def _main_effect(tables: Any, over: int) -> Any:
    mean = tables.mean(axis=(1, 2), keepdims=True)
    total = ((tables - mean) ** 2).mean(axis=(1, 2))
    effect = ((tables.mean(axis=1 + over, keepdims=True) - mean) ** 2).mean(axis=(1, 2))
    return np.where(total > 0, effect / np.where(total > 0, total, 1.0), 0.0)


def findings_and_verdicts(profile: Profile, numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The findings of the claims less-trainable, init-sensitive and operator-mended."""
    findings: list[Finding] = []
    verdicts = [
        _less_trainable(profile, numbers, findings),
        *_sensitive(profile, numbers, findings),
        _mended(profile, numbers, findings),
    ]
    _basins(profile, numbers, findings)
    return {"findings": findings, "verdicts": verdicts}


def _finding(claim: str, profile: Profile, **rest: Any) -> Finding:
    return {"claim": claim, "data": profile["data"]["name"], "unit": "", **rest}


def _mapped(numbers: Mapping[str, Any], network: str) -> tuple[Mapping[str, Any], Cells]:
    """The first map that has a network, and its cells."""
    for found in numbers["maps"].values():
        if network in found["networks"]:
            return found, found["networks"][network]["cells"]
    raise KeyError(network)


def _grid(found: Mapping[str, Any]) -> str:
    return (
        f"scales {_span(found['scales'])}, learning rates {_span(found['rates'])}, "
        f"{found['epochs']} epochs"
    )


def _span(values: Sequence[float]) -> str:
    return f"{min(values):g} to {max(values):g}" if len(values) > 1 else f"{values[0]:g}"


def _percent(value: float, low: float, high: float) -> str:
    text = f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
    return text.replace("-", "−")


# ---------------------------------------------------------------------- less trainable


def _less_trainable(
    profile: Profile, numbers: Mapping[str, Any], findings: list[Finding]
) -> dict[str, Any]:
    chosen = profile["verdicts"]
    exact, others = chosen["exact"], chosen["others"]
    titles = {name: profile["entries"][name]["title"] for name in (*exact, *others)}
    fixed = f"reach {profile['threshold']:g}"
    own = f"come within {100 * chosen['own']:g} points of the network's own best member"
    questions = (
        ("common", False, f"{fixed}, anywhere on the map"),
        ("common", True, f"{fixed}, at the best learning rate"),
        ("own", False, f"{own}, anywhere on the map"),
        ("own", True, f"{own}, at the best learning rate"),
    )
    behind, said = [], []
    for key, tuned, words in questions:
        shares = {}
        for name in titles:
            found, cells = _mapped(numbers, name)
            best = best_rate(cells, key)
            successes, members = pooled(cells, key, best if tuned else None)
            shares[name] = (successes / members, *wilson(successes, members))
            findings.append(
                _finding(
                    "less-trainable",
                    profile,
                    name=f"members that {words}",
                    network=titles[name],
                    value=shares[name][0],
                    low=shares[name][1],
                    high=shares[name][2],
                    members=members,
                    condition=f"rate {best:g}, all scales" if tuned else _grid(found),
                )
            )
        ahead = max(others, key=lambda name: shares[name][0])
        fewer = [name for name in exact if shares[name][2] < shares[ahead][1]]
        behind.append(fewer)
        listed = ", ".join(f"{titles[name]} {_percent(*shares[name])}" for name in exact)
        said.append(
            f"Members that {words}: {titles[ahead]} {_percent(*shares[ahead])}; {listed}; "
            f"{len(fewer)} of {len(exact)} are behind"
        )
    if all(len(fewer) == len(exact) for fewer in behind):
        word = "supported"
    else:
        word = "depends on" if any(behind) else "not supported"
    count = [f"{len(fewer)} of {len(exact)}" for fewer in behind]
    return {
        "claim": "less-trainable",
        "verdict": word,
        "condition": "networks that hold the formula and are behind the best other one: by members "
        f"that {fixed}, {count[0]} over the whole map and {count[1]} at the best learning rate; by "
        f"members that {own}, {count[2]} and {count[3]}",
        "because": ". ".join(said),
    }


# ---------------------------------------------------------------------- sensitive to the start


def _sensitive(
    profile: Profile, numbers: Mapping[str, Any], findings: list[Finding]
) -> list[dict[str, Any]]:
    sensitive, said = [], []
    exact = profile["verdicts"]["exact"]
    for name in [*exact, *profile["verdicts"]["others"]]:
        found, cells = _mapped(numbers, name)
        if len(found["scales"]) < 2:
            continue  # a map of one scale says nothing of scales
        title = profile["entries"][name]["title"]
        at = best_rate(cells)
        by_scale = {s: pooled(cells, scale=s, rate=at) for s in found["scales"]}
        order = sorted(by_scale, key=lambda s: by_scale[s][0] / by_scale[s][1])
        value, low, high = newcombe(by_scale[order[-1]], by_scale[order[0]])
        place = found["rates"].index(at)
        test = found["networks"][name]["scales_differ"][place]
        findings.append(
            _finding(
                "init-sensitive",
                profile,
                name="success at the best scale less success at the worst",
                network=title,
                value=value,
                low=low,
                high=high,
                members=sum(n for _, n in by_scale.values()),
                condition=f"rate {at:g}, scale {order[-1]:g} against {order[0]:g}, threshold "
                f"{found['threshold']:g}; accuracies at all scales alike: p = "
                f"{'none' if test is None or math.isnan(test) else f'{test:.1g}'}",
            )
        )
        shares = explained(cells)
        findings.extend(
            _finding(
                "init-sensitive",
                profile,
                name=f"share of the variance of success over the map that the {words} explains",
                network=title,
                **shares[key],
                members=pooled(cells)[1],
                condition=f"threshold {found['threshold']:g}, {_grid(found)}; bootstrap",
            )
            for key, words in (("scale", "initialisation scale"), ("rate", "learning rate"))
        )
        if name in exact:
            if low > 0 and test is not None and test < 0.05:
                sensitive.append(title)
            said.append(
                f"{title}: {_percent(value, low, high)} between the best and the worst scale at "
                f"rate {at:g}; of the variance over the map the scale explains "
                f"{_percent(*shares['scale'].values())}, the learning rate "
                f"{_percent(*shares['rate'].values())}"
            )
    if not said:
        return []
    word = "depends on" if sensitive else "not supported"
    if len(sensitive) == len(said):
        word = "supported"
    condition = f"sensitive at their best learning rate: {', '.join(sensitive) or 'none'}"
    because = ". ".join(said)
    claim = "init-sensitive"
    return [{"claim": claim, "verdict": word, "condition": condition, "because": because}]


# ---------------------------------------------------------------------- the operator form


def _mended(
    profile: Profile, numbers: Mapping[str, Any], findings: list[Finding]
) -> dict[str, Any]:
    chosen = profile["verdicts"]
    found = numbers["maps"][chosen["map"]]
    roles = {role: found["networks"][chosen[role]] for role in ("plain", "reference", "mended")}
    rates = {role: best_rate(network["cells"]) for role, network in roles.items()}
    condition = f"threshold {found['threshold']:g}, {_grid(found)}"
    shares = {}
    for role, network in roles.items():
        for where, count in (
            ("map", pooled(network["cells"])),
            ("best", pooled(network["cells"], rate=rates[role])),
        ):
            low, high = wilson(*count)
            shares[role, where] = (count[0] / count[1], low, high)
            findings.append(
                _finding(
                    "operator-mended",
                    profile,
                    name="members that succeed, "
                    + ("anywhere on the map" if where == "map" else "at the best learning rate"),
                    network=network["title"],
                    value=shares[role, where][0],
                    low=low,
                    high=high,
                    members=count[1],
                    condition=condition if where == "map" else f"rate {rates[role]:g}, all scales",
                )
            )
        _by_shift(profile, network, rates[role], findings)
    against = {}
    for role in ("mended", "plain"):
        for where in ("map", "best"):
            pair = [
                pooled(roles[r]["cells"], rate=None if where == "map" else rates[r])
                for r in (role, "reference")
            ]
            against[role, where] = newcombe(*pair)
            value, low, high = against[role, where]
            findings.append(
                _finding(
                    "operator-mended",
                    profile,
                    name=f"success less that of {roles['reference']['title']}, "
                    + ("anywhere on the map" if where == "map" else "each at its best rate"),
                    network=roles[role]["title"],
                    value=value,
                    low=low,
                    high=high,
                    members=pair[0][1] + pair[1][1],
                    condition=condition,
                )
            )
    margin = chosen["margin"]
    level = [against["mended", where][1] > -margin for where in ("map", "best")]
    word = "supported" if all(level) else ("depends on" if any(level) else "not supported")
    names = {role: network["title"] for role, network in roles.items()}
    because = (
        f"{names['mended']} succeeds for {_percent(*shares['mended', 'map'])} of the members "
        f"anywhere on the map, {names['reference']} for {_percent(*shares['reference', 'map'])}, "
        f"{names['plain']} for {_percent(*shares['plain', 'map'])}; at their best learning rates "
        f"{_percent(*shares['mended', 'best'])}, {_percent(*shares['reference', 'best'])} and "
        f"{_percent(*shares['plain', 'best'])}. The difference to {names['reference']} is "
        f"{_percent(*against['mended', 'map'])} anywhere and "
        f"{_percent(*against['mended', 'best'])} at the best rates"
    )
    ahead = [
        f"{words}: {100 * against['mended', key][0]:+.1f} points "
        f"[{100 * against['mended', key][1]:.1f}, {100 * against['mended', key][2]:.1f}]"
        for key, words in (("map", "anywhere on the map"), ("best", "at the best learning rate"))
    ]
    return {
        "claim": "operator-mended",
        "verdict": word,
        "where": f"success less that of {names['reference']}, "
        + "; ".join(ahead).replace("-", "−"),
        "condition": f"validation accuracy of clean chains reaching {found['threshold']:g}; level "
        f"means at most {100 * margin:g} points behind, as the interval of the difference tells; "
        "under disorder see the rows on shifted chains",
        "because": because,
    }


def _by_shift(
    profile: Profile, network: Mapping[str, Any], rate: float, findings: list[Finding]
) -> None:
    """Test accuracy at the best rate and at the scale where it is highest on validation chains."""
    row = [c for c in network["cells"] if c["rate"] == rate]
    cell = max(row, key=lambda c: c["accuracy"]["mean"] or 0.0)
    for how in profile["shifts"]:
        found = cell["shifts"][how]
        findings.append(
            _finding(
                "operator-mended",
                profile,
                name=f"test accuracy, {how}",
                network=network["title"],
                value=found["mean"],
                low=found["low"],
                high=found["high"],
                members=found["members"],
                condition=f"rate {rate:g}, scale {cell['scale']:g}",
            )
        )


def _basins(profile: Profile, numbers: Mapping[str, Any], findings: list[Finding]) -> None:
    basin = numbers["basin"]
    for form, found in basin["forms"].items():
        edge = found["radius"]
        largest = found["rows"][-1]["noise"]
        beyond = " (no number: beyond the largest noise)" if edge["value"] is None else ""
        findings.append(
            _finding(
                "init-sensitive",
                profile,
                name="radius of the basin of the exact solution, noise over rms of the node"
                + beyond,
                network=f"{form}, one channel",
                **edge,
                members=sum(row["members"] for row in found["rows"]),
                condition=f"success below 1/2 at threshold {basin['threshold']:g}, rate "
                f"{basin['rate']:g}, noise up to {largest:g}; interval from the Jeffreys "
                "posterior of every success rate",
            )
        )
