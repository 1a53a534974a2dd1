"""Blocks of a phase diagram shared out over processes, results as they come."""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from tnlearn.errors import TnlearnError
from tnlearn.processes import end_with_parent
from tnlearn.studies.phase_points import Counts, Task, evaluate

__all__ = ["each"]

# Tasks handed out ahead, per process: enough that none waits, few enough to stop soon.
_AHEAD = 4


def each(tasks: Iterator[Task], workers: int) -> Generator[tuple[int, Counts], None, None]:
    """Number and result of every task, in any order.

    With one worker the work is done in this process.  Raises `TnlearnError` if a
    worker process dies.
    """
    if workers <= 1:
        for task in tasks:
            yield task.number, evaluate(task)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent)
    try:
        waiting: dict[Future[Counts], int] = {}
        while True:
            for task in itertools.islice(tasks, _AHEAD * workers - len(waiting)):
                waiting[pool.submit(evaluate, task)] = task.number
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()
    except BrokenProcessPool as error:
        raise TnlearnError(
            "a worker process ended unexpectedly (killed, out of memory, or the calling script "
            "lacks `if __name__ == '__main__':`); with checkpoint= the same call goes on from "
            "what was done"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
