"""The frame of a study, tried on `exact`: profiles, folders, shares, resuming; trained chunks."""

from __future__ import annotations

import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tnlearn import cli_study
from tnlearn.cli import main
from tnlearn.errors import CheckpointError, ConfigError, FileError, UnknownNameError
from tnlearn.physics.invariants import winding
from tnlearn.report.collect import collect
from tnlearn.report.old_claims import CLAIMS, VERDICTS, claims_page, read_results, write_claims
from tnlearn.studies.exact import trace_formula
from tnlearn.studies.folder import claim
from tnlearn.studies.members import data_set
from tnlearn.studies.profile import WORKERS
from tnlearn.studies.status import status
from tnlearn.studies.study import PROFILES, STUDIES, load_study, read_profile, study
from tnlearn.studies.trained import chunks, rate, trained, training_config
from tnlearn.training.fit import fit

TINY = """
study = "exact"
profile = "tiny"
cells = 8
seed = 0
members = 1
chunk = 1
workers = 1
batch_size = 32
batches = "own"
threshold = 0.9
data = ["ssh"]
lengths = [8, 10]
disorders = [0.0, 1.0]
samples = 20
window = 0.5
"""

TRAINING = """
study = "exact"
profile = "training"
cells = 8
seed = 3
members = 5
chunk = 2
workers = 1
batch_size = 16
batches = "own"
threshold = 0.9
networks = ["quartic-single", "own"]
data = ["ssh"]
lengths = [8]
disorders = [0.0]
samples = 4
window = 0.5

[entries.quartic-single]
epochs = 2

[entries.own]
title = "Linear"
family = "generic"
description = "linear"
kind = "linear"
epochs = 1
lr = 0.01
"""


def written(folder: Path, text: str = TINY) -> Path:
    path = folder / "profile.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    report = study("exact", written(folder), folder / "out", progress=False)
    assert report == folder / "out" / "report.html"
    return folder / "out"


def numbers(out: Path) -> dict[str, object]:
    results = json.loads((out / "results.json").read_text())
    return {k: v for k, v in results.items() if k not in ("seconds", "environment", "command")}


