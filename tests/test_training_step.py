"""The step of a block: loss, optimiser, clipping, and what a failed member does to others."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fakes_training import FakeNetwork, toy
from hypothesis import given, settings
from hypothesis import strategies as st

import tnlearn as tnl
from tnlearn.errors import MemoryLimitError
from tnlearn.training import features
from tnlearn.training.ensemble import Block, cross_entropy, measure
from tnlearn.training.lanes import lanes_for
from tnlearn.training.loop import epoch_batches, sample_order
from tnlearn.training.optimiser import Adam

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 5))


@settings(max_examples=40, deadline=None)
@given(shape=SIZES, seed=st.integers(0, 1000), scale=st.sampled_from([0.1, 1.0, 300.0]))
def test_cross_entropy_and_its_gradient(
    shape: tuple[int, int, int], seed: int, scale: float
) -> None:
    rng = torch.Generator().manual_seed(seed)
    z = (scale * torch.randn(shape, generator=rng, dtype=torch.float64)).requires_grad_()
    y = torch.randint(0, shape[2], shape[:2], generator=rng)
    expected = torch.stack(
        [torch.nn.functional.cross_entropy(a, b) for a, b in zip(z, y, strict=True)]
    )
    (slope,) = torch.autograd.grad(expected.sum(), z)
    loss, gradient = cross_entropy(z.detach(), y)
    assert torch.allclose(loss, expected.detach(), atol=1e-12)
    assert torch.allclose(gradient, slope, atol=1e-12)
    if bool((y == y[0]).all()):
        again, right = measure(z.detach(), y[0])
        assert torch.allclose(again, loss, atol=1e-12)
        assert torch.equal(right, (z.detach().argmax(2) == y).double().mean(1))


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adam_is_torch_adam_for_every_lane(weight_decay: float) -> None:
    rng = torch.Generator().manual_seed(0)
    start = torch.randn((3, 7), generator=rng, dtype=torch.float64)
    rates = [1e-3, 1e-2, 0.3]
    flat = start.clone()
    ours = Adam(flat, torch.tensor(rates), betas=(0.8, 0.99), weight_decay=weight_decay)
    ours.lr = torch.tensor(rates, dtype=torch.float64)[:, None]
    theirs = [torch.nn.Parameter(row.clone()) for row in start]
    optimisers = [
        torch.optim.AdamW([p], lr=lr, betas=(0.8, 0.99), weight_decay=weight_decay)
        for p, lr in zip(theirs, rates, strict=True)
    ]
    for t in range(1, 50):
        gradient = torch.randn((3, 7), generator=rng, dtype=torch.float64) * t
        ours.step(gradient.clone(), t)
        for p, g, optimiser in zip(theirs, gradient, optimisers, strict=True):
            p.grad = g.clone()
            optimiser.step()
    expected = torch.stack([p.detach() for p in theirs])
    assert torch.allclose(flat, expected, rtol=1e-11, atol=1e-13)


def _linear(parameters: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    return torch.bmm(x, parameters["w"])


def _block(lanes: int, clip: float | None) -> Block:
    rng = torch.Generator().manual_seed(2)
    return Block(
        _linear,
        {"w": (6, 3)},
        {"w": torch.randn((lanes, 6, 3), generator=rng)},
        torch.full((lanes,), 0.1),
        torch.ones(lanes, dtype=torch.bool),
        clip=clip,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
    )


def test_each_member_is_clipped_by_its_own_norm() -> None:
    rng = torch.Generator().manual_seed(3)
    x = torch.randn((3, 8, 6), generator=rng) * torch.tensor([1e-3, 1.0, 100.0])[:, None, None]
    y = torch.randint(0, 3, (3, 8), generator=rng)
    block = _block(3, clip=0.5)
    start = block.flat.clone()
    _, norm = block.step([x], y, 1, 1.0, 0)
    w = start.view(3, 6, 3).clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(
        torch.bmm(x, w).flatten(0, 1), y.flatten(), reduction="none"
    )
    (gradient,) = torch.autograd.grad(loss.view(3, 8).mean(1).sum(), w)
    lengths = gradient.flatten(1).norm(dim=1)
    assert torch.allclose(norm, lengths, rtol=1e-5)
    assert lengths[0] < 0.5 < lengths[2]
    clipped = gradient.flatten(1) * torch.clamp(0.5 / lengths, max=1.0)[:, None]
    assert torch.allclose(block.adam.mean, 0.1 * clipped, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_member_that_is_not_finite_is_frozen_and_alone(bad: float) -> None:
    rng = torch.Generator().manual_seed(4)
    healthy, ill = _block(4, clip=1.0), _block(4, clip=1.0)
    for t in range(1, 8):
        x = torch.randn((4, 8, 6), generator=rng)
        y = torch.randint(0, 3, (4, 8), generator=rng)
        healthy.step([x], y, t, 1.0, t // 3)
        if t == 4:
            before = ill.flat[2].clone()
            x = x.clone()
            x[2, 0, 0] = bad
        ill.step([x], y, t, 1.0, t // 3)
    others = [0, 1, 3]
    assert torch.equal(healthy.flat[others], ill.flat[others])
    assert torch.equal(ill.flat[2], before)
    assert ill.failed.tolist() == [-1, -1, 1, -1]
    assert ill.running.tolist() == [True, True, False, True]


class Fragile(FakeNetwork):
    """Member 2 starts from values whose loss overflows."""

    def compile(self, **options: Any) -> Any:
        compiled = super().compile(**options)
        usual = compiled.initial

        def initial(seed: int, members: Any) -> Any:
            found = usual(seed, members)
            for lane, k in enumerate(members):
                if k == 2:
                    found["D"][lane] *= 1e30
                    found["head.1.weight"][lane] *= 1e30
            return found

        compiled.initial = initial
        return compiled


def test_a_failed_member_is_reported_and_the_others_are_unchanged() -> None:
    data, held = toy(100), toy(50, seed=2)
    options: dict[str, Any] = {"members": 4, "epochs": 3, "progress": False}
    well, ill = (
        tnl.fit(FakeNetwork(), data, held, **options),
        tnl.fit(Fragile(), data, held, **options),
    )
    assert ill.failed.tolist() == [-1, -1, 0, -1]
    assert np.isnan(ill.history["loss"][2]).all()
    assert "failed=1" in repr(ill)
    others = [0, 1, 3]
    for name in well.parameters:
        assert np.isfinite(ill.parameters[name]).all()
        assert np.array_equal(well.parameters[name][others], ill.parameters[name][others])
    assert np.array_equal(well.history["loss"][others], ill.history["loss"][others])


def test_all_members_failed_ends_the_run_early() -> None:
    fitted = tnl.fit(Fragile(), toy(100), members=1, member_offset=2, epochs=500, progress=False)
    assert fitted.failed.tolist() == [0]
    assert np.isnan(fitted.history["loss"]).all()


def test_early_stopping_keeps_the_best_parameters() -> None:
    block = _block(3, clip=None)
    losses = [[1.0, 1.0, 1.0], [0.5, 1.1, 0.9], [0.6, 1.2, 0.8], [0.7, 0.1, 0.7]]
    seen = []
    for epoch, row in enumerate(losses):
        block.flat.fill_(float(epoch))
        seen.append(block.running.tolist())
        block.judge(torch.tensor(row, dtype=torch.float64), 2, epoch)
    assert block.stopped.tolist() == [3, 2, -1]
    assert seen[3] == [True, False, True]
    # A member that has stopped no longer takes part, however low its loss falls.
    assert block.outcome(keep_best=True)[:, 0].tolist() == [1.0, 0.0, 3.0]
    assert block.outcome(keep_best=False)[:, 0].tolist() == [3.0, 3.0, 3.0]


def test_a_member_that_has_stopped_cannot_fail_any_more() -> None:
    block = _block(2, clip=None)
    for epoch, row in enumerate([[1.0, 1.0], [2.0, 0.5]]):
        block.judge(torch.tensor(row, dtype=torch.float64), 1, epoch)
    before = block.flat.clone()
    x = torch.ones((2, 8, 6))
    x[0] = math.nan
    block.step([x], torch.zeros((2, 8), dtype=torch.int64), 1, 1.0, 2)
    assert block.stopped.tolist() == [1, -1]
    assert block.failed.tolist() == [-1, -1]
    assert torch.equal(block.flat[0], before[0])
    assert not torch.equal(block.flat[1], before[1])


def test_early_stopping_in_a_run() -> None:
    data, held = toy(60), toy(60, seed=5)
    wrong = replace(held, labels=1 - held.labels)
    fitted = tnl.fit(
        FakeNetwork(), data, wrong, members=4, epochs=30, patience=3, lr=0.05, progress=False
    )
    assert (fitted.stopped >= 3).all()
    for row, stop in enumerate(fitted.stopped):
        loss = fitted.history["validation_loss"][row]
        assert np.isfinite(loss[: stop + 1]).all()
        assert np.isnan(loss[stop + 1 :]).all()
        assert loss[: stop + 1].argmin() == stop - 3
    best = np.nanmin(fitted.history["validation_loss"], axis=1)
    assert np.allclose(fitted.log_loss(wrong), best, atol=1e-6)


@given(samples=st.integers(1, 60), batch=st.integers(1, 60), seed=st.integers(0, 99))
def test_an_epoch_shows_each_sample_at_most_once(samples: int, batch: int, seed: int) -> None:
    own = epoch_batches(samples, batch, seed=seed, epoch=3, members=[5, 7, 5])
    assert own.shape == (samples // batch, 3, batch)
    for lane in range(3):
        seen = own[:, lane].flatten().tolist()
        assert len(set(seen)) == len(seen)
        assert all(0 <= i < samples for i in seen)
    assert torch.equal(own[:, 0], own[:, 2])
    shared = epoch_batches(samples, batch, seed=seed, epoch=3, members=None)
    assert shared.shape == (samples // batch, batch)


def test_the_order_depends_on_seed_member_and_epoch() -> None:
    orders = [
        sample_order(50, seed=s, epoch=e, member=m).tolist()
        for s in (0, 1)
        for e in (0, 1)
        for m in (0, 1, None)
    ]
    assert all(sorted(x) == list(range(50)) for x in orders)
    assert len({tuple(x) for x in orders}) == len(orders)
    assert sample_order(50, seed=0, epoch=0, member=0).tolist() == orders[0]


def test_lanes_shrink_with_the_network_and_the_batch() -> None:
    def lanes(net: FakeNetwork, batch: int) -> int:
        compiled = net.compile(members=1, own_batches=False)
        x = torch.zeros(batch, net.cells**2)
        return lanes_for(compiled, compiled.initial(0, [0]), [x])

    assert lanes(FakeNetwork(), 64) == 32
    assert lanes(FakeNetwork(cells=20, channels=4, hidden=16), 64) == 32
    assert lanes(FakeNetwork(cells=20, channels=4, hidden=16), 256) < 32
    assert lanes(FakeNetwork(cells=40, channels=400), 64) == 1


def test_folding_in_stretches_is_folding_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = toy(50)
    arrays = features.state_tensors(data, torch.float64)
    fold = FakeNetwork().compile(members=1, dtype="float64").fold
    whole = features.fold_states(fold, arrays)
    monkeypatch.setattr(features, "_STRETCH", 7)
    parts = features.fold_states(fold, arrays)
    assert len(whole) == len(parts) == 1
    assert torch.allclose(whole[0], parts[0], atol=1e-14)


def test_features_past_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "available_memory", lambda: 1000)
    with pytest.raises(MemoryLimitError, match="fewer samples"):
        tnl.fit(FakeNetwork(), toy(100), progress=False)
