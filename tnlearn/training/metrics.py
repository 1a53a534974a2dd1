"""What is measured on predictions: accuracy, calibration, confusion, epochs to success.

Plain numpy on arrays whose leading axis is the member.  A true label of -1 marks a sample whose
class the network does not know; no prediction of it is right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ConfigError, ShapeError

__all__ = [
    "accuracy",
    "calibration_error",
    "confusion",
    "log_loss",
    "probabilities",
    "success_epochs",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Array = npt.NDArray[Any]


def _checked(logits: Array, labels: Array, *, empty: bool = False) -> tuple[Array, Ints]:
    logits, labels = np.asarray(logits), np.asarray(labels)
    if logits.ndim != 3 or labels.shape != logits.shape[1:2]:
        raise ShapeError(
            f"logits must be (members, samples, classes) and labels (samples,); "
            f"got {logits.shape} and {labels.shape}"
        )
    if not labels.size and not empty:
        raise ShapeError("there are no samples to measure on")
    return logits, labels.astype(np.int64)


def probabilities(logits: Array) -> Floats:
    """Softmax over the last axis: ``exp(z_c) / sum_k exp(z_k)``, in double precision."""
    z = np.asarray(logits, dtype=np.float64)
    z = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(z / z.sum(axis=-1, keepdims=True), dtype=np.float64)


def accuracy(logits: Array, labels: Array) -> Floats:
    """Share of samples whose largest logit is the true class, (members,)."""
    logits, labels = _checked(logits, labels)
    return np.asarray((logits.argmax(axis=-1) == labels).mean(axis=1), dtype=np.float64)


def log_loss(logits: Array, labels: Array) -> Floats:
    """Mean cross-entropy ``-log p(true class)`` in nats, (members,); inf for an unknown class."""
    logits, labels = _checked(logits, labels)
    if (labels < 0).any():
        return np.full(logits.shape[0], np.inf)
    z = logits.astype(np.float64)
    top = z.max(axis=-1)
    total = np.log(np.exp(z - top[..., None]).sum(axis=-1)) + top
    true = np.take_along_axis(z, labels[None, :, None], axis=-1)[..., 0]
    return np.asarray((total - true).mean(axis=1), dtype=np.float64)


def confusion(logits: Array, labels: Array, classes: int) -> Ints:
    """Counts (members, classes, predicted): entry [m, t, p] is how often class t was called p."""
    logits, labels = _checked(logits, labels, empty=True)
    predicted = logits.argmax(axis=-1)
    counts = np.zeros((logits.shape[0], classes, logits.shape[2]), dtype=np.int64)
    for member, row in enumerate(predicted):
        np.add.at(counts[member], (labels, row), 1)
    return counts


def calibration_error(logits: Array, labels: Array, bins: int = 15) -> Floats:
    """Expected calibration error, (members,): ``sum_b n_b/n |accuracy_b - confidence_b|``.

    Predictions are sorted by confidence (the largest probability) into `bins` equal intervals of
    [0, 1] (Guo et al., arXiv:1706.04599).

    Raises
    ------
    ConfigError
        If `bins` is not a positive integer.
    """
    if bins < 1:
        raise ConfigError(f"bins must be at least 1, not {bins}")
    logits, labels = _checked(logits, labels)
    chance = probabilities(logits)
    confidence = chance.max(axis=-1)
    right = logits.argmax(axis=-1) == labels
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    errors = np.zeros(logits.shape[0])
    for member in range(logits.shape[0]):
        gap = np.bincount(place[member], right[member] - confidence[member], minlength=bins)
        errors[member] = np.abs(gap).sum() / labels.size
    return errors


def success_epochs(history: Array, threshold: float) -> Ints:
    """Epochs of training until an accuracy (members, epochs) first reaches `threshold`, (members,).

    1 means after the first epoch; -1 that the member never got there.
    """
    reached = np.asarray(history) >= threshold
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, -1).astype(np.int64)
