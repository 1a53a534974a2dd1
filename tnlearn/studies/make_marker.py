"""Make the marker that is shipped: ``python -m tnlearn.studies.make_marker OUT.npz``.

Members are trained on clean and weakly disordered chains of 12 to 48 cells, ranked on validation
chains, and as many of the best are kept as do best together there.  The probability below which
an answer is not called reliable is the smallest with which 99 % of the answers on validation
chains are right.  Then the marker is measured on chains it has not seen, at lengths it was not
trained on, too, and all that is written into the file.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import tnlearn
from tnlearn.data.recipes import recipe_for
from tnlearn.data.sampling import derived_seed
from tnlearn.errors import TnlearnError
from tnlearn.lab.environment import environment
from tnlearn.markers.marker import Marker, marker, write_marker
from tnlearn.report.table import Row
from tnlearn.studies.labels import condition, known_chains
from tnlearn.studies.marker_training import trained_marker, training_sets
from tnlearn.training.metrics import probabilities

__all__ = ["RECIPE", "main", "make", "measure"]

Array = NDArray[Any]

# What the shipped file is made with; a test makes a tiny one with smaller numbers.
RECIPE: dict[str, Any] = {
    "network": {
        "kind": "scaling",
        "hidden": [64, 32],
        "options": {"activation": "gelu"},
    },
    "training": {
        "sizes": [12, 14, 16, 20, 24, 28, 32, 40, 48],
        "reach": [0.02, 15.0, 1.2],
        "near": 5000,
        "clean": 500,
        "disordered": 1000,
        "disorder": [0.5, 1.0],
    },
    "cells": 20,
    "members": 8,
    "kept": 4,
    "epochs": 20,
    "lr": 0.01,
    "batch_size": 256,
    "batches": "own",
    "accuracy": 0.99,
    "measured": {
        "cells": [12, 16, 24, 32, 48, 64, 100, 200, 400],
        "samples": [2000, 2000, 2000, 2000, 1000, 1000, 600, 200, 100],
        "strengths": [0.0, 0.5, 1.0],
    },
}
# The part of it that decides what the members become.
TRAINING = ("network", "training", "cells", "members", "epochs", "lr", "batch_size", "batches")


def make(
    out: str | Path, recipe: Mapping[str, Any] = RECIPE, *, seed: int = 0, command: str = ""
) -> Marker:
    """Train, choose, measure and write a marker.

    Parameters
    ----------
    out
        The file, ``.npz``.
    recipe
        As `RECIPE`.
    seed
        Of training, validation and measurement, each with streams of its own.
    command
        Kept in the file.

    Raises
    ------
    ConfigError, UnknownNameError, FileError
        If the recipe asks for what does not exist, or the file cannot be written.
    """
    fitted = trained_marker({"seed": seed, "offset": 0, **{key: recipe[key] for key in TRAINING}})
    sets = training_sets(recipe["training"], "validation", seed)
    logits = [fitted.resize(data.states.cells).predict(data) for data in sets]
    chances = np.concatenate([probabilities(x) for x in logits], axis=1)
    labels = np.concatenate([data.labels for data in sets])
    kept, chosen = _choose(chances, labels, recipe["kept"])
    nodes, lengths = fitted.net.nodes, recipe["measured"]["cells"]
    options = recipe["network"].get("options", {})
    content: dict[str, Any] = {
        "shift": getattr(nodes["shift"], "array"),  # noqa: B009 (a Constant has one)
        "scale": getattr(nodes["scale"], "array"),  # noqa: B009
        "layers": [
            tuple(fitted.parameters[f"head.{k}.{what}"][kept] for what in ("weight", "bias"))
            for k in range(len(recipe["network"].get("hidden", ())) + 1)
        ],
        "activation": options.get("activation", "relu"),
        "classes": fitted.classes,
    }
    record: dict[str, Any] = {
        "command": command,
        "recipe": dict(recipe),
        "seed": seed,
        "environment": environment(1),
        "members": [int(fitted.ids[k]) for k in kept],
        "validation": chosen,
        "cells": [min(lengths), max(lengths)],
        "offsets": list(recipe_for("extended").offsets),
        "probability": _threshold(chances[kept].mean(axis=0), labels, recipe["accuracy"]),
    }
    # Measured is what the file says, read back.
    write_marker(out, **content, record=record)
    record["measured"] = measure(marker(Path(out)), recipe["measured"], recipe["training"], seed)
    write_marker(out, **content, record=record)
    return marker(Path(out))


def _choose(chances: Array, labels: Array, most: int) -> tuple[list[int], list[Row]]:
    """The members whose mean is right most often on the validation chains, at most `most`.

    Ranked one by one, the first 1, 2, … `most` of them are tried together.
    """
    alone = (chances.argmax(axis=2) == labels).mean(axis=1)
    ranked = [int(k) for k in np.argsort(-alone, kind="stable")]
    table = []
    for count in range(1, min(most, len(ranked)) + 1):
        together = chances[ranked[:count]].mean(axis=0)
        right = float((together.argmax(axis=1) == labels).mean())
        table.append({"members": count, "accuracy": right, "samples": len(labels)})
    best = max(table, key=lambda row: row["accuracy"])
    return ranked[: int(best["members"])], table


def _threshold(chances: Array, labels: Array, accuracy: float) -> float:
    """The smallest probability from which on answers are right with this accuracy."""
    sure, right = chances.max(axis=1), chances.argmax(axis=1) == labels
    order = np.argsort(-sure, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(labels) + 1)
    enough = np.flatnonzero(share >= accuracy)
    return float(sure[order[enough[-1]]]) if len(enough) else 1.0


def measure(
    mark: Marker, how: Mapping[str, Any], training: Mapping[str, Any], seed: int
) -> list[Row]:
    """Accuracy of a marker on chains near their transitions, at each length and disorder.

    Parameters
    ----------
    how
        ``cells``, ``samples`` (of each), ``strengths`` of the disorder.
    training
        Its ``reach`` is that of the chains.
    seed
        The chains are those of `labels.known_chains` with a seed derived from it.
    """
    seed, reach, rows = derived_seed(seed, "marker/measure") >> 10, tuple(training["reach"]), []
    for strength in map(float, how["strengths"]):
        for cells, samples in zip(how["cells"], how["samples"], strict=True):
            chains = known_chains(cells, samples, strength, reach, seed)
            marked = mark(chains.chains)
            right, sure = marked.integer == chains.truth, marked.reliable
            counts = {"samples": len(chains), "right": int(right.sum())}
            counts |= {"reliable": int(sure.sum()), "reliable_right": int(right[sure].sum())}
            rows.append({"condition": condition(strength), "cells": cells, **counts})
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tnlearn.studies.make_marker",
        description="Train the marker of tnl.marker('extended') anew and write it to a file, "
        "which tnl.marker('FILE.npz') reads.",
    )
    parser.add_argument("out", type=Path, metavar="FILE.npz")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    options = parser.parse_args(arguments)
    if options.out.suffix != ".npz" or options.seed < 0:
        parser.error("the file must end in .npz and the seed be at least 0")
    begin = time.perf_counter()
    command = f"python -m tnlearn.studies.make_marker {options.out.name} --seed {options.seed}"
    try:
        mark = make(options.out, seed=options.seed, command=command)
    except TnlearnError as error:
        print(f"make_marker: {error}", file=sys.stderr)
        return 2
    print(f"{mark!r} in {time.perf_counter() - begin:.0f} s with tnlearn {tnlearn.__version__}")
    print(f"reliable from probability {mark.threshold:.3f}")
    for key in ("validation", "measured"):
        print(pd.DataFrame(mark.record[key]).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
