"""The two parameters of a phase diagram, and hoppings and disorder written in terms of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError, UnknownNameError, nearest

__all__ = [
    "Quantity",
    "check_quantities",
    "in_words",
    "read_axes",
    "read_constants",
    "read_quantities",
]

Array = NDArray[Any]
# What a hopping or a strength of disorder may be given as.
Quantity = complex | str | tuple[float, str] | Callable[..., Any]

_SSH = {"intra": 1.0, "inter": 1.0, "disorder_intra": 0.0, "disorder_inter": 0.0}


def read_axes(axes: Any) -> tuple[tuple[str, str], Array, Array]:
    """The two names, the values along the columns, the values along the rows."""
    if not isinstance(axes, Mapping) or len(axes) != 2:
        raise ConfigError(
            "axes must name two parameters with their values, the columns first, e.g. "
            '{"intra": numpy.linspace(0, 2, 50), "W": numpy.linspace(0, 6, 40)}'
        )
    values = []
    for name, given in axes.items():
        try:
            value = np.asarray(given, dtype=float)
        except (TypeError, ValueError):
            raise ConfigError(f"the values of {name!r} must be real numbers") from None
        if value.ndim != 1 or not value.size or not np.isfinite(value).all():
            raise ConfigError(
                f"the values of {name!r} must be a one-dimensional array of finite numbers, got "
                f"shape {value.shape}"
            )
        if (np.diff(value) <= 0).any():
            raise ConfigError(f"the values of {name!r} must ascend, each only once")
        values.append(value)
    first, second = map(str, axes)
    return (first, second), values[0], values[1]


def read_constants(fixed: Mapping[str, float] | None, names: tuple[str, str]) -> dict[str, float]:
    """Values of the names that are no axis: those given, over those of a clean SSH chain."""
    twice = [name for name in names if name in (fixed or {})]
    if twice:
        raise ConfigError(f"{twice[0]!r} is an axis and cannot be fixed, too")
    constants = {name: value for name, value in _SSH.items() if name not in names}
    for name, value in (fixed or {}).items():
        try:
            constants[str(name)] = float(value)
        except (TypeError, ValueError):
            raise ConfigError(f"fixed {name!r} must be a real number, got {value!r}") from None
    return constants


def read_quantities(
    what: str,
    given: Mapping[int, Quantity],
    point: dict[str, Array],
    constants: dict[str, float],
    used: set[str],
) -> dict[int, Array]:
    """The values at all points, (points,) arrays; the names they refer to are put into `used`."""
    known = {**constants, **point}
    shape = next(iter(point.values())).shape
    found = {}
    for m, quantity in given.items():
        if isinstance(m, bool) or not isinstance(m, (int, np.integer)):
            raise ConfigError(f"a hopping offset must be a whole number, got {m!r}")
        factor: Any = 1.0
        if isinstance(quantity, tuple) and len(quantity) == 2:
            factor, quantity = quantity
        value: Any = quantity
        if isinstance(quantity, str):
            if quantity not in known:
                close = nearest(quantity, known)
                hint = f": did you mean {close!r}?" if close else "; fix it or make it an axis."
                raise UnknownNameError(
                    f"the {what} of offset {m} is {quantity!r}, which is unknown{hint} Known: "
                    f"{', '.join(sorted(known))}"
                )
            used.add(quantity)
            value = known[quantity]
        elif callable(quantity):
            used.update(point)
            value = quantity(*point.values())
        try:
            value = np.asarray(factor * np.asarray(value))
            kind = complex if np.iscomplexobj(value) else float
            found[int(m)] = np.broadcast_to(value.astype(kind), shape).copy()
        except (TypeError, ValueError):
            raise ConfigError(
                f"the {what} of offset {m} must be a number, a name, a pair (factor, name) or a "
                f"function of {' and '.join(point)} that gives one number per point; got "
                f"{in_words(given[m])}"
            ) from None
        if not np.isfinite(found[int(m)]).all():
            raise ConfigError(f"the {what} of offset {m} is NaN or infinite at some points")
    return found


def check_quantities(t: dict[int, Array], W: dict[int, Array], idle: list[str]) -> None:
    """Refuse disorder where there is no hopping, or below zero, and axes nothing depends on."""
    if not t:
        raise ConfigError("hoppings must be a dict of offset to amplitude")
    for m, strength in W.items():
        if m not in t:
            raise ConfigError(f"disorder names offset {m}, which has no hopping: {sorted(t)}")
        if np.iscomplexobj(strength) or (strength < 0).any():
            raise ConfigError(f"the disorder of offset {m} must be real and at least 0 everywhere")
    if idle:
        raise ConfigError(
            f"no hopping and no disorder depends on {idle[0]!r}: name it among them, e.g. "
            f"disorder={{0: {idle[0]!r}}}"
        )


def in_words(quantity: Any) -> str:
    """How a quantity stands in the recipe."""
    if isinstance(quantity, tuple):
        return " ".join(f"{x:g}" if isinstance(x, (int, float)) else str(x) for x in quantity)
    if callable(quantity):
        return getattr(quantity, "__name__", "function").replace("<lambda>", "function")
    return str(quantity)
