"""Profiles, idempotent tasks, and the whole comparison on a tiny scale, also killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.cli import main
from tnlearn.errors import CheckpointError, ConfigError, FileError, UnknownNameError
from tnlearn.studies import benchmark
from tnlearn.studies.profile import SHIPPED, load_profile, to_toml
from tnlearn.studies.tasks import Task, run_tasks

TINY = """
profile = "tiny"
cells = 8
seed = 0
members = 2
workers = 1
batch_size = 32
batches = "own"
threshold = 0.5

[data.ssh]
train = 96
validation = 40
test = 40
shifts = ["clean", "disorder-1", "ring", "size-2x"]

[networks.quartic]
title = "RSWN quartic"
family = "rswn"
description = "one D"
kind = "rswn"
options = { form = "quartic" }
free = { nodes = ["D"] }
epochs = 3
lr = "search"

[networks.position]
title = "RSWN of position"
family = "rswn"
description = "D a function of position"
kind = "rswn"
free = { nodes = ["D"] }
structure = "position"
epochs = 2
lr = 0.01

[networks.linear]
title = "Linear"
family = "generic"
description = "linear"
kind = "linear"
epochs = 2
lr = { ssh = 0.01 }

[search]
rates = [0.001, 0.01]
members = 2

[pruning]
data = "ssh"
networks = ["quartic"]
node = "D"

[learned]
data = "ssh"
network = "quartic"
node = "D"

[trainability]
data = "ssh"
networks = ["quartic"]
scales = [0.1, 1.0]
members = 2
epochs = 2
train = 64
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def finished(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    benchmark.run(tiny, out, progress=False)
    return out


def measured(out: Path) -> dict[str, object]:
    """The results without what depends on the clock and the machine."""
    results = json.loads((out / "results.json").read_text())
    for key in ("seconds", "environment", "command", "config"):
        results.pop(key)
    for run in results["runs"]:
        run.pop("seconds")
    return results


# ------------------------------------------------------------------ profiles


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_profiles_hold_and_survive_a_round_trip(name: str, tmp_path: Path) -> None:
    profile = load_profile(name)
    assert tomllib.loads(to_toml(profile)) == profile
    left = tmp_path / "config.toml"  # a run leaves it without the workers, who decide no result
    left.write_text(to_toml({key: value for key, value in profile.items() if key != "workers"}))
    assert load_profile(left, workers=profile["workers"]) == profile
    convolutional = ("cnn", "resnet", "attention", "symmetric-conv")
    for network, entry in profile["networks"].items():
        least = 3 if network in convolutional else 8
        assert entry.get("members", profile["members"]) >= least


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ("threshold = 0.5", "treshold = 0.5", UnknownNameError, "'threshold'"),
        ("cells = 8", "", ConfigError, "lacks 'cells'"),
        ("members = 2\nworkers", 'members = "two"\nworkers', ConfigError, "members must be"),
        ('kind = "linear"', 'kind = "liner"', UnknownNameError, "'linear'"),
        ('form = "quartic"', 'from = "quartic"', UnknownNameError, "'form'"),
        ('form = "quartic"', 'form = "quartik"', UnknownNameError, "'quartic'"),
        ("[data.ssh]", "[data.shh]", UnknownNameError, "ssh"),
        ('"disorder-1"', '"disordr-1"', UnknownNameError, "disorder"),
        ('network = "quartic"', 'network = "quartc"', UnknownNameError, "'quartic'"),
        ("[search]\nrates = [0.001, 0.01]\nmembers = 2", "", ConfigError, "no \\[search\\]"),
        ("cells = 8", "cells = = 8", ConfigError, "not valid TOML"),
    ],
)
def test_mistakes_in_a_profile(
    tmp_path: Path, old: str, new: str, error: type[Exception], words: str
) -> None:
    assert old in TINY
    path = tmp_path / "bad.toml"
    path.write_text(TINY.replace(old, new, 1))
    with pytest.raises(error, match=words):
        benchmark.run(path, tmp_path / "out", progress=False)


