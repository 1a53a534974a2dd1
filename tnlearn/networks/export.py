"""A contraction as a plain quimb network, or as nodes of the tensornetwork library.

quimb keeps an index on three or more tensors as it is (a *hyperindex*: the
batch, the sites x and y).  tensornetwork knows edges between two nodes only,
so there a hyperindex becomes a chain of copy tensors ``δ_abc``.  Both are for
inspection and as independent oracles; the compiled plan uses neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ConfigError, check_choice
from tnlearn.networks.emit import emit, ordered
from tnlearn.networks.functions import Labelled
from tnlearn.networks.init import draw
from tnlearn.networks.nodes import Constant, Contraction, Inds, Parameter, sizes_of
from tnlearn.networks.terms import count
from tnlearn.physics.chains import chain
from tnlearn.physics.memory import check_memory

if TYPE_CHECKING:
    from tnlearn.networks.network import Network

__all__ = [
    "Exported",
    "chosen_contraction",
    "example_states",
    "node_values",
    "tensor_network",
    "to_tensornetwork",
]

Array = npt.NDArray[Any]
# Extended SSH chains, the trial states of every export: offset -> hopping (units of the hopping).
HOPPINGS = {-1: 0.3, 0: 0.7, 1: 1.0, 2: -0.4}
DISORDER = 0.5


class Exported(NamedTuple):
    """The two arguments of a contractor of the tensornetwork library.

    ``tensornetwork.contractors.greedy(*exported).tensor`` is the contraction.
    """

    nodes: list[Any]
    output_edges: list[Any]


def chosen_contraction(network: Network, name: str | None = None) -> Contraction:
    """The contraction of that name, or the most expensive one by naive flops.

    In a network made from a formula that is the one which computes the invariant.

    Raises
    ------
    UnknownNameError
        If there is no contraction of that name.
    ConfigError
        If the network has no contraction at all.
    """
    known = {n.name: n for n in network.nodes.values() if isinstance(n, Contraction)}
    if name is not None:
        return known[check_choice("contraction", name, known)]
    if not known:
        raise ConfigError("this network has no contraction to show")

    def naive(node: Contraction) -> int:
        return len(node.parts) * count(tuple(sizes_of(node, network.nodes).values()), 1)

    return max(known.values(), key=naive)


def example_states(
    network: Network, batch: int, seed: int = 0, *, complex: bool = False
) -> tuple[Array, Array]:
    """States u, v (batch, cells, cells) of random disordered extended SSH chains.

    Hoppings of offset −1 … 2 with disorder 0.5 on each; with `complex` the first
    and the last are imaginary.  The same seed gives the same states.
    """
    if isinstance(batch, bool) or not isinstance(batch, (int, np.integer)) or batch < 1:
        raise ConfigError(f"batch must be a whole number >= 1, not {batch!r}")
    hoppings = {m: t * (1j if complex and m in (-1, 2) else 1.0) for m, t in HOPPINGS.items()}
    states = chain(
        network.cells,
        hoppings,
        disorder=dict.fromkeys(hoppings, DISORDER),
        samples=int(batch),
        seed=seed,
    ).states()
    u, v = np.asarray(states.u), np.asarray(states.v)
    for name, array in (("u", u), ("v", v)):
        node = network.inputs.get(name)
        if node is not None and node.shape[1:] != array.shape[1:]:
            raise ConfigError(
                f"input {name!r} takes {node.shape[1]} states of {node.shape[2]} cells; example "
                f"states can be made only where there are as many states as cells"
            )
    return u, v


def node_values(
    network: Network,
    names: list[str],
    states: tuple[Array, Array] | None = None,
    *,
    seed: int = 0,
) -> dict[str, Array]:
    """The values of nodes, axes as in ``node.inds``, parameters at their start of `seed`.

    `states` (u, v) are needed for nodes that depend on the inputs only.
    """
    inputs = {} if states is None else dict(zip(("u", "v"), states, strict=True))
    plan = network.plan(complex=any(np.iscomplexobj(array) for array in inputs.values()))
    given: dict[int, Labelled] = {}
    for node in network.nodes.values():
        if isinstance(node, Constant):
            array = node.array
        elif isinstance(node, Parameter):
            shape = tuple(int(size or 0) for size in node.shape)
            array = draw(node.init, shape, node.name, node.exact, seed=seed, member=0)
        elif node.name in inputs:
            array = inputs[node.name]
        else:
            continue
        given[plan.values[node.name].term.id] = Labelled(array, tuple(range(len(node.inds))))
    made = emit(plan, given, {plan.values[name].term.id for name in names})
    values: dict[str, Array] = {}
    for name in names:
        value = plan.values[name]
        order = [value.names.index(ind) for ind in network.nodes[name].inds]
        array = np.asarray(ordered(made[value.term.id], order))
        values[name] = array.conj() if value.conj else array
    return values


class _Part(NamedTuple):
    """One tensor of a contraction: a use of a node, with its array."""

    node: str
    inds: Inds
    conj: bool
    array: Array


def _parts(
    network: Network,
    node: Contraction,
    batch: int,
    seed: int,
    complex: bool,
) -> list[_Part]:
    states = example_states(network, batch, seed, complex=complex)
    values = node_values(network, sorted({p.node for p in node.parts}), states)
    parts = [
        _Part(p.node, p.inds, p.conj, values[p.node].conj() if p.conj else values[p.node])
        for p in node.parts
    ]
    if node.scale != 1.0:
        parts.append(_Part("scale", (), False, np.asarray(node.scale)))
    return parts


def tensor_network(
    network: Network,
    batch: int = 4,
    *,
    contraction: str | None = None,
    seed: int = 0,
    complex: bool = False,
) -> Any:
    """One contraction of a network as a plain `quimb.tensor.TensorNetwork`.

    Native hyperindices: ``batch`` and the sites stand on as many tensors as use them.
    Every tensor is tagged with the name of its node, conjugated ones also ``"conj"``,
    and the factor in front is a scalar tensor tagged ``"scale"``.

    Parameters
    ----------
    network
        The network.
    batch
        Number of random disordered chains whose states are the data.
    contraction
        Name of a contraction node; by default the one that computes the invariant.
    seed
        Of the chains.  Parameters stand at their initial values of seed 0.
    complex
        Take chains with complex hoppings.

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

    node = chosen_contraction(network, contraction)
    tensors = [
        qtn.Tensor(p.array, p.inds, tags=[p.node, "conj"] if p.conj else [p.node])
        for p in _parts(network, node, batch, seed, complex)
    ]
    return qtn.TensorNetwork(tensors)


