"""Whatever classifies states is asked in the same way; what cannot be asked or read says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import tnlearn as tnl
from tnlearn.analysis.weights import with_parameters
from tnlearn.audits.answers import confirm
from tnlearn.audits.audit import Audit
from tnlearn.audits.certify import sample_set
from tnlearn.audits.table import COUNTS
from tnlearn.errors import ConfigError, NotFiniteError, ShapeError, UnknownNameError

CHOSEN = ["edge-cell", "edge-removed", "gauge", "bulk-replaced", "exchange"]


@pytest.fixture(scope="module")
def data() -> Any:
    return sample_set("extended", 10, 60, 0)


@pytest.fixture(scope="module")
def train() -> Any:
    return tnl.dataset("extended", cells=10, samples=400, seed=1)


def asked(classifier: Any, data: Any = None, **options: Any) -> Audit:
    return tnl.audit(classifier, data, **{"interventions": CHOSEN, "progress": False, **options})


def counts(audit: Audit, *, but: str = "") -> pd.DataFrame:
    """How often every member followed and was right."""
    rows = audit.table[audit.table["intervention"] != but]
    return rows.set_index(["intervention", "member"])[COUNTS]


def alike(first: Audit, second: Audit, *, but: str = "") -> bool:
    return counts(first, but=but).equals(counts(second, but=but))


# ------------------------------------------------------------------ tnlearn's own


@pytest.fixture(scope="module")
def ensemble(train: Any) -> Any:
    net = tnl.rswn(10).trainable("D", channels=2, init=tnl.init.normal(0.1))
    net = net.head(classes=4, hidden=(8,))
    return tnl.fit(net, train, members=3, epochs=4, lr=0.03, seed=0, progress=False)


def test_an_ensemble_and_its_members_as_torch_modules_agree(ensemble: Any, data: Any) -> None:
    whole = asked(ensemble, data)
    assert whole.members == 3
    assert "takes chains of 10 cells only" in whole["edge-removed"].reason
    assert np.isnan(whole["edge-removed"].followed).all()
    modules = asked([ensemble.member(k) for k in range(3)], data)
    assert alike(modules, whole, but="edge-removed")
    function = asked(lambda s: ensemble.predict(s)[1], data)
    for name in CHOSEN[2:]:
        assert function[name].followed[0] == whole[name].followed[1]


def test_samples_are_drawn_as_the_ensemble_needs_them(ensemble: Any) -> None:
    settings = asked(ensemble, samples=40, interventions="gauge").settings
    assert [settings[key] for key in ("name", "cells", "samples")] == ["extended", 10, 40]


def test_an_ensemble_that_fits_any_length_is_asked_about_another(data: Any, train: Any) -> None:
    net = tnl.rswn(10).trainable("D", structure="position").head(classes=4)
    fitted = tnl.fit(net, train[:200], members=2, epochs=2, lr=0.03, progress=False)
    row = asked(fitted, data)["edge-removed"]
    assert row.reason == ""
    assert np.isfinite(row.followed).all()


def test_a_member_that_diverged_is_left_out(ensemble: Any, data: Any, tmp_path: Path) -> None:
    values = ensemble.parameters["D"].copy()
    values[1] = np.nan
    broken = with_parameters(ensemble, {"D": values})
    audit, whole = asked(broken, data), asked(ensemble, data)
    assert np.isnan(audit["gauge"].followed[1])
    assert audit["gauge"].followed[::2] == whole["gauge"].followed[::2]
    assert np.isnan(audit.scores[1])
    assert audit.score == pytest.approx(np.mean(whole.scores[::2]), abs=1e-12)
    audit.save(tmp_path / "audit.json")
    assert alike(Audit.load(tmp_path / "audit.json"), audit)


def test_classes_of_an_ensemble_are_its_own(ensemble: Any, data: Any) -> None:
    with pytest.raises(ConfigError, match="leave classes= out"):
        asked(ensemble, data, classes=(0, 1, 2, 3))
    short = tnl.dataset("ssh", cells=10, samples=64, seed=1)
    net = tnl.baseline("linear", cells=10, classes=2)
    two = tnl.fit(net, short, epochs=1, members=2, progress=False)
    audit = asked(two, data)
    assert audit.classes == (0, 1)
    assert audit["gauge"].refused["no class before"] > 10
    with pytest.raises(ConfigError, match="same classes"):
        asked([ensemble, two], data)


def test_an_untrained_network_rounded(data: Any) -> None:
    head = tnl.rswn(10).head(classes=data.classes, kind="rounding")
    real = asked(tnl.rswn(10), data)
    assert alike(asked(head, data), real)
    assert real["edge-removed"].reason == ""
    # Another length would draw its weights anew, so it is not asked.
    free = tnl.baseline("symmetric", cells=10, classes=4)
    assert asked(free, data)["edge-removed"].reason


# ------------------------------------------------------------------ torch


class Flat(nn.Module):
    def __init__(self, width: int, classes: int = 4) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.drop = nn.Dropout(0.5)
        self.layer = nn.Linear(width, classes, dtype=torch.float64)

    def forward(self, x: Any) -> Any:
        return self.layer(self.drop(x))


class Stacked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(2, 4, 3)

    def forward(self, x: Any) -> Any:
        return self.conv(x).mean(dim=(2, 3))


class Pair(nn.Module):
    """The formula on the inner half of ten cells, of (u, v)."""

    def forward(self, u: Any, v: Any) -> Any:
        d = torch.arange(u.shape[2])[:, None] - torch.arange(u.shape[2])[None, :]
        return (d * (u.mT @ v) ** 2)[:, :, 2:7].sum(dim=(1, 2)) / 5


class Half(Pair):
    """The same in half precision, of which numpy knows nothing."""

    def forward(self, u: Any, v: Any) -> Any:
        return super().forward(u, v).bfloat16()


def test_the_form_of_the_input_is_found(data: Any) -> None:
    u, v = (torch.as_tensor(x) for x in (data.states.u, data.states.v))
    flat = Flat(200)
    expected = flat.eval().layer(torch.stack([u, v], 1).flatten(1).double()).argmax(1)
    flat.train()
    audit = asked(flat, data)
    assert flat.training
    right = (np.asarray(data.classes)[expected] == data.windings)[~data.ambiguous]
    assert audit["gauge"].right_before == (int(right.sum()),)
    assert alike(asked(flat, data, inputs="flat"), audit)
    assert asked(Stacked(), data)["edge-removed"].reason == ""
    real = asked(Pair(), data)
    assert alike(real, asked(lambda s: Pair()(torch.tensor(s.u), torch.tensor(s.v)), data))
    assert real["gauge"].followed == (real["gauge"].certified,)
    assert asked(Half(), data)["gauge"].accuracy("before").value > 0.4


def test_complex_states_are_given_by_their_parts() -> None:
    data = sample_set("complex", 8, 40, 0)
    audit = asked(Flat(4 * 64), data)
    assert audit["edge-removed"].reason
    flat = Flat(4 * 64).eval()
    again = asked(lambda x: flat(torch.as_tensor(x).double()).detach(), data, inputs="flat")
    assert alike(again, audit, but="edge-removed")
    kinds: list[Any] = []
    asked(lambda u, v: kinds.append(u.dtype) or np.zeros(len(u)), data, inputs="uv")
    assert kinds[0] == np.complex64


def test_a_module_of_another_length_says_what_was_tried(data: Any) -> None:
    with pytest.raises(ShapeError, match=r"uv: .*stacked: .*flat: "):
        asked(Flat(77), data)
    with pytest.raises(ConfigError, match="Flat failed on"):
        asked(Flat(77), data, inputs="flat")


class Several(Pair):
    """A model that gives more than its answer."""

    def __init__(self, form: Any) -> None:
        super().__init__()
        self.form = form

    def forward(self, u: Any, v: Any) -> Any:
        return self.form(super().forward(u, v), u)


@pytest.mark.parametrize("inputs", ["auto", "uv"])
@pytest.mark.parametrize(
    ("form", "words"),
    [
        (lambda w, u: (w, u), r"output of Several is a tuple \(0: Tensor of shape"),
        (lambda w, u: {"logits": w}, r"output of Several is a dict \('logits': Tensor of shape"),
        (lambda w, u: [w, u], "output of Several is no array"),
        (lambda w, u: w.to(torch.complex64), "output of Several is .* of dtype complex"),
        (lambda w, u: "one", "output of Several is str of dtype"),
        (lambda w, u: None, "output of Several is NoneType of dtype object"),
    ],
)
def test_an_output_of_several_parts_is_named(data: Any, inputs: str, form: Any, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        asked(Several(form), data, inputs=inputs)


# ------------------------------------------------------------------ estimators


class NearestMean:
    """A classifier with the interface of scikit-learn, on |q|² made of the flat states."""

    def __init__(self, classes: Any, train: Any, labels: Any) -> None:
        self.classes_ = np.asarray(classes)
        flat = [x.reshape(len(train), -1) for x in (train.states.u, train.states.v)]
        features = self.features(np.concatenate(flat, axis=1))
        self.means_ = np.array([features[labels == c].mean(axis=0) for c in self.classes_])

    def features(self, X: Any) -> Any:
        u, v = X.reshape(len(X), 2, 10, -1).swapaxes(0, 1)
        return ((u.swapaxes(1, 2) @ v) ** 2).reshape(len(X), -1)

    def predict(self, X: Any) -> Any:
        distance = ((self.features(X)[:, None] - self.means_[None]) ** 2).sum(axis=2)
        return self.classes_[distance.argmin(axis=1)]


def test_an_estimator_whatever_its_labels_are_called(data: Any, train: Any) -> None:
    windings = NearestMean([-1, 0, 1, 2], train, train.windings)
    first = asked(windings, data)
    assert first["gauge"].accuracy("before").value > 0.6
    assert first["gauge"].estimate().value == 1
    labels = NearestMean([0, 1, 2, 3], train, train.labels)
    with pytest.raises(ConfigError, match=r"classes \[0, 1, 2, 3\].*give classes="):
        asked(labels, data)
    assert alike(asked(labels, data, classes=(-1, 0, 1, 2)), first)
    words = np.array(["left", "none", "one", "two"])
    named = NearestMean(words, train, words[train.labels])
    assert alike(asked(named, data, classes=(-1, 0, 1, 2)), first)
    with pytest.raises(ConfigError, match="has 4 classes"):
        asked(named, data, classes=(0, 1))
    indices = asked(lambda x: labels.predict(x), data, inputs="flat", answers="indices")
    assert alike(indices, first)
    windings.predict = lambda X: np.full(len(X), 7)  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match="predicted 7"):
        asked(windings, data)


def test_numbers_of_classes_are_not_taken_for_windings(data: Any, train: Any) -> None:
    """As floats, without the last class, in other columns: nothing says what they are but truth."""
    labels = NearestMean([0, 1, 2, 3], train, train.labels)
    without = train[train.windings < 2]
    three = NearestMean([0, 1, 2], without, without.labels)
    few = data[data.windings < 2]
    for classifier, samples, options in (
        (lambda x: labels.predict(x).astype(float), data, {"inputs": "flat"}),
        (lambda x: three.predict(x), few, {"inputs": "flat"}),
        (three, few, {}),
    ):
        with pytest.raises(ConfigError, match=r"1 as 0, 2 as 1.*answers='indices'"):
            asked(classifier, samples, **options)
    right = asked(lambda d: np.eye(4)[d.labels], data, inputs="dataset")
    assert right.score == 1
    turned = {"classes": (2, 1, 0, -1), "inputs": "dataset"}
    with pytest.raises(ConfigError, match=r"read as winding numbers.*classes="):
        asked(lambda d: np.eye(4)[3 - d.labels], data, inputs="dataset")
    assert alike(asked(lambda d: np.eye(4)[3 - d.labels], data, **turned), right)
    # At face value for who insists.
    bad = asked(three, few, answers="windings")
    assert bad["gauge"].accuracy("before").value < 0.2


# ------------------------------------------------------------------ one number a sample


@pytest.mark.parametrize("scale", [0.3, 1.0, 9.0])
def test_one_logit_is_asked_for(scale: float) -> None:
    """Right by its sign, whatever its size; read as a winding number it would not be."""
    data = sample_set("ssh", 10, 60, 0)
    rng = np.random.default_rng(0)

    def logit(d: Any) -> Any:
        return scale * (2 * d.windings - 1) * rng.uniform(0.2, 1.0, len(d))

    for shape in (lambda z: z, lambda z: z[:, None]):
        with pytest.raises(ConfigError, match=r"by their sign on 100%.*answers='logit'.* 1 "):
            asked(lambda d, f=shape: f(logit(d)), data, inputs="dataset")
    audit = asked(logit, data, inputs="dataset", answers="logit")
    assert audit["gauge"].accuracy("before").value == 1
    turned = {"inputs": "dataset", "answers": "logit", "classes": (1, 0)}
    assert alike(asked(lambda d: -logit(d), data, **turned), audit)
    assert alike(asked(lambda d: logit(d) > 0, data, inputs="dataset"), audit)


def test_real_winding_numbers_and_probabilities_are_rounded() -> None:
    data, rng = sample_set("ssh", 10, 60, 0), np.random.default_rng(0)
    for spread in (0.05, 0.4):
        audit = asked(
            lambda d, s=spread: d.windings + rng.uniform(-s, s, len(d)), data, inputs="dataset"
        )
        assert audit["gauge"].accuracy("before").value == 1
    # A logit of two classes says nothing of four.
    four = sample_set("extended", 10, 60, 0)
    with pytest.raises(ConfigError, match=r"none of -1, 0, 1, 2, with numbers from .*answers="):
        asked(lambda d: rng.normal(np.where(d.windings > 0, 5, -4)), four, inputs="dataset")
    # A poor classifier is no other reading of a good one.
    truth = np.repeat([-1, 0, 1, 2], 50)
    for answers in (rng.integers(-1, 3, 200), np.ones(200), np.abs(truth), np.where(truth, 1, 0)):
        confirm(answers.astype(float), answers, truth, (-1, 0, 1, 2), "poor")


def gives(value: Any) -> Any:
    """A classifier that answers every sample alike."""
    return lambda states: np.tile(value, (len(states), *[1] * np.ndim(value)))


def test_kinds_of_answers(data: Any) -> None:
    whole = asked(gives(1), data)
    assert whole.score == 0.5
    assert alike(asked(gives(2), data, answers="indices"), whole)
    assert alike(asked(gives([0.0, 1, 2, 1]), data), whole)
    assert alike(asked(gives([1.0]), data), whole)
    # A real winding number may round to what is none of the classes.
    assert asked(gives(4.9), data)["gauge"].right_before == (0,)


@pytest.mark.parametrize(
    ("answer", "options", "error", "words"),
    [
        (lambda s: np.zeros(len(s) - 1), {}, ShapeError, r"shape \(\d+,\) for \d+ samples"),
        (gives([[0.0, 0.0]]), {}, ShapeError, "shape"),
        (lambda s: 1.0, {}, ShapeError, "shape"),
        (gives([0, 0, 0]), {}, ConfigError, "3 scores a sample.*give classes="),
        (gives(np.nan), {}, NotFiniteError, "NaN or infinity for"),
        (gives([np.inf] * 4), {}, NotFiniteError, "NaN or infinity for"),
        (gives(3), {}, UnknownNameError, "answered 3.*answers='indices'"),
        (gives("one"), {}, ShapeError, "real numbers"),
        (gives(1j), {}, ShapeError, "real numbers"),
        (lambda s: [[1], [1, 2]], {}, ShapeError, "no array"),
        (lambda s: (s.u, s.v), {}, ShapeError, "a tuple"),
        (lambda s: s.nothing, {}, ConfigError, "AttributeError"),
        (gives(True), {}, ConfigError, "tells two classes apart.*4"),
        (gives(1.0), {"answers": "logit"}, ConfigError, "tells two classes apart"),
        (gives(4), {"answers": "indices"}, UnknownNameError, "4 as the index of a class"),
        (gives(0.5), {"answers": "indices"}, UnknownNameError, "index of a class"),
        (gives(1.0), {"answers": "scores"}, ShapeError, "classes"),
        (gives([1.0] * 4), {"answers": "windings"}, ShapeError, "not one of its windings"),
        (gives(0.0), {"interventions": ["edge-sell"]}, UnknownNameError, "mean 'edge-cell'"),
        (gives(0.0), {"interventions": []}, ConfigError, "at least one"),
        (gives(0.0), {"interventions": ["gauge", "gauge"]}, ConfigError, "each once"),
        (gives(0.0), {"interventions": "bulk-replaced-5"}, ConfigError, "no ends of 5 cells"),
        (gives(0.0), {"inputs": "uw"}, UnknownNameError, "'uv'"),
        (gives(0.0), {"answers": "score"}, UnknownNameError, "'scores'"),
        (gives(0.0), {"classes": (0, 0)}, ConfigError, "different windings"),
        (gives(0.0), {"classes": "ab"}, ConfigError, "windings"),
        (gives(0.0), {"classes": (5, 6)}, ConfigError, "none of the 60 samples"),
        (gives(0.0), {"cells": 10}, ConfigError, "leave them out"),
        (gives(0.0), {"samples": 61}, ConfigError, "between 1 and 60"),
        (gives(0.0), {"data": None, "seed": -1}, ConfigError, "seed"),
        (3, {}, ConfigError, "cannot audit"),
        (None, {}, ConfigError, "cannot audit"),
        ("rswn", {}, ConfigError, "cannot audit"),
        ([], {}, ConfigError, "no classifier"),
    ],
)
def test_what_cannot_be_asked_or_read(
    data: Any, answer: Any, options: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        asked(answer, **{"data": data, **options})


def test_data_that_cannot_be_audited_on(data: Any, tmp_path: Path) -> None:
    for wrong, error, words in (
        (tnl.shift("ring", data), ConfigError, "these are rings"),
        (data.states, ShapeError, r"a data set of tnlearn\.dataset"),
        (data[:0], ShapeError, "no samples"),
        (
            tnl.Dataset.from_states(data.states, data.windings),
            ConfigError,
            r"without chains.*from_chains",
        ),
        (data[data.windings == 1], ConfigError, "two windings"),
    ):
        with pytest.raises(error, match=words):
            asked(gives(0.0), wrong)
    stored = data.save(tmp_path / "data.h5")
    assert alike(asked(gives(0.0), stored), asked(gives(0.0), data))
    assert asked(gives(0.0), stored, samples=20).settings["samples"] == 20
