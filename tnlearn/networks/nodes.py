"""The nodes of a network: inputs, constants, parameters, contractions and functions.

Every node has a name, named indices and a shape.  An index of unknown size
(the batch) has `None` in the shape.  Two index names are reserved and flow
through a network by themselves: ``batch`` (samples) and ``channel`` (copies of
a trained node); the ensemble ``member`` is added by the compiled plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ShapeError
from tnlearn.networks.init import Init

__all__ = [
    "BATCH",
    "CHANNEL",
    "Constant",
    "Contraction",
    "Function",
    "Inds",
    "Input",
    "Node",
    "Operand",
    "Parameter",
    "Shape",
]

BATCH = "batch"
CHANNEL = "channel"

Inds = tuple[str, ...]
Shape = tuple[int | None, ...]
Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Node:
    """A named array with named indices; the base of the five kinds."""

    name: str
    inds: Inds
    shape: Shape

    def __post_init__(self) -> None:
        if len(self.inds) != len(self.shape):
            raise ShapeError(
                f"node {self.name!r} has {len(self.inds)} indices {self.inds} "
                f"but a shape of {len(self.shape)} axes {self.shape}"
            )

    @property
    def kind(self) -> str:
        """``input``, ``constant``, ``parameter``, ``contraction`` or ``function``."""
        return type(self).__name__.lower()

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The nodes this one is computed from (none for a leaf)."""
        return ()


@dataclass(frozen=True)
class Operand:
    """A use of a node: which node, under which index names, complex-conjugated or not."""

    node: str
    inds: Inds
    conj: bool = False


@dataclass(frozen=True, eq=False)
class Input(Node):
    """What is fed in: the states `u` and `v`, each (batch, state, cell)."""


@dataclass(frozen=True, eq=False)
class Constant(Node):
    """A fixed array, such as the window or a projector."""

    array: Array


@dataclass(frozen=True, eq=False)
class Parameter(Node):
    """A trainable real array; `exact` is the value it had in the formula, if it had one."""

    init: Init
    exact: Array | None = None


@dataclass(frozen=True, eq=False)
class Contraction(Node):
    """``scale * sum over the indices not in inds of the product of the operands``.

    `lowering="conv2d"` marks a convolution (image, row shift, column shift,
    kernel), which torch carries out without forming the shift tensors.
    """

    parts: tuple[Operand, ...]
    scale: float = 1.0
    lowering: Literal["conv2d"] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The tensors contracted."""
        return self.parts


@dataclass(frozen=True, eq=False)
class Function(Node):
    """A named function of other nodes that is not a contraction (see `functions`)."""

    op: str
    parts: tuple[Operand, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The arguments of the function."""
        return self.parts


def sizes_of(node: Node, nodes: Mapping[str, Node]) -> dict[str, int | None]:
    """Size of every index that occurs in a node, its own and its operands'.

    Raises
    ------
    ShapeError
        If an operand has the wrong number of indices, one index two sizes, or a
        contraction an index that none of its operands has.
    """
    sizes: dict[str, int | None] = dict(zip(node.inds, node.shape, strict=True))
    if isinstance(node, Contraction):
        for ind in node.inds:
            if not any(ind in part.inds for part in node.parts):
                raise ShapeError(f"index {ind!r} of {node.name!r} is on none of its operands")
    holders = dict.fromkeys(node.inds, node.name)
    for part in node.operands:
        shape = nodes[part.node].shape
        if len(part.inds) != len(shape):
            raise ShapeError(
                f"{node.name!r} uses {part.node!r} with indices {part.inds}, "
                f"but that node has shape {shape}"
            )
        for ind, size in zip(part.inds, shape, strict=True):
            if sizes.setdefault(ind, size) != size:
                raise ShapeError(
                    f"{holders[ind]!r} and {part.node!r} do not fit together in {node.name!r}: "
                    f"the index they share ({ind}) has size {sizes[ind]} in {holders[ind]!r} "
                    f"and {size} in {part.node!r}"
                )
            holders.setdefault(ind, part.node)
    return sizes


def as_constant(name: str, inds: Inds, array: Any) -> Constant:
    """A constant node from any real or complex array, checked and stored in double precision."""
    values = np.asarray(array)
    values = values.astype(np.complex128 if np.iscomplexobj(values) else np.float64)
    return Constant(name, inds, values.shape, values)
