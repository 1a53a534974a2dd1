"""`tnlearn.dataset`: labelled chains for training and testing, every sample regenerable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from tnlearn.data.recipes import recipe_for
from tnlearn.data.sampling import draw
from tnlearn.errors import ConfigError, ShapeError, check_choice, check_whole
from tnlearn.physics.chains import Chains
from tnlearn.physics.geometry import check_boundary, check_cells
from tnlearn.physics.invariants import METHODS, ROUNDING_LIMIT, Winding, winding
from tnlearn.physics.memory import check_memory
from tnlearn.physics.states import States, check_precision, states

if TYPE_CHECKING:
    from tnlearn.data.stored import StoredDataset

__all__ = ["Dataset", "build", "dataset", "disagreement", "joined", "known_winding_numbers"]

Array = NDArray[Any]

GAUGES = ("random", "solver")
LABELS = ("lyapunov", "all")
RING = "rswn-ring"  # the RSWN of an open sample closed into a ring

# A ring whose gap is below this share of its norm is on the transition.
_GAPLESS = 1e-6


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled chains and their states.

    Attributes
    ----------
    states : States
        u, v of shape (samples, states, cells) in the precision asked for;
        energies are kept, but not meant for the networks.
    labels : (samples,) int64 array
        Index of the class of each sample, or −1 where its winding is none of
        `classes` (the shift `unseen-winding`).
    classes : tuple of int
        The winding of each class.
    windings : (samples,) int64 array
        Winding number: the sample's own integer (`lyapunov`, on the ring).
    ambiguous : (samples,) bool array
        Where kinds of winding number disagree (`lyapunov` against the rounded
        `rswn` of the same sample closed into a ring), where that RSWN is more
        than 0.3 from an integer, or where the gap of the ring vanishes.
    chains : Chains
        The chains themselves, float64.
    info : dict
        The recipe: name, cells, samples, disorder, seed, boundary, gauge, start,
        dtype, variant, label (the kind of the label), shifts (applied since).
    kinds : dict of str to `Winding`
        Every kind of winding number of every sample, where the data set was made
        with `labels="all"`: the methods of `tnlearn.winding` that apply, of the
        chain as it is, and `rswn-ring`, the RSWN of an open sample closed into a
        ring.  Empty otherwise.  `tnlearn.data.disagreement` compares them.
    """

    states: States
    labels: Array
    classes: tuple[int, ...]
    windings: Array
    ambiguous: Array
    chains: Chains = field(repr=False)
    info: dict[str, Any] = field(default_factory=dict)
    kinds: dict[str, Winding] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        info = self.info
        after = "".join(f", {s['name']}" for s in info.get("shifts", ()))
        return (
            f"Dataset({info.get('name', 'chains')!r}: {len(self)} samples of {self.states.cells} "
            f"cells, {self.chains.boundary}, windings {', '.join(map(str, self.classes))}, "
            f"disorder {info.get('disorder', 0):g}{after})"
        )

    def __getitem__(self, index: Any) -> Dataset:
        """The samples chosen by a slice, a mask, an index array or one index (a batch of one)."""
        index = as_batch(index, len(self))
        labels = self.labels[index]
        return Dataset(
            self.states[index],
            labels,
            self.classes,
            self.windings[index],
            self.ambiguous[index],
            self.chains[index],
            info_of_rows(self.info, index, len(self), len(labels)),
            {name: _rows_of(result, index) for name, result in self.kinds.items()},
        )

    def save(self, path: str | os.PathLike[str], *, chunk: int | None = None) -> StoredDataset:
        """Write the data set to an HDF5 file, with its recipe and checksums (Fletcher-32).

        What was there before is replaced once everything is on the disk.  Read it
        with `tnlearn.open_dataset`; `FileError` if it cannot be written.
        """
        from tnlearn.data.stored import save  # upward, and only when called

        return save(self, path, chunk)


def as_batch(index: Any, samples: int) -> Any:
    """An index as a slice, a mask or an index array: of one sample, the batch that holds it."""
    if not isinstance(index, (int, np.integer)):
        return index
    at = range(samples)[index]
    return slice(at, at + 1)


def info_of_rows(info: Mapping[str, Any], index: Any, samples: int, chosen: int) -> dict[str, Any]:
    """The recipe of chosen samples: of a stretch with another start, else of a subset."""
    first, _, step = index.indices(samples) if isinstance(index, slice) else (0, 0, 0)
    more = {"start": info.get("start", 0) + first} if step == 1 else {"subset": True}
    return {**info, "samples": chosen, **more}


