"""Initialisations of a trainable node: ``tnl.init.normal(0.1)`` and its relatives.

An initialisation draws one real array for one member from a generator that
depends on the seed, the member's number and the node's name only, so a member
starts from the same numbers whatever ensemble it is trained in.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ConfigError, check_choice

__all__ = ["Init", "draw", "exact", "fan_in", "normal", "orthogonal", "parts", "uniform", "zeros"]

Floats = npt.NDArray[np.float64]
_KINDS = ("exact", "normal", "uniform", "orthogonal", "parts", "fan_in", "zeros")


@dataclass(frozen=True)
class Init:
    """A kind of initialisation and its scale; made by the functions of this module."""

    kind: str
    scale: float = 0.0

    def __post_init__(self) -> None:
        check_choice("initialisation", self.kind, _KINDS)
        if not (math.isfinite(self.scale) and self.scale >= 0):
            raise ConfigError(
                f"the scale of an initialisation must be a number >= 0, not {self.scale!r}"
            )

    def __str__(self) -> str:
        return f"{self.kind}({self.scale:g})" if self.scale else f"{self.kind}()"


def exact(noise: float = 0.0) -> Init:
    """The value in the formula, plus normal noise of standard deviation `noise`.

    With several channels each is a copy with noise of its own.
    """
    return Init("exact", noise)


def normal(scale: float) -> Init:
    """Independent normal entries of standard deviation `scale`."""
    return Init("normal", scale)


def uniform(scale: float) -> Init:
    """Independent entries uniform on [-scale, scale]."""
    return Init("uniform", scale)


def orthogonal(scale: float = 1.0) -> Init:
    """A random matrix with orthonormal rows or columns, times `scale`.

    All axes but the last are merged into rows (Saxe, McClelland, Ganguli,
    arXiv:1312.6120).
    """
    return Init("orthogonal", scale)


def parts(scale: float = 1.0) -> Init:
    """`scale` on a part of its own for each channel, and 0 elsewhere.

    The last axis is cut into as many neighbouring parts as there are channels, equal to
    within one entry.  For a window (with ``structure="cells"`` where it has both
    sublattices in it): each channel then begins with the winding of one part of the chain.
    """
    return Init("parts", scale)


def fan_in(gain: float = 1.0) -> Init:
    """Normal of standard deviation ``gain / sqrt(inputs)``, for the weights of a dense layer.

    The inputs are all axes but the first.  ``gain = sqrt(2)`` is the choice of
    He et al. (arXiv:1502.01852) for rectifiers.
    """
    return Init("fan_in", gain)


def zeros() -> Init:
    """All zeros, as for a bias."""
    return Init("zeros")


def as_init(value: Any) -> Init:
    """An `Init` from itself or from a name such as ``"exact"``."""
    if isinstance(value, Init):
        return value
    if isinstance(value, str):
        check_choice("initialisation", value, _KINDS)
        if value in ("normal", "uniform", "fan_in"):
            return Init(value, 0.1 if value != "fan_in" else 1.0)
        return Init(value, 1.0 if value in ("orthogonal", "parts") else 0.0)
    raise ConfigError(f"init must be an initialisation such as tnl.init.normal(0.1), not {value!r}")


def draw(
    init: Init, shape: tuple[int, ...], name: str, exact: Floats | None, *, seed: int, member: int
) -> Floats:
    """The starting values of one member's parameter `name`.

    Raises
    ------
    ConfigError
        If the initialisation is exact but the node has no exact value, or in parts but the node
        is no vector, or has fewer entries than channels.
    """
    rng = np.random.default_rng(
        np.random.SeedSequence(seed, spawn_key=(member, zlib.crc32(name.encode())))
    )
    if init.kind == "exact":
        if exact is None:
            raise ConfigError(
                f"parameter {name!r} has no exact value to start from; "
                "give another initialisation, such as tnl.init.normal(0.1)"
            )
        start = np.broadcast_to(exact, shape).astype(np.float64)
        return start + init.scale * rng.standard_normal(shape) if init.scale else start
    if init.kind == "parts":
        return init.scale * _parts(name, shape)
    if init.kind == "zeros":
        return np.zeros(shape)
    if init.kind == "normal":
        return init.scale * rng.standard_normal(shape)
    if init.kind == "uniform":
        return init.scale * rng.uniform(-1.0, 1.0, shape)
    if init.kind == "fan_in":
        inputs = max(1, math.prod(shape[1:]))
        return init.scale / math.sqrt(inputs) * rng.standard_normal(shape)
    return init.scale * _orthogonal(rng, shape)


def _parts(name: str, shape: tuple[int, ...]) -> Floats:
    channels, entries = (1, *shape)[-2:] if shape else (0, 0)
    if len(shape) > 2 or not 1 <= channels <= entries:
        raise ConfigError(
            f"init 'parts' is for a vector with at least as many entries as channels, but "
            f"{name!r} has the shape {shape}"
        )
    owner = np.arange(entries) * channels // entries
    return np.asarray(owner == np.arange(channels)[:, None], dtype=np.float64).reshape(shape)


def _orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    columns = shape[-1] if shape else 1
    rows = max(1, math.prod(shape) // max(1, columns))
    gaussian = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(gaussian)
    q = q * np.sign(np.diagonal(r))  # makes the distribution uniform (Mezzadri, math-ph/0609050)
    matrix = q if rows >= columns else q.T
    return np.asarray(matrix.reshape(shape), dtype=np.float64)
