"""A block of members trained in one step: parameters, gradients and state, stacked in lanes.

Parameters are ONE flat (lanes, P) buffer; what the network sees are views of it, one per node, and
their gradients come back in a single concatenation.  The loss is the cross-entropy, whose gradient
with respect to the logits is written down instead of recorded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tnlearn.training.optimiser import Adam, clip_scale

__all__ = ["Block", "block_logits", "cross_entropy", "measure", "split"]

Tensor = torch.Tensor
Forward = Callable[..., Tensor]
_STRETCH = 256  # samples evaluated at a time: bounds the intermediates


def cross_entropy(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean loss of every lane and its gradient with respect to the logits.

    Parameters
    ----------
    logits:
        (lanes, batch, classes), detached.
    labels:
        int64, (lanes, batch).

    Returns
    -------
    The loss ``mean_b [log sum_c exp z_bc - z_b,label]`` in nats, (lanes,), and the gradient
    ``(softmax(z) - onehot) / batch``, (lanes, batch, classes).
    """
    lanes, batch, classes = logits.shape
    # Classes first: reductions over a few classes are slow when these are the last axis.
    z = logits.reshape(lanes * batch, classes).T.clone(memory_format=torch.contiguous_format)
    truth = labels.reshape(1, lanes * batch)
    z -= z.amax(0)
    true = z.gather(0, truth)
    z.exp_()
    total = z.sum(0)
    loss = total.log().sub_(true[0]).view(lanes, batch).sum(1).mul_(1.0 / batch)
    z /= total
    z.scatter_add_(0, truth, torch.full_like(true, -1.0))
    z *= 1.0 / batch
    return loss, z.T.contiguous().view(lanes, batch, classes)