def joined(parts: list[Dataset]) -> Dataset:
    """Several pieces of one data set, one after the other, under the recipe of the first."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if any(set(p.chains.hoppings) != set(first.chains.hoppings) for p in parts):
        raise ShapeError("these are pieces of different data sets")
    chains = Chains(
        first.chains.cells,
        {m: np.concatenate([p.chains.hoppings[m] for p in parts]) for m in first.chains.hoppings},
        first.chains.boundary,
        first.chains.flux,
    )
    return Dataset(
        States(
            np.concatenate([p.states.u for p in parts]),
            np.concatenate([p.states.v for p in parts]),
            np.concatenate([p.states.energies for p in parts]),
        ),
        np.concatenate([p.labels for p in parts]),
        first.classes,
        np.concatenate([p.windings for p in parts]),
        np.concatenate([p.ambiguous for p in parts]),
        chains,
        {**first.info, "samples": sum(map(len, parts))},
        {name: _in_a_row([p.kinds[name] for p in parts]) for name in first.kinds},
    )


def array_fields(result: Winding) -> list[str]:
    """The fields of a result that hold one value for each sample."""
    return [f.name for f in fields(result) if isinstance(getattr(result, f.name), np.ndarray)]


def _rows_of(result: Winding, index: Any) -> Winding:
    changed: dict[str, Any] = {n: getattr(result, n)[index] for n in array_fields(result)}
    return replace(result, **changed)


def _in_a_row(results: list[Winding]) -> Winding:
    names = array_fields(results[0])
    changed: dict[str, Any] = {n: np.concatenate([getattr(r, n) for r in results]) for n in names}
    return replace(results[0], **changed)


def known_winding_numbers(chains: Chains) -> dict[str, Winding]:
    """Each sample's winding number by every method that applies, in the order of the columns.

    The methods of `tnlearn.winding`, of chains as they are: `momentum` of clean chains only; and
    `rswn-ring`, the RSWN of an open sample closed into a ring.
    """
    clean = all((t == t[:, :1]).all() for t in chains.hoppings.values())
    kinds = {}
    for method in METHODS:
        if clean or method != "momentum":
            kinds[method] = winding(chains, method, compiled=len(chains) >= 1000)
        if method == "rswn" and chains.boundary == "open":
            kinds[RING] = replace(winding(chains, "rswn", boundary="periodic"), method=RING)
    return kinds


def disagreement(kinds: Mapping[str, Winding]) -> tuple[tuple[str, ...], Array]:
    """How often the integers of two kinds of winding number differ.

    Returns
    -------
    names : tuple of str
    share : (kinds, kinds) float array
        Share of the samples on which kind i and kind j round to different integers
        (a value that does not exist differs from every other).

    Raises
    ------
    ConfigError
        If there are no kinds: make the data set with `labels="all"`.
    """
    if not kinds:
        raise ConfigError('there is one kind of label only: make the data set with labels="all"')
    integers = np.array(
        [np.where(np.isfinite(k.value), k.integer.astype(float), np.nan) for k in kinds.values()]
    )
    share = (integers[:, None] != integers[None, :]).mean(axis=2)
    np.fill_diagonal(share, 0.0)
    return tuple(kinds), share


@overload
def dataset(
    name: str,
    cells: int = ...,
    samples: int = ...,
    disorder: float = ...,
    seed: int = ...,
    *,
    boundary: str = ...,
    gauge: str = ...,
    start: int = ...,
    dtype: str = ...,
    labels: str = ...,
    path: None = ...,
    chunk: int | None = ...,
) -> Dataset: ...


@overload
def dataset(
    name: str,
    cells: int = ...,
    samples: int = ...,
    disorder: float = ...,
    seed: int = ...,
    *,
    boundary: str = ...,
    gauge: str = ...,
    start: int = ...,
    dtype: str = ...,
    labels: str = ...,
    path: str | os.PathLike[str],
    chunk: int | None = ...,
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
    recipe = {
        "name": name,
        "cells": cells,
        "samples": samples,
        "disorder": disorder,
        "seed": seed,
        "boundary": boundary,
        "gauge": gauge,
        "start": start,
        "dtype": dtype,
        "variant": "",
        "labels": labels,
    }
    if path is None:
        if chunk is not None:
            raise ConfigError("chunk is the size of the pieces of a file: give path, too")
        return build(recipe)
    from tnlearn.data.stored import generate  # upward, and only when called

    return generate(_checked(recipe), path, chunk)


def build(recipe_info: dict[str, Any]) -> Dataset:
    """The data set of a complete recipe, as found in `Dataset.info` (its shifts left out)."""
    info = _checked(recipe_info)
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
    solved = states(chains)
    if info["gauge"] == "random":
        draws = np.array([g.random(pairs) for g in generators])
        solved = solved.with_gauge(gauge_factors(draws, np.iscomplexobj(solved.u)))
    return Dataset(
        solved.astype(info["dtype"]),
        class_indices(windings, known),
        known,
        windings,
        ambiguity(chains, windings),
        chains,
        {**info, "label": "lyapunov", "shifts": []},
        known_winding_numbers(chains) if every else {},
    )


def gauge_factors(uniform: Array, phases: bool) -> Array:
    """Signs (or phases) from uniform numbers on [0, 1), of the same shape."""
    if phases:
        return np.asarray(np.exp(2j * np.pi * uniform))
    return np.where(uniform < 0.5, -1.0, 1.0)


def class_indices(windings: Array, classes: tuple[int, ...]) -> Array:
    """Index of each winding among the classes, −1 where it is none of them."""
    match = windings[:, None] == np.asarray(classes)
    return np.where(match.any(axis=1), match.argmax(axis=1), -1).astype(np.int64)


def ambiguity(chains: Chains, windings: Array) -> Array:
    """Where the kinds of winding number of the ring do not tell `windings` clearly."""
    ring = winding(chains, "rswn", boundary="periodic")
    scale = np.sqrt(sum((np.abs(t) ** 2).mean(axis=1) for t in chains.hoppings.values()))
    unclear = np.abs(ring.value - ring.integer) > ROUNDING_LIMIT
    return np.asarray(unclear | (ring.integer != windings) | (ring.gap <= _GAPLESS * scale))


def _checked(recipe: dict[str, Any]) -> dict[str, Any]:
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
