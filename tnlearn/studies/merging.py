"""Results of the chunks of an ensemble put together, key by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["chosen_members", "merged_chunks"]

# Keys of a task's result with one entry a member, one after another in the whole; those that are
# means over the members of a chunk; all others are the same in every chunk.
_MEMBERS = ("accuracy", "control", "share", "numbers", "whole", "leading")
_MEANS = ("singular_values", "mean_ranks")


def merged_chunks(parts: Sequence[Any], counts: list[int], kind: str = "") -> Any:
    """The results of the chunks of one ensemble as one result, of the same form.

    `counts` are the members of the chunks; `kind` is that of the key the parts stood under.
    """
    first = parts[0]
    if isinstance(first, dict):
        return {
            key: merged_chunks([part[key] for part in parts], counts, _kind(key) or kind)
            for key in first
        }
    if isinstance(first, list) and first and isinstance(first[0], dict):
        return [merged_chunks(list(same), counts) for same in zip(*parts, strict=True)]
    if kind == "members":
        return [row for part in parts for row in part]
    if kind == "means":
        return np.average(np.array(parts, dtype=float), axis=0, weights=counts).tolist()
    return first


def chosen_members(value: Any, keep: npt.NDArray[np.bool_], kind: str = "") -> Any:
    """The rows of the members to keep, wherever there is a row a member."""
    if isinstance(value, dict):
        return {
            key: chosen_members(inner, keep, _kind(key) or kind) for key, inner in value.items()
        }
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [chosen_members(inner, keep) for inner in value]
    if kind == "members":
        return [row for row, kept in zip(value, keep, strict=True) if kept]
    return value


def _kind(key: str) -> str:
    return "members" if key in _MEMBERS else "means" if key in _MEANS else ""
