"""Runs of `scale_study.py` in processes of their own, watched through the files they leave."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("scale_study.py")
LIMIT = 300.0  # seconds after which a test gives up waiting


def environment() -> dict[str, str]:
    """One thread, and the tests on the path, also for workers that are started by themselves."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parent)}


@contextlib.contextmanager
def started(out: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The study begun in a process group of its own; killed at the end if it still runs."""
    out.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(out), *options],
        env=environment(),
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


def finished(out: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, results and stderr of a run that is left alone."""
    with started(out, *options) as process:
        text, errors = process.communicate(timeout=LIMIT)
    return process.returncode, json.loads(text) if text else {}, errors


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that is bound to happen."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def begun(out: Path) -> dict[int, list[int]]:
    """Offset of every task that was begun -> the processes that began it."""
    found: dict[int, list[int]] = {}
    path = out / "begun"
    for line in path.read_text().splitlines() if path.exists() else []:
        process, offset = map(int, line.split())
        found.setdefault(offset, []).append(process)
    return found


def alive(process: int) -> bool:
    """Whether a process is there and not only waiting to be buried."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def files(out: Path) -> dict[str, Any]:
    """Every result file without what depends on the clock."""
    found = {}
    for path in sorted((out / "tasks").glob("*.json")):
        content = json.loads(path.read_text())
        content["result"].pop("seconds", None)
        del content["sha256"]
        found[path.name] = content
    return found


def leftovers(out: Path) -> list[str]:
    """What is in the folder of the results and is no result."""
    known = {path.name for path in (out / "tasks").glob("*.json")} | {".folder"}
    return sorted(path.name for path in (out / "tasks").iterdir() if path.name not in known)
