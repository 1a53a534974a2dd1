"""Sparse blocks read band by band, so that a chain of a million cells needs no dense matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnlearn.physics.blocks import _filled
from tnlearn.physics.chains import Chains
from tnlearn.physics.geometry import check_boundary

__all__ = ["chains_from_bands"]

Array = NDArray[Any]

# With more bands than this share of the cells, a dense block is as small.
_SHARE = 4


def chains_from_bands(blocks: list[Any], boundary: str = "open") -> Chains | None:
    """Hopping arrays t_m(y) = h[y+m, y] of sparse blocks, or None if they are not banded.

    As `tnlearn.physics.hoppings_from_block` reads dense ones: an open block lacks
    the bonds across the seam, which are filled with the geometric mean of the
    others; on a ring the offset is the minimal image; offsets whose bonds are all
    below the rounding of the largest element are left out.

    Parameters
    ----------
    blocks : list of sparse (cells, cells) arrays
        One for each sample.
    """
    check_boundary(boundary)
    size = blocks[0].shape[0]
    entries = [_entries(block, boundary) for block in blocks]
    offsets = np.unique(np.concatenate([m[heavy] for m, _, _, heavy in entries]))
    if _SHARE * len(offsets) > max(size, 4 * _SHARE):
        return None
    kind = np.result_type(np.float64, *[t.dtype for _, _, t, _ in entries])
    if not len(offsets):
        return Chains(size, {0: np.zeros((len(blocks), size), kind)}, boundary)
    hoppings = {int(m): np.zeros((len(blocks), size), kind) for m in offsets}
    for sample, (m, y, t, _) in enumerate(entries):
        known = np.isin(m, offsets)
        m, y, t = m[known], y[known], t[known]
        place = np.searchsorted(offsets, m)
        order = np.argsort(place, kind="stable")
        edges = np.searchsorted(place[order], np.arange(len(offsets) + 1))
        for k, offset in enumerate(offsets):
            part = order[edges[k] : edges[k + 1]]
            hoppings[int(offset)][sample, y[part]] = t[part]
    if boundary == "open":
        for offset, t in hoppings.items():
            there = slice(max(0, -offset), size - max(0, offset))
            hoppings[offset] = _filled(t[:, there], offset, size)
    return Chains(size, hoppings, boundary)


def _entries(block: Any, boundary: str) -> tuple[Array, Array, Array, Array]:
    """Offset, cell of the B orbital and value of each element, and whether it is above rounding."""
    matrix = sp.coo_array(sp.csr_array(block))
    x, y, t = matrix.row.astype(np.int64), matrix.col.astype(np.int64), matrix.data
    m = x - y
    if boundary == "periodic":
        size = block.shape[0]
        low = -((size - 1) // 2)
        m = (m - low) % size + low
    return m, y, t, np.abs(t) > np.finfo(float).eps * np.abs(t).max(initial=0.0)
