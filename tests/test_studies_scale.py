"""Real processes: workers and drivers killed in the middle, and two runs in one folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from runs_studies import (
    LIMIT,
    alive,
    begun,
    environment,
    files,
    finished,
    leftovers,
    started,
    until,
)
from scale_study import TASKS, tasks, train

from tnlearn.studies.tasks import run_tasks

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")

HELD = 2  # the task that is stopped in the middle


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("unbroken")
    run_tasks(tasks(), out / "tasks", train, workers=1, progress=False)
    assert len(files(out)) == TASKS
    assert {len(pids) for pids in begun(out).values()} == {1}
    return files(out)


def test_a_killed_worker_changes_nothing(tmp_path: Path, unbroken: dict[str, Any]) -> None:
    hold = tmp_path / f"hold-{HELD}"
    hold.touch()
    with started(tmp_path, "--workers", "2") as driver:
        # Its neighbour does everything else meanwhile.
        until(lambda: len(files(tmp_path)) == TASKS - 1, "the other tasks")
        os.kill(begun(tmp_path)[HELD][0], signal.SIGKILL)
        hold.unlink()
        _, errors = driver.communicate(timeout=LIMIT)
    assert (driver.returncode, errors) == (0, "")
    assert files(tmp_path) == unbroken
    assert {offset: len(pids) for offset, pids in begun(tmp_path).items()} == {
        2 * k: 1 + (2 * k == HELD) for k in range(TASKS)
    }
    assert leftovers(tmp_path) == []


def test_a_killed_driver_takes_its_workers_along_and_is_gone_on_with(
    tmp_path: Path, unbroken: dict[str, Any]
) -> None:
    hold = tmp_path / f"hold-{HELD}"
    hold.touch()
    with started(tmp_path, "--workers", "2") as driver:
        until(lambda: HELD in begun(tmp_path) and len(files(tmp_path)) >= 2, "two results")
        before, whole = begun(tmp_path), files(tmp_path)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        workers = {pid for pids in before.values() for pid in pids}
        until(lambda: not any(map(alive, workers)), "the end of the workers")
    hold.unlink()
    status, _, errors = finished(tmp_path, "--workers", "2")
    assert (status, errors) == (0, "")
    assert files(tmp_path) == unbroken
    again = begun(tmp_path)
    for task in tasks():
        if f"{task.key}.json" in whole:
            assert again[task.config["offset"]] == before[task.config["offset"]]
    assert leftovers(tmp_path) == []


def test_ctrl_c_ends_everything_quietly(tmp_path: Path, unbroken: dict[str, Any]) -> None:
    """The terminal sends it to the driver and to the workers alike."""
    (tmp_path / f"hold-{HELD}").touch()
    with started(tmp_path, "--workers", "2") as driver:
        until(lambda: HELD in begun(tmp_path) and len(files(tmp_path)) >= 2, "two results")
        os.killpg(driver.pid, signal.SIGINT)
        text, errors = driver.communicate(timeout=LIMIT)
        workers = {pid for pids in begun(tmp_path).values() for pid in pids}
        assert not any(map(alive, workers))
    assert (driver.returncode, text, errors) == (130, "", "")
    assert files(tmp_path).items() <= unbroken.items()


def test_two_runs_in_one_folder_share_the_work(tmp_path: Path, unbroken: dict[str, Any]) -> None:
    hold = tmp_path / f"hold-{HELD}"
    hold.touch()
    with started(tmp_path) as one:
        until(lambda: HELD in begun(tmp_path), "the first run")
        with started(tmp_path, "--workers", "2") as two:
            until(lambda: len(files(tmp_path)) == TASKS - 1, "the second run")
            hold.unlink()
            for run in (one, two):
                _, errors = run.communicate(timeout=LIMIT)
                assert (run.returncode, errors) == (0, "")
    assert files(tmp_path) == unbroken
    assert {len(pids) for pids in begun(tmp_path).values()} == {1}
    assert leftovers(tmp_path) == []


def test_what_kills_its_workers_is_named_and_stops_no_other(tmp_path: Path) -> None:
    what = ("ok", "die", "fail", "die once", "ok")
    status, _, errors = finished(tmp_path, "--workers", "2", "--what", *what)
    assert status == 1
    assert errors.count("\n") == 1
    assert "this one cannot be done" in errors or "died 2 times, last by SIGKILL" in errors
    assert {name for name in ("task 1", "task 2") if name in errors} == {"task 1", "task 2"}
    kept = {content["title"]: content["result"] for content in files(tmp_path).values()}
    assert kept == {f"task {k}": {"twice": 2 * k} for k in (0, 3, 4)}
    assert {offset: len(pids) for offset, pids in begun(tmp_path).items()} == {
        0: 1,
        1: 2,
        2: 1,
        3: 2,
        4: 1,
    }


def test_a_script_without_its_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from pathlib import Path\n"
        "from scale_study import fall\n"
        "from tnlearn.studies.tasks import Task, run_tasks\n"
        "tasks = [Task('t', str(k), {'offset': k}) for k in range(2)]\n"
        "run_tasks(tasks, Path('tasks'), fall, workers=2, progress=False)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 1
    last = done.stderr.rstrip().splitlines()[-1]
    assert "ended before it began (exit status 1)" in last
    assert "if __name__ == '__main__':" in last
