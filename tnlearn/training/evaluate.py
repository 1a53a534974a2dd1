"""Logits of a block of members on folded features that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

__all__ = ["block_logits", "measure"]

Tensor = torch.Tensor
_STRETCH = 256  # samples at a time: bounds the intermediates


def block_logits(
    forward: Callable[..., Tensor], parameters: Mapping[str, Tensor], features: Sequence[Tensor]
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
    z = logits.reshape(lanes * samples, classes).T.contiguous()  # see ensemble.cross_entropy
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