def test_missing_profile(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot read the profile"):
        load_profile(tmp_path / "none.toml")
    with pytest.raises(UnknownNameError, match="did you mean 'quick'"):
        load_profile("quik")


def test_overrides(tiny: Path) -> None:
    profile = load_profile(tiny, seed=7, members=5, workers=3)
    assert (profile["seed"], profile["members"], profile["workers"]) == (7, 5, 3)


# ------------------------------------------------------------------ tasks


def count_up(task: Task, folder: Path) -> dict[str, object]:
    with (folder.parent / "calls").open("a") as calls:
        calls.write(task.title + "\n")
    if task.config.get("fails"):
        raise ConfigError("this one fails")
    return {"twice": 2 * task.config["n"], "nan": float("nan")}


def test_tasks_are_done_once(tmp_path: Path) -> None:
    tasks = [Task("t", f"n{n}", {"n": n}) for n in range(4)]
    folder = tmp_path / "tasks"
    first = run_tasks(tasks[:2], folder, count_up, workers=1, progress=False)
    again = run_tasks(tasks, folder, count_up, workers=2, progress=False)
    assert [again[task.key]["twice"] for task in tasks] == [0, 2, 4, 6]
    assert again[tasks[0].key] == first[tasks[0].key]
    assert again[tasks[0].key]["nan"] is None
    assert sorted((tmp_path / "calls").read_text().split()) == ["n0", "n1", "n2", "n3"]


def test_a_damaged_result_is_made_again(tmp_path: Path) -> None:
    task = Task("t", "n", {"n": 3})
    folder = tmp_path / "tasks"
    run_tasks([task], folder, count_up, workers=1, progress=False)
    (folder / f"{task.key}.json").write_text('{"key": "t-')
    assert run_tasks([task], folder, count_up, workers=1, progress=False)[task.key]["twice"] == 6


def test_a_failing_task_keeps_the_others(tmp_path: Path) -> None:
    tasks = [Task("t", "good", {"n": 1}, 2.0), Task("t", "bad", {"n": 1, "fails": True}, 1.0)]
    with pytest.raises(ConfigError, match="this one fails"):
        run_tasks(tasks, tmp_path / "tasks", count_up, workers=1, progress=False)
    assert (tmp_path / "tasks" / f"{tasks[0].key}.json").exists()


def test_the_key_depends_on_the_configuration_only() -> None:
    a = Task("t", "one title", {"x": 1, "y": 2}, 1.0)
    b = Task("t", "another", {"y": 2, "x": 1}, 5.0)
    assert a.key == b.key
    assert a.key != Task("t", "one title", {"x": 1, "y": 3}).key


# ------------------------------------------------------------------ the whole


def test_everything_is_there(finished: Path) -> None:
    for name in ("report.html", "results.json", "config.toml", "figures/graph-operator.png"):
        assert (finished / name).stat().st_size > 100
    results = measured(finished)
    assert {run["network"] for run in results["runs"]} == {"quartic", "position", "linear"}
    by_name = {run["network"]: run for run in results["runs"]}
    for run in by_name.values():
        assert np.shape(run["accuracy"]["clean"]) == (2,)
        assert np.shape(run["history"]["loss"]) == (2, run["epochs"])
    # Only functions of position can be taken to another length; the others say why not.
    assert by_name["position"]["accuracy"]["size-2x"] is not None
    assert by_name["linear"]["accuracy"]["size-2x"] is None
    assert "position" in by_name["linear"]["not_applicable"]["size-2x"]
    assert by_name["quartic"]["lr"] in (0.001, 0.01)
    pruning = results["pruning"][0]
    clean = by_name["quartic"]["accuracy"]["clean"]
    assert np.array(pruning["accuracy"])[:, -1] == pytest.approx(clean)
    assert np.shape(results["learned"]["learned"]) == (1, 8, 8)
    assert np.shape(results["trainability"][0]["accuracy"]) == (2, 2)


def test_the_exact_network_is_the_rounded_winding_number(finished: Path) -> None:
    from tnlearn.studies.members import part_seed

    results = measured(finished)
    test = tnl.dataset("ssh", cells=8, samples=40, seed=part_seed(0, "test"))
    nearest = np.clip(tnl.winding(test.chains, "rswn").integer, 0, 1)
    assert results["exact"]["ssh"]["clean"] == pytest.approx(np.mean(nearest == test.windings))


def test_fitted_ensembles_can_be_loaded(finished: Path) -> None:
    fitted = tnl.load(finished / "fitted" / "ssh-quartic.npz")
    run = next(r for r in measured(finished)["runs"] if r["network"] == "quartic")
    test = tnl.dataset("ssh", cells=8, samples=40, seed=2)
    assert fitted.accuracy(test) == pytest.approx(run["accuracy"]["clean"])


def test_running_again_changes_nothing(finished: Path, tiny: Path) -> None:
    before = measured(finished)
    benchmark.run(tiny, finished, workers=2, progress=False)
    assert measured(finished) == before


def test_another_configuration_is_refused(finished: Path, tiny: Path) -> None:
    before = (finished / "results.json").read_bytes()
    with pytest.raises(CheckpointError, match=r"another configuration.*seed = 0.*seed = 3"):
        benchmark.run(tiny, finished, seed=3, progress=False)
    assert (finished / "results.json").read_bytes() == before


def test_foreign_folders_are_refused(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileError, match="not made by tnlearn benchmark"):
        benchmark.run(tiny, tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(FileError, match="is a file"):
        benchmark.run(tiny, tmp_path / "thesis.txt", progress=False)


def test_command_line_errors_take_one_line(
    tmp_path: Path, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(["benchmark", "--profile", str(tiny), "--out", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("tnlearn: ")


def test_a_killed_run_goes_on_to_the_same_results(
    finished: Path, tiny: Path, tmp_path: Path
) -> None:
    """SIGKILL a real process as soon as its first results are there, several times over."""
    out = tmp_path / "broken"
    script = (
        "import sys; from tnlearn.studies import benchmark\n"
        "if __name__ == '__main__': benchmark.run(sys.argv[1], sys.argv[2], progress=False)\n"
    )
    command = [sys.executable, "-c", script, str(tiny), str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = 0
    for results in (1, 3):
        process = subprocess.Popen(command, env=environment)
        deadline = time.monotonic() + 180
        while process.poll() is None and time.monotonic() < deadline:
            if len(list((out / "tasks").glob("*.json"))) >= results:
                process.send_signal(signal.SIGKILL)
                killed += 1
                break
            time.sleep(0.002)
        process.wait()
    assert killed
    subprocess.run(command, env=environment, check=True, timeout=300)
    assert measured(out) == measured(finished)
