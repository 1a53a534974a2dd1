"""A graph carried out on arrays: numpy in, numpy out; torch in, torch out, differentiable.

Inputs are known by name.  They may be handed over as a mapping, one after another in the order
of ``graph.inputs``, or as keywords; `bind` makes these one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from autoray import do, infer_backend

from tnlearn.errors import ConfigError, ShapeError, check_choice, check_finite
from tnlearn.networks.emit import emit, ordered
from tnlearn.networks.functions import Labelled
from tnlearn.networks.graph import Constant, Graph, Input, Parameter
from tnlearn.networks.init import draw
from tnlearn.networks.plan import Plan, find_plan
from tnlearn.networks.terms import Term
from tnlearn.physics.states import named_arrays

__all__ = [
    "bind",
    "by_name",
    "check_inputs",
    "checked",
    "constant_arrays",
    "evaluate",
    "node_values",
]


def bind(
    inputs: Iterable[str], arrays: Sequence[Any], named: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The array of every input, in the order of the inputs.

    Parameters
    ----------
    inputs
        The names a graph knows.
    arrays
        One mapping from names to arrays, of which those not known are left alone; or arrays in
        the order of the inputs.
    named
        Arrays by name.

    Raises
    ------
    UnknownNameError
        For a keyword that is no input.
    ConfigError
        If an input is missing or comes twice, or there are more arrays than inputs.
    """
    names, named = list(inputs), named or {}
    by_name: dict[str, Any] = {}
    if len(arrays) == 1 and isinstance(arrays[0], Mapping):
        by_name = {name: x for name, x in arrays[0].items() if name in names}
        arrays = ()
    if len(arrays) > len(names):
        raise ConfigError(
            f"this network takes {len(names)} arrays ({', '.join(names)}), not {len(arrays)}"
        )
    by_name |= dict(zip(names, arrays, strict=False))
    for name, array in named.items():
        if check_choice("input", name, names) in by_name:
            raise ConfigError(f"input {name!r} comes twice")
        by_name[name] = array
    missing = [name for name in names if name not in by_name]
    if missing:
        raise ConfigError(
            f"this network takes {', '.join(names)} (a mapping of names to arrays, arrays in this "
            f"order, or keywords); {', '.join(missing)} is missing"
        )
    return {name: by_name[name] for name in names}


def by_name(
    inputs: Mapping[str, Input], states: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, Any]:
    """The array of every input, of whatever holds it: `bind` for states, chains and data sets too.

    Raises
    ------
    ShapeError
        If what is there is not several arrays, and no holder of them.
    """
    held = named_arrays(states[0]) if len(states) == 1 else None
    if held is not None:
        states = (held,)
    elif len(states) == 1 and isinstance(states[0], tuple):
        states = states[0]
    elif len(states) + len(named) == 1 < len(inputs):
        raise ShapeError(
            f"a network takes states (with .u and .v), chains, a mapping of names to arrays, "
            f"or the arrays {', '.join(inputs)}; not {type((*states, *named.values())[0]).__name__}"
        )
    return bind(inputs, states, named)


def check_inputs(inputs: Mapping[str, Input], arrays: Mapping[str, Any]) -> None:
    """Raise `ShapeError` unless arrays (samples, …) fit the inputs they are named for."""
    wanted = {
        name: ", ".join(f"{n} {ind}s" for ind, n in zip(x.inds[1:], x.shape[1:], strict=True))
        for name, x in inputs.items()
    }
    for name, node in inputs.items():
        array = arrays[name]
        if tuple(array.shape[1:]) == node.shape[1:] and array.ndim == len(node.shape):
            continue
        mend = f"For a single sample add the samples axis: {name}[None]"
        if array.ndim == len(node.shape):
            mend = "Build it for your chains"
            if "cell" in node.inds:
                mend += f", or use resize({array.shape[node.inds.index('cell')]})"
        raise ShapeError(
            f"{name} has shape {tuple(array.shape)}; this network takes "
            f"(samples, {wanted[name]}). {mend}"
        )
    counts = {name: len(arrays[name]) for name in inputs}
    if len(set(counts.values())) > 1:
        takes = " and ".join(f"{name} (samples, {axes})" for name, axes in wanted.items())
        raise ShapeError(
            f"this network takes {takes} of the same samples, but they hold "
            f"{' and '.join(map(str, counts.values()))} samples"
        )


def constant_arrays(plan: Plan) -> dict[int, Any]:
    """The constants that live or data-dependent steps read, computed once in double precision."""
    nodes = plan.graph.nodes
    known = {
        term.id: Labelled(node.array, term.out)
        for name, term in plan.leaves.items()
        if isinstance(node := nodes[name], Constant)
    }
    values = emit(plan, known, plan.constants)
    return {i: ordered(x, range(len(plan.term(i).shape))) for i, x in values.items()}


