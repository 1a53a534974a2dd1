"""Tasks in a run of its own, watched through the files it leaves: `lab_runs.py OUT ok die ok`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tnlearn.errors import ConfigError, TnlearnError
from tnlearn.lab.job import Task
from tnlearn.lab.tasks import run_tasks

LIMIT = 300.0  # seconds after which a test gives up waiting
WHAT = ("ok",) * 4
HELD = 1  # the task that is stopped in the middle


# ------------------------------------------------------------------ the run


def tasks(*what: str) -> list[Task]:
    return [Task({"n": n, "what": each}, {"seed": 3}) for n, each in enumerate(what)]


def work(task: Task, folder: Path) -> pd.DataFrame:
    """Do what the label says: draw numbers, fail, or die; stay while a file says so."""
    n, what = task.labels["n"], task.labels["what"]
    with (folder.parent / "begun").open("a") as stream:
        stream.write(f"{os.getpid()} {n}\n")
    while (folder.parent / f"hold-{n}").exists():
        time.sleep(0.02)
    if what == "fail":
        raise ConfigError("this one cannot be done")
    if what == "die" or (what == "die once" and len(begun(folder.parent)[n]) == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    rng = np.random.default_rng([task.config["seed"], n])
    return pd.DataFrame({"member": range(2), "profile": list(rng.normal(size=(2, 3)))})


class Stubborn(Exception):
    """What can travel, but not be rebuilt on the other side."""

    def __init__(self, words: str, more: str) -> None:
        super().__init__(words)


def square(x: int) -> int:
    if x == 2:
        raise Stubborn("two", "of them")
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("what", nargs="+")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--scheduler")
    options = vars(parser.parse_args())
    out, what = options.pop("out"), options.pop("what")
    try:
        tables = run_tasks(tasks(*what), out / "tasks", work, progress=False, **options)
    except TnlearnError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(len(tables))


# ------------------------------------------------------------------ who watches it


def environment() -> dict[str, str]:
    """One thread; the package and the tests on the path, also of workers started elsewhere."""
    path = os.pathsep.join(map(str, Path(__file__).parents[:2]))
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}


@contextlib.contextmanager
def launched(*command: str, **options: str) -> Iterator[subprocess.Popen[str]]:
    """A Python command in a process group of its own; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, *command],
        env={**environment(), **options},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def started(out: Path, *options: str) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    return launched(__file__, str(out), *options)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a process, waited for."""
    text, errors = process.communicate(timeout=LIMIT)
    return process.returncode, text, errors


def finished(out: Path, *options: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a run that is left alone."""
    with started(out, *options) as process:
        return ended(process)


@contextlib.contextmanager
def held(
    out: Path, *options: str, results: int = 1
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A run of four tasks that waits in the middle of one, and the file that makes it wait."""
    hold = out / f"hold-{HELD}"
    hold.touch()
    with started(out, *WHAT, *options) as driver:
        until(lambda: HELD in begun(out) and len(kept(out)) >= results, "the other tasks")
        yield driver, hold


def check_whole(out: Path, twice: tuple[int, ...] = ()) -> None:
    """The files of an unbroken run and no other, each task begun once but for those named."""
    assert files(out) == unbroken()
    assert times_begun(out) == {n: 1 + (n in twice) for n in range(len(WHAT))}
    assert leftovers(out) == []


def check_a_killed_worker(out: Path, *where: str) -> None:
    """Its task is done by another, the others once; nothing else is to be seen of it."""
    with held(out, *where, results=3) as (driver, hold):
        os.kill(begun(out)[HELD][0], signal.SIGKILL)
        hold.unlink()
        assert ended(driver) == (0, "4\n", "")
    check_whole(out, twice=(HELD,))


def check_ctrl_c(out: Path, *where: str) -> None:
    """The terminal sends it to the driver and to the workers alike: all end, and quietly."""
    with held(out, *where) as (driver, hold):
        os.killpg(driver.pid, signal.SIGINT)
        assert ended(driver) == (130, "", "")
        assert not any(alive(pid) for pids in begun(out).values() for pid in pids)
    hold.unlink()


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that is bound to happen."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def begun(out: Path) -> dict[int, list[int]]:
    """Number of every task that was begun -> the processes that began it."""
    processes: dict[int, list[int]] = {}
    path = out / "begun"
    for line in path.read_text().splitlines() if path.exists() else []:
        process, n = map(int, line.split())
        processes.setdefault(n, []).append(process)
    return processes


def times_begun(out: Path) -> dict[int, int]:
    return {n: len(processes) for n, processes in sorted(begun(out).items())}


def alive(process: int) -> bool:
    """Whether a process is there and not only waiting to be reaped."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def files(out: Path) -> dict[str, bytes]:
    """Every result file."""
    return {path.name: path.read_bytes() for path in sorted((out / "tasks").glob("*.json"))}


@cache
def unbroken() -> dict[str, bytes]:
    """The result files of the four tasks, done in this process."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        run_tasks(tasks(*WHAT), out / "tasks", work, workers=1, progress=False)
        return files(out)


def kept(out: Path) -> list[int]:
    """Numbers of the tasks that have a result."""
    return sorted(json.loads(text)["labels"]["n"] for text in files(out).values())


def leftovers(out: Path) -> list[str]:
    """What is in the folder of the results and is no result."""
    known: Any = {*files(out), ".folder"}
    return sorted(path.name for path in (out / "tasks").iterdir() if path.name not in known)


if __name__ == "__main__":
    # As in a terminal, also where the tests run in the background, whose children ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
