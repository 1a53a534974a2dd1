"""The parameters of a phase diagram, and hoppings and disorder written in terms of them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError, check_choice
from tnlearn.physics.memory import check_memory

__all__ = ["Parameters", "Quantity", "in_words"]

Array = NDArray[Any]
# What a hopping or a strength of disorder may be given as; an array is over the cells.
Quantity = complex | str | tuple[float, str] | NDArray[Any] | Callable[..., Any]

_SSH = {"intra": 1.0, "inter": 1.0, "disorder_intra": 0.0, "disorder_inter": 0.0}


class Parameters:
    """The parameters at all points of a diagram, by name, and what chains are made of them.

    Parameters
    ----------
    axes, fixed
        As of `tnlearn.phase_diagram`.

    Attributes
    ----------
    axes : dict of str to (n,) array
        One or two, the columns first.
    points : dict of str to (points, 1) array
        Their values at all points.
    constants : dict of str to float
        Of the names that are no axis: `fixed`, over those of a clean SSH chain.
    used : set of str
        The names that quantities refer to.
    """

    def __init__(self, axes: Any, fixed: Mapping[str, float]) -> None:
        if not isinstance(axes, Mapping) or len(axes) not in (1, 2):
            raise ConfigError(
                "axes must name one or two parameters with their values, the columns first, e.g. "
                '{"intra": numpy.linspace(0, 2, 50), "W": numpy.linspace(0, 6, 40)}'
            )
        self.axes = {str(name): _ascending(name, values) for name, values in axes.items()}
        count = math.prod(map(len, self.axes.values()))
        # Results, and t and W of two offsets at every point.
        check_memory(f"a diagram of {count} points", 8 * count * 13)
        grid = zip(self.axes, np.meshgrid(*self.axes.values()), strict=True)
        self.points = {name: values.reshape(-1, 1) for name, values in grid}
        self.constants = {name: x for name, x in _SSH.items() if name not in self.axes}
        self.used: set[str] = set()
        for name, value in fixed.items():
            if name in self.axes:
                raise ConfigError(f"{name!r} is an axis and cannot be fixed, too")
            try:
                self.constants[str(name)] = float(value)
            except (TypeError, ValueError):
                raise ConfigError(f"fixed {name!r} must be a real number, got {value!r}") from None
        self._named = [*self.axes, *map(str, fixed)]

    def chains(
        self, hoppings: Mapping[int, Quantity], disorder: Mapping[int, Quantity], cells: int
    ) -> tuple[dict[int, Array], dict[int, Array]]:
        """t_m and W_m by offset, (points, 1), or (points, cells) where they differ by the cell.

        Raises `ConfigError` or `UnknownNameError` for what makes no sense: among it disorder
        where there is no hopping, or below zero, and parameters on which nothing depends.
        """
        t = {self._offset(m): self._values("hopping", m, q, cells) for m, q in hoppings.items()}
        W = {self._offset(m): self._values("disorder", m, q, cells) for m, q in disorder.items()}
        if not t:
            raise ConfigError("hoppings must be a dict of offset to amplitude")
        for m, strength in W.items():
            if m not in t:
                raise ConfigError(f"disorder names offset {m}, which has no hopping: {sorted(t)}")
            if np.iscomplexobj(strength) or (strength < 0).any():
                raise ConfigError(
                    f"the disorder of offset {m} must be real and at least 0 everywhere"
                )
        for name in self._named:
            if name not in self.used:
                raise ConfigError(
                    f"no hopping and no disorder depends on {name!r}: name it among them, e.g. "
                    f"disorder={{0: {name!r}}}"
                )
        none = np.zeros((len(next(iter(self.points.values()))), 1))
        return t, dict.fromkeys(t, none) | W

    @staticmethod
    def _offset(m: Any) -> int:
        if isinstance(m, bool) or not isinstance(m, (int, np.integer)):
            raise ConfigError(f"a hopping offset must be a whole number, got {m!r}")
        return int(m)

    def _values(self, what: str, m: int, quantity: Quantity, cells: int) -> Array:
        """One of them at all points."""
        factor: Any = 1.0
        value: Any = quantity
        if isinstance(quantity, tuple) and len(quantity) == 2:
            factor, value = quantity
        if isinstance(value, str):
            known = {**self.constants, **self.points}
            self.used.add(check_choice(f"name in the {what} of offset {m}", value, known))
            value = known[value]
        function = callable(value)
        try:
            if function:
                self.used.update(self.points)
                value = self._called(value, cells)
            array = self._columns(factor * np.asarray(value), cells, function)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"the {what} of offset {m} must be a number, a name, a pair (factor, name), an "
                f"array of one number per cell, or a function of {' and '.join(self.points)} (and "
                "the cell) that gives one number per point, or one per point and cell; got "
                f"{in_words(quantity)} ({error})"
            ) from error
        if not np.isfinite(array).all():
            raise ConfigError(f"the {what} of offset {m} is NaN or infinite at some points")
        return array

    def _called(self, function: Callable[..., Any], cells: int) -> Any:
        """The function of the parameters, or of the parameters and the cell, if it asks for it."""
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # compiled, and silent about it
            parameters = {}.values()
        places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        asked = [p for p in parameters if p.kind in places and p.default is p.empty]
        cell = [np.arange(cells)] if len(asked) == len(self.points) + 1 else []
        return function(*self.points.values(), *cell)

    def _columns(self, values: Any, cells: int, function: bool) -> Array:
        """The values as (points, 1), or as (points, cells) if they differ from cell to cell."""
        points = len(next(iter(self.points.values())))
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


def _ascending(name: Any, values: Any) -> Array:
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ConfigError(f"the values of {name!r} must be real numbers") from None
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ConfigError(
            f"the values of {name!r} must be a one-dimensional array of finite numbers, got "
            f"shape {array.shape}"
        )
    if (np.diff(array) <= 0).any():
        raise ConfigError(f"the values of {name!r} must ascend, each only once")
    return array


def in_words(quantity: Any) -> str:
    """How a quantity stands in the recipe."""
    if isinstance(quantity, tuple):
        return " ".join(f"{x:g}" if isinstance(x, (int, float)) else str(x) for x in quantity)
    if callable(quantity):
        return getattr(quantity, "__name__", "function").replace("<lambda>", "function")
    shape = np.shape(quantity)
    return f"array of shape {shape}" if shape else str(quantity)
