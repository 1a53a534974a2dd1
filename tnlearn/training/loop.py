"""One block of members trained from where it stands to its last epoch.

Every epoch goes through the samples in a fresh random order, cut into batches of one size.  The
``samples % batch_size`` left over at the end of an epoch are not used in it (others are left over
in the next), so that every step of every member weighs the same number of samples.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tnlearn.archive import Parts
from tnlearn.progress import tqdm
from tnlearn.training.ensemble import Block, block_logits, measure
from tnlearn.training.optimiser import schedule
from tnlearn.training.options import Options
from tnlearn.training.parts import Samples

__all__ = ["HISTORY", "Progress", "Report", "Trainer", "blocks_of", "epoch_batches", "sample_order"]

Tensor = torch.Tensor
Arrays = dict[str, npt.NDArray[Any]]

HISTORY = ("loss", "gradient", "lr", "seconds", "validation_loss", "validation_accuracy")
_PREFIX = "history/"
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
) -> Tensor:
    """Sample indices of all steps of an epoch, int64: a function of (seed, member, epoch).

    Shape (steps, members, batch) for own batches, (steps, batch) for shared ones
    (``members=None``).  A member named twice gets the same indices twice.
    """
    steps = samples // batch
    if members is None:
        order = sample_order(samples, seed=seed, epoch=epoch, member=None)
        return torch.from_numpy(order[: steps * batch]).view(steps, batch)
    orders: dict[int, np.ndarray[tuple[int], np.dtype[np.int64]]] = {}
    chosen = np.empty((steps, len(members), batch), dtype=np.int64)
    for lane, member in enumerate(members):
        if member not in orders:
            orders[member] = sample_order(samples, seed=seed, epoch=epoch, member=member)
        chosen[:, lane] = orders[member][: steps * batch].reshape(steps, batch)
    return torch.from_numpy(chosen)


@dataclass(frozen=True)
class Report:
    """How a block stands after an epoch: members, those still running, and their mean loss."""

    block: int
    epochs: int
    members: int
    alive: int
    loss: float
    resumed: bool = False


class Progress:
    """A bar in member epochs with the mean loss, the members not failed, and the time left."""

    def __init__(self, members: int, epochs: int, *, show: bool) -> None:
        self._bar = tqdm(
            total=members * epochs, unit="epoch", desc="train", disable=not show, mininterval=0.5
        )
        self._members = members
        self._last: dict[int, Report] = {}

    def __call__(self, report: Report) -> None:
        """Take note of how a block stands."""
        before = self._last.get(report.block)
        self._last[report.block] = report
        known = [x for x in self._last.values() if x.loss == x.loss]
        weight = sum(x.alive for x in known)
        dead = sum(x.members - x.alive for x in self._last.values())
        if weight:
            loss = sum(x.loss * x.alive for x in known) / weight
            self._bar.set_postfix_str(
                f"loss {loss:.4f}, alive {self._members - dead}/{self._members}", refresh=False
            )
        done = (report.epochs - (before.epochs if before else 0)) * report.members
        if report.resumed and not self._bar.disable:
            # Done in an earlier run, so it does not count into the speed.
            self._bar.initial += done
        self._bar.update(done)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()


def blocks_of(ids: range, lanes: int) -> list[int]:
    """Numbers of the blocks that hold these members: member `k` is in block ``k // lanes``."""
    return list(range(ids.start // lanes, (ids.stop - 1) // lanes + 1))


class Trainer:
    """Trains the blocks of a run, one after another.

    Parameters
    ----------
    net, options, lanes
        The network, the settings, and the members a block has room for.
    data, validation
        Folded samples.
    start
        Node name -> values (members, *shape) to start from; the others as the network says.
    parts
        Where the state of each block is kept, if anywhere.
    every
        Seconds between two writings of it (0: after every epoch).
    """

    def __init__(
        self,
        net: Any,
        options: Options,
        lanes: int,
        data: Samples,
        validation: Samples | None,
        *,
        start: Mapping[str, npt.NDArray[Any]],
        parts: Parts | None,
        every: float,
    ) -> None:
        self.options, self.lanes, self.data, self.validation = options, lanes, data, validation
        self.start, self.parts, self.every = start, parts, every
        own = options.batches == "own"
        self._compiled = options.compiled(net, lanes, own=own)
        self._shared = None if validation is None else options.compiled(net, lanes)
        rows = (lanes if own else 1) * options.batch_size
        self._rows = [
            torch.empty((rows, *x.shape[1:]), dtype=x.dtype) for x in data.features
        ]  # where a batch is gathered, reused at every step
        lead = (lanes, options.batch_size) if own else (options.batch_size,)
        self._batch = [x.view(*lead, *x.shape[1:]) for x in self._rows]

    def train(self, number: int, report: Callable[[Report], None]) -> Arrays:
        """Train block `number` to the end; parameters, fates and history of its members.

        Goes on from what is kept of it.  The arrays have one row for each member
        of the block that belongs to the run, in the order of their numbers.
        """
        options = self.options
        slots = range(number * self.lanes, (number + 1) * self.lanes)
        real = [k in options.ids for k in slots]
        first = next(k for k in slots if k in options.ids)
        members = [k if there else first for k, there in zip(slots, real, strict=True)]
        block = self._new_block(members, torch.tensor(real))
        history = {name: np.full((self.lanes, options.epochs), np.nan) for name in HISTORY}
        epoch = 0
        if self.parts is not None and number in self.parts:
            state = self.parts.read(number)
            epoch = int(state["epoch"])
            block.restore(state)
            for name in HISTORY:
                history[name][:] = state[_PREFIX + name]
            report(replace(_report(number, epoch, block, history), resumed=True))
        written = time.monotonic()
        while epoch < options.epochs:
            if bool(block.running.any()):
                self._epoch(block, members, epoch, history)
                epoch += 1
            else:
                epoch = options.epochs
            due = time.monotonic() - written >= self.every
            if self.parts is not None and (due or epoch == options.epochs):
                extra = {_PREFIX + name: x for name, x in history.items()}
                state = {**block.state(), **extra, "epoch": np.asarray(epoch)}
                self.parts.write(number, state)
                written = time.monotonic()
            report(_report(number, epoch, block, history))
        return _outcome(block, history, options, np.asarray(real))

    def _new_block(self, members: list[int], real: Tensor) -> Block:
        options = self.options
        dtype = getattr(torch, options.dtype)
        initial = self._compiled.initial(options.seed, members)
        rows = [k - options.member_offset for k in members]
        initial |= {name: torch.from_numpy(x[rows]) for name, x in self.start.items()}
        return Block(
            self._compiled,
            {name: tuple(shape) for name, shape in self._compiled.parameters.items()},
            {name: x.detach().to(dtype) for name, x in initial.items()},
            torch.tensor([options.rate(row) for row in rows], dtype=dtype),
            real,
            clip=options.clip,
            betas=options.betas,
            eps=options.eps,
            weight_decay=options.weight_decay,
        )

    def _epoch(
        self, block: Block, members: list[int], epoch: int, history: Mapping[str, Any]
    ) -> None:
        began = time.perf_counter()
        options, data = self.options, self.data
        own = options.batches == "own"
        chosen = epoch_batches(
            len(data.labels),
            options.batch_size,
            seed=options.seed,
            epoch=epoch,
            members=members if own else None,
        )
        labels = data.labels[chosen]
        if not own:
            labels = labels[:, None, :].expand(-1, self.lanes, -1)
        steps, total = len(chosen), options.epochs * len(chosen)
        losses, norms = torch.empty((2, steps, self.lanes), dtype=block.flat.dtype).unbind()
        running = block.running
        factor = schedule(options.schedule, epoch * steps, total)
        history["lr"][:, epoch] = (block.adam.lr[:, 0].double() * factor).numpy()
        for step, rows in enumerate(chosen.reshape(steps, -1)):
            for source, target in zip(data.features, self._rows, strict=True):
                torch.index_select(source, 0, rows, out=target)
            t = epoch * steps + step
            losses[step], norms[step] = block.step(
                self._batch, labels[step], t + 1, schedule(options.schedule, t, total), epoch
            )
        history["loss"][:, epoch] = losses.double().mean(0).numpy()
        history["gradient"][:, epoch] = norms.double().mean(0).numpy()
        held = self.validation if options.validates(epoch) else None
        if held is not None and self._shared is not None:
            logits = block_logits(self._shared, block.parameters, held.features)
            loss, right = measure(logits, held.labels)
            history["validation_loss"][:, epoch] = loss.numpy()
            history["validation_accuracy"][:, epoch] = right.numpy()
            if options.patience is not None:
                block.judge(loss, options.patience, epoch)
        # What a member did after it failed or stopped is not part of its history.
        over = (~running | ((block.failed >= 0) & (block.failed <= epoch))).numpy()
        for name in HISTORY:
            history[name][over, epoch] = np.nan
        share = (time.perf_counter() - began) / max(1, int(running.sum()))
        history["seconds"][running.numpy(), epoch] = share


def _report(number: int, epoch: int, block: Block, history: Mapping[str, Any]) -> Report:
    real = block.real.numpy()
    alive = real & (block.failed.numpy() < 0)
    done = history["loss"][alive]
    done = done[:, ~np.isnan(done).all(axis=0)] if done.size else done
    loss = float(np.nanmean(done[:, -1])) if done.size else float("nan")
    return Report(number, epoch, int(real.sum()), int(alive.sum()), loss)


def _outcome(block: Block, history: Mapping[str, Any], options: Options, real: Any) -> Arrays:
    final = block.outcome(options.patience is not None)
    return {
        "parameters": final.numpy()[real].copy(),
        "failed": block.failed.numpy()[real].copy(),
        "stopped": block.stopped.numpy()[real].copy(),
        **{_PREFIX + name: x[real].copy() for name, x in history.items()},
    }
