"""What training returns: predictions, measures, files."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes_training import FakeNetwork, toy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import tnlearn as tnl
from tnlearn import archive
from tnlearn.errors import CheckpointError, ConfigError, FileError, MemoryLimitError, ShapeError
from tnlearn.training import fitted, metrics

NET = FakeNetwork()
DATA, HELD = toy(150), toy(70, seed=2)


@pytest.fixture(scope="module")
def trained() -> Any:
    return tnl.fit(NET, DATA, HELD, members=5, epochs=4, member_offset=30, progress=False)


def test_logits_and_probabilities(trained: Any) -> None:
    logits = trained.predict(HELD.states)
    assert logits.shape == (5, 70, 2)
    assert logits.dtype == np.float32
    assert np.array_equal(logits, trained.predict(HELD))
    chance = trained.predict(HELD.states, proba=True)
    assert np.allclose(chance.sum(-1), 1.0)
    assert (chance.argmax(-1) == logits.argmax(-1)).all()


def test_prediction_in_stretches(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained.predict(HELD)
    monkeypatch.setattr(fitted, "_SAMPLES", 11)
    assert np.allclose(trained.predict(HELD), whole, atol=1e-5)


def test_a_member_is_a_module_with_its_parameters(trained: Any) -> None:
    u, v = (torch.tensor(x, dtype=torch.float32) for x in (HELD.states.u, HELD.states.v))
    for row in (0, 4, -1):
        module = trained.member(row)
        assert isinstance(module, torch.nn.Module)
        assert np.allclose(module(u, v).detach(), trained.predict(HELD)[row], atol=1e-5)
    with pytest.raises(ConfigError, match=r"rows are 0 \.\. 4"):
        trained.member(5)


def test_accuracy_and_confusion_agree(trained: Any) -> None:
    counts = trained.confusion(HELD)
    assert counts.shape == (5, 2, 2)
    assert (counts.sum((1, 2)) == 70).all()
    diagonal = np.trace(counts, axis1=1, axis2=2)
    assert np.allclose(diagonal / 70, trained.accuracy(HELD))
    only = HELD[~HELD.ambiguous]
    assert np.allclose(trained.accuracy(HELD, clear=True), trained.accuracy(only))
    nothing = dataclasses.replace(HELD, ambiguous=np.ones(70, dtype=bool))
    with pytest.raises(ConfigError, match="ambiguous"):
        trained.accuracy(nothing, clear=True)


def test_classes_that_were_not_trained_on_count_as_wrong(trained: Any) -> None:
    renamed = dataclasses.replace(HELD, classes=(1, 0), labels=1 - HELD.labels)
    assert np.array_equal(trained.accuracy(renamed), trained.accuracy(HELD))
    unseen = dataclasses.replace(HELD, classes=(0, 7))
    right = trained.confusion(HELD)[:, 0, 0] / 70
    assert np.allclose(trained.accuracy(unseen), right)
    none = dataclasses.replace(HELD, labels=np.full(70, -1))
    assert (trained.accuracy(none) == 0).all()
    assert trained.confusion(none).sum() == 0
    assert np.isinf(trained.log_loss(none)).all()


def test_wrong_input(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ShapeError, match="cells"):
        trained.predict(toy(5, cells=6))
    with pytest.raises(ShapeError, match="states"):
        trained.predict(np.zeros((3, 4, 4)))
    with pytest.raises(ShapeError, match="labels"):
        trained.accuracy(HELD.states)
    with pytest.raises(ShapeError, match="no samples"):
        trained.predict(HELD[:0])
    monkeypatch.setattr(fitted, "available_memory", lambda: 100)
    with pytest.raises(MemoryLimitError, match="fewer samples"):
        trained.predict(HELD)


def test_resizing_needs_parameters_that_do_not_know_the_length(trained: Any) -> None:
    with pytest.raises(ConfigError, match="'D' has shape"):
        trained.resize(6)
    assert np.array_equal(trained.resize(4).predict(HELD), trained.predict(HELD))


def test_save_and_load(trained: Any, tmp_path: Path) -> None:
    path = tmp_path / "ensemble.npz"
    trained.save(path)
    again = tnl.load(path, net=NET)
    assert np.array_equal(again.predict(HELD), trained.predict(HELD))
    assert list(again.parameters) == list(trained.parameters)
    for name in trained.history:
        assert np.array_equal(again.history[name], trained.history[name], equal_nan=True)
    assert again.config == trained.config
    assert again.ids == range(30, 35)
    assert (again.failed == trained.failed).all()
    with pytest.raises(CheckpointError, match="another network"):
        tnl.load(path, net=FakeNetwork(scale=0.1))
    trained.save(path)  # over its own file
    assert [x.name for x in tmp_path.iterdir()] == ["ensemble.npz"]


def test_a_file_that_is_not_there_or_has_no_place(trained: Any, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot read"):
        tnl.load(tmp_path / "nothing.npz")
    with pytest.raises(FileError, match="cannot write"):
        trained.save(tmp_path / "nowhere" / "x.npz")


def test_every_single_damage_is_noticed(trained: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    trained.save(path)
    raw = path.read_bytes()
    rng = np.random.default_rng(0)
    for cut in [0, 1, 10, *rng.integers(0, len(raw), 30).tolist(), len(raw) - 1]:
        path.write_bytes(raw[:cut])
        with pytest.raises(CheckpointError, match="left as it is"):
            tnl.load(path, net=NET)
    for place in rng.integers(0, len(raw), 60).tolist():
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 0x10]) + raw[place + 1 :])
        try:
            again = tnl.load(path, net=NET)
        except CheckpointError:
            continue
        # A bit of the zip's own bookkeeping that does not reach the content.
        assert again.config == trained.config
        for name, x in trained.parameters.items():
            assert np.array_equal(again.parameters[name], x)


def _explode() -> None:
    raise AssertionError("code of the file was executed")


class _Harm:
    def __reduce__(self) -> Any:
        return _explode, ()


def test_files_made_by_others_are_refused_without_running_them(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    objects = np.array([_Harm()], dtype=object)
    for make, match in (
        (lambda: np.savez(path, a=np.arange(3)), "not a file of tnlearn"),
        (lambda: np.savez(path, __tnlearn__=objects, allow_pickle=True), "not a file of tnlearn"),
        (lambda: path.write_bytes(pickle.dumps(_Harm())), "not a file of tnlearn"),
        (lambda: archive.write(path, "tnlearn-other/1", {}, {"x": np.zeros(2)}), "tnlearn-other/1"),
    ):
        make()
        with pytest.raises(CheckpointError, match=match):
            tnl.load(path)
    np.save(tmp_path / "x.npy", np.arange(3))
    with pytest.raises(CheckpointError, match="not a file of tnlearn"):
        tnl.load(tmp_path / "x.npy")


@pytest.mark.parametrize("forged", [{"dtype": 5}, {"dtype": "float7"}], ids=["number", "word"])
def test_a_forged_ensemble_is_one_clear_error(
    trained: Any, tmp_path: Path, forged: dict[str, Any]
) -> None:
    path = tmp_path / "x.npz"
    trained.save(path)
    record, arrays = archive.read(path, fitted._KIND)
    config = record["config"]
    config["training"] |= forged
    archive.write(path, fitted._KIND, {"config": config}, arrays)
    with pytest.raises(CheckpointError, match="not a trained ensemble of this version"):
        tnl.load(path, net=NET)
    archive.write(path, fitted._KIND, record, {**arrays, "parameters/D": np.zeros((1, 2))})
    with pytest.raises(CheckpointError, match="not a trained ensemble of this version"):
        tnl.load(path, net=NET)


def test_a_file_of_an_earlier_version_is_read(trained: Any, tmp_path: Path) -> None:
    """Its settings name the lanes of a block, and none of what came later."""
    path = tmp_path / "x.npz"
    trained.save(path)
    record, arrays = archive.read(path, fitted._KIND)
    assert not {"loss", "device", "stack", "augment"} & set(record["config"]["training"])
    record["config"]["training"]["lanes"] = 32
    archive.write(path, fitted._KIND, record, arrays)
    assert np.array_equal(tnl.load(path, net=NET).predict(HELD), trained.predict(HELD))


def test_calibration_of_the_certain_and_the_unsure() -> None:
    labels = np.array([0, 1, 0, 1])
    sure = np.zeros((1, 4, 2))
    sure[0, :, 0] = 50.0  # always class 0, certain of it: right half the time
    assert np.allclose(metrics.calibration_error(sure, labels), 0.5)
    unsure = np.zeros((1, 4, 2))
    unsure[0, :, 0] = 1e-9  # as unsure as it is wrong
    assert np.allclose(metrics.calibration_error(unsure, labels), 0.0, atol=1e-8)
    with pytest.raises(ConfigError, match="bins"):
        metrics.calibration_error(sure, labels, bins=0)


@given(
    npst.arrays(np.float64, (2, 6, 3), elements=st.floats(-50, 50)),
    npst.arrays(np.int64, 6, elements=st.integers(0, 2)),
)
def test_measures_stay_in_their_ranges(logits: np.ndarray, labels: np.ndarray) -> None:
    assert ((metrics.accuracy(logits, labels) >= 0) & (metrics.accuracy(logits, labels) <= 1)).all()
    error = metrics.calibration_error(logits, labels)
    assert ((error >= 0) & (error <= 1 + 1e-12)).all()
    assert (metrics.log_loss(logits, labels) >= 0).all()
    assert (metrics.confusion(logits, labels, 3).sum((1, 2)) == 6).all()
    shifted = metrics.log_loss(logits + 100.0, labels)
    assert np.allclose(metrics.log_loss(logits, labels), shifted, atol=1e-9)


def test_epochs_to_success() -> None:
    history = np.array([[0.1, 0.95, 0.8], [0.1, 0.2, np.nan], [0.9, 0.9, 0.9]])
    assert metrics.success_epochs(history, 0.9).tolist() == [2, -1, 1]


def test_shapes_of_measures_are_checked() -> None:
    with pytest.raises(ShapeError, match=r"\(members, samples, classes\)"):
        metrics.accuracy(np.zeros((3, 2)), np.zeros(3))
    with pytest.raises(ShapeError, match="no samples"):
        metrics.accuracy(np.zeros((3, 0, 2)), np.zeros(0))
