"""Rewriting a graph: replacing a node, and letting its channel flow downstream."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from tnlearn.errors import ConfigError
from tnlearn.networks.nodes import BATCH, CHANNEL, Contraction, Function, Inds, Node, Operand

__all__ = ["in_order", "replace_node"]


def in_order(nodes: Mapping[str, Node], output: str) -> dict[str, Node]:
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
    if not isinstance(node, (Contraction, Function)):
        return node
    parts = tuple(_follow(part, nodes[part.node]) for part in node.parts)
    if parts == node.parts:
        return node
    inds, shape = node.inds, node.shape
    if CHANNEL not in inds:
        (size,) = {
            nodes[part.node].shape[nodes[part.node].inds.index(CHANNEL)]
            for part in parts
            if CHANNEL in part.inds
        } or {None}
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
