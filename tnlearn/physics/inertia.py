"""How many eigenvalues are negative: of many Hermitian matrices of one sparse pattern at once.

By L D L† in blocks, in the order of least fill and without pivoting: the signs of D are those of
the eigenvalues (Sylvester).  Eight matrices go side by side, one in each lane of a vector.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from tnlearn.physics.kernels import LANES, kernel, load, size, store

__all__ = ["Elimination", "elimination", "minimum_degree"]

Array = NDArray[Any]


def minimum_degree(graph: Any) -> Array:
    """Place of each node in an order of little fill, (nodes,), of a symmetric sparse pattern."""
    pattern = sp.csc_array(graph, copy=True).astype(float)
    pattern.data[:] = -1.0
    # Diagonally dominant: so the order is that of the pattern alone.
    pattern = sp.csc_array(pattern + sp.diags_array(-2.0 * pattern.sum(axis=0) + 1.0))
    options = {"SymmetricMode": True}
    factors = splu(pattern, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    return np.asarray(factors.perm_c, dtype=np.int64)


class Elimination:
    """The order, the fill and the updates of an elimination, found once for a pattern.

    Parameters
    ----------
    rows, columns : (elements,) int arrays
        Where the matrices are not zero by their form, both triangles.
    width : int
        Rows of a block: the matrices are of (blocks · width) rows.
    blocks : int
    """

    def __init__(self, rows: Array, columns: Array, width: int, blocks: int) -> None:
        self.width, self.blocks = width, blocks
        a, b = rows // width, columns // width
        every = np.arange(blocks)
        graph = sp.coo_array(
            (np.ones(len(a) + blocks), (np.append(a, every), np.append(b, every))),
            shape=(blocks, blocks),
        ).tocsr()
        place = minimum_degree(graph)
        order = np.argsort(place)
        below = _fill(sp.csr_array(graph[order][:, order]))
        self._starts = np.concatenate([[0], np.cumsum([len(rows) for rows in below])])
        where = {
            (int(row), k): int(self._starts[k]) + t
            for k, rows in enumerate(below)
            for t, row in enumerate(rows)
        }
        self._updates = np.array(
            [
                where[int(rows[i]), int(rows[j])]
                for rows in below
                for j in range(1, len(rows))
                for i in range(j, len(rows))
            ],
            dtype=np.int64,
        )
        # Elements of the lower triangle in the new order, and the place of each in the blocks.
        new_a, new_b = place[a], place[b]
        lower = np.flatnonzero(new_a >= new_b)
        block = np.array([where[i, j] for i, j in zip(new_a[lower], new_b[lower], strict=True)])
        inner = (rows[lower] % width, columns[lower] % width)
        places = (block * width + inner[0]) * width + inner[1]
        # An element may come in several parts, so they are added up.
        self._scatter = sp.csr_array(
            (np.ones(len(places)), (places, lower)),
            shape=(int(self._starts[-1]) * width**2, len(rows)),
        )

    @property
    def cost(self) -> float:
        """Multiply-adds of complex numbers, of one matrix."""
        return float(len(self._updates) * self.width**3)

    def __call__(self, values: Array) -> tuple[Array, Array]:
        """Negative eigenvalues of each matrix, and how much its elimination grew.

        Parameters
        ----------
        values : (matrices, elements) complex array

        Returns
        -------
        counts : (matrices,) int array
        growth : (matrices,) array
            Sum over the pivots of the largest |element| over |pivot|, at least the number of rows.
        """
        counts, growth = np.empty(len(values), np.int64), np.empty(len(values))
        size = self.blocks * self.width
        for first in range(0, len(values), LANES):
            part = values[first : first + LANES]
            lanes = np.minimum(np.arange(LANES), len(part) - 1)  # the last one fills up
            every = np.ascontiguousarray(part[lanes].T)
            re, im = self._scatter @ every.real, self._scatter @ every.imag
            signs, grown = np.zeros((2, LANES))
            _eliminate(
                re.ravel(), im.ravel(), self._starts, self._updates, self.width, signs, grown
            )
            counts[first : first + LANES] = np.rint((size - signs[: len(part)]) / 2)
            growth[first : first + LANES] = np.abs(part).max(axis=1) * grown[: len(part)]
        return counts, growth


_MADE: dict[bytes, Elimination] = {}


def elimination(rows: Array, columns: Array, width: int, size: int) -> Elimination:
    """The elimination of a pattern of `size` rows, kept for the next call with the same."""
    key = hashlib.sha256(rows.tobytes() + columns.tobytes() + bytes(f"{width} {size}", "ascii"))
    if key.digest() not in _MADE:
        while len(_MADE) >= 8:
            del _MADE[next(iter(_MADE))]
        _MADE[key.digest()] = Elimination(rows, columns, width, size // width)
    return _MADE[key.digest()]


def _fill(graph: Any) -> list[Array]:
    """The rows of each column of the factor, ascending, the diagonal first."""
    waiting: list[set[int]] = [set() for _ in range(graph.shape[0])]
    below = []
    for k, found in enumerate(waiting):
        found.update(int(i) for i in graph.indices[graph.indptr[k] : graph.indptr[k + 1]] if i > k)
        rows = sorted(found)
        below.append(np.array([k, *rows]))
        if rows:
            waiting[rows[0]] |= found
            waiting[rows[0]].discard(rows[0])
        found.clear()
    return below


@kernel
def _eliminate(
    re: Array, im: Array, starts: Array, updates: Array, q: int, signs: Array, growth: Array
) -> None:
    """L D L† of eight matrices in place: signs of D added up, and 1/|D|."""
    widest = 0
    for k in range(len(starts) - 1):
        widest = max(widest, starts[k + 1] - starts[k])
    lower_re = np.empty(widest * q * q * 8)
    lower_im = np.empty(widest * q * q * 8)
    count = load(signs, 0)
    grown = load(growth, 0)
    u = 0
    for k in range(len(starts) - 1):
        first = starts[k]
        rows = (starts[k + 1] - first) * q
        base = first * q * q
        for c in range(q):
            d = load(re, (base + c * q + c) * 8)
            inverse = 1.0 / d
            count = count + d / size(d)
            grown = grown + size(inverse)
            for r in range(c + 1, rows):
                at = (base + r * q + c) * 8
                store(lower_re, (r * q + c) * 8, load(re, at) * inverse)
                store(lower_im, (r * q + c) * 8, load(im, at) * inverse)
            for s in range(c + 1, q):
                l_re = load(lower_re, (s * q + c) * 8)
                l_im = load(lower_im, (s * q + c) * 8)
                for r in range(s, rows):
                    w_re = load(re, (base + r * q + c) * 8)
                    w_im = load(im, (base + r * q + c) * 8)
                    at = (base + r * q + s) * 8
                    store(re, at, load(re, at) - (w_re * l_re + w_im * l_im))
                    store(im, at, load(im, at) - (w_im * l_re - w_re * l_im))
        for j in range(q, rows, q):
            for i in range(j, rows, q):
                target = updates[u] * q * q
                u += 1
                for r in range(q):
                    for s in range(q):
                        at = (target + r * q + s) * 8
                        x = load(re, at)
                        y = load(im, at)
                        for c in range(q):
                            w_re = load(re, (base + (i + r) * q + c) * 8)
                            w_im = load(im, (base + (i + r) * q + c) * 8)
                            l_re = load(lower_re, ((j + s) * q + c) * 8)
                            l_im = load(lower_im, ((j + s) * q + c) * 8)
                            x = x - (w_re * l_re + w_im * l_im)
                            y = y - (w_im * l_re - w_re * l_im)
                        store(re, at, x)
                        store(im, at, y)
    store(signs, 0, count)
    store(growth, 0, grown)
