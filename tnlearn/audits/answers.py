"""What a classifier gave, read as winding numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError, NotFiniteError, ShapeError, UnknownNameError, check_choice
from tnlearn.physics.matrices import as_numpy

__all__ = ["ANSWERS", "best_class", "windings_of"]

Array = NDArray[Any]

ANSWERS = ("auto", "windings", "indices", "scores")


def windings_of(
    output: Any, samples: int, classes: Sequence[int], *, how: str = "auto", title: str
) -> Array:
    """Winding numbers from the output for some samples, (samples,) floats.

    Parameters
    ----------
    output
        Scores (logits, probabilities) of shape (samples, classes), of which the largest
        counts; or one number a sample.  A real number is rounded to the nearest integer,
        which may be none of the classes; a whole one must be among them.
    samples : int
        How many were asked for.
    classes : sequence of int
        Winding of each column, or of each index.
    how : "auto" | "windings" | "indices" | "scores"
        What the numbers are; "auto" takes two dimensions for scores, one for windings.
    title : str
        Of the classifier, for messages.

    Raises
    ------
    ShapeError, NotFiniteError, UnknownNameError, ConfigError
        If the output has another shape or no numbers, holds NaN or infinity, or names a
        class that there is not.
    """
    check_choice("kind of answers", how, ANSWERS)
    values = _numbers(output, title)
    if values.ndim == 2 and values.shape[1] == 1 and how != "scores":
        values = values[:, 0]
    fits = values.ndim in (1, 2) and len(values) == samples
    if not fits or (how == "scores" and values.ndim == 1):
        one = "" if how == "scores" else f"({samples},) or "
        raise ShapeError(
            f"{title} gave an output of shape {values.shape} for {samples} samples; {one}"
            f"({samples}, classes) is expected"
        )
    if values.ndim == 2:
        if how in ("windings", "indices"):
            raise ShapeError(
                f"{title} gave {values.shape[1]} numbers a sample, not one of its {how}; leave "
                "answers='auto' if they are scores of the classes"
            )
        if not np.isfinite(values).all():
            raise _not_finite(title, values)
        return best_class(values, classes, title)
    if not np.isfinite(values).all():
        raise _not_finite(title, values)
    if how == "indices":
        whole = values == np.round(values)
        if not whole.all() or values.min() < 0 or values.max() >= len(classes):
            raise UnknownNameError(
                f"{title} gave {_first(values[~whole] if not whole.all() else values)} as the "
                f"index of a class; there are {len(classes)}, with indices from 0"
            )
        return np.asarray(classes, dtype=np.float64)[values.astype(np.int64)]
    if values.dtype.kind in "iub":
        strange = values[~np.isin(values, list(classes))]
        if len(strange):
            raise UnknownNameError(
                f"{title} answered {_first(strange)}, which is none of the windings "
                f"{_listed(classes)}: for indices of classes say answers='indices'; for a real "
                "winding number return floats, which are rounded here"
            )
    return np.asarray(np.round(values.astype(np.float64)) + 0.0)


def best_class(scores: Array, classes: Sequence[int], title: str) -> Array:
    """Winding of the largest score, (…, samples, classes) -> (…, samples); NaN where one is NaN."""
    if scores.shape[-1] != len(classes):
        raise ConfigError(
            f"{title} gives {scores.shape[-1]} scores a sample, but there are {len(classes)} "
            f"classes ({_listed(classes)}): give classes=, the winding of each of its columns"
        )
    found = np.asarray(classes, dtype=np.float64)[scores.argmax(axis=-1)]
    return np.where(np.isfinite(scores).all(axis=-1), found, np.nan)


def _numbers(output: Any, title: str) -> Array:
    try:
        values = np.asarray(as_numpy(output))
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{title} gave something that is no array: {error}") from error
    if values.dtype.kind not in "fiub":
        raise ShapeError(
            f"{title} gave {type(output).__name__} of dtype {values.dtype}; real numbers are "
            "expected: scores of the classes, or one winding number a sample"
        )
    return values


def _not_finite(title: str, values: Array) -> NotFiniteError:
    bad = int((~np.isfinite(values.reshape(len(values), -1)).all(axis=1)).sum())
    return NotFiniteError(
        f"{title} gave NaN or infinity for {bad} of {len(values)} samples; it must answer every "
        "sample with numbers"
    )


def _first(values: Array) -> str:
    return f"{values.flat[0]:g}"


def _listed(classes: Sequence[int]) -> str:
    return ", ".join(map(str, classes))