def test_the_status_counts_what_is_done(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = finished / "config.toml"
    tasks = sorted((finished / "tasks").glob("*.json"))
    (row,) = status("exact", profile, finished)
    assert (row.study, row.kind) == ("exact", "exact-precision")
    assert row.tasks == row.done == len(tasks) > 1
    copied = tmp_path / "run"
    shutil.copytree(finished, copied)
    (copied / "tasks" / tasks[0].name).write_text("{}")  # damaged: to be done again
    assert status("exact", profile, copied)[0].done == len(tasks) - 1
    assert (
        main(["study", "exact", "--profile", str(profile), "--out", str(copied), "--status"]) == 0
    )
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.split() == ["all", str(len(tasks) - 1), str(len(tasks))]
    # A share has no status of its own.
    assert main(["study", "exact", "--status", "--part", "1/2"]) == 2
    assert "not allowed with" in capsys.readouterr().err
    empty = tmp_path / "nothing"
    assert [row.done for row in status("all", "quick", empty)] == [0] * len(status("all"))
    assert not empty.exists()
    with pytest.raises(ConfigError, match="a profile is of one study"):
        status("all", profile)


# ------------------------------------------------------------------ profiles


def test_the_command_line_knows_the_studies() -> None:
    assert cli_study.NAMES == STUDIES


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("profile", PROFILES)
def test_shipped_profiles_are_as_their_study_expects(name: str, profile: str) -> None:
    chosen = load_study(name)
    assert chosen.name == name
    assert chosen.title.endswith("?")
    read = read_profile(chosen, profile)
    tasks = chosen.tasks(read)
    assert tasks
    keys = [task.key for task in tasks]
    assert len(set(keys)) == len(keys)
    assert all(task.kind.startswith(name) for task in tasks)
    # All that decides a result is in the task, as JSON holds it.
    for task in tasks:
        assert json.loads(json.dumps(task.config)) == task.config


@pytest.mark.parametrize("name", STUDIES)
def test_the_configuration_that_a_run_leaves_is_a_profile(name: str, tmp_path: Path) -> None:
    chosen = load_study(name)
    read = read_profile(chosen, "hour", seed=7, members=5, workers=3)
    claim(tmp_path, read, "a run", ())
    again = read_profile(chosen, tmp_path / "config.toml")
    assert again["workers"] == WORKERS  # they decide no result, and are not kept
    assert [t.key for t in chosen.tasks(again)] == [t.key for t in chosen.tasks(read)]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (("samples = 20", ""), ConfigError, "lacks 'samples'"),
        (("samples = 20", "samples = 20\nsmaples = 3"), UnknownNameError, "did you mean 'samples'"),
        (('study = "exact"', 'study = "audit"'), ConfigError, "of 'audit', not of 'exact'"),
        (("chunk = 1", "chunk = 0"), ConfigError, "chunk must be at least 1"),
        (("window = 0.5", 'window = "half"'), ConfigError, "window must be of type number"),
        (("window = 0.5", 'window = 0.5\nnetworks = ["cnm"]'), UnknownNameError, "'cnn'"),
    ],
)
def test_mistakes_in_a_profile_are_named(
    tmp_path: Path, change: tuple[str, str], error: type[Exception], words: str
) -> None:
    path = written(tmp_path, TINY.replace(*change))
    with pytest.raises(error, match=words):
        study("exact", path, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_entries_change_single_keys_of_the_catalogue(tmp_path: Path) -> None:
    profile = read_profile(load_study("exact"), written(tmp_path, TRAINING), members=9)
    assert profile["members"] == 9
    assert profile["entries"]["quartic-single"]["epochs"] == 2
    assert profile["entries"]["quartic-single"]["free"] == {"nodes": ["D"]}
    assert rate(profile["entries"]["own"], "extended") == 0.01
    with pytest.raises(ConfigError, match="no learning rate for 'complex'"):
        rate(profile["entries"]["quartic-single"], "complex")


# ------------------------------------------------------------------- running


def test_a_study_says_what_it_found(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    assert results["format"] == "tnlearn-study/1"
    assert len(results["rows"]) == 4
    assert results["verdicts"][0]["verdict"] == "supported"
    page = (finished / "report.html").read_text()
    assert "http" not in page.replace("http-equiv", "")  # asks the network for nothing
    assert page.count("data:image/png;base64,") == 2
    assert sorted(p.name for p in (finished / "figures").iterdir()) == [
        "precision.png",
        "rounding.png",
    ]


def test_shares_and_resuming_give_the_same_results(finished: Path, tmp_path: Path) -> None:
    path = written(tmp_path)
    out = tmp_path / "out"
    for share in (1, 2, 3):
        assert study("exact", path, out, part=(share, 3), progress=False) is None
    assert not (out / "report.html").exists()
    done = {p.name: p.stat().st_mtime_ns for p in (out / "tasks").glob("*.json")}
    assert len(done) == 4
    study("exact", path, out, progress=False)
    assert {p.name: p.stat().st_mtime_ns for p in (out / "tasks").glob("*.json")} == done
    assert numbers(out) == numbers(finished)


def test_a_folder_of_another_run_is_left_alone(finished: Path, tmp_path: Path) -> None:
    before = (finished / "results.json").read_bytes()
    with pytest.raises(CheckpointError, match="another configuration"):
        study("exact", written(tmp_path), finished, seed=7, progress=False)
    assert (finished / "results.json").read_bytes() == before
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "thesis.tex").write_text("mine")
    with pytest.raises(FileError, match=r"holds thesis\.tex"):
        study("exact", written(tmp_path), strange, progress=False)
    assert [p.name for p in strange.iterdir()] == ["thesis.tex"]


def test_the_command_runs_a_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path)
    words = ["study", "exact", "--profile", str(path), "--out", "out"]
    assert main([*words, "--part", "1/2"]) == 0
    assert "Share 1 of 2 is done" in capsys.readouterr().out
    assert main(words) == 0
    assert "out/report.html" in capsys.readouterr().out
    assert main(["claims", "out", "--out", "claims.md"]) == 0
    assert "claims.md" in capsys.readouterr().out
    assert main(["study", "exat"]) == 2
    assert "did you mean 'exact'" in capsys.readouterr().err
    assert main(["study", "exact", "--part", "0/2"]) == 2
    assert "1/4" in capsys.readouterr().err
    assert main(["study", "all", "--profile", str(path)]) == 2
    assert "a profile is of one study" in capsys.readouterr().err


def test_the_trace_formula_is_the_physics(tmp_path: Path) -> None:
    data = data_set("extended", 12, 30, 0.5, 5)
    states = data.chains.states()
    value = winding(data.chains, "rswn").value
    np.testing.assert_allclose(trace_formula(states.u, states.v, 0.5), value, atol=1e-11)


# -------------------------------------------------------------- trained chunks


