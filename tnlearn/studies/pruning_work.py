"""The work of the study `pruning`: one network's weights cut, trained on, drawn, and masked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.data.dataset import Dataset
from tnlearn.studies.coordinates import (
    edge_entries,
    has_cells,
    has_states,
    leading_pictures,
    profiles,
    share_of,
)
from tnlearn.studies.masks import masked
from tnlearn.studies.members import build_network
from tnlearn.studies.retraining import retrained
from tnlearn.studies.tasks import Result, Task
from tnlearn.studies.trained import part, shifted_part, store_of, train_chunk, trained
from tnlearn.studies.weights import (
    Singular,
    Weight,
    kept_numbers,
    pruned_accuracy,
    rank_grid,
    ranks_for_share,
    singular,
    weights_of,
    with_parameters,
)
from tnlearn.training.fitted import Fitted

__all__ = ["work"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Singular values kept in the results of a weight: enough for a figure on a logarithmic axis.
_VALUES = 64


def work(task: Task, folder: Path) -> Result:
    """Do a task of either kind."""
    if task.kind == "pruning-masked":
        return _masked(task.config)
    return _weights(task.config, folder)


def _weights(config: Mapping[str, Any], folder: Path) -> Result:
    """Every weight of a chunk of members, without retraining and, if asked, with it."""
    training = config["training"]
    fitted = trained(training, store_of(folder))
    tests = {how: shifted_part(training, how) for how in config["shifts"]}
    clean = tests[config["shifts"][0]]
    found = {weight.name: singular(fitted, weight) for weight in weights_of(fitted.net)}
    validation = fitted.history["validation_accuracy"][:, -1]
    best = int(np.argmax(np.nan_to_num(validation, nan=-1.0)))
    result: Result = {
        "accuracy": {how: fitted.accuracy(data) for how, data in tests.items()},
        "best": float(np.nan_to_num(validation[best], nan=-1.0)),
        "size": _biases(fitted) + sum(f.weight.numbers for f in found.values()),
        "weights": [_one(config, fitted, f, clean, best) for f in found.values()],
        "together": _together(config, fitted, found, tests),
        "masks": {
            how: {
                "kept": kept,
                "accuracy": _table(fitted.accuracy(masked(clean, how, k)) for k in kept),
            }
            for how, kept in config["masks"].items()
        },
    }
    if config.get("retrain"):
        result["retrained"] = _retrained(config, fitted, found, tests)
    return result


def _table(columns: Any) -> Floats:
    """(members, …) from one array of members for each column."""
    return np.array(list(columns)).T


def _biases(fitted: Fitted) -> int:
    """Numbers of a member that belong to no weight."""
    weights = {weight.name for weight in weights_of(fitted.net)}
    return sum(x[0].size for name, x in fitted.parameters.items() if name not in weights)


def _one(
    config: Mapping[str, Any], fitted: Fitted, found: Singular, clean: Dataset, best: int
) -> Result:
    """One weight: its singular values, accuracy against rank, and where it sits."""
    weight, cells = found.weight, config["training"]["cells"]
    ranks = rank_grid(weight.rank, config["every"])
    largest = found.values[..., :1]
    relative = np.divide(found.values, largest, out=np.zeros_like(found.values), where=largest > 0)
    result: Result = {
        "name": weight.name,
        "inds": weight.inds,
        "shape": weight.shape,
        "copies": weight.copies,
        "rows": weight.rows,
        "columns": weight.columns,
        "singular_values": np.round(relative.mean(axis=(0, 1))[:_VALUES], 6),
        "ranks": ranks,
        "accuracy": pruned_accuracy(fitted, found, clean, ranks),
        "pictures": leading_pictures(found, best, config["pictures"], cells),
    }
    if has_cells(weight, cells):
        tried = [rank for rank in ranks if rank]
        truncated = [found.truncated(rank) for rank in tried]
        result["edge"] = _edges(config, weight, tried, truncated)
        result["profile"] = {
            ind: {
                "whole": np.round(along, 5),
                "leading": np.round(profiles(weight, truncated[0], cells)[ind], 5),
            }
            for ind, along in profiles(weight, fitted.parameters[weight.name], cells).items()
        }
    return result


def _edges(
    config: Mapping[str, Any], weight: Weight, ranks: list[int], values: list[Any]
) -> Result:
    """Edge share of a weight at every rank, and what equal entries would have."""
    cells, edge = config["training"]["cells"], config["edge"]
    kinds = (
        {"cells": None, "states": config["edge_states"]} if has_states(weight) else {"cells": None}
    )
    result: Result = {"ranks": ranks}
    for kind, states in kinds.items():
        there = edge_entries(weight, cells, edge, states)
        result[kind] = {
            "uniform": float(there.mean()),
            "share": np.round(_table(share_of(there, x) for x in values), 5),
        }
    return result


def _together(
    config: Mapping[str, Any],
    fitted: Fitted,
    found: Mapping[str, Singular],
    tests: Mapping[str, Dataset],
) -> Result:
    """All weights at once: each keeps the same share of its norm²."""
    settings = [_ranks(found, share) for share in config["shares"]]
    cut = [
        with_parameters(fitted, {name: found[name].truncated(r) for name, r in ranks.items()})
        for ranks in settings
    ]
    return {
        "shares": config["shares"],
        "numbers": _table(_kept(fitted, found, ranks) for ranks in settings),
        "mean_ranks": {
            name: _table(ranks[name].mean(axis=1) for ranks in settings).mean(axis=0)
            for name in found
        },
        "accuracy": {how: _table(one.accuracy(data) for one in cut) for how, data in tests.items()},
    }


def _ranks(found: Mapping[str, Singular], share: float) -> dict[str, Ints]:
    return {name: ranks_for_share(f.values, share) for name, f in found.items()}


def _kept(fitted: Fitted, found: Mapping[str, Singular], ranks: Mapping[str, Ints]) -> Floats:
    """Numbers that each member takes after a cut of all weights, biases included."""
    kept: Floats = sum(
        (kept_numbers(f.weight, ranks[name]) for name, f in found.items()),
        start=np.full(fitted.members, float(_biases(fitted))),
    )
    return kept


def _retrained(
    config: Mapping[str, Any],
    fitted: Fitted,
    found: Mapping[str, Singular],
    tests: Mapping[str, Dataset],
) -> Result:
    """The same cuts with training going on, and the whole network trained on as long."""
    training, how = config["training"], config["retrain"]
    data = part(training, "train")
    settings = {"epochs": how["epochs"], "lr": how["rate"] * training["lr"]}
    clean = tests[config["shifts"][0]]
    control = retrained(fitted, [{}], data, **settings)[0]
    result: Result = {"control": {name: control.accuracy(x) for name, x in tests.items()}}
    if how["weights"]:
        result["weights"] = [
            _one_retrained(config, fitted, f, data, clean, settings) for f in found.values()
        ]
    if how["together"]:
        ranks = [_ranks(found, share) for share in how["shares"]]
        ends = retrained(fitted, ranks, data, **settings)
        result["together"] = {
            "shares": how["shares"],
            "numbers": _table(_kept(fitted, found, each) for each in ranks),
            "accuracy": {
                name: _table(end.accuracy(x) for end in ends) for name, x in tests.items()
            },
        }
    return result


def _one_retrained(
    config: Mapping[str, Any],
    fitted: Fitted,
    found: Singular,
    data: Dataset,
    clean: Dataset,
    settings: Mapping[str, Any],
) -> Result:
    weight, cells = found.weight, config["training"]["cells"]
    most = config["retrain"]["most"]
    ranks = [r for r in rank_grid(weight.rank, config["retrain"]["every"]) if r <= most]
    each = [{weight.name: np.full((fitted.members, weight.copies), rank)} for rank in ranks]
    ends = retrained(fitted, each, data, **settings)
    result: Result = {
        "name": weight.name,
        "ranks": ranks,
        "accuracy": _table(end.accuracy(clean) for end in ends),
    }
    if has_cells(weight, cells):
        kept = [(rank, end) for rank, end in zip(ranks, ends, strict=True) if rank]
        result["edge"] = _edges(
            config,
            weight,
            [rank for rank, _ in kept],
            [end.parameters[weight.name] for _, end in kept],
        )
    return result


def _masked(config: Mapping[str, Any]) -> Result:
    """A network trained from the start on a masked input, tested on the same mask."""
    training, mask = config["training"], config["mask"]
    chains, test = (
        masked(part(training, which), mask["how"], mask["kept"]) for which in ("train", "test")
    )
    network = build_network(training["network"], training["cells"], len(chains.classes))
    fitted = train_chunk(training, network, chains)
    return {"accuracy": fitted.accuracy(test)}
