"""Drawing labelled chains: one random stream per sample, rejection until its class is met."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.data.recipes import Recipe
from tnlearn.errors import ConfigError
from tnlearn.physics.chains import Chains
from tnlearn.physics.lyapunov import lyapunov_winding

__all__ = ["derived_seed", "draw", "first_that_suits", "stream", "targets"]

Array = NDArray[Any]

# Draws per round, fixed: what a sample consumes must not depend on who else is
# pending.  Strong disorder makes the outer windings of `extended` rare (6e-4 at
# strength 3, 20 cells), hence the long tail.
_ATTEMPTS = (4, 4, 8, 16, 32, 64, *(128,) * 400)
_TOGETHER = 16384  # draws made at a time


def stream(seed: int, name: str, *key: int) -> np.random.Generator:
    """The generator of (name, seed, key): independent streams for different keys."""
    spawn = (zlib.crc32(name.encode()), *key)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn))


def derived_seed(seed: int, name: str, *key: int) -> int:
    """A new seed, a pure function of its arguments."""
    return int(stream(seed, name, *key).integers(2**62))


def targets(count: int, key: str, seed: int, indices: Array) -> Array:
    """Which of `count` classes each sample aims at.

    Every block of `count` consecutive indices holds each class once, in a random order of
    its own.
    """
    blocks, place = np.unique(indices // count, return_inverse=True)
    # A key of length two keeps these streams apart from those of the samples.
    orders = np.array([stream(seed, key, int(b), 1).permutation(count) for b in blocks])
    return np.asarray(orders[place, indices % count])


def first_that_suits(
    generators: Sequence[np.random.Generator],
    numbers: int,
    rounds: Sequence[int],
    attempt: Callable[[Array, Array], tuple[Array, Callable[[Array, Array], None]]],
) -> Array:
    """Draw from each stream until a draw suits; the streams in which none of all did.

    Parameters
    ----------
    generators
        One stream a sample.
    numbers : int
        Uniform numbers that a draw takes.
    rounds
        Draws in each round, the same whoever else is pending.
    attempt : function of (uniform, sample)
        Of uniform numbers (draws, numbers) and the sample that each is for: which draws suit, and
        a function of (draws, samples) that keeps the draws chosen for them.
    """
    pending = np.arange(len(generators))
    for draws in rounds:
        missed = []
        for start in range(0, len(pending), _TOGETHER // draws):
            group = pending[start : start + _TOGETHER // draws]
            uniform = np.array([generators[i].random((draws, numbers)) for i in group])
            suits, keep = attempt(uniform.reshape(-1, numbers), np.repeat(group, draws))
            hit = suits.reshape(-1, draws)
            there = hit.any(axis=1)
            keep(np.flatnonzero(there) * draws + hit[there].argmax(axis=1), group[there])
            missed.append(group[~there])
        pending = np.concatenate(missed)
        if not len(pending):
            break
    return pending


def draw(
    recipe: Recipe, cells: int, disorder: float, seed: int, indices: Array
) -> tuple[Chains, Array, list[np.random.Generator]]:
    """Chains of the given indices, each the first draw of its stream that has its target winding.

    h[y+m, y] = t_m + disorder · r_m(y), r uniform on [−1/2, 1/2), the same
    strength on every offset (with several orbitals on every element of T_m).  A
    sample is a function of (recipe, cells, disorder, seed, index) alone.

    Returns
    -------
    chains : Chains
        Open; with d orbitals, of d · cells pairs of orbitals.
    labels : (samples,) int array
        Class indices.
    generators : list
        The stream of each sample, just behind its last number, for the gauge.

    Raises
    ------
    ConfigError
        If a class is too rare to be found, e.g. at extreme disorder.
    """
    goal = targets(len(recipe.classes), recipe.key, seed, indices)
    wanted = np.asarray(recipe.classes)[goal]
    generators = [stream(seed, recipe.key, int(i)) for i in indices]
    width = recipe.numbers + (recipe.bonds * cells if disorder else 0)
    kind = float if recipe.kind == "real" else complex
    pairs = recipe.orbitals * cells
    kept = np.empty((len(recipe.pair_offsets), len(indices), pairs), dtype=kind)

    def attempt(uniform: Array, sample: Array) -> tuple[Array, Callable[[Array, Array], None]]:
        hoppings = _hoppings(recipe, cells, disorder, uniform)

        def keep(draws: Array, samples: Array) -> None:
            kept[:, samples] = hoppings[:, draws]

        return _integers(recipe, hoppings, bool(disorder)) == wanted[sample], keep

    missed = first_that_suits(generators, width, _ATTEMPTS, attempt)
    if len(missed):
        rare = sorted(set(wanted[missed].tolist()))
        raise ConfigError(
            f"windings {rare} are too rare in {recipe.key!r} at disorder {disorder:g} and {cells} "
            f"cells: {len(missed)} sample(s) not found in {sum(_ATTEMPTS)} draws each; "
            "take a weaker disorder"
        )
    return Chains(pairs, dict(zip(recipe.pair_offsets, kept, strict=True))), goal, generators


def _hoppings(recipe: Recipe, cells: int, disorder: float, uniform: Array) -> Array:
    """t_m of every pair of orbitals, (pair offsets, samples, pairs)."""
    bonds: Array = recipe.amplitudes(uniform[:, : recipe.numbers]).T[:, :, None]
    if not disorder:
        bonds = np.broadcast_to(bonds, (*bonds.shape[:2], cells))
    else:
        noise = uniform[:, recipe.numbers :].reshape(len(uniform), recipe.bonds, cells)
        bonds = bonds + disorder * (noise.swapaxes(0, 1) - 0.5)
    return bonds if recipe.orbitals == 1 else _by_pairs(recipe, bonds)


def _by_pairs(recipe: Recipe, matrices: Array) -> Array:
    """The elements of T_m(y) as hoppings of pairs: T_m[a, b](y) leads y d + b to (y + m) d + a."""
    d = recipe.orbitals
    _, samples, cells = matrices.shape
    elements = matrices.reshape(len(recipe.offsets), d, d, samples, cells)
    low = recipe.pair_offsets[0]
    hoppings = np.zeros((len(recipe.pair_offsets), samples, cells, d), dtype=matrices.dtype)
    for number, m in enumerate(recipe.offsets):
        for a in range(d):
            for b in range(d):
                hoppings[d * m + a - b - low, :, :, b] = elements[number, a, b]
    return hoppings.reshape(len(hoppings), samples, cells * d)


def _integers(recipe: Recipe, hoppings: Array, disordered: bool) -> Array:
    # A clean ring of any length has the winding of its single cell.
    pairs = slice(None) if disordered else slice(0, recipe.orbitals)
    count, settled = lyapunov_winding(
        {m: t[:, pairs] for m, t in zip(recipe.pair_offsets, hoppings, strict=True)}
    )
    return np.where(settled, count, np.nan)
