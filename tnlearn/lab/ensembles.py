"""Trained ensembles of a study, and its chains: each is made once and kept by what it was made of.

Several tasks, and several studies that share a folder, ask the same trained members different
questions; a chunk of members is trained once.
"""

from __future__ import annotations

import hashlib
import json
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tnlearn.data.dataset import Dataset, joined
from tnlearn.data.generate import dataset
from tnlearn.data.shifts import shift
from tnlearn.errors import CheckpointError, ConfigError
from tnlearn.files import claimed, make_folder
from tnlearn.lab.profile import Entry, Profile, as_record
from tnlearn.models.catalogue import build_network
from tnlearn.models.network import Network
from tnlearn.training import metrics
from tnlearn.training.fit import fit
from tnlearn.training.fitted import Fitted, load

__all__ = [
    "Config",
    "best_member",
    "chains",
    "chunks",
    "ensemble",
    "fit_chunk",
    "learning_rate",
    "measured",
    "part_seed",
    "seed_of",
    "stored",
    "trained",
]

Config = Mapping[str, Any]

# Training, validation and test chains of one seed are three data sets of neighbouring seeds.
PARTS = ("train", "validation", "test")
# Keys of a catalogue entry that do not decide what a member becomes.
_WORDS = ("title", "family", "description", "members", "lr", "epochs")
# Seconds between two looks at what another process trains.
PATIENCE = 0.5


# ---------------------------------------------------------------------- what is trained


def chunks(total: int, size: int) -> Iterator[tuple[int, int]]:
    """``(offset, members)`` of the chunks of an ensemble.

    >>> list(chunks(20, 8))
    [(0, 8), (8, 8), (16, 4)]
    """
    for offset in range(0, total, size):
        yield offset, min(size, total - offset)


def ensemble(
    profile: Profile,
    name: str,
    *,
    members: int | None = None,
    at_most: int | None = None,
    **changes: Any,
) -> Iterator[dict[str, Any]]:
    """What the training of each chunk of a network depends on, as JSON holds it.

    Parameters
    ----------
    profile
        Of a study; it has a field `data`, unless ``data=`` is among the changes.
    name
        Of the entry.
    members
        Instead of those of the profile and the entry.
    at_most
        Members, if fewer than that.
    changes
        Instead of what the profile and the entry say: ``epochs``, ``lr``, ``seed``, ``batch_size``,
        ``cells`` (a list for several lengths at once), ``data`` (a table ``name, train, …``),
        ``network`` (changes of single keys of the entry), any of ``train``, ``validation``,
        ``disorder`` of the data, or ``curves=True``: look at validation chains every epoch.
    """
    entry = profile.entries[name]
    data = dict(changes.pop("data", None) or as_record(profile.data))  # type: ignore[attr-defined]
    data |= {k: changes.pop(k) for k in ("train", "validation", "disorder") if k in changes}
    network = {key: value for key, value in as_record(entry).items() if key not in _WORDS}
    config = {
        "network": network | changes.pop("network", {}),
        "data": data,
        "cells": profile.cells,
        "seed": profile.seed,
        "epochs": entry.epochs,
        "batch_size": profile.batch_size,
        "batches": profile.batches,
        **changes,
    }
    if profile.device != "cpu":
        config["device"] = profile.device
    if "lr" not in config:
        config["lr"] = learning_rate(entry, data["name"])
    members = members or profile.members_of(name)
    for offset, count in chunks(min(members, at_most or members), profile.chunk):
        yield {**config, "members": count, "offset": offset}


def learning_rate(entry: Entry, data: str) -> float:
    """The learning rate of a network on a data set.

    Raises
    ------
    ConfigError
        If the entry has none for that data set.
    """
    lr = entry.lr
    if isinstance(lr, dict):
        if data not in lr:
            raise ConfigError(
                f"{entry.title!r} has no learning rate for {data!r}, only for "
                f"{', '.join(lr)}: give one in the profile, [entries.NAME] lr = {{ {data} = … }}"
            )
        return float(lr[data])
    if isinstance(lr, str):
        raise ConfigError(f"the learning rate of {entry.title!r} must be a number, not {lr!r}")
    return float(lr)


# ---------------------------------------------------------------------- chains


def part_seed(seed: int, part: str) -> int:
    """Seed of the training, validation or test chains of a seed."""
    return len(PARTS) * seed + PARTS.index(part)


