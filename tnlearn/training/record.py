"""What a run is: network, data and settings as one JSON-able record, and how two runs differ."""

from __future__ import annotations

from typing import Any

import numpy as np

from tnlearn.records import plain
from tnlearn.training.archive import digest
from tnlearn.training.options import Options

__all__ = ["data_record", "differences", "run_record"]


def data_record(data: Any) -> dict[str, Any]:
    """A data set by its recipe (``data.info``), its classes, and the SHA-256 of what it holds.

    Of a list of data sets: the classes they share, and the record of each under ``parts``.
    """
    if isinstance(data, list):
        parts = [data_record(x) for x in data]
        return {"classes": parts[0]["classes"], "parts": parts}
    arrays = {"u": data.states.u, "v": data.states.v, "labels": data.labels}
    return {
        "info": plain(data.info),
        "classes": plain([int(c) for c in data.classes]),
        "sha256": digest({name: np.asarray(x) for name, x in arrays.items()}),
    }


def run_record(net: Any, data: Any, validation: Any, options: Options, lanes: int) -> Any:
    """Everything that decides the result of a run; runs with equal records are interchangeable.

    The number of workers, the chunk, the progress bar and how often a checkpoint is written do
    not matter to the result and are left out.
    """
    return plain(
        {
            "network": net.describe(),
            "data": data_record(data),
            "validation": None if validation is None else data_record(validation),
            "training": {**options.record(), "lanes": lanes},
        }
    )


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Where two records differ: ``key.key: old value, now new value``, in the order of the new."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in [*new, *(k for k in old if k not in new)]:
            inner = f"{path}.{key}" if path else str(key)
            if key not in old:
                found.append(f"{inner}: not there, now {_short(new[key])}")
            elif key not in new:
                found.append(f"{inner}: {_short(old[key])}, now not there")
            else:
                found += differences(old[key], new[key], inner)
        return found
    return [] if old == new else [f"{path}: {_short(old)}, now {_short(new)}"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
