"""All kinds of winding number of the same samples, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError
from tnlearn.physics.chains import Chains
from tnlearn.physics.invariants import METHODS, Winding, winding

__all__ = ["all_kinds", "disagreement", "join_kinds", "kind_names", "pick", "take"]

Array = NDArray[Any]

_CLEAN_ONLY = "momentum"
RING = "rswn-ring"


def kind_names(boundary: str, clean: bool) -> tuple[str, ...]:
    """The kinds that exist for such chains, in the order of the columns.

    Every method of `tnlearn.winding`; `momentum` of clean chains only; and
    `rswn-ring`, the RSWN of an open sample closed into a ring.
    """
    names = [m for m in METHODS if clean or m != _CLEAN_ONLY]
    if boundary == "open":
        names.insert(1, RING)
    return tuple(names)


def all_kinds(chains: Chains) -> dict[str, Winding]:
    """Each sample's winding number by every method that applies: see `kind_names`.

    Parameters
    ----------
    chains : Chains
        Open or a ring; the boundary matters to `rswn` alone.

    Returns
    -------
    dict of name to `Winding`
    """
    clean = all(
        np.array_equal(t, np.broadcast_to(t[:, :1], t.shape)) for t in chains.hoppings.values()
    )
    found = {}
    for name in kind_names(chains.boundary, clean):
        if name == RING:
            found[name] = replace(winding(chains, "rswn", boundary="periodic"), method=name)
        else:
            found[name] = winding(chains, name)
    return found


def take(kinds: Mapping[str, Winding], index: Any) -> dict[str, Winding]:
    """The samples chosen by a slice, a mask or an index array, of every kind."""
    return {name: pick(result, index) for name, result in kinds.items()}


def join_kinds(parts: list[dict[str, Winding]]) -> dict[str, Winding]:
    """The kinds of consecutive pieces of one data set as one."""
    found = {}
    for name, first in parts[0].items():
        arrays: dict[str, Any] = {
            f.name: np.concatenate([getattr(p[name], f.name) for p in parts])
            for f in fields(first)
            if isinstance(getattr(first, f.name), np.ndarray)
        }
        found[name] = replace(first, **arrays)
    return found


def pick(result: Winding, index: Any) -> Winding:
    """The samples of one result chosen by a slice, a mask or an index array."""
    arrays = {f.name: getattr(result, f.name) for f in fields(result)}
    chosen: dict[str, Any] = {n: a[index] for n, a in arrays.items() if isinstance(a, np.ndarray)}
    return replace(result, **chosen)


def disagreement(kinds: Mapping[str, Winding]) -> tuple[tuple[str, ...], Array]:
    """How often the integers of two kinds differ.

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
    names = tuple(kinds)
    integers = np.array(
        [np.where(np.isfinite(k.value), k.integer.astype(float), np.nan) for k in kinds.values()]
    )
    differs = integers[:, None] != integers[None, :]
    same = np.arange(len(names))
    share = differs.mean(axis=2)
    share[same, same] = 0.0
    return names, share
