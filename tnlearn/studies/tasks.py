"""Independent, idempotent tasks, keyed by a hash of their configuration, done here or elsewhere.

The result of a task is one JSON file, written atomically.  Running a list of
tasks again does what is missing, whatever ended the last run.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from tnlearn.errors import CheckpointError, ConfigError, FileError, MemoryLimitError, TnlearnError
from tnlearn.files import sweep
from tnlearn.studies.executors import Executor, InTurn, Processes
from tnlearn.studies.job import Job, Work
from tnlearn.studies.results import (
    Result,
    Task,
    find,
    jsonable,
    keep,
    path_of,
    read_json,
    write_json,
)

__all__ = ["Result", "Task", "Work", "jsonable", "read_json", "run_tasks", "write_json"]

# So many tasks may fail before the rest is not tried any more.
FAILURES = 3
_PAUSE = (0.1, 5.0)  # seconds between two looks at what another run is doing: first, longest


def run_tasks(
    tasks: Sequence[Task],
    folder: Path,
    work: Work,
    *,
    workers: int,
    scheduler: str | None = None,
    part: tuple[int, int] | None = None,
    progress: bool = True,
) -> dict[str, Result]:
    """Do the tasks that have no result yet; return all results by key.

    Several runs may share a folder, at once or one after another: each task is done by one of
    them, and all of them return its result.  A result that is damaged is made again.

    Parameters
    ----------
    tasks
        In any order; heavy ones are begun first.
    folder
        Where results are kept, one file a task.
    work
        A module-level function ``work(task, folder) -> result``.  It runs on one thread of
        torch; what it writes must be written atomically, as it may be killed and begun again.
    workers
        Number of processes on this machine; with one, the work is done in this process.
    scheduler
        Instead of processes of this machine, the workers of a dask.distributed scheduler: its
        address (``"tcp://10.0.0.1:8786"``), the path of its scheduler file, or ``"local"`` for a
        cluster of `workers` on this machine.  A worker that does not see `folder` keeps what the
        work writes beside its result to itself.
    part
        ``(i, n)``: only the i-th of n shares, i from 1.  What is returned then are the results
        that are there when the share is done, those of other shares among them.
    progress
        Whether to show a bar, and what fails, on stderr.

    Raises
    ------
    ConfigError
        If an argument is out of range, or the scheduler cannot be used as it is: dask is not
        installed, or the versions differ.
    FileError
        If the folder cannot be used, or has no room for a result.
    TnlearnError
        Of a task that failed, its title in the message.  The others are done all the same,
        unless three fail.  Also if the workers of a task die again and again, if the scheduler
        cannot be reached within 30 seconds or is lost.  What was finished is kept in all cases.
    """
    _check(workers, part)
    folder = _usable(folder)
    ordered = _ordered(tasks)
    mine = ordered if part is None else ordered[part[0] - 1 :: part[1]]
    results: dict[str, Result] = {}
    left = list(_missing(folder, mine, results))
    bar = tqdm(
        total=len(mine), initial=len(results), unit="task", disable=not progress, dynamic_ncols=True
    )
    with contextlib.closing(bar):
        damaged = sum(os.path.lexists(path_of(folder, task)) for task in left)
        if damaged and progress:
            bar.write(f"{damaged} damaged results are made again", file=sys.stderr)
        if left:
            job = Job(work, folder)
            with contextlib.closing(_executor(job, workers, scheduler, len(left))) as executor:
                _do(left, executor, folder, results, bar)
    others = [task for task in ordered if task.key not in results]
    for _ in _missing(folder, others, results):
        pass
    return {task.key: results[task.key] for task in tasks if task.key in results}


def _check(workers: int, part: tuple[int, int] | None) -> None:
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, not {workers}")
    if part is not None and not 1 <= part[0] <= part[1]:
        raise ConfigError(
            f"a part is (i, n), the i-th of n shares with i from 1 to n, not {tuple(part)}"
        )


def _usable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make {folder}: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK):
        raise FileError(f"cannot write to {folder}; give a folder that is writable")
    sweep(folder)
    return folder.absolute()


def _ordered(tasks: Sequence[Task]) -> list[Task]:
    """Every task once, heavy ones first."""
    found: dict[str, Task] = {}
    for task in sorted(tasks, key=lambda task: -task.weight):
        found.setdefault(task.key, task)
    return list(found.values())


def _missing(folder: Path, tasks: Sequence[Task], results: dict[str, Result]) -> Iterator[Task]:
    """The tasks without a result; the results of the others are put among `results`."""
    for task in tasks:
        found = find(folder, task)
        if found is None:
            yield task
        else:
            results[task.key] = found


def _executor(job: Job, workers: int, scheduler: str | None, tasks: int) -> Executor:
    if scheduler is not None:
        from tnlearn.studies.cluster import Cluster

        return Cluster(job, scheduler, workers)
    workers = min(workers, tasks)
    return InTurn(job) if workers == 1 else Processes(job, workers)


def _do(
    tasks: Sequence[Task], executor: Executor, folder: Path, results: dict[str, Result], bar: tqdm
) -> None:
    """Do tasks until each has a result or has failed."""
    failures: list[tuple[Task, TnlearnError]] = []
    pause, left = _PAUSE[0], list(tasks)
    while left:
        elsewhere: list[Task] = []
        for task, outcome in executor.each(left):
            if outcome is None:
                elsewhere.append(task)
            elif isinstance(outcome, Exception):
                failures.append((task, _named(task, outcome)))
                if len(failures) == FAILURES:
                    raise _summed(failures)
                if not bar.disable:
                    bar.write(f"failed, the others go on: {failures[-1][1]}", file=sys.stderr)
            else:
                if find(folder, task) is None:
                    keep(folder, task, outcome)
                results[task.key] = outcome
                bar.set_postfix_str(task.title, refresh=False)
                bar.update()
        if elsewhere:
            # Another run is at them, or a worker of a run that was killed.
            bar.set_postfix_str(f"waiting for {elsewhere[0].title}, which another process does")
            time.sleep(pause)
            pause = min(2 * pause, _PAUSE[1])
        left = list(_missing(folder, elsewhere, results))
        bar.update(len(elsewhere) - len(left))
    if failures:
        raise _summed(failures)


def _named(task: Task, error: Exception) -> TnlearnError:
    """The error of a task with its title; raised here and now if going on makes no sense."""
    said = f"{task.title}: {error}"
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        said = f"{said}; run the same command again with fewer --workers"
        named: TnlearnError = MemoryLimitError(said)
    elif isinstance(error, TnlearnError):
        named = type(error)(said)
    elif isinstance(error, OSError):
        named = FileError(said)
    else:
        error.add_note(f"in the task {task.title!r}")
        raise error
    named.__cause__ = error
    # Without room for files, every task fails; a damaged checkpoint is one task's.
    if isinstance(named, FileError) and not isinstance(named, CheckpointError):
        raise named
    return named


def _summed(failures: Sequence[tuple[Task, TnlearnError]]) -> TnlearnError:
    (_, first), *more = failures
    if not more:
        return first
    titles = ", ".join(task.title for task, _ in more)
    both = type(first)(f"{first}; and {len(more)} more failed: {titles}")
    both.__cause__ = first.__cause__
    return both
