"""What a learned marker is trained on, at several lengths at once, and its training.

At each length: chains next to their transitions, chains of `extended` as they come, and disordered
ones with the integer of the sample itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tnlearn.data.dataset import Dataset
from tnlearn.data.generate import dataset
from tnlearn.data.near import near_dataset
from tnlearn.data.sampling import derived_seed
from tnlearn.errors import check_choice
from tnlearn.lab.ensembles import fit_chunk, stored
from tnlearn.models.catalogue import build_network
from tnlearn.models.network import Network
from tnlearn.models.scaling import scaling
from tnlearn.training.fitted import Fitted

__all__ = ["marker_network", "trained_marker", "training_sets"]

# A moment that does not vary in the training chains is left as large as it is.
_STILL = 1e-6


def training_sets(recipe: Mapping[str, Any], part: str, seed: int) -> list[Dataset]:
    """The training (or validation) chains of a recipe, one data set a length and kind.

    Parameters
    ----------
    recipe
        ``sizes``; ``near``, ``clean`` and ``disordered``: samples of each kind at each length;
        ``disorder``: its strengths, each with `disordered` samples; ``reach``: low, high and
        farthest, as of `labels.known_chains`.
    part : str
        Part of the seed: ``"train"`` or ``"validation"``; validation takes a quarter as many.
    """
    low, high, farthest = recipe["reach"]
    kinds = ("near", "clean", "disordered")
    share = 1.0 if part == "train" else 0.25
    near, clean, disordered = (round(share * recipe[kind]) for kind in kinds)
    sets = []
    for cells in recipe["sizes"]:
        key = f"marker/{part}"
        if near:
            span = (low / cells, min(high / cells, farthest))
            sets.append(near_dataset(cells, near, span, _seed(seed, f"{key}/near", cells)))
        if clean:
            one = _seed(seed, f"{key}/clean", cells)
            sets.append(dataset("extended", cells, clean, 0.0, one))
        for strength in recipe["disorder"] if disordered else ():
            one = _seed(seed, f"{key}/disorder-{strength:g}", cells)
            sets.append(dataset("extended", cells, disordered, float(strength), one))
    return sets


def _seed(seed: int, key: str, cells: int) -> int:
    return derived_seed(seed, key, cells) >> 10  # below 2^53, as JSON readers want it


def marker_network(entry: Mapping[str, Any], cells: int, sets: Sequence[Dataset]) -> Network:
    """The network of an entry: of kind ``"scaling"``, or one of the catalogue.

    The moments of a scaling network are standardised with their mean and spread over the training
    chains `sets`.

    Raises
    ------
    ConfigError, UnknownNameError
        If the entry asks for what does not exist.
    """
    classes = len(sets[0].classes)
    if entry["kind"] != "scaling":
        return build_network(entry, cells, classes)
    options = dict(entry.get("options", {}))
    for key in options:
        check_choice("option of scaling", key, ("activation",))
    base = scaling(cells)
    sized = {size: base.resize(size) for size in {data.states.cells for data in sets}}
    moments = np.concatenate([sized[data.states.cells](data.states) for data in sets])
    moments = moments.astype(np.float64)
    spread = np.maximum(moments.std(axis=0), _STILL)
    network = scaling(cells, shift=moments.mean(axis=0).tolist(), scale=(1 / spread).tolist())
    return network.head(classes=classes, hidden=tuple(entry.get("hidden", ())), **options)


def trained_marker(config: Mapping[str, Any], store: Path | None = None) -> Fitted:
    """The trained chunk of members of a configuration; from the store if it is there.

    Parameters
    ----------
    config
        ``network`` (an entry), ``training`` (a recipe of `training_sets`), ``cells``, ``seed``,
        ``members``, ``offset``, ``epochs``, ``lr``, ``batch_size``, ``batches``.
    store
        Folder of trained ensembles; nothing is kept without one.

    Raises
    ------
    ConfigError, UnknownNameError
        If the configuration asks for what does not exist.
    FileError
        If the store cannot be written.
    """

    def train() -> Fitted:
        recipe, seed = config["training"], config["seed"]
        sets, held = (training_sets(recipe, part, seed) for part in ("train", "validation"))
        network = marker_network(config["network"], config["cells"], sets)
        return fit_chunk(config, network, sets, held)

    return train() if store is None else stored(store, ["marker", config], train)
