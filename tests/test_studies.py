"""What holds for every study: its profiles, its files, and that it goes on where it stopped."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest
from tiny import tiny_file

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
    assert len({picture.name for picture in chosen.figures}) == len(chosen.figures)
    # The config.toml of a run is a profile again, of the same tasks.
    (tmp_path / "config.toml").write_text(as_toml(read))
    again = read_profile(chosen.profile, name, tmp_path / "config.toml")
    assert [task.key for task in chosen.tasks(again)] == [task.key for task in tasks]


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_writes_its_files_and_goes_on_where_it_stopped(name: str, tmp_path: Path) -> None:
    chosen, out = load_study(name), tmp_path / "out"
    profile = tiny_file(name, tmp_path)
    report = study(name, profile, out, progress=False)
    assert report == out / "report.html"
    page = report.read_text(encoding="utf-8")
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert results["study"] == name
    assert chosen.question in page
    assert "{{" not in page
    assert {v["claim"] for v in results["verdicts"]} <= {claim.key for claim in chosen.claims}
    assert all(set(finding) == FINDING for finding in results["findings"])
    pictures = sorted((out / "figures").glob("*.png"))
    assert page.count("data:image/png;base64,") == len(pictures) > 0
    table = gzip.decompress((out / "table.csv.gz").read_bytes())
    assert len(pd.read_csv(out / "table.csv.gz")) == table.count(b"\n") - 1 > 0

    done = sorted((out / "tasks").glob("*.json"))
    assert sum(row[2] for row in status(name, profile, out)) == len(done)
    for path in done[::2]:
        path.unlink()
    study(name, profile, out, progress=False)
    assert gzip.decompress((out / "table.csv.gz").read_bytes()) == table
    again = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert again["findings"] == results["findings"]


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'samples'"):
        study("sample", out=tmp_path / "out")
    with pytest.raises(UnknownNameError, match="did you mean 'quick'"):
        study("samples", "quik", tmp_path / "out")
    with pytest.raises(FileError, match="cannot read the profile"):
        study("samples", tmp_path / "none.toml", tmp_path / "out")
    with pytest.raises(ConfigError, match="a profile of 'samples', not of 'exact'"):
        study("exact", tiny_file("samples", tmp_path), tmp_path / "out")
    with pytest.raises(ConfigError, match="is several"):
        study("all", tiny_file("samples", tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years")
    with pytest.raises(FileError, match=r"thesis\.txt"):
        study("samples", tiny_file("samples", tmp_path), out)
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]
    (out / "thesis.txt").unlink()
    study("samples", tiny_file("samples", tmp_path), out, part=(1, 1), progress=False)
    with pytest.raises(CheckpointError, match="there members = 3, here members = 2"):
        study("samples", tiny_file("samples", tmp_path), out, members=2)


def test_a_share_writes_no_report_and_all_shares_one(tmp_path: Path) -> None:
    profile, out = tiny_file("samples", tmp_path), tmp_path / "out"
    for share in (1, 2):
        assert study("samples", profile, out, part=(share, 2), progress=False) is None
        assert not (out / "report.html").exists()
    ready, total = status("samples", profile, out)[0][2:]
    assert ready == total > 0
    assert study("samples", profile, out, progress=False) == out / "report.html"
