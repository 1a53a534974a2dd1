"""A plan recorded as a readable `torch.fx.GraphModule` of pairwise steps.

The emitter is run once on proxies, so the graph holds `bmm`, `mm`, `mv`,
products and functions under the names of the physics (``q``, ``q2``, ``D``),
and neither quimb nor this package is touched when it runs.
"""

from __future__ import annotations

import functools
import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from autoray import register_function
from torch import fx

from tnlearn.errors import ConfigError, check_choice
from tnlearn.networks.emit import emit, ordered
from tnlearn.networks.functions import Label, Labelled
from tnlearn.networks.plan import Plan
from tnlearn.networks.terms import Term

__all__ = ["Slot", "as_tensor", "common_tensors", "complex_dtype", "lower", "torch_dtype"]


def _abs2(x: Any) -> Any:
    return x.real.square() + x.imag.square()


def _softmax_last(x: Any) -> Any:
    return torch.softmax(x, -1)


def _conv2d(image: Any, kernel: Any, stride: int, padding: int, groups: int) -> Any:
    return F.conv2d(image, kernel, None, stride, padding, 1, groups)


def _max_over(x: Any, axis: tuple[int, ...]) -> Any:
    return torch.amax(x, axis)


def _type_as(x: Any, other: Any) -> Any:
    return x.type_as(other)


for _name, _function in {
    "real_part": torch.real,
    "imag_part": torch.imag,
    "abs2": _abs2,
    "gelu": F.gelu,
    "softmax_last": _softmax_last,
    "layer_norm_last": F.layer_norm,
    "conv2d": _conv2d,
    "max_over": _max_over,
    "type_as": _type_as,
}.items():
    register_function("torch", _name, _function)

_DTYPES = {"float32": torch.float32, "float64": torch.float64}
_COMPLEX = {
    torch.float16: torch.complex32,
    torch.float32: torch.complex64,
    torch.float64: torch.complex128,
}


def torch_dtype(name: str) -> torch.dtype:
    """The torch dtype of a name, ``"float32"`` or ``"float64"``."""
    return _DTYPES[check_choice("dtype", name, _DTYPES)]


def complex_dtype(real: torch.dtype) -> torch.dtype:
    """The complex dtype of the same precision."""
    if real not in _COMPLEX:
        raise ConfigError(f"torch has no complex numbers of the precision of {real}")
    return _COMPLEX[real]


def as_tensor(array: Any, *, like: torch.Tensor) -> torch.Tensor:
    """A numpy array on the device and in the precision of a tensor, real unless it is complex."""
    tensor = torch.as_tensor(array, device=like.device)
    real = like.real.dtype if like.is_complex() else like.dtype
    return tensor.to(complex_dtype(real) if tensor.is_complex() else real)


def common_tensors(arrays: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Arrays as tensors on the device of the first that is one, in one dtype they all fit in."""
    device = next(x.device for x in arrays.values() if isinstance(x, torch.Tensor))
    tensors = {name: torch.as_tensor(x, device=device) for name, x in arrays.items()}
    dtype = functools.reduce(torch.promote_types, (x.dtype for x in tensors.values()))
    if not (dtype.is_floating_point or dtype.is_complex):
        dtype = torch.get_default_dtype()
    return {name: x.to(dtype) for name, x in tensors.items()}


@dataclass(frozen=True)
class Slot:
    """An argument of a lowered graph: its name, the term it stands for, its axes."""

    name: str
    term: int
    labels: tuple[Label, ...]


def lower(
    plan: Plan,
    slots: Sequence[Slot],
    outputs: Sequence[tuple[int, Sequence[int]]],
    *,
    members: int | None = None,
) -> fx.GraphModule:
    """Record the steps from `slots` to `outputs` as a graph.

    Parameters
    ----------
    plan
        The plan to lower.
    slots
        The graph's arguments, in order.
    outputs
        The terms to return and the order of their axes (a member axis comes first).
    members
        Size of the ensemble axis.
    """
    graph = fx.Graph()
    tracer = fx.proxy.GraphAppendingTracer(graph)
    names: dict[fx.Node, str] = {}
    known = {}
    for slot in slots:
        node = graph.placeholder(identifier(slot.name))
        known[slot.term] = Labelled(fx.Proxy(node, tracer), slot.labels)

    def note(term: Term, proxy: Any) -> None:
        names[proxy.node] = identifier(term.name)

    computed = emit(plan, known, [i for i, _ in outputs], members=members, note=note)
    results = [ordered(computed[i], order) for i, order in outputs]
    nodes = tuple(result.node for result in results)
    graph.output(nodes[0] if len(nodes) == 1 else nodes)
    graph.eliminate_dead_code()
    return fx.GraphModule(torch.nn.Module(), _renamed(graph, names), class_name="NetworkGraph")


def identifier(name: str) -> str:
    """A node's name as a Python identifier."""
    text = re.sub(r"\W", "_", name)
    if not text or text[0].isdigit():
        text = f"n{text}"
    return f"{text}_" if keyword.iskeyword(text) or text == "self" else text


def _renamed(graph: fx.Graph, names: dict[fx.Node, str]) -> fx.Graph:
    """The same graph with nodes called by the names of the formula."""
    fresh = fx.Graph()
    twin: dict[fx.Node, fx.Node] = {}
    for node in graph.nodes:
        args = fx.node.map_arg(node.args, lambda n: twin[n])
        kwargs = fx.node.map_arg(node.kwargs, lambda n: twin[n])
        if node.op == "output":
            fresh.output(args[0])
        elif node.op == "placeholder":
            twin[node] = fresh.placeholder(node.name)  # unique, and no name that the code uses
        else:
            name = names.get(node, node.name)
            twin[node] = fresh.create_node(node.op, node.target, args, kwargs, name=name)
    fresh.lint()
    return fresh
