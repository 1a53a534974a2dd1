"""The compiled network as a `torch.nn.Module`."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from tnlearn.errors import ConfigError
from tnlearn.networks.evaluate import constant_arrays
from tnlearn.networks.init import draw
from tnlearn.networks.lowering import Slot, check_tensors, lower, torch_dtype

if TYPE_CHECKING:
    from tnlearn.networks.network import Network

__all__ = ["NetworkModule"]


class NetworkModule(nn.Module):
    """``module(u, v) -> (batch,)`` or ``(batch, classes)``, with parameters under node names.

    ``module.graph`` is the `torch.fx.GraphModule` that does the work; print
    ``module.graph.code`` to read it.  Safe under deepcopy, pickle,
    `torch.func.functional_call`, `torch.export` and `torch.compile`.
    """

    graph: fx.GraphModule

    def __init__(
        self, network: Network, *, seed: int = 0, dtype: str = "float32", complex: bool = False
    ) -> None:
        super().__init__()
        plan = network.plan(complex=complex)
        real = torch_dtype(dtype)
        self._input_dtype = torch_dtype(dtype, complex=complex)
        self._shape = tuple(next(iter(network.inputs.values())).shape[1:])
        leaves = {term.name: term for term in plan.terms if term.kind == "leaf"}

        def slot(name: str) -> Slot:
            term = leaves[name]
            return Slot(name, term.id, tuple(range(len(term.shape))))

        self._inputs = [name for name in ("u", "v") if name in leaves]
        self._single = len(self._inputs) == 1
        slots = [slot(name) for name in self._inputs]
        self._getters: list[attrgetter[Any]] = []
        for name, node in network.parameters.items():
            shape = tuple(int(size or 0) for size in node.shape)
            start = draw(node.init, shape, name, node.exact, seed=seed, member=0)
            register_dotted(self, name, nn.Parameter(torch.as_tensor(start, dtype=real)))
            self._getters.append(attrgetter(name))
            slots.append(slot(name))
        for number, (i, array) in enumerate(constant_arrays(plan, network).items()):
            name = f"constant_{number}"
            tensor = torch.as_tensor(array)
            kind = torch_dtype(dtype, complex=tensor.is_complex())
            self.register_buffer(name, tensor.to(kind), persistent=False)
            self._getters.append(attrgetter(name))
            slots.append(Slot(plan.term(i).name, i, tuple(range(array.ndim))))
        out = plan.output
        order = [out.names.index(ind) for ind in network.nodes[network.output].inds]
        graph, _ = lower(plan, slots, [(out.term.id, order)], name="NetworkGraph")
        # Not a submodule: it holds no parameters, and a plain attribute is read faster.
        object.__setattr__(self, "graph", graph)

    def forward(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """The output for states u, v of shape (batch, states, cells)."""
        dtype, shape = self._input_dtype, u.shape
        if shape != v.shape or shape[1:] != self._shape or u.dtype != dtype or v.dtype != dtype:
            u, v = check_tensors(u, v, self._shape, dtype)
        weights = [get(self) for get in self._getters]
        # `forward` itself: a graph has no hooks to run, and at 64 samples each call counts.
        result: torch.Tensor
        if self._single:
            result = self.graph.forward(u if self._inputs == ["u"] else v, *weights)
        else:
            result = self.graph.forward(u, v, *weights)
        return result


def register_dotted(root: nn.Module, name: str, parameter: nn.Parameter) -> None:
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
