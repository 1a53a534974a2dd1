"""Where tasks are done: in this process, or in processes beside it (on other machines: `cluster`).

An executor is given a job and hands back what became of each task, in any order: its
result, None if a process of another run is at it, or the exception that ended it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from tqdm import tqdm

from tnlearn.errors import TnlearnError
from tnlearn.processes import end_with_parent, worker_surroundings
from tnlearn.studies.job import Job
from tnlearn.studies.results import Result, Task

__all__ = ["Executor", "InTurn", "Outcome", "Processes", "attempt", "portable", "settle_in"]

Outcome = Result | Exception | None

# A task that has killed this many workers is given up.
DEATHS = 2
_PATIENCE = 5.0  # seconds a worker has to end before it is killed


class Executor(Protocol):
    """Does tasks; closed when done with, so that nothing is left running."""

    def each(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Every task with what became of it, as it comes."""

    def close(self) -> None:
        """End whatever is running."""


class InTurn:
    """One task after another, in this process."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def each(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Every task with what became of it."""
        for task in tasks:
            yield task, attempt(self._job, task)

    def close(self) -> None:
        """Nothing is left running."""


class Processes:
    """Processes on this machine, one task at a time each.

    A worker that dies (killed, out of memory) takes nothing along but its task, which is begun
    again by another, after all the others; a task whose workers die twice is given up.
    """

    def __init__(self, job: Job, workers: int) -> None:
        self._job, self._workers = job, workers
        self._crew: dict[Connection[Any, Any], _Worker] = {}
        self._stillborn = 0

    def each(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Every task with what became of it, as it comes."""
        queue = deque(tasks)
        deaths: Counter[str] = Counter()
        while queue or any(worker.task for worker in self._crew.values()):
            self._hire(len(queue))
            for worker in self._crew.values():
                if queue and worker.idle:
                    worker.give(queue.popleft())
            for ready in wait(list(self._crew)):
                worker = self._crew[ready]  # type: ignore[index]
                task = worker.task
                try:
                    outcome = worker.take()
                except (EOFError, OSError):
                    del self._crew[worker.connection]
                    how = worker.bury()
                    self._check_born(worker, how)
                    if task is None:
                        continue
                    deaths[task.key] += 1
                    if deaths[task.key] < DEATHS:
                        queue.append(task)
                        continue
                    outcome = _gave_up(how)
                if task is not None:
                    yield task, outcome

    def close(self) -> None:
        """End the workers, also in the middle of a task."""
        for worker in self._crew.values():
            worker.dismiss()
        for worker in self._crew.values():
            worker.bury()
        self._crew.clear()

    def _hire(self, queued: int) -> None:
        free = sum(worker.task is None for worker in self._crew.values())
        while len(self._crew) < self._workers and free < queued:
            worker = _Worker(self._job)
            self._crew[worker.connection] = worker
            worker.start()
            free += 1

    def _check_born(self, worker: _Worker, how: str) -> None:
        self._stillborn += not worker.ready
        # One may have been killed; what ends by itself will do so again.
        if not worker.ready and (self._stillborn >= DEATHS or how.startswith("exit")):
            raise TnlearnError(
                f"a worker process ended before it began ({how}): memory is short, or the "
                "calling script lacks `if __name__ == '__main__':`"
            )


class _Worker:
    """A process, the connection to it, and the task it has."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, self._theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=_serve, args=(self._theirs, job))
        self.task: Task | None = None
        self.ready = False

    @property
    def idle(self) -> bool:
        """Whether it waits for a task."""
        return self.ready and self.task is None

    def start(self) -> None:
        """Start the process."""
        with worker_surroundings():
            self._process.start()
        self._theirs.close()  # so that the death of the process ends the connection

    def give(self, task: Task) -> None:
        """Hand it a task."""
        self.task = task
        # If it has died meanwhile, that shows when its answer is taken.
        with contextlib.suppress(OSError):
            self.connection.send(task)

    def take(self) -> Outcome:
        """Its answer; the first says only that it is there."""
        outcome: Outcome = self.connection.recv()
        self.ready, self.task = True, None
        return outcome

    def dismiss(self) -> None:
        """Tell it to go; if it is busy, make it go."""
        self.connection.close()
        if not self.idle and self._process.pid is not None:
            self._process.terminate()

    def bury(self) -> str:
        """Wait until the process has ended, and say how it did."""
        self.connection.close()
        self._theirs.close()
        if self._process.pid is None:
            return "not started"
        self._process.join(_PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        return _how(self._process.exitcode or 0)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def _gave_up(how: str) -> TnlearnError:
    return TnlearnError(
        f"its worker process died {DEATHS} times, last by {how}: killed, or out of memory. What "
        "was finished is kept: run the same command again, with fewer --workers if memory was short"
    )


def _serve(connection: Any, job: Job) -> None:
    """The life of a worker: say that it is there, then do one task after another."""
    end_with_parent()
    settle_in()
    connection.send(None)
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(portable(attempt(job, task)))


def settle_in() -> None:
    """What a worker process does before its first task."""
    # The lock that tqdm makes by itself is one of the system, which a worker that is killed
    # leaves behind, with a warning at the end of the run.
    tqdm.set_lock(threading.RLock())


def attempt(job: Callable[[Task], Result | None], task: Task) -> Outcome:
    """What becomes of a task: an exception is handed back, not raised."""
    try:
        return job(task)
    except Exception as error:
        return error


def portable(outcome: Outcome) -> Outcome:
    """The outcome as it can travel; an exception with where it was raised as a note."""
    if not isinstance(outcome, Exception):
        return outcome
    where = "".join(traceback.format_exception(outcome))
    try:
        again: Exception = pickle.loads(pickle.dumps(outcome))
    except Exception:
        again = RuntimeError(f"{type(outcome).__name__}: {outcome}")
    again.add_note(where)
    return again
