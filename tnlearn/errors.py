"""The errors of tnlearn: each says what was given, what is expected and how to mend it.

All derive from `TnlearnError`, so that the command line can turn any of them
into one line on stderr.  Each also derives from the built-in exception a
Python user would expect (`ValueError`, `OSError`).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = [
    "CheckpointError",
    "ConfigError",
    "FileError",
    "LackingError",
    "MemoryLimitError",
    "NotChiralError",
    "NotFiniteError",
    "ShapeError",
    "TnlearnError",
    "UnclearError",
    "UnknownNameError",
    "check_choice",
    "check_finite",
    "check_memory",
    "check_whole",
    "machine_memory",
    "nearest",
]


class TnlearnError(Exception):
    """Base of every error raised on purpose by tnlearn."""


class ShapeError(TnlearnError, ValueError):
    """An array has a shape or dtype that the operation cannot take."""


class NotFiniteError(TnlearnError, ValueError):
    """An array holds NaN or infinity."""


class NotChiralError(TnlearnError, ValueError):
    """A Hamiltonian does not anticommute with the chiral operator."""


class UnclearError(TnlearnError, ValueError):
    """A matrix can be read in several ways, or in none; the message names the word that decides."""


class UnknownNameError(TnlearnError, ValueError):
    """A name or option is not one of those known; the nearest right one is in the message."""


class ConfigError(TnlearnError, ValueError):
    """A setting is out of range or contradicts another."""


class LackingError(ConfigError, AttributeError):
    """Something is asked of data that were made without it."""


class FileError(TnlearnError, OSError):
    """A file or folder cannot be read or written, or is not what it should be."""


class CheckpointError(FileError):
    """A checkpoint is damaged, or belongs to another configuration."""


class MemoryLimitError(TnlearnError, MemoryError):
    """The request would need more memory than the machine has."""


def nearest(name: str, options: Iterable[str]) -> str | None:
    """The option closest to `name` in spelling, or None if nothing comes near."""
    close = difflib.get_close_matches(str(name), list(options), n=1, cutoff=0.5)
    return close[0] if close else None


def check_choice(what: str, name: str, options: Iterable[str], more: str = "") -> str:
    """Return `name` if it is among `options`, else raise naming the nearest right one.

    `more` ends the list of those known.

    >>> check_choice("method", "rwsn", ["rswn", "twist"])
    Traceback (most recent call last):
    tnlearn.errors.UnknownNameError: unknown method 'rwsn': did you mean 'rswn'? \
Known: rswn, twist
    """
    known = list(options)
    if isinstance(name, str) and name in known:
        return name
    close = nearest(name, known)
    hint = f": did you mean {close!r}?" if close else ":"
    raise UnknownNameError(f"unknown {what} {name!r}{hint} Known: {', '.join(known)}{more}")


def check_whole(what: str, value: Any, least: int) -> int:
    """`value` as an int if it is a whole number (True is none) of at least `least`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ConfigError(f"{what} must be a whole number of at least {least}, got {value!r}")
    if value < least:
        raise ConfigError(f"{what} must be at least {least}, got {value}")
    return int(value)


def check_finite(what: str, array: Any) -> None:
    """Raise `NotFiniteError` if a numpy array holds NaN or infinity, saying where the first is."""
    values = np.asarray(array)
    finite = np.isfinite(values)
    if not finite.all():
        bad = int(values.size - np.count_nonzero(finite))
        first = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise NotFiniteError(
            f"{what} holds {bad} value(s) that are NaN or infinite, the first at index {first}; "
            "remove or replace them before calling"
        )


def machine_memory() -> int | None:
    """Physical memory of this machine in bytes, or None where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def check_memory(what: str, needed: int) -> None:
    """Raise `MemoryLimitError` if `needed` bytes are more than the machine's memory."""
    have = machine_memory()
    if have is not None and needed > have:
        raise MemoryLimitError(
            f"{what} would need {needed / 2**30:.3g} GiB, and this machine has "
            f"{have / 2**30:.3g} GiB; take fewer samples or cells, or work in slices"
        )
