"""A network as data: an immutable graph of named tensors with named indices.

A node has a name, named indices and a shape.  An index of unknown size (the batch) has
`None` in the shape.  Two index names are reserved and flow through a graph by themselves:
``batch`` (samples) and ``channel`` (copies of a trained node); the ensemble ``member`` is
added when a plan is compiled.  Nothing here computes; what does takes a `Graph`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ConfigError, ShapeError
from tnlearn.networks.init import Init

__all__ = [
    "BATCH",
    "CHANNEL",
    "Constant",
    "Contraction",
    "Function",
    "Graph",
    "Inds",
    "Input",
    "Node",
    "Operand",
    "Parameter",
    "Shape",
    "Tree",
    "as_constant",
    "count",
    "opened",
    "replace_node",
    "sizes_of",
]

BATCH = "batch"
CHANNEL = "channel"

Inds = tuple[str, ...]
Shape = tuple[int | None, ...]
Array = npt.NDArray[Any]
Tree = Any  # how a contraction is carried out: an operand's number, or a pair of trees


@dataclass(frozen=True, eq=False)
class Node:
    """A named array with named indices; the base of the five kinds.

    ``hermitian`` says that its last two indices change places under complex conjugation.
    """

    name: str
    inds: Inds
    shape: Shape
    hermitian: bool = field(default=False, kw_only=True)

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
    def use(self) -> Operand:
        """The node as an operand, under its own index names."""
        return Operand(self.name, self.inds)

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The tensors contracted, or the arguments of the function; none for a leaf."""
        parts: tuple[Operand, ...] = getattr(self, "parts", ())
        return parts


@dataclass(frozen=True)
class Operand:
    """A use of a node: which node, under which index names, complex-conjugated or not."""

    node: str
    inds: Inds
    conj: bool = False


@dataclass(frozen=True, eq=False)
class Input(Node):
    """An array that is fed in by its name, (batch, …): amplitudes of states, say."""


@dataclass(frozen=True, eq=False)
class Constant(Node):
    """A fixed array, such as the window or a projector."""

    array: Array


@dataclass(frozen=True, eq=False)
class Parameter(Node):
    """A trainable real array; `exact` is the value it had in the formula, if it had one."""

    init: Init
    exact: Array | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """Its shape, of which every size is known."""
        return tuple(int(size or 0) for size in self.shape)


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