class Block:
    """The members of one block, their optimiser and what has become of each.

    Parameters
    ----------
    forward:
        ``forward(parameters, *features) -> logits (lanes, batch, classes)``.
    shapes:
        Node name -> shape of the parameter, without the member axis.
    initial:
        Node name -> starting values (lanes, *shape).
    lr:
        Learning rate of every lane, (lanes,).
    real:
        Which lanes hold members, (lanes,); the others are copies that fill the block up.

    Attributes
    ----------
    flat : Tensor
        All parameters, (lanes, P).
    failed, stopped : Tensor
        Epoch (from 0) in which a lane's loss or gradient stopped being finite, or in which early
        stopping ended it; -1 where that has not happened.
    best, best_loss, wait : Tensor
        Parameters of the lowest validation loss so far, that loss, and the epochs since.
    """

    def __init__(
        self,
        forward: Forward,
        shapes: Mapping[str, tuple[int, ...]],
        initial: Mapping[str, Tensor],
        lr: Tensor,
        real: Tensor,
        *,
        clip: float | None,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
    ) -> None:
        self.forward, self.shapes, self.clip, self.real = forward, dict(shapes), clip, real
        rows = [initial[name].reshape(len(real), -1) for name in self.shapes]
        self.flat = torch.cat(rows, dim=1).contiguous()
        self.adam = Adam(self.flat, lr, betas=betas, eps=eps, weight_decay=weight_decay)
        self.parameters = split(self.flat, self.shapes)
        for leaf in self.parameters.values():
            leaf.requires_grad_()
        self.best = self.flat.clone()
        self.best_loss = torch.full((len(real),), math.inf, dtype=torch.float64)
        self.wait = torch.zeros(len(real), dtype=torch.int64)
        self.failed = torch.full((len(real),), -1, dtype=torch.int64)
        self.stopped = self.failed.clone()
        self._freeze()
        self._leaves = list(self.parameters.values())
        self._gradient = torch.empty_like(self.flat)

    def step(
        self, features: Sequence[Tensor], labels: Tensor, t: int, factor: float, epoch: int
    ) -> tuple[Tensor, Tensor]:
        """Update number `t` (from 1) of all lanes; the loss and gradient norm of each, (lanes,).

        A lane whose loss or gradient norm is not finite keeps its parameters, now and from then
        on; no other lane notices.
        """
        logits = self.forward(self.parameters, *features)
        loss, slope = cross_entropy(logits.detach(), labels)
        parts = torch.autograd.grad(
            logits, self._leaves, slope, allow_unused=True, materialize_grads=True
        )
        gradient = torch.cat([x.flatten(1) for x in parts], dim=1, out=self._gradient)
        norm = torch.linalg.vector_norm(gradient, dim=1)
        if self.clip is not None:
            gradient.mul_(clip_scale(norm, self.clip).unsqueeze(1))
        # One number tells whether all is well: a sum with a NaN or an infinity in it is not finite.
        if self._any_frozen or not math.isfinite((loss + norm).sum().item()):
            bad = ~torch.isfinite(loss + norm) & ~self._frozen
            self.failed = torch.where(bad, epoch, self.failed)
            self._freeze()
            self.adam.step_some(gradient, self._frozen, t, factor)
        else:
            self.adam.step(gradient, t, factor)
        return loss, norm

    @property
    def running(self) -> Tensor:
        """Lanes still being trained, (lanes,): members that have neither failed nor stopped."""
        return self.real & (self.failed < 0) & (self.stopped < 0)

    def judge(self, loss: Tensor, patience: int, epoch: int) -> None:
        """Early stopping: note the best parameters by validation loss, (lanes,); stop the others.

        A running member stops when its loss has not fallen for `patience` epochs in a row.
        """
        running = self.running
        better = running & (loss < self.best_loss)
        self.best[better] = self.flat[better]
        self.best_loss = torch.where(better, loss, self.best_loss)
        self.wait = torch.where(better, 0, self.wait + 1)
        self.stopped = torch.where(running & (self.wait >= patience), epoch, self.stopped)
        self._freeze()

    def _freeze(self) -> None:
        self._frozen = (self.failed >= 0) | (self.stopped >= 0)
        self._any_frozen = bool(self._frozen.any())

    def outcome(self, keep_best: bool) -> Tensor:
        """Final parameters (lanes, P): the last ones, or the best where `keep_best` has any."""
        if not keep_best:
            return self.flat.clone()
        return torch.where(torch.isfinite(self.best_loss)[:, None], self.best, self.flat)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that training goes on from, as numpy arrays."""
        return {name: x.numpy().copy() for name, x in self._state().items()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Set everything back to a `state`."""
        for name, x in self._state().items():
            x.copy_(torch.from_numpy(np.ascontiguousarray(state[name])))
        self._freeze()

    def _state(self) -> dict[str, Tensor]:
        return {
            "parameters": self.flat,
            "mean": self.adam.mean,
            "square": self.adam.square,
            "best": self.best,
            "best_loss": self.best_loss,
            "wait": self.wait,
            "failed": self.failed,
            "stopped": self.stopped,
        }


def split(flat: Tensor, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Views (lanes, *shape) of a flat (lanes, P) buffer, one for each node."""
    views, start = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape)
        views[name] = flat[:, start : start + size].detach().view(len(flat), *shape)
        start += size
    return views


def block_logits(
    forward: Forward, parameters: Mapping[str, Tensor], features: Sequence[Tensor]
) -> Tensor:
    """Logits (lanes, samples, classes) of features (samples, ...), a stretch at a time."""
    held = {name: x.detach() for name, x in parameters.items()}
    samples = len(features[0])
    with torch.no_grad():
        parts = [
            forward(held, *(x[start : start + _STRETCH] for x in features))
            for start in range(0, samples, _STRETCH)
        ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def measure(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross-entropy (nats) and accuracy of every lane, each (lanes,), in float64.

    `logits` is (lanes, samples, classes), `labels` (samples,).
    """
    lanes, samples, classes = logits.shape
    z = logits.reshape(lanes * samples, classes).T.contiguous()  # see cross_entropy
    truth = labels.repeat(lanes).unsqueeze(0)
    top = z.amax(0)
    true = z.gather(0, truth)[0]
    loss = (z - top).exp_().sum(0).log_().add_(top).sub_(true)
    # The class found is the first with the largest logit, as numpy's argmax finds it.
    right = z.argmax(0) == truth[0]
    return (
        loss.view(lanes, samples).to(torch.float64).mean(1),
        right.view(lanes, samples).to(torch.float64).mean(1),
    )
