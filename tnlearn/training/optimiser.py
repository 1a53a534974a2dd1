"""Adam on a flat (lanes, parameters) buffer, with a learning rate and a clip for each lane."""

from __future__ import annotations

import math

import torch

__all__ = ["Adam", "clip_scale", "schedule"]

Tensor = torch.Tensor


def schedule(name: str, step: int, steps: int) -> float:
    """Factor on the learning rate at `step` (from 0) of `steps`.

    ``constant``: 1.  ``cosine``: ``(1 + cos(pi step / steps)) / 2``, from 1 down to nearly 0
    (Loshchilov and Hutter, arXiv:1608.03983).
    """
    return 1.0 if name == "constant" else 0.5 * (1.0 + math.cos(math.pi * step / steps))


def clip_scale(norm: Tensor, clip: float) -> Tensor:
    """Factor (lanes,) that brings a gradient of this norm down to `clip`: ``min(1, clip/norm)``."""
    return (clip / (norm + 1e-6)).clamp_(max=1.0)


class Adam:
    """Adam with decoupled weight decay (arXiv:1412.6980, arXiv:1711.05101) on lanes of parameters.

    ``m <- b1 m + (1-b1) g``, ``s <- b2 s + (1-b2) g^2``,
    ``p <- p (1 - lr w) - lr / (1-b1^t) m / (sqrt(s / (1-b2^t)) + eps)``.

    Parameters
    ----------
    parameters:
        Tensor (lanes, P), changed in place.
    lr:
        One learning rate per lane, (lanes,).
    """

    def __init__(
        self,
        parameters: Tensor,
        lr: Tensor,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.parameters = parameters
        self.lr = lr.to(parameters.dtype).reshape(-1, 1).clone()
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        self.mean = torch.zeros_like(parameters)
        self.square = torch.zeros_like(parameters)
        self._change = torch.empty_like(parameters)
        self._rate = torch.empty_like(self.lr)

    def step(self, gradient: Tensor, t: int, factor: float = 1.0) -> None:
        """Update number `t` (from 1) with gradient (lanes, P), learning rates times `factor`."""
        first, second = self.betas
        self.mean.lerp_(gradient, 1.0 - first)
        self.square.mul_(second).addcmul_(gradient, gradient, value=1.0 - second)
        change = torch.sqrt(self.square, out=self._change)
        change.mul_(1.0 / math.sqrt(1.0 - second**t)).add_(self.eps)
        torch.div(self.mean, change, out=change)
        torch.mul(self.lr, factor / (1.0 - first**t), out=self._rate)
        if self.weight_decay:
            self.parameters.mul_(1.0 - self.lr * (factor * self.weight_decay))
        self.parameters.addcmul_(change, self._rate, value=-1.0)

    def step_some(self, gradient: Tensor, frozen: Tensor, t: int, factor: float = 1.0) -> None:
        """The same update with the lanes marked in `frozen` (lanes,) left exactly as they are.

        The other lanes get the very numbers `step` gives them: the frozen rows go through the
        same kernels with a zero gradient and are then put back.
        """
        rows = frozen.nonzero().squeeze(1)
        kept = [x[rows] for x in (self.parameters, self.mean, self.square)]
        gradient[rows] = 0.0
        self.step(gradient, t, factor)
        for x, old in zip((self.parameters, self.mean, self.square), kept, strict=True):
            x[rows] = old
