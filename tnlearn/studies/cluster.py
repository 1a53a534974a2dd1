"""Tasks done by the workers of a dask.distributed scheduler, on this machine or on many.

A worker writes a result where it belongs if it sees the folder of the run, and hands it to
the driver in any case, which writes what is not there.  dask gives the task of a worker
that died to another one; tasks are idempotent, and claimed where the folder is shared.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import secrets
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tnlearn.errors import ConfigError, FileError, TnlearnError
from tnlearn.processes import worker_surroundings
from tnlearn.studies.executors import Outcome, attempt, portable, settle_in
from tnlearn.studies.job import Job
from tnlearn.studies.results import Task

__all__ = ["Cluster"]

CONNECT_SECONDS = 30
# Loggers of dask in this process that print a traceback when the scheduler goes away.
_TALKATIVE = ("distributed.client", "distributed.batched")
# What decides a number, or whether machines understand each other.
PACKAGES = ("tnlearn", "numpy", "scipy", "numba", "torch", "quimb", "cotengra", "distributed")
_MARK = ".folder"


class Cluster:
    """The workers of a dask scheduler.

    Parameters
    ----------
    job
        What is done with a task.
    scheduler
        An address such as ``"tcp://10.0.0.1:8786"``, the path of a scheduler file, or
        ``"local"`` for workers on this machine.
    workers
        Of ``"local"``.

    Raises
    ------
    ConfigError
        If dask.distributed is not installed, if the scheduler or a worker has other versions of
        what computes, or if a worker would do several tasks at once.
    TnlearnError
        If the scheduler does not answer within 30 seconds.
    """

    def __init__(self, job: Job, scheduler: str, workers: int) -> None:
        self._dask = _distributed()
        self._run = secrets.token_hex(4)
        self._futures: list[Any] = []
        self._owned: Any = None
        try:
            if scheduler == "local":
                self._owned = self._local(workers)
                scheduler = self._owned.scheduler_address
            self._client = self._connect(_address(scheduler))
        except BaseException:
            self._close_owned()
            raise
        try:
            _check_cluster(self._client)
            self._job = _Elsewhere(job, _mark(job.folder), _siblings(job.folder), _versions())
        except BaseException:
            self.close()
            raise

    def each(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Every task with what became of it, as it comes."""
        accused = []
        for task, outcome in self._done(tasks):
            if isinstance(outcome, self._dask.KilledWorker):
                accused.append(task)
            else:
                yield task, outcome
        # dask also blames what a worker that died had not yet begun.  Alone, only a task that
        # kills its workers is blamed again.
        for task in accused:
            for _, outcome in self._done([task]):
                killed = isinstance(outcome, self._dask.KilledWorker)
                yield task, _gave_up(outcome) if killed else outcome

    def _done(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        given = {}
        for place, task in enumerate(tasks):
            # The same task in two folders is two tasks for the scheduler.
            name = f"{task.key}-{self._run}-{secrets.token_hex(4)}"
            future = self._client.submit(self._job, task, key=name, pure=False, priority=-place)
            given[future] = task
        self._futures = list(given)
        done = self._dask.as_completed(self._futures, loop=self._client.loop, raise_errors=False)
        for future in done:
            if future.status in ("lost", "pending"):
                # The worker died before its result was fetched; dask does the task again.
                done.add(future)
                continue
            yield given[future], self._outcome(future)
            future.release()
        self._futures = []

    def close(self) -> None:
        """Take back what was not begun, and leave the scheduler."""
        with contextlib.suppress(Exception):
            self._client.cancel(self._futures)
        with contextlib.suppress(Exception):
            self._client.close()
        self._close_owned()

    def _close_owned(self) -> None:
        if self._owned is not None:
            with contextlib.suppress(Exception):
                self._owned.close()

    def _local(self, workers: int) -> Any:
        with worker_surroundings():
            return self._dask.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
                # Workers that are ended in the middle say much that the run says in one line.
                silence_logs=logging.ERROR,
            )

    def _connect(self, address: str) -> Any:
        # What goes wrong with the connection is told in one line, where it ends the run.
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            # Versions are compared below, those of tnlearn and torch among them.
            mismatch = importlib.import_module("distributed.versions").VersionMismatchWarning
            warnings.simplefilter("ignore", mismatch)
            try:
                return self._dask.Client(
                    address, timeout=CONNECT_SECONDS, set_as_default=False, name="tnlearn"
                )
            except (OSError, ValueError, TimeoutError) as error:
                raise TnlearnError(
                    f"cannot reach the dask scheduler {address} within {CONNECT_SECONDS} s "
                    f"({_words(error)}): is it running (`dask scheduler`), and may this machine "
                    "connect to it?"
                ) from error

    def _outcome(self, future: Any) -> Outcome:
        try:
            found: Outcome = future.result()
            return found
        except self._dask.KilledWorker as error:
            blamed: Exception = error
            return blamed
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
class _Elsewhere:
    """A job as it is done by a worker that may be on another machine.

    Attributes
    ----------
    mark
        What the folder's mark says: a folder of the same name without it is another folder.
    siblings
        The folders beside that of the tasks, which the work may expect.
    versions
        Those of the driver.
    """

    job: Job
    mark: str
    siblings: tuple[str, ...]
    versions: Mapping[str, str]

    def __call__(self, task: Task) -> Outcome:
        """What becomes of the task; dask sees no exception, which it would only put in its log."""
        worker = _distributed().get_worker()
        _check_versions(f"the worker {worker.address}", _versions(), self.versions)
        _check_threads(worker.address, worker.state.nthreads)
        settle_in()
        job = self.job
        if _read_mark(job.folder) != self.mark:
            # No shared file system: what the work leaves beside its result stays here, and goes
            # with the worker.
            scratch = Path(worker.local_directory) / f"tnlearn-{self.mark}"
            for name in (*self.siblings, job.folder.name):
                (scratch / name).mkdir(parents=True, exist_ok=True)
            job = replace(job, folder=scratch / job.folder.name)
        return portable(attempt(job, task))


