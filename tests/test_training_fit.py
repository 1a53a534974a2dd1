"""Training: it learns, members are independent, bad settings are refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from fakes_training import FakeNetwork, assert_same, data_of, toy
from hypothesis import given, settings
from hypothesis import strategies as st

import tnlearn as tnl
from tnlearn.errors import ConfigError, NotFiniteError, ShapeError, UnknownNameError
from tnlearn.training import loop

NET = FakeNetwork()
DATA = toy(200)
HELD = toy(80, seed=2)


def fit(net: Any = NET, data: Any = DATA, validation: Any = HELD, **options: Any) -> Any:
    return tnl.fit(
        net, data, validation, **{"epochs": 3, "members": 3, "progress": False, **options}
    )


def test_it_learns_and_records() -> None:
    fitted = fit(epochs=20, members=6)
    assert (fitted.accuracy(HELD) > 0.95).sum() >= 4
    assert (fitted.history["loss"][:, -1] < fitted.history["loss"][:, 0]).all()
    always = ("loss", "gradient", "lr", "seconds")
    names = (*always, "validation_loss", "validation_accuracy")
    assert {k: v.shape for k, v in fitted.history.items()} == dict.fromkeys(names, (6, 20))
    assert tuple(fit(validation=None).history) == always
    assert np.allclose(fitted.history["validation_accuracy"][:, -1], fitted.accuracy(HELD))
    assert np.allclose(fitted.history["validation_loss"][:, -1], fitted.log_loss(HELD), atol=1e-6)
    assert (fitted.failed == -1).all()
    assert (fitted.stopped == -1).all()
    assert "members=6" in repr(fitted)
    assert len(fitted) == 6


@pytest.mark.parametrize("every", [2, 3, 5, 9])
def test_validation_less_often_changes_nothing_else(every: int) -> None:
    always, seldom = fit(epochs=5), fit(epochs=5, validate_every=every)
    due = [(epoch + 1) % every == 0 or epoch == 4 for epoch in range(5)]
    for name in ("validation_loss", "validation_accuracy"):
        expected = np.where(due, always.history[name], np.nan)
        assert np.array_equal(seldom.history[name], expected, equal_nan=True)
    for name, values in always.parameters.items():
        assert np.array_equal(seldom.parameters[name], values)


def test_the_learning_rate_follows_half_a_cosine() -> None:
    fitted = fit(epochs=4, lr=0.02)
    expected = 0.02 * 0.5 * (1 + np.cos(np.pi * np.arange(4) / 4))
    assert np.allclose(fitted.history["lr"], expected)
    assert np.allclose(fit(schedule="constant").history["lr"], 1e-2)


@pytest.mark.parametrize("batches", ["own", "shared"])
@pytest.mark.parametrize("kind", ["quartic", "mlp"])
def test_a_member_is_the_same_in_any_ensemble(kind: str, batches: str) -> None:
    """Odd sizes: here BLAS picks other kernels for other batch counts and alignments."""
    net = FakeNetwork(kind, cells=5, classes=3, channels=3, hidden=7)
    data, held = toy(100, 5, 3), toy(40, 5, 3, seed=2)
    options: dict[str, Any] = {"net": net, "data": data, "validation": held, "batches": batches}
    options |= {"batch_size": 13, "patience": 2}
    whole = fit(members=37, **options)
    for offset, members in [(0, 1), (0, 2), (0, 33), (5, 1), (11, 9), (31, 3), (36, 1)]:
        part = fit(members=members, member_offset=offset, **options)
        assert_same(whole, part, slice(offset, offset + members))


def test_members_learn_differently_from_each_other() -> None:
    fitted = fit(members=3)
    weights = fitted.parameters["D"].reshape(3, -1)
    assert np.unique(weights, axis=0).shape == weights.shape


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    batch=st.integers(1, 30),
    offset=st.integers(0, 70),
    shared=st.booleans(),
)
def test_independence_whatever_the_settings(
    seed: int, batch: int, offset: int, shared: bool
) -> None:
    options: dict[str, Any] = {
        "data": toy(40),
        "epochs": 1,
        "seed": seed,
        "batch_size": batch,
        "batches": "shared" if shared else "own",
    }
    whole = fit(members=5, member_offset=offset, **options)
    assert_same(whole, fit(members=2, member_offset=offset + 3, **options), slice(3, 5))


def test_a_run_can_be_repeated_and_the_seed_matters() -> None:
    assert_same(fit(), fit())
    assert not np.array_equal(fit().parameters["D"], fit(seed=1).parameters["D"])


def test_every_member_has_its_own_learning_rate() -> None:
    rates = [1e-3, 1e-2, 1e-1]
    fitted = fit(lr=rates)
    for k, rate in enumerate(rates):
        alone = fit(lr=rate, members=1, member_offset=k)
        assert_same(fitted, alone, slice(k, k + 1))


def initial(members: range, seed: int = 0) -> dict[str, np.ndarray]:
    compiled = NET.compile(members=len(members))
    return {name: x.numpy() for name, x in compiled.initial(seed, list(members)).items()}


def test_training_starts_where_it_is_told_and_there_only() -> None:
    """From its own initial values it is the same run; a member's start is its own."""
    assert_same(fit(), fit(start=initial(range(3))))
    assert_same(fit(), fit(start={"D": initial(range(3))["D"]}))
    shared = {"D": np.full((2, 16), 0.1)}
    assert_same(fit(start=shared), fit(start={"D": np.stack([shared["D"]] * 3)}))
    other = initial(range(3), seed=9)
    whole = fit(start=other)
    assert not np.array_equal(whole.parameters["D"], fit().parameters["D"])
    for k in range(3):
        own = {name: x[k : k + 1] for name, x in other.items()}
        assert_same(whole, fit(start=own, members=1, member_offset=k), slice(k, k + 1))


