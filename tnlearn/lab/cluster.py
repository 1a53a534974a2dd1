"""Tasks done by the workers of a dask.distributed scheduler, on this machine or on many.

A worker writes a table where it belongs, in the folder of the run, which it must see.  dask gives
the task of a worker that died to another one; tasks are idempotent, and claimed.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import secrets
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tnlearn import __version__
from tnlearn.errors import ConfigError, FileError, TnlearnError
from tnlearn.files import parsing, read_bytes, read_json
from tnlearn.lab.environment import versions
from tnlearn.lab.job import Attempts, Job, Task
from tnlearn.lab.pool import carried, worker_surroundings

__all__ = ["cluster"]

CONNECT_SECONDS = 30
# Loggers of dask in this process that print a traceback when the scheduler goes away.
_TALKATIVE = ("distributed.client", "distributed.batched")
# What decides a number, or whether machines understand each other.
PACKAGES = ("numpy", "scipy", "numba", "torch", "quimb", "cotengra", "distributed")
_MARK = ".folder"  # the file that tells a folder from others of its name


@contextlib.contextmanager
def cluster(scheduler: str, workers: int, folder: Path) -> Iterator[Attempts]:
    """What does tasks on the workers of a dask scheduler, as `run_tasks` asks it to.

    Parameters
    ----------
    scheduler
        An address such as ``"tcp://10.0.0.1:8786"``, the path of a scheduler file, or
        ``"local"`` for workers on this machine.
    workers
        Of ``"local"``.
    folder
        That of the tasks; every worker must see it.

    Raises
    ------
    ConfigError
        If dask.distributed is not installed, if a worker has other versions of what computes,
        would do several tasks at once, or does not see the folder.
    TnlearnError
        If the scheduler does not answer within 30 seconds, or is lost.
    """
    dask = _distributed()
    with contextlib.ExitStack() as stack:
        address = _address(scheduler)
        if scheduler == "local":
            owned = _local(dask, workers)
            stack.callback(_quietly, owned.close)
            address = owned.scheduler_address
        client = _connect(dask, address)
        stack.callback(_quietly, client.close)
        mark = _mark(folder)

        def each(job: Job, tasks: Sequence[Task]) -> Generator[tuple[Task, Any], None, None]:
            there = _There(job, mark, _versions())
            blamed = []
            with contextlib.closing(_outcomes(dask, client, there, tasks)) as outcomes:
                for task, outcome in outcomes:
                    if isinstance(outcome, dask.KilledWorker):
                        blamed.append(task)
                    else:
                        yield task, outcome
            # dask also blames what a worker that died had not yet begun.  Alone, only a task that
            # kills its workers is blamed again.
            for task in blamed:
                ((_, outcome),) = _outcomes(dask, client, there, [task])
                killed = isinstance(outcome, dask.KilledWorker)
                yield task, _gave_up(outcome) if killed else outcome

        yield each


def _outcomes(
    dask: Any, client: Any, there: _There, tasks: Sequence[Task]
) -> Generator[tuple[Task, Any], None, None]:
    """Every task with what became of it; closed, it takes back what was not begun."""
    waiting = {}
    for place, task in enumerate(tasks):
        # The same task in two folders is two tasks for the scheduler.
        name = f"{task.key}-{secrets.token_hex(8)}"
        waiting[client.submit(there, task, key=name, pure=False, priority=-place)] = task
    try:
        done = dask.as_completed(list(waiting), loop=client.loop, raise_errors=False)
        for future in done:
            if future.status in ("lost", "pending"):
                # The worker died before its result was fetched; dask does the task again.
                done.add(future)
            else:
                yield waiting.pop(future), _outcome(dask, future)
                future.release()
    finally:
        _quietly(client.cancel, list(waiting))


def _outcome(dask: Any, future: Any) -> Any:
    try:
        return future.result()
    except dask.KilledWorker as error:
        return error
    except TnlearnError:
        raise  # this worker cannot do any task
    except (CancelledError, OSError) as error:
        raise TnlearnError(
            "the connection to the dask scheduler was lost "
            f"({getattr(error, 'reason', None) or _words(error)}); what was finished is kept: "
            "run the same command again when the scheduler is back"
        ) from error
    except Exception as error:
        raise TnlearnError(
            "the scheduler or a worker cannot load the task "
            f"({_words(error.__cause__ or error)}): most likely a package is missing there; "
            "install the same on every machine"
        ) from error


@dataclass(frozen=True)
class _There:
    """A job as it is done by a worker that may be on another machine.

    Attributes
    ----------
    mark
        What the folder's mark says: a folder of the same name without it is another folder.
    versions
        Those of the driver.
    """

    job: Job
    mark: str
    versions: Mapping[str, str]

    def __call__(self, task: Task) -> Any:
        """What becomes of the task; dask sees no exception, which it would only put in its log."""
        worker = _distributed().get_worker()
        self._check(f"the worker {worker.address}", worker.state.nthreads, _versions())
        return carried(self.job, task)

    def _check(self, who: str, threads: int, theirs: Mapping[str, str]) -> None:
        """Refuse a worker that cannot do any task."""
        # Builds of one version (2.13.0+cpu) count as the same.
        different = [
            f"{name} {theirs[name]} where this run has {ours}"
            for name, ours in self.versions.items()
            if theirs[name].partition("+")[0] != ours.partition("+")[0]
        ]
        if different:
            raise ConfigError(
                f"{who} has {'; '.join(different)}: the numbers of a study must come from one set "
                "of versions; install the same on every machine"
            )
        if threads != 1:
            raise ConfigError(
                f"{who} does {threads} tasks at once in one process; a task is to have its "
                "process: start workers with --nworkers N --nthreads 1"
            )
        if _read_mark(self.job.folder) != self.mark:
            raise ConfigError(
                f"{who} does not see {self.job.folder}: put the output on a file system that all "
                "machines share, under the same path"
            )


def _gave_up(error: Any) -> TnlearnError:
    deaths = error.allowed_failures + 1
    return TnlearnError(
        f"{deaths} worker{'s' if deaths > 1 else ''} died with it, the last at "
        f"{getattr(error.last_worker, 'address', error.last_worker)}: killed, or out of memory. "
        "What was finished is kept: run the same command again, with more memory a worker if it "
        "was short"
    )


# ------------------------------------------------------------------ the scheduler


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise ConfigError(
            "a scheduler needs the package distributed, which is not installed here: "
            "pip install distributed"
        ) from error


def _address(scheduler: str) -> str:
    """The address itself, or that in a scheduler file."""
    if scheduler.endswith(".json") or Path(scheduler).is_file():
        hint = f"`dask scheduler --scheduler-file {scheduler}` writes it when it starts"
        what = "a file of a dask scheduler"
        if not Path(scheduler).exists():
            raise FileError(f"cannot read the scheduler file {scheduler}: {hint}")
        with parsing(scheduler, what, hint=hint):
            return str(read_json(Path(scheduler), what, hint=hint)["address"])
    host, _, port = scheduler.rpartition(":")
    if scheduler != "local" and "://" not in scheduler and not (host and port.isdigit()):
        raise ConfigError(
            "a scheduler is an address like tcp://10.0.0.1:8786, a scheduler file, or 'local'; "
            f"not {scheduler!r}"
        )
    return scheduler


def _local(dask: Any, workers: int) -> Any:
    with worker_surroundings():
        return dask.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            # Workers that are ended in the middle say much that the run says in one line.
            silence_logs=logging.CRITICAL,
        )


def _connect(dask: Any, address: str) -> Any:
    # What goes wrong with the connection is told in one line, where it ends the run.
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return dask.Client(address, timeout=CONNECT_SECONDS, set_as_default=False, name="tnlearn")
    except (OSError, ValueError, TimeoutError) as error:
        raise TnlearnError(
            f"cannot reach the dask scheduler {address} within {CONNECT_SECONDS} s "
            f"({_words(error)}): is it running (`dask scheduler`), and may this machine "
            "connect to it?"
        ) from error


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    python = ".".join(map(str, sys.version_info[:2]))
    return {"python": python, "tnlearn": __version__, **versions(PACKAGES)}


def _mark(folder: Path) -> str:
    """What tells this folder from any other of the same name, on any machine."""
    with contextlib.suppress(FileExistsError), (folder / _MARK).open("x") as stream:
        stream.write(secrets.token_hex(8))
    return _read_mark(folder)


def _read_mark(folder: Path) -> str:
    try:
        return read_bytes(folder / _MARK).hex()
    except FileError:
        return "no such folder"


def _quietly(close: Any, *what: Any) -> None:
    with contextlib.suppress(Exception):
        close(*what)


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