def _gave_up(error: Any) -> TnlearnError:
    deaths = error.allowed_failures + 1
    return TnlearnError(
        f"{deaths} worker{'s' if deaths > 1 else ''} died with it, the last at "
        f"{getattr(error.last_worker, 'address', error.last_worker)}: killed, or out of memory. "
        "What was finished is kept: run the same command again, with more memory a worker if it "
        "was short"
    )


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise ConfigError(
            "a scheduler needs the package distributed, which is not installed here: "
            "pip install distributed"
        ) from error


def _address(scheduler: str) -> str:
    """The address that is given, or that a scheduler file says."""
    if scheduler.endswith(".json") or Path(scheduler).is_file():
        try:
            return str(json.loads(Path(scheduler).read_text(encoding="utf-8"))["address"])
        except OSError as error:
            raise FileError(
                f"cannot read the scheduler file {scheduler} ({error.strerror or error}): "
                f"`dask scheduler --scheduler-file {scheduler}` writes it when it starts"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise FileError(f"{scheduler} is not a file of a dask scheduler") from error
    host, _, port = scheduler.rpartition(":")
    if "://" not in scheduler and not (host and port.isdigit()):
        raise ConfigError(
            "a scheduler is an address like tcp://10.0.0.1:8786, a scheduler file, or 'local'; "
            f"not {scheduler!r}"
        )
    return scheduler


def _check_cluster(client: Any) -> None:
    """Compare the scheduler and the workers that are there; a task checks those that come later."""
    found = client.get_versions(check=False, packages=[*PACKAGES])
    ours = _versions()
    there = {"the scheduler": found["scheduler"]}
    there |= {f"the worker {address}": facts for address, facts in found["workers"].items()}
    for who, facts in there.items():
        packages = {name: facts["packages"].get(name) or "nothing" for name in PACKAGES}
        python = ".".join(facts["packages"]["python"].split(".")[:2])
        _check_versions(who, {"python": python, **packages}, ours)
    for address, threads in client.nthreads().items():
        _check_threads(address, threads)


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "nothing"
    return found


def _check_versions(who: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    # Builds of one version (2.13.0+cpu) count as the same.
    different = [
        f"{name} {theirs[name]} where this run has {ours[name]}"
        for name in ours
        if theirs[name].partition("+")[0] != ours[name].partition("+")[0]
    ]
    if different:
        raise ConfigError(
            f"{who} has {'; '.join(different)}: the numbers of a study must come from one set of "
            "versions; install the same on every machine"
        )


def _check_threads(address: str, threads: int) -> None:
    if threads != 1:
        raise ConfigError(
            f"the worker {address} does {threads} tasks at once in one process; a task is to have "
            "its process: start workers with --nworkers N --nthreads 1"
        )


def _mark(folder: Path) -> str:
    """What tells this folder from any other of the same name, on any machine."""
    with contextlib.suppress(FileExistsError), (folder / _MARK).open("x") as stream:
        stream.write(secrets.token_hex(8))
    return _read_mark(folder) or secrets.token_hex(8)


def _read_mark(folder: Path) -> str | None:
    try:
        return (folder / _MARK).read_text() or None
    except (OSError, UnicodeDecodeError):
        return None


def _siblings(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.parent.iterdir() if path.is_dir()))


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
