"""128 members of the quartic network trained as one tensor, against 128 hand-written loops.

    python benchmarks/ensemble.py [--members N] [--epochs N] [--rounds N]

20 cells, 4,000 samples, batches of 64, own batches, Adam, one thread for both.
The hand-written loop is what one would write: index the batch, `q = bmm(u.mT, v)`,
`(q * q).flatten(1) @ D`, a head, cross-entropy, `torch.optim.Adam`, one member
after another.  It is given the members' own initial values and data order, so
that both do the same training; the final losses are compared.  The goal is a
ratio of at least 8.  `tnl.fit` is timed whole, folding included.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F

import tnlearn as tnl
from tnlearn.training.loop import sample_order

CELLS, SAMPLES, BATCH, RATE = 20, 4000, 64, 1e-2


def network(head: bool) -> tnl.Network:
    """D with four channels and a head of 16 hidden units, or one D and an affine head."""
    net = tnl.rswn(CELLS, form="quartic")
    if head:
        net = net.trainable("D", channels=4, init=tnl.init.normal(0.1))
        return net.head(classes=4, hidden=(16,))
    return net.trainable("D", init=tnl.init.normal(0.1)).head(classes=4)


def by_hand(
    u: torch.Tensor,
    v: torch.Tensor,
    labels: torch.Tensor,
    start: dict[str, torch.Tensor],
    member: int,
    epochs: int,
) -> float:
    """Train one member in plain torch; return the mean loss of its last epoch."""
    weights = {name: value.clone().requires_grad_() for name, value in start.items()}
    optimiser = torch.optim.Adam(weights.values(), lr=RATE)
    steps = SAMPLES // BATCH
    total = 0.0
    for epoch in range(epochs):
        order = torch.as_tensor(sample_order(SAMPLES, seed=0, epoch=epoch, member=member))
        total = 0.0
        for step in range(steps):
            index = order[step * BATCH : (step + 1) * BATCH]
            q = torch.bmm(u[index].mT, v[index])
            W = (q * q).flatten(1) @ weights["D"].reshape(-1, CELLS * CELLS).T
            logits = F.linear(W, weights["head.0.weight"], weights["head.0.bias"])
            if "head.1.weight" in weights:
                logits = F.linear(F.relu(logits), weights["head.1.weight"], weights["head.1.bias"])
            loss = F.cross_entropy(logits, labels[index])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            total += loss.item()
    return total / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--members", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = tnl.dataset("extended", cells=CELLS, samples=SAMPLES, seed=1)
    u, v = torch.as_tensor(data.states.u).float(), torch.as_tensor(data.states.v).float()
    labels = torch.as_tensor(data.labels)
    print(
        f"{given.members} members, {given.epochs} epochs of {SAMPLES} samples, batch {BATCH}, "
        f"one thread, medians of {given.rounds} rounds"
    )
    for title, head in (("four D and a head of 16", True), ("one D and an affine head", False)):
        net = network(head)
        initial = net.compile(members=1).initial
        ours, hand = [], []
        for _ in range(given.rounds):
            begin = time.perf_counter()
            fitted = tnl.fit(
                net,
                data,
                members=given.members,
                epochs=given.epochs,
                batch_size=BATCH,
                lr=RATE,
                schedule="constant",
                clip=None,
                progress=False,
            )
            ours.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            losses = []
            for member in range(given.members):
                start = {name: x[0] for name, x in initial(0, [member]).items()}
                losses.append(by_hand(u, v, labels, start, member, given.epochs))
            hand.append(time.perf_counter() - begin)
        # Rounding differs, so members drift apart in the last digits: compare the losses.
        error = np.abs(np.array(losses) - fitted.history["loss"][:, -1]).max()
        steps = given.members * given.epochs * (SAMPLES // BATCH)
        ratio = statistics.median(h / o for h, o in zip(hand, ours, strict=True))
        print(
            f"{title:26s}: by hand {statistics.median(hand):6.2f} s "
            f"({statistics.median(hand) / steps * 1e6:.0f} us a step), ensemble "
            f"{statistics.median(ours):6.2f} s ({statistics.median(ours) / steps * 1e6:.0f} us), "
            f"ratio {ratio:.1f}; largest difference of the final losses {error:.1e}"
        )


if __name__ == "__main__":
    main()
