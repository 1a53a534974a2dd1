"""What holds for every study: its profiles, its files, and that it goes on where it stopped."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny import ran, tiny, tiny_file

from tnlearn.errors import CheckpointError, ConfigError, FileError, UnknownNameError
from tnlearn.lab.profile import PROFILES, as_toml, read_profile
from tnlearn.lab.study import STUDIES, load_study, status, study

FINDING = {
    *("claim", "name", "network", "data", "value", "low", "high", "members", "unit", "condition"),
    "holds",
}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", STUDIES)
def test_shipped_profiles_are_whole_and_can_be_written(
    name: str, profile: str, tmp_path: Path
) -> None:
    chosen = load_study(name)
    read = read_profile(chosen.profile, name, profile)
    assert (read.study, read.profile, chosen.name) == (name, profile, name)
    tasks = chosen.tasks(read)
    assert tasks
    assert len({task.key for task in tasks}) == len(tasks)
    assert all(task.key.startswith(f"{name}-") and task.weight > 0 for task in tasks)
    # The config.toml of a run is the same profile again.
    (tmp_path / "config.toml").write_text(as_toml(read))
    assert as_toml(read_profile(chosen.profile, name, tmp_path / "config.toml")) == as_toml(read)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_says_what_it_asks_claims_and_shows(name: str) -> None:
    chosen = load_study(name)
    assert chosen.question.endswith("?")
    assert all(claim.words and claim.measured for claim in chosen.claims)
    names = [picture.name for picture in chosen.pictures]
    assert len(set(names)) == len(names) > 0
    assert all(picture.caption.endswith((".", ":")) for picture in chosen.pictures)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_writes_its_files_and_goes_on_where_it_stopped(name: str, tmp_path: Path) -> None:
    chosen, out = load_study(name), ran(name)
    page = (out / "report.html").read_text(encoding="utf-8")
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert results["study"] == name
    assert chosen.question in page
    assert "{{" not in page
    assert {v["claim"] for v in results["verdicts"]} <= {claim.key for claim in chosen.claims}
    assert all(set(finding) == FINDING for finding in results["findings"])
    pictures = sorted((out / "figures").glob("*.png"))
    assert page.count("data:image/png;base64,") == len(pictures) > 0
    text = gzip.decompress((out / "table.csv.gz").read_bytes())
    assert len(pd.read_csv(out / "table.csv.gz")) == text.count(b"\n") - 1 > 0

    again, profile = tmp_path / "again", tiny_file(name, tmp_path)
    shutil.copytree(out, again)
    tasks = {path.name: path.read_bytes() for path in (out / "tasks").glob("*.json")}
    assert sum(row[2] for row in status(name, profile, out)) == len(tasks)
    for path in sorted(tasks)[::3]:
        (again / "tasks" / path).unlink()
    study(name, profile, again, part=(1, 1), progress=False)
    assert {p.name: p.read_bytes() for p in (again / "tasks").glob("*.json")} == tasks


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'samples'"):
        study("sample", out=tmp_path / "out")
    with pytest.raises(UnknownNameError, match="did you mean 'quick'"):
        study("samples", "quik", tmp_path / "out")
    with pytest.raises(FileError, match=r"cannot read .*none\.toml"):
        study("samples", tmp_path / "none.toml", tmp_path / "out")
    with pytest.raises(ConfigError, match="a profile of 'samples', not of 'exact'"):
        study("exact", tiny_file("samples", tmp_path), tmp_path / "out")
    with pytest.raises(ConfigError, match="is several"):
        study("all", tiny_file("samples", tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


PART = {"cells": [8], "samples": [9], "choose": 9}


@pytest.mark.parametrize(
    ("name", "key", "value", "error", "words"),
    [
        ("amplitudes", "test_at", [1.0], ConfigError, "must hold 0"),
        ("amplitudes", "chains", "shh", UnknownNameError, "did you mean 'ssh'"),
        ("audit", "lengths", [14], ConfigError, "own 10 cells"),
        ("audit", "interventions", ["gage"], UnknownNameError, "'gauge'"),
        ("audit", "samples", None, ConfigError, "missing required field `samples`"),
        ("basin", "forms", ["octic"], UnknownNameError, "form in 'forms'"),
        ("comparison", "search", None, ConfigError, "entries.quartic.lr is 'search'"),
        ("comparison", "pruning.data", "extended", UnknownNameError, "set in 'pruning.data'"),
        ("comparison", "pruning.networks", ["mlp"], UnknownNameError, "in 'pruning.networks'"),
        ("curvature", "lines.networks", ["quartic"], ConfigError, "one channel"),
        ("curvature", "spectrum.networks", ["mlp"], UnknownNameError, "in 'spectrum.networks'"),
        ("disorder", "test_at", [0.5], ConfigError, "must hold 0"),
        ("disorder", "mixture", [0.0, -1.0], ConfigError, ">= 0.0 - at `mixture"),
        ("disorder", "brief", ["linera"], UnknownNameError, "did you mean 'linear'"),
        ("maps", "maps.one.networks", ["mlp"], UnknownNameError, "in 'maps.one.networks'"),
        ("maps", "maps.one.scales", [0.0], ConfigError, "float` > 0"),
        ("maps", "verdicts.map", "five", UnknownNameError, "map in 'verdicts.map'"),
        ("maps", "verdicts.mended", "quartic-single", UnknownNameError, "mended"),
        ("maps", "verdicts.others", ["mlp"], UnknownNameError, "in 'verdicts.others'"),
        ("marker", "reach", [0.05, 12.0], ConfigError, "length 3"),
        ("marker", "reach", [12.0, 0.05, 1.2], ConfigError, "reach is"),
        ("marker", "levels", [90.0], ConfigError, "Expected `float` < 1.0 - at `levels"),
        ("marker", "judged", "none", UnknownNameError, "training in 'judged'"),
        ("marker", "chains.clean", PART | {"samples": [9, 9]}, ConfigError, "clean] has 1 lengths"),
        ("marker", "chains", {"a": PART, "b": PART}, ConfigError, "strength of disorder of its"),
        ("masked", "retrained", ["cnn"], UnknownNameError, "network in 'retrained'"),
        ("masked", "trained", {"outter": [2]}, UnknownNameError, "did you mean 'outer'"),
        ("pruning", "shallow", ["quartc"], UnknownNameError, "did you mean 'quartic'"),
        ("pruning", "complex", ["linear"], ConfigError, "'linear' is shallow or complex"),
        ("pruning", "edge", 0.75, ConfigError, "`float` < 0.5 - at `edge`"),
        ("pruning", "shares", [0.5, 2.0], ConfigError, "<= 1.0 - at `shares"),
        ("pruning", "egde_states", 1, ConfigError, "did you mean 'edge_states'"),
        ("samples", "rivals", ["cnn"], UnknownNameError, "network in 'rivals'"),
        ("samples", "sizes", [8], ConfigError, "at least the batch size 16"),
        ("samples", "sizes", [32.5], ConfigError, "Expected `int`, got `float` - at `sizes"),
        ("samples", "few", {"linear": 64}, ConfigError, "Expected `array`, got `int` - at `few"),
        ("samples", "few", {"linaer": [64]}, UnknownNameError, "did you mean 'linear'"),
        ("samples", "budgets", ["epoch"], ConfigError, "Invalid enum value 'epoch'"),
        ("samples", "margni", 3.0, ConfigError, "did you mean 'margin'"),
        ("sizes", "goal.lengths", [10, 17], ConfigError, "[goal] lengths must be among"),
        ("sizes", "goal.chains", "claen", UnknownNameError, "did you mean 'clean'"),
        ("sizes", "fixed.networks", ["mlp"], UnknownNameError, "in 'fixed.networks'"),
        (
            *("sizes", "fixed.networks", ["position", "low", "quartic", "cnn"]),
            *(ConfigError, "every network is in"),
        ),
        ("widths", "ours", ["linear"], ConfigError, "'linear' is none"),
    ],
)
def test_a_mistake_in_a_profile_is_named(
    tmp_path: Path, name: str, key: str, value: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        tiny(name, tmp_path, **{key: value})
    assert words in str(caught.value)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years")
    with pytest.raises(FileError, match=r"thesis\.txt"):
        study("samples", tiny_file("samples", tmp_path), out)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]
    shutil.rmtree(out)
    shutil.copytree(ran("samples"), out)
    with pytest.raises(CheckpointError, match="there members = 3, here members = 2"):
        study("samples", tiny_file("samples", tmp_path), out, members=2)


def test_a_share_writes_no_report_and_all_shares_one(tmp_path: Path) -> None:
    profile, out = tiny_file("exact", tmp_path), tmp_path / "out"
    for share in (1, 2):
        assert study("exact", profile, out, part=(share, 2), progress=False) is None
        assert not (out / "report.html").exists()
    ready, total = status("exact", profile, out)[0][2:]
    assert ready == total > 0
    assert study("exact", profile, out, progress=False) == out / "report.html"
