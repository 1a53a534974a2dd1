"""Training goes on from a network whose weights were cut, while their rank stays as low.

A weight of rank r is trained as its two factors, W = A B†, with A (rows, r) and B (columns, r)
started from the singular vectors, each times √s.  So the rank is kept exactly at every step.  All
cuts of one call are trained at once, as members of one ensemble: where a cut keeps fewer singular
values than another it has columns of zeros in both factors, whose gradients, each a product with
the other factor's column, vanish, so that they stay zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.analysis.weights import Singular, Weight, singular, weights_of, with_parameters
from tnlearn.data.dataset import Dataset
from tnlearn.models.network import Network
from tnlearn.networks.graph import Contraction, Node, Parameter
from tnlearn.networks.init import Init
from tnlearn.training.fit import fit
from tnlearn.training.fitted import Fitted

__all__ = ["factored", "retrained"]

Ints = npt.NDArray[np.int64]
Values = dict[str, npt.NDArray[Any]]

# As in the first training.
_SETTINGS = ("batch_size", "batches", "betas", "eps", "weight_decay", "schedule", "clip", "dtype")


def retrained(
    fitted: Fitted, cuts: Sequence[Mapping[str, Ints]], data: Dataset, *, epochs: int, lr: float
) -> list[Fitted]:
    """The ensemble after each cut and `epochs` more of training, all parameters free.

    Parameters
    ----------
    fitted
        A trained ensemble.
    cuts
        Each a name of a weight -> ranks to keep, (members, copies).  A weight named in one cut and
        not in another keeps its whole rank there, also as two factors; what no cut names is
        trained as it is.
    data
        Training chains.  Every member goes on with an order of samples of its own under each cut,
        which depends on how many cuts there are, not on how many members.
    epochs, lr
        Of the training after the cut: Adam with its moments at zero, otherwise the settings of the
        first training.

    Returns
    -------
    list of Fitted
        One a cut, the factors multiplied.  A member that diverges keeps its last finite values and
        is marked in `Fitted.failed`, its epochs counted on.
    """
    named = [w for w in weights_of(fitted.net) if any(w.name in cut for cut in cuts)]
    # Lane by lane: all cuts of the first member, then those of the next.
    start = {name: np.repeat(x, len(cuts), axis=0) for name, x in fitted.parameters.items()}
    bonds = {}
    for weight in named:
        whole = np.full((len(fitted), weight.copies), weight.rank)
        ranks = np.stack([cut.get(weight.name, whole) for cut in cuts], axis=1)
        bonds[weight.name] = max(1, int(ranks.max()))
        del start[weight.name]
        start |= _factors(singular(fitted, weight), ranks, bonds[weight.name])
    before = fitted.config["training"]
    ends = fit(
        factored(fitted.net, {weight: bonds[weight.name] for weight in named}),
        data,
        members=len(cuts) * len(fitted),
        epochs=epochs,
        lr=lr,
        seed=before["seed"] + 1,  # other orders than those of the first training
        start=start,
        member_offset=fitted.ids.start * len(cuts),
        progress=False,
        **{key: before[key] for key in _SETTINGS},
    )
    fits = []
    for number in range(len(cuts)):
        values = {name: x[number :: len(cuts)] for name, x in ends.parameters.items()}
        end = with_parameters(fitted, _multiplied(named, values))
        failed = ends.failed[number :: len(cuts)]
        late = np.where(failed >= 0, before["epochs"] + failed, -1)
        end.failed = np.where(fitted.failed >= 0, fitted.failed, late)
        fits.append(end)
    return fits


def factored(net: Any, bonds: Mapping[Weight, int]) -> Network:
    """The network with some weights as products of two factors, ``NAME.left`` and ``NAME.right``.

    `bonds` are the numbers of their columns.
    """
    nodes: dict[str, Node] = dict(net.nodes)
    for weight, bond in bonds.items():
        cut, front = weight.row_axes, weight.inds[: weight.copies > 1]
        copies, init = weight.shape[: weight.copies > 1], Init("normal", 0.1)
        rows, columns = weight.matrix_inds[:cut], weight.matrix_inds[cut:]
        shape = weight.matrix_shape
        left = Parameter(
            f"{weight.name}.left", (*front, *rows, "bond"), (*copies, *shape[:cut], bond), init
        )
        right = Parameter(
            f"{weight.name}.right", (*front, *columns, "bond"), (*copies, *shape[cut:], bond), init
        )
        product = Contraction(weight.name, weight.inds, weight.shape, (left.use, right.use))
        nodes |= {node.name: node for node in (left, right, product)}
    return Network(net.with_nodes(nodes))


def _factors(parts: Singular, ranks: Ints, bond: int) -> Values:
    """Starting values (members · cuts, …) of both factors; `ranks` are (members, cuts, copies)."""
    weight = parts.weight
    kept = np.arange(bond) < ranks[..., None]
    roots = (np.sqrt(parts.values[..., :bond])[:, None] * kept)[..., None, :]
    left = parts.left[..., :bond][:, None] * roots
    right = np.swapaxes(parts.right[..., :bond, :], -1, -2)[:, None] * roots
    copies, cut = weight.shape[: weight.copies > 1], weight.row_axes
    return {
        f"{weight.name}.left": left.reshape(-1, *copies, *weight.matrix_shape[:cut], bond),
        f"{weight.name}.right": right.reshape(-1, *copies, *weight.matrix_shape[cut:], bond),
    }


def _multiplied(named: Sequence[Weight], values: Values) -> Values:
    """The values of all nodes, factors multiplied out."""
    whole = dict(values)
    for weight in named:
        left, right = (whole.pop(f"{weight.name}.{side}") for side in ("left", "right"))
        lead, bond = (len(left), weight.copies), left.shape[-1]
        product = left.reshape(*lead, weight.rows, bond) @ np.swapaxes(
            right.reshape(*lead, weight.columns, bond), -1, -2
        )
        whole[weight.name] = weight.node(product)
    return whole
