"""The work of the study `disorder`: accuracy at every strength, and what amplitudes know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.analysis.places import outer
from tnlearn.data.dataset import Dataset
from tnlearn.models.rswn import rswn
from tnlearn.physics.invariants import winding
from tnlearn.studies.correlation import class_means, correlation_ratio, resampled_ratios, spread
from tnlearn.studies.tasks import Result, Task
from tnlearn.studies.trained import shifted_part, store_of, trained
from tnlearn.training import metrics

__all__ = ["regions", "work"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def work(task: Task, folder: Path) -> Result:
    """Do a task of any kind."""
    if task.kind == "disorder-train":
        return _train(task.config, folder)
    if task.kind == "disorder-exact":
        return _exact(task.config)
    return _correlation(task.config)


def _test(config: Mapping[str, Any], strength: float) -> Dataset:
    """Test chains at a strength: the shifts of the clean test set, as in the comparison."""
    data = {key: value for key, value in config["data"].items() if key != "disorder"}
    how = "clean" if strength == 0 else f"disorder-{strength:g}"
    return shifted_part({**config, "data": data}, how)


def _train(config: Mapping[str, Any], folder: Path) -> Result:
    """Accuracy of a chunk of members at every strength, on all and on unambiguous chains."""
    fitted = trained(config["training"], store_of(folder))
    everything, clear = [], []
    for strength in config["test_at"]:
        data = _test(config["training"], strength)
        logits, keep = fitted.predict(data), ~data.ambiguous
        everything.append(metrics.accuracy(logits, data.labels))
        clear.append(metrics.accuracy(logits[:, keep], data.labels[keep]))
    return {
        "accuracy": np.array(everything).T,
        "accuracy_clear": np.array(clear).T,
        "validation": fitted.history["validation_accuracy"][:, -1],
    }


def _exact(config: Mapping[str, Any]) -> Result:
    """The untrained formula, rounded, on open chains and on rings; how many are ambiguous."""
    data = _test(config, config["strength"])
    network = rswn(config["cells"]).head(classes=data.classes, kind="rounding")
    classes = np.array(data.classes)
    answers = classes[np.argmax(network(data.states.astype("float64")), axis=-1)]
    ring = winding(data.chains, "rswn", boundary="periodic").integer
    clear = ~data.ambiguous
    return {
        "samples": len(data),
        "ambiguous": int((~clear).sum()),
        "open": _right(answers, data.windings, clear),
        "ring": _right(ring, data.windings, clear),
    }


def _right(answers: Any, truth: Any, clear: Mask) -> Result:
    right = np.asarray(answers) == np.asarray(truth)
    return {"all": int(right.sum()), "clear": int(right[clear].sum())}


def regions(cells: int, edge: float, edge_states: int) -> dict[str, dict[str, Mask]]:
    """Where amplitudes sit: masks over |u_n(x)|², |v_n(y)|² (state, cell) and |q_xy|² (x, y)."""
    at_edge = outer(np.arange(cells, dtype=np.float64), cells, edge)
    near = np.arange(cells) < edge_states
    left = at_edge & (np.arange(cells) < cells / 2)
    right = at_edge & ~left
    states = {
        "nearest zero, outer cells": np.outer(near, at_edge),
        "nearest zero, inner cells": np.outer(near, ~at_edge),
        "gapped, outer cells": np.outer(~near, at_edge),
        "gapped, inner cells": np.outer(~near, ~at_edge),
    }
    corners = np.outer(left, right) | np.outer(right, left)
    ends = np.outer(left, left) | np.outer(right, right)
    inner = np.outer(~at_edge, ~at_edge)
    blocks = {
        "from end to end": corners,
        "within one end": ends,
        "inner cells": inner,
        "between end and inner cells": ~(corners | ends | inner),
    }
    return {"u2": states, "v2": states, "q2": blocks}


def _correlation(config: Mapping[str, Any]) -> Result:
    """Correlation ratio of every |amplitude|² with the label, as maps and by region."""
    data, clean = _test(config, config["strength"]), _test(config, 0.0)
    cells = config["cells"]
    places = regions(cells, config["edge"], config["edge_states"])
    result: Result = {"samples": len(data)}
    for kind, squares in _squares(data).items():
        ratio = correlation_ratio(squares, data.labels)
        again = resampled_ratios(squares, data.labels, config["resamples"], config["seed"])
        result[kind] = {
            "map": np.round(ratio.reshape(cells, cells), 4),
            "mean": _number(ratio, again, np.ones((cells, cells), dtype=bool)),
            "regions": {
                name: _number(ratio, again, mask) | {"entries": int(mask.sum())}
                for name, mask in places[kind].items()
            },
            "pattern": _pattern(squares, data.labels, _squares(clean)[kind], clean.labels),
        }
    return result


def _squares(data: Dataset) -> dict[str, Floats]:
    """|u_n(x)|², |v_n(y)|² and |q_xy|², each (samples, cells²)."""
    states = data.states
    arrays = {"u2": states.u, "v2": states.v, "q2": states.q()}
    return {
        kind: (np.abs(x).astype(np.float64) ** 2).reshape(len(x), -1) for kind, x in arrays.items()
    }


def _number(ratio: Floats, again: Floats, mask: Mask) -> Result:
    """The mean over some entries, its interval, and the largest of them."""
    chosen = mask.ravel()
    mean = float(ratio[chosen].mean())
    low, high = spread(mean, again[:, chosen].mean(axis=1))
    return {"value": mean, "low": low, "high": high, "largest": float(ratio[chosen].max())}


def _pattern(here: Floats, labels: Any, clean: Floats, clean_labels: Any) -> float:
    """Cosine of the class means with those of the clean chains: 1 if disorder only weakens them."""
    a, b = class_means(here, labels), class_means(clean, clean_labels)
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))
