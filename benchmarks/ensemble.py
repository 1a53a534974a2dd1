"""Members of the quartic network trained at once, against what one would write in torch or JAX.

    python benchmarks/ensemble.py [--members N] [--epochs N] [--rounds N]

20 cells, 4,000 samples, batches of 64, own batches, Adam, one thread for all.  The rivals are

    loop        a hand-written loop, one member after another, `torch.optim.Adam`
    loop, q²    the same on q² folded once for all
    func        `torch.func`: vmap of value and gradient, Adam on stacked arrays; q² folded
    bmm         stacked products by hand, Adam on stacked arrays; q² folded
    jax         vmap, jit, scan over an epoch and optax, where they can be imported; q² folded

All are given the same initial values and orders of the samples, so all do the same training: the
final losses are compared.  `tnl.fit` is timed whole, folding and set-up included; the rivals
without folding.  The fourth and fifth line are networks that compute much, where an ensemble may
not be slower than a loop.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import tnlearn as tnl
from tnlearn.training.loop import sample_order

CELLS, SAMPLES, BATCH, RATE = 20, 4000, 64, 1e-2
STEPS = SAMPLES // BATCH
Values = dict[str, torch.Tensor]


def network(head: bool) -> tnl.Network:
    """D with four channels and a head of 16 hidden units, or one D and an affine head."""
    net = tnl.rswn(CELLS, form="quartic")
    if head:
        net = net.trainable("D", channels=4, init=tnl.init.normal(0.1))
        return net.head(classes=4, hidden=(16,))
    return net.trainable("D", init=tnl.init.normal(0.1)).head(classes=4)


def logits_of(w: Values, q2: torch.Tensor) -> torch.Tensor:
    """The network on q² (batch, cells²), by hand."""
    z = F.linear(q2 @ w["D"].reshape(-1, CELLS * CELLS).T, w["head.0.weight"], w["head.0.bias"])
    if "head.1.weight" in w:
        z = F.linear(F.relu(z), w["head.1.weight"], w["head.1.bias"])
    return z


class Rivals:
    """The same training by other means: each gives the mean loss of every member's last epoch."""

    def __init__(self, data: tnl.Dataset, members: int, epochs: int) -> None:
        self.members, self.epochs = members, epochs
        self.u, self.v = (torch.as_tensor(x).float() for x in (data.states.u, data.states.v))
        self.labels = torch.as_tensor(data.labels)
        self.q2 = torch.bmm(self.u.mT, self.v).square().flatten(1)

    def order(self, epoch: int, member: int) -> torch.Tensor:
        """Samples (steps, batch) of an epoch of a member."""
        order = sample_order(SAMPLES, seed=0, epoch=epoch, member=member)
        return torch.as_tensor(order[: STEPS * BATCH].reshape(STEPS, BATCH))

    def loop(self, start: Values, *, fold: bool) -> list[float]:
        """One member after another, in plain torch."""
        ends = []
        for member in range(self.members):
            w = {name: x[member].clone().requires_grad_() for name, x in start.items()}
            optimiser = torch.optim.Adam(w.values(), lr=RATE)
            for epoch in range(self.epochs):
                total = 0.0
                for index in self.order(epoch, member):
                    if fold:
                        q2 = self.q2[index]
                    else:
                        q2 = torch.bmm(self.u[index].mT, self.v[index]).square().flatten(1)
                    loss = F.cross_entropy(logits_of(w, q2), self.labels[index])
                    optimiser.zero_grad(set_to_none=True)
                    loss.backward()
                    optimiser.step()
                    total += loss.item()
            ends.append(total / STEPS)
        return ends

    def _stacked(self, start: Values, look: Callable[..., Any]) -> list[float]:
        w = {name: x.clone() for name, x in start.items()}
        m, s = ({name: torch.zeros_like(x) for name, x in w.items()} for _ in range(2))
        t, total = 0, torch.zeros(self.members)
        for epoch in range(self.epochs):
            orders = torch.stack([self.order(epoch, k) for k in range(self.members)], dim=1)
            total.zero_()
            for index in orders:
                loss, gradient = look(w, self.q2[index], self.labels[index])
                total += loss
                t += 1
                for name, g in gradient.items():
                    m[name].lerp_(g, 0.1)
                    s[name].mul_(0.999).addcmul_(g, g, value=0.001)
                    change = (s[name] / (1 - 0.999**t)).sqrt_().add_(1e-8)
                    w[name].addcdiv_(m[name], change, value=-RATE / (1 - 0.9**t))
        return (total / STEPS).tolist()

    def func(self, start: Values) -> list[float]:
        """Gradient of all members by torch.func."""

        def loss(w: Values, q2: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return F.cross_entropy(logits_of(w, q2), y)

        look = torch.func.vmap(torch.func.grad_and_value(loss))

        def turned(*args: Any) -> tuple[torch.Tensor, Values]:
            gradient, value = look(*args)
            return value, gradient

        return self._stacked(start, turned)

    def bmm(self, start: Values) -> list[float]:
        """Stacked products by hand."""

        def look(w: Values, q2: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, Values]:
            leaves = {name: x.detach().requires_grad_() for name, x in w.items()}
            D = leaves["D"].reshape(self.members, -1, CELLS * CELLS)
            z = torch.bmm(q2, D.mT)
            for layer in ("head.0", "head.1") if "head.1.weight" in w else ("head.0",):
                z = F.relu(z) if layer == "head.1" else z
                z = torch.baddbmm(leaves[f"{layer}.bias"][:, None], z, leaves[f"{layer}.weight"].mT)
            each = F.cross_entropy(z.flatten(0, 1), y.flatten(), reduction="none")
            loss = each.view(y.shape).mean(1)
            parts = torch.autograd.grad(loss.sum(), list(leaves.values()))
            return loss.detach(), dict(zip(leaves, parts, strict=True))

        return self._stacked(start, look)

    def jax(self, start: Values) -> list[float] | None:
        """vmap, jit, scan over an epoch, optax; compiled before it is timed.  None without JAX."""
        try:
            import jax
            import jax.numpy as jnp
            import optax
        except ImportError:
            return None
        q2, labels, adam = jnp.asarray(self.q2), jnp.asarray(self.labels), optax.adam(RATE)

        def loss(w: Any, index: Any) -> Any:
            z = q2[index] @ w["D"].reshape(-1, CELLS * CELLS).T
            z = z @ w["head.0.weight"].T + w["head.0.bias"]
            if "head.1.weight" in w:
                z = jax.nn.relu(z) @ w["head.1.weight"].T + w["head.1.bias"]
            return optax.softmax_cross_entropy_with_integer_labels(z, labels[index]).mean()

        def step(state: Any, index: Any) -> Any:
            w, memory = state
            value, gradient = jax.value_and_grad(loss)(w, index)
            change, memory = adam.update(gradient, memory)
            return (optax.apply_updates(w, change), memory), value

        key = tuple(sorted(start))
        if getattr(self, "_jax", (None,))[0] != key:
            self._jax = (key, jax.jit(jax.vmap(lambda s, order: jax.lax.scan(step, s, order))))
        run = self._jax[1]

        def train() -> list[float]:
            w = {name: jnp.asarray(x) for name, x in start.items()}
            state, losses = (w, jax.vmap(adam.init)(w)), None
            for epoch in range(self.epochs):
                orders = np.stack([self.order(epoch, k) for k in range(self.members)])
                state, losses = run(state, jnp.asarray(orders))
            return np.asarray(losses).mean(1).tolist()

        train()
        self.began = time.perf_counter()
        return train()


def timed(work: Callable[[], Any], rivals: Rivals) -> tuple[float, Any]:
    """Seconds and result; a rival that compiles first says when it began."""
    rivals.began = time.perf_counter()
    result = work()
    return time.perf_counter() - rivals.began, result


def small(data: tnl.Dataset, rivals: Rivals, title: str, head: bool, rounds: int) -> None:
    """One line a rival: microseconds a member and step, and how many times ours."""
    net, members, epochs = network(head), rivals.members, rivals.epochs
    start = net.compile(members=members).initial(0, range(members))
    how: dict[str, Any] = {"batch_size": BATCH, "lr": RATE, "schedule": "constant", "clip": None}
    how |= {"members": members, "epochs": epochs, "progress": False}
    works: dict[str, Callable[[], Any]] = {
        "ours": lambda: tnl.fit(net, data, **how).history["loss"][:, -1],
        "loop": lambda: rivals.loop(start, fold=False),
        "loop, q²": lambda: rivals.loop(start, fold=True),
        "func, q²": lambda: rivals.func(start),
        "bmm, q²": lambda: rivals.bmm(start),
        "jax, q²": lambda: rivals.jax(start),
    }
    tnl.fit(net, data, **{**how, "members": 1})  # compiled, or fetched from the cache
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            seconds, losses = timed(work, rivals)
            if losses is None:
                continue
            times[name].append(seconds)
            if name == "ours":
                ours = np.asarray(losses)
            # Rounding differs, so members drift apart in the last digits: compare the losses.
            error = np.abs(np.asarray(losses) - ours).max()
            assert error < 0.05, f"{name} differs from ours by {error}"
    print(title)
    for name, seen in times.items():
        if not seen:
            print(f"  {name:9s} cannot be imported here")
            continue
        ratio = statistics.median(x / o for x, o in zip(seen, times["ours"], strict=True))
        each = statistics.median(seen) / (members * epochs * STEPS) * 1e6
        print(f"  {name:9s} {each:8.1f} us a member and step, {ratio:6.1f} times ours")


def large(data: tnl.Dataset, name: str, members: int) -> None:
    """A network that computes much: an ensemble against a loop, microseconds a member and step."""
    net = tnl.baseline(name, cells=CELLS, classes=4)
    u, v = (torch.as_tensor(x).float() for x in (data.states.u, data.states.v))
    labels = torch.as_tensor(data.labels)

    def loop() -> None:
        for seed in range(members):
            module = net.module(seed)
            optimiser = torch.optim.Adam(module.parameters(), lr=RATE)
            for index in torch.as_tensor(np.arange(STEPS * BATCH)).view(STEPS, BATCH):
                loss = F.cross_entropy(module(u[index], v[index]), labels[index])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()

    seconds = []
    how: dict[str, Any] = {"epochs": 1, "members": members, "lr": RATE, "progress": False}
    for work in (lambda: tnl.fit(net, data, **how), loop) * 2:
        began = time.perf_counter()
        work()
        seconds.append((time.perf_counter() - began) / (members * STEPS) * 1e6)
    ours, hand = min(seconds[::2]), min(seconds[1::2])
    print(
        f"{name}: ours {ours:.0f} us a member and step, loop {hand:.0f} ({hand / ours:.2f} times)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--members", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    data = tnl.dataset("extended", cells=CELLS, samples=SAMPLES, seed=1)
    rivals = Rivals(data, chosen.members, chosen.epochs)
    print(
        f"{chosen.members} members, {chosen.epochs} epochs of {SAMPLES} samples, batch {BATCH}, "
        f"one thread, medians of {chosen.rounds} rounds"
    )
    small(data, rivals, "four D and a head of 16", True, chosen.rounds)
    small(data, rivals, "one D and an affine head", False, chosen.rounds)
    for name in ("mlp", "cnn"):
        large(data, name, 4)


if __name__ == "__main__":
    main()
