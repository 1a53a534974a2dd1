"""Winding numbers of the chains of a data set: every kind of them, and where they are not clear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError
from tnlearn.physics.chains import Chains
from tnlearn.physics.rswn import ROUNDING_LIMIT
from tnlearn.physics.winding import METHODS, Winding, winding

__all__ = ["ambiguity", "array_fields", "class_indices", "disagreement", "known_winding_numbers"]
__all__ += ["sample_integers"]

Array = NDArray[Any]

RING = "rswn-ring"  # the RSWN of an open sample closed into a ring

# A ring whose gap is below this share of its norm is on the transition.
_GAPLESS = 1e-6


def array_fields(result: Winding) -> list[str]:
    """The fields of a result that hold one value for each sample."""
    return [f.name for f in fields(result) if isinstance(getattr(result, f.name), np.ndarray)]


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


def class_indices(windings: Array, classes: tuple[int, ...]) -> Array:
    """Index of each winding among the classes, −1 where it is none of them."""
    match = windings[:, None] == np.asarray(classes)
    return np.where(match.any(axis=1), match.argmax(axis=1), -1).astype(np.int64)


def sample_integers(chains: Chains) -> tuple[Array, Array]:
    """The integer of each sample's own chain, and where it is not clear, each (samples,)."""
    count = winding(chains, "lyapunov", gap=False)
    return count.integer, ~count.reliable | ambiguity(chains, count.integer)


def ambiguity(chains: Chains, windings: Array) -> Array:
    """Where the kinds of winding number of the ring do not tell `windings` clearly."""
    ring = winding(chains, "rswn", boundary="periodic")
    scale = np.sqrt(sum((np.abs(t) ** 2).mean(axis=1) for t in chains.hoppings.values()))
    unclear = np.abs(ring.value - ring.integer) > ROUNDING_LIMIT
    return np.asarray(unclear | (ring.integer != windings) | (ring.gap <= _GAPLESS * scale))
