"""The step of a block: loss, optimiser, clipping, and what a failed member does to others."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fakes_training import FakeNetwork, toy

import tnlearn as tnl
from tnlearn.errors import MemoryLimitError
from tnlearn.training import features, machine
from tnlearn.training.ensemble import Batches, TorchLearner
from tnlearn.training.loop import Block, sample_order
from tnlearn.training.losses import find_loss, measure
from tnlearn.training.optimiser import adam_rates, factory_of
from tnlearn.training.options import Options


def settings_of(**changes: Any) -> Options:
    options = {
        "members": 1, "epochs": 3, "batch_size": 8, "lr": 0.1, "seed": 0, "batches": "own",
        "optimizer": "adam", "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0,
        "schedule": "constant", "clip": None, "patience": None, "validate_every": 1,
        "member_offset": 0, "dtype": "float64", "complex": False, "threads": 1,
    }  # fmt: skip
    return Options(**{**options, **changes})


@pytest.mark.parametrize("name", ["cross-entropy", "mse", "huber"])
def test_losses_are_those_of_torch_member_by_member(name: str) -> None:
    rng = torch.Generator().manual_seed(3)
    z = torch.randn((3, 7, 5), generator=rng, dtype=torch.float64) * 3
    y = torch.randint(0, 5, (3, 7), generator=rng)
    torchs = {
        "cross-entropy": torch.nn.functional.cross_entropy,
        "mse": torch.nn.functional.mse_loss,
        "huber": torch.nn.functional.huber_loss,
    }[name]
    if name != "cross-entropy":
        z, y = z[..., 0], y.double()
    expected = torch.stack([torchs(a, b) for a, b in zip(z, y, strict=True)])
    loss = find_loss(name)
    assert torch.allclose(loss(z, y), expected, atol=1e-12)
    mean, right = measure(loss, z[0], y[0])
    assert mean == pytest.approx(float(expected[0]), abs=1e-12)
    assert right == float(
        ((z[0].argmax(1) if z.ndim == 3 else z[0].round()) == y[0]).mean(dtype=float)
    )


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_the_compiled_update_is_adam_of_torch(weight_decay: float) -> None:
    rng = np.random.default_rng(0)
    options = settings_of(betas=(0.8, 0.99), weight_decay=weight_decay)
    p, mean, square = rng.normal(size=17), np.zeros(17), np.zeros(17)
    theirs = torch.nn.Parameter(torch.tensor(p))
    optimizer = factory_of("adam", options)([theirs], 0.03)
    keep, rate, root = adam_rates(options, 0.03, [1.0] * 50, 0).T
    for t in range(50):
        gradient = rng.normal(size=20) * (t + 1)
        theirs.grad = torch.tensor(gradient[:17])
        optimizer.step()
        betas = np.array(options.betas)
        machine.adam(p, gradient, mean, square, betas, 1e-8, keep[t], rate[t], root[t])
    assert np.allclose(p, theirs.detach(), rtol=1e-11, atol=1e-13)


def _linear(parameters: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    return torch.bmm(x, parameters["w"])


_linear.parameters = {"w": (6, 3)}


def learner(members: int, **changes: Any) -> TorchLearner:
    flat = np.random.default_rng(2).normal(size=(members, 18))
    options = settings_of(members=members, **changes)
    make = factory_of(options.optimizer, options)
    return TorchLearner(_linear, flat, [0.1] * members, options, find_loss("cross-entropy"), make)


def batches(members: int, seed: int = 3, steps: int = 1) -> Batches:
    rng = np.random.default_rng(seed)
    x, y = torch.tensor(rng.normal(size=(50, 6))), torch.tensor(rng.integers(0, 3, 50))
    return Batches((x,), y, rng.integers(0, 50, (steps, members, 8)), 0, [1.0] * steps)


def test_each_member_is_clipped_by_its_own_norm() -> None:
    stack, alone = learner(3, clip=0.9), [learner(3, clip=0.9) for _ in range(3)]
    seen = batches(3, steps=4)
    _, norms, _ = stack.epoch(seen, np.ones(3, bool))
    assert norms.min() < 0.9 < norms.max()
    for k, one in enumerate(alone):
        flat = one.flat[k : k + 1]
        options = settings_of(clip=0.9)
        loss, make = find_loss("cross-entropy"), factory_of("adam", options)
        single = TorchLearner(_linear, flat, [0.1], options, loss, make)
        single.epoch(replace(seen, rows=seen.rows[:, k : k + 1]), np.ones(1, bool))
        assert np.allclose(single.flat[0], stack.flat[k], rtol=1e-9)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_member_of_a_stack_that_is_not_finite_is_frozen_and_alone(bad: float) -> None:
    healthy, ill = learner(4, clip=1.0), learner(4, clip=1.0)
    running = np.ones(4, bool)
    for t in range(4):
        seen = batches(4, seed=t)
        healthy.epoch(seen, running)
        if t == 2:
            before = ill.flat[2].copy()
            seen.features[0][seen.rows[0, 2, 0]] = bad
            seen.rows[0][[0, 1, 3]] = (seen.rows[0, 2, 0] + 1) % 50
        _, _, over = ill.epoch(seen, running)
        running = running & ~over
        if t == 2:
            break
    assert over.tolist() == [False, False, True, False]
    assert np.array_equal(ill.flat[2], before)
    ill.epoch(batches(4, seed=9), running)
    assert np.array_equal(ill.flat[2], before)
    assert np.isfinite(ill.flat).all()


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
    block = Block([learner(3)])
    losses = [[1.0, 1.0, 1.0], [0.5, 1.1, 0.9], [0.6, 1.2, 0.8], [0.7, 0.1, 0.7]]
    seen = []
    for epoch, row in enumerate(losses):
        block.learners[0]._flat.fill_(float(epoch))
        seen.append(block.running.tolist())
        block.judge(np.array(row), 2, epoch)
    assert block.stopped.tolist() == [3, 2, -1]
    assert seen[3] == [True, False, True]
    # A member that has stopped no longer takes part, however low its loss falls.
    assert block.outcome(keep_best=True)[:, 0].tolist() == [1.0, 0.0, 3.0]
    assert block.outcome(keep_best=False)[:, 0].tolist() == [3.0, 3.0, 3.0]


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
