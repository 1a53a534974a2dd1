"""Hypothesis strategies for chiral chains."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tnlearn.physics.chains import Chains, chain


@st.composite
def chains(
    draw: st.DrawFn,
    *,
    min_cells: int = 3,
    max_cells: int = 16,
    kinds: tuple[str, ...] = ("real", "complex"),
    boundaries: tuple[str, ...] = ("open", "periodic"),
    clean: bool = False,
    max_range: int = 3,
    samples: int = 3,
) -> Chains:
    """A small batch of chains with any offsets, clean or with a hopping per cell."""
    cells = draw(st.integers(min_cells, max_cells))
    low = draw(st.integers(-2, 2))
    high = draw(st.integers(low, low + max_range))
    kind = draw(st.sampled_from(kinds))
    boundary = draw(st.sampled_from(boundaries))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (samples, 1) if clean else (samples, cells)
    hoppings = {}
    for m in range(low, high + 1):
        t = rng.uniform(-1.5, 1.5, shape)
        if kind == "complex":
            t = t + 1j * rng.uniform(-1.5, 1.5, shape)
        hoppings[m] = np.broadcast_to(t, (samples, cells))
    return chain(cells, hoppings, boundary=boundary)
