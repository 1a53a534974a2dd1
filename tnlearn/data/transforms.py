"""The shifts that keep the samples: other boundaries, edges, gauges and bases.

Each takes a data set, a generator and the number in the shift's name, and returns a new data
set.  Its docstring is what is said of it; `tnlearn.data.shifts` records what was done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.data.dataset import Dataset
from tnlearn.data.integers import ambiguity, class_indices, sample_integers
from tnlearn.errors import ConfigError
from tnlearn.physics.chains import Chains
from tnlearn.physics.hamiltonians import states
from tnlearn.physics.lyapunov import lyapunov_winding
from tnlearn.physics.states import States

__all__ = ["TRANSFORMS", "disorder", "ring", "with_chains"]

Array = NDArray[Any]

_EDGE_FACTOR = 5.0
_EDGE_TERM = 5.0
# States within this share of the largest energy count as near each other.
_NEAR = 0.05

Transform = Callable[[Dataset, np.random.Generator, float], Dataset]

# By the pattern of their names: a short title, and what does it.
TRANSFORMS: dict[str, tuple[str, Transform]] = {}


def _named(pattern: str, title: str) -> Callable[[Transform], Transform]:
    def keep(change: Transform) -> Transform:
        TRANSFORMS[pattern] = title, change
        return change

    return keep


def disorder(data: Dataset, rng: np.random.Generator, value: float) -> Dataset:
    """Chiral disorder of strength `value` added to every hopping; labels of the new samples."""
    noise = {m: rng.random(t.shape) - 0.5 for m, t in data.chains.hoppings.items()}
    hoppings = {m: t + value * noise[m] for m, t in data.chains.hoppings.items()}
    altered = with_chains(data, replace(data.chains, hoppings=hoppings), rng)
    windings, unclear = sample_integers(altered.chains)
    labels = class_indices(windings, data.classes)
    return replace(altered, labels=labels, windings=windings, ambiguous=unclear)


@_named("clean", "clean")
def _clean(data: Dataset, rng: np.random.Generator, value: float) -> Dataset:
    """The data as they are."""
    return data


@_named("ring", "ring")
def ring(data: Dataset, rng: np.random.Generator, value: float) -> Dataset:
    """The same chains closed into rings; the same label."""
    chains = data.chains.with_boundary("periodic", data.chains.flux)
    return with_chains(data, chains, rng, boundary="periodic")


@_named("edge-cell", "end cell altered")
def edge_cell(data: Dataset, rng: np.random.Generator, value: float) -> Dataset:
    """Every bond of one end cell, left or right at random, times 5 or 1/5; the label of the bulk
    stands, and samples whose own integer moves are flagged.
    """
    _needs_edges(data, "edge-cell")
    cells = data.chains.cells
    end = np.where(rng.random(len(data)) < 0.5, 0, cells - 1)[:, None]
    factor = np.where(rng.random(len(data)) < 0.5, _EDGE_FACTOR, 1 / _EDGE_FACTOR)[:, None]
    y = np.arange(cells)
    hoppings = {}
    for m, t in data.chains.hoppings.items():
        # Bonds across the seam are not seen on an open chain; they are left alone.
        there = (y + m >= 0) & (y + m < cells)
        touched = there & ((y == end) | (y + m == end))
        hoppings[m] = np.where(touched, factor * t, t)
    return _new_edges(data, replace(data.chains, hoppings=hoppings), rng)


@_named("edge-potential", "end potential")
def edge_potential(data: Dataset, rng: np.random.Generator, value: float) -> Dataset:
    """5 added to the modulus of the intracell hopping of both end cells, which keeps chirality; the
    label of the bulk stands, and samples whose own integer moves are flagged.
    """
    _needs_edges(data, "edge-potential")
    intra = data.chains.hoppings[0].copy()
    for end in (0, -1):
        size = np.abs(intra[:, end])
        phase = np.where(size > 0, intra[:, end] / np.where(size > 0, size, 1.0), 1.0)
        intra[:, end] += _EDGE_TERM * phase
    chains = replace(data.chains, hoppings={**data.chains.hoppings, 0: intra})
    return _new_edges(data, chains, rng)


@_named("edge-removed", "end cell removed")
def edge_removed(data: Dataset, rng: np.random.Generator, value: float) -> Dataset:
    """The first cell cut off: one cell fewer; samples whose own integer moves are flagged."""
    _needs_edges(data, "edge-removed")
    cells = data.info["cells"]
    if cells < 2:
        raise ConfigError("edge-removed needs at least two cells")
    pairs = data.chains.cells // cells  # of orbitals in a cell: more than one with several bands
    hoppings = {m: t[:, pairs:] for m, t in data.chains.hoppings.items()}
    shorter = Chains(data.chains.cells - pairs, hoppings, data.chains.boundary)
    return _new_edges(data, shorter, rng, cells=cells - 1)


@_named(r"no-zero-modes-(\d+)", "{v:g} lowest state(s) left out")
def no_zero_modes(data: Dataset, rng: np.random.Generator, value: float) -> Dataset:
    """The {v:g} pair(s) of states nearest zero energy replaced by zeros; the same label."""
    count = int(value)
    if not 0 < count <= data.states.u.shape[1]:
        raise ConfigError(
            f"no-zero-modes-{count}: between 1 and {data.states.u.shape[1]} states can be left out"
        )
    u, v = data.states.u.copy(), data.states.v.copy()
    u[:, :count] = 0.0
    v[:, :count] = 0.0
    return replace(data, states=States(u, v, data.states.energies))


@_named("gauge", "other gauge")
def gauge(data: Dataset, rng: np.random.Generator, value: float) -> Dataset:
    """Every pair of states with another random sign (phase); the same label."""
    info = {**data.info, "gauge": "random"}
    return replace(data, states=data.states.random_gauge(rng), info=info)


@_named("solver-gauge", "solver's gauge")
def solver_gauge(data: Dataset, rng: np.random.Generator, value: float) -> Dataset:
    """The signs (phases) that the linear algebra left; the same label."""
    solved = states(data.chains).astype(data.info["dtype"])
    return replace(data, states=solved, info={**data.info, "gauge": "solver"})


@_named("rotation", "rotated states")
def rotation(data: Dataset, rng: np.random.Generator, value: float) -> Dataset:
    """u and v rotated alike within groups of states near in energy, so that q is unchanged; the
    same label.


    Groups are formed upwards from the lowest state, each as wide as 5 % of the
    largest energy; the rotations are Haar-random, orthogonal or unitary.
    """
    u, v = data.states.u.copy(), data.states.v.copy()
    phases = np.iscomplexobj(u)
    for s, energies in enumerate(data.states.energies):
        width = _NEAR * float(energies[-1])
        first = 0
        while first < len(energies):
            last = int(np.searchsorted(energies, energies[first] + width, side="right"))
            if last - first > 1:
                turn = _haar(last - first, rng, phases)
                # q = Σ u v†, and both sides of the sum turn by the same matrix.
                u[s, first:last] = turn @ u[s, first:last]
                v[s, first:last] = turn @ v[s, first:last]
            first = max(last, first + 1)
    return replace(data, states=States(u, v, data.states.energies))


def _haar(size: int, rng: np.random.Generator, phases: bool) -> Array:
    draw = rng.standard_normal((size, size))
    if phases:
        draw = draw + 1j * rng.standard_normal((size, size))
    unitary, upper = np.linalg.qr(draw)
    diagonal = np.diag(upper)
    return np.asarray(unitary * (diagonal / np.abs(diagonal)))


def _needs_edges(data: Dataset, name: str) -> None:
    if data.chains.boundary != "open":
        raise ConfigError(f"{name} alters the ends of open chains, and these are rings")


def _new_edges(data: Dataset, chains: Chains, rng: np.random.Generator, **info: Any) -> Dataset:
    """The altered chains under the label of their bulk, flagged where their own integer moves."""
    count, settled = lyapunov_winding(chains.hoppings)
    moved = ~settled | (count != data.windings) | ambiguity(chains, data.windings)
    seen = with_chains(data, chains, rng, **info)
    return replace(seen, ambiguous=data.ambiguous | moved)


def with_chains(data: Dataset, chains: Chains, rng: np.random.Generator, **info: Any) -> Dataset:
    """The data set with the states of other `chains`, in its own gauge and precision.

    Labels, windings and flags are left as they are; `info` is what changes in the recipe.
    """
    solved = states(chains)
    if data.info["gauge"] == "random":
        solved = solved.random_gauge(rng)
    return replace(
        data,
        states=solved.astype(data.info["dtype"]),
        chains=chains,
        info={**data.info, **info},
    )
