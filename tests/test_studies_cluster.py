"""Tasks on a dask scheduler: real schedulers, workers and drivers, killed in the middle."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
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
from scale_study import TASKS, fall, tasks, train

from tnlearn.errors import ConfigError, FileError, TnlearnError
from tnlearn.studies import cluster
from tnlearn.studies.tasks import Task, run_tasks

distributed = pytest.importorskip("distributed")

HELD = 2  # the task that is stopped in the middle


@contextlib.contextmanager
def scheduler(folder: Path, deaths: int = 2) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler without workers: its file and its process.

    A task may take `deaths` workers with it, not four: each of them takes seconds to come back.
    """
    file = folder / "scheduler.json"
    allowed = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(deaths - 1)}
    settings = {**environment(), **allowed}
    options = ["--port", "0", "--scheduler-file", str(file), "--no-dashboard"]
    with launched("dask_scheduler", *options, settings=settings) as process:
        until(lambda: file.exists() and file.stat().st_size, "the scheduler")
        yield str(file), process


@contextlib.contextmanager
def launched(
    program: str, *options: str, settings: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{program}", *options],
        env=settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The file of a scheduler with two workers, as they are started on a cluster."""
    folder = tmp_path_factory.mktemp("cluster")
    with scheduler(folder) as (file, _):
        options = ["--scheduler-file", file, "--nworkers", "2", "--nthreads", "1"]
        options += ["--no-dashboard", "--local-directory", str(folder)]
        with launched("dask_worker", *options, settings=environment()):
            yield file


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("unbroken")
    run_tasks(tasks(), out / "tasks", train, workers=1, progress=False)
    return files(out)


def known(address: str) -> int:
    """Number of tasks that somebody wants from the scheduler."""
    with distributed.Client(scheduler_file=address, set_as_default=False) as client:
        return int(client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))


# ------------------------------------------------------------------ killed


def test_a_killed_worker_changes_nothing(
    tmp_path: Path, address: str, unbroken: dict[str, Any]
) -> None:
    hold = tmp_path / f"hold-{HELD}"
    hold.touch()
    with started(tmp_path, "--scheduler", address) as driver:
        until(lambda: len(files(tmp_path)) == TASKS - 1, "the other tasks")
        os.kill(begun(tmp_path)[HELD][0], signal.SIGKILL)
        hold.unlink()
        _, errors = driver.communicate(timeout=LIMIT)
    assert (driver.returncode, errors) == (0, "")
    assert files(tmp_path) == unbroken
    assert len(begun(tmp_path)[HELD]) == 2
    assert leftovers(tmp_path) == []


def test_a_killed_driver_is_gone_on_with_while_its_workers_are_still_busy(
    tmp_path: Path, address: str, unbroken: dict[str, Any]
) -> None:
    """Each task is done once all the same: the worker that holds the claim finishes it."""
    hold = tmp_path / f"hold-{HELD}"
    hold.touch()
    with started(tmp_path, "--scheduler", address) as driver:
        until(lambda: HELD in begun(tmp_path) and len(files(tmp_path)) >= 2, "two results")
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        until(lambda: known(address) == 0, "the scheduler to forget the first driver")
    with started(tmp_path, "--scheduler", address) as driver:
        until(lambda: known(address) > 0, "the second driver")
        hold.unlink()
        _, errors = driver.communicate(timeout=LIMIT)
    assert (driver.returncode, errors) == (0, "")
    assert files(tmp_path) == unbroken
    assert {len(pids) for pids in begun(tmp_path).values()} == {1}
    assert leftovers(tmp_path) == []


def test_what_kills_its_workers_is_named_and_stops_no_other(tmp_path: Path, address: str) -> None:
    what = ("ok", "die", "fail", "ok")
    status, _, errors = finished(tmp_path, "--scheduler", address, "--what", *what)
    assert status == 1
    assert errors.count("\n") == 1
    assert "this one cannot be done" in errors or "2 workers died with it" in errors
    assert {name for name in ("task 1", "task 2") if name in errors} == {"task 1", "task 2"}
    kept = {content["title"]: content["result"] for content in files(tmp_path).values()}
    assert kept == {f"task {k}": {"twice": 2 * k} for k in (0, 3)}


def test_a_task_that_waited_at_a_worker_that_died_is_not_blamed(tmp_path: Path) -> None:
    """dask hands a worker a task ahead, and would give that up with the one that killed it."""
    with scheduler(tmp_path, deaths=1) as (file, _):
        options = ["--scheduler-file", file, "--nworkers", "1", "--nthreads", "1"]
        options += ["--no-dashboard", "--local-directory", str(tmp_path)]
        with launched("dask_worker", *options, settings=environment()):
            status, _, errors = finished(tmp_path, "--scheduler", file, "--what", "die", "ok", "ok")
    assert (status, errors.count("\n")) == (1, 1)
    assert "task 0" in errors
    assert "1 worker died with it" in errors
    kept = {content["title"]: content["result"] for content in files(tmp_path).values()}
    assert kept == {f"task {k}": {"twice": 2 * k} for k in (1, 2)}


def test_a_scheduler_that_is_lost_ends_the_run_in_one_line(tmp_path: Path) -> None:
    with scheduler(tmp_path) as (file, process):
        options = ["--scheduler-file", file, "--nworkers", "1", "--nthreads", "1", "--no-dashboard"]
        with launched("dask_worker", *options, settings=environment()):
            (tmp_path / "hold-1").touch()
            with started(tmp_path, "--scheduler", file, "--what", "ok", "ok") as driver:
                until(lambda: 1 in begun(tmp_path), "the second task")
                process.kill()
                _, errors = driver.communicate(timeout=LIMIT)
    assert driver.returncode == 1
    assert errors.count("\n") == 1
    assert errors.startswith("TnlearnError: the connection to the dask scheduler was lost")
    assert [content["title"] for content in files(tmp_path).values()] == ["task 0"]


def test_a_cluster_of_this_machine_ends_with_its_run(tmp_path: Path) -> None:
    """Ctrl-C, which the terminal sends to all of them; then the same again, left alone."""
    options = ("--scheduler", "local", "--workers", "2", "--what", "ok", "ok", "ok", "ok")
    hold = tmp_path / f"hold-{HELD}"
    hold.touch()
    with started(tmp_path, *options) as driver:
        until(lambda: HELD in begun(tmp_path) and files(tmp_path), "a result")
        os.killpg(driver.pid, signal.SIGINT)
        text, errors = driver.communicate(timeout=LIMIT)
        workers = {pid for pids in begun(tmp_path).values() for pid in pids}
        assert not any(map(alive, workers))
    assert (driver.returncode, text, errors) == (130, "", "")
    hold.unlink()
    status, found, errors = finished(tmp_path, *options)
    assert (status, errors) == (0, "")
    assert [result["twice"] for result in found.values()] == [0, 2, 4, 6]


# ------------------------------------------------------------------ elsewhere


def beside(task: Task, folder: Path) -> dict[str, Any]:
    """What a work may expect: the folders beside that of the tasks."""
    (folder.parent / "fitted" / task.title).write_text("what was trained")
    return {"folder": str(folder), "n": task.config["n"]}


def run(out: Path, address: str, work: Any = fall, count: int = 2, **options: Any) -> Any:
    listed = [Task("t", f"n{n}", {"n": n, "offset": n}) for n in range(count)]
    return run_tasks(
        listed,
        out / "tasks",
        work,
        **{"workers": 1, "progress": False, **options},
        scheduler=address,
    )


def test_workers_that_do_not_see_the_folder_hand_their_results_over(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder has another mark than the driver's, as one of the same name elsewhere has."""
    import test_studies_cluster  # as the workers know it

    (tmp_path / "fitted").mkdir()
    monkeypatch.setattr(cluster, "_mark", lambda folder: "of another folder")
    found = run(tmp_path, address, test_studies_cluster.beside)
    assert sorted(result["n"] for result in found.values()) == [0, 1]
    for result in found.values():
        assert Path(result["folder"]).parent.name == "tnlearn-of another folder"
        assert not result["folder"].startswith(str(tmp_path))
    assert not list((tmp_path / "fitted").iterdir())
    kept = sorted(content["result"]["n"] for content in files(tmp_path).values())
    assert kept == [0, 1]


def test_two_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    marks = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        marks.append(cluster._mark(tmp_path / name))
        assert cluster._mark(tmp_path / name) == marks[-1]
        assert cluster._read_mark(tmp_path / name) == marks[-1]
    assert marks[0] != marks[1]
    assert cluster._read_mark(tmp_path) is None


def test_a_work_that_the_workers_cannot_load(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("def work(task, folder):\n    return {}\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    with pytest.raises(TnlearnError, match=r"cannot load the task .*only_here"):
        run(tmp_path, address, only_here.work)


# ------------------------------------------------------------------ refused


def test_a_scheduler_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cluster.CONNECT_SECONDS == 30
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(TnlearnError, match=r"cannot reach .*tcp://127\.0\.0\.1:9 within 1 s"):
        run(tmp_path, "tcp://127.0.0.1:9")


def test_what_is_no_scheduler(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not 'slurm'"):
        run(tmp_path, "slurm")
    with pytest.raises(FileError, match=r"cannot read .*none\.json \(No such file"):
        run(tmp_path, str(tmp_path / "none.json"))
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(FileError, match=r"bad\.json is not a file of"):
        run(tmp_path, str(tmp_path / "bad.json"))


def test_workers_of_other_versions_are_refused(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {**cluster._versions(), "torch": "1.0.0+cpu"}
    monkeypatch.setattr(cluster, "_versions", lambda: ours)
    with pytest.raises(ConfigError, match=r"has torch \S+ where this run has 1\.0\.0"):
        run(tmp_path, address)
    # Workers that come later are found out by their first task.
    monkeypatch.setattr(cluster, "_check_cluster", lambda client: None)
    with pytest.raises(ConfigError, match=r"the worker tcp://\S+ has torch \S+ where this run"):
        run(tmp_path, address)
    assert begun(tmp_path) == {}


def test_builds_of_one_version_are_the_same() -> None:
    cluster._check_versions("it", {"torch": "2.13.0+cpu"}, {"torch": "2.13.0+cu126"})
    with pytest.raises(ConfigError, match="it has torch nothing where this run has"):
        cluster._check_versions("it", {"torch": "nothing"}, {"torch": "2.13.0"})


def test_workers_that_do_several_tasks_at_once_are_refused(tmp_path: Path) -> None:
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            protocol="tcp://",
            dashboard_address="127.0.0.1:0",
        ) as wide,
        pytest.raises(ConfigError, match=r"2 tasks at once .* --nthreads 1"),
    ):
        run(tmp_path, wide.scheduler_address)
