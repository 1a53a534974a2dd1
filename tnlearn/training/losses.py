"""What training makes small: cross-entropy of classes, squared or Huber error of values, or yours.

A network with one number a sample learns the winding itself, one with a number for each class the
class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from tnlearn.errors import ConfigError, check_choice

__all__ = ["Loss", "as_values", "find_loss", "measure"]

Tensor = torch.Tensor


@dataclass(frozen=True)
class Loss:
    """A loss: its name, and its mean over each member's batch, (members,).

    The function takes outputs (members, batch, classes) or values (members, batch), and targets
    (members, batch).
    """

    name: str
    function: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of every member."""
        return self.function(outputs, targets)


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    flat = functional.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
    return flat.view(targets.shape).mean(1)


def _mse(values: Tensor, targets: Tensor) -> Tensor:
    return (values - targets).square().mean(1)


def _huber(values: Tensor, targets: Tensor) -> Tensor:
    return functional.huber_loss(values, targets, reduction="none").mean(1)


_KNOWN = {"cross-entropy": _cross_entropy, "mse": _mse, "huber": _huber}


def find_loss(loss: Any) -> Loss:
    """The loss of a name, or of a function of (outputs, targets) of one batch.

    Raises
    ------
    UnknownNameError, ConfigError
        If there is none of that name, or, once it is called, if it does not return one number.
    """
    if not callable(loss):
        return Loss(check_choice("loss", loss, _KNOWN), _KNOWN[loss])

    def function(outputs: Tensor, targets: Tensor) -> Tensor:
        numbers = [loss(z, y) for z, y in zip(outputs, targets, strict=True)]
        for x in numbers:
            if not isinstance(x, Tensor) or x.shape != () or x.is_complex():
                what = f"a tensor of shape {tuple(x.shape)}" if isinstance(x, Tensor) else repr(x)
                raise ConfigError(
                    f"loss must return one real number for a batch, a tensor of shape (), such "
                    f"as its mean over the batch; it returned {what}"
                )
        return torch.stack(numbers)

    return Loss(f"yours: {getattr(loss, '__qualname__', type(loss).__name__)}", function)


def as_values(outputs: Tensor) -> Tensor:
    """Outputs (members, batch, 1) as values (members, batch); others as they are."""
    return outputs.squeeze(2) if outputs.ndim == 3 and outputs.shape[2] == 1 else outputs


def measure(loss: Loss, outputs: Tensor, targets: Tensor) -> tuple[float, float]:
    """Loss and accuracy of one member, of outputs (samples, classes) or values (samples,).

    The class is the first with the largest logit; a value is right if it rounds to the target.
    """
    mean = loss(outputs[None], targets[None])[0]
    answer = outputs.argmax(1) if outputs.ndim == 2 else outputs.round()
    return float(mean), float((answer == targets).double().mean())
