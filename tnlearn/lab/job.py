"""A piece of work, named by a hash of what decides its result, and how a process does it.

The result is a table, kept as one JSON file that is written whole and checked when it is read.
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
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from tnlearn.files import claimed
from tnlearn.lab.results import Columns, columns_of, read_result, table_of, write_result

__all__ = ["Attempts", "Job", "Task", "Work", "done", "path_of"]

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
    columns = read_result(path_of(folder, task), task.key)
    return None if columns is None else table_of(columns)


def path_of(folder: Path, task: Task) -> Path:
    """Where the table of a task is kept."""
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
                columns = read_result(path_of(self.folder, task), task.key)
                if columns is None and alone:
                    with _one_thread():
                        columns = columns_of(self.work(task, self.folder))
                    about = {"title": task.title, "labels": task.labels, "config": task.config}
                    write_result(path_of(self.folder, task), task.key, about, columns)
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
