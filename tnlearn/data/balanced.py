"""Balanced data sets by recipe: each sample a function of its index alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.data.dataset import GAUGES, Dataset
from tnlearn.data.integers import ambiguity, class_indices, known_winding_numbers
from tnlearn.data.recipes import recipe_for
from tnlearn.data.sampling import draw
from tnlearn.errors import ConfigError, check_choice, check_whole
from tnlearn.physics.blocks import check_boundary, check_cells
from tnlearn.physics.chains import Chains
from tnlearn.physics.hamiltonians import states
from tnlearn.physics.memory import check_memory
from tnlearn.physics.states import check_precision

__all__ = ["assembled", "build", "checked"]

Array = NDArray[Any]

LABELS = ("lyapunov", "all")


def build(recipe_info: dict[str, Any]) -> Dataset:
    """The data set of a complete recipe, as found in `Dataset.info` (its shifts left out)."""
    info = checked(recipe_info)
    recipe = recipe_for(info["name"], info["variant"])
    known = recipe_for(info["name"]).classes
    cells, samples, every = info["cells"], info["samples"], info["labels"] == "all"
    width = 8 if recipe.kind == "real" else 16
    pairs = recipe.orbitals * cells
    check_memory(f"{samples} samples of {cells} cells", 3 * samples * pairs**2 * width)
    indices = np.arange(info["start"], info["start"] + samples)
    chains, goal, generators = draw(recipe, cells, info["disorder"], info["seed"], indices)
    chains = chains.with_boundary(info["boundary"])
    windings = np.asarray(recipe.classes, dtype=np.int64)[goal]
    data = assembled(chains, windings, known, {**info, "label": "lyapunov"}, generators)
    return replace(data, kinds=known_winding_numbers(chains)) if every else data


def assembled(
    chains: Chains,
    windings: Array,
    classes: tuple[int, ...],
    info: dict[str, Any],
    generators: list[np.random.Generator],
) -> Dataset:
    """Chains of known winding with their states, each gauge from the stream of its sample."""
    solved = states(chains)
    if info["gauge"] == "random":
        uniform = np.array([g.random(chains.cells) for g in generators])
        phases = np.iscomplexobj(solved.u)
        signs = np.exp(2j * np.pi * uniform) if phases else np.where(uniform < 0.5, -1.0, 1.0)
        solved = solved.with_gauge(signs)
    return Dataset(
        solved.astype(info["dtype"]),
        class_indices(windings, classes),
        classes,
        windings,
        ambiguity(chains, windings),
        chains,
        {**info, "shifts": []},
    )


def checked(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe with each setting in its form; `ConfigError`, `UnknownNameError` of a wrong one."""
    info = {"labels": "lyapunov", **recipe}
    check_choice("labels", info["labels"], LABELS)
    recipe_for(info["name"], info["variant"])
    info["cells"] = check_cells(info["cells"])
    for key, least in (("samples", 1), ("start", 0), ("seed", 0)):
        info[key] = check_whole(key, info[key], least)
    try:
        strength = float(info["disorder"])
    except (TypeError, ValueError):
        strength = float("nan")
    if not 0.0 <= strength < np.inf:
        raise ConfigError(f"disorder must be a strength of at least 0, got {info['disorder']!r}")
    info["disorder"] = strength
    check_boundary(info["boundary"])
    check_choice("gauge", info["gauge"], GAUGES)
    info["dtype"] = check_precision(info["dtype"]).name
    return info
