"""An ensemble of a network as one function: many members in one set of tensors.

What does not depend on a parameter is folded: computed once for a data set
(`Compiled.fold`) and fed to every step of training from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from tnlearn.errors import ConfigError
from tnlearn.networks.emit import MEMBER
from tnlearn.networks.evaluate import constant_arrays
from tnlearn.networks.init import draw
from tnlearn.networks.lowering import Slot, check_tensors, lower, torch_dtype

if TYPE_CHECKING:
    from tnlearn.networks.network import Network

__all__ = ["Compiled"]


class Compiled:
    """M members of a network, lowered with the member as an ordinary index.

    Attributes
    ----------
    members
        Number of members M.
    own_batches
        Whether each member has its own batch (features carry the member axis).
    parameters
        Shape of every parameter, without the member axis, by node name.
    folding, step
        The two graphs: states to features, and features with parameters to outputs.
    """

    def __init__(
        self,
        network: Network,
        *,
        members: int,
        own_batches: bool = True,
        dtype: str = "float32",
        complex: bool = False,
        fold: bool = True,
    ) -> None:
        if members < 1:
            raise ConfigError(f"an ensemble has at least one member, not {members!r}")
        self.network = network
        self.members = members
        self.own_batches = own_batches
        self._name = dtype
        self._dtype = torch_dtype(dtype)
        self._shape = tuple(next(iter(network.inputs.values())).shape[1:])
        self._input_dtype = torch_dtype(dtype, complex=complex)
        plan = network.plan(complex=complex)
        leaves = {term.name: term for term in plan.terms if term.kind == "leaf"}
        self.parameters = {
            name: tuple(int(size or 0) for size in node.shape)
            for name, node in network.parameters.items()
        }
        arrays = constant_arrays(plan, network)
        constants = [
            Slot(plan.term(i).name, i, tuple(range(array.ndim))) for i, array in arrays.items()
        ]
        self._constants = [self._constant(array) for array in arrays.values()]
        self._inputs = [name for name in ("u", "v") if name in leaves]
        inputs = [
            Slot(name, leaves[name].id, tuple(range(len(leaves[name].shape))))
            for name in self._inputs
        ]
        frontier = list(plan.frontier) if fold else [slot.term for slot in inputs]
        # Features have their batch axis first, whatever order the plan found it in.
        orders = {i: self._batch_first(plan.term(i).shape) for i in frontier}
        self.folding, _ = lower(
            plan, [*inputs, *constants], [(i, orders[i]) for i in frontier], name="Folding"
        )
        member = (MEMBER,) if own_batches else ()
        features = [Slot(plan.term(i).name, i, (*member, *orders[i])) for i in frontier]
        weights = [
            Slot(name, leaves[name].id, (MEMBER, *range(len(leaves[name].shape))))
            for name in self.parameters
        ]
        out = plan.output
        order = [out.names.index(ind) for ind in network.nodes[network.output].inds]
        self.step, (self._has_member,) = lower(
            plan,
            [*features, *weights, *constants],
            [(out.term.id, order)],
            members=members,
            name="EnsembleStep",
        )

    def _constant(self, array: np.ndarray) -> torch.Tensor:
        tensor = torch.as_tensor(array)
        return tensor.to(torch_dtype(self._name, complex=tensor.is_complex()))

    @staticmethod
    def _batch_first(shape: Sequence[int | None]) -> tuple[int, ...]:
        axes = range(len(shape))
        return tuple(sorted(axes, key=lambda axis: (shape[axis] is not None, axis)))

    def step_identity(self) -> tuple[str, tuple[bytes, ...]]:
        """What the step does to features and parameters: its code, and the constants it reads.

        Where it is the same for a network at two lengths, features of both may be mixed.
        """
        read = [node for node in self.step.graph.nodes if node.op == "placeholder"]
        used = [bool(node.users) for node in read[len(read) - len(self._constants) :]]
        constants = tuple(
            constant.numpy().tobytes()
            for constant, there in zip(self._constants, used, strict=True)
            if there
        )
        return self.step.code, constants

    def initial(self, seed: int, members: Sequence[int]) -> dict[str, torch.Tensor]:
        """Starting values of members with these numbers, each (len(members), *shape).

        They depend on the seed, the member's number and the node's name only.
        """
        start = {}
        for name, node in self.network.parameters.items():
            values = [
                draw(node.init, self.parameters[name], name, node.exact, seed=seed, member=k)
                for k in members
            ]
            start[name] = torch.as_tensor(np.stack(values)).to(self._dtype)
        return start

    @torch.no_grad()
    def fold(self, u: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The features of states u, v (samples, states, cells): all that does not train."""
        u, v = check_tensors(torch.as_tensor(u), torch.as_tensor(v), self._shape, self._input_dtype)
        states = {"u": u, "v": v}
        args = [states[name] for name in self._inputs]
        result = self.folding(*args, *self._constants)
        return result if isinstance(result, tuple) else (result,)

    def __call__(
        self, parameters: Mapping[str, torch.Tensor], *features: torch.Tensor
    ) -> torch.Tensor:
        """The outputs (members, batch, …) for parameters (members, *shape) and features.

        Features are (members, batch, …) with own batches, else (batch, …).
        """
        weights = [parameters[name] for name in self.parameters]
        result: torch.Tensor = self.step(*features, *weights, *self._constants)
        if not self._has_member:
            result = result.expand(self.members, *result.shape)
        return result
