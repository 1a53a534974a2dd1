"""Tasks on a dask scheduler: real schedulers, workers and drivers, killed in the middle."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lab_runs as runs
import pytest

from tnlearn.errors import ConfigError, FileError, TnlearnError
from tnlearn.lab import cluster
from tnlearn.lab.tasks import run_tasks

distributed = pytest.importorskip("distributed")


@contextlib.contextmanager
def scheduler(
    folder: Path, workers: int, deaths: int = 2
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A scheduler and its workers, as they are started on a cluster: its file and its process.

    A task may take `deaths` workers with it, not four: each of them takes seconds to come back.
    """
    file = str(folder / "scheduler.json")
    common = ["--scheduler-file", file, "--no-dashboard"]
    allowed = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(deaths - 1)}
    crew = ["--nworkers", str(workers), "--nthreads", "1", "--local-directory", str(folder)]
    with runs.launched(
        "-m", "distributed.cli.dask_scheduler", "--port", "0", *common, **allowed
    ) as process:
        runs.until(lambda: Path(file).exists() and Path(file).stat().st_size, "the scheduler")
        with runs.launched("-m", "distributed.cli.dask_worker", *common, *crew):
            yield file, process


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with scheduler(tmp_path_factory.mktemp("cluster"), workers=2) as (file, _):
        yield file


def known(address: str) -> int:
    """Number of tasks that somebody wants from the scheduler."""
    with distributed.Client(scheduler_file=address, set_as_default=False) as client:
        return int(client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))


# ------------------------------------------------------------------ killed


def test_a_killed_worker_changes_nothing(tmp_path: Path, address: str) -> None:
    runs.check_a_killed_worker(tmp_path, "--scheduler", address)


def test_a_killed_driver_is_gone_on_with_while_its_workers_are_still_busy(
    tmp_path: Path, address: str
) -> None:
    """Each task is done once all the same: the worker that holds the claim finishes it."""
    with runs.held(tmp_path, "--scheduler", address) as (driver, hold):
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        runs.until(lambda: known(address) == 0, "the scheduler to forget the first driver")
    with runs.started(tmp_path, *runs.WHAT, "--scheduler", address) as driver:
        runs.until(lambda: known(address) > 0, "the second driver")
        hold.unlink()
        assert runs.ended(driver) == (0, "4\n", "")
    runs.check_whole(tmp_path)


def test_what_kills_its_workers_is_named_and_stops_no_other(tmp_path: Path) -> None:
    """dask hands a worker a task ahead, and would give that up with the one that killed it."""
    with scheduler(tmp_path, workers=1, deaths=1) as (file, _):
        status, _, errors = runs.finished(tmp_path, "die", "ok", "fail", "ok", "--scheduler", file)
    failed = (
        "ConfigError: n 2, what fail: this one cannot be done; and 1 more failed: n 0, what die"
    )
    assert (status, errors) == (1, f"{failed}\n")
    assert runs.kept(tmp_path) == [1, 3]
    killed = SimpleNamespace(allowed_failures=0, last_worker=SimpleNamespace(address="tcp://a:1"))
    assert "1 worker died with it, the last at tcp://a:1: killed" in str(cluster._gave_up(killed))


def test_a_scheduler_that_is_lost_ends_the_run_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "hold-1").touch()
    with (
        scheduler(tmp_path, workers=1) as (file, process),
        runs.started(tmp_path, "ok", "ok", "--scheduler", file) as driver,
    ):
        runs.until(lambda: 1 in runs.begun(tmp_path), "the second task")
        process.kill()
        status, _, errors = runs.ended(driver)
    assert (status, errors.count("\n")) == (1, 1)
    assert errors.startswith("TnlearnError: the connection to the dask scheduler was lost")
    assert runs.kept(tmp_path) == [0]


def test_a_cluster_of_this_machine_ends_with_its_run(tmp_path: Path) -> None:
    """Ctrl-C, which the terminal sends to all of them; then the same again, left alone."""
    where = ("--scheduler", "local", "--workers", "2")
    runs.check_ctrl_c(tmp_path, *where)
    assert runs.finished(tmp_path, *runs.WHAT, *where) == (0, "4\n", "")


# ------------------------------------------------------------------ refused


def run(out: Path, address: str, work: Any = runs.work) -> Any:
    tasks = runs.tasks("ok", "ok")
    return run_tasks(tasks, out / "tasks", work, workers=1, progress=False, scheduler=address)


def test_workers_that_do_not_see_the_folder_are_refused(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder has another mark than the driver's, as one of the same name elsewhere has."""
    monkeypatch.setattr(cluster, "_mark", lambda folder: "of another folder")
    with pytest.raises(ConfigError, match=r"the worker tcp://\S+ does not see .*tasks: put the"):
        run(tmp_path, address)
    assert runs.begun(tmp_path) == {}


def test_two_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = (cluster._mark(tmp_path / name) for name in ("a", "b"))
    assert first == cluster._mark(tmp_path / "a") == cluster._read_mark(tmp_path / "a")
    assert len({first, second, cluster._read_mark(tmp_path)}) == 3


def test_a_work_that_the_workers_cannot_load(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("def work(task, folder):\n    return {}\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    with pytest.raises(TnlearnError, match=r"cannot load the task .*only_here"):
        run(tmp_path, address, only_here.work)


def test_dask_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install distributed$"):
        run(tmp_path, "tcp://127.0.0.1:8786")
    assert runs.begun(tmp_path) == {}


def test_a_scheduler_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cluster.CONNECT_SECONDS == 30
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(TnlearnError, match=r"cannot reach .*tcp://127\.0\.0\.1:9 within 1 s"):
        run(tmp_path, "tcp://127.0.0.1:9")


@pytest.mark.parametrize(
    ("address", "error", "words"),
    [
        ("slurm", ConfigError, "not 'slurm'"),
        ("none.json", FileError, r"cannot read .*none\.json: `dask scheduler"),
        ("bad.json", FileError, r"bad\.json is .* not a file of a dask scheduler"),
    ],
)
def test_what_is_no_scheduler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, error: Any, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.json").write_text("{}")
    with pytest.raises(error, match=words):
        run(tmp_path, address)


def test_workers_of_other_versions_are_refused(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {**cluster._versions(), "torch": "1.0.0+cpu"}
    monkeypatch.setattr(cluster, "_versions", lambda: ours)
    with pytest.raises(ConfigError, match=r"worker tcp://\S+ has torch \S+ where this run has 1\."):
        run(tmp_path, address)
    assert runs.begun(tmp_path) == {}


def test_builds_of_one_version_are_the_same(tmp_path: Path) -> None:
    there = cluster._There(None, cluster._mark(tmp_path), {"torch": "2.13.0+cpu"})  # type: ignore
    with pytest.raises(ConfigError, match="it has torch nothing where this run has"):
        there._check("it", 1, {"torch": "nothing"})
    with pytest.raises(ConfigError, match="it does 2 tasks at once"):
        there._check("it", 2, {"torch": "2.13.0+cu126"})


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
