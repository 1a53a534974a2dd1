"""Networks by name: of an entry of a profile, or by the calls that made them, made again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tnlearn.errors import ConfigError, check_choice
from tnlearn.files import parsing
from tnlearn.models.baselines import KINDS, baseline
from tnlearn.models.network import Network
from tnlearn.models.rswn import rswn
from tnlearn.models.scaling import scaling
from tnlearn.networks.graph import Graph
from tnlearn.networks.init import Init
from tnlearn.networks.plan import recall_trees
from tnlearn.networks.serial import decode_nodes, decode_tree

__all__ = ["FACTORIES", "build_network", "rebuild"]

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
    with parsing("this description", "one of a network of this version", error=ConfigError):
        if call == "graph":
            graph = Graph(decode_nodes(base["nodes"]), base["output"])
            network = Network(graph, recipe=[base])
        else:
            factory = FACTORIES[check_choice("network factory", call, FACTORIES)]
            network = factory(**{key: value for key, value in base.items() if key != "call"})
        network = network.repeated(steps)
        trees = description.get("trees")
        if trees is not None:
            recall_trees(network, {name: decode_tree(tree) for name, tree in trees.items()})
    return network


def build_network(entry: Mapping[str, Any], cells: int, classes: int) -> Network:
    """The network that an entry of a profile describes, with its head, for so many classes.

    Parameters
    ----------
    entry
        ``kind`` (``"rswn"`` or a baseline's) and ``options`` of its factory; of a winding number
        also what is trained: ``free = {nodes = […]}`` all alike with ``structure``, ``bond`` and
        ``init``, or ``free = {NAME = {structure = …}, …}``; ``channels`` and widths ``hidden``.

    Raises
    ------
    ConfigError, UnknownNameError
        If the entry asks for what does not exist.
    """
    kind, options = entry["kind"], dict(entry.get("options", {}))
    check_choice("kind of network", kind, ("rswn", *KINDS))
    factory = FACTORIES["rswn" if kind == "rswn" else "baseline"]
    known = [name for name in inspect.signature(factory).parameters if name != "cells"]
    for name in options:
        check_choice(f"option of {kind}", name, known)
    if kind != "rswn":
        for key in ("free", "channels", "structure", "bond", "init", "hidden"):
            if entry.get(key):
                raise ConfigError(f"{key!r} is for rswn; a {kind} has it in options, if at all")
        return baseline(kind, cells=cells, classes=classes, **options)
    network = rswn(cells, **options)
    for names, how in _freed(entry):
        network = network.trainable(
            *names,
            structure=how.get("structure"),
            channels=entry.get("channels"),
            bond=how.get("bond"),
            init=Init(**(how.get("init") or {"kind": "normal", "scale": 0.1})),
        )
    return network.head(classes=classes, hidden=tuple(entry.get("hidden", ())))


def _freed(entry: Mapping[str, Any]) -> list[tuple[list[str], Mapping[str, Any]]]:
    """Nodes to free and how: all alike, or each with a structure, bond and init of its own."""
    free = entry.get("free", {})
    if not free:
        raise ConfigError("an rswn network needs free = { nodes = [...] }: what is to be trained")
    if "nodes" in free:
        return [(free["nodes"], entry)]
    each: list[tuple[list[str], Mapping[str, Any]]] = []
    for name, how in free.items():
        if not isinstance(how, Mapping):
            raise ConfigError(
                f"free = {{ {name} = … }} needs a table, such as {{ structure = 'cells' }}, "
                f"not {how!r}; to free nodes alike, free = {{ nodes = [...] }}"
            )
        for key in how:
            check_choice(f"key of free.{name}", key, ("structure", "bond", "init"))
        each.append(([name], {**entry, **how}))
    return each
