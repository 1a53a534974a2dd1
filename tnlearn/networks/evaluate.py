"""A network applied to states: the plan carried out on numpy arrays or torch tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from autoray import do, infer_backend

from tnlearn.errors import ShapeError, check_finite
from tnlearn.networks.emit import emit, ordered
from tnlearn.networks.functions import Labelled
from tnlearn.networks.init import draw
from tnlearn.networks.nodes import Constant, Parameter
from tnlearn.networks.plan import Plan

if TYPE_CHECKING:
    from tnlearn.networks.network import Network

__all__ = ["constant_arrays", "evaluate", "split_states"]


def split_states(states: Any, v: Any = None) -> tuple[Any, Any]:
    """The arrays u and v of states, of chains, or of a pair of arrays."""
    if v is not None:
        return states, v
    if hasattr(states, "states"):
        states = states.states() if callable(states.states) else states.states
    if isinstance(states, tuple) and len(states) == 2:
        return states
    if hasattr(states, "u") and hasattr(states, "v"):
        return states.u, states.v
    raise ShapeError(
        f"a network takes states (with .u and .v), chains, or two arrays u, v; "
        f"not {type(states).__name__}"
    )


def _common_arrays(u: Any, v: Any) -> tuple[Any, Any]:
    """States u and v as arrays of one floating or complex dtype."""
    u, v = np.asarray(u), np.asarray(v)
    if any(array.dtype.kind not in "biufc" for array in (u, v)):
        raise ShapeError(f"states are arrays of numbers, not of {u.dtype} and {v.dtype}")
    dtype = np.result_type(u, v, np.float32)
    return u.astype(dtype, copy=False), v.astype(dtype, copy=False)


def constant_arrays(plan: Plan, network: Network) -> dict[int, Any]:
    """The constants that live or data-dependent steps read, computed once in double precision."""
    given = {
        term.id: Labelled(node.array, tuple(range(len(node.inds))))
        for term in plan.terms
        if term.kind == "leaf" and isinstance(node := network.nodes[term.name], Constant)
    }
    made = emit(plan, given, plan.constants)
    return {i: ordered(x, range(len(plan.term(i).shape))) for i, x in made.items()}


def evaluate(
    network: Network,
    states: Any,
    v: Any = None,
    *,
    seed: int = 0,
    parameters: Mapping[str, Any] | None = None,
) -> Any:
    """The output of a network for states; see `Network.__call__`."""

    u, v = split_states(states, v)
    torch_like = infer_backend(u) == "torch"
    if torch_like:
        from tnlearn.networks.lowering import as_tensor, common_tensors

        u, v = common_tensors(u, v)
    else:
        u, v = _common_arrays(u, v)
    check_states(network, u, v)
    for name, array in (("u", u), ("v", v)):
        if not do("isfinite", array).all():
            check_finite(name, array.detach().cpu() if torch_like else array)
    if torch_like:
        complex = u.is_complex() or v.is_complex()

        def convert(array: Any) -> Any:
            return as_tensor(array, like=u)
    else:
        complex = np.iscomplexobj(u) or np.iscomplexobj(v)
        single = u.dtype in (np.float32, np.complex64)

        def convert(array: Any) -> Any:
            values = np.asarray(array)
            if not single:
                return values
            return values.astype(np.complex64 if np.iscomplexobj(values) else np.float32)

    plan = network.plan(complex=complex)
    given = {
        i: Labelled(convert(array), tuple(range(array.ndim)))
        for i, array in constant_arrays(plan, network).items()
    }
    inputs = {"u": u, "v": v}
    for term in plan.terms:
        if term.kind != "leaf" or term.id in given:
            continue
        node = network.nodes[term.name]
        if isinstance(node, Parameter):
            shape = tuple(int(size or 0) for size in node.shape)
            start = (parameters or {}).get(node.name)
            if start is None:
                start = draw(node.init, shape, node.name, node.exact, seed=seed, member=0)
            array = convert(start)
        elif node.kind == "input":
            array = inputs[node.name]
        else:
            continue
        given[term.id] = Labelled(array, tuple(range(len(node.inds))))
    out = plan.output
    result = emit(plan, given, [out.term.id])[out.term.id]
    order = [out.names.index(name) for name in network.nodes[network.output].inds]
    return ordered(result, order)


def check_states(network: Network, u: Any, v: Any) -> None:
    """Raise `ShapeError` unless u and v fit the inputs of the network."""
    for name, array in (("u", u), ("v", v)):
        node = network.inputs.get(name)
        if node is None:
            continue
        if array.ndim != 3 or tuple(array.shape[1:]) != tuple(node.shape[1:]):
            mend = (
                f"Build it for your chains, or use resize({array.shape[-1]})"
                if array.ndim == 3
                else "For a single chain add the samples axis: u[None], v[None]"
            )
            raise ShapeError(
                f"{name} has shape {tuple(array.shape)}; this network takes "
                f"(samples, {node.shape[1]} states, {node.shape[2]} cells). {mend}"
            )
    if u.shape != v.shape:
        raise ShapeError(f"u and v are of the same chains, but have {len(u)} and {len(v)} samples")
