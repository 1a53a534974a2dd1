"""The work of the study `sizes`: training at several lengths, tests at others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tnlearn.data.dataset import Dataset, dataset
from tnlearn.errors import ConfigError
from tnlearn.physics.invariants import winding
from tnlearn.studies.members import build_network, part_seed
from tnlearn.studies.tasks import Result
from tnlearn.studies.trained import store_of, stored, train_chunk
from tnlearn.training import metrics
from tnlearn.training.fitted import Fitted

__all__ = ["WORK", "trained_at"]

Config = Mapping[str, Any]
_DIGITS = 3  # of what is drawn


@lru_cache(maxsize=24)
def _chains(name: str, cells: int, samples: int, disorder: float, seed: int) -> Dataset:
    return dataset(name, cells=cells, samples=samples, disorder=disorder, seed=seed)


def trained_at(config: Config, store: Path) -> Fitted:
    """The members of a training configuration whose `cells` is a list of lengths.

    Taken from the store, or trained now.

    Raises
    ------
    ConfigError, UnknownNameError
        If the configuration asks for what does not exist, or the network knows its length.
    FileError
        If the store cannot be written.
    """

    def train() -> Fitted:
        data, lengths = config["data"], config["cells"]
        strength, seed = data["disorder"], config["seed"]
        chains, held = (
            [_chains(data["name"], n, data[part], strength, part_seed(seed, part)) for n in lengths]
            for part in ("train", "validation")
        )
        network = build_network(config["network"], lengths[0], len(chains[0].classes))
        return train_chunk(config, network, chains, held)

    return stored(store, config, train)


def _train(config: Config, folder: Path) -> Result:
    """Train a chunk; its accuracy on validation chains of the training lengths."""
    fitted = trained_at(config["chunk"], store_of(folder))
    return {
        "validation": fitted.history["validation_accuracy"][:, -1],
        "failed": int((fitted.failed >= 0).sum()),
        "parameters": fitted.net.parameter_count(),
    }


def _test(config: Config, folder: Path) -> Result:
    """Accuracy of every member on the chains of one length, and of the formula rounded."""
    data = _chains(
        config["data"],
        config["cells"],
        config["samples"],
        config["disorder"],
        part_seed(config["seed"], "test"),
    )
    if config["windings"] is not None:
        data = data[np.isin(data.windings, config["windings"])]
        if not len(data):
            raise ConfigError(f"no chain has a winding among {config['windings']}")
    clear = ~data.ambiguous
    size = data.states.u.shape[-1]
    result: Result = {
        "samples": len(data),
        "clear": int(clear.sum()),
        "accuracy": {},
        "accuracy_clear": {},
        "formula": {
            boundary: float(
                np.mean(winding(data.chains, "rswn", boundary=boundary).integer == data.windings)
            )
            for boundary in ("open", "periodic")
        },
    }
    for training, networks in config["members"].items():
        for key in ("accuracy", "accuracy_clear"):
            result[key][training] = {}
        for network, configs in networks.items():
            every, some = [], []
            for chunk in configs:
                fitted = trained_at(chunk, store_of(folder))
                known = {w: i for i, w in enumerate(fitted.classes)}
                labels = np.array([known.get(int(w), -1) for w in data.windings])
                logits = fitted.resize(size).predict(data)
                every.append(metrics.accuracy(logits, labels))
                if clear.any():
                    some.append(metrics.accuracy(logits[:, clear], labels[clear]))
            result["accuracy"][training][network] = np.concatenate(every)
            result["accuracy_clear"][training][network] = np.concatenate(some) if some else None
    return result


def _learned(config: Config, folder: Path) -> Result:
    """D of the best member, channel by channel, at several lengths, and the exact D."""
    fitted = trained_at(config["chunk"], store_of(folder))
    best = int(np.nanargmax(fitted.history["validation_accuracy"][:, -1]))
    found: dict[str, Any] = {}
    scale: Any = None
    for length in config["lengths"]:
        nodes = fitted.net.resize(length).nodes
        mine = {name: x[best].astype(np.float64) for name, x in fitted.parameters.items()}
        if "D.weights" in mine:
            basis = nodes["D.basis"].array
            exact = basis[0]
            learned = np.einsum("ck,kxy->cxy", np.atleast_2d(mine["D.weights"]), basis)
        elif "D.left" in mine:
            left = nodes["D.left.basis"].array
            right = nodes["D.right.basis"].array
            exact = left[0] * right[0]
            weights = [mine[f"D.{side}"] for side in ("left", "right")]
            factors = [x.reshape(-1, *x.shape[-2:]) for x in weights]
            learned = np.einsum("cbk,cbl,kxy,ly->cxy", *factors, left, right, optimize=True)
        else:
            raise ConfigError(
                f"[learned] draws a node D that is a function of position; {config['network']!r} "
                f"has the parameters {', '.join(mine)}"
            )
        if scale is None:  # one for all lengths: only then do they compare
            scale = [np.abs(x).max() or 1.0 for x in (exact, *learned)]
        found[str(length)] = [
            np.round(x / s, _DIGITS) for x, s in zip((exact, *learned), scale, strict=True)
        ]
    return {"member": best, "lengths": config["lengths"], "D": found}


def _fixed(config: Config, folder: Path) -> Result:
    """Which networks can be used at another length, and which parameter stands in the way."""
    found = {}
    one, other = config["lengths"][0], config["lengths"][-1]
    for name, entry in config["entries"].items():
        shapes = [
            {key: node.shape for key, node in build_network(entry, n, 4).parameters.items()}
            for n in (one, other)
        ]
        differ = [key for key in shapes[0] if shapes[0][key] != shapes[1].get(key)]
        found[name] = {
            "any_length": not differ,
            "parameters": build_network(entry, one, 4).parameter_count(),
            "because": f"{differ[0]} has the shape {list(shapes[0][differ[0]])} for {one} cells "
            f"and {list(shapes[1][differ[0]])} for {other}"
            if differ
            else "",
        }
    return found


WORK: Mapping[str, Callable[[Config, Path], Result]] = {
    "sizes-train": _train,
    "sizes-test": _test,
    "sizes-learned": _learned,
    "sizes-fixed": _fixed,
}
