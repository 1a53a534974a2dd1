"""Independent, idempotent tasks, done where their tables are missing.

Running a list of tasks again does what is missing, whatever ended the last run.

    tasks = [Task({"network": "quartic", "size": size}, {"seed": 1}) for size in (100, 1000)]
    tables = run_tasks(tasks, Path("out/tasks"), work, workers=2)    # work(task, folder) -> table
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from tnlearn.errors import CheckpointError, ConfigError, FileError, MemoryLimitError, TnlearnError
from tnlearn.files import make_folder, sweep
from tnlearn.lab.cluster import cluster
from tnlearn.lab.job import Attempts, Job, Task, Work, done, path_of
from tnlearn.lab.pool import attempts
from tnlearn.lab.results import table_of

__all__ = ["run_tasks"]

# So many tasks may fail before the rest is not tried any more.
FAILURES = 3


def run_tasks(
    tasks: Sequence[Task],
    folder: Path,
    work: Work,
    *,
    workers: int,
    scheduler: str | None = None,
    part: tuple[int, int] | None = None,
    progress: bool = True,
) -> dict[str, pd.DataFrame]:
    """Do the tasks that have no table yet; return all tables by key.

    Several runs may share a folder, at once or one after another: each task is done by one of
    them, and all of them return its table.  A file that is damaged is made again.  A table is
    the same whether it was just made or read: NaN and infinity are NaN, arrays in cells lists.

    Parameters
    ----------
    tasks
        In any order; heavy ones are begun first.
    folder
        Where tables are kept, one file a task.
    work
        ``work(task, folder) -> table``, a function of a module or an object that can be pickled.
        It runs on one thread of torch and BLAS; what it writes must be written whole, as it may
        be killed and begun again.
    workers
        Number of processes on this machine; with one, the work is done in this process.
    scheduler
        Instead of processes of this machine, the workers of a dask.distributed scheduler: its
        address (``"tcp://10.0.0.1:8786"``), the path of its scheduler file, or ``"local"`` for a
        cluster of `workers` on this machine.  They must see `folder`.
    part
        ``(i, n)``: only the i-th of n shares, i from 1.  What is returned then are the tables
        that are there when the share is done, those of other shares among them.
    progress
        Whether to show a bar, and what fails, on stderr.

    Raises
    ------
    ConfigError
        If an argument is out of range, or the scheduler cannot be used as it is: dask is not
        installed, the versions differ, a worker does not see the folder.
    FileError
        If the folder cannot be used, or has no room for a table.
    TnlearnError
        Of a task that failed, its title in the message.  The others are done all the same,
        unless three fail.  Also if the workers of a task die again and again, if the scheduler
        cannot be reached within 30 seconds or is lost.  What was finished is kept in all cases.
    """
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, not {workers}")
    first, shares = part or (1, 1)
    if not 1 <= first <= shares:
        raise ConfigError(
            f"a part is (i, n), the i-th of n shares with i from 1 to n, not {(first, shares)}"
        )
    folder = _usable(folder)
    ordered = sorted({task.key: task for task in tasks}.values(), key=lambda task: -task.weight)
    share = ordered[first - 1 :: shares]
    tables: dict[str, pd.DataFrame] = {}
    left = _missing(folder, share, tables)
    damaged = sum(os.path.lexists(path_of(folder, task)) for task in left)
    bar = tqdm(
        total=len(share), initial=len(tables), unit="task", disable=not progress, dynamic_ncols=True
    )
    with contextlib.closing(bar):
        if damaged and progress:
            bar.write(f"{damaged} damaged results are made again", file=sys.stderr)
        if left:
            with _somewhere(workers, scheduler, folder) as each:
                _do(left, each, Job(work, folder), tables, bar)
    _missing(folder, [task for task in ordered if task.key not in tables], tables)
    return {task.key: tables[task.key] for task in tasks if task.key in tables}


def _usable(folder: Path) -> Path:
    if not os.access(make_folder(folder), os.W_OK):
        raise FileError(f"cannot write to {folder}; give a folder that is writable")
    sweep(folder)
    return folder.absolute()


def _missing(folder: Path, tasks: Sequence[Task], tables: dict[str, pd.DataFrame]) -> list[Task]:
    """The tasks without a table; the tables of the others are put among `tables`."""
    kept = {task.key: done(folder, task) for task in tasks}
    tables |= {key: table for key, table in kept.items() if table is not None}
    return [task for task in tasks if task.key not in tables]


@contextlib.contextmanager
def _somewhere(workers: int, scheduler: str | None, folder: Path) -> Iterator[Attempts]:
    if scheduler is None:
        yield lambda job, tasks: attempts(job, tasks, min(workers, len(tasks)))
    else:
        with cluster(scheduler, workers, folder) as each:
            yield each


def _do(
    tasks: Sequence[Task], each: Attempts, job: Job, tables: dict[str, pd.DataFrame], bar: tqdm
) -> None:
    """Do tasks until each has a table or has failed; last those that another run is at."""
    failures: list[tuple[Task, TnlearnError]] = []
    while tasks:
        elsewhere: list[Task] = []
        with contextlib.closing(each(job, tasks)) as outcomes:
            for task, outcome in outcomes:
                if outcome is None:
                    elsewhere.append(task)
                elif isinstance(outcome, BaseException):
                    failures.append((task, _named(task, outcome)))
                    if len(failures) == FAILURES:
                        raise _summed(failures)
                    if not bar.disable:
                        bar.write(f"failed, the others go on: {failures[-1][1]}", file=sys.stderr)
                else:
                    tables[task.key] = table_of(outcome)
                    bar.set_postfix_str(task.title, refresh=False)
                    bar.update()
        if elsewhere:
            bar.set_postfix_str(f"waiting for {elsewhere[0].title}, which another process does")
        tasks, job = elsewhere, replace(job, patient=True)
    if failures:
        raise _summed(failures)


def _named(task: Task, error: BaseException) -> TnlearnError:
    """The error of a task with its title; raised here and now if going on makes no sense."""
    words = f"{task.title}: {error}"
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        words = f"{words}; run the same command again with fewer --workers"
        named: TnlearnError = MemoryLimitError(words)
    elif isinstance(error, TnlearnError):
        named = type(error)(words)
    elif isinstance(error, OSError):
        named = FileError(words)
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
