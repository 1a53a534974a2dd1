"""A graph compiled with torch: one lowering, as a function of features and as a module.

On plain arrays the same plan is carried out by `evaluate`, which needs no torch.
"""

from __future__ import annotations

import functools
import inspect
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from tnlearn.errors import ConfigError, ShapeError
from tnlearn.networks.emit import MEMBER
from tnlearn.networks.evaluate import bind, by_name, check_inputs, checked, constant_arrays
from tnlearn.networks.export import tensor_network
from tnlearn.networks.graph import Graph, Input, Shape
from tnlearn.networks.init import draw
from tnlearn.networks.lowering import Slot, complex_dtype, lower, torch_dtype
from tnlearn.networks.plan import find_plan
from tnlearn.networks.tape import Tape, make_tape

__all__ = ["Compiled", "NetworkModule"]

Tensor = torch.Tensor
# Steps that only turn or cut an array have no name of the formula.
_PLUMBING = re.compile(r"(permute|reshape|swapaxes|getitem|type_as)(_\d+)?")


class Compiled:
    """A network, or M members of it at once, as a torch function of features and parameters.

    What does not depend on a parameter is folded: computed once for a data set (`fold`) and
    fed to every step of training from there.

    Parameters
    ----------
    graph
        The network.
    members
        Number of members M, an index like any other; None for one copy without that index.
    own_batches
        Whether each member has its own batch (features carry the member axis).
    dtype
        ``"float32"`` or ``"float64"``.
    complex
        Whether the inputs are complex.
    fold
        Whether frozen steps are taken out of the step.
    device
        Where its constants are, and what it is fed has to be.

    Attributes
    ----------
    parameters
        Shape of every parameter, without the member axis, by node name.
    folding, step
        The two graphs: inputs to features, and features with parameters to outputs.
    """

    def __init__(
        self,
        graph: Graph,
        members: int | None = None,
        *,
        own_batches: bool = True,
        dtype: str = "float32",
        complex: bool = False,
        fold: bool = True,
        device: str = "cpu",
    ) -> None:
        if members is not None and members < 1:
            raise ConfigError(f"an ensemble has at least one member, not {members!r}")
        self.network, self.members, self.device = graph, members, device
        # One member is lowered without that axis: plain products have faster gradients.
        self._alone, self._own = members == 1, own_batches
        axis = None if members == 1 else members
        self._dtype = torch_dtype(dtype)
        self._input_dtype = complex_dtype(self._dtype) if complex else self._dtype
        self.parameters = {name: node.sizes for name, node in graph.parameters.items()}
        self._plan = plan = find_plan(graph, complex=complex)

        def slots(terms: Iterable[int], *first: str) -> list[Slot]:
            """Arguments for terms, batch axis first, whatever order the plan has it in."""
            return [
                Slot(term.name, term.id, (*first, *_batch_first(term.shape)))
                for term in map(plan.term, terms)
            ]

        member = () if axis is None else (MEMBER,)
        arrays = constant_arrays(plan)
        self._constants = [self._tensor(array) for array in arrays.values()]
        constants = [Slot(plan.term(i).name, i, tuple(range(x.ndim))) for i, x in arrays.items()]
        leaves = plan.leaves
        inputs = [leaves[name].id for name in graph.inputs]
        frontier = plan.frontier if fold else inputs
        self.folding = lower(
            plan,
            [*slots(inputs), *constants],
            [(i, _batch_first(plan.term(i).shape)) for i in frontier],
        )
        features = slots(frontier, *(member if own_batches else ()))
        weights = [
            Slot(name, leaves[name].id, (*member, *range(len(node.shape))))
            for name, node in graph.parameters.items()
        ]
        out = plan.output.term
        outputs = [(out.id, plan.order)]
        self.step = lower(plan, [*features, *weights, *constants], outputs, members=axis)
        # Nothing trained and no batches of their own: all members are one.
        self._alike = axis is not None and not (out.live or (own_batches and out.data))

    def _tensor(self, array: np.ndarray) -> Tensor:
        tensor = torch.as_tensor(array, device=self.device)
        return tensor.to(complex_dtype(self._dtype) if tensor.is_complex() else self._dtype)

    def tape(self, batch: int) -> Tape | None:
        """The step for a machine of its own, of batches of one size; None where torch is better."""
        return make_tape(self._plan, batch)

    def step_identity(self) -> tuple[str, tuple[bytes, ...]]:
        """What the step does to features and parameters: its code, and the constants it reads.

        Where it is the same for a network at two lengths, features of both may be mixed.
        """
        read = [node for node in self.step.graph.nodes if node.op == "placeholder"]
        taken = zip(self._constants, read[len(read) - len(self._constants) :], strict=True)
        return self.step.code, tuple(x.cpu().numpy().tobytes() for x, node in taken if node.users)

    def initial(self, seed: int, members: Sequence[int]) -> dict[str, Tensor]:
        """Starting values of members with these numbers, each (len(members), *shape).

        They depend on the seed, the member's number and the node's name only.
        """
        start = {}
        for name, node in self.network.parameters.items():
            values = [
                draw(node.init, node.sizes, name, node.exact, seed=seed, member=k) for k in members
            ]
            start[name] = torch.as_tensor(np.stack(values)).to(self.device, self._dtype)
        return start

    @torch.no_grad()
    def fold(self, *arrays: Any, **named: Any) -> tuple[Tensor, ...]:
        """The features of inputs (samples, …), handed over as to a module: all that is frozen."""
        inputs = self.network.inputs
        tensors = {name: torch.as_tensor(x) for name, x in bind(inputs, arrays, named).items()}
        args = _check_tensors(inputs, tensors, self._input_dtype)
        result = self.folding(*args, *self._constants)
        return result if isinstance(result, tuple) else (result,)

    def __call__(self, parameters: Mapping[str, Tensor], *features: Tensor) -> Tensor:
        """The outputs (members, batch, …) for parameters (members, *shape) and features.

        Features are (members, batch, …) with own batches, else (batch, …).
        """
        if self._alone:
            weights = [parameters[name][0] for name in self.parameters]
            own = [x[0] for x in features] if self._own else features
            single: Tensor = self.step(*own, *weights, *self._constants)
            return single[None]
        weights = [parameters[name] for name in self.parameters]
        result: Tensor = self.step(*features, *weights, *self._constants)
        return result.expand(self.members or 1, *result.shape) if self._alike else result


