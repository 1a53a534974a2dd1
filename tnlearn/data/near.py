"""Clean chains at a chosen distance from a transition, where finite-size labels are tried.

A clean chain h(z) = Σ_m t_m z^m changes its winding number where a zero of h crosses the
unit circle.  Its distance from the transition is

    δ = min_i |ln |z_i||,

the inverse of the longest decay length of its edge modes, in 1/cells: on L cells the
scaling variable is L δ.  A chain of a data set is put at the distance δ by moving the zero
next to the circle along its ray (of real chains a complex pair together), on whichever side
gives the winding wanted; the other zeros, all farther away than δ, stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.data.dataset import Dataset
from tnlearn.data.generate import assembled
from tnlearn.data.recipes import Recipe, recipe_for
from tnlearn.data.sampling import first_that_suits, stream, targets
from tnlearn.errors import ConfigError, check_whole
from tnlearn.physics.blocks import check_cells
from tnlearn.physics.chains import Chains
from tnlearn.physics.memory import check_memory
from tnlearn.physics.states import check_precision

__all__ = ["NearChains", "near_chains", "near_dataset", "transitions", "zeros_of"]

Array = NDArray[Any]
Transition = tuple[int, int]

# Draws per round, fixed: what a sample consumes must not depend on who else is pending.
_ATTEMPTS = (8, 16, 32, 64, *(128,) * 200)


@dataclass(frozen=True, eq=False)
class NearChains:
    """Open clean chains near transitions, with what is known of them.

    Attributes
    ----------
    chains : Chains
    windings : (samples,) int64 array
        Of the infinite chain: lowest offset + zeros inside the unit circle.
    distance : (samples,) float array
        δ = min |ln |z||, in 1/cells.
    transition : (samples,) int64 array
        Which of `transitions` the chain is next to.
    transitions : tuple of pairs
        The two windings on either side.
    generators : list of Generator
        The stream of each sample, behind its last number.
    """

    chains: Chains
    windings: Array
    distance: Array
    transition: Array
    transitions: tuple[Transition, ...]
    generators: list[np.random.Generator]

    def __len__(self) -> int:
        return len(self.windings)


def transitions(name: str = "extended") -> tuple[Transition, ...]:
    """The transitions of a data set: one zero crosses, or of real chains a complex pair.

    >>> transitions("extended")
    ((-1, 0), (0, 1), (1, 2), (-1, 1), (0, 2))

    Raises `ConfigError` for a data set with several orbitals a cell.
    """
    recipe = recipe_for(name)
    if recipe.orbitals != 1:
        raise ConfigError(
            f"{name!r} has {recipe.orbitals} orbitals a cell: its transitions are not those of "
            "the zeros of one polynomial h(z)"
        )
    low, high = recipe.offsets[0], recipe.offsets[-1]
    steps = (1, 2) if recipe.kind == "real" else (1,)
    return tuple((w, w + step) for step in steps for w in range(low, high - step + 1))


def near_chains(
    cells: int,
    samples: int,
    distance: tuple[float, float],
    seed: int = 1,
    *,
    name: str = "extended",
    start: int = 0,
    between: Sequence[Transition] | None = None,
) -> NearChains:
    """Clean open chains of a data set, moved to a distance from their transition.

    Parameters
    ----------
    cells, samples : int
    distance : (low, high)
        δ is log-uniform on [low, high), in 1/cells; 0 < low <= high.
    seed : int
        Sample `index` is a function of (name, distance, between, seed, index) alone: the
        same clean chain at every length.
    name : str
        Of the data set whose hoppings are drawn.
    start : int
        Index of the first sample.
    between : pairs of windings, optional
        Some of `transitions(name)`; all of them if not given.  Every block of twice as
        many consecutive samples holds each transition once on either side.

    Raises
    ------
    ConfigError, UnknownNameError
        For settings out of range; a distance so large that no chain has all its zeros as far.
    """
    size = check_cells(cells)
    try:
        low, high = (float(x) for x in distance)
    except (TypeError, ValueError):
        low = high = float("nan")
    if not 0.0 < low <= high < np.inf:
        raise ConfigError(
            f"distance must be a pair (low, high) with 0 < low <= high, in 1/cells, "
            f"got {distance!r}"
        )
    for what, value, least in (("samples", samples, 1), ("start", start, 0), ("seed", seed, 0)):
        check_whole(what, value, least)
    known = transitions(name)
    recipe = recipe_for(name)
    chosen = known if between is None else tuple((int(a), int(b)) for a, b in between)
    strange = [pair for pair in chosen if pair not in known]
    if strange or not chosen:
        raise ConfigError(
            f"{strange or 'an empty list'} is no transition of {name!r}; its transitions are "
            f"{', '.join(map(str, known))}"
        )
    key = f"{recipe.key}/near"
    indices = np.arange(start, start + samples)
    which, upper = np.divmod(targets(2 * len(chosen), key, seed, indices), 2)
    generators = [stream(seed, key, int(i)) for i in indices]
    delta = low * (high / low) ** np.array([g.random() for g in generators])
    wanted = np.array([known.index(chosen[w]) for w in which])
    hoppings = _moved(recipe, known, wanted, upper == 1, delta, generators)
    spread = {m: np.repeat(hoppings[:, k : k + 1], size, 1) for k, m in enumerate(recipe.offsets)}
    windings = np.array([chosen[w][side] for w, side in zip(which, upper, strict=True)])
    return NearChains(
        Chains(size, spread), windings, delta, which.astype(np.int64), chosen, generators
    )


def near_dataset(
    cells: int,
    samples: int,
    distance: tuple[float, float],
    seed: int = 1,
    *,
    name: str = "extended",
    start: int = 0,
    between: Sequence[Transition] | None = None,
    dtype: str = "float32",
) -> Dataset:
    """The chains of `near_chains` with states and labels, for training.

    The label is the winding of the infinite chain, which the zeros tell exactly; the gauge
    is random.  `info` holds the whole recipe, with the distances under ``near``.  Shifts that
    transform the samples apply to it; those that draw new ones do not know this recipe.
    """
    check_memory(f"{samples} samples of {cells} cells", 3 * samples * cells**2 * 16)
    near = near_chains(cells, samples, distance, seed, name=name, start=start, between=between)
    info = {
        "name": name,
        "cells": near.chains.cells,
        "samples": samples,
        "disorder": 0.0,
        "seed": seed,
        "boundary": "open",
        "gauge": "random",
        "start": start,
        "dtype": check_precision(dtype).name,
        "variant": "near",
        "near": {
            "distance": [float(x) for x in distance],
            "between": [list(pair) for pair in near.transitions],
        },
        "labels": "lyapunov",
        "label": "momentum",
    }
    classes = recipe_for(name).classes
    return assembled(near.chains, near.windings, classes, info, near.generators)


def zeros_of(hoppings: Array) -> Array:
    """The zeros of Σ_k t_k z^k, t (samples, r + 1) with t_r not 0: (samples, r) complex."""
    degree = hoppings.shape[1] - 1
    companion = np.zeros((len(hoppings), degree, degree), dtype=hoppings.dtype)
    companion[:, 0, :] = -hoppings[:, degree - 1 :: -1] / hoppings[:, degree:]
    companion[:, np.arange(1, degree), np.arange(degree - 1)] = 1.0
    return np.asarray(np.linalg.eigvals(companion).astype(np.complex128))


def _moved(
    recipe: Recipe,
    known: tuple[Transition, ...],
    wanted: Array,
    upper: Array,
    delta: Array,
    generators: list[np.random.Generator],
) -> Array:
    """Hoppings (samples, offsets), each the first draw of its stream that suits it, moved."""
    kept = np.empty(
        (len(wanted), len(recipe.offsets)), dtype=float if recipe.kind == "real" else complex
    )

    def attempt(uniform: Array, sample: Array) -> tuple[Array, Callable[[Array, Array], None]]:
        drawn = recipe.amplitudes(uniform)
        zeros = zeros_of(drawn)
        moving, others, at = _next_to_circle(recipe, known, zeros)

        def keep(draws: Array, samples: Array) -> None:
            # A zero inside the circle counts: the upper winding has the moving ones inside.
            radius = np.exp(np.where(upper[samples], -delta[samples], delta[samples]))[:, None]
            z = zeros[draws]
            z = np.where(moving[draws], z / np.abs(z) * radius, z)
            kept[samples] = _from_zeros(z, drawn[draws])

        return (at == wanted[sample]) & (others > delta[sample]), keep

    missed = first_that_suits(generators, recipe.numbers, _ATTEMPTS, attempt)
    if len(missed):
        raise ConfigError(
            f"chains of {recipe.key!r} whose zeros are all farther than {delta[missed].min():.3g} "
            f"from the unit circle are too rare: {len(missed)} sample(s) not found in "
            f"{sum(_ATTEMPTS)} draws each; take smaller distances"
        )
    return kept


def _next_to_circle(
    recipe: Recipe, known: tuple[Transition, ...], zeros: Array
) -> tuple[Array, Array, Array]:
    """Which zeros are next to the circle, how far the others are, and at which transition."""
    away = np.log(np.abs(zeros))
    rows = np.arange(len(zeros))
    nearest = zeros[rows, np.abs(away).argmin(axis=1)]
    moving = zeros == nearest[:, None]
    pair = np.zeros(len(zeros), dtype=bool)
    if recipe.kind == "real":
        # The eigenvalues of a real matrix come in pairs that are conjugate to the last bit.
        moving |= zeros == nearest.conj()[:, None]
        pair = nearest.imag != 0
    others = np.where(moving, np.inf, np.abs(away)).min(axis=1)
    below = recipe.offsets[0] + ((away < 0) & ~moving).sum(axis=1)
    at = np.full(len(zeros), -1)
    for k, (low, high) in enumerate(known):
        at[(below == low) & (pair == (high - low == 2)) & (moving.sum(axis=1) == high - low)] = k
    return moving, others, at


def _from_zeros(zeros: Array, drawn: Array) -> Array:
    """Hoppings with these zeros, of the largest modulus and the leading sign of those drawn."""
    product: Array = np.ones((len(zeros), 1), dtype=np.complex128)
    for z in zeros.T:
        grown = np.zeros((len(zeros), product.shape[1] + 1), dtype=np.complex128)
        grown[:, 1:] = product
        grown[:, :-1] -= z[:, None] * product
        product = grown
    hoppings: Array = product.real if drawn.dtype.kind == "f" else product
    lead = drawn[:, -1:] / np.abs(drawn[:, -1:])
    size = np.abs(drawn).max(axis=1, keepdims=True) / np.abs(hoppings).max(axis=1, keepdims=True)
    return np.asarray(hoppings * lead * size)
