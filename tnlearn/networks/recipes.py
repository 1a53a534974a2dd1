"""Networks from their descriptions: the calls that made them, made again."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tnlearn.errors import ConfigError, check_choice
from tnlearn.networks.init import Init
from tnlearn.networks.network import Network
from tnlearn.networks.nodes import Contraction
from tnlearn.networks.search import leaves_of
from tnlearn.networks.serial import decode_nodes, decode_tree

__all__ = ["from_description", "register_factory"]

_FACTORIES: dict[str, Callable[..., Network]] = {}


def register_factory(name: str, factory: Callable[..., Network]) -> None:
    """Make a function that builds networks known, so that what it built can be loaded again."""
    _FACTORIES[name] = factory


def from_description(described: Mapping[str, Any]) -> Network:
    """The network of `Network.describe`.

    Raises
    ------
    ConfigError
        If the description is not one of a network.
    """
    try:
        recipe = [dict(step) for step in described["recipe"]]
        recipe[0]["call"]
    except (KeyError, IndexError, TypeError, ValueError):
        raise ConfigError("this does not describe a network: it has no recipe") from None
    try:
        network = _rebuilt(recipe)
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"this description of a network is damaged or of another version: {error!r}"
        ) from error
    trees = described.get("trees")
    if trees is not None:
        decoded = {name: decode_tree(tree) for name, tree in trees.items()}
        sizes = {
            node.name: len(node.parts)
            for node in network.nodes.values()
            if isinstance(node, Contraction) and node.lowering is None
        }
        if sizes == {name: len(leaves_of(tree)) for name, tree in decoded.items()}:
            network._trees = decoded
    return network


def _rebuilt(recipe: Sequence[Mapping[str, Any]]) -> Network:
    base = recipe[0]
    if base["call"] == "graph":
        network = Network(decode_nodes(base["nodes"]), base["output"], recipe=[base])
    else:
        importlib.import_module("tnlearn.models")  # its factories register themselves
        check_choice("network factory", base["call"], _FACTORIES)
        options = {key: value for key, value in base.items() if key != "call"}
        network = _FACTORIES[base["call"]](**options)
    for step in recipe[1:]:
        options = {key: value for key, value in step.items() if key != "call"}
        if step["call"] == "trainable":
            options["init"] = Init(**options["init"])
            network = network.trainable(*options.pop("names"), **options)
        elif step["call"] == "head":
            network = network.head(**options)
        else:
            raise ConfigError(f"unknown step {step['call']!r} in the description of a network")
    return network
