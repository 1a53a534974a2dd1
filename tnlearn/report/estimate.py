"""Accuracy of an ensemble on a sample of chains, with the uncertainty of both.

Members differ, and the chains of a test are a sample that all members share.  The 95 % interval
adds the two arms as independent, that of Student's t over members and Wilson's of the mean
accuracy over chains: ``arm^2 = arm_members^2 + arm_chains^2``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tnlearn.report.statistics import summary, wilson

__all__ = ["estimate"]


def estimate(accuracies: Sequence[float | None], chains: int) -> dict[str, Any]:
    """Mean accuracy with the interval of both uncertainties, cut at 0 and 1.

    >>> found = estimate([1.0, 1.0, 1.0], 200)
    >>> found["value"], round(found["low"], 3), found["high"], found["members"]
    (1.0, 0.981, 1.0, 3)
    """
    s = summary(accuracies)
    if not s.count:
        return {"value": None, "low": None, "high": None, "members": 0}
    low, high = wilson(round(s.mean * chains), chains)
    down, up = max(s.mean - low, 0.0), max(high - s.mean, 0.0)
    if s.has_interval:
        down, up = math.hypot(down, s.mean - s.low), math.hypot(up, s.high - s.mean)
    return {
        "value": s.mean,
        "low": max(s.mean - down, 0.0),
        "high": min(s.mean + up, 1.0),
        "members": s.count,
    }