def _batch_first(shape: Shape) -> tuple[int, ...]:
    return tuple(sorted(range(len(shape)), key=lambda axis: (shape[axis] is not None, axis)))


def _check_tensors(
    inputs: Mapping[str, Input], arrays: Mapping[str, Any], dtype: torch.dtype
) -> list[Tensor]:
    """The tensors of the inputs, each (batch, …), in the dtype a function was compiled for.

    Raises
    ------
    ShapeError
        If they are not tensors of the right shapes, or complex where real ones are expected.
    """
    kinds = {type(x).__name__ for x in arrays.values() if not isinstance(x, Tensor)}
    if kinds:
        raise ShapeError(
            f"this takes torch tensors, not {', '.join(sorted(kinds))}; "
            "convert numpy arrays with torch.as_tensor"
        )
    check_inputs(inputs, arrays)
    if any(x.is_complex() for x in arrays.values()) and not dtype.is_complex:
        raise ShapeError(
            f"{' or '.join(arrays)} is complex, but this was made for real numbers; "
            "give complex=True to make it"
        )
    return [x.to(dtype) for x in arrays.values()]


class NetworkModule(nn.Module):
    """A network as a torch module, with parameters under the names of their nodes.

    Called with tensors in the order of the network's inputs, with keywords such as
    ``module(psi=psi)``, or with a mapping, it gives (batch,) or (batch, classes).
    ``module.graph`` is the `torch.fx.GraphModule` that does the work; print
    ``module.graph.code`` to read it.  Safe under deepcopy, pickle,
    `torch.func.functional_call`, `torch.export` and `torch.compile`; the constants of the
    formula follow ``module.to(…)`` and ``module.double()`` as the parameters do.

    Parameters
    ----------
    graph
        The network.
    seed
        Of the initial values, which are those of member 0.
    dtype, complex
        As of `Compiled`.
    """

    graph: fx.GraphModule
    _like: Tensor

    def __new__(cls, graph: Graph, **_: Any) -> NetworkModule:
        """A blank module that takes the inputs of this graph by their names."""
        return _blank_module(tuple(graph.inputs))

    def __init__(
        self, graph: Graph, *, seed: int = 0, dtype: str = "float32", complex: bool = False
    ) -> None:
        super().__init__()
        real = torch_dtype(dtype)
        self._complex = complex
        self._network = graph
        self._inputs = graph.inputs
        self._shapes = tuple(node.shape[1:] for node in graph.inputs.values())
        # An empty tensor that follows the module: inputs are taken in its dtype.
        self.register_buffer("_like", torch.empty(0, dtype=real), persistent=False)
        for name, node in graph.parameters.items():
            start = draw(node.init, node.sizes, name, node.exact, seed=seed, member=0)
            _register_dotted(self, name, nn.Parameter(torch.as_tensor(start, dtype=real)))
        # Where each argument stands, and whether it is a complex constant: these are kept as
        # pairs of real numbers, since torch casts complex tensors to real ones in `.to(dtype)`.
        # Each place is the modules on the way, a name, whether it is a buffer, and of pairs.
        places = []
        for name in graph.parameters:
            *path, last = name.split(".")
            places.append((tuple(path), last, False, False))
        compiled = Compiled(graph, dtype=dtype, complex=complex, fold=False)
        for number, tensor in enumerate(compiled._constants):
            paired = tensor.is_complex()
            pairs = torch.view_as_real(tensor) if paired else tensor
            self.register_buffer(f"constant_{number}", pairs.clone(), persistent=False)
            places.append(((), f"constant_{number}", True, paired))
        self._places = tuple(places)
        # Not a submodule: it holds no parameters, and a plain attribute is read faster.
        object.__setattr__(self, "graph", compiled.step)

    def extra_repr(self) -> str:
        """The nodes: inputs and parameters with their shapes, then what is computed, in order."""
        inputs = [f"{name}: input {node.shape[1:]}" for name, node in self._inputs.items()]
        weights = [f"{name}: parameter {tuple(x.shape)}" for name, x in self.named_parameters()]
        calls = [node for node in self.graph.graph.nodes if node.op == "call_function"]
        steps = [node.name for node in calls if not _PLUMBING.fullmatch(node.name)]
        return "\n".join([*inputs, *weights, f"steps: {', '.join(steps)}"])

    def __reduce__(self) -> tuple[Any, ...]:
        return _blank_module, (tuple(self._inputs),), self.__dict__

    def tensor_network(self, states: Any, *, contraction: str | None = None) -> Any:
        """One contraction as a plain quimb network: these states, and what has been learned.

        As `Network.tensor_network`, with the values that the parameters have now.
        """
        arrays = checked(self._inputs, by_name(self._inputs, (states,), {}))
        values = {name: p.detach().cpu().numpy() for name, p in self.named_parameters()}
        return tensor_network(self._network, arrays, contraction=contraction, values=values)

    def forward(self, *arrays: Any, **named: Any) -> Tensor:
        """The output for inputs (batch, …): in order, by keyword, or as one mapping."""
        # At 64 samples each look-up counts: so straight from the dictionaries of the modules.
        dtype = self._buffers["_like"].dtype  # type: ignore[union-attr]
        if self._complex:
            dtype = complex_dtype(dtype)
        fit, batch = not named and len(arrays) == len(self._shapes), None
        for x, shape in zip(arrays, self._shapes) if fit else ():  # noqa: B905
            if not isinstance(x, Tensor) or x.dtype is not dtype or not x.ndim:
                fit = False
                break
            size = x.shape
            batch = size[0] if batch is None else batch
            fit = fit and size == (batch, *shape)
        if not fit:
            by_name = bind(self._inputs, arrays, named)
            arrays = tuple(_check_tensors(self._inputs, by_name, dtype))
        weights = []
        for path, name, buffer, paired in self._places:
            owner: Any = self
            for part in path:
                owner = owner._modules[part]
            weight = (owner._buffers if buffer else owner._parameters)[name]
            weights.append(torch.view_as_complex(weight) if paired else weight)
        # `forward` itself: a graph has no hooks to run.
        result: Tensor = self.graph.forward(*arrays, *weights)
        return result


