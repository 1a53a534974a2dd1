"""The networks and data sets of a profile, made where a task runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tnlearn.data.datasets import Dataset, dataset
from tnlearn.data.shifts import shift
from tnlearn.errors import ConfigError, check_choice
from tnlearn.models.baselines import KINDS, baseline
from tnlearn.models.rswn import rswn
from tnlearn.networks.init import Init
from tnlearn.networks.network import Network

__all__ = ["build_network", "data_set", "part_seed", "shifted"]

# Training, validation and test samples of one seed are three data sets of neighbouring seeds.
PARTS = ("train", "validation", "test")


def part_seed(seed: int, part: str) -> int:
    """Seed of the data set of one part of a comparison."""
    return len(PARTS) * seed + PARTS.index(part)


@lru_cache(maxsize=8)
def data_set(name: str, cells: int, samples: int, disorder: float, seed: int) -> Dataset:
    """A data set, drawn once a process."""
    return dataset(name, cells=cells, samples=samples, disorder=disorder, seed=seed)


@lru_cache(maxsize=32)
def shifted(name: str, cells: int, samples: int, disorder: float, seed: int, how: str) -> Dataset:
    """A shifted test set, drawn once a process."""
    return shift(how, data_set(name, cells, samples, disorder, seed))


def build_network(entry: Mapping[str, Any], cells: int, classes: int) -> Network:
    """The network that an entry of a profile describes, with its head.

    Raises
    ------
    ConfigError, UnknownNameError
        If the entry asks for what does not exist.
    """
    kind = check_choice("kind of network", entry["kind"], ("rswn", *KINDS))
    options = dict(entry.get("options", {}))
    if kind != "rswn":
        for key in ("free", "channels", "structure", "bond", "init", "hidden"):
            if key in entry:
                raise ConfigError(f"{key!r} is for rswn; a {kind} has it in options, if at all")
        check_options(kind, options, baseline)
        return baseline(kind, cells=cells, classes=classes, **options)
    check_options(kind, options, rswn)
    network = rswn(cells, **options)
    free = entry.get("free", {})
    how = entry.get("init", {"kind": "normal", "scale": 0.1})
    if not free:
        raise ConfigError("an rswn network needs free = { nodes = [...] }: what is to be trained")
    network = network.trainable(
        *free["nodes"],
        structure=entry.get("structure"),
        channels=entry.get("channels"),
        bond=entry.get("bond"),
        init=Init(**how),
    )
    return network.head(classes=classes, hidden=tuple(entry.get("hidden", ())))


def check_options(kind: str, options: Mapping[str, Any], factory: Any) -> None:
    """Refuse an option that the factory does not have, naming the nearest."""
    import inspect

    known = [name for name in inspect.signature(factory).parameters if name not in ("cells",)]
    for name in options:
        check_choice(f"option of {kind}", name, known)
