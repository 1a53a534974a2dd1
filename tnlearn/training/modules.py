"""Any torch module as a network that can be trained as an ensemble."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from tnlearn.archive import digest
from tnlearn.errors import ConfigError

__all__ = ["CompiledModule", "ModuleNetwork"]

Tensor = torch.Tensor


class ModuleNetwork:
    """A torch module with the interface of a network: members are its copies.

    A member starts from what `reset_parameters` of its layers draws from (seed, member); what has
    no such method starts as it is in the module.  Random layers draw for each member and epoch
    from a stream of their own; buffers, such as running means, belong to the member.

    Parameters
    ----------
    module
        Called with the arrays of the data: by their names where `forward` has these, in their
        order otherwise.
    inputs
        Shape of a sample of each array, by name.

    Raises
    ------
    ConfigError
        If it has nothing to train, or its parameters are not made yet (lazy layers).
    """

    def __init__(self, module: nn.Module, inputs: Mapping[str, Sequence[int]]) -> None:
        lazy = [n for n, x in module.named_parameters() if isinstance(x, nn.UninitializedParameter)]
        if lazy:
            raise ConfigError(
                f"parameter {lazy[0]!r} of the module is not made yet: call the module once on a "
                "batch before it is trained"
            )
        self.module = copy.deepcopy(module)
        arguments = inspect.signature(module.forward).parameters
        named = [name for name in arguments if name in inputs]
        order = named if len(named) == len(arguments) and named else list(inputs)
        self.inputs = {
            name: SimpleNamespace(
                shape=(None, *inputs[name]),
                inds=("batch", *(f"axis {k + 1}" for k in range(len(inputs[name])))),
            )
            for name in order
        }

    parameters: Mapping[str, Any] = {}  # of which an exact value is known: none

    @property
    def cells(self) -> int:
        """What the last axis of an input runs over."""
        return int(next(iter(self.inputs.values())).shape[-1])

    def resize(self, cells: int) -> ModuleNetwork:
        """Raise `ConfigError`: a module has the size it was made with."""
        raise ConfigError(f"a torch module has one size; make another one for {cells} cells")

    def describe(self) -> dict[str, Any]:
        """What it is, as JSON holds it: its class and the shapes of what it learns and takes."""
        kind = type(self.module)
        return {
            "module": f"{kind.__module__}.{kind.__qualname__}",
            "parameters": {n: list(x.shape) for n, x in self.module.named_parameters()},
            "inputs": {name: list(x.shape[1:]) for name, x in self.inputs.items()},
        }

    def identity(self) -> str:
        """SHA-256 of the values in the module, from which members may start."""
        return digest({n: x.detach().cpu().numpy() for n, x in self.module.state_dict().items()})

    def compile(
        self,
        *,
        members: int,
        own_batches: bool = True,
        dtype: str = "float32",
        complex: bool = False,
        device: str = "cpu",
    ) -> CompiledModule:
        """Its members as one function; see `CompiledModule`."""
        return CompiledModule(self, members, own_batches, getattr(torch, dtype), device)

    def copy(self, dtype: str) -> nn.Module:
        """A copy of the module, its layers as they are when it answers."""
        return copy.deepcopy(self.module).to(getattr(torch, dtype)).eval()


class CompiledModule:
    """Members of a module as a function of parameters (members, *shape) and features.

    Features are the arrays themselves, (members, batch, …) with own batches, else (batch, …).
    One member is called as it is; several are stacked by `torch.func.vmap`.
    """

    random = True

    def __init__(
        self, net: ModuleNetwork, members: int, own: bool, dtype: torch.dtype, device: str
    ) -> None:
        self._net, self.members, self._own, self._dtype = net, members, own, dtype
        self.module = copy.deepcopy(net.module).to(device=device, dtype=dtype).eval()
        trained = {n: x for n, x in self.module.named_parameters() if x.requires_grad}
        self.parameters = {name: tuple(x.shape) for name, x in trained.items()}
        self.buffers = {
            name: x.repeat(members, *(1 for _ in x.shape))
            for name, x in self.module.named_buffers()
        }

    def train(self) -> CompiledModule:
        """The same with its layers as they are in training."""
        self.module.train()
        return self

    def initial(self, seed: int, members: Sequence[int]) -> dict[str, Tensor]:
        """Starting values of members with these numbers, each (len(members), *shape)."""
        rows = []
        for k in members:
            module = copy.deepcopy(self._net.module)
            word = np.random.SeedSequence(seed, spawn_key=(0, k)).generate_state(1)[0]
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(int(word))
                for layer in module.modules():
                    reset = getattr(layer, "reset_parameters", None)
                    if callable(reset):
                        reset()
            rows.append(dict(module.named_parameters()))
        device = next(iter(self.module.parameters())).device
        return {
            name: torch.stack([row[name].detach() for row in rows]).to(device, self._dtype)
            for name in self.parameters
        }

    def step_identity(self) -> str:
        """What the step does beside its parameters: the same at every size."""
        return "module"

    def fold(self, arrays: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """The arrays in the order the module takes them."""
        return tuple(arrays[name] for name in self._net.inputs)

    def __call__(self, parameters: Mapping[str, Tensor], *features: Tensor) -> Tensor:
        """The outputs (members, batch, …); buffers among the parameters take the place of ours."""
        buffers = {n: parameters.get(n, x) for n, x in self.buffers.items()}
        state = {**parameters, **buffers}

        def one(state: Mapping[str, Tensor], *arrays: Tensor) -> Tensor:
            answer: Any = torch.func.functional_call(self.module, dict(state), arrays)
            return self._checked(answer, len(arrays[0]))

        if self.members == 1:
            first = {name: x[0] for name, x in state.items()}
            return one(first, *(x[0] if self._own else x for x in features))[None]
        axes = (0, *(0 if self._own else None for _ in features))
        stacked: Tensor = torch.func.vmap(one, in_dims=axes, randomness="different")(
            state, *features
        )
        return stacked

    def _checked(self, answer: Any, samples: int) -> Tensor:
        if isinstance(answer, Tensor) and answer.ndim in (1, 2) and len(answer) == samples:
            return answer
        what = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise ConfigError(
            f"the module must give a tensor (batch, classes), or (batch,) for values, of "
            f"{samples} samples; it gives {what}"
        )
