"""Small ensembles use small blocks, but only where every bit is the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tnlearn as tnl
from tnlearn.training import fit as fit_module
from tnlearn.training import lanes as lanes_module

DATA = tnl.dataset("ssh", cells=9, samples=150, seed=1)  # odd sizes: no row is aligned like another
HELD = tnl.dataset("ssh", cells=9, samples=70, seed=2)


@pytest.fixture(autouse=True)
def _short_runs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes_module, "_SHORT", 0)


def quartic() -> tnl.Network:
    net = tnl.rswn(9).trainable("D", channels=3, init=tnl.init.normal(0.1))
    return net.head(classes=2, hidden=(5,))


def trained(net: tnl.Network, members: int, **changes: object) -> tnl.Fitted:
    return tnl.fit(
        net, DATA, HELD, members=members, epochs=3, batch_size=16, progress=False, **changes
    )


def same(a: tnl.Fitted, b: tnl.Fitted, rows: int) -> bool:
    parameters = all(
        np.array_equal(a.parameters[k][:rows], b.parameters[k][:rows]) for k in a.parameters
    )
    names = ("loss", "gradient", "validation_loss", "validation_accuracy")
    history = all(np.array_equal(a.history[k][:rows], b.history[k][:rows]) for k in names)
    return parameters and history


@pytest.mark.parametrize("batches", ["own", "shared"])
@pytest.mark.parametrize("make", [quartic, lambda: tnl.baseline("symmetric", cells=9, classes=2)])
def test_a_member_is_the_same_in_a_small_and_in_a_large_ensemble(make, batches) -> None:
    net = make()
    large = trained(net, 40, batches=batches)
    for members in (1, 2, 3, 8, 17):
        small = trained(net, members, batches=batches)
        lanes = [x.config["training"]["lanes"] for x in (small, large)]
        assert lanes[0] < lanes[1] or members > lanes[1] // 2
        assert same(small, large, members), members


def test_kernels_that_differ_keep_the_whole_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial in which the last digit depends on the number of lanes must not be trusted."""
    honest = lanes_module._trial

    def differs(net, options, features, classes, members, of):
        found = honest(net, options, features, classes, members, of)
        if len(members) < of:
            found[0] = torch.nextafter(found[0], torch.full_like(found[0], 9.0))
        return found

    monkeypatch.setattr(lanes_module, "_trial", differs)
    assert fit_module.fewer_lanes is lanes_module.fewer_lanes
    small, large = trained(quartic(), 2), trained(quartic(), 40)
    assert small.config["training"]["lanes"] == large.config["training"]["lanes"]
    assert same(small, large, 2)
