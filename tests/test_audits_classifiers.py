"""Whatever classifies states is asked in the same way; what cannot be asked says why."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import tnlearn as tnl
from tnlearn.audits.suite import drawn
from tnlearn.errors import ConfigError, NotFiniteError, ShapeError, UnknownNameError

CHOSEN = ["edge-cell", "edge-removed", "gauge", "bulk-replaced", "exchange"]


@pytest.fixture(scope="module")
def data():
    return drawn("extended", 10, 60, 0)


def asked(classifier, data, **rest):
    return tnl.audit(classifier, data, interventions=CHOSEN, progress=False, **rest)


def counts(found, *, but=()):
    return [(r.followed, r.right_before) for r in found.rows if r.name not in but]


# ------------------------------------------------------------------ tnlearn's own


@pytest.fixture(scope="module")
def ensemble():
    train = tnl.dataset("extended", cells=10, samples=400, seed=1)
    net = tnl.rswn(10).trainable("D", channels=2, init=tnl.init.normal(0.1))
    net = net.head(classes=4, hidden=(8,))
    return tnl.fit(net, train, members=3, epochs=4, lr=0.03, seed=0, progress=False)


def test_an_ensemble_and_its_members_as_torch_modules_agree(ensemble, data):
    whole = asked(ensemble, data)
    assert whole.members == 3
    assert "takes chains of 10 cells only" in whole["edge-removed"].reason
    assert whole["edge-removed"].followed == (None,) * 3
    modules = asked([ensemble.member(k) for k in range(3)], data)
    assert counts(modules, but=["edge-removed"]) == counts(whole, but=["edge-removed"])
    function = asked(lambda s: ensemble.predict(s)[1], data)
    assert [r.followed[0] for r in function.rows[2:]] == [r.followed[1] for r in whole.rows[2:]]


def test_samples_are_drawn_as_the_ensemble_needs_them(ensemble):
    found = tnl.audit(ensemble, samples=40, interventions="gauge", progress=False)
    assert (found.settings["name"], found.settings["cells"]) == ("extended", 10)
    assert found.settings["samples"] == 40


def test_an_ensemble_that_fits_any_length_is_asked_about_another(data):
    train = tnl.dataset("extended", cells=10, samples=200, seed=1)
    net = tnl.rswn(10).trainable("D", structure="position").head(classes=4)
    fitted = tnl.fit(net, train, members=2, epochs=2, lr=0.03, progress=False)
    found = asked(fitted, data)
    assert found["edge-removed"].reason == ""
    assert None not in found["edge-removed"].followed


def test_a_member_that_diverged_is_left_out(ensemble, data):
    values = {name: x.copy() for name, x in ensemble.parameters.items()}
    values["D"][1] = np.nan
    broken = type(ensemble)(
        ensemble.net,
        ensemble.config,
        values,
        history=ensemble.history,
        failed=ensemble.failed,
        stopped=ensemble.stopped,
    )
    found, whole = asked(broken, data), asked(ensemble, data)
    assert found["gauge"].followed[1] is None
    assert found["gauge"].followed[::2] == whole["gauge"].followed[::2]
    assert np.isnan(found.scores[1])
    assert found.score == pytest.approx(np.mean(whole.scores[::2]), abs=1e-12)
    assert found.record()["score"]["members"][1] is None


def test_classes_of_an_ensemble_are_its_own(ensemble, data):
    with pytest.raises(ConfigError, match="leave classes= out"):
        asked(ensemble, data, classes=(0, 1, 2, 3))
    short = tnl.dataset("ssh", cells=10, samples=100, seed=1)
    two = tnl.fit(
        tnl.baseline("linear", cells=10, classes=2), short, epochs=1, members=2, progress=False
    )
    found = asked(two, data)
    assert found.classes == (0, 1)
    assert found["gauge"].refused["no class before"] > 10


def test_an_untrained_network_rounded(data):
    head = tnl.rswn(10).head(classes=data.classes, kind="rounding")
    real = asked(tnl.rswn(10), data)
    assert counts(asked(head, data)) == counts(real)
    assert real["edge-removed"].reason == ""
    # Another length would draw its weights anew, so it is not asked.
    free = tnl.baseline("symmetric", cells=10, classes=4)
    assert asked(free, data)["edge-removed"].reason


# ------------------------------------------------------------------ torch


class Flat(nn.Module):
    def __init__(self, width, classes=4):
        super().__init__()
        torch.manual_seed(0)
        self.drop = nn.Dropout(0.5)
        self.layer = nn.Linear(width, classes, dtype=torch.float64)

    def forward(self, x):
        return self.layer(self.drop(x))


class Stacked(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(2, 4, 3)

    def forward(self, x):
        return self.conv(x).mean(dim=(2, 3))


class Pair(nn.Module):
    def forward(self, u, v):
        d = torch.arange(u.shape[2])[:, None] - torch.arange(u.shape[2])[None, :]
        q = u.mT @ v
        kept = slice(2, 7)
        return (d * q**2)[:, :, kept].sum(dim=(1, 2)) / 5


def test_the_form_of_the_input_is_found(data):
    u, v = (torch.as_tensor(x) for x in (data.states.u, data.states.v))
    flat = Flat(200)
    expected = flat.eval().layer(torch.stack([u, v], 1).flatten(1).double()).argmax(1)
    flat.train()
    found = asked(flat, data)
    assert flat.training
    row = found["gauge"]
    clear = ~data.ambiguous
    right = (np.asarray(data.classes)[expected] == data.windings)[clear]
    assert row.right_before == (int(right.sum()),)
    assert counts(asked(flat, data, inputs="flat")) == counts(found)
    assert asked(Stacked(), data)["edge-removed"].reason == ""
    real = asked(Pair(), data)
    assert counts(real) == counts(
        asked(lambda s: Pair()(torch.tensor(s.u), torch.tensor(s.v)), data)
    )
    assert real["gauge"].followed == (real["gauge"].certified,)


def test_complex_states_are_given_by_their_parts():
    data = drawn("complex", 8, 40, 0)
    found = asked(Flat(4 * 64), data)
    assert found["edge-removed"].reason
    again = asked(
        lambda x: Flat(4 * 64).eval()(torch.as_tensor(x).double()).detach(), data, inputs="flat"
    )
    assert counts(again, but=["edge-removed"]) == counts(found, but=["edge-removed"])
    kinds = []
    asked(lambda u, v: kinds.append(u.dtype) or np.zeros(len(u)), data, inputs="uv")
    assert kinds[0] == np.complex64


def test_a_module_of_another_length_says_what_was_tried(data):
    with pytest.raises(ShapeError, match=r"uv: .*stacked: .*flat: "):
        asked(Flat(77), data)
    with pytest.raises(ConfigError, match="Flat failed on"):
        asked(Flat(77), data, inputs="flat")


# ------------------------------------------------------------------ estimators


class NearestMean:
    """A classifier with the interface of scikit-learn, on |q|² made of the flat states."""

    def __init__(self, classes):
        self.classes_ = np.asarray(classes)

    def features(self, X):
        u, v = X.reshape(len(X), 2, 10, -1).swapaxes(0, 1)
        return ((u.swapaxes(1, 2) @ v) ** 2).reshape(len(X), -1)

    def fit(self, X, y):
        f = self.features(X)
        self.means_ = np.array([f[y == c].mean(axis=0) for c in self.classes_])
        return self

    def predict(self, X):
        f = self.features(X)
        distance = ((f[:, None] - self.means_[None]) ** 2).sum(axis=2)
        return self.classes_[distance.argmin(axis=1)]


@pytest.fixture(scope="module")
def taught():
    train = tnl.dataset("extended", cells=10, samples=400, seed=1)
    X = np.concatenate([x.reshape(400, -1) for x in (train.states.u, train.states.v)], axis=1)
    return X, train


def test_an_estimator_whatever_its_labels_are_called(data, taught):
    X, train = taught
    windings = NearestMean([-1, 0, 1, 2]).fit(X, train.windings)
    first = asked(windings, data)
    assert first["gauge"].right_before[0] > 0.6 * first["gauge"].certified
    assert first["gauge"].shares() == [1.0]
    labels = NearestMean([0, 1, 2, 3]).fit(X, train.labels)
    with pytest.raises(ConfigError, match=r"classes \[0, 1, 2, 3\].*give classes="):
        asked(labels, data)
    assert counts(asked(labels, data, classes=(-1, 0, 1, 2))) == counts(first)
    words = np.array(["left", "none", "one", "two"])
    named = NearestMean(words).fit(X, words[train.labels])
    assert counts(asked(named, data, classes=(-1, 0, 1, 2))) == counts(first)
    with pytest.raises(ConfigError, match="has 4 classes"):
        asked(named, data, classes=(0, 1))
    assert counts(asked(lambda x: labels.predict(x), data, inputs="flat", answers="indices")) == (
        counts(first)
    )


def test_an_estimator_that_leaves_its_classes(data, taught):
    X, train = taught
    odd = NearestMean([-1, 0, 1, 2]).fit(X, train.windings)
    odd.predict = lambda X: np.full(len(X), 7)
    with pytest.raises(ConfigError, match="predicted 7"):
        asked(odd, data)


# ------------------------------------------------------------------ what cannot be


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (lambda s: np.zeros(len(s) - 1), ShapeError, r"shape \(\d+,\) for \d+ samples"),
        (lambda s: np.zeros((len(s), 2, 2)), ShapeError, "shape"),
        (lambda s: 1.0, ShapeError, "shape"),
        (lambda s: np.zeros((len(s), 3)), ConfigError, "3 scores a sample.*give classes="),
        (lambda s: np.full(len(s), np.nan), NotFiniteError, "NaN or infinity for"),
        (lambda s: np.full((len(s), 4), np.inf), NotFiniteError, "NaN or infinity for"),
        (lambda s: np.full(len(s), 3), UnknownNameError, "answered 3.*answers='indices'"),
        (lambda s: np.full(len(s), "one"), ShapeError, "real numbers"),
        (lambda s: np.zeros(len(s)) * 1j, ShapeError, "real numbers"),
        (lambda s: [[1], [1, 2]], ShapeError, "no array"),
        (lambda s: s.nothing, ConfigError, "AttributeError"),
    ],
)
def test_answers_that_cannot_be_read(data, answer, error, words):
    with pytest.raises(error, match=words):
        asked(answer, data)


def test_kinds_of_answers(data):
    whole = asked(lambda s: np.ones(len(s), dtype=int), data)
    assert whole.score == 0.5
    index = asked(lambda s: np.full(len(s), 2), data, answers="indices")
    assert counts(index) == counts(whole)
    scores = asked(lambda s: np.tile([0.0, 1, 2, 1], (len(s), 1)), data)
    assert counts(scores) == counts(whole)
    column = asked(lambda s: np.ones((len(s), 1)), data)
    assert counts(column) == counts(whole)
    # A real winding number may round to what is none of the classes.
    assert asked(lambda s: np.full(len(s), 4.9), data)["gauge"].right_before == (0,)
    with pytest.raises(UnknownNameError, match="index of a class"):
        asked(lambda s: np.full(len(s), 4), data, answers="indices")
    with pytest.raises(UnknownNameError, match="index of a class"):
        asked(lambda s: np.full(len(s), 0.5), data, answers="indices")
    with pytest.raises(ShapeError, match="classes"):
        asked(lambda s: np.ones(len(s)), data, answers="scores")
    with pytest.raises(ShapeError, match="not one of its windings"):
        asked(lambda s: np.ones((len(s), 4)), data, answers="windings")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"interventions": ["edge-sell"]}, UnknownNameError, "did you mean 'edge-cell'"),
        ({"interventions": []}, ConfigError, "at least one"),
        ({"interventions": ["gauge", "gauge"]}, ConfigError, "each once"),
        ({"interventions": ["bulk-replaced-5"]}, ConfigError, "no ends of 5 cells"),
        ({"inputs": "uw"}, UnknownNameError, "'uv'"),
        ({"answers": "score"}, UnknownNameError, "'scores'"),
        ({"classes": (0, 0)}, ConfigError, "different windings"),
        ({"classes": "ab"}, ConfigError, "windings"),
        ({"classes": (5, 6)}, ConfigError, "none of the 60 samples"),
        ({"cells": 10}, ConfigError, "leave them out"),
        ({"samples": 61}, ConfigError, "between 1 and 60"),
    ],
)
def test_settings_that_cannot_be(data, change, error, words):
    with pytest.raises(error, match=words):
        tnl.audit(lambda s: np.zeros(len(s)), data, progress=False, **change)


def test_data_that_cannot_be_audited_on(data, tmp_path):
    def constant(states):
        return np.zeros(len(states))

    with pytest.raises(ConfigError, match="these are rings"):
        asked(constant, tnl.shift("ring", data))
    with pytest.raises(ShapeError, match=r"made by tnlearn\.dataset"):
        asked(constant, data.states)
    with pytest.raises(ShapeError, match="no samples"):
        asked(constant, data[:0])
    with pytest.raises(ConfigError, match="lacks gauge"):
        asked(constant, replace(data, info={k: v for k, v in data.info.items() if k != "gauge"}))
    one = data[data.windings == 1]
    with pytest.raises(ConfigError, match="two windings"):
        asked(constant, one)
    with pytest.raises(ConfigError, match="seed"):
        tnl.audit(constant, seed=-1, progress=False)
    stored = data.save(tmp_path / "data.h5")
    assert counts(asked(constant, stored)) == counts(asked(constant, data))
    assert asked(constant, stored, samples=20).settings["samples"] == 20


@pytest.mark.parametrize("given", [3, None, "rswn", []])
def test_what_is_no_classifier(data, given):
    with pytest.raises(ConfigError, match=r"cannot audit|no classifier"):
        asked(given, data)


def test_members_of_an_ensemble_need_the_same_classes(data, ensemble):
    train = tnl.dataset("ssh", cells=10, samples=64, seed=1)
    two = tnl.fit(tnl.baseline("linear", cells=10, classes=2), train, epochs=1, progress=False)
    with pytest.raises(ConfigError, match="same classes"):
        asked([ensemble, two], data)
