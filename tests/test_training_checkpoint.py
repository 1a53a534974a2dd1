"""Checkpoints: an interrupted run goes on to the same bits, and nothing is lost or overwritten."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes_training import FakeNetwork, assert_same, toy
from resume_training import run

import tnlearn as tnl
from tnlearn import archive
from tnlearn.errors import CheckpointError, FileError
from tnlearn.files import TEMPORARY
from tnlearn.training import loop

DATA, HELD = toy(120), toy(50, seed=2)


def fit(folder: Path | None, **options: Any) -> Any:
    given = {"members": 2, "epochs": 4, "progress": False, "checkpoint_every": 0.0, **options}
    net = given.pop("net", FakeNetwork())
    data = given.pop("data", DATA)
    validation = given.pop("validation", HELD)
    return tnl.fit(net, data, validation, checkpoint=folder, **given)


def content(folder: Path) -> dict[str, bytes]:
    return {x.name: x.read_bytes() for x in sorted(folder.iterdir())}


def interrupt_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """Let training be interrupted right after this many checkpoints were written."""
    usual, left = archive.Parts.write, [writes]

    def write(*args: Any) -> None:
        usual(*args)
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(archive.Parts, "write", write)


@pytest.mark.parametrize("epochs_done", [1, 2, 3])
def test_an_interrupted_run_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs_done: int
) -> None:
    options: dict[str, Any] = {"patience": 2, "lr": [0.01, 0.3], "weight_decay": 0.01}
    options["start"] = {"D": np.full((2, 2, 16), 0.05)}
    unbroken = fit(None, **options)
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_after(patch, epochs_done)
        with pytest.raises(KeyboardInterrupt):
            fit(folder, **options)
    assert_same(unbroken, fit(folder, **options))
    assert_same(unbroken, fit(None, **options))


def test_a_finished_run_returns_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fit(tmp_path / "run")
    before = content(tmp_path / "run")

    def no_step(*args: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(loop.Trainer, "_epoch", no_step)
    assert_same(first, fit(tmp_path / "run"))
    assert content(tmp_path / "run") == before


def test_a_run_of_two_blocks_goes_on_within_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = run(None, 20)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 18)  # in the middle of the second block
        with pytest.raises(KeyboardInterrupt):
            run(str(tmp_path / "run"), 20)
    assert_same(unbroken, run(str(tmp_path / "run"), 20))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_killed_again_and_again(tmp_path: Path) -> None:
    """A real process, killed at moments that differ from run to run, loses nothing."""
    folder = tmp_path / "run"
    script = Path(__file__).with_name("resume_training.py")
    command = [sys.executable, str(script), str(folder), "20"]
    rng = np.random.default_rng(time.time_ns())
    seen: list[int] = []
    for _ in range(2):
        process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
        try:
            start = _written(folder)
            more = int(rng.integers(1, 12))
            while process.poll() is None and _written(folder) - start < more:
                time.sleep(0.001)
            time.sleep(float(rng.random()) * 0.02)
        finally:
            process.kill()
            process.wait()
        seen.append(process.returncode)
        assert (folder / "run.json").exists()
    assert -signal.SIGKILL in seen
    assert_same(run(None, 20), run(str(folder), 20))
    assert not [x for x in folder.iterdir() if x.name.startswith(TEMPORARY)]


def _written(folder: Path) -> int:
    """Epochs written so far, over all blocks."""
    done = 0
    for path in folder.glob("part-*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            done += int(arrays["epoch"])
    return done


OTHER: list[tuple[dict[str, Any], str]] = [
    ({"epochs": 5}, r"training\.epochs: 4, now 5"),
    ({"members": 3}, r"training\.members: 2, now 3"),
    ({"seed": 7}, r"training\.seed: 0, now 7"),
    ({"lr": 0.02}, r"training\.lr: 0\.01, now 0\.02"),
    ({"lr": [0.01, 0.01]}, r"training\.lr"),
    ({"batches": "shared"}, r"training\.batches"),
    ({"clip": None}, r"training\.clip"),
    ({"dtype": "float64"}, r"training\.dtype"),
    ({"patience": 3}, r"training\.patience"),
    ({"validate_every": 2}, r"training\.validate_every"),
    ({"member_offset": 1}, r"training\.member_offset"),
    ({"net": FakeNetwork(scale=0.2)}, r"network\.scale: 0\.3, now 0\.2"),
    ({"data": toy(121)}, r"data\.info\.samples: 120, now 121"),
    ({"data": dataclasses.replace(DATA, labels=1 - DATA.labels)}, r"data\.sha256"),
    ({"validation": None}, r"validation"),
    ({"start": {"D": np.zeros((2, 16))}}, r"start: not there, now"),
]


@pytest.mark.parametrize(("options", "named"), OTHER)
def test_a_checkpoint_of_another_configuration_is_refused(
    tmp_path: Path, options: dict[str, Any], named: str
) -> None:
    fit(tmp_path / "run", epochs=4)
    before = content(tmp_path / "run")
    with pytest.raises(CheckpointError, match=named):
        fit(tmp_path / "run", **options)
    assert content(tmp_path / "run") == before


DAMAGE = {
    "cut": ("part-000000.npz", lambda raw: raw[: len(raw) // 2]),
    "flip": ("part-000000.npz", lambda raw: raw[:700] + bytes([raw[700] ^ 1]) + raw[701:]),
    "empty": ("part-000000.npz", lambda raw: b""),
    "text": ("part-000000.npz", lambda raw: b"hello"),
    "head": ("run.json", lambda raw: b'{"format": "tnl'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_refused_and_kept(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "run"
    fit(folder)
    name, change = DAMAGE[damage]
    (folder / name).write_bytes(change((folder / name).read_bytes()))
    before = content(folder)
    with pytest.raises(CheckpointError, match=r"damaged"):
        fit(folder)
    assert content(folder) == before


def test_blocks_of_another_run_or_place_are_refused(tmp_path: Path) -> None:
    fit(tmp_path / "a")
    fit(tmp_path / "b", seed=1)
    block = "part-000000.npz"
    (tmp_path / "a" / block).write_bytes((tmp_path / "b" / block).read_bytes())
    with pytest.raises(CheckpointError, match=r"training\.seed: 1, now 0"):
        fit(tmp_path / "a")
    run(str(tmp_path / "c"), 17)
    (tmp_path / "c" / "part-000001.npz").replace(tmp_path / "c" / block)
    with pytest.raises(CheckpointError, match="renamed"):
        run(str(tmp_path / "c"), 17)


def test_a_foreign_folder_or_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(CheckpointError, match=r"thesis\.tex"):
        fit(tmp_path)
    with pytest.raises(CheckpointError, match="is a file"):
        fit(tmp_path / "thesis.tex")
    assert content(tmp_path) == {"thesis.tex": b"precious"}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "run.json").write_text(json.dumps({"format": "x", "run": 1}))
    with pytest.raises(CheckpointError, match="format 'x'"):
        fit(tmp_path / "other")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot use"):
        fit(tmp_path / "file" / "run")


def test_what_a_killed_writer_left_is_cleared(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / f"{TEMPORARY}abc.tmp").write_bytes(b"half")
    fit(folder)
    assert sorted(content(folder)) == ["lock", "part-000000.npz", "run.json"]
