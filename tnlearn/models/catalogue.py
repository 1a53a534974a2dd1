"""Networks by name, and networks from their descriptions: the calls that made them, made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tnlearn.errors import ConfigError, check_choice
from tnlearn.models.baselines import baseline
from tnlearn.models.network import Network
from tnlearn.models.rswn import rswn
from tnlearn.models.scaling import scaling
from tnlearn.networks.graph import Graph
from tnlearn.networks.plan import recall_trees
from tnlearn.networks.serial import decode_nodes, decode_tree

__all__ = ["FACTORIES", "rebuild"]

# The functions that make networks, by the name under which a description knows them.
FACTORIES: dict[str, Callable[..., Network]] = {
    "rswn": rswn,
    "baseline": baseline,
    "scaling": scaling,
}


def rebuild(description: Mapping[str, Any]) -> Network:
    """The network of `Network.describe`, contracted along the same trees.

    Raises
    ------
    ConfigError
        If the description is not one of a network.
    """
    try:
        base, *steps = (dict(step) for step in description["recipe"])
        call = base["call"]
    except (KeyError, TypeError, ValueError):
        raise ConfigError("this does not describe a network: it has no recipe") from None
    try:
        if call == "graph":
            graph = Graph(decode_nodes(base["nodes"]), base["output"])
            network = Network(graph, recipe=[base])
        else:
            factory = FACTORIES[check_choice("network factory", call, FACTORIES)]
            network = factory(**{key: value for key, value in base.items() if key != "call"})
        network = network.repeated(steps)
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"this description of a network is damaged or of another version: {error!r}"
        ) from error
    trees = description.get("trees")
    if trees is not None:
        recall_trees(network, {name: decode_tree(tree) for name, tree in trees.items()})
    return network
