"""Which samples a member sees when: a pure function of the seed, the member and the epoch.

Every epoch goes through the samples in a fresh random order, cut into batches of one size.  The
``samples % batch_size`` left over at the end of an epoch are not used in it (others are left over
in the next), so that every step of every member weighs the same number of samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

__all__ = ["epoch_batches", "sample_order"]

_ORDER = 1  # stream numbers below the seed; 0 is left to initial values
_SHARED = 2


def sample_order(
    samples: int, *, seed: int, epoch: int, member: int | None
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A permutation of ``range(samples)`` for one member (None: the one all members share)."""
    key = (_SHARED, epoch) if member is None else (_ORDER, member, epoch)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    return rng.permutation(samples)


def epoch_batches(
    samples: int, batch: int, *, seed: int, epoch: int, members: Sequence[int] | None
) -> torch.Tensor:
    """Sample indices of all steps of an epoch, int64.

    Shape (steps, members, batch) for own batches, (steps, batch) for shared ones
    (``members=None``).  A member named twice gets the same indices twice.
    """
    steps = samples // batch
    if members is None:
        order = sample_order(samples, seed=seed, epoch=epoch, member=None)
        return torch.from_numpy(order[: steps * batch]).view(steps, batch)
    drawn: dict[int, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
    chosen = np.empty((steps, len(members), batch), dtype=np.int64)
    for lane, member in enumerate(members):
        if member not in drawn:
            drawn[member] = sample_order(samples, seed=seed, epoch=epoch, member=member)
        chosen[:, lane] = drawn[member][: steps * batch].reshape(steps, batch)
    return torch.from_numpy(chosen)
