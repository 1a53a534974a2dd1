"""How many members a block holds: its lanes.

The kernels of a matrix product may give other last digits for another number of
matrices, so the lanes of a block must not depend on the size of the ensemble -
unless they give the same bits, which is tried out before a smaller block is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from tnlearn.training.ensemble import Block, block_logits
from tnlearn.training.options import Options

__all__ = ["MOST_LANES", "fewer_lanes", "lanes_for"]

Tensor = torch.Tensor
Forward = Callable[..., Tensor]
_CACHE = 5 << 20  # bytes a block may touch in a step and still stay in the cache
MOST_LANES = 32  # more lanes no longer pay: the fixed cost of a step is spread over them already
_SHORT = 100  # steps of a run that is over before a trial would pay
_TRIAL_STEPS = 2  # the second goes through the moments of the optimiser as well
_TRIAL_SAMPLES = 300  # more than one stretch of an evaluation, and an odd rest


def lanes_for(
    forward: Forward, parameters: Mapping[str, Tensor], features: Sequence[Tensor]
) -> int:
    """Lanes of a block: a power of two, 1 to 32, so that a step stays in the cache.

    `forward`, `parameters` and `features` are those of one member with a whole batch: a forward
    pass shows how many bytes are kept for the backward pass.  The answer depends on the network,
    the batch size and the dtype only, never on the size of the ensemble.
    """
    kept: dict[int, int] = {}

    def count(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return x

    for x in features:
        count(x)
    leaves = {name: x.detach().requires_grad_() for name, x in parameters.items()}
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(count, lambda x: x):
        forward(leaves, *features)
    for x in parameters.values():
        kept.pop(x.untyped_storage().data_ptr(), None)
    weights = sum(x.element_size() * x.numel() for x in parameters.values())
    each = sum(kept.values()) + 4 * weights  # parameters, gradient and two moments
    return int(min(MOST_LANES, max(1, 2 ** math.floor(math.log2(max(1.0, _CACHE / each))))))


def fewer_lanes(
    net: Any, options: Options, features: Sequence[Tensor], classes: int, lanes: int
) -> int:
    """The smallest block for a small ensemble that gives every member the same bits.

    An ensemble that would leave half of a block of `lanes` empty is tried in blocks
    of half the size, and so on: two whole training steps and an evaluation of the
    same `lanes` members, once in one block and once in several.  Only if every
    number agrees to the last bit is the smaller size taken.  (A single member of the quartic
    network trains three times as fast so; a run of a few steps does without the trial.)
    """
    if options.epochs * (len(features[0]) // options.batch_size) < _SHORT:
        return lanes
    while lanes > 1 and options.members <= lanes // 2:
        whole = _trial(net, options, features, classes, range(lanes), lanes)
        halves = [
            _trial(net, options, features, classes, range(start, start + lanes // 2), lanes)
            for start in (0, lanes // 2)
        ]
        parts = [torch.cat(pair) for pair in zip(*halves, strict=True)]
        if not all(torch.equal(x, y) for x, y in zip(whole, parts, strict=True)):
            return lanes
        lanes //= 2
    return lanes


def _trial(
    net: Any,
    options: Options,
    features: Sequence[Tensor],
    classes: int,
    members: range,
    of: int,
) -> list[Tensor]:
    """Parameters, losses, norms and logits of members after a few steps in one block."""
    own = options.batches == "own"
    count = len(members)
    compiled = options.compiled(net, count, own=own)
    dtype = getattr(torch, options.dtype)
    block = Block(
        compiled,
        compiled.parameters,
        {name: x.detach().to(dtype) for name, x in compiled.initial(0, members).items()},
        torch.full((count,), 1e-2, dtype=dtype),
        torch.ones(count, dtype=torch.bool),
        clip=options.clip,
        betas=options.betas,
        eps=options.eps,
        weight_decay=options.weight_decay,
    )
    samples, batch = len(features[0]), options.batch_size
    generator = torch.Generator().manual_seed(0)
    seen: list[Tensor] = []
    for step in range(_TRIAL_STEPS):
        # The same draws for all members, of which this block takes its own.
        rows = torch.randint(samples, (of, batch), generator=generator)
        labels = torch.randint(classes, (of, batch), generator=generator)
        mine = slice(members.start % of, members.start % of + count)
        chosen = [x[rows[mine]] if own else x[rows[0]] for x in features]
        marks = labels[mine] if own else labels[0].expand(count, batch)
        seen += block.step(chosen, marks, step + 1, 1.0, 0)
    shared = options.compiled(net, count)
    few = [x[:_TRIAL_SAMPLES] for x in features]
    return [block.flat.detach(), *seen, block_logits(shared, block.parameters, few)]
