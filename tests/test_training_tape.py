"""The compiled loop: equal to torch to rounding, and to itself to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes_training import assert_same

import tnlearn as tnl
from tnlearn.networks.plan import find_plan
from tnlearn.networks.tape import LAYER, MEET, make_tape
from tnlearn.training import loop, run

CELLS = 7
DATA = tnl.dataset("extended", cells=CELLS, samples=150, seed=1)
HELD = tnl.dataset("extended", cells=CELLS, samples=60, seed=2)
SMALL = tnl.init.normal(0.1)


def head(net: tnl.Network, **how: Any) -> tnl.Network:
    return net.head(classes=4, **how)


def quartic(**how: Any) -> tnl.Network:
    return tnl.rswn(CELLS).trainable("D", **{"channels": 3, "init": SMALL, **how})


NETWORKS = {
    "quartic": head(quartic(), hidden=(5,)),
    "one": head(quartic(channels=None)),
    "tanh": head(quartic(), hidden=(6, 3), activation="tanh"),
    "gelu": head(quartic(), hidden=(6,), activation="gelu"),
    "low rank": head(quartic(structure="lowrank", bond=2), hidden=(5,)),
    "position": head(quartic(structure="position"), hidden=(5,)),
    "operator": head(tnl.rswn(CELLS, "operator").trainable("X", init=tnl.init.exact(0.1))),
    "sublattice": head(tnl.rswn(CELLS, "sublattice").trainable("X", "window")),
    "linear": tnl.baseline("linear", cells=CELLS, classes=4),
    "symmetric": tnl.baseline("symmetric", cells=CELLS, classes=4),
}


@pytest.fixture(autouse=True)
def _short_runs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SHORT", 0)


def fit(net: Any, **options: Any) -> tnl.Fitted:
    options = {"members": 2, "epochs": 2, "batch_size": 37, "lr": 3e-3, **options}
    return tnl.fit(net, DATA, HELD, progress=False, **options)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_torch_to_rounding(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = NETWORKS[name]
    options: dict[str, Any] = {"weight_decay": 0.1, "clip": 0.5, "lr": [1e-3, 1e-2]}
    ours = fit(net, **options)
    monkeypatch.setattr(run, "SHORT", 10**9)
    theirs = fit(net, **options)
    for key, x in theirs.parameters.items():
        assert np.allclose(ours.parameters[key], x, rtol=1e-4, atol=2e-5), key
        assert not np.array_equal(ours.parameters[key], x) or x.size < 30, "not another way"
    for key in ("loss", "gradient", "validation_loss"):
        assert np.allclose(ours.history[key], theirs.history[key], rtol=1e-4), key


@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_values_are_learned_as_torch_does(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = quartic(channels=None)
    ours = fit(net, loss=loss, dtype="float64")
    monkeypatch.setattr(run, "SHORT", 10**9)
    theirs = fit(net, loss=loss, dtype="float64")
    assert np.allclose(ours.parameters["D"], theirs.parameters["D"], rtol=1e-9, atol=1e-12)
    assert np.allclose(ours.history["validation_loss"], theirs.history["validation_loss"])


def test_what_no_tape_can_do_is_left_to_torch() -> None:
    for name in ("cnn", "resnet", "attention"):
        net = tnl.baseline(name, cells=CELLS, classes=4)
        assert make_tape(find_plan(net), 8) is None
    big = tnl.baseline("mlp", cells=20, classes=4)
    assert make_tape(find_plan(big), 8) is None


def test_a_tape_meets_the_features_and_goes_on_in_layers() -> None:
    tape = make_tape(find_plan(NETWORKS["quartic"]), 8)
    kinds = tape.steps[:, 0].tolist()
    assert kinds.count(MEET) == 1
    assert kinds.count(LAYER) == 2
    assert tape.parameters == NETWORKS["quartic"].parameter_count()
    assert tape.classes == 4


@pytest.mark.parametrize("batches", ["own", "shared"])
@pytest.mark.parametrize("name", ["quartic", "operator"])
def test_a_member_is_the_same_in_any_ensemble(name: str, batches: str) -> None:
    net, options = NETWORKS[name], {"batches": batches, "patience": 3, "epochs": 5}
    whole = fit(net, members=18, **options)
    for offset, members in [(0, 1), (3, 5), (17, 1)]:
        part = fit(net, members=members, member_offset=offset, threads=2, **options)
        assert_same(whole, part, slice(offset, offset + members))


def test_an_interrupted_run_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = NETWORKS["quartic"]
    unbroken = fit(net, epochs=4)
    usual, calls = loop.Trainer._epoch, []

    def until(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        usual(*args)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, "_epoch", until)
        with pytest.raises(KeyboardInterrupt):
            fit(net, epochs=4, checkpoint=tmp_path / "run", checkpoint_every=0)
    assert_same(unbroken, fit(net, epochs=4, checkpoint=tmp_path / "run", checkpoint_every=0))


def test_a_member_that_is_not_finite_is_frozen_and_alone() -> None:
    net = NETWORKS["quartic"]
    values = net.compile(members=3).initial(0, range(3))
    start = {"D": values["D"].numpy().copy()}
    start["D"][1] = 1e30
    fitted, well = fit(net, start=start, members=3), fit(net, members=3)
    assert fitted.failed.tolist() == [-1, 0, -1]
    assert np.isnan(fitted.history["loss"][1]).all()
    assert (fitted.parameters["D"][1] == np.float32(1e30)).all()
    for row in (0, 2):
        assert np.array_equal(fitted.parameters["D"][row], well.parameters["D"][row])
