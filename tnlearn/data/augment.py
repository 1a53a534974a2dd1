"""What is done to training data anew in every epoch, by a symmetry of the label.

An augmentation is any ``augment(data, rng)`` that gives a data set of the same samples under the
same labels; those below are for ``tnl.fit(…, augment=tnl.augment.gauge())``.  A network that is
not invariant under what leaves the winding number alone has to see it altered, or it learns the
accident it was shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tnlearn.data import transforms

__all__ = ["Augmentation", "gauge", "rotation"]


@dataclass(frozen=True)
class Augmentation:
    """A transformation of data sets with a name, as the record of a run holds it."""

    name: str
    change: Callable[[Any, np.random.Generator], Any]

    def __call__(self, data: Any, rng: np.random.Generator) -> Any:
        """The data set, altered."""
        return self.change(data, rng)

    def __repr__(self) -> str:
        return f"augment.{self.name}()"


def gauge() -> Augmentation:
    """Every pair (u_n, v_n) times a random sign, or phase if complex: q stays as it is."""
    return Augmentation("gauge", lambda data, rng: transforms.gauge(data, rng, 0.0))


def rotation() -> Augmentation:
    """States near in energy mixed by random rotations, u and v alike: q stays as it is."""
    return Augmentation("rotation", lambda data, rng: transforms.rotation(data, rng, 0.0))