def to_tensornetwork(
    network: Network,
    batch: int = 4,
    *,
    contraction: str | None = None,
    seed: int = 0,
    complex: bool = False,
) -> Exported:
    """The same contraction as nodes of the tensornetwork library.

    An index on three or more tensors (the output counts as one) becomes a chain of
    dense copy tensors ``δ_abc`` in the order of the tensors; one that occurs once and
    is summed ends on a vector of ones.  Options as in `tensor_network`.

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

    node = chosen_contraction(network, contraction)
    parts = _parts(network, node, batch, seed, complex)
    if node.scale != 1.0:
        # The contractors ask for a connected network: the factor hangs on a bond of size one.
        parts = _with_scale_bond(parts)
    dtype = np.result_type(*(part.array for part in parts))
    sizes = {
        ind: size for part in parts for ind, size in zip(part.inds, part.array.shape, strict=True)
    }

    def make(array: Array, name: str, axes: tuple[str, ...]) -> Any:
        return tensornetwork.Node(
            array.astype(dtype, copy=False), name=name, axis_names=list(axes), backend="numpy"
        )

    nodes = [make(p.array, f"{p.node}*" if p.conj else p.node, p.inds) for p in parts]
    ends: dict[str, list[Any]] = {ind: [] for ind in sizes}
    for made, part in zip(nodes, parts, strict=True):
        for ind in part.inds:
            ends[ind].append(made[ind])
    copies: dict[int, Array] = {}  # of each size, made when first needed
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


def _with_scale_bond(parts: list[_Part]) -> list[_Part]:
    *tensors, scale = parts
    first = min(range(len(tensors)), key=lambda i: tensors[i].array.size)
    host = tensors[first]
    inds = (*host.inds, "scale")
    tensors[first] = host._replace(inds=inds, array=host.array[..., None])
    return [*tensors, scale._replace(inds=("scale",), array=scale.array.reshape(1))]


def _copy_tensor(size: int, dtype: np.dtype[Any]) -> Array:
    check_memory(f"a copy tensor of an index of size {size}", size**3 * dtype.itemsize)
    copy = np.zeros((size, size, size), dtype)
    diagonal = np.arange(size)
    copy[diagonal, diagonal, diagonal] = 1
    return copy