@functools.cache
def _module_type(names: tuple[str, ...]) -> type[NetworkModule]:
    """The module whose `forward` is known, to `torch.export` say, to take inputs of these names."""
    general = NetworkModule.forward
    forward = types.FunctionType(general.__code__, general.__globals__, "forward")
    either = inspect.Parameter.POSITIONAL_OR_KEYWORD
    plain = [n if n.isidentifier() else f"input_{i}" for i, n in enumerate(names)]
    taken = [inspect.Parameter(name, either) for name in ("self", *plain)]
    forward.__doc__ = general.__doc__
    forward.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
    return type("NetworkModule", (NetworkModule,), {"forward": forward})


def _blank_module(names: tuple[str, ...]) -> NetworkModule:
    """A module of these inputs that is still to be filled: by its maker, by pickle, by copy."""
    return object.__new__(_module_type(names))


def _register_dotted(root: nn.Module, name: str, parameter: nn.Parameter) -> None:
    """Register a parameter under a dotted name, so that `state_dict` reads as the network does."""
    *path, last = name.split(".")
    if hasattr(nn.Module, (path or [last])[0]) or name == "graph":
        raise ConfigError(
            f"a trained node cannot be called {name!r}: torch modules have an attribute of that "
            "name; rename the operator of the formula"
        )
    for part in path:
        child = root._modules.get(part)
        if child is None:
            child = nn.Module()
            root.add_module(part, child)
        root = child
    root.register_parameter(last, parameter)
