"""`tnlearn.shift`: the tests a network was not trained for.

Two kinds.  A shift that *draws anew* takes the recipe of a data set, changes one
thing in it and draws fresh samples.  A shift that *transforms* keeps the samples
and changes how, or with which edges, they are seen.  Either way the labels are
certified again from the chains.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tnlearn.data.dataset import Dataset
from tnlearn.data.generate import build
from tnlearn.data.integers import known_winding_numbers
from tnlearn.data.recipes import DATASETS
from tnlearn.data.sampling import derived_seed, stream
from tnlearn.data.transforms import TRANSFORMS, disorder
from tnlearn.errors import ConfigError, LackingError, UnknownNameError, check_whole, nearest

__all__ = ["SHIFTS", "Shift", "describe", "shift"]


@dataclass(frozen=True)
class Shift:
    """A shift and what it does.

    Attributes
    ----------
    name : str
        As given to `tnlearn.shift`.
    title : str
        Short, for tables and figures.
    description : str
        What changes, and what becomes of the label.
    redraws : bool
        Whether new samples are drawn.
    strength : float or None
        The disorder, size ratio or number of states in the name.
    """

    name: str
    title: str
    description: str
    redraws: bool
    strength: float | None = None


Change = Callable[[dict[str, Any], float], dict[str, Any]]


def _size(info: dict[str, Any], value: float) -> dict[str, Any]:
    cells = round(value * info["cells"])
    if cells < 2:
        raise ConfigError(f"{value:g} times {info['cells']} cells leaves no chain; take more cells")
    return {"cells": cells}


def _variant(name: str) -> Change:
    return lambda info, value: {"variant": name}


# A pattern of the name, with at most one number in it, for each family.
_NUMBER = r"(\d+(?:\.\d+)?)"
_DISORDER = f"disorder-{_NUMBER}"
_REDRAW: dict[str, tuple[str, str, Change]] = {
    _DISORDER: (
        "disorder {v:g}",
        "new samples with chiral disorder of strength {v:g} on every hopping; the label is that "
        "of the disordered sample",
        lambda info, value: {"disorder": value},
    ),
    f"size-{_NUMBER}x": ("{v:g}× cells", "new samples of {v:g} times the number of cells", _size),
    "complex-phases": (
        "complex phases",
        "new samples whose hoppings carry random phases: time reversal broken, states complex",
        _variant("complex-phases"),
    ),
    "longer-hopping": (
        "longer hopping",
        "new samples with a hopping one offset beyond the largest, at half the amplitude",
        _variant("longer-hopping"),
    ),
    "unseen-winding": (
        "unseen winding",
        "new samples with the two windings next to the known classes; their label is -1, "
        "none of the classes",
        _variant("unseen-winding"),
    ),
}
# Transformations that the recipe itself can express, so that new samples keep them.
_CARRIED = ("clean", "ring", "gauge", "solver-gauge")

_LISTED = (
    "clean",
    *(f"disorder-{w}" for w in ("0.5", "1", "2", "3")),
    *(f"size-{f}x" for f in ("0.6", "2", "5", "20")),
    "ring",
    "edge-cell",
    "edge-potential",
    "edge-removed",
    "no-zero-modes-1",
    "no-zero-modes-2",
    "gauge",
    "solver-gauge",
    "rotation",
    "complex-phases",
    "longer-hopping",
    "unseen-winding",
)


def _find(name: Any) -> tuple[str, float]:
    for pattern in (*_REDRAW, *TRANSFORMS):
        match = re.fullmatch(pattern, name) if isinstance(name, str) else None
        if match:
            return pattern, float(match[1]) if match.groups() else 0.0
    close = nearest(str(name), _LISTED)
    hint = f": did you mean {close!r}?" if close else ":"
    raise UnknownNameError(
        f"unknown shift {name!r}{hint} Known, each with any number in place of its own: "
        f"{', '.join(_LISTED)}"
    )


def describe(name: str) -> Shift:
    """What the shift of this name does; `UnknownNameError` with the nearest right name if none."""
    pattern, value = _find(name)
    redraws = pattern in _REDRAW
    if redraws:
        title, text, _ = _REDRAW[pattern]
    else:
        title, change = TRANSFORMS[pattern]
        words = " ".join((change.__doc__ or "").partition("\n\n")[0].split()).rstrip(".")
        text = words[0].lower() + words[1:]
    strength = value if "(" in pattern else None
    return Shift(name, title.format(v=value), text.format(v=value), redraws, strength)


SHIFTS: dict[str, Shift] = {name: describe(name) for name in _LISTED}


def shift(name: str, data: Dataset, seed: int = 0, *, samples: int | None = None) -> Dataset:
    """A shifted copy of a data set.

    Parameters
    ----------
    name : str
        One of `tnlearn.data.SHIFTS`; `disorder-W`, `size-Fx` and `no-zero-modes-K`
        take any number.
    data : Dataset
        Left as it is.
    seed : int
        Seed of what is drawn.  New samples are seeded by (`data.info["seed"]`,
        name, seed), so they coincide with none of `data`.
    samples : int, optional
        How many samples (a long chain is costly); as many as in `data` if not
        given.  A transformation takes the first ones.

    Of data of one's own (`Dataset.from_chains` and its like) no recipe is known to draw from:
    there `disorder-W` is added to the hoppings, and the other shifts that draw are errors.

    Returns
    -------
    Dataset
        Its `info` is that of `data` with what changed, and the shift appended to
        `info["shifts"]`.  Labels are certified again from the chains: see the
        description of each shift.

    Raises
    ------
    UnknownNameError, ConfigError
        For an unknown name (the nearest is named); where the shift cannot be
        applied: edges of a ring, new samples from a transformed data set, more
        samples than there are, data that lack what is altered.

    Source: the list of tests in docs/physics.md.
    """
    pattern, value = _find(name)
    seed = check_whole("seed", seed, 0)
    count = check_whole("samples", len(data) if samples is None else samples, 1)
    recipe = data.info["name"] in DATASETS
    if pattern in _REDRAW and recipe:
        shifted = _redraw(_REDRAW[pattern][2], name, data, seed, count, value)
    elif pattern in _REDRAW and pattern != _DISORDER:
        raise LackingError(
            f"{name!r} draws new samples and needs the recipe of these, but they are data of your "
            "own: make such samples yourself (tnl.chain, tnl.Dataset.from_chains)"
        )
    else:
        if count > len(data):
            raise ConfigError(f"{name!r} transforms {len(data)} samples and cannot make {count}")
        kept = data if count == len(data) else data[:count]
        rng = stream(seed, f"shift/{name}", kept.info["seed"])
        change = disorder if pattern == _DISORDER else TRANSFORMS[pattern][1]
        try:
            shifted = change(kept, rng, value)
        except LackingError as error:
            raise LackingError(f"{name!r} cannot be applied: {error}") from error
    info = {**shifted.info, "shifts": [*data.info["shifts"], {"name": name, "seed": seed}]}
    kinds = known_winding_numbers(shifted.chains) if shifted.kinds else {}
    return replace(shifted, info=info, kinds=kinds)


def _redraw(
    change: Change, name: str, data: Dataset, seed: int, count: int, value: float
) -> Dataset:
    for earlier in data.info["shifts"]:
        if not describe(earlier["name"]).redraws and earlier["name"] not in _CARRIED:
            raise ConfigError(
                f"{name!r} draws new samples and would undo {earlier['name']!r}; apply it first"
            )
    info = {k: v for k, v in data.info.items() if k not in ("shifts", "label", "subset")}
    info |= change(info, value)
    # Seeds of PCG64 streams may be large; JSON readers want them below 2^53.
    info |= {"samples": count, "seed": derived_seed(info["seed"], f"shift/{name}", seed) >> 10}
    return build(info)
