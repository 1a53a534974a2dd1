"""The page of claims and what is kept of a run: from files that may hold anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tnlearn.errors import ConfigError, FileError
from tnlearn.report.kept import collect, read_results, write_claims

FINDING = {
    "claim": "a", "name": "accuracy |x|", "network": "CNN", "data": "ssh", "value": 0.5, "low": 0.4,
    "high": None, "members": 3, "unit": "", "condition": "clean", "holds": True,
}  # fmt: skip


def results(study: str = "one", **changes: Any) -> dict[str, Any]:
    verdict = {"claim": "a", "words": "It works.", "source": "us", "verdict": "supported"}
    return {
        "format": "tnlearn-study/2",
        "study": study,
        "title": "Does it?",
        "command": "tnlearn study one",
        "seconds": 5.0,
        "config": {"profile": "quick"},
        "findings": [FINDING],
        "verdicts": [verdict | {"holds": "1 of 1", "condition": "Always."}],
        "figures": ["error.png"],
    } | changes


def written(folder: Path, content: Any) -> Path:
    (folder / "figures").mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "results.json").write_text(text)
    (folder / "table.csv.gz").write_bytes(b"table")
    (folder / "figures" / "error.png").write_bytes(b"picture")
    return folder


def test_verdicts_of_several_studies_are_joined(tmp_path: Path) -> None:
    written(tmp_path / "run" / "one", results())
    two = results("two", findings=[FINDING] * 20)
    two["verdicts"] = [two["verdicts"][0] | {"verdict": "not supported", "holds": "0 of 20"}]
    written(tmp_path / "run" / "two", two)
    page = write_claims(tmp_path / "run", tmp_path / "claims.md", "tnlearn claims run").read_text()
    assert "| It works. | us | **depends on** | 1 of 1; 0 of 20 |" in page
    assert "Study `two`: not supported (0 of 20 findings). Always." in page
    assert "8 more rows" in page
    assert "`two`: accuracy |x|." in page
    assert "`tnlearn claims run`" in page


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ("{", FileError, "is damaged"),
        ("[" * 100_000, FileError, "is damaged"),
        ("[]", FileError, "is damaged"),
        (results() | {"format": "tnlearn-study/1"}, ConfigError, "tnlearn-study/1"),
        (results("../home"), FileError, "is damaged"),
        (results(figures=["../../x.png"]), FileError, "is damaged"),
        (results(findings=[{}]), FileError, "findings"),
        (results(seconds="five"), FileError, "seconds"),
        (results(config={}), FileError, "profile"),
    ],
)
def test_a_damaged_file_is_named(
    tmp_path: Path, content: Any, error: type[Exception], words: str
) -> None:
    written(tmp_path / "run", content)
    with pytest.raises(error, match=words):
        collect(tmp_path / "run", tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_no_results_and_two_of_one_study(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no results of a study"):
        read_results(tmp_path)
    for name in ("a", "b"):
        written(tmp_path / name, results())
    with pytest.raises(ConfigError, match="two results of the study 'one'"):
        read_results(tmp_path)


def test_only_our_own_stale_figures_are_removed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    written(kept / "one", results(figures=["error.png", "old.png"]))
    for name in ("old.png", "photo.png"):
        (kept / "one" / "figures" / name).write_bytes(b"x")
    run = written(tmp_path / "run", results())
    assert collect(run, kept) == [kept / "one"]
    names = sorted(path.name for path in (kept / "one" / "figures").iterdir())
    assert names == ["error.png", "photo.png"]
    assert read_results(kept)["one"][1].study == "one"


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    run = written(tmp_path / "run", results())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "one").symlink_to(elsewhere)
    with pytest.raises(FileError, match="is a link"):
        collect(run, tmp_path / "kept")
    assert not list(elsewhere.iterdir())


def test_results_that_are_too_large_are_not_kept(tmp_path: Path) -> None:
    run = written(tmp_path / "run", results())
    (run / "table.csv.gz").write_bytes(b"x" * 4_000_001)
    with pytest.raises(ConfigError, match=r"take 4\.0 MB"):
        collect(run, tmp_path / "kept")
