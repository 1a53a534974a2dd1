"""From the results of the tasks of `trainability` to its numbers, findings and verdicts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from tnlearn.report.statistics import groups_differ, summary, wilson
from tnlearn.studies.profile import Profile
from tnlearn.studies.results import Result, Task
from tnlearn.studies.trainability_verdicts import findings_and_verdicts
from tnlearn.studies.trainability_work import BINS
from tnlearn.studies.trained import training_config

__all__ = ["assemble", "exponent", "radius"]

Floats = npt.NDArray[np.float64]
Done = Sequence[tuple[Task, Result]]

_DRAWS = 2000  # bootstrap samples
_SEED = 20260  # of the bootstrap: the same results give the same intervals


def assemble(profile: Profile, done: list[tuple[Task, Result]]) -> dict[str, Any]:
    """Everything the page shows and the claims rest on."""
    by_kind: dict[str, list[tuple[Task, Result]]] = defaultdict(list)
    for task, result in done:
        by_kind[task.kind.removeprefix("trainability-")].append((task, result))
    numbers: dict[str, Any] = {
        "maps": {
            name: _map(profile, chosen, by_kind["map"]) for name, chosen in profile["maps"].items()
        },
        "basin": _basin(profile, by_kind["basin"]),
        "gradient": _gradients(profile, by_kind["gradient"]),
        "spectrum": _spectra(profile, by_kind["spectrum"]),
        "lines": _lines(profile, by_kind["lines"]),
    }
    return {**numbers, **findings_and_verdicts(profile, numbers)}


# ---------------------------------------------------------------------- maps


def _map(profile: Profile, chosen: Mapping[str, Any], done: Done) -> dict[str, Any]:
    """Success of every cell of a map, network by network."""
    networks = {}
    for name in chosen["networks"]:
        rows = {}
        for scale in chosen["scales"]:
            rows[float(scale)] = _row(profile, chosen, done, name, float(scale))
        # What the network has shown it can do: success by this measure is not a matter of capacity.
        best = max(float(row["accuracy"].max()) for row in rows.values())
        levels = {
            "success": chosen["threshold"],
            "common": profile["threshold"],
            "own": best - profile["verdicts"]["own"],
        }
        networks[name] = {
            "title": profile["entries"][name]["title"],
            "best": best,
            "cells": [
                {"scale": scale, "rate": float(rate), **_cell(levels, row, place)}
                for scale, row in rows.items()
                for place, rate in enumerate(chosen["rates"])
            ],
            # Whether the scale makes a difference at one learning rate (Kruskal-Wallis).
            "scales_differ": [
                groups_differ([row["accuracy"][place] for row in rows.values()])
                for place in range(len(chosen["rates"]))
            ],
        }
    return {
        "title": chosen["title"],
        "threshold": chosen["threshold"],
        "common": profile["threshold"],
        "own": profile["verdicts"]["own"],
        "scales": [float(x) for x in chosen["scales"]],
        "rates": [float(x) for x in chosen["rates"]],
        "epochs": chosen["epochs"],
        "networks": networks,
    }


def _row(
    profile: Profile, chosen: Mapping[str, Any], done: Done, name: str, scale: float
) -> dict[str, Any]:
    """Accuracies (rates, members) of one network at one scale, chunk after chunk."""
    network = _described(profile, name)
    found = [
        result
        for task, result in sorted(done, key=lambda item: item[0].config["offset"])
        if task.config["network"] == network
        and task.config["scale"] == scale
        and task.config["lr"] == [float(x) for x in chosen["rates"]]
        and task.config["epochs"] == chosen["epochs"]
    ]

    def joined(lists: Iterable[list[list[float]]]) -> Floats:
        return np.concatenate([np.array(x, dtype=float) for x in lists], axis=1)

    return {
        "accuracy": joined(r["accuracy"] for r in found),
        "failed": joined(r["failed"] for r in found),
        "shifts": {how: joined(r["shifts"][how] for r in found) for how in profile["shifts"]},
    }


def _described(profile: Profile, name: str) -> dict[str, Any]:
    found: dict[str, Any] = training_config(profile, profile["data"], name, 0, 1)["network"]
    return found


def _cell(levels: Mapping[str, float], row: Mapping[str, Any], place: int) -> dict[str, Any]:
    accuracy = row["accuracy"][place]
    return {
        "members": len(accuracy),
        **{key: int((accuracy >= level).sum()) for key, level in levels.items()},
        "failed": int(row["failed"][place].sum()),
        "accuracy": _mean(accuracy),
        "shifts": {how: _mean(values[place]) for how, values in row["shifts"].items()},
    }


def _mean(values: Any, *, share: bool = True) -> dict[str, Any]:
    """Mean with its 95 % interval, extremes and count; None where it does not exist."""
    found = summary(list(np.asarray(values, dtype=float)), share=share)
    return {
        "mean": _number(found.mean),
        "low": _number(found.low),
        "high": _number(found.high),
        "best": _number(found.best),
        "worst": _number(found.worst),
        "members": found.count,
    }


def _median(values: Any) -> dict[str, Any]:
    """Median with the 95 % interval between two of the values in order; a few outliers move it not.

    The ends are the values of ranks k and n + 1 − k, k the largest for which the
    interval still holds the median with 95 % (binomial); None for fewer than six values.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    rank = int(binom.ppf(0.025, len(ordered), 0.5))
    inside = rank >= 1
    return {
        "median": float(np.median(ordered)),
        "low": float(ordered[rank - 1]) if inside else None,
        "high": float(ordered[-rank]) if inside else None,
        "worst": float(ordered[-1]),
        "members": len(ordered),
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


# ---------------------------------------------------------------------- basin


def _basin(profile: Profile, done: Done) -> dict[str, Any]:
    """Before and after training against the noise, and the radius of the basin, of each form."""
    basin = profile["basin"]
    noises = [float(x) for x in basin["noises"]]
    forms = {}
    for form in basin["forms"]:
        rows, flags = [], []
        for noise in noises:
            found = [
                result
                for task, result in sorted(done, key=lambda item: item[0].config["offset"])
                if task.config["form"] == form and task.config["noise"] == noise
            ]
            values = {
                key: np.concatenate([np.array(r[key], dtype=float) for r in found])
                for key in ("untrained", "trained", "cosine_before", "cosine_after")
            }
            flags.append(values["trained"] >= basin["threshold"])
            low, high = wilson(int(flags[-1].sum()), len(flags[-1]))
            rows.append(
                {
                    "noise": noise,
                    "members": len(flags[-1]),
                    "success": int(flags[-1].sum()),
                    "low": low,
                    "high": high,
                    **{
                        key: _mean(x, share=not key.startswith("cosine"))
                        for key, x in values.items()
                    },
                }
            )
        forms[form] = {"rows": rows, "radius": radius(noises, flags)}
    return {"threshold": basin["threshold"], "rate": basin["rate"], "forms": forms}


def radius(noises: Sequence[float], flags: Sequence[npt.NDArray[np.bool_]]) -> dict[str, Any]:
    """The noise at which the success rate first falls below 1/2, with its 95 % interval.

    Interpolated linearly in the logarithm of the noise between the two neighbouring
    values (linearly in the noise where the lower one is 0).  For the interval the rate at
    every noise is drawn from its posterior given the members (Jeffreys, Beta(k + 1/2,
    n − k + 1/2)): unlike members drawn anew, k = 0 or n does not make it certain.

    Parameters
    ----------
    noises
        Ascending.
    flags
        For each noise, which members succeeded.

    Returns
    -------
    ``value, low, high``; None stands for beyond the largest noise (of `value` and `high`),
    and 0 for below 1/2 without any noise.
    """
    rates = [float(np.mean(x)) for x in flags]
    rng = np.random.default_rng(_SEED)
    drawn = np.stack([rng.beta(x.sum() + 0.5, len(x) - x.sum() + 0.5, size=_DRAWS) for x in flags])
    found = np.array([_crossing(noises, column) for column in drawn.T])
    low, high = np.quantile(found, [0.025, 0.975], method="nearest")
    value = _crossing(noises, rates)
    return {"value": _number(value), "low": _number(low), "high": _number(high)}


def _crossing(noises: Sequence[float], rates: Sequence[float] | Floats) -> float:
    if rates[0] < 0.5:
        return 0.0
    for k in range(1, len(noises)):
        if rates[k] < 0.5:
            share = (rates[k - 1] - 0.5) / (rates[k - 1] - rates[k])
            if noises[k - 1] == 0:
                return float(share * noises[k])
            return float(noises[k - 1] * (noises[k] / noises[k - 1]) ** share)
    return math.inf


# ---------------------------------------------------------------------- gradients


def _gradients(profile: Profile, done: Done) -> dict[str, Any]:
    networks = {}
    for name in profile["gradient"]["networks"]:
        network = _described(profile, name)
        rows = sorted(
            (
                {"cells": task.config["cells"], **result}
                for task, result in done
                if task.config["network"] == network
            ),
            key=lambda row: row["cells"],
        )
        lengths = [row["cells"] for row in rows]
        norms = [np.array(row["norm"], dtype=float) for row in rows]
        networks[name] = {
            "title": profile["entries"][name]["title"],
            "rows": [
                {
                    "cells": row["cells"],
                    "parameters": row["parameters"],
                    "norm": _mean(row["norm"], share=False),
                    "variance": row["variance"],
                    "nodes": {node: _mean(x, share=False) for node, x in row["nodes"].items()},
                }
                for row in rows
            ],
            "norm": exponent(lengths, norms),
            # A component's mean square over all starts and components: norm² / P.
            "variance": exponent(
                lengths,
                [x**2 / row["parameters"] for x, row in zip(norms, rows, strict=True)],
            ),
        }
    return networks


def exponent(lengths: Sequence[int], values: Sequence[Floats]) -> dict[str, Any]:
    """The power of L with which the mean of some values grows, with a bootstrap interval.

    A least-squares line of the logarithm of the mean against ln L.  Beside it the same
    against L itself (``decay``: mean ~ e^{decay L}), and how much of the variance of the
    logarithm each leaves unexplained: what falls exponentially is told from a power.
    The interval comes from drawing the members at each length anew.
    """
    if len(lengths) < 2:
        return {"value": None, "low": None, "high": None, "decay": None, "law": None}
    rng = np.random.default_rng(_SEED)
    length = np.array(lengths, dtype=float)
    drawn = np.stack([v[rng.integers(0, len(v), (_DRAWS, len(v)))].mean(axis=1) for v in values])
    powers = np.polyfit(np.log(length), np.log(drawn), 1)[0]
    means = np.log([v.mean() for v in values])
    power = np.polyfit(np.log(length), means, 1)
    straight = np.polyfit(length, means, 1)
    left = [
        float(np.sum((means - np.polyval(fit, at)) ** 2))
        for fit, at in ((power, np.log(length)), (straight, length))
    ]
    low, high = np.quantile(powers, [0.025, 0.975])
    return {
        "value": float(power[0]),
        "low": float(low),
        "high": float(high),
        "decay": float(straight[0]),
        "law": None if len(lengths) < 4 else ("power" if left[0] <= left[1] else "exponential"),
    }


# ---------------------------------------------------------------------- solutions


def _spectra(profile: Profile, done: Done) -> dict[str, Any]:
    networks = {}
    for name in profile["spectrum"]["networks"]:
        found = _chunks_of(profile, name, done)
        places = {}
        for place in ("start", "learned", "exact"):
            every = [one for _, result in found for one in result.get(place, [])]
            if every:
                places[place] = {
                    "members": len(every),
                    **{
                        key: _mean([one[key] for one in every], share=False)
                        for key in ("loss", "accuracy", "gradient", "mean", "flat", "negative")
                    },
                    "lowest": _mean([one["low"][0] for one in every], share=False),
                    "highest": _mean([one["high"][-1] for one in every], share=False),
                    "low": np.mean([one["low"] for one in every], axis=0).tolist(),
                    "high": np.mean([one["high"] for one in every], axis=0).tolist(),
                    "density": np.mean([one["density"] for one in every], axis=0).tolist(),
                }
        networks[name] = {
            "title": profile["entries"][name]["title"],
            "parameters": found[0][1]["parameters"],
            "places": places,
        }
    return {"bins": BINS.tolist(), "networks": networks}


def _lines(profile: Profile, done: Done) -> dict[str, Any]:
    networks = {}
    for name in profile["lines"]["networks"]:
        found = _chunks_of(profile, name, done)
        kinds = {}
        for kind, angle in (("exact", "cosine"), ("learned", "cosine_learned")):
            there = [result for _, result in found if kind in result]
            if not there:
                continue
            losses = np.concatenate([np.array(r[kind]["loss"], dtype=float) for r in there])
            right = np.concatenate([np.array(r[kind]["accuracy"], dtype=float) for r in there])
            barriers = np.concatenate([np.array(r[kind]["barrier"], dtype=float) for r in there])
            kinds[kind] = {
                "loss": [_median(column) for column in losses.T],
                "accuracy": [_median(column) for column in right.T],
                "barrier": _median(barriers),
                "over": int((barriers > 1e-6).sum()),
                "members": len(barriers),
                "cosine": _mean(np.concatenate([r[angle] for r in there]), share=False),
            }
        networks[name] = {
            "title": profile["entries"][name]["title"],
            "at": found[0][1]["at"],
            "ordered": sum(int(np.sum(result["ordered"])) for _, result in found),
            "members": sum(len(result["ordered"]) for _, result in found),
            **kinds,
        }
    return networks


def _chunks_of(profile: Profile, name: str, done: Done) -> list[tuple[Task, Result]]:
    network = _described(profile, name)
    return sorted(
        (item for item in done if item[0].config["training"]["network"] == network),
        key=lambda item: item[0].config["training"]["offset"],
    )
