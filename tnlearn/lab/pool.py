"""Items shared out over processes of this machine: one thread each, and none outlives its run.

Every process is a pool of one (`concurrent.futures`): where it dies, nothing but its item is lost.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from tqdm import tqdm

from tnlearn.errors import TnlearnError

__all__ = ["attempts", "carried", "in_processes", "worker_surroundings"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# An item that has killed this many processes is given up.
DEATHS = 2
THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

_work: Callable[[Any], Any]  # of a worker process


def in_processes(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Generator[tuple[Item, Result], None, None]:
    """Every item with ``work(item)``, in any order; close it to end the processes at once.

    Parameters
    ----------
    work
        A function of a module, or an object that can be pickled; it reaches a process once.
    items
        Taken as processes become free, so they may be many.
    workers
        Number of processes; with one, the work is done in this process.

    Raises
    ------
    TnlearnError
        If the processes of an item die twice (killed, out of memory), or cannot start.
    Exception
        What the work raises, at once.
    """
    with contextlib.closing(attempts(work, items, workers)) as outcomes:
        for item, outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            yield item, outcome


def attempts(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Generator[tuple[Item, Result | BaseException], None, None]:
    """As `in_processes`, but an item whose work fails comes with the error, and stops no other.

    An item whose process died is begun again after all others, and given up when it dies again.
    """
    if workers == 1:
        for item in items:
            yield item, _attempt(work, item)
        return
    fresh = ((item, 1) for item in items)
    again: deque[tuple[Item, int]] = deque()
    crew: list[_Worker] = []
    places: list[_Worker | None] = [None] * workers  # that are free; None before a process is there
    busy: dict[Future[Result], tuple[_Worker, Item, int]] = {}
    outcomes: list[tuple[Item, Result | BaseException]] = []
    try:
        while True:
            while places and (entry := next(fresh, None) or (again.popleft() if again else None)):
                worker = places.pop()
                if worker is None or not worker.alive:
                    crew.append(worker := _Worker(work))
                busy[worker.submit(entry[0])] = (worker, *entry)
            yield from outcomes
            if not busy:
                return
            outcomes = []
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                worker, item, trial = busy.pop(future)
                error = future.exception()
                if not isinstance(error, BrokenProcessPool):
                    places.append(worker)
                    outcomes.append((item, future.result() if error is None else error))
                    continue
                places.append(None)
                how = worker.end()
                _check_born(worker, how, sum(one.stillborn for one in crew))
                if trial < DEATHS:
                    again.append((item, trial + 1))
                else:
                    outcomes.append((item, _gave_up(how)))
    finally:
        for one in crew:
            one.kill()
        for one in crew:
            one.end()


def _check_born(worker: _Worker, how: str, stillborn: int) -> None:
    # One may have been killed while it started; what ends by itself will do so again.
    if worker.stillborn and (stillborn >= DEATHS or how.startswith("exit")):
        raise TnlearnError(
            f"a worker process ended before it began ({how}): memory is short, or the "
            "calling script lacks `if __name__ == '__main__':`"
        )


def _gave_up(how: str) -> TnlearnError:
    return TnlearnError(
        f"the worker process died {DEATHS} times, last by {how}: killed, or out of memory; try "
        "again, with fewer workers if memory was short"
    )


def carried(work: Callable[[Item], Result], item: Item) -> Result | Exception:
    """What becomes of an item where another process waits for it.

    An exception is handed back with the place where it was raised as a note; one that cannot be
    rebuilt on the other side is handed back in words.
    """
    # The lock that tqdm makes by itself is one of the system, which a worker that is killed
    # leaves behind, with a warning at the end of the run.
    tqdm.set_lock(threading.RLock())
    outcome = _attempt(work, item)
    if not isinstance(outcome, Exception):
        return outcome
    place = "".join(traceback.format_exception(outcome))
    try:
        error: Exception = pickle.loads(pickle.dumps(outcome))
    except Exception:
        error = RuntimeError(f"{type(outcome).__name__}: {outcome}")
    error.add_note(place)
    return error


def _attempt(work: Callable[[Item], Result], item: Item) -> Result | Exception:
    try:
        return work(item)
    except Exception as error:
        return error


class _Worker:
    """A process that does one item at a time; it starts with the first."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, spawn, initializer=_begin, initargs=(work,))
        self._hello: Future[int] | None = None
        self._process: Any = None

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.is_alive()

    @property
    def stillborn(self) -> bool:
        """Whether the process has ended before it was ready to work."""
        return self._hello is not None and self._hello.done() and bool(self._hello.exception())

    def submit(self, item: Any) -> Future[Any]:
        """Hand it an item."""
        with worker_surroundings():
            if self._hello is None:
                self._hello = self._pool.submit(os.getpid)
                # To kill a pool is public from Python 3.14 on only.
                (self._process,) = self._pool._processes.values()
            return self._pool.submit(_do, item)

    def kill(self) -> None:
        """Make the process end, also in the middle of an item."""
        if self._process is not None:
            self._process.kill()

    def end(self) -> str:
        """Wait until a process that was killed or died is gone; how it ended."""
        self._pool.shutdown()
        code = 0 if self._process is None else self._process.exitcode
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
        return f"exit status {code}" if code >= 0 else f"signal {-code}"


def _begin(work: Callable[[Any], Any]) -> None:
    """What a worker process does before its first item."""
    global _work
    _work = work
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A parent that was killed cannot say so: without this its workers would stay for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(item: Any) -> Any:
    return carried(_work, item)


@contextlib.contextmanager
def worker_surroundings() -> Iterator[None]:
    """Surroundings in which to start a worker: it inherits them.

    The number of threads is set to one where the user has not set it: the libraries read it
    when they are loaded.  Ctrl-C, which the terminal sends to workers too, is left to the parent:
    it ends its workers itself, and they do not fill the screen with their tracebacks.
    """
    added = {name: "1" for name in THREAD_SETTINGS if name not in os.environ}
    os.environ.update(added)
    masked = None
    if hasattr(signal, "pthread_sigmask"):
        from multiprocessing import resource_tracker

        # It is started with the first worker, and then opens the mask again.
        resource_tracker.ensure_running()
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
        if masked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)
