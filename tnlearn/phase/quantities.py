"""The parameters of a phase diagram, and hoppings and disorder written in terms of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError, UnknownNameError, nearest

__all__ = ["Quantity", "check_quantities", "in_words", "read_axes", "read_constants", "values_of"]

Array = NDArray[Any]
# What a hopping or a strength of disorder may be given as; an array is over the cells.
Quantity = complex | str | tuple[float, str] | NDArray[Any] | Callable[..., Any]

_SSH = {"intra": 1.0, "inter": 1.0, "disorder_intra": 0.0, "disorder_inter": 0.0}


def read_axes(axes: Any) -> dict[str, Array]:
    """One or two names, each with its ascending values; the columns first."""
    if not isinstance(axes, Mapping) or len(axes) not in (1, 2):
        raise ConfigError(
            "axes must name one or two parameters with their values, the columns first, e.g. "
            '{"intra": numpy.linspace(0, 2, 50), "W": numpy.linspace(0, 6, 40)}'
        )
    read = {}
    for name, values in axes.items():
        try:
            value = np.asarray(values, dtype=float)
        except (TypeError, ValueError):
            raise ConfigError(f"the values of {name!r} must be real numbers") from None
        if value.ndim != 1 or not value.size or not np.isfinite(value).all():
            raise ConfigError(
                f"the values of {name!r} must be a one-dimensional array of finite numbers, got "
                f"shape {value.shape}"
            )
        if (np.diff(value) <= 0).any():
            raise ConfigError(f"the values of {name!r} must ascend, each only once")
        read[str(name)] = value
    return read


def read_constants(fixed: Mapping[str, float], axes: Mapping[str, Any]) -> dict[str, float]:
    """Values of the names that are no axis: those of `fixed`, over those of a clean SSH chain."""
    constants = {name: value for name, value in _SSH.items() if name not in axes}
    for name, value in fixed.items():
        if name in axes:
            raise ConfigError(f"{name!r} is an axis and cannot be fixed, too")
        try:
            constants[str(name)] = float(value)
        except (TypeError, ValueError):
            raise ConfigError(f"fixed {name!r} must be a real number, got {value!r}") from None
    return constants


def values_of(
    what: str,
    quantities: Mapping[int, Quantity],
    point: Mapping[str, Array],
    constants: Mapping[str, float],
    cells: int,
    used: set[str],
) -> dict[int, Array]:
    """The hoppings, or strengths of disorder, at all points.

    Parameters
    ----------
    what
        "hopping" or "disorder", for messages.
    quantities, constants, cells
        As of `tnlearn.phase_diagram`.
    point
        The parameters at all points, (points, 1) arrays.
    used
        The names that the quantities refer to are put into it.

    Returns
    -------
    By offset (points, 1) arrays, or (points, cells) where the quantity depends on the cell.
    """
    known = {**constants, **point}
    points = len(next(iter(point.values())))
    values = {}
    for m, quantity in quantities.items():
        if isinstance(m, bool) or not isinstance(m, (int, np.integer)):
            raise ConfigError(f"a hopping offset must be a whole number, got {m!r}")
        factor: Any = 1.0
        value: Any = quantity
        if isinstance(quantity, tuple) and len(quantity) == 2:
            factor, value = quantity
        if isinstance(value, str):
            if value not in known:
                close = nearest(value, known)
                hint = f": did you mean {close!r}?" if close else "; fix it or make it an axis."
                raise UnknownNameError(
                    f"the {what} of offset {m} is {value!r}, which is unknown{hint} Known: "
                    f"{', '.join(sorted(known))}"
                )
            used.add(value)
            value = known[value]
        function = callable(value)
        try:
            if function:
                used.update(point)
                value = _called(value, point, cells)
            values[int(m)] = _columns(factor * np.asarray(value), points, cells, function)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"the {what} of offset {m} must be a number, a name, a pair (factor, name), an "
                f"array of one number per cell, or a function of {' and '.join(point)} (and the "
                "cell) that gives one number per point, or one per point and cell; got "
                f"{in_words(quantity)} ({error})"
            ) from error
        if not np.isfinite(values[int(m)]).all():
            raise ConfigError(f"the {what} of offset {m} is NaN or infinite at some points")
    return values


def _called(function: Callable[..., Any], point: Mapping[str, Array], cells: int) -> Any:
    """The function of the parameters, or of the parameters and the cell, if it asks for that."""
    try:
        asked = [
            p
            for p in inspect.signature(function).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty
        ]
    except (TypeError, ValueError):  # compiled, and silent about it
        asked = []
    cell = [np.arange(cells)] if len(asked) == len(point) + 1 else []
    return function(*point.values(), *cell)


def _columns(values: Any, points: int, cells: int, function: bool) -> Array:
    """The values as (points, 1), or as (points, cells) if they differ from cell to cell."""
    array = np.asarray(values)
    array = array.astype(complex if np.iscomplexobj(array) else float)
    if function and array.ndim == 1 and array.size == points > 1:
        if points == cells:
            raise ValueError(
                f"one number for each of {points} points, or for each of as many cells? "
                "Return shape (points, 1) or (1, cells)"
            )
        array = array[:, None]
    over_cells = array.ndim > 0 and array.shape[-1] == cells
    return np.broadcast_to(array, (points, cells if over_cells else 1))


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
    shape = np.shape(quantity)
    return f"array of shape {shape}" if shape else str(quantity)
