"""Which members of an ensemble learned at all.

Now and then a member of a network stays at guessing.  How often is a question of
trainability; where two networks are compared, such a member of the opponent
would count for the other side and widen every interval.  Leaving it out is to
the opponent's favour only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["ABOVE_GUESSING", "learned_at_all"]

# An ensemble below this multiple of guessing has learned nothing, whatever its members do.
ABOVE_GUESSING = 1.5


def learned_at_all(
    levels: Sequence[float | None] | npt.NDArray[np.floating], chance: float
) -> npt.NDArray[np.bool_]:
    """Members whose accuracy is at least half way from guessing to the best member, (members,).

    All of them where the best is no better than 1.5 times `chance`: then nobody learned, and
    their order is chance.  A member without a value is none.

    >>> learned_at_all([0.95, 0.94, 0.25, None], 0.25).tolist()
    [True, True, False, False]
    """
    values = np.array([np.nan if v is None else v for v in levels], dtype=np.float64)
    finite = np.isfinite(values)
    best = float(values[finite].max()) if finite.any() else 0.0
    if best <= ABOVE_GUESSING * chance:
        return finite
    return np.asarray(finite & (np.nan_to_num(values, nan=0.0) >= (chance + best) / 2))
