"""Items shared out over processes of this machine: one thread each, and none outlives its run.

Where a process dies, nothing but its item is lost.
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
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from tqdm import tqdm

from tnlearn.errors import TnlearnError

__all__ = ["attempts", "carried", "in_processes", "worker_surroundings"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# An item that has killed this many processes is given up.
DEATHS = 2
THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


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
        yield from ((item, _attempt(work, item)) for item in items)
        return
    fresh = ((item, 1) for item in items)
    again: deque[tuple[Item, int]] = deque()
    crew: list[_Worker] = []
    places: list[_Worker | None] = [None] * workers  # that are free; None before a process is there
    busy: dict[Connection, tuple[_Worker, Item, int]] = {}
    outcomes: list[tuple[Item, Result | BaseException]] = []
    try:
        while True:
            while places and (entry := next(fresh, None) or (again.popleft() if again else None)):
                worker = places.pop()
                if worker is None or not worker.process.is_alive():
                    crew.append(worker := _Worker(work))
                busy[worker.pipe] = (worker, *entry)
                worker.give(entry[0])
            yield from outcomes
            if not busy:
                return
            outcomes = []
            for pipe in wait(list(busy)):
                worker, item, trial = busy[pipe]  # type: ignore[index]
                try:
                    outcome = worker.pipe.recv()
                except (EOFError, OSError):  # it died
                    how = worker.end()
                    _check_born(worker, how, sum(not one.born for one in crew))
                    if trial < DEATHS:
                        again.append((item, trial + 1))
                    else:
                        outcomes.append((item, _gave_up(how)))
                    places.append(None)
                else:
                    if not worker.born:
                        worker.born = True
                        continue
                    outcomes.append((item, outcome))
                    places.append(worker)
                del busy[worker.pipe]
    finally:
        for one in crew:
            one.process.kill()
        for one in crew:
            one.end()


def _check_born(worker: _Worker, how: str, stillborn: int) -> None:
    # One may have been killed while it started; what ends by itself will do so again.
    if not worker.born and (stillborn >= DEATHS or how.startswith("exit")):
        raise TnlearnError(
            f"a worker process ended before it began ({how}): memory is short, or the "
            "calling script lacks `if __name__ == '__main__':`"
        ) from None


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
    """A process that does one item at a time; its first word is that it is there."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_serve, args=(work, theirs), daemon=True)
        self.born = False
        with worker_surroundings():
            self.process.start()
        theirs.close()

    def give(self, item: Any) -> None:
        """Hand it an item."""
        with contextlib.suppress(BrokenPipeError):  # it died: its pipe will say so
            self.pipe.send(item)

    def end(self) -> str:
        """Wait until a process that was killed or died is gone; how it ended."""
        self.process.join()
        self.pipe.close()
        code = self.process.exitcode or 0
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
        return f"exit status {code}" if code >= 0 else f"signal {-code}"


def _serve(work: Callable[[Any], Any], pipe: Connection) -> None:
    """What a worker process does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pipe.send(None)
    with contextlib.suppress(EOFError):
        while True:
            pipe.send(carried(work, pipe.recv()))


def _end_with_parent() -> None:
    # A parent that was killed cannot say so: without this its workers would stay for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


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
