"""`tnlearn.dataset`: labelled chains for training and testing, every sample regenerable."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from tnlearn.archive import Parts, differences, discard, parts_of, plain
from tnlearn.data.dataset import GAUGES, Dataset, as_columns
from tnlearn.data.integers import ambiguity, class_indices, known_winding_numbers
from tnlearn.data.recipes import recipe_for
from tnlearn.data.sampling import draw
from tnlearn.data.stored import (
    StoredDataset,
    open_dataset,
    put_together,
    record_of,
)
from tnlearn.errors import ConfigError, FileError, check_choice, check_memory, check_whole
from tnlearn.files import target_path
from tnlearn.physics.blocks import check_boundary, check_cells
from tnlearn.physics.chains import Chains
from tnlearn.physics.hamiltonians import states
from tnlearn.physics.states import check_precision
from tnlearn.progress import tqdm

__all__ = ["assembled", "build", "checked", "dataset", "generate"]

Array = NDArray[Any]

LABELS = ("lyapunov", "all")


class _More(TypedDict, total=False):
    boundary: str
    gauge: str
    start: int
    dtype: str
    labels: str
    chunk: int | None


@overload
def dataset(
    name: str,
    cells: int = ...,
    samples: int = ...,
    disorder: float = ...,
    seed: int = ...,
    *,
    path: None = ...,
    **more: Unpack[_More],
) -> Dataset: ...


@overload
def dataset(
    name: str,
    cells: int = ...,
    samples: int = ...,
    disorder: float = ...,
    seed: int = ...,
    *,
    path: str | os.PathLike[str],
    **more: Unpack[_More],
) -> StoredDataset: ...


def dataset(
    name: str,
    cells: int = 20,
    samples: int = 4000,
    disorder: float = 0.0,
    seed: int = 1,
    *,
    boundary: str = "open",
    gauge: str = "random",
    start: int = 0,
    dtype: str = "float32",
    labels: str = "lyapunov",
    path: str | os.PathLike[str] | None = None,
    chunk: int | None = None,
) -> Dataset | StoredDataset:
    """Balanced, labelled chains, in memory or, if larger than that, in a file.

    =========== ============= ==================================================
    name        windings      hoppings
    =========== ============= ==================================================
    `ssh`       0, 1          t_0, t_1 uniform on [0, 2)
    `extended`  −1, 0, 1, 2   t_{−1}, t_0, t_1, t_2 uniform on [−1, 1)
    `complex`   −1, 0, 1, 2   the same, real and imaginary parts each on [−1, 1)
    `multiband` −2, …, 2      2 × 2 matrices T_{−1}, T_0, T_1, entries as `complex`
    =========== ============= ==================================================

    The four bands of `multiband` (after arXiv:1805.10503) have two orbitals per
    sublattice and cell.  Each pair of an A and a B orbital counts as a cell of its
    states and chains, as in docs/files.md: they have 2 `cells` of them.

    Each hopping is t_m + disorder · r, r uniform on [−1/2, 1/2) in every cell, the
    same strength on each offset.  The label is the integer of the disordered
    sample itself (`lyapunov`); ambiguous samples are kept and flagged.  Every
    block of len(classes) consecutive samples holds each class once.

    Parameters
    ----------
    name : str
        Of the table.
    cells, samples : int
        Size of each chain, and how many.
    disorder : float
        Strength W ≥ 0, in units of the hopping.
    seed : int
        Non-negative; sample `index` is a function of (name, cells, disorder,
        seed, index) alone, whatever `samples` and `start`.
    boundary : "open" | "periodic"
        Whose states are given; the labels are the same.
    gauge : "random" | "solver"
        Each pair (u_n, v_n) with a random sign (phase if complex), or as LAPACK
        left it: a leak that a network can exploit.
    start : int
        Index of the first sample: disjoint ranges are disjoint data.
    dtype : "float32" | "float64"
        Precision of the states; complex where the chains are.
    labels : "lyapunov" | "all"
        "all": every kind of winding number as well, in `kinds`.
    path : str or path, optional
        An HDF5 file that the samples are written to as they are made, `chunk` at a
        time (about 32 MiB if not given): the data set may be larger than memory.
        A process that was killed goes on where it stopped when called again; a
        file that holds this very data set already is opened.

    Returns
    -------
    Dataset, or StoredDataset if `path` is given
        The same samples, bit for bit.

    Raises
    ------
    UnknownNameError, ConfigError, MemoryLimitError, FileError
        For unknown names, settings out of range, a class too rare to be drawn,
        a size past memory, a file that cannot be written or holds something else.

    Source: docs/physics.md for the conventions, arXiv:2509.26261 for the task.
    """
    recipe = {key: value for key, value in locals().items() if key not in ("path", "chunk")}
    recipe["variant"] = ""
    if path is None:
        if chunk is not None:
            raise ConfigError("chunk is the size of the pieces of a file: give path, too")
        return build(recipe)
    return generate(checked(recipe), path, chunk)


def generate(
    info: dict[str, Any], path: str | os.PathLike[str], chunk: int | None = None
) -> StoredDataset:
    """Make the data set of a complete recipe straight into a file; see `dataset`."""
    target = target_path(path)
    if target.exists():
        stored = _opened(info, target)
        discard(parts_of(target))  # of a process that was killed right after it was done
        return stored
    rows = info["samples"]
    record = record_of(build({**info, "samples": 1}), rows, chunk)
    record["info"]["samples"] = rows
    size = record["chunk"]
    with Parts(parts_of(target), record) as parts:
        count = -(-rows // size)
        missing = parts.missing(count)
        shown = {"total": count, "initial": count - len(missing), "desc": target.name}
        for k in tqdm(missing, **shown, unit="chunk", disable=None):  # on a terminal only
            here = {"start": info["start"] + k * size, "samples": min(size, rows - k * size)}
            parts.write(k, as_columns(build({**info, **here})))
        put_together(target, record, map(parts.read, range(count)))
        parts.remove()
    return StoredDataset(target)


def _opened(info: dict[str, Any], target: Path) -> StoredDataset:
    """The data set that is there already, if it is the one that is asked for."""
    silent = {"label": "lyapunov", "shifts": [], "labels": "lyapunov"}  # need not be said
    stored = open_dataset(target)
    lines = differences(plain({**silent, **stored.info}), plain({**silent, **info}))
    if lines:
        stored.close()
        raise FileError(
            f"{target} holds another data set ({'; '.join(lines)}); it is left as it is. Give the "
            "name of a new file, or remove it"
        )
    return stored


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
