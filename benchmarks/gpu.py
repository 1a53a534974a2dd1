"""Ensembles on a GPU: how much of the card a training step uses, and how it compares.

    python benchmarks/gpu.py [--device cuda] [--members 4096] [--steps N]

Sized to five minutes on one card, this package's installation included.  For the quartic network
and for ResNet, in float32 and (by autocast) in bfloat16, one line each: microseconds a step and
member, the share of the card's own peak of a matrix product and of its own memory bandwidth, both
measured here, and the same stack by `torch.func` on the same card.  Then the answers of an ensemble
trained on the card and on the CPU are compared.  On ``--device cpu`` it only shows that it runs.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import tnlearn as tnl
from tnlearn.networks.plan import find_plan
from tnlearn.training.ensemble import TorchLearner
from tnlearn.training.losses import find_loss
from tnlearn.training.optimiser import factory_of
from tnlearn.training.options import Options

CELLS, BATCH, SAMPLES = 20, 64, 4000


def quartic() -> tnl.Network:
    """D with four channels and a head of 16 hidden units."""
    net = tnl.rswn(CELLS).trainable("D", channels=4, init=tnl.init.normal(0.1))
    return net.head(classes=4, hidden=(16,))


def seconds(work: Callable[[], Any], device: torch.device, rounds: int) -> float:
    """Median time of some work, waiting for the device."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    work()
    times = []
    for _ in range(rounds):
        wait()
        began = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def peaks(device: torch.device, dtype: torch.dtype) -> tuple[float, float]:
    """Flops a second of a matrix product, and bytes a second of a copy, of this device."""
    size = 8192 if device.type == "cuda" else 512
    a = torch.randn(size, size, device=device, dtype=dtype)
    products = 2 * size**3 / seconds(lambda: a @ a, device, 5)
    x = torch.empty((1 << 30 if device.type == "cuda" else 1 << 24) // 4, device=device)
    y = torch.empty_like(x)
    return products, 2 * x.numel() * 4 / seconds(lambda: y.copy_(x), device, 5)


def options_of(members: int, device: str) -> Options:
    """Settings of a stack of members."""
    return Options(
        members=members, epochs=1, batch_size=BATCH, lr=1e-2, seed=0, batches="own",
        optimizer="adam", betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, schedule="constant",
        clip=1.0, patience=None, validate_every=1, member_offset=0, dtype="float32",
        complex=False, threads=1, device=device, stack=members,
    )  # fmt: skip


def steps(net: tnl.Network, data: tnl.Dataset, members: int, device: str, rounds: int) -> None:
    """The lines of one network: ours in both precisions, and torch.func."""
    place = torch.device(device)
    compiled = net.compile(members=members, device=device)
    arrays = {n: torch.as_tensor(x).float().to(place) for n, x in data.states.arrays.items()}
    features, labels = compiled.fold(arrays), torch.as_tensor(data.labels).to(place)
    start = compiled.initial(0, range(members))
    flat = torch.cat([start[n].flatten(1) for n in compiled.parameters], dim=1).cpu().numpy()
    options, loss = options_of(members, device), find_loss("cross-entropy")
    learner = TorchLearner(
        compiled, flat, [1e-2] * members, options, loss, factory_of("adam", options)
    )
    rows = torch.randint(len(labels), (members, BATCH), device=place)
    alive = torch.ones(members, dtype=torch.bool, device=place)

    def ours() -> None:
        learner.step(tuple(x[rows] for x in features), labels[rows], alive)

    alone = net.compile(members=1, own_batches=False, device=device)

    def one(w: dict[str, torch.Tensor], x: tuple[torch.Tensor, ...], y: torch.Tensor) -> Any:
        z = alone({name: v[None] for name, v in w.items()}, *x)[0]
        return F.cross_entropy(z, y)

    look = torch.func.vmap(torch.func.grad_and_value(one))
    weights = {name: x.clone() for name, x in start.items()}
    adam: Any = torch.optim.AdamW(list(weights.values()), 1e-2, weight_decay=0.0, foreach=True)

    def func() -> None:
        gradient, _ = look(weights, tuple(x[rows] for x in features), labels[rows])
        for name, w in weights.items():
            w.grad = gradient[name]
        adam.step()

    # Each trained step once there and twice back; rows are read, written, and read twice more.
    plan = find_plan(net)
    flops = 3 * members * sum(t.flops(plan.table.terms, BATCH) for t in plan.terms if t.live)
    moved = members * (4 * BATCH * sum(x[0].numel() for x in features) + 9 * flat.shape[1]) * 4
    for name, work, dtype in (
        ("ours, float32", ours, torch.float32),
        ("ours, bfloat16", ours, torch.bfloat16),
        ("torch.func, float32", func, torch.float32),
    ):
        low = torch.autocast(place.type, dtype=dtype) if dtype != torch.float32 else None
        with low or contextlib.nullcontext():
            took = seconds(work, place, rounds)
        most, wide = peaks(place, dtype)
        print(
            f"  {name:20s} {took / members * 1e6:9.3f} us a step and member, "
            f"{flops / took / most:6.1%} of the peak, {moved / took / wide:6.1%} of the bandwidth"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--members", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=10)
    chosen = parser.parse_args()
    place = torch.device(chosen.device)
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else "the processor"
    print(f"{name}, torch {torch.__version__}, {chosen.members} members, batches of {BATCH}")
    data = tnl.dataset("extended", cells=CELLS, samples=SAMPLES, seed=1)
    for title, net in (
        ("quartic", quartic()),
        ("resnet", tnl.baseline("resnet", cells=CELLS, classes=4)),
    ):
        # The images of 4,096 members would not fit: ResNet in stacks of a sixteenth.
        members = chosen.members if title == "quartic" else max(1, chosen.members // 16)
        print(f"{title}, stacks of {members}, {net.parameter_count()} parameters")
        steps(net, data, members, chosen.device, chosen.steps)
    how: dict[str, Any] = {"members": 4, "epochs": 2, "progress": False, "dtype": "float64"}
    few = data[:512]
    here, there = (tnl.fit(quartic(), few, device=d, **how) for d in ("cpu", chosen.device))
    error = np.abs(here.predict(few) - there.predict(few)).max()
    print(f"largest difference of logits trained on the card and on the CPU, float64: {error:.1e}")


if __name__ == "__main__":
    main()
