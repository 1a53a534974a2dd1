"""The networks of the marker study, trained at several lengths at once and kept by their hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tnlearn.data.dataset import Dataset
from tnlearn.errors import check_choice
from tnlearn.models.network import Network
from tnlearn.models.scaling import scaling
from tnlearn.studies.marker_data import training_sets
from tnlearn.studies.members import build_network
from tnlearn.studies.trained import stored, train_chunk
from tnlearn.training.fitted import Fitted

__all__ = ["marker_network", "trained_marker"]

# A moment that does not vary in the training chains is left as large as it is.
_STILL = 1e-6


def marker_network(entry: Mapping[str, Any], cells: int, sets: Sequence[Dataset]) -> Network:
    """The network of an entry: of kind ``"scaling"``, or one of the catalogue.

    The moments of a scaling network are standardised with their mean and spread over the
    training chains `sets`.

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
        ``network`` (an entry), ``training`` (a recipe of `marker_data.training_sets`), ``cells``,
        ``seed``, ``members``, ``offset``, ``epochs``, ``lr``, ``batch_size``, ``batches``.
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
        return train_chunk(config, network, sets, held)

    return train() if store is None else stored(Path(store), ["marker", config], train)
