"""Training of the package's own networks: independent members, files, other lengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes_training import assert_same

import tnlearn as tnl

CELLS = 8


@pytest.fixture(scope="module")
def data() -> Any:
    return tnl.dataset("extended", cells=CELLS, samples=240, seed=1)


@pytest.fixture(scope="module")
def held() -> Any:
    return tnl.dataset("extended", cells=CELLS, samples=100, seed=2)


def quartic() -> Any:
    net = tnl.rswn(CELLS, form="quartic")
    return net.trainable("D", channels=3, init=tnl.init.normal(0.1)).head(classes=4, hidden=(7,))


def operator() -> Any:
    return tnl.rswn(CELLS, form="operator").trainable("X", init=tnl.init.exact(0.1)).head(classes=4)


def baseline(name: str) -> Any:
    return tnl.baseline(name, cells=CELLS, classes=4)


NETWORKS = {
    "quartic": quartic,
    "operator": operator,
    **{
        name: (lambda name=name: baseline(name))
        for name in ("linear", "mlp", "cnn", "resnet", "attention", "symmetric")
    },
}


@pytest.mark.parametrize("batches", ["own", "shared"])
@pytest.mark.parametrize("name", NETWORKS)
def test_members_are_independent_to_the_last_bit(
    name: str, batches: str, data: Any, held: Any
) -> None:
    net = NETWORKS[name]()
    options: dict[str, Any] = {"epochs": 2, "batch_size": 37, "batches": batches}
    options |= {"progress": False, "lr": 3e-3}
    whole = tnl.fit(net, data, held, members=5, **options)
    assert np.isfinite(whole.history["loss"]).all()
    for offset, members in [(0, 1), (3, 2)]:
        part = tnl.fit(net, data, held, members=members, member_offset=offset, **options)
        assert_same(whole, part, slice(offset, offset + members))
        logits = whole.predict(held)[offset : offset + members]
        assert np.array_equal(part.predict(held), logits)


@pytest.mark.parametrize("name", NETWORKS)
def test_files_and_modules_give_the_same_answers(
    name: str, data: Any, held: Any, tmp_path: Path
) -> None:
    fitted = tnl.fit(NETWORKS[name](), data, members=2, epochs=1, progress=False)
    fitted.save(tmp_path / "x.npz")
    again = tnl.load(tmp_path / "x.npz")
    assert np.array_equal(again.predict(held), fitted.predict(held))
    u, v = torch.tensor(held.states.u), torch.tensor(held.states.v)
    logits = again.member(1)(u, v).detach().numpy()
    assert np.allclose(logits, fitted.predict(held)[1], rtol=1e-4, atol=1e-4)


def test_the_quartic_network_learns(data: Any, held: Any) -> None:
    fitted = tnl.fit(quartic(), data, held, members=4, epochs=40, batch_size=32, progress=False)
    assert fitted.history["loss"][:, -1].max() < 0.5 * fitted.history["loss"][:, 0].min()
    assert fitted.accuracy(held).mean() > 0.6


def test_complex_states() -> None:
    data = tnl.dataset("complex", cells=CELLS, samples=120, seed=1)
    fitted = tnl.fit(quartic(), data, members=2, epochs=2, progress=False)
    assert fitted.config["training"]["complex"]
    assert np.isfinite(fitted.predict(data)).all()
    assert fitted.member(0)(torch.tensor(data.states.u), torch.tensor(data.states.v)).shape[1] == 4