def test_a_trained_ensemble_is_trained_on() -> None:
    first = fit(members=5)
    going_on = fit(start=first, members=2, member_offset=3, lr=1e-3)
    assert (going_on.history["loss"][:, 0] < first.history["loss"][3:, 0]).all()
    values = {name: x[3:] for name, x in first.parameters.items()}
    assert_same(fit(start=values, members=2, member_offset=3, lr=1e-3), going_on)
    assert going_on.config["start"] != fit(start=first).config["start"]


def test_at_a_fixed_rank_it_starts_from_truncated_values() -> None:
    """The low-rank network from the factors of a cut weight is the cut network, and stays so."""
    data = tnl.dataset("ssh", cells=6, samples=60)
    dense = tnl.rswn(6).trainable("D", channels=2, init=tnl.init.normal(0.1)).head(classes=2)
    options: dict[str, Any] = {"members": 2, "epochs": 2, "progress": False, "dtype": "float64"}
    fitted = tnl.fit(dense, data, **options)
    left, values, right = np.linalg.svd(fitted.parameters["D"])
    values[0, :, 1] = 0.0  # this member keeps one singular value only
    root = np.sqrt(values[..., None, :2])
    start = {name: x for name, x in fitted.parameters.items() if name != "D"}
    start |= {"D.left": left[..., :2] * root, "D.right": right.mT[..., :2] * root}
    net = tnl.rswn(6).trainable("D", channels=2, structure="lowrank", bond=2).head(classes=2)
    cut = {**fitted.parameters, "D": start["D.left"] @ start["D.right"].mT}
    known = tnl.fit(dense, data, start=cut, **{**options, "lr": 1e-12}).predict(data)
    there = tnl.fit(net, data, start=start, **{**options, "lr": 1e-12}).predict(data)
    assert np.allclose(there, known, rtol=0, atol=1e-9)
    after = tnl.fit(net, data, start=start, **options).parameters
    product = after["D.left"] @ after["D.right"].mT
    assert np.linalg.matrix_rank(product, tol=1e-9).tolist() == [[1, 1], [2, 2]]


def test_a_batch_larger_than_the_data_is_all_of_it() -> None:
    assert_same(fit(batch_size=10_000), fit(batch_size=200))


def test_double_precision_and_complex_states() -> None:
    rng = np.random.default_rng(3)
    phases = np.exp(2j * np.pi * rng.random((200, 4, 1)))
    phased = data_of(DATA.states.u * phases, DATA.states.v * phases, DATA.labels)
    # The state's own phase drops out of q, so real and complex states teach the same.
    real = fit(dtype="float64", validation=None)
    turned = fit(data=phased, dtype="float64", validation=None)
    assert turned.config["training"]["complex"]
    assert real.parameters["D"].dtype == np.float64
    assert np.allclose(real.parameters["D"], turned.parameters["D"], atol=1e-8)


def test_threads_are_put_back() -> None:
    before = torch.get_num_threads()
    fit(members=1, epochs=1, threads=2)
    assert torch.get_num_threads() == before


def test_the_bar_shows_loss_members_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    fit(progress=True)
    shown = capsys.readouterr().err
    assert "9/9" in shown  # member epochs
    assert "loss 0." in shown
    assert "alive 3/3" in shown


