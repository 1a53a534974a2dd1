"""What a file says of its origin: a record that is the same before it is written and after."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["differing", "plain"]


def plain(value: Any) -> Any:
    """The same value as JSON gives it back: tuples as lists, numpy numbers as Python's."""
    return json.loads(json.dumps(value, default=as_json))


def as_json(value: Any) -> Any:
    """What JSON writes for a value it does not know: numpy as Python, paths and others as text."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The keys, in order, whose values differ between two records; a missing one counts as None."""
    return sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
