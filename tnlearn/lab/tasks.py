"""Independent, idempotent tasks, named by a hash of what decides their result, done where missing.

The result of a task is a table, kept as one JSON file that is written whole and checked when it
is read.  Running a list of tasks again does what is missing, whatever ended the last run.

    tasks = [Task({"network": "quartic", "size": size}, {"seed": 1}) for size in (100, 1000)]
    tables = run_tasks(tasks, Path("out/tasks"), work, workers=2)    # work(task, folder) -> table
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from tnlearn.errors import CheckpointError, ConfigError, FileError, MemoryLimitError, TnlearnError
from tnlearn.files import claimed, make_folder, sweep
from tnlearn.lab.pool import attempts
from tnlearn.lab.results import Columns, columns_of, read_result, table_of, write_result

__all__ = ["Job", "Task", "Work", "done", "run_tasks"]

# So many tasks may fail before the rest is not tried any more.
FAILURES = 3
_PAUSE = (0.1, 5.0)  # seconds between two looks at what another run is doing: first, longest


@dataclass(frozen=True)
class Task:
    """One piece of work, done by one thread: what it is of, and all that decides its result.

    Attributes
    ----------
    labels
        Of what: the network, the number of chains, …; columns of every row of a study's table.
    config
        What else decides the result, as JSON holds it.
    kind
        A short word for what is done.
    weight
        How long it takes, in any unit: heavy tasks are begun first.
    study, context
        The study, and the digest of its profile.
    """

    labels: Mapping[str, Any]
    config: Mapping[str, Any]
    kind: str = "train"
    weight: float = 1.0
    study: str = ""
    context: str = ""

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the result; the name of its file."""
        parts = [self.study, self.kind, self.labels, self.config, self.context]
        text = json.dumps(parts, sort_keys=True).encode()
        words = [word for word in (self.study, self.kind) if word]
        return "-".join([*words, hashlib.sha256(text).hexdigest()[:16]])

    @property
    def title(self) -> str:
        """The labels in words, and which members: ``network quartic, members 0 to 7``."""
        words = [] if self.kind == "train" and self.labels else [self.kind]
        words += [f"{name.replace('_', ' ')} {value}" for name, value in self.labels.items()]
        first, count = self.config.get("offset"), self.config.get("members")
        if first is not None and count is not None:
            several = f"members {first} to {first + count - 1}"
            words.append(several if count > 1 else f"member {first}")
        return ", ".join(words)


Work = Callable[[Task, Path], pd.DataFrame]
# Every task with what became of it: its columns, None if another process is at it, or an error.
Attempts = Callable[["Job", Sequence[Task]], Generator[tuple[Task, Any], None, None]]


def done(folder: Path, task: Task) -> pd.DataFrame | None:
    """The table of a task, or None if it is not there or not as it was written.

    Only what the task gives can belong under its key, so a file that was cut short, altered or
    renamed counts as missing: doing the task again gives the table that belongs there.
    """
    columns = read_result(_path(folder, task), task.key)
    return None if columns is None else table_of(columns)


def _path(folder: Path, task: Task) -> Path:
    return folder / f"{task.key}.json"


@dataclass(frozen=True)
class Job:
    """What is done with every task of a list; it travels to the process that does it.

    Attributes
    ----------
    work, folder
        As of `run_tasks`; the folder is absolute.
    patient
        Whether to wait for a task that another process is at, or to leave it.
    """

    work: Work
    folder: Path
    patient: bool = False

    def __call__(self, task: Task) -> Columns | None:
        """The columns of the task's table, by now in its file; None if another process is at it.

        A worker that its driver, or its scheduler, believes dead may still be at work.  The
        claim keeps two processes from doing one task, and writing one checkpoint, at once.
        """
        pause, longest = _PAUSE
        while True:
            with claimed(self.folder / f"{task.key}.lock") as alone:
                columns = read_result(_path(self.folder, task), task.key)
                if columns is None and alone:
                    with _one_thread():
                        columns = columns_of(self.work(task, self.folder))
                    about = {"title": task.title, "labels": task.labels, "config": task.config}
                    write_result(_path(self.folder, task), task.key, about, columns)
            if columns is not None or not self.patient:
                return columns
            time.sleep(pause)
            pause = min(2 * pause, longest)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    # Tasks share the cores among themselves; and sums are taken in the same order everywhere,
    # also those of numpy's BLAS where a task is done in the process that asked for it.
    if os.environ.get("OMP_NUM_THREADS") != "1":  # else torch takes one thread when it is loaded
        importlib.import_module("torch")
    torch: Any = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 1
    if torch:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        if torch:
            torch.set_num_threads(before)


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
    damaged = sum(os.path.lexists(_path(folder, task)) for task in left)
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
        from tnlearn.lab.cluster import cluster

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
