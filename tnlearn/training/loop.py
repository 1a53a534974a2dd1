"""A run of training: epochs of batches, validation, early stopping, and what is kept of it.

Every epoch goes through the samples in a fresh random order, cut into batches of one size.  The
``samples % batch_size`` left over at the end of an epoch are not used in it (others are left over
in the next), so that every step of every member weighs the same number of samples.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tnlearn.archive import Parts
from tnlearn.progress import tqdm
from tnlearn.training.ensemble import Batches, Learner, outputs_of, split
from tnlearn.training.losses import measure
from tnlearn.training.optimiser import schedule
from tnlearn.training.run import Run

__all__ = ["HISTORY", "Block", "Epoch", "Progress", "Trainer", "sample_order"]

Tensor = torch.Tensor
Array = npt.NDArray[Any]
Arrays = dict[str, Array]
Ints = npt.NDArray[np.int64]

HISTORY = ("loss", "gradient", "lr", "seconds", "validation_loss", "validation_accuracy")
_PREFIX = "history/"
_ORDER = 1  # stream numbers below the seed; 0 is left to initial values
_SHARED = 2
_LAYERS = 3
BLOCK = 16  # members that are kept in one file while they are trained


def sample_order(
    samples: int, *, seed: int, epoch: int, member: int | None
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A permutation of ``range(samples)`` for one member (None: the one all members share)."""
    key = (_SHARED, epoch) if member is None else (_ORDER, member, epoch)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    return rng.permutation(samples)


@dataclass(frozen=True)
class Epoch:
    """What a callback is called with after every epoch of a block of members.

    Attributes
    ----------
    members : range
        Numbers of the members of the block.
    number : int
        Epochs done.
    history : dict of (members, epochs) arrays
        As in `Fitted.history`; NaN in the epochs to come.
    alive : bool array (members,)
        Who has not failed.
    parameters : function
        ``epoch.parameters()`` gives node name -> values (members, *shape).
    resumed : bool
        Whether the block was read from a checkpoint just now.
    """

    members: range
    number: int
    history: Mapping[str, Array]
    alive: npt.NDArray[np.bool_]
    parameters: Callable[[], dict[str, Array]]
    resumed: bool = False


class Progress:
    """A bar in member epochs with the mean loss, the members not failed, and the time left."""

    def __init__(self, members: int, epochs: int, *, show: bool) -> None:
        self._bar = tqdm(
            total=members * epochs, unit="epoch", desc="train", disable=not show, mininterval=0.5
        )
        self._members = members
        self._last: dict[int, tuple[int, int, int, float]] = {}

    def __call__(self, epoch: Epoch) -> None:
        """Take note of how a block stands."""
        block, count, alive = epoch.members.start, len(epoch.members), int(epoch.alive.sum())
        before = self._last.get(block, (0, 0, 0, 0.0))[0]
        seen = epoch.history["loss"][epoch.alive]
        last = seen[:, ~np.isnan(seen).all(axis=0)][:, -1:] if alive else seen[:, :0]
        loss = float(np.nanmean(last)) if last.size else math.nan
        self._last[block] = (epoch.number, count, alive, loss)
        known = [(a, x) for _, _, a, x in self._last.values() if x == x]
        dead = sum(n - a for _, n, a, _ in self._last.values())
        if known:
            mean = sum(a * x for a, x in known) / sum(a for a, _ in known)
            self._bar.set_postfix_str(
                f"loss {mean:.4f}, alive {self._members - dead}/{self._members}", refresh=False
            )
        done = (epoch.number - before) * count
        if epoch.resumed and not self._bar.disable:
            # Done in an earlier run, so it does not count into the speed.
            self._bar.initial += done
        self._bar.update(done)

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()