@dataclass(frozen=True, eq=False)
class Function(Node):
    """A named function of other nodes that is not a contraction (see `functions`)."""

    op: str
    parts: tuple[Operand, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


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


def count(shape: Shape, batch: int = 1) -> int:
    """Entries of an array of this shape, the unknown axis counted as `batch`."""
    total = 1
    for size in shape:
        total *= batch if size is None else size
    return total


class Graph:
    """An immutable graph of named nodes: inputs, constants, parameters, contractions, functions.

    Parameters
    ----------
    nodes
        The nodes by name; those the output does not need are left out.
    output
        The name of the result.
    written
        The tree in which a contraction was written down, where it comes from a formula.

    Attributes
    ----------
    memo
        What has been worked out about the graph once, by those who compute: trees and plans.

    Raises
    ------
    ConfigError
        If a node uses one that does not exist, or depends on itself.
    ShapeError
        If two nodes do not fit together.
    """

    def __init__(
        self,
        nodes: Mapping[str, Node],
        output: str,
        *,
        written: Mapping[str, Tree] | None = None,
    ) -> None:
        self._nodes = _in_order(nodes, output)
        for node in self._nodes.values():
            sizes_of(node, self._nodes)
        self.output = output
        self.written = dict(written or {})
        self.memo: dict[str, Any] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        return self  # nothing changes it

    def __getstate__(self) -> dict[str, Any]:
        trees = {key: value for key, value in self.memo.items() if key == "trees"}
        return self.__dict__ | {"memo": trees}

    @property
    def nodes(self) -> Mapping[str, Node]:
        """All nodes by name, in order of computation."""
        return MappingProxyType(self._nodes)

    @property
    def inputs(self) -> dict[str, Input]:
        """The nodes that arrays are fed into, in the alphabetical order of their names."""
        return {n: x for n, x in sorted(self._nodes.items()) if isinstance(x, Input)}

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The trainable nodes."""
        return {n.name: n for n in self._nodes.values() if isinstance(n, Parameter)}

    @property
    def output_shape(self) -> Shape:
        """Shape of the result: (None,) or (None, classes), None being the batch."""
        return self._nodes[self.output].shape

    def parameter_count(self) -> int:
        """Number of trainable numbers."""
        return sum(count(node.shape) for node in self.parameters.values())

    def with_nodes(self, nodes: Mapping[str, Node], output: str | None = None) -> Graph:
        """The graph of other nodes, its trees to be searched anew."""
        return Graph(nodes, output or self.output, written=self.written)


def _in_order(nodes: Mapping[str, Node], output: str) -> dict[str, Node]:
    """The nodes the output needs, each after those it is computed from.

    Raises
    ------
    ConfigError
        If a node uses one that does not exist, or depends on itself.
    """
    done: dict[str, Node] = {}
    under_way: set[str] = set()

    def visit(name: str, user: str) -> None:
        if name in done:
            return
        if name not in nodes:
            raise ConfigError(f"{user!r} uses node {name!r}, which does not exist")
        if name in under_way:
            raise ConfigError(f"node {name!r} depends on itself")
        under_way.add(name)
        for part in nodes[name].operands:
            visit(part.node, name)
        done[name] = nodes[name]

    visit(output, "the output")
    return done


def opened(node: Contraction, graph: Graph) -> tuple[tuple[Operand, ...], float]:
    """The operands of a contraction and its factor, the products among them taken apart.

    So a tree may pass by a product.  ``Tr(A P B P)`` with ``P = psi psi†`` of few states needs the
    small ``psi† A psi`` and never P itself.  And a node that is a combination of fixed functions
    with trained weights, ``D = sum_k w_k f_k``, need not be formed at every step of training:
    with the functions first a sample folds to one number for each of them,
    ``B_k = sum_xy f_k(x, y) |q_xy|^2``, as many for a chain of any length.
    """
    parts: list[Operand] = []
    scale = node.scale
    for number, part in enumerate(node.parts):
        inner = graph.nodes[part.node]
        if not isinstance(inner, Contraction) or inner.lowering:
            parts.append(part)
            continue
        more, factor = opened(inner, graph)
        names = dict(zip(inner.inds, part.inds, strict=True))
        for x in more:
            inds = tuple(names.get(ind, f"{number}/{ind}") for ind in x.inds)
            parts.append(Operand(x.node, inds, x.conj != part.conj))
        scale *= factor
    return tuple(parts), scale


def replace_node(
    nodes: Mapping[str, Node], name: str, replacement: Sequence[Node]
) -> dict[str, Node]:
    """The graph with node `name` replaced; a channel index it gained flows downstream."""
    changed: dict[str, Node] = {}
    for old in nodes.values():
        if old.name == name:
            changed |= {node.name: node for node in replacement}
            continue
        new = _with_channel(old, changed)
        if isinstance(new, Contraction) and new.lowering is not None:
            shifts = {part.node for part in new.parts[1:3]}
            if name in shifts or CHANNEL in new.inds:
                # No longer a convolution that torch knows: contracted like any other.
                new = dataclasses.replace(new, lowering=None, options={})
        changed[old.name] = new
    return changed


def _with_channel(node: Node, nodes: Mapping[str, Node]) -> Node:
    """Add the channel index to a node that has an operand which carries it."""
    parts = tuple(_follow(part, nodes[part.node]) for part in node.operands)
    if parts == node.operands or not isinstance(node, (Contraction, Function)):
        return node
    inds, shape = node.inds, node.shape
    if CHANNEL not in inds:
        source = next(nodes[part.node] for part in parts if CHANNEL in part.inds)
        size = source.shape[source.inds.index(CHANNEL)]
        at = 1 if BATCH in inds else 0
        inds = (*inds[:at], CHANNEL, *inds[at:])
        shape = (*shape[:at], size, *shape[at:])
    return dataclasses.replace(node, parts=parts, inds=inds, shape=shape)


def _follow(part: Operand, node: Node) -> Operand:
    if len(part.inds) == len(node.inds):
        return part
    at = node.inds.index(CHANNEL)
    inds: Inds = (*part.inds[:at], CHANNEL, *part.inds[at:])
    return dataclasses.replace(part, inds=inds)