def chains(config: Config, part: str, how: str = "clean", samples: int | None = None) -> Dataset:
    """The training, validation or test chains of a training, under a shift; drawn once a process.

    Parameters
    ----------
    config
        Of `ensemble`: its ``data``, ``cells`` and ``seed``.
    part
        ``"train"``, ``"validation"`` or ``"test"``.
    how
        A shift of `tnlearn.shift`; ``"clean"`` leaves the chains as they are.
    samples
        Instead of the number that the configuration says.
    """
    data = config["data"]
    disorder = data.get("disorder", 0.0)
    strength = (
        tuple(map(float, disorder)) if isinstance(disorder, list | tuple) else float(disorder)
    )
    seed = part_seed(config["seed"], part)
    count = data[part] if samples is None else samples
    return _shifted(data["name"], config["cells"], count, strength, seed, how)


def seed_of(seed: int, place: float) -> int:
    """A seed of its own for every scale, or noise: members of two of them are independent."""
    words = np.random.SeedSequence([seed, zlib.crc32(repr(float(place)).encode())])
    return int(words.generate_state(1)[0])


@lru_cache(maxsize=32)
def _shifted(name: str, cells: int, samples: int, disorder: Any, seed: int, how: str) -> Dataset:
    if how != "clean":
        return shift(how, _shifted(name, cells, samples, disorder, seed, "clean"))
    if not isinstance(disorder, tuple):
        return dataset(name, cells=cells, samples=samples, disorder=disorder, seed=seed)
    # A mixture: parts of equal size, one after the other, no sample index used twice.
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


# ---------------------------------------------------------------------- training


def trained(config: Config, store: Path) -> Fitted:
    """The trained chunk of a configuration of `ensemble`; trained now if the store lacks it.

    Raises
    ------
    ConfigError, UnknownNameError
        If the configuration asks for what does not exist.
    FileError
        If the store cannot be written.
    """
    # The test chains decide nothing about training.
    data = {key: value for key, value in config["data"].items() if key not in ("test", "shifts")}
    disorder = data.get("disorder", 0.0)
    data["disorder"] = disorder if isinstance(disorder, list | tuple) else float(disorder)

    def train() -> Fitted:
        # One length, or several at once.
        cells = config["cells"]
        lengths = cells if isinstance(cells, list) else [cells]
        parts = [
            [chains({**config, "cells": n}, part) for n in lengths]
            for part in ("train", "validation")
        ]
        network = build_network(config["network"], lengths[0], len(parts[0][0].classes))
        data, held = (part if isinstance(cells, list) else part[0] for part in parts)
        return fit_chunk(config, network, data, held)

    fitted = stored(store, {**config, "data": data}, train)
    fitted.device = config.get("device", "cpu")
    return fitted


def fit_chunk(config: Config, network: Network, data: Any, held: Any = None) -> Fitted:
    """Train the members of a configuration.

    Of validation chains only the end is known, unless the configuration has ``curves``.
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
        validate_every=1 if config.get("curves") else config["epochs"],
        progress=False,
        device=config.get("device", "cpu"),
    )


def best_member(fitted: Fitted) -> int:
    """Place of the member with the best validation accuracy."""
    level = fitted.history["validation_accuracy"][:, -1]
    return int(np.nan_to_num(level, nan=-1.0).argmax())


def measured(fitted: Fitted, data: Dataset) -> pd.DataFrame:
    """A row a member: accuracy on all chains and on the unambiguous ones, and of validation.

    Columns ``member, accuracy, accuracy_clear, validation`` (NaN without validation chains).
    """
    logits, clear = fitted.predict(data), ~data.ambiguous
    held = fitted.history.get("validation_accuracy")
    return pd.DataFrame(
        {
            "member": list(fitted.ids),
            "accuracy": metrics.accuracy(logits, data.labels),
            "accuracy_clear": metrics.accuracy(logits[:, clear], data.labels[clear]),
            "validation": np.nan if held is None else held[:, -1],
        }
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
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    path = make_folder(store) / f"{digest[:20]}.npz"
    while (fitted := _kept(path)) is None:
        with claimed(path.with_suffix(".lock")) as alone:
            if alone and (fitted := _kept(path)) is None:
                fitted = make()
                fitted.save(path)
        if fitted is not None:
            break
        time.sleep(PATIENCE)
    return fitted


def _kept(path: Path) -> Fitted | None:
    try:
        return load(path) if path.exists() else None
    except CheckpointError:
        return None
