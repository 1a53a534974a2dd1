"""The work of the marker study: every label on the same chains, and the trained members on them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tnlearn.data.sampling import derived_seed
from tnlearn.markers.marker import marker
from tnlearn.studies.marker_data import Tried, condition_name, tried
from tnlearn.studies.marker_labels import LABELS, Opened, best_option, integers
from tnlearn.studies.marker_training import trained_marker
from tnlearn.studies.tasks import Result, Task
from tnlearn.studies.trained import store_of

__all__ = ["SHIPPED", "packed", "unpacked", "work"]

Bools = NDArray[np.bool_]

SHIPPED = "shipped"  # the name of tnl.marker("extended") among the answers


def packed(right: Bools) -> str:
    """Bits as hexadecimal digits."""
    return np.packbits(right).tobytes().hex()


def unpacked(text: str, count: int) -> Bools:
    """The `count` bits of `packed`."""
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(text), dtype=np.uint8), count=count)
    return bits.astype(bool)


def work(task: Task, folder: Path) -> Result:
    """Labels on the chains of one length and disorder, or one chunk of trained members on all."""
    return _labels(task) if task.kind == "marker-labels" else _members(task, folder)


@lru_cache(maxsize=2)
def _chains(
    cells: int, samples: int, strength: float, reach: tuple[float, float, float], seed: int
) -> Tried:
    return tried(cells, samples, strength, reach, seed)


def _labels(task: Task) -> Result:
    config = task.config
    reach, strength, cells = tuple(config["reach"]), config["strength"], config["cells"]
    found = _chains(cells, config["samples"], strength, reach, config["seed"])
    other = derived_seed(config["seed"], "marker/choose") >> 10
    others = tried(cells, config["choose"], strength, reach, other)
    opened, chosen_on = Opened(found.chains), Opened(others.chains)
    right, options = {}, {}
    for name, label in LABELS.items():
        option = best_option(name, chosen_on, others.truth, others.distance, config["level"])
        right[name] = packed(integers(name, opened, option) == found.truth)
        if label.options:
            options[name] = option
    marked = marker("extended")(opened.states)
    right[SHIPPED] = packed(marked.integer == found.truth)
    return {
        "samples": len(found),
        "distance": found.distance.tolist(),
        "crossing": found.crossing.tolist(),
        "right": right,
        "reliable": packed(marked.reliable),
        "options": options,
    }


def _members(task: Task, folder: Path) -> Result:
    config = task.config
    asked = {k: v for k, v in config.items() if k not in ("tried", "name", "recipe")}
    fitted = trained_marker(asked, store_of(folder))
    answers = {}
    windings = np.asarray(fitted.classes)
    for entry in config["tried"]:
        reach = tuple(entry["reach"])
        for cells, samples in zip(entry["cells"], entry["samples"], strict=True):
            found = tried(cells, samples, entry["strength"], reach, config["seed"])
            logits = fitted.resize(cells).predict(found.chains.states().astype("float32"))
            right = windings[logits.argmax(axis=2)] == found.truth
            answers[f"{condition_name(entry['strength'])}/{cells}"] = [packed(r) for r in right]
    return {
        "right": answers,
        "failed": int((fitted.failed >= 0).sum()),
        "parameters": sum(int(np.prod(x.shape[1:])) for x in fitted.parameters.values()),
        "validation": fitted.history["validation_accuracy"][:, -1].tolist(),
    }