def evaluate(graph: Graph, arrays: Mapping[str, Any], *, seed: int = 0) -> Any:
    """The output of a graph for its inputs by name, each (samples, …), axes as in the graph.

    Parameters stand at their initial values of `seed`; numpy gives numpy, torch gives torch.

    Raises
    ------
    ShapeError
        If an array does not fit its input, or they are of different numbers of samples.
    NotFiniteError
        If one holds NaN or infinity.
    ConfigError
        If an operator that was declared hermitian is not.
    """
    arrays = checked(graph.inputs, arrays)
    return node_values(graph, [graph.output], arrays, seed=seed)[graph.output]


def checked(inputs: Mapping[str, Input], arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays in one library and dtype, if they fit and are finite; errors as of `evaluate`."""
    arrays = _one_kind(arrays)
    check_inputs(inputs, arrays)
    for name, array in arrays.items():
        if not do("isfinite", array).all():
            torch_like = infer_backend(array) == "torch"
            check_finite(name, array.detach().cpu() if torch_like else array)
    return arrays


def node_values(
    graph: Graph,
    names: Iterable[str],
    arrays: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    values: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The values of nodes, axes as in ``node.inds``.

    Parameters stand at `values`, where these are given, else at their start of `seed`.
    Arrays of the inputs are needed for nodes that depend on them only.
    """
    known_values = values or {}
    leaves = dict(arrays or {})
    plan = find_plan(graph, complex=any(_is_complex(array) for array in leaves.values()))
    like = next(iter(leaves.values()), np.empty(0))
    for name, node in graph.nodes.items():
        if isinstance(node, Constant):
            leaves[name] = _as(node.array, like)
        elif isinstance(node, Parameter):
            start = known_values.get(name)
            if start is None:
                start = draw(node.init, node.sizes, name, node.exact, seed=seed, member=0)
            leaves[name] = _as(start, like)
    of_terms = {plan.values[name].term.id: array for name, array in leaves.items()}
    of_terms |= {i: _as(array, like) for i, array in constant_arrays(plan).items()}
    known = {i: Labelled(array, tuple(range(array.ndim))) for i, array in of_terms.items()}
    wanted = {name: plan.values[name] for name in names}
    hermitian = {plan.values[x.name].term.id: x.name for x in graph.nodes.values() if x.hermitian}
    for i in hermitian.keys() & known.keys():
        _check_hermitian(hermitian[i], known[i].array)

    def note(term: Term, array: Any) -> None:
        if term.id in hermitian and not term.live:
            _check_hermitian(hermitian[term.id], array)

    computed = emit(plan, known, {value.term.id for value in wanted.values()}, note=note)
    results: dict[str, Any] = {}
    for name, value in wanted.items():
        order = [value.names.index(ind) for ind in graph.nodes[name].inds]
        array = ordered(computed[value.term.id], order)
        results[name] = do("conj", array) if value.conj else array
    return results


def _check_hermitian(name: str, array: Any) -> None:
    """Raise `ConfigError` unless an array (…, rows, columns) is its own adjoint to rounding."""
    values = np.asarray(array.detach().cpu() if infer_backend(array) == "torch" else array)
    gap = np.abs(values - values.conj().swapaxes(-1, -2)).max(initial=0.0)
    if gap > 1e-3 * np.abs(values).max(initial=0.0):
        raise ConfigError(
            f"{name!r} is not hermitian (it misses by {gap:.3g}), as the formula says it is; "
            "write it without hermitian=True, or feed in what makes it so"
        )


def _one_kind(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Arrays of one library and in one floating or complex dtype."""
    if any(infer_backend(array) == "torch" for array in arrays.values()):
        from tnlearn.networks.lowering import common_tensors  # torch, only where it is there

        return common_tensors(arrays)
    plain = {name: np.asarray(array) for name, array in arrays.items()}
    kinds = {name: array.dtype for name, array in plain.items()}
    if any(dtype.kind not in "biufc" for dtype in kinds.values()):
        raise ShapeError(f"inputs are arrays of numbers, not {', '.join(map(str, kinds.values()))}")
    dtype = np.result_type(*kinds.values(), np.float32)
    return {name: array.astype(dtype, copy=False) for name, array in plain.items()}


def _is_complex(array: Any) -> bool:
    return bool(array.is_complex() if infer_backend(array) == "torch" else np.iscomplexobj(array))


def _as(array: Any, like: Any) -> Any:
    """A constant in the library and precision of an input, real unless it is complex."""
    if infer_backend(like) == "torch":
        from tnlearn.networks.lowering import as_tensor  # torch, only where it is there

        return as_tensor(array, like=like)
    values = np.asarray(array)
    if like.dtype not in (np.float32, np.complex64):
        return values
    return values.astype(np.complex64 if np.iscomplexobj(values) else np.float32)
