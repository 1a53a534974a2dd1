"""Lists of tasks: what is kept, what is made again, what is refused, who shares, who is killed."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import lab_runs as runs
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from threadpoolctl import threadpool_info, threadpool_limits

from tnlearn import files
from tnlearn.errors import (
    CheckpointError,
    ConfigError,
    FileError,
    MemoryLimitError,
    NotFiniteError,
    TnlearnError,
)
from tnlearn.lab import tasks as module
from tnlearn.lab.job import Task, done
from tnlearn.lab.pool import attempts, in_processes
from tnlearn.lab.tasks import run_tasks

in_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


def numbers(count: int, **config: Any) -> list[Task]:
    return [Task({"n": n}, config) for n in range(count)]


def double(task: Task, folder: Path) -> pd.DataFrame:
    with (folder.parent / "calls").open("a") as calls:
        calls.write(f"{task.labels['n']} ")
    return pd.DataFrame({"twice": [2 * task.labels["n"]], "nan": [float("nan")]})


def calls(out: Path) -> str:
    path = out / "calls"
    return path.read_text().strip() if path.exists() else ""


def run(tasks: list[Task], out: Path, work: Any = double, **options: Any) -> dict[str, Any]:
    return run_tasks(tasks, out / "tasks", work, **{"workers": 1, "progress": False, **options})


def file_of(out: Path, task: Task) -> Path:
    return out / "tasks" / f"{task.key}.json"


# ------------------------------------------------------------------ tasks and tables


def test_a_key_is_of_all_that_decides_the_result_and_of_nothing_else() -> None:
    task = Task({"network": "quartic", "size": 5}, {"seed": 1}, study="samples", context="ab")
    assert task.key.startswith("samples-train-")
    assert len(task.key) == len("samples-train-") + 16
    same = replace(task, labels={"size": 5, "network": "quartic"}, weight=7.0)
    others: list[dict[str, Any]] = [
        {"labels": {"network": "quartic", "size": 6}},
        {"config": {"seed": 2}},
        {"kind": "map"},
        {"study": "sizes"},
        {"context": "ac"},
    ]
    assert same.key == task.key
    assert len({task.key, *(replace(task, **change).key for change in others)}) == 6


@pytest.mark.parametrize(
    ("task", "title"),
    [
        (Task({"network": "quartic", "size": 500}, {}), "network quartic, size 500"),
        (Task({"a_b": 0.5}, {"offset": 8, "members": 8}), "a b 0.5, members 8 to 15"),
        (Task({"a": None}, {"offset": 3, "members": 1}, "map"), "map, a None, member 3"),
        (Task({}, {}), "train"),
    ],
)
def test_a_title_is_the_labels_in_words(task: Task, title: str) -> None:
    assert task.title == title


def everything(task: Task, folder: Path) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "whole": [1, 2**60],
            "float": [0.1 + 0.2, -0.0],
            "float32": np.array([0.1, 1], dtype=np.float32),
            "holes": [np.nan, np.inf],
            "hole": [np.nan, 5e-324],
            "words": ["a", None],
            "flag": [True, False],
            "array": [np.array([[1.5, np.nan]]), np.eye(2)],
            "nothing": [None, pd.NA],
        },
        index=[7, 9],
    )


def test_a_table_is_the_same_just_made_and_read_again(tmp_path: Path) -> None:
    (task,) = numbers(1)
    (first,) = run([task], tmp_path, everything).values()
    (again,) = run([task], tmp_path, everything).values()
    assert_frame_equal(first, again, check_exact=True)
    assert_frame_equal(first, done(tmp_path / "tasks", task), check_exact=True)
    assert first["whole"].tolist() == [1, 2**60]
    assert [value.hex() for value in first["float"]] == [(0.1 + 0.2).hex(), (-0.0).hex()]
    assert first["float32"].tolist() == [float(np.float32(0.1)), 1.0]
    assert first["holes"].isna().all()
    assert first["hole"][1] == 5e-324
    assert first["words"][0] == "a"
    assert pd.isna(first["words"][1])
    assert first["flag"].dtype == bool
    np.testing.assert_array_equal(np.array(first["array"][0]), [[1.5, np.nan]])
    assert {first[name].dtype for name in ("holes", "hole", "nothing")} == {np.dtype(float)}


def test_heavy_tasks_are_begun_first_and_each_once(tmp_path: Path) -> None:
    light, heavy = Task({"n": 1}, {}), Task({"n": 2}, {}, weight=2.0)
    assert len(run([light, heavy, Task({"n": 1}, {}, weight=0.5)], tmp_path)) == 2
    assert calls(tmp_path) == "2 1"


def altered(text: bytes, **changes: Any) -> bytes:
    return json.dumps({**json.loads(text), **changes}).encode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: b"",
        lambda text: b"\xff\x00",
        lambda text: b"[]",
        lambda text: altered(text, columns={"twice": [7], "nan": [None]}),
        lambda text: altered(text, labels={"n": 5}),
        lambda text: altered(text, sha256=None),
        lambda text: altered(text, key="train-0123456789abcdef"),
    ],
    ids=["cut", "empty", "binary", "list", "columns", "labels", "no checksum", "key"],
)
def test_a_result_that_is_not_as_written_is_made_again(tmp_path: Path, damage: Any) -> None:
    task, other = numbers(2)
    run([task, other], tmp_path)
    path = file_of(tmp_path, task)
    text = path.read_bytes()
    path.write_bytes(damage(text))
    assert done(tmp_path / "tasks", task) is None
    run([task, other], tmp_path)
    assert calls(tmp_path) == "0 1 0"
    assert path.read_bytes() == text


def test_a_renamed_result_is_not_taken(tmp_path: Path) -> None:
    task, other = numbers(2)
    run([task], tmp_path)
    file_of(tmp_path, task).rename(file_of(tmp_path, other))
    assert run([other], tmp_path)[other.key]["twice"].tolist() == [2]


# ------------------------------------------------------------------ what fails


def stumble(task: Task, folder: Path) -> pd.DataFrame:
    errors = {
        "config": ConfigError("no such thing"),
        "nan": NotFiniteError("the loss is NaN"),
        "file": FileError("no room"),
        "os": OSError(28, "No space left on device"),
        "checkpoint": CheckpointError("damaged"),
        "memory": MemoryError("8 GiB"),
        "torch": RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        "bug": KeyError("slip"),
    }
    if task.config["error"]:
        raise errors[task.config["error"]]
    return double(task, folder)


def mixed(*errors: str | None) -> list[Task]:
    return [Task({"n": n}, {"error": error}) for n, error in enumerate(errors)]


@pytest.mark.parametrize(
    ("errors", "kind", "words", "others"),
    [
        ((None, "config", None), ConfigError, "n 1: no such thing", "0 2"),
        ((None, "nan", None), NotFiniteError, "n 1: the loss is NaN", "0 2"),
        ((None, "checkpoint", None), CheckpointError, "n 1: damaged", "0 2"),
        ((None, "memory", None), MemoryLimitError, "n 1: 8 GiB; .* fewer --workers", "0 2"),
        ((None, "torch", None), MemoryLimitError, "n 1: Default.* fewer --workers", "0 2"),
        # After three failures the rest is not tried.
        (
            ("config", None, "nan", "config", None),
            ConfigError,
            "n 0: no such thing; and 2 more failed: n 2, n 3",
            "1",
        ),
        # Without room for files the run ends, and a mistake in the code is raised as it is.
        (("file", None), FileError, "n 0: no room", ""),
        (("os", None), FileError, "n 0: .*No space", ""),
        ((None, "bug", None), KeyError, "slip", "0"),
    ],
)
def test_a_task_that_fails_is_named_and_stops_no_other(
    tmp_path: Path,
    errors: tuple[str | None, ...],
    kind: type[Exception],
    words: str,
    others: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(2):
        with pytest.raises(kind, match=words) as caught:
            run(mixed(*errors), tmp_path, stumble, progress=True)
        assert calls(tmp_path) == others
        alone = kind in (FileError, KeyError)
        assert ("failed, the others go on: n " in capsys.readouterr().err) != alone
        assert (kind is KeyError) == ("in the task 'n 1'" in getattr(caught.value, "__notes__", ()))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": 0}, "workers must be at least 1, not 0"),
        ({"part": (0, 3)}, r"i from 1 to n, not \(0, 3\)"),
        ({"part": (4, 3)}, r"not \(4, 3\)"),
    ],
)
def test_arguments_out_of_range(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        run(numbers(1), tmp_path, **options)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------ the folder


def test_a_folder_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tasks").write_text("in the way")
    with pytest.raises(FileError, match=r"cannot make .*tasks"):
        run(numbers(1), tmp_path)
    assert (tmp_path / "tasks").read_text() == "in the way"
    # Root, who often runs tests, may write everywhere: the answer of the system is changed.
    monkeypatch.setattr(module.os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(FileError, match=r"cannot write to .*tasks"):
        run(numbers(1), tmp_path / "other")
    assert calls(tmp_path / "other") == ""


def test_a_folder_in_the_place_of_a_result(tmp_path: Path) -> None:
    (task,) = numbers(1)
    (file_of(tmp_path, task) / "x").mkdir(parents=True)
    with pytest.raises(FileError, match=r"n 0: .*json is a folder"):
        run([task], tmp_path)


def long_list(task: Task, folder: Path) -> pd.DataFrame:
    return pd.DataFrame({"value": range(task.labels["n"])})


def test_a_full_disk_gives_one_error_and_nothing_half_written(tmp_path: Path) -> None:
    """A limit on the size of files stops the writing in the middle, as a full disk does."""
    resource = pytest.importorskip("resource")
    tasks = [Task({"n": n}, {}, weight=-1.0 * n) for n in (10, 50_000, 20)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(FileError, match=r"n 50000: cannot write .*unchanged"):
            run(tasks, tmp_path, long_list)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    # The heavy one comes last: the two others were kept, and of it nothing is left.
    names = sorted(path.name for path in (tmp_path / "tasks").iterdir())
    assert names == sorted(file_of(tmp_path, task).name for task in (tasks[0], tasks[2]))
    assert len(run(tasks, tmp_path, long_list)[tasks[1].key]) == 50_000


# ------------------------------------------------------------------ parts and company


def test_parts_share_the_tasks_and_their_weight(tmp_path: Path) -> None:
    tasks = [Task({"n": n}, {}, weight=float(n)) for n in range(10)]
    parts = [run(tasks, tmp_path / str(i), part=(i, 3)) for i in (1, 2, 3)]
    assert sorted(key for part in parts for key in part) == sorted(task.key for task in tasks)
    weight = {task.key: task.weight for task in tasks}
    assert [sum(weight[key] for key in part) for part in parts] == [9 + 6 + 3 + 0, 15, 12]


def test_parts_in_one_folder_give_what_is_there(tmp_path: Path) -> None:
    tasks = numbers(5)
    assert len(run(tasks, tmp_path, part=(1, 2))) == 3
    # What was done does not move the shares.
    both = run(tasks, tmp_path, part=(2, 2))
    assert list(both) == [task.key for task in tasks]
    assert list(run(tasks, tmp_path)) == list(both)
    assert calls(tmp_path) == "0 2 4 1 3"


def test_a_task_that_another_process_does_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim is held while the others are done; then its result is taken, not made."""
    pytest.importorskip("fcntl")
    tasks = numbers(3)
    run(tasks[:1], tmp_path / "other")
    folder = tmp_path / "ours" / "tasks"
    folder.mkdir(parents=True)
    pauses: list[float] = []

    def finish(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            assert calls(tmp_path / "ours") == "1 2"
            file_of(tmp_path / "other", tasks[0]).rename(file_of(tmp_path / "ours", tasks[0]))

    monkeypatch.setattr(time, "sleep", finish)
    with files.claimed(folder / f"{tasks[0].key}.lock") as ours:
        assert ours
        tables = run(tasks, tmp_path / "ours")
    assert [table["twice"][0] for table in tables.values()] == [0, 2, 4]
    assert calls(tmp_path / "ours") == "1 2"
    assert pauses == [0.1, 0.2, 0.4]


def test_a_claim_whose_holder_was_killed_is_free(tmp_path: Path) -> None:
    (task,) = numbers(1)
    (tmp_path / "tasks").mkdir()
    claim = tmp_path / "tasks" / f"{task.key}.lock"
    claim.touch()
    assert run([task], tmp_path)
    assert not claim.exists()


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def threads_of(task: Task, folder: Path) -> pd.DataFrame:
    import torch

    return pd.DataFrame({"torch": [torch.get_num_threads()], "blas": [blas_threads()]})


def test_a_task_has_one_thread_of_torch_and_of_blas(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threadpool_limits(limits=2, user_api="blas"):
            outside = blas_threads()
            (table,) = run(numbers(1), tmp_path, threads_of).values()
            assert blas_threads() == outside
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(outside) == {2}
    assert table.to_dict("list") == {"torch": [1], "blas": [[1] * len(outside)]}


# ------------------------------------------------------------------ processes


def test_items_come_back_with_what_became_of_them() -> None:
    outcomes = dict(attempts(runs.square, range(6), 2))
    assert isinstance(outcomes[2], RuntimeError)
    assert str(outcomes[2]) == "Stubborn: two"
    assert "raise Stubborn" in outcomes[2].__notes__[0]
    assert "died 2 times, last by SIGKILL" in str(outcomes[3])
    assert {x: outcomes[x] for x in (0, 1, 4, 5)} == {0: 0, 1: 1, 4: 16, 5: 25}


def test_in_processes_takes_items_as_they_are_needed_and_raises_what_fails() -> None:
    taken: list[int] = []
    results = in_processes(runs.square, (taken.append(x) or x for x in range(1000)), 1)
    assert [next(results), next(results), taken] == [(0, 0), (1, 1), [0, 1]]
    with pytest.raises(runs.Stubborn):
        next(results)
    assert taken == [0, 1, 2]
    with pytest.raises(TnlearnError, match="the worker process died 2 times"):
        dict(in_processes(runs.square, [3], 2))


@in_proc
def test_a_killed_worker_changes_nothing(tmp_path: Path) -> None:
    runs.check_a_killed_worker(tmp_path, "--workers", "2")


@in_proc
def test_a_killed_driver_takes_its_workers_along_and_is_gone_on_with(tmp_path: Path) -> None:
    with runs.held(tmp_path, "--workers", "2", results=3) as (driver, hold):
        runs.until(lambda: len(runs.leftovers(tmp_path)) == 1, "the other claims to be given back")
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        workers = {pid for pids in runs.begun(tmp_path).values() for pid in pids}
        runs.until(lambda: not any(map(runs.alive, workers)), "the end of the workers")
    hold.unlink()
    assert runs.finished(tmp_path, *runs.WHAT, "--workers", "2") == (0, "4\n", "")
    runs.check_whole(tmp_path, twice=(runs.HELD,))


@in_proc
def test_ctrl_c_ends_everything_quietly(tmp_path: Path) -> None:
    runs.check_ctrl_c(tmp_path, "--workers", "2")
    assert runs.files(tmp_path).items() <= runs.unbroken().items()


def test_two_runs_in_one_folder_share_the_work(tmp_path: Path) -> None:
    with (
        runs.held(tmp_path) as (one, hold),
        runs.started(tmp_path, *runs.WHAT, "--workers", "2") as two,
    ):
        runs.until(lambda: len(runs.kept(tmp_path)) == 3, "the second run")
        hold.unlink()
        assert [runs.ended(one), runs.ended(two)] == [(0, "4\n", "")] * 2
    runs.check_whole(tmp_path)


def test_what_kills_its_workers_is_named_and_stops_no_other(tmp_path: Path) -> None:
    what = ("ok", "die", "fail", "die once", "ok")
    status, _, errors = runs.finished(tmp_path, *what, "--workers", "2")
    assert status == 1
    assert errors.count("\n") == 1
    assert "n 2, what fail" in errors
    assert "n 1, what die" in errors
    assert "this one cannot be done" in errors or "died 2 times, last by SIGKILL" in errors
    assert runs.kept(tmp_path) == [0, 3, 4]
    assert runs.times_begun(tmp_path) == {0: 1, 1: 2, 2: 1, 3: 2, 4: 1}


def test_a_script_without_its_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from pathlib import Path\n"
        "from lab_runs import tasks, work\n"
        "from tnlearn.lab.tasks import run_tasks\n"
        f"run_tasks(tasks('ok', 'ok'), Path({str(tmp_path)!r}), work, workers=2, progress=False)\n"
    )
    with runs.launched(str(script)) as process:
        status, _, errors = runs.ended(process)
    assert status == 1
    last = errors.rstrip().splitlines()[-1]
    assert "ended before it began (exit status 1)" in last
    assert "if __name__ == '__main__':" in last
