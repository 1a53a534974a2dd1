"""Independent, idempotent tasks, keyed by a hash of their configuration.

The result of a task is one JSON file, written atomically.  Running a list of
tasks again does what is missing, whatever ended the last run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tnlearn.errors import FileError, TnlearnError
from tnlearn.training.archive import replace_file

__all__ = ["Task", "jsonable", "read_json", "run_tasks", "write_json"]

Result = dict[str, Any]
Work = Callable[["Task", Path], Result]


@dataclass(frozen=True)
class Task:
    """One piece of work: what kind, on what; `weight` only decides the order."""

    kind: str
    title: str
    config: dict[str, Any]
    weight: float = 1.0

    @property
    def key(self) -> str:
        """Hash of the kind and the configuration; the name of the result's file."""
        text = json.dumps([self.kind, self.config], sort_keys=True)
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def jsonable(value: Any) -> Any:
    """The value as JSON can hold it: arrays as lists, NaN and infinity as null."""
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all."""
    text = json.dumps(jsonable(value), indent=1, allow_nan=False).encode()
    replace_file(path, lambda handle: handle.write(text))


def read_json(path: Path) -> Any:
    """The JSON of a file, or None if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def run_tasks(
    tasks: Sequence[Task], folder: Path, work: Work, *, workers: int, progress: bool = True
) -> dict[str, Result]:
    """Do the tasks that have no result yet; return all results by key.

    Parameters
    ----------
    tasks
        In any order; heavy ones are begun first.
    folder
        Where results are kept, one file a task.
    work
        A module-level function ``work(task, folder) -> result``.
    workers
        Number of processes; with one, the work is done in this process.

    Raises
    ------
    TnlearnError
        If a worker process dies; what was finished is kept.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make {folder}: {error.strerror or error}") from error
    results: dict[str, Result] = {}
    missing: list[Task] = []
    for task in sorted(tasks, key=lambda task: -task.weight):
        found = read_json(_file(folder, task))
        if isinstance(found, dict) and found.get("key") == task.key:
            results[task.key] = found["result"]
        else:
            missing.append(task)
    bar = tqdm(total=len(tasks), initial=len(results), unit="task", disable=not progress)
    with contextlib.closing(bar):
        for task, result in _each(missing, folder, work, workers):
            results[task.key] = result
            bar.set_postfix_str(task.title, refresh=False)
            bar.update()
    return results


def _file(folder: Path, task: Task) -> Path:
    return folder / f"{task.key}.json"


def _do(work: Work, task: Task, folder: Path) -> Result:
    """Do one task where it runs, and write its result there: a killed driver loses nothing."""
    result: Result = jsonable(work(task, folder))
    write_json(
        _file(folder, task),
        {"key": task.key, "title": task.title, "config": task.config, "result": result},
    )
    return result


def _each(
    tasks: Sequence[Task], folder: Path, work: Work, workers: int
) -> Iterator[tuple[Task, Result]]:
    if workers <= 1 or len(tasks) <= 1:
        for task in tasks:
            yield task, _do(work, task, folder)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context)
    try:
        waiting: dict[Future[Result], Task] = {
            pool.submit(_do, work, task, folder): task for task in tasks
        }
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()
    except BrokenProcessPool as error:
        raise TnlearnError(
            "a worker process died (killed, or out of memory); what was finished is kept: "
            "run the same command again, with fewer --workers if memory was short"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
