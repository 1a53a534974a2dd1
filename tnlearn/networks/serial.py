"""A network as JSON and back, without executing code.

A network made by a factory is described by the calls that made it; one made
from a user's own formula by its nodes, arrays included (base64 of raw
little-endian numbers).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from tnlearn.errors import ConfigError
from tnlearn.networks.graph import (
    Constant,
    Contraction,
    Function,
    Input,
    Node,
    Operand,
    Parameter,
)
from tnlearn.networks.init import Init

__all__ = ["decode_nodes", "decode_tree", "encode_nodes"]


def encode_array(array: Any) -> dict[str, Any]:
    """An array as a JSON-able dictionary."""
    values = np.ascontiguousarray(array)
    values = values.astype(values.dtype.newbyteorder("<"))
    return {
        "dtype": values.dtype.str,
        "shape": list(values.shape),
        "base64": base64.b64encode(values.tobytes()).decode(),
    }


def decode_array(entry: Mapping[str, Any]) -> Any:
    """The array of `encode_array`."""
    if entry["dtype"] not in ("<f8", "<c16"):
        raise ConfigError(f"an array of a network is <f8 or <c16, not {entry['dtype']!r}")
    raw = base64.b64decode(entry["base64"])
    return np.frombuffer(raw, dtype=entry["dtype"]).reshape(entry["shape"]).copy()


def encode_nodes(nodes: Mapping[str, Node]) -> list[dict[str, Any]]:
    """Every node as a JSON-able dictionary, in order."""
    described = []
    for node in nodes.values():
        entry: dict[str, Any] = {
            "kind": node.kind,
            "name": node.name,
            "inds": list(node.inds),
            "shape": list(node.shape),
        }
        if node.hermitian:
            entry["hermitian"] = True
        if node.operands:
            entry["parts"] = [[p.node, list(p.inds), p.conj] for p in node.operands]
        if isinstance(node, Constant):
            entry["array"] = encode_array(node.array)
        elif isinstance(node, Parameter):
            entry["init"] = asdict(node.init)
            entry["exact"] = None if node.exact is None else encode_array(node.exact)
        elif isinstance(node, Contraction):
            entry |= {"scale": node.scale, "lowering": node.lowering, "options": dict(node.options)}
        elif isinstance(node, Function):
            entry |= {"op": node.op, "options": dict(node.options)}
        described.append(entry)
    return described


def decode_nodes(entries: list[dict[str, Any]]) -> dict[str, Node]:
    """The nodes of `encode_nodes`."""
    nodes: dict[str, Node] = {}
    for entry in entries:
        name, inds, shape = entry["name"], tuple(entry["inds"]), tuple(entry["shape"])
        parts = tuple(Operand(p[0], tuple(p[1]), bool(p[2])) for p in entry.get("parts", []))
        kind = entry["kind"]
        node: Node
        if kind == "input":
            node = Input(name, inds, shape)
        elif kind == "constant":
            node = Constant(name, inds, shape, decode_array(entry["array"]))
        elif kind == "parameter":
            exact = None if entry["exact"] is None else decode_array(entry["exact"])
            node = Parameter(name, inds, shape, Init(**entry["init"]), exact)
        elif kind == "contraction":
            node = Contraction(
                name, inds, shape, parts, entry["scale"], entry["lowering"], _frozen(entry)
            )
        elif kind == "function":
            node = Function(name, inds, shape, entry["op"], parts, _frozen(entry))
        else:
            raise ConfigError(f"node {name!r} is of unknown kind {kind!r}")
        nodes[name] = replace(node, hermitian=entry.get("hermitian", False))
    return nodes


def _frozen(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in entry["options"].items()}


def decode_tree(tree: Any) -> Any:
    """A contraction tree from nested lists."""
    return tree if isinstance(tree, int) else tuple(decode_tree(branch) for branch in tree)
