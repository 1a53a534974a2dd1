"""One task done where it runs: claimed, computed on one thread, its result written there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tnlearn.errors import FileError
from tnlearn.files import claimed
from tnlearn.studies.results import Result, Task, find, jsonable, keep

__all__ = ["Job", "Work"]

Work = Callable[[Task, Path], Result]


@dataclass(frozen=True)
class Job:
    """What is done with every task of a list; it travels to the process that does it.

    Attributes
    ----------
    work
        A module-level function ``work(task, folder) -> result``.
    folder
        Where results are kept; absolute.
    """

    work: Work
    folder: Path

    def __call__(self, task: Task) -> Result | None:
        """The result of the task, by now also in its file; None if another process is at it.

        A worker that its driver, or its scheduler, believes dead may still be at work.  The
        claim keeps two processes from doing one task, and writing one checkpoint, at once.
        """
        with claimed(self.folder / f"{task.key}.lock") as mine:
            if not mine:
                return None
            found = find(self.folder, task)
            if found is not None:
                return found
            with _one_thread():
                result: Result = jsonable(self.work(task, self.folder))
            # The driver has the result too, and writes it, or says why that cannot be done.
            with contextlib.suppress(FileError):
                keep(self.folder, task, result)
            return result


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    # Tasks share the cores among themselves; and sums are taken in the same order everywhere,
    # also those of numpy's BLAS where a task is done in the process that asked for it.
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
