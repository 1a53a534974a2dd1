"""Training goes on from a pruned network while its rank stays as low as it was cut.

A weight of rank r is trained as its two factors, W = A B†, with A (rows, r) and B (columns, r)
started from the singular vectors, each times √s.  So the rank is kept exactly at every step, and a
step costs two small matrix products more.  Many truncations of all members are trained at once as
lanes of one block: a lane of lower rank has columns of zeros in both factors, whose gradients,
each a product with the other factor's column, vanish, so that they stay zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tnlearn.analysis.weights import Weight, singular, weights_of, with_parameters
from tnlearn.data.dataset import Dataset
from tnlearn.training.ensemble import Block
from tnlearn.training.features import fold_states, is_complex, state_tensors
from tnlearn.training.fitted import Fitted
from tnlearn.training.lanes import lanes_for
from tnlearn.training.loop import epoch_batches
from tnlearn.training.optimiser import schedule

__all__ = ["retrained"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Tensor = torch.Tensor
# Factors of one weight under the names that the block sees.
_LEFT, _RIGHT = "{}/left", "{}/right"


def retrained(
    fitted: Fitted,
    settings: Sequence[Mapping[str, Ints]],
    data: Dataset,
    *,
    epochs: int,
    lr: float,
) -> list[Fitted]:
    """The ensemble after each truncation and `epochs` more of training, all parameters free.

    Parameters
    ----------
    fitted
        A trained ensemble.
    settings
        Truncations: name of a weight -> ranks to keep, (members, copies).  A weight named in
        one setting and not in another keeps its whole rank there, also as two factors; what no
        setting names is trained as it is.
    data
        Training chains.  Every member goes on with its own order of samples, the same under all
        settings.
    epochs, lr
        Of the training after pruning: Adam with its moments at zero, half a cosine of the
        learning rate, the batch size and the clipping of the first training.

    Returns
    -------
    list of Fitted
        One a setting, the factors multiplied.  A member that diverges keeps its last finite
        values and is marked in `Fitted.failed`.
    """
    named = [w for w in weights_of(fitted.net) if any(w.name in s for s in settings)]
    start = _start(fitted, named, settings)
    total = len(settings) * fitted.members
    ends: list[tuple[dict[str, npt.NDArray[Any]], npt.NDArray[Any]]] = []
    samples = _folded(fitted, data)
    lanes = _lanes(fitted, named, start, samples[0])
    for first in range(0, total, lanes):
        rows = range(first, min(first + lanes, total))
        part = {name: x[rows.start : rows.stop] for name, x in start.items()}
        members = [fitted.ids[row % fitted.members] for row in rows]
        ends.append(_trained(fitted, named, part, members, samples, epochs, lr))
    values = {name: np.concatenate([end[0][name] for end in ends]) for name in start}
    failed = np.concatenate([end[1] for end in ends])
    fits = []
    for number in range(len(settings)):
        rows_of = slice(number * fitted.members, (number + 1) * fitted.members)
        factors = {name: x[rows_of] for name, x in values.items()}
        end = with_parameters(fitted, _multiplied(named, factors))
        end.failed = np.where(fitted.failed >= 0, fitted.failed, failed[rows_of])
        fits.append(end)
    return fits


def _start(
    fitted: Fitted, named: Sequence[Weight], settings: Sequence[Mapping[str, Ints]]
) -> dict[str, npt.NDArray[Any]]:
    """Starting values of all lanes, setting by setting, (settings · members, …)."""
    dtype = np.dtype(fitted.config["training"]["dtype"])
    factored = {weight.name for weight in named}
    start = {
        name: np.concatenate([x] * len(settings))
        for name, x in fitted.parameters.items()
        if name not in factored
    }
    for weight in named:
        parts = singular(fitted, weight)
        whole = np.full((fitted.members, weight.copies), weight.rank)
        ranks = np.concatenate([np.asarray(s.get(weight.name, whole)) for s in settings])
        most = max(1, int(ranks.max()))
        kept = np.arange(most) < ranks[..., None]
        roots = np.sqrt(np.concatenate([parts.values[..., :most]] * len(settings))) * kept
        left = np.concatenate([parts.left[..., :most]] * len(settings))
        right = np.concatenate([parts.right[..., :most, :]] * len(settings))
        start[_LEFT.format(weight.name)] = (left * roots[..., None, :]).astype(dtype)
        turned = np.swapaxes(right, -1, -2) * roots[..., None, :]
        start[_RIGHT.format(weight.name)] = turned.astype(dtype)
    return start


def _multiplied(named: Sequence[Weight], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all nodes, factors multiplied out; numpy arrays or torch tensors."""
    whole = {name: x for name, x in values.items() if "/" not in name}
    for weight in named:
        left, right = values[_LEFT.format(weight.name)], values[_RIGHT.format(weight.name)]
        product = left @ right.swapaxes(-1, -2)
        whole[weight.name] = product.reshape(len(product), *weight.shape)
    return whole


