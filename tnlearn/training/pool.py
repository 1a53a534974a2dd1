"""Blocks shared out over worker processes, and the progress bar that watches them."""

from __future__ import annotations

import multiprocessing
import queue
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from tnlearn.errors import FileError, TnlearnError
from tnlearn.processes import end_with_parent
from tnlearn.training.loop import Arrays, Interrupted, Job, Report, Samples, Trainer

__all__ = ["Progress", "train_blocks"]

_worker: dict[str, Any] = {}


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


def train_blocks(
    job: Job,
    data: Samples,
    validation: Samples | None,
    tasks: Sequence[Sequence[int]],
    workers: int,
    tell: Callable[[Report], None],
) -> dict[int, Arrays]:
    """Train all blocks of all tasks; block number -> result (see `Trainer.train`).

    A task is a list of blocks that one process trains one after another.  With more than one
    worker, processes are spawned with one torch thread each; the folded features reach them
    through memory-mapped files.

    Raises
    ------
    TnlearnError
        If a worker process ends unexpectedly (out of memory, killed).
    FileError
        If the folder for temporary files has no room for the features.
    """
    if min(workers, len(tasks)) <= 1:
        trainer = Trainer(job, data, validation)
        return {block: trainer.train(block, tell) for task in tasks for block in task}
    with tempfile.TemporaryDirectory(prefix="tnlearn-") as folder:
        _store(Path(folder), "data", data)
        if validation is not None:
            _store(Path(folder), "validation", validation)
        return _run_pool(job, Path(folder), validation is not None, tasks, workers, tell)


def _store(folder: Path, name: str, samples: Samples) -> None:
    try:
        for i, x in enumerate((samples.labels, *samples.features)):
            np.save(folder / f"{name}-{i}.npy", x.numpy())
    except OSError as error:
        raise FileError(
            f"cannot hand the data to the workers through {folder}: {error.strerror or error}; "
            "make room, set TMPDIR to a larger folder, or use workers=1"
        ) from error


def _fetch(folder: Path, name: str) -> Samples:
    count = len(list(folder.glob(f"{name}-*.npy")))
    labels, *features = (
        # Copy-on-write: all processes read the same pages.
        torch.from_numpy(np.load(folder / f"{name}-{i}.npy", mmap_mode="c"))
        for i in range(count)
    )
    return Samples(tuple(features), labels)


def _run_pool(
    job: Job,
    folder: Path,
    validated: bool,
    tasks: Sequence[Sequence[int]],
    workers: int,
    tell: Callable[[Report], None],
) -> dict[int, Arrays]:
    context = multiprocessing.get_context("spawn")
    reports: Any = context.Queue()
    stop: Any = context.Event()
    executor = ProcessPoolExecutor(
        min(workers, len(tasks)),
        mp_context=context,
        initializer=_start_worker,
        initargs=(job, str(folder), validated, reports, stop),
    )
    results: dict[int, Arrays] = {}
    try:
        waiting: list[Future[dict[int, Arrays]]] = [executor.submit(_work, list(t)) for t in tasks]
        finished = threading.Event()
        for future in waiting:
            future.add_done_callback(lambda f: stop.set() if f.exception() else None)
        watcher = threading.Thread(target=_watch, args=(reports, finished, tell), daemon=True)
        watcher.start()
        try:
            failures = []
            for future in waiting:
                try:
                    results.update(future.result())
                except Interrupted:
                    continue
                except Exception as error:
                    failures.append(error)
                    stop.set()
            if failures:
                raise next((e for e in failures if isinstance(e, TnlearnError)), failures[0])
        finally:
            finished.set()
            watcher.join()
    except BrokenProcessPool as error:
        raise TnlearnError(
            "a worker process ended unexpectedly (out of memory, killed, or the calling script "
            "lacks `if __name__ == '__main__':`); with checkpoint= a new start goes on from there"
        ) from error
    finally:
        stop.set()
        executor.shutdown(wait=True, cancel_futures=True)
        reports.close()
        reports.join_thread()
    return results


def _watch(reports: Any, finished: threading.Event, tell: Callable[[Report], None]) -> None:
    while True:
        try:
            tell(reports.get(timeout=0.1))
        except queue.Empty:
            if finished.is_set():
                return


def _start_worker(job: Job, folder: str, validated: bool, reports: Any, stop: Any) -> None:
    end_with_parent()
    torch.set_num_threads(1)
    data = _fetch(Path(folder), "data")
    validation = _fetch(Path(folder), "validation") if validated else None
    _worker.update(trainer=Trainer(job, data, validation), reports=reports, stop=stop)


def _work(blocks: list[int]) -> dict[int, Arrays]:
    return {block: _worker["trainer"].train(block, _tell) for block in blocks}


def _tell(report: Report) -> None:
    if _worker["stop"].is_set():
        raise Interrupted
    _worker["reports"].put(report)
