"""Trained ensembles of a study, kept by the hash of what they were trained with.

Several tasks, and several studies that share a folder, ask the same trained
members different questions; each chunk of members is trained once.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tnlearn.data.dataset import Dataset
from tnlearn.errors import CheckpointError, ConfigError, FileError
from tnlearn.files import claimed
from tnlearn.models.network import Network
from tnlearn.studies.members import build_network, data_set, part_seed, shifted
from tnlearn.training.fit import fit
from tnlearn.training.fitted import Fitted, load

__all__ = [
    "chunks",
    "members_of",
    "part",
    "rate",
    "shifted_part",
    "store_of",
    "stored",
    "train_chunk",
    "trained",
    "training_config",
]

# Seconds between two looks at what another process trains.
PATIENCE = 0.5

# Keys of a catalogue entry that do not decide what a member becomes.
_WORDS = ("title", "family", "description", "members", "lr", "epochs")


def chunks(total: int, size: int) -> Iterator[tuple[int, int]]:
    """``(offset, members)`` of the chunks of an ensemble.

    Raises
    ------
    ConfigError
        If either number is below 1.
    """
    if total < 1 or size < 1:
        raise ConfigError(f"members and chunk must be at least 1, not {total} and {size}")
    for offset in range(0, total, size):
        yield offset, min(size, total - offset)


def members_of(profile: Mapping[str, Any], name: str) -> int:
    """Members of a network: those of the profile, or those of its entry if they are fewer."""
    return int(min(profile["members"], profile["entries"][name].get("members", profile["members"])))


def rate(entry: Mapping[str, Any], data: str) -> float:
    """The learning rate of a catalogue entry on a data set.

    Raises
    ------
    ConfigError
        If the entry has none for that data set.
    """
    lr = entry["lr"]
    if isinstance(lr, Mapping):
        if data not in lr:
            raise ConfigError(
                f"{entry['title']!r} has no learning rate for {data!r}, only for "
                f"{', '.join(lr)}: give one in the profile, [entries.NAME] lr = {{ {data} = … }}"
            )
        lr = lr[data]
    if not isinstance(lr, (int, float)):
        raise ConfigError(f"the learning rate of {entry['title']!r} must be a number, not {lr!r}")
    return float(lr)


def training_config(
    profile: Mapping[str, Any],
    data: Mapping[str, Any],
    name: str,
    offset: int,
    members: int,
    **changes: Any,
) -> dict[str, Any]:
    """Everything the training of one chunk of one network depends on, as JSON holds it.

    Parameters
    ----------
    profile
        Of a study, with its `entries` resolved.
    data
        ``name, train, validation, test`` and optionally ``disorder``: a strength, or a list of
        strengths that are mixed in equal parts.
    name
        Of the entry.
    offset, members
        The chunk.
    changes
        Instead of what the profile and the entry say (``lr=``, ``epochs=``, ``cells=``, …).
    """
    entry = profile["entries"][name]
    config = {
        "network": {key: value for key, value in entry.items() if key not in _WORDS},
        "data": dict(data),
        "cells": profile["cells"],
        "seed": profile["seed"],
        "members": members,
        "offset": offset,
        "epochs": entry["epochs"],
        "batch_size": profile["batch_size"],
        "batches": profile["batches"],
        **changes,
    }
    if "lr" not in config:
        config["lr"] = rate(entry, data["name"])
    return config


def part(config: Mapping[str, Any], which: str, samples: int | None = None) -> Dataset:
    """The training, validation or test chains of a training configuration."""
    data = config["data"]
    return data_set(
        data["name"],
        config["cells"],
        data[which] if samples is None else samples,
        _strength(data.get("disorder", 0.0)),
        part_seed(config["seed"], which),
    )


def _strength(disorder: Any) -> float | tuple[float, ...]:
    """A strength of disorder, or those of a mixture (a list)."""
    if isinstance(disorder, (list, tuple)):
        return tuple(float(strength) for strength in disorder)
    return float(disorder)


def shifted_part(config: Mapping[str, Any], how: str, samples: int | None = None) -> Dataset:
    """The test chains of a training configuration under a shift."""
    data = config["data"]
    return shifted(
        data["name"],
        config["cells"],
        data["test"] if samples is None else samples,
        float(data.get("disorder", 0.0)),
        part_seed(config["seed"], "test"),
        how,
    )


def store_of(folder: Path) -> Path:
    """Where the trained ensembles are kept, given the folder of the tasks."""
    return folder.parent / "trained"


def trained(config: Mapping[str, Any], store: Path) -> Fitted:
    """The trained chunk of a training configuration; trained now if it is not in the store.

    Raises
    ------
    ConfigError, UnknownNameError
        If the configuration asks for what does not exist.
    FileError
        If the store cannot be written.
    """
    # The test chains decide nothing about training.
    kept = {key: value for key, value in config["data"].items() if key not in ("test", "shifts")}
    kept["disorder"] = _strength(kept.get("disorder", 0.0))

    def train() -> Fitted:
        chains = part(config, "train")
        network = build_network(config["network"], config["cells"], len(chains.classes))
        return train_chunk(config, network, chains, part(config, "validation"))

    return stored(Path(store), {**config, "data": kept}, train)


def train_chunk(config: Mapping[str, Any], network: Network, data: Any, held: Any = None) -> Fitted:
    """Train the members of a training configuration; of validation chains only the end is known.

    Parameters
    ----------
    config
        ``members``, ``offset``, ``epochs``, ``batch_size``, ``batches``, ``lr``, ``seed``.
    network, data, held
        What is trained, and its training and validation chains, as `tnlearn.fit` takes them.
    """
    return fit(
        network,
        data,
        held,
        members=config["members"],
        epochs=config["epochs"],
        batch_size=config["batch_size"],
        batches=config["batches"],
        lr=config["lr"],
        seed=config["seed"],
        member_offset=config["offset"],
        validate_every=config["epochs"],
        progress=False,
    )


def stored(store: Path, content: Any, make: Callable[[], Fitted]) -> Fitted:
    """The ensemble kept under the hash of `content` (as JSON), or ``make()``, kept from then on.

    Where several processes want it at once, one makes it and the others wait.  A file that cannot
    be read (cut short by a full disk, say) is made anew.

    Raises
    ------
    FileError
        If the store cannot be written.
    """
    key = json.dumps(content, sort_keys=True)
    path = store / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.npz"
    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make {store}: {error.strerror or error}") from error
    while (found := _kept(path)) is None:
        with claimed(path.with_suffix(".lock")) as mine:
            if mine and (found := _kept(path)) is None:
                found = make()
                found.save(path)
        if found is not None:
            break
        time.sleep(PATIENCE)
    return found


def _kept(path: Path) -> Fitted | None:
    try:
        return load(path) if path.exists() else None
    except CheckpointError:
        return None
