"""Data sets of labelled chains, in memory and on disk, their shifts, and labelling files.

What lives here knows `tnlearn.physics` and numpy only: no torch, no networks.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Where each name comes from.
_NAMES = {
    "dataset": "Dataset",
    "integers": "disagreement",
    "recipes": "DATASETS Recipe",
    "shifts": "SHIFTS Shift shift",
    "stored": "StoredDataset open_dataset",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = [
    "DATASETS", "SHIFTS", "Dataset", "Recipe", "Shift", "StoredDataset", "disagreement",
    "open_dataset", "shift",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


if TYPE_CHECKING:
    from tnlearn.data.dataset import Dataset
    from tnlearn.data.integers import disagreement
    from tnlearn.data.recipes import DATASETS, Recipe
    from tnlearn.data.shifts import SHIFTS, Shift, shift
    from tnlearn.data.stored import StoredDataset, open_dataset
