"""The chains of the marker study: what the marker is trained on, and what labels are tried on.

Trained on, at several lengths: chains next to their transitions, chains of `extended` as they
come, and disordered ones with the integer of the sample itself.  Tried on: clean chains at
distances log-uniform in L δ, whose winding number is that of the infinite chain; and
disordered ones, whose truth is the phase.

The truth of a disordered sample is that of the same sample continued: its first L cells
decide nothing of an infinitely long chain, so it is the phase of the infinite chain with
these hoppings and strengths, and the distance is the smallest of its Lyapunov exponents.
The integer of the sample itself would be circular: it is one of the labels tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.data.dataset import Dataset, dataset
from tnlearn.data.near import NearChains, near_chains, near_dataset
from tnlearn.data.sampling import derived_seed
from tnlearn.physics.chains import Chains, chain
from tnlearn.physics.exponents import Phase, phase_of

__all__ = ["Tried", "condition_name", "training_sets", "tried"]

Array = NDArray[Any]

# The phase of a disordered chain is known to ± 0.01 from this many cells; nearer than this
# it is not told apart.
_PHASE_CELLS = 16_000
NEAREST_PHASE = 0.03


@dataclass(frozen=True, eq=False)
class Tried:
    """Chains that labels are tried on.

    Attributes
    ----------
    chains : Chains
        Open.
    truth : (samples,) int64 array
        Winding number of the infinite chain.
    distance : (samples,) float array
        From the transition, in 1/cells.
    crossing : (samples,) int64 array
        Zeros that cross at the transition: 1, or 2 for a complex pair; 0 where not known.
    """

    chains: Chains
    truth: Array
    distance: Array
    crossing: Array

    def __len__(self) -> int:
        return len(self.truth)


def condition_name(strength: float) -> str:
    """``"clean"``, or ``"disorder-W"``."""
    return f"disorder-{strength:g}" if strength else "clean"


def tried(
    cells: int, samples: int, strength: float, reach: tuple[float, float, float], seed: int
) -> Tried:
    """Chains of `cells` cells at disorder `strength`.

    Parameters
    ----------
    reach : (low, high, farthest)
        Clean chains: L δ is log-uniform on [low, high), as far as δ <= farthest.  Disordered:
        the clean distance is log-uniform on [0.02, farthest), the same chains at every length,
        of which those are kept whose phase is settled and at least 0.03 away.
    """
    low, high, farthest = reach
    if not strength:
        span = (low / cells, min(high / cells, farthest))
        near = near_chains(cells, samples, span, derived_seed(seed, "marker", cells) >> 10)
        pairs = np.array([b - a for a, b in near.transitions])
        return Tried(near.chains, near.windings, near.distance, pairs[near.transition])
    drawn, phase = _phases(samples, strength, farthest, seed)
    kept = np.flatnonzero(phase.settled & (phase.distance >= NEAREST_PHASE))
    amplitudes = {m: t[kept, 0] for m, t in drawn.chains.hoppings.items()}
    chains = chain(
        cells,
        amplitudes,
        disorder=dict.fromkeys(amplitudes, strength),
        seed=derived_seed(seed, f"marker/disorder-{strength:g}", cells),
    )
    none = np.zeros(len(kept), dtype=np.int64)
    return Tried(chains, phase.integer[kept], phase.distance[kept], none)


@lru_cache(maxsize=8)
def _phases(samples: int, strength: float, farthest: float, seed: int) -> tuple[NearChains, Phase]:
    """Hoppings and their phases at a strength of disorder, the same for every length."""
    key = f"marker/phase-{strength:g}"
    drawn = near_chains(1, samples, (0.02, farthest), derived_seed(seed, key) >> 10)
    amplitudes = {m: t[:, 0] for m, t in drawn.chains.hoppings.items()}
    strengths = dict.fromkeys(amplitudes, strength)
    return drawn, phase_of(
        amplitudes, strengths, cells=_PHASE_CELLS, seed=derived_seed(seed, f"{key}/cells")
    )


def training_sets(recipe: Mapping[str, Any], part: str, seed: int) -> list[Dataset]:
    """The training (or validation) chains of a recipe, one data set a length and kind.

    Parameters
    ----------
    recipe
        ``sizes``; ``near``, ``clean`` and ``disordered``: samples of each kind at each length;
        ``disorder``: its strengths, each with `disordered` samples; ``reach``: as in `tried`.
    part : str
        Part of the seed: ``"train"`` or ``"validation"``; validation takes a quarter as many.
    """
    low, high, farthest = recipe["reach"]
    share = 1.0 if part == "train" else 0.25
    found = []
    for cells in recipe["sizes"]:

        def own(kind: str, size: int = cells) -> int:
            # Below 2^53, as JSON readers want it.
            return derived_seed(seed, f"marker/{part}/{kind}", size) >> 10

        count = round(share * recipe["near"])
        if count:
            span = (low / cells, min(high / cells, farthest))
            found.append(near_dataset(cells, count, span, own("near")))
        count = round(share * recipe["clean"])
        if count:
            found.append(dataset("extended", cells, count, 0.0, own("clean")))
        count = round(share * recipe["disordered"])
        for strength in recipe["disorder"] if count else ():
            own_seed = own(f"disorder-{strength:g}")
            found.append(dataset("extended", cells, count, float(strength), own_seed))
    return found
