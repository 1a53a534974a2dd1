"""A contraction as a plain quimb network, or as nodes of the tensornetwork library.

quimb keeps an index on three or more tensors as it is (a *hyperindex*: the batch, the sites x
and y).  tensornetwork knows edges between two nodes only, so there a hyperindex becomes a chain
of copy tensors ``δ_abc``.  Both are for inspection and as independent oracles; the compiled plan
uses neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ConfigError, check_choice, check_whole
from tnlearn.networks.evaluate import node_values
from tnlearn.networks.graph import Contraction, Graph, Inds, Operand, Tree, count, sizes_of
from tnlearn.networks.plan import find_plan, operand_values, tree_operands
from tnlearn.networks.search import branch_values, leaves_of
from tnlearn.physics.memory import check_memory

__all__ = ["Exported", "chosen_contraction", "contracted", "tensor_network", "to_tensornetwork"]

Array = npt.NDArray[Any]


class Exported(NamedTuple):
    """The two arguments of a contractor of the tensornetwork library.

    ``tensornetwork.contractors.greedy(*exported).tensor`` is the contraction.
    """

    nodes: list[Any]
    output_edges: list[Any]


class _Tensor(NamedTuple):
    """One tensor of a contraction: a use of a node, with its array."""

    node: str
    inds: Inds
    conj: bool
    array: Array


def chosen_contraction(graph: Graph, name: str | None = None) -> Contraction:
    """The contraction of that name, or the most expensive one by naive flops.

    In a network made from a formula that is the one which computes the invariant.

    Raises
    ------
    UnknownNameError
        If there is no contraction of that name.
    ConfigError
        If the graph has no contraction at all.
    """
    known = {n.name: n for n in graph.nodes.values() if isinstance(n, Contraction)}
    if name is not None:
        return known[check_choice("contraction", name, known)]
    if not known:
        raise ConfigError("this network has no contraction to show")

    def naive(node: Contraction) -> int:
        return len(node.parts) * count(tuple(sizes_of(node, graph.nodes).values()))

    return max(known.values(), key=naive)


def _tensors(
    graph: Graph,
    parts: Sequence[Operand],
    scale: float,
    arrays: Mapping[str, Any],
    values: Mapping[str, Any] | None = None,
) -> list[_Tensor]:
    """The tensors of a contraction of these operands, the factor (if it is not 1) the last."""
    nodes = node_values(graph, {p.node: None for p in parts}, arrays, values=values)
    tensors = [
        _Tensor(p.node, p.inds, p.conj, nodes[p.node].conj() if p.conj else nodes[p.node])
        for p in parts
    ]
    if scale != 1.0:
        tensors.append(_Tensor("scale", (), False, np.asarray(scale)))
    return tensors


def _as_quimb(tensors: Sequence[_Tensor]) -> list[Any]:
    import quimb.tensor as qtn

    return [
        qtn.Tensor(x.array, x.inds, tags=[x.node, "conj"] if x.conj else [x.node]) for x in tensors
    ]


def tensor_network(
    graph: Graph,
    arrays: Mapping[str, Any],
    *,
    contraction: str | None = None,
    values: Mapping[str, Any] | None = None,
) -> Any:
    """One contraction of a graph as a plain `quimb.tensor.TensorNetwork`.

    Native hyperindices: ``batch`` and the sites stand on as many tensors as use them.
    Every tensor is tagged with the name of its node, conjugated ones also ``"conj"``,
    and the factor in front is a scalar tensor tagged ``"scale"``.

    Parameters
    ----------
    graph
        The graph.
    arrays
        The inputs by name, each (samples, …).
    contraction
        Name of a contraction node; by default the one that computes the invariant.
    values
        Of parameters by name; by default their initial ones of seed 0.

    Returns
    -------
    quimb.tensor.TensorNetwork
        ``tn.contract(output_inds=net.nodes[name].inds).data`` is the value of the node.

    Raises
    ------
    UnknownNameError
        If there is no contraction of that name.
    """
    import quimb.tensor as qtn

    node = chosen_contraction(graph, contraction)
    return qtn.TensorNetwork(_as_quimb(_tensors(graph, node.parts, node.scale, arrays, values)))


def contracted(
    graph: Graph, arrays: Mapping[str, Any], steps: int | None, *, contraction: str | None = None
) -> Any:
    """A contraction with the first steps of its tree carried out, as a quimb network.

    A step that the tree takes several times is one step, carried out wherever it stands.

    Raises
    ------
    ConfigError
        If the tree has fewer steps.
    """
    import quimb.tensor as qtn

    node = chosen_contraction(graph, contraction)
    plan = find_plan(graph, complex=any(np.iscomplexobj(x) for x in arrays.values()))
    tree = plan.trees.get(node.name)
    if tree is None:
        raise ConfigError(f"{node.name!r} is a convolution and has no steps")
    parts, scale = tree_operands(graph, node, tree)
    tensors = _as_quimb(_tensors(graph, parts, scale, arrays))
    args = operand_values(graph, parts, plan.values)
    branches = branch_values(plan.table.copy(), args, node.inds, tree)
    different = list(dict.fromkeys(v.term.id for b, v in branches.items() if isinstance(b, tuple)))
    count = len(different) if steps is None else check_whole("steps", steps, 0)
    if count > len(different):
        raise ConfigError(f"steps={steps}, but the tree of {node.name!r} has {len(different)}")
    done = set(different[:count])
    left = tensors[len(parts) :]

    def visit(branch: Tree) -> None:
        if isinstance(branch, int):
            left.append(tensors[branch])
        elif branches[branch].term.id in done:
            joined = [tensors[i] for i in leaves_of(branch)]
            names = branches[branch].names
            left.append(qtn.tensor_contract(*joined, output_inds=names, preserve_tensor=True))
        else:
            visit(branch[0])
            visit(branch[1])

    visit(tree)
    return qtn.TensorNetwork(left)


def to_tensornetwork(
    graph: Graph, arrays: Mapping[str, Any], *, contraction: str | None = None
) -> Exported:
    """The same contraction as nodes of the tensornetwork library.

    An index on three or more tensors (the output counts as one) becomes a chain of
    dense copy tensors ``δ_abc`` in the order of the tensors; one that occurs once and
    is summed ends on a vector of ones.  Parameters as in `tensor_network`.

    Returns
    -------
    Exported
        ``(nodes, output_edges)``: ``contractors.greedy(*exported)`` contracts it.

    Raises
    ------
    MemoryLimitError
        If the copy tensors, ``size**3`` each, do not fit in memory.
    """
    import tensornetwork

    node = chosen_contraction(graph, contraction)
    tensors = _tensors(graph, node.parts, node.scale, arrays)
    if node.scale != 1.0:
        # The contractors ask for a connected network: the factor hangs on a bond of size one.
        tensors = _with_scale_bond(tensors)
    dtype = np.result_type(*(x.array for x in tensors))
    sizes = {ind: size for x in tensors for ind, size in zip(x.inds, x.array.shape, strict=True)}

    def make(array: Array, name: str, axes: tuple[str, ...]) -> Any:
        return tensornetwork.Node(
            array.astype(dtype, copy=False), name=name, axis_names=list(axes), backend="numpy"
        )

    nodes = [make(x.array, f"{x.node}*" if x.conj else x.node, x.inds) for x in tensors]
    ends: dict[str, list[Any]] = {ind: [] for ind in sizes}
    for one, x in zip(nodes, tensors, strict=True):
        for ind in x.inds:
            ends[ind].append(one[ind])
    copies: dict[int, Array] = {}  # of each size, formed when first needed
    output: dict[str, Any] = {}
    for ind, holders in ends.items():
        open_end = ind in node.inds
        if len(holders) + open_end == 1:
            holders.append(make(np.ones(sizes[ind]), f"sum {ind}", (ind,))[ind])
            nodes.append(holders[-1].node1)
        while len(holders) > 2 or (len(holders) == 2 and open_end):
            size = sizes[ind]
            if size not in copies:
                copies[size] = _copy_tensor(size, dtype)
            copy = make(copies[size], f"copy {ind}", ("a", "b", "c"))
            nodes.append(copy)
            tensornetwork.connect(copy["a"], holders.pop(0))
            tensornetwork.connect(copy["b"], holders.pop(0))
            holders.insert(0, copy["c"])
        if open_end:
            (output[ind],) = holders
        else:
            tensornetwork.connect(*holders)
    return Exported(nodes, [output[ind] for ind in node.inds])


def _with_scale_bond(tensors: list[_Tensor]) -> list[_Tensor]:
    *others, scale = tensors
    first = min(range(len(others)), key=lambda i: others[i].array.size)
    host = others[first]
    others[first] = host._replace(inds=(*host.inds, "scale"), array=host.array[..., None])
    return [*others, scale._replace(inds=("scale",), array=scale.array.reshape(1))]


def _copy_tensor(size: int, dtype: np.dtype[Any]) -> Array:
    check_memory(f"a copy tensor of an index of size {size}", size**3 * dtype.itemsize)
    copy = np.zeros((size, size, size), dtype)
    diagonal = np.arange(size)
    copy[diagonal, diagonal, diagonal] = 1
    return copy
