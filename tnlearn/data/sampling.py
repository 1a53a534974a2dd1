"""Drawing labelled chains: one random stream per sample, rejection until its class is met."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.data.recipes import Recipe
from tnlearn.errors import ConfigError
from tnlearn.physics.chains import Chains
from tnlearn.physics.transfer import lyapunov_winding

__all__ = ["derived_seed", "draw", "stream", "targets"]

Array = NDArray[Any]

# Draws per round, fixed: what a sample consumes must not depend on who else is
# pending.  Strong disorder makes the outer windings of `extended` rare (6e-4 at
# strength 3, 20 cells), hence the long tail.
_ATTEMPTS = (4, 4, 8, 16, 32, 64, *(128,) * 400)
_MOST = 16384


def stream(seed: int, name: str, *key: int) -> np.random.Generator:
    """The generator of (name, seed, key): independent streams for different keys."""
    spawn = (zlib.crc32(name.encode()), *key)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn))


def derived_seed(seed: int, name: str, *key: int) -> int:
    """A new seed, a pure function of its arguments."""
    return int(stream(seed, name, *key).integers(2**62))


def targets(recipe: Recipe, seed: int, indices: Array) -> Array:
    """The class index each sample aims at.

    Every block of `len(classes)` consecutive indices holds each class once, in a
    random order of its own.
    """
    count = len(recipe.classes)
    blocks, place = np.unique(indices // count, return_inverse=True)
    # A key of length two keeps these streams apart from those of the samples.
    orders = np.array([stream(seed, recipe.key, int(b), 1).permutation(count) for b in blocks])
    found: Array = orders[place, indices % count]
    return found


def draw(
    recipe: Recipe, cells: int, disorder: float, seed: int, indices: Array
) -> tuple[Chains, Array, list[np.random.Generator]]:
    """Chains of the given indices, each the first draw of its stream that has its target winding.

    h[y+m, y] = t_m + disorder · r_m(y), r uniform on [−1/2, 1/2), the same
    strength on every offset.  A sample is a function of (recipe, cells, disorder,
    seed, index) alone.

    Returns
    -------
    chains : Chains
        Open.
    labels : (samples,) int array
        Class indices.
    generators : list
        The stream of each sample, just behind its last number, for the gauge.

    Raises
    ------
    ConfigError
        If a class is too rare to be found, e.g. at extreme disorder.
    """
    goal = targets(recipe, seed, indices)
    wanted = np.asarray(recipe.classes)[goal]
    generators = [stream(seed, recipe.key, int(i)) for i in indices]
    width = recipe.numbers + (len(recipe.offsets) * cells if disorder else 0)
    kind = float if recipe.kind == "real" else complex
    kept = np.empty((len(recipe.offsets), len(indices), cells), dtype=kind)
    pending = np.arange(len(indices))
    for attempts in _ATTEMPTS:
        missed = []
        together = _MOST // attempts
        for start in range(0, len(pending), together):
            group = pending[start : start + together]
            uniform = np.array([generators[i].random((attempts, width)) for i in group])
            tried = _hoppings(recipe, cells, disorder, uniform.reshape(-1, width))
            integer = _integers(recipe, tried, bool(disorder))
            hit = (integer == np.repeat(wanted[group], attempts)).reshape(-1, attempts)
            found = hit.any(axis=1)
            row = np.flatnonzero(found) * attempts + hit[found].argmax(axis=1)
            kept[:, group[found]] = tried[:, row]
            missed.append(group[~found])
        pending = np.concatenate(missed)
        if not len(pending):
            break
    else:
        rare = sorted(set(wanted[pending].tolist()))
        raise ConfigError(
            f"windings {rare} are too rare in {recipe.key!r} at disorder {disorder:g} and {cells} "
            f"cells: {len(pending)} sample(s) not found in {sum(_ATTEMPTS)} draws each; "
            "take a weaker disorder"
        )
    return Chains(cells, dict(zip(recipe.offsets, kept, strict=True))), goal, generators


def _hoppings(recipe: Recipe, cells: int, disorder: float, uniform: Array) -> Array:
    clean = recipe.amplitudes(uniform[:, : recipe.numbers]).T[:, :, None]
    if not disorder:
        return np.broadcast_to(clean, (*clean.shape[:2], cells))
    noise = uniform[:, recipe.numbers :].reshape(len(uniform), len(recipe.offsets), cells)
    found: Array = clean + disorder * (noise.swapaxes(0, 1) - 0.5)
    return found


def _integers(recipe: Recipe, tried: Array, disordered: bool) -> Array:
    # A clean ring of any length has the winding of its single cell.
    cells = slice(None) if disordered else slice(0, 1)
    count, settled = lyapunov_winding(
        {m: t[:, cells] for m, t in zip(recipe.offsets, tried, strict=True)}
    )
    return np.where(settled, count, np.nan)
