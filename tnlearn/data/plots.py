"""How many samples of a data set have which winding number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.look import COLOURS, canvas

__all__ = ["classes"]


def classes(windings: NDArray[Any], ambiguous: NDArray[Any], ax: Any = None) -> Any:
    """A bar for each winding number, of the clear samples and, above these, of the ambiguous."""
    numbers = np.unique(windings)
    with canvas(ax, width=3.8, height=2.6) as ax:
        base = np.zeros(len(numbers))
        for label, rows, colour in (
            ("clear", ~ambiguous, COLOURS[0]),
            ("ambiguous", ambiguous, COLOURS[4]),
        ):
            counts = np.array([(windings[rows] == n).sum() for n in numbers])
            if counts.any():
                ax.bar(np.arange(len(numbers)), counts, 0.6, base, color=colour, label=label)
            base += counts
        ax.set_xticks(np.arange(len(numbers)), list(map(str, numbers)))
        ax.set(xlabel="winding number", ylabel="samples")
        if ambiguous.any():
            ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
        return ax
