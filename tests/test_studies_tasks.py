"""Lists of tasks in one process: what is kept, what is made again, what is refused, who shares."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
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
from tnlearn.studies import tasks as tasks_module
from tnlearn.studies.executors import attempt, portable
from tnlearn.studies.folder import claim
from tnlearn.studies.tasks import Task, read_json, run_tasks, write_json


def numbers(count: int, **config: Any) -> list[Task]:
    return [Task("t", f"n{n}", {"n": n, **config}) for n in range(count)]


def double(task: Task, folder: Path) -> dict[str, Any]:
    with (folder.parent / "calls").open("a") as calls:
        calls.write(task.title + "\n")
    return {"twice": 2 * task.config["n"], "pair": (1, 2), "nan": float("nan")}


def calls(out: Path) -> list[str]:
    path = out / "calls"
    return path.read_text().split() if path.exists() else []


def run(tasks: list[Task], out: Path, work: Any = double, **options: Any) -> dict[str, Any]:
    return run_tasks(tasks, out / "tasks", work, **{"workers": 1, "progress": False, **options})


def file_of(out: Path, task: Task) -> Path:
    return out / "tasks" / f"{task.key}.json"


# ------------------------------------------------------------------ results


def test_results_are_the_same_just_made_and_read_again(tmp_path: Path) -> None:
    tasks = numbers(3)
    first = run(tasks, tmp_path)
    assert list(first) == [task.key for task in tasks]
    assert first[tasks[1].key] == {"twice": 2, "pair": [1, 2], "nan": None}
    assert run(tasks, tmp_path) == first
    assert calls(tmp_path) == ["n0", "n1", "n2"]


def test_heavy_tasks_are_begun_first_and_each_once(tmp_path: Path) -> None:
    light, heavy = Task("t", "n1", {"n": 1}, 1.0), Task("t", "n2", {"n": 2}, 2.0)
    again = Task("t", "n1 by another title", {"n": 1}, 0.5)
    assert len(run([light, heavy, again], tmp_path)) == 2
    assert calls(tmp_path) == ["n2", "n1"]


def alter(path: Path, **changes: Any) -> None:
    found = json.loads(path.read_text())
    found.update(changes)
    path.write_text(json.dumps(found))


@pytest.mark.parametrize("damage", ["cut", "empty", "binary", "list", "result", "key", "config"])
def test_a_result_that_is_not_as_written_is_made_again(tmp_path: Path, damage: str) -> None:
    task, *others = numbers(2)
    path = file_of(tmp_path, task)
    first = run([task, *others], tmp_path)
    text = path.read_bytes()
    if damage in ("cut", "empty", "binary", "list"):
        new = {"cut": text[: len(text) // 2], "empty": b"", "binary": b"\xff\x00", "list": b"[]"}
        path.write_bytes(new[damage])
    else:
        changed = {"result": {"twice": 7}, "key": others[0].key, "config": {"n": 5}}
        alter(path, **{damage: changed[damage]})
    assert run([task, *others], tmp_path) == first
    assert calls(tmp_path) == ["n0", "n1", "n0"]
    assert path.read_bytes() == text


def test_results_of_the_first_version_are_read(tmp_path: Path) -> None:
    """They had no checksum."""
    task = numbers(1)[0]
    old = {"key": task.key, "title": "n0", "config": {"n": 0}, "result": {"twice": 0}}
    file_of(tmp_path, task).parent.mkdir()
    file_of(tmp_path, task).write_text(json.dumps(old))
    assert run([task], tmp_path) == {task.key: {"twice": 0}}
    assert calls(tmp_path) == []


def test_configurations_with_tuples_and_arrays_of_numbers_are_recognised(tmp_path: Path) -> None:
    task = Task("t", "n", {"n": 1, "shape": (2, 3), "deep": {"a": [1.5, None, "x"]}})
    run([task], tmp_path)
    run([task], tmp_path)
    assert calls(tmp_path) == ["n"]


def test_old_leftovers_of_killed_writers_go_and_young_ones_stay(tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    old, young = folder / f"{files.TEMPORARY}a.tmp", folder / f"{files.TEMPORARY}b.tmp"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    run(numbers(1), tmp_path)
    assert young.exists()
    assert not old.exists()


# ------------------------------------------------------------------ what fails


def stumble(task: Task, folder: Path) -> dict[str, Any]:
    error = task.config.get("error")
    if error is not None:
        raise {
            "config": ConfigError("no such thing"),
            "nan": NotFiniteError("the loss is NaN"),
            "file": FileError("no room"),
            "os": OSError(28, "No space left on device"),
            "checkpoint": CheckpointError("damaged"),
            "memory": MemoryError("8 GiB"),
            "torch": RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            "bug": KeyError("slip"),
        }[error]
    return double(task, folder)


def mixed(*errors: str | None) -> list[Task]:
    return [
        Task("t", f"n{n}", {"n": n, "error": error}, -n * 1.0) for n, error in enumerate(errors)
    ]


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        ("config", ConfigError, "n1: no such thing"),
        ("nan", NotFiniteError, "n1: the loss is NaN"),
        ("checkpoint", CheckpointError, "n1: damaged"),
        ("memory", MemoryLimitError, "n1: 8 GiB; .* fewer --workers"),
        ("torch", MemoryLimitError, "n1: Default.* fewer --workers"),
    ],
)
def test_a_task_that_fails_is_named_and_stops_no_other(
    tmp_path: Path, error: str, kind: type[TnlearnError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        run(mixed(None, error, None), tmp_path, stumble)
    assert calls(tmp_path) == ["n0", "n2"]
    with pytest.raises(kind, match=words):
        run(mixed(None, error, None), tmp_path, stumble)
    assert calls(tmp_path) == ["n0", "n2"]


def test_after_three_failures_the_rest_is_not_tried(tmp_path: Path) -> None:
    tasks = mixed("config", None, "nan", "config", None)
    with pytest.raises(ConfigError, match="n0: no such thing; and 2 more failed: n2, n3"):
        run(tasks, tmp_path, stumble)
    assert calls(tmp_path) == ["n1"]


@pytest.mark.parametrize(("error", "words"), [("file", "n0: no room"), ("os", "n0: .*No space")])
def test_without_room_for_files_the_run_ends(tmp_path: Path, error: str, words: str) -> None:
    with pytest.raises(FileError, match=words):
        run(mixed(error, None), tmp_path, stumble)
    assert calls(tmp_path) == []


def test_a_mistake_in_the_code_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="slip") as caught:
        run(mixed(None, "bug", None), tmp_path, stumble)
    assert "in the task 'n1'" in caught.value.__notes__
    assert calls(tmp_path) == ["n0"]


class Stubborn(Exception):
    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.why = lambda: words  # nothing that can travel


def raises(task: Task) -> dict[str, Any]:
    raise Stubborn("one and two") if task.config["n"] else ConfigError("no such thing")


def test_errors_travel_with_the_place_where_they_were_raised() -> None:
    first, second = (portable(attempt(raises, task)) for task in numbers(2))
    assert isinstance(first, ConfigError)
    assert str(first) == "no such thing"
    assert "in raises" in first.__notes__[0]
    # What cannot be rebuilt on the other side is told in words.
    assert isinstance(second, RuntimeError)
    assert str(second) == "Stubborn: one and two"
    assert "in raises" in second.__notes__[0]
    assert portable({"a": 1}) == {"a": 1}


def test_what_fails_is_told_at_once_where_progress_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError):
        run(mixed("config", None), tmp_path, stumble, progress=True)
    assert "failed, the others go on: n0: no such thing" in capsys.readouterr().err


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


def test_dask_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install distributed"):
        run(numbers(1), tmp_path, scheduler="tcp://127.0.0.1:8786")
    assert calls(tmp_path) == []


# ------------------------------------------------------------------ the folder


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "tasks").write_text("in the way")
    with pytest.raises(FileError, match=r"cannot make .*tasks"):
        run(numbers(1), tmp_path)
    assert (tmp_path / "tasks").read_text() == "in the way"


def test_a_folder_that_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said before anything is computed."""
    # Root, who often runs tests, may write everywhere: the answer of the system is changed.
    monkeypatch.setattr(tasks_module.os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(FileError, match=r"cannot write to .*tasks"):
        run(numbers(1), tmp_path)
    assert calls(tmp_path) == []


def test_a_folder_in_the_place_of_a_result(tmp_path: Path) -> None:
    task = numbers(1)[0]
    (file_of(tmp_path, task) / "x").mkdir(parents=True)
    with pytest.raises(FileError, match=r"cannot write .*unchanged"):
        run([task], tmp_path)


def long_list(task: Task, folder: Path) -> dict[str, Any]:
    return {"values": list(range(task.config["n"]))}


def test_a_full_disk_gives_one_error_and_nothing_half_written(tmp_path: Path) -> None:
    """A limit on the size of files stops the writing in the middle, as a full disk does."""
    resource = pytest.importorskip("resource")
    tasks = [Task("t", f"list of {n}", {"n": n}, -1.0 * n) for n in (10, 50_000, 20)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(FileError, match=r"cannot write .*unchanged"):
            run(tasks, tmp_path, long_list)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    # The heavy one comes last: the two others were kept, and of it nothing is left.
    kept = sorted(path.name for path in (tmp_path / "tasks").iterdir())
    assert kept == sorted(file_of(tmp_path, task).name for task in (tasks[0], tasks[2]))
    assert len(run(tasks, tmp_path, long_list)[tasks[1].key]["values"]) == 50_000


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]


# ------------------------------------------------------------------ parts and company


def test_parts_share_the_tasks_and_their_weight(tmp_path: Path) -> None:
    tasks = [Task("t", f"n{n}", {"n": n}, float(n)) for n in range(10)]
    done = [run(tasks, tmp_path / str(i), part=(i, 3)) for i in (1, 2, 3)]
    assert sorted(key for part in done for key in part) == sorted(task.key for task in tasks)
    assert [len(part) for part in done] == [4, 3, 3]
    weight = {task.key: task.weight for task in tasks}
    assert [sum(weight[key] for key in part) for part in done] == [9 + 6 + 3 + 0, 15, 12]


def test_parts_in_one_folder_give_what_is_there(tmp_path: Path) -> None:
    tasks = numbers(5)
    first = run(tasks, tmp_path, part=(1, 2))
    assert len(first) == 3
    # What was done does not move the shares.
    both = run(tasks, tmp_path, part=(2, 2))
    assert list(both) == [task.key for task in tasks]
    assert run(tasks, tmp_path) == both
    assert len(calls(tmp_path)) == 5


def test_shares_that_make_one_folder_at_once(tmp_path: Path) -> None:
    """What another share is just writing is not taken for somebody else's file."""
    (tmp_path / f"{files.TEMPORARY}abc.tmp").write_bytes(b"half of config.toml")
    claim(tmp_path, {"seed": 1}, "tnlearn study", ("figures",))
    claim(tmp_path, {"seed": 1}, "tnlearn study", ("figures",))
    with pytest.raises(CheckpointError, match="another configuration"):
        claim(tmp_path, {"seed": 2}, "tnlearn study", ())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(FileError, match=r"it holds thesis\.tex"):
        claim(tmp_path / "other", {"seed": 1}, "tnlearn study", ())


def test_a_task_that_another_process_does_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim is held while the others are done; then its result is taken, not made."""
    pytest.importorskip("fcntl")
    tasks = numbers(3)
    other = tmp_path / "other"
    theirs = run(tasks[:1], other)
    folder = tmp_path / "mine" / "tasks"
    folder.mkdir(parents=True)
    pauses: list[float] = []

    def finish(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            assert calls(tmp_path / "mine") == ["n1", "n2"]
            file_of(other, tasks[0]).rename(file_of(tmp_path / "mine", tasks[0]))

    monkeypatch.setattr(tasks_module.time, "sleep", finish)
    with files.claimed(folder / f"{tasks[0].key}.lock") as ours:
        assert ours
        found = run(tasks, tmp_path / "mine")
    assert found[tasks[0].key] == theirs[tasks[0].key]
    assert len(found) == 3
    assert calls(tmp_path / "mine") == ["n1", "n2"]
    assert pauses == [0.1, 0.2, 0.4]


def test_a_claim_whose_holder_was_killed_is_free(tmp_path: Path) -> None:
    task = numbers(1)[0]
    (tmp_path / "tasks").mkdir()
    claim = tmp_path / "tasks" / f"{task.key}.lock"
    claim.touch()
    assert run([task], tmp_path)
    assert not claim.exists()


def test_many_claim_and_one_gets_it(tmp_path: Path) -> None:
    """Also while the file of the claim is removed and made again all the time."""
    pytest.importorskip("fcntl")
    inside, most, granted = 0, 0, 0
    count = threading.Lock()

    def try_often() -> None:
        nonlocal inside, most, granted
        for _ in range(300):
            with files.claimed(tmp_path / "claim") as mine:
                if mine:
                    with count:
                        inside += 1
                        most = max(most, inside)
                        granted += 1
                    time.sleep(0)
                    with count:
                        inside -= 1

    threads = [threading.Thread(target=try_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert granted > 4
    assert not list(tmp_path.iterdir())


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def threads_of(task: Task, folder: Path) -> dict[str, Any]:
    return {"torch": torch.get_num_threads(), "blas": blas_threads()}


def test_a_task_has_one_thread_of_torch_and_of_blas(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threadpool_limits(limits=2, user_api="blas"):
            outside = blas_threads()
            (found,) = run(numbers(1), tmp_path, threads_of).values()
            assert blas_threads() == outside
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(outside) == {2}
    assert found == {"torch": 1, "blas": [1] * len(outside)}
