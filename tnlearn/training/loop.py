"""One block of members trained from where it stands to its last epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tnlearn.training.batches import epoch_batches
from tnlearn.training.checkpoint import read_block, write_block
from tnlearn.training.ensemble import Block
from tnlearn.training.evaluate import block_logits, measure
from tnlearn.training.optimiser import schedule
from tnlearn.training.options import Options

__all__ = ["HISTORY", "Interrupted", "Job", "Report", "Samples", "Trainer", "blocks_of"]

Tensor = torch.Tensor
Arrays = dict[str, npt.NDArray[Any]]

HISTORY = ("loss", "gradient", "lr", "seconds", "validation_loss", "validation_accuracy")
_PREFIX = "history/"


class Interrupted(Exception):
    """Another process of the same run has failed; this one leaves its work where it stands."""


@dataclass(frozen=True)
class Samples:
    """Folded features (samples, ...) and class labels (samples,)."""

    features: tuple[Tensor, ...]
    labels: Tensor


@dataclass(frozen=True)
class Job:
    """All that a process needs to train any block of a run."""

    net: Any
    options: Options
    lanes: int
    record: Any
    folder: Path | None
    checkpoint_every: float


@dataclass(frozen=True)
class Report:
    """How a block stands after an epoch: members, those still running, and their mean loss."""

    block: int
    epochs: int
    members: int
    alive: int
    loss: float
    resumed: bool = False


def blocks_of(ids: range, lanes: int) -> list[int]:
    """Numbers of the blocks that hold these members: member `k` is in block ``k // lanes``."""
    return list(range(ids.start // lanes, (ids.stop - 1) // lanes + 1))


class Trainer:
    """Trains blocks of one job, one after another, in this process."""

    def __init__(self, job: Job, data: Samples, validation: Samples | None) -> None:
        self.job, self.data, self.validation = job, data, validation
        options = job.options
        own = options.batches == "own"
        self._compiled = options.compiled(job.net, job.lanes, own=own)
        self._forward: Callable[..., Tensor] = self._compiled
        if options.compile:
            self._forward = torch.compile(self._compiled, dynamic=False)
        self._shared = None if validation is None else options.compiled(job.net, job.lanes)
        rows = (job.lanes if own else 1) * options.batch_size
        self._rows = [
            torch.empty((rows, *x.shape[1:]), dtype=x.dtype) for x in data.features
        ]  # where a batch is gathered, reused at every step
        lead = (job.lanes, options.batch_size) if own else (options.batch_size,)
        self._batch = [x.view(*lead, *x.shape[1:]) for x in self._rows]

    def train(self, number: int, tell: Callable[[Report], None]) -> Arrays:
        """Train block `number` to the end; parameters, fates and history of its members.

        Goes on from the checkpoint where there is one.  The arrays have one row for each member
        of the block that belongs to the run, in the order of their numbers.
        """
        job, options = self.job, self.job.options
        slots = range(number * job.lanes, (number + 1) * job.lanes)
        real = [k in options.ids for k in slots]
        first = next(k for k in slots if k in options.ids)
        members = [k if there else first for k, there in zip(slots, real, strict=True)]
        block = self._new_block(members, torch.tensor(real))
        history = {name: np.full((job.lanes, options.epochs), np.nan) for name in HISTORY}
        epoch = 0
        if job.folder is not None:
            found = read_block(job.folder, number, job.record)
            if found is not None:
                epoch, state = found
                block.restore({k: x for k, x in state.items() if not k.startswith(_PREFIX)})
                for name in HISTORY:
                    history[name][:] = state[_PREFIX + name]
                tell(replace(_report(number, epoch, block, history), resumed=True))
        written = time.monotonic()
        while epoch < options.epochs:
            if bool(block.running.any()):
                self._epoch(block, members, epoch, history)
                epoch += 1
            else:
                epoch = options.epochs
            due = time.monotonic() - written >= job.checkpoint_every
            if job.folder is not None and (due or epoch == options.epochs):
                extra = {_PREFIX + name: x for name, x in history.items()}
                write_block(job.folder, number, job.record, epoch, {**block.state(), **extra})
                written = time.monotonic()
            tell(_report(number, epoch, block, history))
        return _outcome(block, history, options, np.asarray(real))

    def _new_block(self, members: list[int], real: Tensor) -> Block:
        options = self.job.options
        dtype = getattr(torch, options.dtype)
        initial = self._compiled.initial(options.seed, members)
        start = options.member_offset
        return Block(
            self._forward,
            {name: tuple(shape) for name, shape in self._compiled.parameters.items()},
            {name: x.detach().to(dtype) for name, x in initial.items()},
            torch.tensor([options.rate(k - start) for k in members], dtype=dtype),
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
        options, data = self.job.options, self.data
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
            labels = labels[:, None, :].expand(-1, self.job.lanes, -1)
        steps, total = len(chosen), options.epochs * len(chosen)
        seen = torch.empty((2, steps, self.job.lanes), dtype=block.flat.dtype)
        losses, norms = seen.unbind()
        running = block.running
        factor = schedule(options.schedule, epoch * steps, total)
        history["lr"][:, epoch] = (block.adam.lr[:, 0].double() * factor).numpy()
        for step, rows in enumerate(chosen.reshape(steps, -1)):
            for source, target in zip(data.features, self._rows, strict=True):
                torch.index_select(source, 0, rows, out=target)
            t = epoch * steps + step
            loss, norm = block.step(
                self._batch, labels[step], t + 1, schedule(options.schedule, t, total), epoch
            )
            losses[step], norms[step] = loss, norm
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
