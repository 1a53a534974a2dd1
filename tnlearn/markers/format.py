"""The file of a marker: the weights of its members and the record of how it was made."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.archive import read, write
from tnlearn.errors import CheckpointError
from tnlearn.models.scaling import moment_count
from tnlearn.networks.functions import ACTIVATIONS

__all__ = ["Content", "read_marker", "write_marker"]

KIND = "tnlearn-marker/1"
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Content:
    """What a marker computes with.

    Attributes
    ----------
    shift, scale : (moments,) float arrays
        Moments are standardised to (B − shift) · scale.
    layers : list of (weight, bias)
        Arrays (members, out, in) and (members, out); the activation stands between them.
    activation : str
    classes : tuple of int
        The windings it can answer.
    record : dict
        How it was made, and what was measured: see `tnlearn.studies.make_marker`.
    """

    shift: Array
    scale: Array
    layers: list[tuple[Array, Array]]
    activation: str
    classes: tuple[int, ...]
    record: dict[str, Any]


def write_marker(
    path: str | os.PathLike[str],
    *,
    shift: Array,
    scale: Array,
    layers: Sequence[tuple[Array, Array]],
    activation: str,
    classes: Sequence[int],
    record: Mapping[str, Any],
) -> None:
    """Write a marker, whole or not at all; weights in single precision.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    arrays: dict[str, Array] = {"shift": np.asarray(shift), "scale": np.asarray(scale)}
    for number, (weight, bias) in enumerate(layers):
        arrays[f"layer{number}/weight"] = np.asarray(weight, dtype=np.float32)
        arrays[f"layer{number}/bias"] = np.asarray(bias, dtype=np.float32)
    head = {"activation": activation, "classes": [int(c) for c in classes], "layers": len(layers)}
    write(path, KIND, {**head, "record": dict(record)}, arrays)


def read_marker(path: str | os.PathLike[str]) -> Content:
    """Read a marker; no code in the file is executed.

    Raises
    ------
    FileError
        If there is no such file.
    CheckpointError
        If it is damaged, or not the file of a marker of this version.
    """
    head, arrays = read(path, KIND)
    try:
        layers = [
            (arrays[f"layer{k}/weight"].astype(float), arrays[f"layer{k}/bias"].astype(float))
            for k in range(head["layers"])
        ]
        classes = tuple(int(c) for c in head["classes"])
        content = Content(
            arrays["shift"], arrays["scale"], layers, head["activation"], classes, head["record"]
        )
        _check(content)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{os.fspath(path)} is a marker of another version: {error!r}; make it again with "
            "'python -m tnlearn.studies.make_marker'"
        ) from error
    return content


def _check(content: Content) -> None:
    width = moment_count()
    if content.shift.shape != (width,) or content.scale.shape != (width,):
        raise ValueError(f"{len(content.shift)} moments where {width} are computed")
    for weight, bias in content.layers:
        if weight.shape[2] != width or bias.shape != weight.shape[:2]:
            raise ValueError(f"a layer of shape {weight.shape} after {width} numbers")
        width = weight.shape[1]
    if width != len(content.classes) or content.activation not in ACTIVATIONS:
        raise ValueError(f"{width} outputs for {len(content.classes)} classes")
    for key in ("cells", "offsets", "probability"):
        content.record[key]
