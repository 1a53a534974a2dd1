"""The networks and data sets of a profile, made where a task runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from tnlearn.data.dataset import Dataset, joined
from tnlearn.data.generate import dataset
from tnlearn.data.shifts import shift
from tnlearn.errors import ConfigError, check_choice
from tnlearn.models.baselines import KINDS, baseline
from tnlearn.models.network import Network
from tnlearn.models.rswn import rswn
from tnlearn.networks.init import Init

__all__ = ["build_network", "data_set", "part_seed", "shifted"]

# Training, validation and test samples of one seed are three data sets of neighbouring seeds.
PARTS = ("train", "validation", "test")


def part_seed(seed: int, part: str) -> int:
    """Seed of the data set of one part of a comparison."""
    return len(PARTS) * seed + PARTS.index(part)


@lru_cache(maxsize=8)
def data_set(
    name: str, cells: int, samples: int, disorder: float | tuple[float, ...], seed: int
) -> Dataset:
    """A data set, drawn once a process.

    Several strengths of disorder make a mixture: parts of equal size (the first ones one sample
    larger where it does not go up), one after the other, no sample index used twice.
    """
    if not isinstance(disorder, tuple):
        return dataset(name, cells=cells, samples=samples, disorder=disorder, seed=seed)
    share, rest = divmod(samples, len(disorder))
    if not share:
        raise ConfigError(f"{samples} samples cannot be shared by {len(disorder)} strengths")
    parts, start = [], 0
    for number, strength in enumerate(disorder):
        count = share + (number < rest)
        parts.append(
            dataset(name, cells=cells, samples=count, disorder=strength, seed=seed, start=start)
        )
        start += count
    mixed = joined(parts)
    return replace(mixed, info={**mixed.info, "disorder": list(disorder)})


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
    for names, how in _freed(entry):
        network = network.trainable(
            *names,
            structure=how.get("structure"),
            channels=entry.get("channels"),
            bond=how.get("bond"),
            init=Init(**how.get("init", {"kind": "normal", "scale": 0.1})),
        )
    return network.head(classes=classes, hidden=tuple(entry.get("hidden", ())))


def _freed(entry: Mapping[str, Any]) -> list[tuple[list[str], Mapping[str, Any]]]:
    """Nodes to free and how: all alike, or each with a structure, bond and init of its own."""
    free = entry.get("free", {})
    if not free:
        raise ConfigError("an rswn network needs free = { nodes = [...] }: what is to be trained")
    if "nodes" in free:
        return [(free["nodes"], entry)]
    found: list[tuple[list[str], Mapping[str, Any]]] = []
    for name, own in free.items():
        if not isinstance(own, Mapping):
            raise ConfigError(
                f"free = {{ {name} = … }} needs a table, such as {{ structure = 'cells' }}, "
                f"not {own!r}; to free nodes alike, free = {{ nodes = [...] }}"
            )
        for key in own:
            check_choice(f"key of free.{name}", key, ("structure", "bond", "init"))
        found.append(([name], {**entry, **own}))
    return found


def check_options(kind: str, options: Mapping[str, Any], factory: Any) -> None:
    """Refuse an option that the factory does not have, naming the nearest."""
    import inspect

    known = [name for name in inspect.signature(factory).parameters if name not in ("cells",)]
    for name in options:
        check_choice(f"option of {kind}", name, known)
