"""Members and how they take their steps: each in one compiled loop, or in torch.

A *learner* holds one member, or a stack of them on a device.  On the CPU a member is trained by
itself, so its arithmetic does not depend on how many others there are: by the machine of
`tnlearn.training.machine` where the network has a tape, by torch elsewhere, at the speed of a plain
loop.  Parameters are one flat (members, P) buffer; a network sees views of it, one a node.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from tnlearn.networks.tape import Tape
from tnlearn.training import machine
from tnlearn.training.losses import Loss, as_values
from tnlearn.training.optimiser import (
    NUMBERWISE,
    Factory,
    adam_rates,
    pack_state,
    unpack_state,
)
from tnlearn.training.options import Options

__all__ = ["Batches", "Learner", "TapeLearner", "TorchLearner", "outputs_of", "split"]

Tensor = torch.Tensor
Array = npt.NDArray[Any]
Forward = Callable[..., Tensor]
_STRETCH = 1024  # samples evaluated at a time: bounds the intermediates


@dataclass(frozen=True)
class Batches:
    """The steps of an epoch of one learner.

    Attributes
    ----------
    features : tuple of tensors (samples, …)
        Folded samples.
    targets : tensor (samples,)
        Classes, or values.
    rows : int64 array (steps, members, batch) or (steps, batch)
        Which samples are in each batch of each member, or of all.
    first
        Number of the first step in the run.
    factors
        On the learning rate, one a step.
    seed
        Of what random layers draw.
    """

    features: tuple[Tensor, ...]
    targets: Tensor
    rows: npt.NDArray[np.int64]
    first: int
    factors: Sequence[float]
    seed: int = 0


class Learner(Protocol):
    """One member, or a stack of members."""

    def epoch(self, batches: Batches, running: Array) -> tuple[Array, Array, Array]:
        """Take all steps; losses and gradient norms (steps, members), and who fails (members,).

        A member whose loss or gradient is not finite keeps its parameters from then on; the
        numbers after that mean nothing.  Members that are not `running` are left alone.
        """

    @property
    def flat(self) -> Array:
        """The parameters, (members, P)."""

    @property
    def rates(self) -> Array:
        """Learning rates before the schedule, (members,), or one for all."""

    def state(self) -> dict[str, Array]:
        """Everything that training goes on from."""

    def restore(self, state: Mapping[str, Array]) -> None:
        """Set everything back to a state."""


class TapeLearner:
    """One member, whose steps of an epoch are one call of a compiled loop."""

    def __init__(self, tape: Tape, flat: Array, lr: float, options: Options, loss: Loss) -> None:
        self.tape, self.rates, self.options = tape, np.array([lr]), options
        self.flat = np.ascontiguousarray(flat)
        self.mean, self.square = np.zeros_like(flat), np.zeros_like(flat)
        self._loss = machine.LOSSES[loss.name]
        settings = (*options.betas, options.eps, options.clip or 0.0)
        self._settings = np.array(settings, dtype=flat.dtype)
        self._scales = tape.scales.astype(flat.dtype)

    def epoch(self, batches: Batches, running: Array) -> tuple[Array, Array, Array]:
        """See `Learner`."""
        tape, steps = self.tape, len(batches.rows)
        work = np.zeros((2, tape.size), dtype=self.flat.dtype)
        work[0, : tape.parameters] = self.flat[0]
        work[0, tape.parameters : tape.fixed] = tape.constants
        losses, norms = np.zeros((2, steps))
        done = machine.run(
            tape.steps,
            self._scales,
            tape.parameters,
            tape.fixed,
            tape.out,
            tape.classes,
            self._loss,
            work[0],
            work[1],
            batches.features[0].numpy(),
            batches.targets.numpy(),
            np.ascontiguousarray(batches.rows.reshape(steps, -1)),
            self.mean[0],
            self.square[0],
            self._settings,
            adam_rates(self.options, float(self.rates[0]), batches.factors, batches.first),
            losses,
            norms,
        )
        self.flat[0] = work[0, : tape.parameters]
        return losses[:, None], norms[:, None], np.array([done < steps])

    def state(self) -> dict[str, Array]:
        """See `Learner`."""
        return {"parameters": self.flat, "mean": self.mean, "square": self.square}

    def restore(self, state: Mapping[str, Array]) -> None:
        """See `Learner`."""
        for name, x in self.state().items():
            x[:] = state[name]


class TorchLearner:
    """Members trained by torch: one, or a stack of them in one step.

    Parameters
    ----------
    forward
        ``forward(parameters, *features) -> outputs (members, batch, …)``, with the shapes of its
        parameters as ``forward.parameters``.
    flat
        Starting values (members, P).
    rates
        Learning rate of each member.
    make
        Of `optimiser.factory_of`.
    """

    def __init__(
        self,
        forward: Any,
        flat: Array,
        rates: Sequence[float],
        options: Options,
        loss: Loss,
        make: Factory,
    ) -> None:
        self.forward, self.options, self.loss = forward, options, loss
        self.buffers: dict[str, Tensor] = getattr(forward, "buffers", {})
        self._flat = torch.tensor(flat, device=options.device)
        self._gradient = torch.zeros_like(self._flat)
        self._leaves = split(self._flat, forward.parameters)
        for leaf in self._leaves.values():
            leaf.requires_grad_()
        if options.optimizer not in NUMBERWISE:  # such a one may look at the shape of a parameter
            of_nodes = split(self._gradient, forward.parameters)
            tensors = [leaf.detach()[0] for leaf in self._leaves.values()]
            gradients = [of_nodes[name][0] for name in self._leaves]
        elif len(set(rates)) == 1:
            tensors, gradients = [self._flat], [self._gradient]
        else:
            tensors, gradients = list(self._flat), list(self._gradient)
        for tensor, gradient in zip(tensors, gradients, strict=True):
            tensor.grad = gradient
        several = len(set(rates)) > 1
        groups = [{"params": [tensor], "lr": r} for tensor, r in zip(tensors, rates, strict=False)]
        self._optimizer: Any = make(groups if several else tensors, rates[0])
        self._rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        closure = inspect.signature(self._optimizer.step).parameters.get("closure")
        self._searches = closure is not None and closure.default is inspect.Parameter.empty

    @property
    def rates(self) -> Array:
        """See `Learner`; of an optimiser that has several, the first."""
        several = len(self._rates) == len(self._flat)
        return np.array(self._rates if several else self._rates[:1])

    @property
    def flat(self) -> Array:
        """See `Learner`."""
        values: Array = self._flat.detach().cpu().numpy()
        return values

    def epoch(self, batches: Batches, running: Array) -> tuple[Array, Array, Array]:
        """See `Learner`."""
        if not getattr(self.forward, "random", False):
            return self._steps(batches, running)
        with torch.random.fork_rng():
            torch.manual_seed(batches.seed)
            return self._steps(batches, running)

    def _steps(self, batches: Batches, running: Array) -> tuple[Array, Array, Array]:
        device, steps, members = self._flat.device, len(batches.rows), len(self._flat)
        rows = torch.from_numpy(batches.rows).to(device)
        targets = batches.targets[rows]
        losses, norms = self._flat.detach().new_full((2, steps, members), math.nan).unbind()
        alive = torch.from_numpy(running).to(device)
        for step in range(steps):
            for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate * batches.factors[step]
            chosen = rows[step].flatten()
            features = [
                x.index_select(0, chosen).view(*rows[step].shape, *x.shape[1:])
                for x in batches.features
            ]
            losses[step], norms[step], alive = self.step(features, targets[step], alive)
            if members == 1 and not bool(alive):
                break
        over = ~alive.cpu().numpy() & running
        return losses.cpu().double().numpy(), norms.cpu().double().numpy(), over

    def step(
        self, features: Sequence[Tensor], targets: Tensor, alive: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One update; loss and gradient norm of every member, and which of them go on.

        Features are (members, batch, …), or (batch, …) for all.  Nothing is read back from a
        device but where there is one member.
        """
        seen: list[tuple[Tensor, Tensor]] = []

        def closure() -> Tensor:
            seen.append(self._look(features, targets))
            return seen[-1][0].sum()

        alone = len(self._flat) == 1 and not self._searches
        before = self._flat if alone else self._flat.detach().clone()
        if self._searches:
            self._optimizer.step(closure)
            loss, norm = seen[0]
            alive = alive & torch.isfinite(loss + norm) & torch.isfinite(self._flat).all(1)
        else:
            closure()
            loss, norm = seen[0]
            if alone:
                if math.isfinite(loss.item() + norm.item()):
                    self._optimizer.step()
                    return loss, norm, alive
                return loss, norm, ~alive
            alive = alive & torch.isfinite(loss + norm)
            self._gradient.copy_(torch.where(alive[:, None], self._gradient, 0.0))
            self._optimizer.step()
        with torch.no_grad():
            self._flat.copy_(torch.where(alive[:, None], self._flat, before))
        return loss, norm, alive

    def _look(self, features: Sequence[Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of every member and the norm of its gradient, which is left clipped."""
        with torch.enable_grad():
            outputs = as_values(self.forward(self._leaves, *features))
            loss = self.loss(outputs, targets.expand(len(outputs), targets.shape[-1]))
            leaves = list(self._leaves.values())
            parts = torch.autograd.grad(
                loss.sum(), leaves, allow_unused=True, materialize_grads=True
            )
        torch.cat([x.flatten(1) for x in parts], dim=1, out=self._gradient)
        norm = torch.linalg.vector_norm(self._gradient, dim=1)
        clip = self.options.clip
        if clip is not None and (len(norm) > 1 or float(norm) > clip):
            shrink = (clip / (norm + 1e-6)).clamp_(max=1.0)
            self._gradient.mul_(shrink.unsqueeze(1))
        return loss.detach(), norm

    def state(self) -> dict[str, Array]:
        """See `Learner`."""
        buffers = {f"buffers/{n}": x.cpu().numpy() for n, x in self.buffers.items()}
        return {"parameters": self.flat, **buffers, **pack_state(self._optimizer)}

    def restore(self, state: Mapping[str, Array]) -> None:
        """See `Learner`."""
        with torch.no_grad():
            self._flat.copy_(torch.from_numpy(state["parameters"]))
            for name, x in self.buffers.items():
                x.copy_(torch.from_numpy(state[f"buffers/{name}"]))
        unpack_state(self._optimizer, state)


def split(flat: Tensor, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Views (members, *shape) of a flat (members, P) buffer, one for each node."""
    views, start = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape)
        views[name] = flat[:, start : start + size].detach().view(len(flat), *shape)
        start += size
    return views


def outputs_of(
    forward: Forward, parameters: Mapping[str, Tensor], features: Sequence[Tensor]
) -> Tensor:
    """Outputs (members, samples, …) of features (samples, …), a stretch at a time."""
    with torch.no_grad():
        parts = [
            as_values(forward(parameters, *(x[start : start + _STRETCH] for x in features)))
            for start in range(0, len(features[0]), _STRETCH)
        ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
