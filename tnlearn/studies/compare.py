"""The work of one task of a comparison: train a network and put it to every test."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from tnlearn.analysis.weights import (
    POINT,
    Weight,
    singular,
    smallest_rank,
    weights_of,
    with_parameters,
)
from tnlearn.data.dataset import Dataset
from tnlearn.errors import ConfigError, TnlearnError
from tnlearn.models.rswn import rswn
from tnlearn.networks.init import Init
from tnlearn.physics.invariants import winding
from tnlearn.studies.members import build_network, data_set, part_seed, shifted
from tnlearn.studies.tasks import Result, Task
from tnlearn.training import metrics
from tnlearn.training.fit import fit
from tnlearn.training.fitted import Fitted

__all__ = ["work"]


def work(task: Task, folder: Path) -> Result:
    """Do a task of any kind; see the functions below."""
    kinds = {
        "train": _train,
        "rates": _rates,
        "trainability": _trainability,
        "exact": _exact,
    }
    return kinds[task.kind](task, folder)


def _part(config: dict[str, Any], part: str, samples: int | None = None) -> Dataset:
    data = config["data"]
    return data_set(
        data["name"],
        config["cells"],
        data[part] if samples is None else samples,
        float(data.get("disorder", 0.0)),
        part_seed(config["seed"], part),
    )


def _shifted(config: dict[str, Any], how: str) -> Dataset:
    data = config["data"]
    seed = part_seed(config["seed"], "test")
    disorder = float(data.get("disorder", 0.0))
    return shifted(data["name"], config["cells"], data["test"], disorder, seed, how)


def _fit(config: dict[str, Any], folder: Path | None, **changes: Any) -> Fitted:
    train = _part(config, "train", changes.pop("train", None))
    entry = config["network"]
    return fit(
        build_network(entry, config["cells"], len(train.classes)),
        train,
        _part(config, "validation"),
        members=changes.pop("members", config["members"]),
        epochs=changes.pop("epochs", entry["epochs"]),
        batch_size=config["batch_size"],
        batches=config["batches"],
        lr=changes.pop("lr", config.get("lr")),
        seed=config["seed"],
        checkpoint=folder,
        progress=False,
    )


def _train(task: Task, folder: Path) -> Result:
    """Train an ensemble, test it on every shift, prune it, and keep what it learned."""
    config = task.config
    begin = time.perf_counter()
    fitted = _fit(config, folder.parent / "checkpoints" / task.key)
    seconds = time.perf_counter() - begin
    fitted.save(folder.parent / "fitted" / f"{config['data']['name']}-{config['name']}.npz")
    scores: dict[str, dict[str, Any]] = {"accuracy": {}, "accuracy_clear": {}, "calibration": {}}
    not_applicable: dict[str, str] = {}
    for how in config["data"]["shifts"]:
        data = _shifted(config, how)
        cells = data.states.u.shape[-1]
        try:
            judge = fitted if cells == config["cells"] else fitted.resize(cells)
            logits = judge.predict(data)
        except TnlearnError as error:
            not_applicable[how] = str(error)
            for score in scores.values():
                score[how] = None
            continue
        clear = ~data.ambiguous
        scores["accuracy"][how] = metrics.accuracy(logits, data.labels)
        scores["calibration"][how] = metrics.calibration_error(logits, data.labels)
        scores["accuracy_clear"][how] = (
            metrics.accuracy(logits[:, clear], data.labels[clear]) if clear.any() else None
        )
    accuracy = fitted.history["validation_accuracy"]
    reached = metrics.success_epochs(accuracy, config["threshold"])
    result: Result = {
        "seconds": seconds,
        **scores,
        "not_applicable": not_applicable,
        "history": {"loss": fitted.history["loss"], "accuracy": accuracy},
        "success": {
            "threshold": config["threshold"],
            "rate": float(np.mean(reached >= 0)),
            "epochs": [int(e) if e >= 0 else None for e in reached],
        },
        "failed": int((fitted.failed >= 0).sum()),
    }
    if "prune" in config:
        result["pruning"] = prune(fitted, config["prune"], _shifted(config, "clean"))
    if "learned" in config:
        result["learned"] = learned(fitted, config["learned"])
    return result


def _rates(task: Task, folder: Path) -> Result:
    """Validation accuracy at the end of training for every learning rate of a grid.

    All rates are trained as one ensemble, each by the same number of members with the
    same budget of epochs.
    """
    config = task.config
    rates, repeats = config["rates"], config["repeats"]
    fitted = _fit(
        config,
        None,
        members=len(rates) * repeats,
        lr=[rate for rate in rates for _ in range(repeats)],
        epochs=config["epochs"],
    )
    final = fitted.history["validation_accuracy"][:, -1].reshape(len(rates), repeats)
    means = np.nan_to_num(final, nan=0.0).mean(axis=1)
    return {"rates": rates, "accuracy": means, "best": rates[int(np.argmax(means))]}


def _trainability(task: Task, folder: Path) -> Result:
    """Accuracy of every member for one scale of the initialisation of the freed nodes."""
    config = task.config
    entry = {**config["network"], "init": {"kind": "normal", "scale": config["scale"]}}
    Init(**entry["init"])
    changed = {**config, "network": entry}
    fitted = _fit(changed, None, train=config["train"], epochs=config["epochs"])
    return {"accuracy": fitted.accuracy(_shifted(config, "clean"))}


def _exact(task: Task, folder: Path) -> Result:
    """The formula itself, untrained: its number rounded to the nearest class, on every shift.

    ``exact`` feeds the network the same states as everyone, in the open-chain form
    with half a window; ``markers`` are the labels of the physics, computed from the
    chains with the boundary they have.
    """
    config = task.config
    exact: dict[str, Any] = {}
    markers: dict[str, dict[str, Any]] = {"rswn": {}, "log": {}}
    for how in config["data"]["shifts"]:
        data = _shifted(config, how)
        cells = data.states.u.shape[-1]
        net = rswn(cells).head(classes=data.classes, kind="rounding")
        answers = np.argmax(net(data.states.astype("float64")), axis=-1)
        exact[how] = float(np.mean(answers == data.labels))
        for method, found in markers.items():
            found[how] = float(np.mean(winding(data.chains, method).integer == data.windings))
    return {
        "exact": exact,
        "markers": markers,
        "shifts": [_describe(config, how) for how in config["data"]["shifts"]],
        "classes": list(_part(config, "test").classes),
    }


def _describe(config: dict[str, Any], how: str) -> dict[str, Any]:
    from tnlearn.data.shifts import describe

    data, facts = _shifted(config, how), describe(how)
    entry: dict[str, Any] = {
        "name": how,
        "title": facts.title,
        "description": facts.description,
        "samples": len(data),
        "ambiguous": int(np.sum(data.ambiguous)),
        "cells": int(data.states.u.shape[-1]),
    }
    if how == "clean" or how.startswith("disorder-"):
        entry["strength"] = float(facts.strength or 0.0)
    return entry


def _named(fitted: Fitted, node: str) -> Weight:
    weights = {weight.name: weight for weight in weights_of(fitted.net)}
    if node not in weights:
        raise ConfigError(f"the network has no weight {node!r}; it has: {', '.join(weights)}")
    return weights[node]


def prune(fitted: Fitted, node: str, data: Dataset) -> dict[str, Any]:
    """Accuracy of every member when a weight keeps only its largest singular values.

    Each of its matrices is truncated for itself and nothing is trained again; rank 0 is the
    network without the weight.  The result has `ranks` (all of them), `accuracy` (members,
    ranks), and `smallest_rank`, from which on the mean is within one point of that of the whole
    rank.

    Raises
    ------
    ConfigError
        If the network has no such weight.
    """
    parts = singular(fitted, _named(fitted, node))
    ranks = list(range(parts.weight.rank + 1))
    cuts = [with_parameters(fitted, {node: parts.truncated(rank)}) for rank in ranks]
    accuracy = np.array([cut.accuracy(data) for cut in cuts]).T
    mean = accuracy.mean(axis=0)
    smallest = smallest_rank(ranks, mean, mean[-1] - POINT)
    return {"node": node, "ranks": ranks, "accuracy": accuracy, "smallest_rank": smallest}


def learned(fitted: Fitted, node: str) -> dict[str, Any]:
    """The trained node of the best member beside the exact one.

    A head that follows can absorb any factor, so each channel is shown times the factor that
    brings it nearest to the exact node.

    Raises
    ------
    ConfigError
        If the node has no exact value.
    """
    exact = fitted.net.parameters[node].exact
    if exact is None:
        raise ConfigError(f"node {node!r} has no exact value to compare with")
    member = int(np.nanargmax(fitted.history["validation_accuracy"][:, -1]))
    weight = fitted.parameters[node][member].astype(np.float64).reshape(-1, *exact.shape)
    product = np.einsum("cxy,xy->c", weight, exact)
    norms = np.linalg.norm(weight, axis=(1, 2))
    scaled = weight * (product / norms**2)[:, None, None]
    return {
        "node": node,
        "member": member,
        "exact": exact,
        "learned": scaled,
        "factors": product / norms**2,
        "overlap": np.abs(product / (norms * np.linalg.norm(exact))),
        "singular_values": np.linalg.svd(scaled, compute_uv=False),
        "exact_singular_values": np.linalg.svd(exact, compute_uv=False),
    }
