"""Weights as matrices: singular values, cuts to low rank, and what a cut network still answers.

Every weight of a network is read as a matrix (or as several, one a channel), so that one rule
cuts all of them: keep the largest singular values.  A bias is a vector of offsets and no weight;
it is always kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.networks.graph import CHANNEL
from tnlearn.training.fitted import Fitted

__all__ = [
    "POINT",
    "Singular",
    "Weight",
    "kept_numbers",
    "rank_grid",
    "ranks_for_share",
    "singular",
    "smallest_rank",
    "weights_of",
    "with_parameters",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

POINT = 0.01  # an accuracy within one point of another counts as kept


@dataclass(frozen=True)
class Weight:
    """A parameter node read as `copies` matrices of `rows` times `columns`.

    ================================ =======================================
    node                             matrices
    ================================ =======================================
    D (channel, x, y)                one x × y a channel
    a factor (channel, x, bond)      one x × bond a channel
    X, window (channel, site)        channel × site
    X, window (site)                 1 × site
    dense weight (out, inputs …)     out × all inputs
    kernel (out, in, tap, tap)       out × (in · tap · tap)
    query, key, value (head, part,…) (head · part) × width
    ================================ =======================================
    """

    name: str
    inds: tuple[str, ...]
    shape: tuple[int, ...]
    copies: int
    row_axes: int

    @property
    def matrix_shape(self) -> tuple[int, ...]:
        """Sizes of the indices of one matrix."""
        return self.shape[1:] if self.copies > 1 else self.shape

    @property
    def matrix_inds(self) -> tuple[str, ...]:
        """The indices of one matrix: `row_axes` of the rows, then those of the columns."""
        return self.inds[1:] if self.copies > 1 else self.inds

    @property
    def rows(self) -> int:
        """Rows of one matrix."""
        return math.prod(self.matrix_shape[: self.row_axes])

    @property
    def columns(self) -> int:
        """Columns of one matrix."""
        return math.prod(self.matrix_shape[self.row_axes :])

    @property
    def rank(self) -> int:
        """The largest rank that one of the matrices can have."""
        return min(self.rows, self.columns)

    def matrices(self, values: npt.NDArray[Any]) -> Floats:
        """Values (members, *shape) as matrices (members, copies, rows, columns), float64."""
        lead = (len(values), self.copies, self.rows, self.columns)
        return np.asarray(values, dtype=np.float64).reshape(lead)

    def node(self, matrices: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Matrices (members, copies, rows, columns) as values (members, *shape)."""
        return matrices.reshape(len(matrices), *self.shape)


def weights_of(net: Any) -> list[Weight]:
    """Every weight of a network, in the order of its parameters; biases are left out."""
    return [
        _weight(name, tuple(node.inds), tuple(int(size or 0) for size in node.shape))
        for name, node in net.parameters.items()
        if not name.endswith(".bias")
    ]


def _weight(name: str, inds: tuple[str, ...], shape: tuple[int, ...]) -> Weight:
    copies = shape[0] if inds[0] == CHANNEL and len(shape) == 3 else 1
    vector, heads = len(shape) - (copies > 1) == 1, inds[:2] == ("head", "part")
    return Weight(name, inds, shape, copies, 0 if vector else 2 if heads else 1)


@dataclass(frozen=True)
class Singular:
    """Singular values and vectors of the matrices of a weight, W = Σ_k s_k u_k v_k†.

    Attributes
    ----------
    left, values, right
        (members, copies, rows, R), (members, copies, R) falling, (members, copies, R, columns).
    """

    weight: Weight
    left: Floats
    values: Floats
    right: Floats

    def truncated(self, ranks: int | Ints) -> Floats:
        """The weight (members, *shape) with its largest singular values only.

        `ranks` is one number, or one for every member and copy, (members, copies).
        """
        ranks = np.broadcast_to(np.asarray(ranks), self.values.shape[:-1])
        kept = np.arange(self.values.shape[-1]) < ranks[..., None]
        # Columns that no member keeps are not multiplied.
        most = int(ranks.max(initial=0))
        scaled = self.left[..., :most] * (self.values * kept)[..., None, :most]
        return np.asarray(self.weight.node(scaled @ self.right[..., :most, :]))

    def relative(self, rank: int) -> Floats:
        """The smallest singular value that a rank keeps over the largest, mean over copies.

        Shape (members,); 0 for a matrix that is zero.
        """
        first, last = self.values[..., 0], self.values[..., rank - 1]
        ratio = np.divide(last, first, out=np.zeros_like(first), where=first > 0)
        return np.asarray(ratio.mean(axis=-1))


def singular(fitted: Fitted, weight: Weight) -> Singular:
    """The singular values and vectors of a weight of every member."""
    matrices = weight.matrices(fitted.parameters[weight.name])
    return Singular(weight, *np.linalg.svd(matrices, full_matrices=False))


def ranks_for_share(values: Floats, share: float) -> Ints:
    """The smallest ranks that keep a share of the norm²: Σ_{k<r} s_k² ≥ share · Σ_k s_k².

    `values` (members, copies, R) gives ranks (members, copies).
    """
    reached = np.cumsum(values**2, axis=-1)
    total = reached[..., -1:]
    # Against rounding of the sums: the whole norm is kept by the whole rank.
    enough = reached >= share * total - 1e-12 * total
    return np.where(total[..., 0] > 0, enough.argmax(axis=-1) + 1, 0).astype(np.int64)


def kept_numbers(weight: Weight, ranks: int | Ints) -> Floats:
    """Numbers that the weight of a member takes: Σ_copies min(r (rows + columns), rows columns).

    `ranks` is one number or (members, copies); the result is one number or (members,).
    """
    ranks = np.asarray(ranks)
    each = np.minimum(ranks * (weight.rows + weight.columns), weight.rows * weight.columns)
    total = each.sum(axis=-1) if each.ndim else each * weight.copies
    return np.asarray(total, dtype=np.float64)


def rank_grid(rank: int, every: int) -> list[int]:
    """Ranks to try: each up to `every`, then in steps of about √2, and the whole rank.

    >>> rank_grid(20, 4)
    [0, 1, 2, 3, 4, 6, 8, 12, 16, 20]
    """
    powers = [2**k for k in range(rank.bit_length())]
    beyond = {n for p in powers for n in (p, 3 * p // 2) if every < n < rank}
    return sorted({*range(min(rank, every) + 1), *beyond, rank})


def smallest_rank(ranks: Sequence[int], accuracy: Floats, goal: float) -> int | None:
    """The smallest of the ranks from which on every accuracy is at least `goal`; None if none."""
    below = np.flatnonzero(~(np.asarray(accuracy) >= goal))
    first = 0 if not below.size else int(below[-1]) + 1
    return None if first == len(ranks) else int(ranks[first])


def with_parameters(fitted: Fitted, changes: Mapping[str, npt.NDArray[Any]]) -> Fitted:
    """The same ensemble with other values (members, *shape) of some nodes."""
    cast = {name: x.astype(fitted.parameters[name].dtype) for name, x in changes.items()}
    return Fitted(
        fitted.net,
        fitted.config,
        {**fitted.parameters, **cast},
        history=fitted.history,
        failed=fitted.failed,
        stopped=fitted.stopped,
    )