def _folded(fitted: Fitted, data: Dataset) -> tuple[tuple[Tensor, ...], Tensor]:
    training = fitted.config["training"]
    arrays = state_tensors(data, getattr(torch, training["dtype"]))
    compiled = _compiled(fitted, 1, is_complex(data))
    labels = torch.from_numpy(np.asarray(data.labels, dtype=np.int64))
    return fold_states(compiled.fold, arrays), labels


def _compiled(fitted: Fitted, members: int, complex_states: bool) -> Any:
    dtype = fitted.config["training"]["dtype"]
    return fitted.net.compile(
        members=members, own_batches=True, dtype=dtype, complex=complex_states
    )


def _lanes(
    fitted: Fitted,
    named: Sequence[Weight],
    start: Mapping[str, npt.NDArray[Any]],
    features: Sequence[Tensor],
) -> int:
    """Lanes of a block, from what a step of one lane takes."""
    training = fitted.config["training"]
    compiled = _compiled(fitted, 1, training["complex"])
    # Copies: a view would count the storage of all samples.
    batch = [x[None, : training["batch_size"]].clone() for x in features]
    first = {name: torch.from_numpy(x[:1].copy()) for name, x in start.items()}
    return lanes_for(lambda p, *x: compiled(_multiplied(named, p), *x), first, batch)


def _trained(
    fitted: Fitted,
    named: Sequence[Weight],
    start: Mapping[str, npt.NDArray[Any]],
    members: list[int],
    samples: tuple[tuple[Tensor, ...], Tensor],
    epochs: int,
    lr: float,
) -> tuple[dict[str, npt.NDArray[Any]], npt.NDArray[Any]]:
    """Final values of one block of lanes, and the epoch in which each failed (-1: none)."""
    training = fitted.config["training"]
    features, labels = samples
    compiled = _compiled(fitted, len(members), training["complex"])

    def forward(parameters: Mapping[str, Tensor], *batch: Tensor) -> Tensor:
        logits: Tensor = compiled(_multiplied(named, parameters), *batch)
        return logits

    block = Block(
        forward,
        {name: x.shape[1:] for name, x in start.items()},
        {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in start.items()},
        torch.full((len(members),), lr, dtype=getattr(torch, training["dtype"])),
        torch.ones(len(members), dtype=torch.bool),
        clip=training["clip"],
        betas=tuple(training["betas"]),
        eps=training["eps"],
        weight_decay=training["weight_decay"],
    )
    batch, before = training["batch_size"], training["epochs"]
    steps = len(labels) // batch
    seen = [torch.empty((len(members) * batch, *x.shape[1:]), dtype=x.dtype) for x in features]
    views = [x.view(len(members), batch, *x.shape[1:]) for x in seen]
    for epoch in range(epochs):
        # Epochs are numbered on, so that no member sees an order of samples again.
        chosen = epoch_batches(
            len(labels), batch, seed=training["seed"], epoch=before + epoch, members=members
        )
        for step, rows in enumerate(chosen):
            t = epoch * steps + step
            for source, target in zip(features, seen, strict=True):
                torch.index_select(source, 0, rows.reshape(-1), out=target)
            block.step(
                views,
                labels[rows],
                t + 1,
                schedule("cosine", t, epochs * steps),
                before + epoch,
            )
    final = {name: x.detach().numpy().copy() for name, x in block.parameters.items()}
    return final, block.failed.numpy().copy()
