"""A quimb tensor network as a graph: some tensors are fed in, some trained, the rest constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from autoray import to_numpy

from tnlearn.errors import ConfigError, ShapeError, check_choice
from tnlearn.networks.graph import (
    BATCH,
    Contraction,
    Function,
    Graph,
    Inds,
    Input,
    Node,
    Operand,
    as_constant,
)

__all__ = ["from_quimb"]

Tags = frozenset[str]


def from_quimb(
    network: Any,
    *,
    inputs: Mapping[str, str],
    output: Sequence[str],
    trainable: Sequence[str],
    name: str = "output",
    part: str = "real",
) -> tuple[Graph, list[str]]:
    """The graph of a quimb network, and the names of the nodes that hold one of these tags.

    Parameters and errors are those of `Network.from_quimb`.
    """
    if not hasattr(network, "tensors"):
        raise ConfigError(
            f"from_quimb takes a quimb.tensor.TensorNetwork, not a {type(network).__name__}"
        )
    check_choice("part", part, ("real", "imag"))
    tensors = list(network.tensors)
    groups: dict[Tags, list[Any]] = {}  # of the same tags: one array, used as often
    for tensor in tensors:
        groups.setdefault(_tags(tensor), []).append(tensor)
    tags = {tag: [group for group in groups if tag in group] for group in groups for tag in group}
    for tag in (*inputs.values(), *trainable):
        check_choice("tag of a tensor", tag, tags)
    if not inputs:
        raise ConfigError(f"inputs says which tensors are fed in, {{name: tag}}; tags: {[*tags]}")
    sizes = _sizes(tensors)
    for ind in output:
        check_choice("output index", ind, sizes)
    wanted = [*inputs.values(), *trainable]
    names = _names(groups, tags, wanted)
    nodes: dict[str, Node] = {}
    holders: dict[Tags, Node] = {}
    for key, tag in inputs.items():
        for group, node in _fed(key, tag, [(x, groups[x]) for x in tags[tag]], nodes):
            if group in holders or any(t in group for t in trainable):
                raise ConfigError(
                    f"the tensor with tags {sorted(group)} is an input and something else as well: "
                    "give the tensors tags of their own"
                )
            holders[group] = node
    for group, alike in groups.items():
        if group not in holders:
            holders[group] = nodes[names[group]] = _constant(names[group], alike)
    parts = tuple(
        Operand(
            holders[_tags(x)].name,
            (BATCH, *_axes(x)) if BATCH in holders[_tags(x)].inds else tuple(x.inds),
            "conj" in x.tags,
        )
        for x in tensors
    )
    inds: Inds = (BATCH, *(ind for ind in output if ind != BATCH))
    shape = (None, *(sizes[ind] for ind in inds[1:]))
    scale = 10.0 ** float(getattr(network, "exponent", 0.0))
    contraction = Contraction("contraction", inds, shape, parts, scale)
    last = Function(name, inds, shape, part, (contraction.use,))
    for node in (contraction, last):
        if node.name in nodes:
            raise ConfigError(f"{node.name!r} is the name of a node of ours; use another tag")
        nodes[node.name] = node
    freed = dict.fromkeys(names[group] for tag in trainable for group in tags[tag])
    return Graph(nodes, name), list(freed)


def _tags(tensor: Any) -> Tags:
    return frozenset(tensor.tags) - {"conj"}


def _axes(tensor: Any) -> Inds:
    return tuple(ind for ind in tensor.inds if ind != BATCH)


def _sizes(tensors: Sequence[Any]) -> dict[str, int]:
    """The size of every index."""
    sizes: dict[str, int] = {}
    holders: dict[str, list[str]] = {}
    for tensor in tensors:
        label = sorted(tensor.tags)
        if len(set(tensor.inds)) < len(tensor.inds):
            raise ShapeError(
                f"the tensor with tags {label} holds an index twice ({', '.join(tensor.inds)}); "
                "take its trace or diagonal in quimb first"
            )
        for ind, size in zip(tensor.inds, tensor.shape, strict=True):
            if sizes.setdefault(ind, size) != size:
                raise ShapeError(
                    f"index {ind!r} has size {sizes[ind]} on the tensor with tags {holders[ind]} "
                    f"and {size} on that with tags {label}; rename one of the two"
                )
            holders.setdefault(ind, label)
    return sizes


def _names(
    groups: Mapping[Tags, Sequence[Any]], tags: Mapping[str, Sequence[Tags]], wanted: Sequence[str]
) -> dict[Tags, str]:
    """The name of each tensor: a tag that it alone holds, else one with a number."""
    names: dict[Tags, str] = {}
    for number, (group, alike) in enumerate(groups.items()):
        ordered = [tag for tag in alike[0].tags if tag in group]
        ordered.sort(key=lambda tag: tag not in wanted)
        unique = [tag for tag in ordered if len(tags[tag]) == 1]
        names[group] = (unique or [f"{(ordered or ['tensor'])[0]}.{number}"])[0]
    return names


def _constant(name: str, alike: Sequence[Any]) -> Node:
    """The node of tensors with the same tags."""
    arrays = [_array(tensor) for tensor in alike]
    inds = tuple(alike[0].inds)
    if any(not np.array_equal(array, arrays[0]) for array in arrays):
        raise ConfigError(
            f"{len(arrays)} different tensors have the tags {sorted(_tags(alike[0]))}: "
            "give each a tag of its own"
        )
    if BATCH in inds:
        raise ConfigError(
            f"{name!r} holds the index 'batch', that of the samples; name its tag in inputs"
        )
    return as_constant(name, inds, arrays[0])


def _array(tensor: Any) -> npt.NDArray[Any]:
    values = np.asarray(to_numpy(tensor.data))
    return values.conj() if "conj" in tensor.tags else values


def _fed(
    name: str, tag: str, groups: Sequence[tuple[Tags, Sequence[Any]]], nodes: dict[str, Node]
) -> list[tuple[Tags, Node]]:
    """The nodes of what is fed in by a name: one array, or one for several tensors side by side."""
    shapes = {tuple(x.ind_size(i) for i in _axes(x)) for _, alike in groups for x in alike}
    if len(shapes) > 1:
        raise ShapeError(
            f"the tensors with tag {tag!r} have different shapes {sorted(shapes)}, so they are not "
            f"one array {name!r}: make each an input of its own"
        )
    inds, shape = _axes(groups[0][1][0]), shapes.pop()
    if len(groups) == 1:
        nodes[name] = Input(name, (BATCH, *inds), (None, *shape))
        return [(groups[0][0], nodes[name])]
    source = Input(name, (BATCH, "tensor", *inds), (None, len(groups), *shape))
    nodes[name] = source
    taken: list[tuple[Tags, Node]] = []
    for number, (group, _) in enumerate(groups):
        options = {"ind": "tensor", "at": number}
        label = f"{name}.{number}"
        node = Function(label, (BATCH, *inds), (None, *shape), "take", (source.use,), options)
        nodes[label] = node
        taken.append((group, node))
    return taken