def test_the_bar_counts_a_resumed_block_once() -> None:
    bar = loop.Progress(4, 10, show=True)
    history = {"loss": np.full((4, 10), 0.5)}
    for number, resumed in [(7, True), (8, False)]:
        bar(loop.Epoch(range(4), number, history, np.ones(4, bool), dict, resumed))
    assert bar._bar.initial == 28
    bar.close()


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"lr": 0}, ConfigError, "lr must be a finite number above 0, not 0"),
    ({"lr": -1e-3}, ConfigError, "lr"),
    ({"lr": float("nan")}, ConfigError, "lr"),
    ({"lr": 1e9}, ConfigError, "lr must be a finite number of at most 1"),
    ({"lr": "0.1"}, ConfigError, "lr must be a number, or one for each member"),
    ({"lr": [0.1, 0.1]}, ConfigError, "one for each of the 3 members"),
    ({"lr": [0.1, 0.0, 0.1]}, ConfigError, r"lr\[1\]"),
    ({"members": 0}, ConfigError, "members must be a whole number of at least 1, not 0"),
    ({"members": 2.5}, ConfigError, "whole number"),
    ({"members": True}, ConfigError, "whole number"),
    ({"epochs": 0}, ConfigError, "epochs"),
    ({"batch_size": 0}, ConfigError, "batch_size"),
    ({"seed": -1}, ConfigError, "seed"),
    ({"batches": "shard"}, UnknownNameError, "did you mean 'shared'"),
    ({"optimizer": "adamm"}, UnknownNameError, "did you mean 'adam'"),
    ({"schedule": "cosin"}, UnknownNameError, "did you mean 'cosine'"),
    ({"dtype": "float16"}, UnknownNameError, "float32"),
    ({"clip": 0.0}, ConfigError, "clip"),
    ({"betas": (0.9,)}, ConfigError, "betas"),
    ({"betas": (0.9, 1.0)}, ConfigError, r"betas\[1\] must be a finite number below 1, not"),
    ({"eps": 0.0}, ConfigError, "eps"),
    ({"weight_decay": -0.1}, ConfigError, "weight_decay"),
    ({"weight_decay": 100.0, "lr": 0.1}, ConfigError, "weight_decay must be below 1"),
    ({"patience": 0}, ConfigError, "patience"),
    ({"patience": 2, "validation": None}, ConfigError, "give validation="),
    ({"patience": 2, "validate_every": 3}, ConfigError, "give validate_every=1, not 3"),
    ({"validate_every": 0}, ConfigError, "validate_every must be a whole number of at least 1"),
    ({"member_offset": -1}, ConfigError, "member_offset"),
    ({"threads": 0}, ConfigError, "threads"),
    ({"checkpoint_every": -1}, ConfigError, "checkpoint_every"),
    ({"start": {"head.weight": np.zeros(2)}}, UnknownNameError, "did you mean 'head.1.weight'"),
    ({"start": {"D": np.zeros((2, 15))}}, ShapeError, r"shape \(2, 16\) or \(3, 2, 16\)"),
    ({"start": {"D": np.full((2, 16), np.nan)}}, NotFiniteError, "start"),
    ({"start": [1.0]}, ConfigError, "by the name of the node, or a trained ensemble"),
    ({"net": "quartic"}, ConfigError, "net must be a network"),
    ({"net": FakeNetwork("scalar")}, ConfigError, "add a head"),
    ({"net": FakeNetwork(classes=3)}, ConfigError, "data has 2 classes"),
    ({"net": FakeNetwork("empty")}, ConfigError, "nothing to train"),
    ({"net": FakeNetwork(cells=6)}, ShapeError, "cells"),
    ({"data": DATA.states}, ConfigError, "no 'states'"),
    ({"data": DATA[:0]}, ShapeError, "no samples"),
    ({"data": dataclasses.replace(DATA, labels=DATA.labels + 1)}, ConfigError, "0 .. 1"),
    ({"data": dataclasses.replace(DATA, labels=DATA.labels - 1)}, ConfigError, "found -1"),
    ({"data": dataclasses.replace(DATA, labels=DATA.labels[:9])}, ShapeError, "9 labels"),
    ({"data": dataclasses.replace(DATA, labels=DATA.labels * 0.5)}, ShapeError, "integers"),
    ({"validation": dataclasses.replace(HELD, classes=(0, 2))}, ConfigError, "same order"),
    ({"validation": toy(20, cells=6)}, ShapeError, "validation has"),
]


@pytest.mark.parametrize(("options", "kind", "message"), BAD)
def test_bad_settings_are_named(
    options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        fit(**options)


def test_an_unknown_option_does_not_vanish() -> None:
    with pytest.raises(TypeError, match="learning_rate"):
        fit(learning_rate=0.1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_states_that_are_not_finite_are_refused(value: float) -> None:
    v = DATA.states.v.copy()
    v[3, 0, 0] = value
    broken = data_of(DATA.states.u, v, DATA.labels)
    with pytest.raises(NotFiniteError, match=r"states\.v"):
        fit(data=broken)
    v[3, 0, 0] = 1e200
    with pytest.raises(NotFiniteError, match="float64"):
        fit(data=data_of(DATA.states.u, v, DATA.labels))
