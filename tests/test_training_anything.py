"""Training anything: values, losses, optimisers, modules, devices, callbacks, augmentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes_training import assert_same
from torch import nn

import tnlearn as tnl
from tnlearn.errors import ConfigError, LackingError, TnlearnError, UnknownNameError
from tnlearn.training import loop
from tnlearn.training.ensemble import TorchLearner
from tnlearn.training.losses import find_loss
from tnlearn.training.optimiser import factory_of
from tnlearn.training.options import Options

CELLS = 6
DATA = tnl.dataset("extended", cells=CELLS, samples=96, seed=1)
HELD = tnl.dataset("extended", cells=CELLS, samples=40, seed=2)
QUARTIC = tnl.rswn(CELLS).trainable("D", init=tnl.init.normal(0.1))
CLASSES = QUARTIC.head(classes=4)


def fit(net: Any, data: Any = DATA, **options: Any) -> tnl.Fitted:
    options = {"members": 2, "epochs": 2, "batch_size": 32, "progress": False, **options}
    return tnl.fit(net, data, **options)


class Perceptron(nn.Module):
    """A user's own module, with randomness and buffers."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.first = nn.Linear(2 * CELLS**2, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(dropout)
        self.last = nn.Linear(8, 4)

    def forward(self, v: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        x = self.first(torch.cat([u.flatten(1), v.flatten(1)], dim=1))
        return self.last(self.drop(torch.relu(self.norm(x))))


# ---------------------------------------------------------------- values, losses, optimisers


def test_the_winding_itself_is_learned_and_rounded() -> None:
    start = {"D": QUARTIC.parameters["D"].exact}
    fitted = fit(QUARTIC, loss="mse", start=start, lr=1e-4, validation=HELD)
    values = fitted.predict(HELD)
    assert values.shape == (2, 40)
    windings, clear = fitted.windings(HELD)
    assert np.array_equal(windings, np.rint(values))
    assert np.array_equal(clear, np.abs(values - windings) <= 0.3)
    assert np.allclose(fitted.accuracy(HELD), (windings == HELD.windings).mean(1))
    assert np.allclose(fitted.accuracy(HELD), fitted.history["validation_accuracy"][:, -1])
    exact = tnl.rswn(CELLS)(HELD.states)
    assert np.abs(values - exact).max() < 0.1  # it started at the exact D and hardly moved
    for ask in (fitted.calibration, fitted.log_loss, fitted.confusion):
        with pytest.raises(ConfigError, match="gives values, not class logits"):
            ask(HELD)


def test_a_winding_never_seen_can_be_right() -> None:
    few = DATA[np.isin(DATA.windings, [0, 1])]
    start = {"D": QUARTIC.parameters["D"].exact}
    fitted = fit(QUARTIC, few, loss="huber", start=start, lr=1e-6, epochs=1)
    other = HELD[np.isin(HELD.windings, [-1, 2])]
    assert (fitted.accuracy(other) > 0).all()


def test_a_loss_of_ones_own_is_that_loss() -> None:
    def mine(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(logits, labels)

    ours, theirs = fit(CLASSES), fit(CLASSES, loss=mine)
    assert np.allclose(ours.parameters["D"], theirs.parameters["D"], rtol=1e-4, atol=1e-6)
    assert "mine" in theirs.config["training"]["loss"]
    assert "loss" not in ours.config["training"]


OPTIMISERS = {
    "sgd": ("sgd", lambda p: torch.optim.SGD(p, 0.02, momentum=0.9)),
    "a class": (torch.optim.RMSprop, lambda p: torch.optim.RMSprop(p, lr=0.02)),
    "its own rate": (lambda p: torch.optim.Adagrad(p, lr=0.02),) * 2,
    "lbfgs": ("lbfgs", lambda p: torch.optim.LBFGS(p, 0.02, line_search_fn="strong_wolfe")),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_any_optimiser_of_torch(name: str) -> None:
    optimizer, by_hand = OPTIMISERS[name]
    options = {"lr": 0.02, "schedule": "constant", "clip": None, "dtype": "float64"}
    fitted = fit(CLASSES, optimizer=optimizer, members=1, epochs=1, **options)
    module = CLASSES.module(dtype="float64")
    steps = by_hand(list(module.parameters()))
    u, v = (torch.tensor(x, dtype=torch.float64) for x in (DATA.states.u, DATA.states.v))
    labels = torch.tensor(DATA.labels)
    for rows in loop.sample_order(96, seed=0, epoch=0, member=0).reshape(3, 32):

        def closure(rows: Any = rows) -> torch.Tensor:
            steps.zero_grad()
            loss = nn.functional.cross_entropy(module(u[rows], v[rows]), labels[rows])
            loss.backward()
            return loss

        steps.step(closure)
    assert np.allclose(fitted.parameters["D"][0], module.D.detach(), rtol=1e-7, atol=1e-10)
    assert fitted.history["lr"][0, 0] == 0.02


def test_the_rate_of_the_optimiser_is_the_rate_recorded() -> None:
    fitted = fit(CLASSES, optimizer=lambda p: torch.optim.SGD(p, lr=0.5), epochs=1)
    assert (fitted.history["lr"] == 0.5).all()


@pytest.mark.parametrize("optimizer", ["sgd", "lbfgs", torch.optim.RMSprop])
def test_any_optimiser_goes_on_to_the_same_bits(
    optimizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"optimizer": optimizer, "epochs": 3}
    usual = loop.Trainer._epoch

    def until(self: Any, block: Any, groups: Any, epoch: int, history: Any) -> None:
        if epoch == 2:
            raise KeyboardInterrupt
        usual(self, block, groups, epoch, history)

    kept = {"checkpoint": tmp_path / "run", "checkpoint_every": 0.0}
    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, "_epoch", until)
        with pytest.raises(KeyboardInterrupt):
            fit(CLASSES, **options, **kept)
    assert_same(fit(CLASSES, **options), fit(CLASSES, **options, **kept))


# ---------------------------------------------------------------- modules


def test_a_module_is_trained_as_an_ensemble(tmp_path: Path) -> None:
    module = Perceptron()
    fitted = fit(module, validation=HELD, members=3, epochs=3)
    assert (fitted.history["loss"][:, -1] < fitted.history["loss"][:, 0]).all()
    weights = fitted.parameters["first.weight"]
    assert weights.shape == (3, 8, 2 * CELLS**2)
    assert not np.array_equal(weights[0], weights[1])
    assert fitted.parameters["norm.running_mean"].shape == (3, 8)
    assert not np.array_equal(*fitted.parameters["norm.running_mean"][:2])
    # Member k is the same in any ensemble, its dropout and its running means too.
    part = fit(module, validation=HELD, members=1, member_offset=2, epochs=3)
    assert_same(fitted, part, slice(2, 3))
    assert np.array_equal(part.predict(HELD)[0], fitted.predict(HELD)[2])
    assert np.allclose(fitted.accuracy(HELD), fitted.history["validation_accuracy"][:, -1])
    member = fitted.member(1)
    u, v = (torch.tensor(x, dtype=torch.float32) for x in (HELD.states.u, HELD.states.v))
    assert np.allclose(member(v, u).detach(), fitted.predict(HELD)[1], atol=1e-5)
    fitted.save(tmp_path / "x.npz")
    again = tnl.load(tmp_path / "x.npz", net=Perceptron())
    assert np.array_equal(again.predict(HELD), fitted.predict(HELD))
    with pytest.raises(ConfigError, match=r"give one, tnl\.load"):
        tnl.load(tmp_path / "x.npz")


def test_stacked_members_are_those_trained_alone() -> None:
    """To rounding, on networks and on modules; rates, batches and a NaN are per member."""
    for net in (CLASSES, nn.Sequential(nn.Flatten(), nn.Linear(CELLS**2, 4))):
        data = (
            DATA if net is CLASSES else tnl.Dataset.from_arrays({"u": DATA.states.u}, DATA.windings)
        )
        for options in ({"lr": [1e-2, 1e-3, 1e-1]}, {"batches": "shared"}):
            alone = fit(net, data, members=3, dtype="float64", **options)
            stack = fit(net, data, members=3, dtype="float64", stack=2, **options)
            assert stack.config["training"]["stack"] == 2
            for name, x in alone.parameters.items():
                assert np.allclose(stack.parameters[name], x, rtol=1e-7, atol=1e-9), name


class Counting(nn.Linear):
    """What no vmap can follow: a decision by the data."""

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        return super().forward(u.flatten(1) * (2.0 if u.sum().item() > 0 else 1.0))


def test_what_cannot_be_stacked_is_trained_one_after_another() -> None:
    data = tnl.Dataset.from_arrays({"u": DATA.states.u}, DATA.windings)
    net = Counting(CELLS**2, 4)
    with pytest.warns(UserWarning, match="one after another"):
        fitted = fit(net, data, stack=2)
    assert_same(fitted, fit(net, data))
    with pytest.warns(UserWarning, match="lbfgs takes one at a time"):
        fit(CLASSES, optimizer="lbfgs", stack=2, epochs=1)


# ---------------------------------------------------------------- callbacks, augmentation, data


def test_a_callback_sees_every_epoch_and_may_stop() -> None:
    seen: list[tuple[int, float]] = []

    def look(epoch: loop.Epoch) -> bool:
        assert epoch.members == range(2)
        assert epoch.parameters()["D"].shape == (2, CELLS, CELLS)
        seen.append((epoch.number, float(epoch.history["loss"][0, epoch.number - 1])))
        return epoch.number == 2

    fitted = fit(CLASSES, epochs=5, callbacks=[look])
    assert [number for number, _ in seen] == [1, 2]
    assert fitted.stopped.tolist() == [1, 1]
    assert np.isfinite(fitted.history["loss"][:, :2]).all()
    assert np.isnan(fitted.history["loss"][:, 2:]).all()


def test_a_gauge_is_drawn_anew_each_epoch_for_each_member() -> None:
    net = tnl.baseline("linear", cells=CELLS, classes=4)
    fixed, changing = fit(net), fit(net, augment=tnl.augment.gauge())
    assert changing.config["training"]["augment"] == "augment.gauge()"
    assert "augment" not in fixed.config["training"]
    assert not np.array_equal(
        fixed.parameters["logits.weight"], changing.parameters["logits.weight"]
    )
    part = fit(net, augment=tnl.augment.gauge(), members=1, member_offset=1)
    assert_same(changing, part, slice(1, 2))
    stack = fit(net, augment=tnl.augment.gauge(), stack=2)
    assert np.allclose(
        stack.parameters["logits.weight"], changing.parameters["logits.weight"], atol=1e-5
    )
    # A network that knows no gauge learns the same to rounding.
    ours = [fit(CLASSES, augment=a, dtype="float64") for a in (None, tnl.augment.gauge())]
    assert np.allclose(ours[0].parameters["D"], ours[1].parameters["D"], rtol=1e-4, atol=1e-6)


def test_data_of_ones_own_go_everywhere() -> None:
    chains = tnl.Dataset.from_chains(HELD.chains)
    states = tnl.Dataset.from_states(HELD.states, HELD.windings)
    fitted = fit(CLASSES, states)
    for data in (chains, states):
        assert fitted.accuracy(data).shape == (2,)
        assert fitted.predict(data).shape == (2, 40, 4)
    assert len(tnl.shift("gauge", states)) == 40
    with pytest.raises(LackingError, match="without chains"):
        tnl.shift("ring", states)


BAD: dict[str, tuple[dict[str, Any], type[TnlearnError], str]] = {
    "a vector": ({"loss": lambda z, y: (z[:, 0] - y)}, ConfigError, r"one real number.*\(32,\)"),
    "no tensor": ({"loss": lambda z, y: 1.0}, ConfigError, "one real number.*1.0"),
    "an unknown loss": ({"loss": "msee"}, UnknownNameError, "did you mean 'mse'"),
    "values of classes": ({"loss": "mse"}, ConfigError, "one number per sample"),
    "classes of a value": ({"net": QUARTIC}, ConfigError, "loss='mse'"),
    "an unknown optimiser": ({"optimizer": "adm"}, UnknownNameError, "did you mean 'adam'"),
    "no optimiser": ({"optimizer": lambda p: p}, ConfigError, "it gives a list"),
    "no such device": ({"device": "cuda:77"}, ConfigError, "cannot be used here; there is cpu"),
    "no device": ({"device": "gpu"}, ConfigError, "device 'gpu' cannot be used here"),
    "no numbers": ({"device": "meta"}, ConfigError, "'meta' cannot be used"),
    "a stack of none": ({"stack": 0}, ConfigError, "stack must be a whole number of at least 1"),
    "nothing to train": ({"net": nn.Flatten()}, ConfigError, "nothing to train"),
    "lazy": ({"net": nn.LazyLinear(4)}, ConfigError, "not made yet"),
    "another shape": ({"net": nn.Conv1d(CELLS, 3, 1)}, ConfigError, "must give a tensor"),
    "no data set": ({"augment": lambda data, rng: 7}, ConfigError, "it gives a int"),
    "fewer samples": ({"augment": lambda data, rng: data[:5]}, ConfigError, "5 for 96"),
    "unknown arrays": (
        {"data": tnl.Dataset.from_arrays({"psi": DATA.states.u}, DATA.windings)},
        ConfigError,
        "u, v is missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case: str) -> None:
    options, kind, message = BAD[case]
    if isinstance(options.get("net"), nn.Module):
        options = {"data": tnl.Dataset.from_arrays({"u": DATA.states.u}, DATA.windings), **options}
    with pytest.raises(kind, match=message):
        fit(**{"net": CLASSES, **options})


def test_a_device_that_is_not_there_is_named_by_predict_as_well() -> None:
    fitted = fit(CLASSES, epochs=1)
    assert np.array_equal(fitted.predict(HELD, device="cpu"), fitted.predict(HELD))
    with pytest.raises(ConfigError, match="cannot be used here"):
        fitted.predict(HELD, device="cuda:77")


@pytest.mark.parametrize("name", ["quartic", "cnn", "attention"])
def test_a_step_of_a_stack_runs_on_any_device(name: str) -> None:
    """On `meta`, where nothing can be read back: so nothing is, between two steps."""
    net = CLASSES if name == "quartic" else tnl.baseline(name, cells=CELLS, classes=4)
    compiled = net.compile(members=3, device="meta")
    arrays = {n: torch.empty((8, CELLS, CELLS), device="meta") for n in ("u", "v")}
    features = [x[None].expand(3, *x.shape) for x in compiled.fold(arrays)]
    count = net.parameter_count()
    options = Options(
        members=3, epochs=1, batch_size=8, lr=0.1, seed=0, batches="own", optimizer="adam",
        betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, schedule="constant", clip=1.0,
        patience=None, validate_every=1, member_offset=0, dtype="float32", complex=False,
        threads=1, device="meta", stack=3,
    )  # fmt: skip
    make, loss = factory_of("adam", options), find_loss("cross-entropy")
    flat = np.zeros((3, count), dtype=np.float32)
    learner = TorchLearner(compiled, flat, [0.1] * 3, options, loss, make)
    labels = torch.empty((3, 8), dtype=torch.int64, device="meta")
    losses, norms, alive = learner.step(features, labels, torch.ones(3, device="meta") > 0)
    assert losses.shape == norms.shape == alive.shape == (3,)
    assert losses.device.type == "meta"