def test_chunks_are_trained_once_and_are_parts_of_one_ensemble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = read_profile(load_study("exact"), written(tmp_path, TRAINING))
    data = {"name": "ssh", "train": 48, "validation": 20, "test": 20}
    made = [
        trained(training_config(profile, data, "quartic-single", offset, members), tmp_path)
        for offset, members in chunks(5, 2)
    ]
    assert [len(fitted) for fitted in made] == [2, 2, 1]
    whole = trained(training_config(profile, data, "quartic-single", 0, 5), tmp_path / "whole")
    joined = np.concatenate([fitted.parameters["D"] for fitted in made])
    np.testing.assert_array_equal(joined, whole.parameters["D"])

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("tnlearn.studies.trained.fit", refuse)
    # Other test chains ask the same members: nothing is trained anew.
    config = training_config(profile, {**data, "test": 99}, "quartic-single", 0, 2)
    np.testing.assert_array_equal(
        trained(config, tmp_path).parameters["D"], made[0].parameters["D"]
    )
    with pytest.raises(AssertionError, match="trained again"):
        trained({**config, "seed": 4}, tmp_path)


def test_members_that_two_tasks_want_at_once_are_trained_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = read_profile(load_study("exact"), written(tmp_path, TRAINING))
    data = {"name": "ssh", "train": 48, "validation": 20, "test": 20}
    config = training_config(profile, data, "quartic-single", 0, 2)
    both = threading.Barrier(2)
    begun: list[int] = []

    def counted(*args: Any, **options: Any) -> Any:
        begun.append(threading.get_ident())
        time.sleep(1.0)  # so that the other one comes meanwhile
        return fit(*args, **options)

    monkeypatch.setattr("tnlearn.studies.trained.fit", counted)

    def ask() -> Any:
        both.wait()
        return trained(config, tmp_path / "store").parameters["D"]

    with ThreadPoolExecutor(2) as pool:
        one, other = [future.result() for future in [pool.submit(ask) for _ in range(2)]]
    assert len(begun) == 1
    np.testing.assert_array_equal(one, other)
    assert [path.suffix for path in (tmp_path / "store").iterdir()] == [".npz"]


def test_a_damaged_chunk_is_trained_anew(tmp_path: Path) -> None:
    profile = read_profile(load_study("exact"), written(tmp_path, TRAINING))
    data = {"name": "ssh", "train": 48, "validation": 20, "test": 20}
    config = training_config(profile, data, "own", 0, 1)
    first = trained(config, tmp_path / "store")
    (path,) = (tmp_path / "store").iterdir()
    path.write_bytes(path.read_bytes()[:-200])
    again = trained(config, tmp_path / "store")
    for name, values in first.parameters.items():
        np.testing.assert_array_equal(values, again.parameters[name])


# -------------------------------------------------------------------- claims


def test_claims_are_written_from_results(finished: Path, tmp_path: Path) -> None:
    page = write_claims(finished, tmp_path / "claims.md").read_text()
    assert "| The network expresses the winding number exactly. |" in page
    assert "**supported**" in page
    assert page.count("not measured") >= len(CLAIMS) - 1
    value = json.loads((finished / "results.json").read_text())["findings"][0]["value"]
    assert f"{value:.1e}" in page


def test_the_kept_copies_are_the_results(finished: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    stale = kept / "exact" / "figures" / "no-longer-made.png"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"")
    assert collect(finished, kept) == [kept / "exact"]
    copied = json.loads((kept / "exact" / "results.json").read_text())
    assert copied == json.loads((finished / "results.json").read_text())
    assert sorted(p.name for p in (kept / "exact" / "figures").iterdir()) == [
        "precision.png",
        "rounding.png",
    ]
    pages = [write_claims(f, tmp_path / "claims.md").read_text() for f in (finished, kept)]
    assert pages[1].replace(str(kept), str(finished)) == pages[0]
    assert not list(kept.rglob("*.html"))


def test_studies_that_differ_give_a_verdict_that_depends() -> None:
    def found(word: str) -> dict[str, object]:
        verdict = {"claim": "proxies", "verdict": word, "condition": "", "because": "measured"}
        return {"verdicts": [verdict], "command": "c", "seconds": 1, "config": {"profile": "p"}}

    page = claims_page({"a": found("supported"), "b": found("not supported")}, "here")
    assert "**depends on** what is asked" in page
    assert set(VERDICTS) == {"supported", "depends on", "not supported"}
    with pytest.raises(ConfigError, match="is no verdict"):
        claims_page({"a": found("maybe")}, "here")


def test_foreign_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no results of a study"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(FileError, match="cannot read"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text('{"format": "other/2"}')
    with pytest.raises(ConfigError, match="other/2"):
        read_results(tmp_path)
