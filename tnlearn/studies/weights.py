"""Weights as matrices: singular values, truncation, what they keep, where they sit.

Every weight of a network is read as a matrix (or as several, one a channel), so
that one rule prunes all of them: keep the largest singular values.  A bias is a
vector of offsets and no weight; it is always kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.data.dataset import Dataset
from tnlearn.errors import ConfigError
from tnlearn.networks.graph import CHANNEL
from tnlearn.studies.tasks import Result
from tnlearn.training.fitted import Fitted

__all__ = [
    "POINT",
    "Singular",
    "Weight",
    "kept_numbers",
    "learned",
    "prune",
    "pruned_accuracy",
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
    rows: int
    columns: int
    row_axes: int

    @property
    def matrix_inds(self) -> tuple[str, ...]:
        """The indices of one matrix: `row_axes` of the rows, then those of the columns."""
        return self.inds[1:] if self.copies > 1 else self.inds

    @property
    def rank(self) -> int:
        """The largest rank that one of the matrices can have."""
        return min(self.rows, self.columns)

    @property
    def numbers(self) -> int:
        """Entries of the node."""
        return math.prod(self.shape)

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
    sizes = shape[1:] if copies > 1 else shape
    row_axes = 0 if len(sizes) == 1 else 2 if inds[:2] == ("head", "part") else 1
    rows, columns = math.prod(sizes[:row_axes]), math.prod(sizes[row_axes:])
    return Weight(name, inds, shape, copies, rows, columns, row_axes)


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
        found: Floats = self.weight.node(scaled @ self.right[..., :most, :])
        return found


def singular(fitted: Fitted, weight: Weight) -> Singular:
    """The singular values and vectors of a weight of every member."""
    matrices = weight.matrices(fitted.parameters[weight.name])
    return Singular(weight, *np.linalg.svd(matrices, full_matrices=False))


def ranks_for_share(values: Floats, share: float) -> Ints:
    """The smallest ranks that keep a share of the norm²: Σ_{k<r} s_k² ≥ share · Σ_k s_k².

    `values` (members, copies, R) gives ranks (members, copies).
    """
    squares = values**2
    reached = np.cumsum(squares, axis=-1)
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
    if each.ndim == 0:
        return np.asarray(each * weight.copies, dtype=np.float64)
    return np.asarray(each.sum(axis=-1), dtype=np.float64)


def rank_grid(rank: int, every: int) -> list[int]:
    """Ranks to try: each up to `every`, then in steps of about √2, and the whole rank."""
    ranks = list(range(min(rank, every) + 1))
    power = 1
    while power <= rank:
        ranks += [n for n in (power, 3 * power // 2) if every < n < rank]
        power *= 2
    return sorted({*ranks, rank})


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


def pruned_accuracy(fitted: Fitted, found: Singular, data: Dataset, ranks: Sequence[int]) -> Floats:
    """Accuracy of every member at every rank of one weight, (members, ranks), nothing retrained.

    Rank 0 is the network without the weight.
    """
    name = found.weight.name
    rows = [with_parameters(fitted, {name: found.truncated(rank)}).accuracy(data) for rank in ranks]
    return np.array(rows).T


def prune(fitted: Fitted, node: str, data: Dataset) -> Result:
    """Accuracy of every member when a weight keeps only its largest singular values.

    Each of its matrices is truncated for itself and nothing is trained again.  The
    result has `ranks` (all of them), `accuracy` (members, ranks), and `smallest_rank`,
    from which on the mean is within one point of that of the whole rank.

    Raises
    ------
    ConfigError
        If the network has no such weight.
    """
    weight = next((w for w in weights_of(fitted.net) if w.name == node), None)
    if weight is None:
        names = ", ".join(w.name for w in weights_of(fitted.net))
        raise ConfigError(f"the network has no weight {node!r}; it has: {names}")
    ranks = list(range(weight.rank + 1))
    table = pruned_accuracy(fitted, singular(fitted, weight), data, ranks)
    mean = table.mean(axis=0)
    smallest = smallest_rank(ranks, mean, mean[-1] - POINT)
    return {"node": node, "ranks": ranks, "accuracy": table, "smallest_rank": smallest}


def learned(fitted: Fitted, node: str) -> Result:
    """The trained node of the best member beside the exact one.

    A head that follows can absorb any factor, so each channel is shown times the
    factor that brings it nearest to the exact node.
    """
    exact = fitted.net.parameters[node].exact
    if exact is None:
        raise ConfigError(f"node {node!r} has no exact value to compare with")
    member = int(np.nanargmax(fitted.history["validation_accuracy"][:, -1]))
    weight = fitted.parameters[node][member].astype(np.float64).reshape(-1, *exact.shape)
    factors = np.einsum("cxy,xy->c", weight, exact) / np.einsum("cxy,cxy->c", weight, weight)
    scaled = weight * factors[:, None, None]
    overlap = np.einsum("cxy,xy->c", weight, exact) / (
        np.linalg.norm(weight, axis=(1, 2)) * np.linalg.norm(exact)
    )
    return {
        "node": node,
        "member": member,
        "exact": exact,
        "learned": scaled,
        "factors": factors,
        "overlap": np.abs(overlap),
        "singular_values": np.linalg.svd(scaled, compute_uv=False),
        "exact_singular_values": np.linalg.svd(exact, compute_uv=False),
    }