class Block:
    """Learners trained side by side, and what has become of each of their members.

    Attributes
    ----------
    failed, stopped : int arrays (members,)
        Epoch (from 0) in which a member's loss or gradient stopped being finite, or in which it
        was stopped; -1 where that has not happened.
    best, best_loss, wait : arrays
        Parameters (members, P) of the lowest validation loss so far, that loss, and the epochs
        since.
    """

    def __init__(self, learners: Sequence[Learner]) -> None:
        self.learners = learners
        self.best = self.flat
        count = len(self.best)
        self.best_loss = np.full(count, math.inf)
        self.wait = np.zeros(count, dtype=np.int64)
        self.failed = np.full(count, -1, dtype=np.int64)
        self.stopped = self.failed.copy()

    @property
    def flat(self) -> Array:
        """The parameters of all members, (members, P), a copy."""
        return np.concatenate([x.flat for x in self.learners])

    @property
    def running(self) -> npt.NDArray[np.bool_]:
        """Members still being trained, (members,): those that have neither failed nor stopped."""
        return (self.failed < 0) & (self.stopped < 0)

    def buffers(self) -> Arrays:
        """Node name with ``buffers/`` before it -> values (members, …) that are not trained."""
        of_all = [_buffers(learner) for learner in self.learners]
        return {
            f"buffers/{name}": np.concatenate([x[name].cpu().numpy() for x in of_all])
            for name in of_all[0]
        }

    def places(self) -> Iterator[tuple[Learner, slice]]:
        """Each learner and the rows of its members."""
        start = 0
        for learner in self.learners:
            rows = slice(start, start + len(learner.flat))
            yield learner, rows
            start = rows.stop

    def judge(self, loss: Array, patience: int, epoch: int) -> None:
        """Early stopping: note the best parameters by validation loss, (members,).

        A running member stops when its loss has not fallen for `patience` epochs in a row.
        """
        running = self.running
        better = running & (loss < self.best_loss)
        self.best[better] = self.flat[better]
        self.best_loss = np.where(better, loss, self.best_loss)
        self.wait = np.where(better, 0, self.wait + 1)
        self.stopped = np.where(running & (self.wait >= patience), epoch, self.stopped)

    def outcome(self, keep_best: bool) -> Array:
        """Final parameters (members, P): the last ones, or the best where `keep_best` has any."""
        if not keep_best:
            return self.flat
        return np.where(np.isfinite(self.best_loss)[:, None], self.best, self.flat)

    def state(self) -> Arrays:
        """Everything that training goes on from."""
        fates = {name: getattr(self, name) for name in _FATES}
        parts = {
            f"{k}/{name}": x
            for k, learner in enumerate(self.learners)
            for name, x in learner.state().items()
        }
        return {**fates, **parts}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Set everything back to a `state`."""
        for name in _FATES:
            setattr(self, name, state[name].copy())
        for k, learner in enumerate(self.learners):
            start = f"{k}/"
            learner.restore(
                {n.removeprefix(start): x for n, x in state.items() if n.startswith(start)}
            )


def _buffers(learner: Learner) -> dict[str, Tensor]:
    return getattr(learner, "buffers", {})


_FATES = ("best", "best_loss", "wait", "failed", "stopped")


class Trainer:
    """Trains the blocks of a run, one after another.

    Parameters
    ----------
    run
        Network, data and learners.
    callbacks
        Called with an `Epoch` after every epoch; one that returns True stops the block's members.
    parts
        Where the state of each block is kept, if anywhere.
    every
        Seconds between two writings of it (0: after every epoch).
    """

    def __init__(
        self,
        run: Run,
        *,
        callbacks: Sequence[Callable[[Epoch], Any]],
        parts: Parts | None,
        every: float,
    ) -> None:
        self.run, self.options, self.callbacks = run, run.options, callbacks
        self.parts, self.every = parts, every
        threads = run.options.threads
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def blocks(self) -> list[range]:
        """The members of each block, by their places in the run."""
        size = max(BLOCK, self.options.stack)
        count = self.options.members
        return [range(k, min(k + size, count)) for k in range(0, count, size)]

    def train(self, number: int, rows: range) -> Arrays:
        """Train block `number` to the end; parameters, fates and history of its members.

        Goes on from what is kept of it.
        """
        options, stack = self.options, self.options.stack
        groups = [rows[k : k + stack] for k in range(0, len(rows), stack)]
        block = Block([self.run.learner(group) for group in groups])
        history = {name: np.full((len(rows), options.epochs), np.nan) for name in HISTORY}
        epoch = 0
        if self.parts is not None and number in self.parts:
            state = self.parts.read(number)
            epoch = int(state["epoch"])
            block.restore(state)
            for name in HISTORY:
                history[name][:] = state[_PREFIX + name]
            self._report(block, rows, epoch, history, trained=False, resumed=True)
        written = time.monotonic()
        while epoch < options.epochs:
            trained = bool(block.running.any())
            if trained:
                self._epoch(block, groups, epoch, history)
            epoch = epoch + 1 if trained else options.epochs
            if self._report(block, rows, epoch, history, trained=trained):
                block.stopped = np.where(block.running, epoch - 1, block.stopped)
            due = time.monotonic() - written >= self.every
            if self.parts is not None and (due or epoch == options.epochs):
                kept = {_PREFIX + name: x for name, x in history.items()}
                self.parts.write(number, {**block.state(), **kept, "epoch": np.asarray(epoch)})
                written = time.monotonic()
        return {
            "parameters": block.outcome(options.patience is not None),
            "failed": block.failed,
            "stopped": block.stopped,
            **block.buffers(),
            **{_PREFIX + name: x for name, x in history.items()},
        }

    def _report(
        self,
        block: Block,
        rows: range,
        epoch: int,
        history: Mapping[str, Array],
        *,
        trained: bool,
        resumed: bool = False,
    ) -> bool:
        """Call the callbacks (only the bar if nothing was trained); whether one wants to stop."""
        ids = self.options.ids[rows.start : rows.stop]

        def parameters() -> dict[str, Array]:
            views = split(torch.from_numpy(block.flat), self.run.answering.parameters)
            return {name: x.numpy() for name, x in views.items()}

        event = Epoch(ids, epoch, history, block.failed < 0, parameters, resumed)
        listening = [x for x in self.callbacks if trained or isinstance(x, Progress)]
        wishes = [callback(event) for callback in listening]
        return any(wish is True for wish in wishes)

    def _epoch(
        self, block: Block, groups: Sequence[range], epoch: int, history: Mapping[str, Array]
    ) -> None:
        began = time.perf_counter()
        options, running = self.options, block.running
        places = [(*pair, group) for pair, group in zip(block.places(), groups, strict=True)]

        def work(place: tuple[Learner, slice, range]) -> None:
            learner, rows, group = place
            if not running[rows].any():
                return
            batches = self._batches(group, epoch)
            losses, norms, over = learner.epoch(batches, running[rows])
            history["loss"][rows, epoch] = losses.mean(0)
            history["gradient"][rows, epoch] = norms.mean(0)
            history["lr"][rows, epoch] = learner.rates * batches.factors[0]
            block.failed[rows] = np.where(over, epoch, block.failed[rows])
            if options.validates(epoch):
                self._validate(learner, rows, epoch, history)

        list((map if self.pool is None else self.pool.map)(work, places))
        if options.patience is not None:
            block.judge(history["validation_loss"][:, epoch], options.patience, epoch)
        # What a member did after it failed or stopped is not part of its history.
        over = ~running | ((block.failed >= 0) & (block.failed <= epoch))
        for name in HISTORY:
            history[name][over, epoch] = np.nan
        history["seconds"][running, epoch] = (time.perf_counter() - began) / running.sum()

    def _batches(self, group: range, epoch: int) -> Batches:
        """The steps of an epoch for some members."""
        options, samples = self.options, self.run.samples(group, epoch)
        count = len(samples.labels) // (len(group) if samples.each else 1)
        steps = count // options.batch_size
        shared = options.batches == "shared"
        ids: list[int | None] = [None] if shared else [options.ids[k] for k in group]
        rows = np.stack(
            [
                sample_order(count, seed=options.seed, epoch=epoch, member=k)[
                    : steps * options.batch_size
                ].reshape(steps, -1)
                for k in ids
            ],
            axis=1,
        )
        if samples.each:  # the samples of each member, one after the other
            rows = rows + np.arange(len(group))[None, :, None] * count
        elif shared and options.stack > 1:
            rows = rows[:, 0]
        first, total = epoch * steps, options.epochs * steps
        factors = [schedule(options.schedule, first + s, total) for s in range(steps)]
        word = np.random.SeedSequence(
            options.seed, spawn_key=(_LAYERS, options.ids[group.start], epoch)
        ).generate_state(1)
        return Batches(samples.features, samples.labels, rows, first, factors, int(word[0]))

    def _validate(
        self, learner: Learner, rows: slice, epoch: int, history: Mapping[str, Array]
    ) -> None:
        if self.run.validation is None:
            return
        values = torch.from_numpy(learner.flat).to(self.options.device)
        for k, flat in zip(range(rows.start, rows.stop), values, strict=True):
            parameters = split(flat[None], self.run.answering.parameters)
            at = slice(k - rows.start, k - rows.start + 1)
            parameters |= {name: x[at] for name, x in _buffers(learner).items()}
            outputs = outputs_of(self.run.answering, parameters, self.run.validation.features)[0]
            loss, right = measure(self.run.loss, outputs, self.run.validation.labels)
            history["validation_loss"][k, epoch] = loss
            history["validation_accuracy"][k, epoch] = right
