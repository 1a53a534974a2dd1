"""Setting a constant of a graph free: which nodes may be, with how many channels, as what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tnlearn.errors import ConfigError
from tnlearn.networks.init import Init
from tnlearn.networks.nodes import CHANNEL, Constant, Node, Parameter
from tnlearn.networks.rewrite import replace_node
from tnlearn.networks.structures import free

__all__ = ["check_channels", "constants", "freed"]


def constants(nodes: Mapping[str, Node]) -> list[str]:
    """The names of the nodes that can be set free, or were."""
    return [
        node.name
        for node in nodes.values()
        if isinstance(node, Constant) or (isinstance(node, Parameter) and node.exact is not None)
    ]


def check_channels(nodes: Mapping[str, Node], names: Sequence[str], channels: int | None) -> None:
    """Refuse channels that the graph cannot take at the nodes of these names.

    Raises
    ------
    ConfigError
        If a head without channels is attached, or the graph has another number of them.
    """
    present = {
        size
        for node in nodes.values()
        for ind, size in zip(node.inds, node.shape, strict=True)
        if ind == CHANNEL
    }
    if channels is None and not any(CHANNEL in nodes[name].inds for name in names):
        return
    has_head = any(name.startswith("head.") for name in nodes)
    if has_head and (not present or "head.input" in nodes):
        raise ConfigError("the head is attached already; give nodes their channels before it")
    if present and channels not in present:
        raise ConfigError(
            f"the network has {present.pop()} channels already and every node must have as "
            f"many, not channels={channels!r}"
        )


def freed(
    nodes: Mapping[str, Node],
    name: str,
    structure: str | None,
    channels: int | None,
    init: Init,
    bond: int | None,
    cells: int,
) -> dict[str, Node]:
    """The graph with one constant replaced by a parameter; see `Network.trainable`.

    Raises
    ------
    ConfigError
        If the constant is complex, or cannot have the structure.
    """
    node = nodes[name]
    inds = tuple(ind for ind in node.inds if ind != CHANNEL)
    exact: Any = node.array if isinstance(node, Constant) else getattr(node, "exact", None)
    if np.iscomplexobj(exact):
        raise ConfigError(f"{name!r} is complex; only real nodes can be trained")
    replacement = free(
        name,
        inds,
        np.asarray(exact),
        structure=structure or "dense",
        channels=channels,
        init=init,
        bond=bond,
        cells=cells,
    )
    return replace_node(nodes, name, replacement)
