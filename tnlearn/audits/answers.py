"""What a classifier gave, read as winding numbers: as it says of itself, or else named.

One number a sample may be a winding number, the number of a class or a logit, and columns may be in
any order.  Where nobody says which, the samples whose winding is certified decide whether the plain
reading stands; if another makes far more answers right, both are named and neither is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError, NotFiniteError, ShapeError, UnknownNameError
from tnlearn.physics.matrices import as_numpy
from tnlearn.report.stats import share

__all__ = ["ANSWERS", "best_class", "confirm", "listed", "numbers_of", "windings_of"]

Array = NDArray[Any]

ANSWERS = ("auto", "windings", "indices", "scores", "logit")
NEAR = 0.25  # a real number this close to a winding looks like one


def numbers_of(output: Any, title: str) -> Array:
    """The output as an array of real numbers; one of several parts is named, not guessed at."""
    several = isinstance(output, tuple) and any(
        getattr(part, "shape", ()) or isinstance(part, (list, tuple, Mapping)) for part in output
    )
    if isinstance(output, Mapping) or several:
        word = "dict" if isinstance(output, Mapping) else "tuple"
        parts = output.items() if isinstance(output, Mapping) else enumerate(output)
        inside = ", ".join(f"{key!r}: {_form(part)}" for key, part in parts)
        raise ShapeError(
            f"the output of {title} is a {word} ({inside}), not one array: wrap it in a model or a "
            "function that returns the scores, or the winding numbers, alone"
        )
    if hasattr(output, "detach") and output.is_floating_point():
        output = output.detach().cpu().double()
    try:
        values = np.asarray(as_numpy(output))
    except (TypeError, ValueError) as error:
        raise ShapeError(f"the output of {title} is no array: {error}") from error
    if values.dtype.kind not in "fiub":
        raise ShapeError(
            f"the output of {title} is {type(output).__name__} of dtype {values.dtype}; real "
            "numbers are expected: scores of the classes, or one winding number a sample"
        )
    return values


def _form(part: Any) -> str:
    shape = getattr(part, "shape", None)
    return type(part).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")


def windings_of(
    values: Array, samples: int, classes: tuple[int, ...], how: str, title: str
) -> Array:
    """Winding numbers from the output for some samples, (samples,) floats.

    Scores of shape (samples, classes), of which the largest counts; or one number a sample.  A
    real one is rounded, and may be none of the classes; a whole one of an integer type must be
    among them.
    """
    if values.ndim == 2 and values.shape[1] == 1 and how != "scores":
        values = values[:, 0]
    fits = values.ndim in (1, 2) and len(values) == samples
    if not fits or (how == "scores" and values.ndim == 1):
        one = "" if how == "scores" else f"({samples},) or "
        raise ShapeError(
            f"{title} gave an output of shape {values.shape} for {samples} samples; {one}"
            f"({samples}, classes) is expected"
        )
    finite = np.isfinite(values.reshape(samples, -1)).all(axis=1)
    if not finite.all():
        raise NotFiniteError(
            f"{title} gave NaN or infinity for {int((~finite).sum())} of {samples} samples; it "
            "must answer every sample with numbers"
        )
    if values.ndim == 2:
        if how not in ("auto", "scores"):
            raise ShapeError(
                f"{title} gave {values.shape[1]} numbers a sample, not one of its {how}; leave "
                "answers='auto' if they are scores of the classes"
            )
        return best_class(values, classes, title)
    if how == "logit" or (values.dtype.kind == "b" and how == "auto"):
        if len(classes) != 2:
            raise ConfigError(
                f"{title} tells two classes apart, by a logit or by true and false, and there are "
                f"{len(classes)} ({listed(classes)}): give classes=, the winding of each"
            )
        return np.where(values > 0, float(classes[1]), float(classes[0]))
    if how == "indices":
        wrong = values[(values != np.round(values)) | (values < 0) | (values >= len(classes))]
        if len(wrong):
            raise UnknownNameError(
                f"{title} gave {wrong[0]:g} as the index of a class; there are {len(classes)}, "
                "with indices from 0"
            )
        return np.asarray(classes, dtype=np.float64)[values.astype(np.int64)]
    strange = values[~np.isin(values, classes) & (values.dtype.kind in "iub")]
    if len(strange):
        raise UnknownNameError(
            f"{title} answered {strange[0]:g}, which is none of the windings {listed(classes)}: "
            "for indices of classes say answers='indices'; for a real winding number return "
            "floats, which are rounded here"
        )
    return np.asarray(np.round(values.astype(np.float64)) + 0.0)


def best_class(scores: Array, classes: Sequence[int], title: str) -> Array:
    """Winding of the largest score, (…, samples, classes) -> (…, samples); NaN where one is NaN."""
    if scores.shape[-1] != len(classes):
        raise ConfigError(
            f"{title} gives {scores.shape[-1]} scores a sample, but there are {len(classes)} "
            f"classes ({listed(classes)}): give classes=, the winding of each of its columns"
        )
    best = np.asarray(classes, dtype=np.float64)[scores.argmax(axis=-1)]
    return np.where(np.isfinite(scores).all(axis=-1), best, np.nan)


def confirm(
    numbers: Array, windings: Array, truth: Array, classes: tuple[int, ...], title: str
) -> None:
    """Refuse answers that another reading makes right far more often, and name both readings.

    Real numbers that do not lie near the windings may be the logit of two classes.  Answers may be
    numbers of classes, or columns in another order, if calling each by another winding makes more
    than half of the samples right (of columns, which say more of themselves, 9 in 10).

    Parameters
    ----------
    numbers, windings
        What was given for some samples, and the winding numbers that it was read as, (samples,).
    truth : (samples,) int array
        Their certified windings.
    classes, title
        As in `windings_of`.

    Raises
    ------
    ConfigError
        With the other reading and the word to say, or if the numbers are no windings at all.
    """
    right, samples = int((windings == truth).sum()), len(truth)
    plain = f"read as winding numbers, the answers of {title} are right on {right / samples:.0%}"
    values, least = numbers.ravel(), 0.9
    if len(values) == samples:  # one number each
        least = 0.5
        far = np.abs(values[:, None] - np.asarray(classes)).min(axis=1) > NEAR
        signs, count = _renamed(values > 0, truth)
        two = len(classes) == 2 and len(set(signs.values())) == 2
        if two and far.mean() > 0.1 and count >= right:
            raise ConfigError(
                f"{plain} of the samples, by their sign on {count / samples:.0%}: say "
                f"answers='logit' if a number above 0 means winding {classes[1]} (classes= in the "
                "other order turns it), or answers='windings' if they are to be rounded"
            )
    names, count = _renamed(windings, truth)
    one_to_one = len(set(names.values())) == len(names) > 1
    apart = share(count, samples)["low"] > share(right, samples)["high"]
    if one_to_one and apart and count > least * samples:
        other = ", ".join(f"{key:g} as {winding}" for key, winding in names.items())
        raise ConfigError(
            f"{plain} of the samples; reading {other} on {count / samples:.0%}: these look like "
            "numbers of classes. Say answers='indices', or classes= (the winding of each, in the "
            "order of their numbers or columns); answers='windings' or 'scores' if they are right "
            "as they are"
        )
    none = float((~np.isin(windings, classes)).mean())
    if none > max(0.2, right / samples) and len(names) > 1:
        raise ConfigError(
            f"{plain} of the samples, and on {none:.0%} they are none of {listed(classes)}, "
            f"with numbers from {values.min():g} to {values.max():g}: say what they are, "
            "answers='windings' if they are to be rounded all the same, 'logit' with the two "
            "windings that it tells apart as classes=, or return scores of the classes"
        )


def _renamed(answers: Array, truth: Array) -> tuple[dict[float, int], int]:
    """The winding that goes most often with each answer, and how many samples that makes right."""
    names, right = {}, 0
    for answer in np.unique(answers):
        windings, counts = np.unique(truth[answers == answer], return_counts=True)
        names[float(answer)] = int(windings[counts.argmax()])
        right += int(counts.max())
    return names, right


def listed(classes: Sequence[int]) -> str:
    """Windings for a message: ``-1, 0, 1``."""
    return ", ".join(map(str, classes))
