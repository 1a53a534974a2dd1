"""What twenty networks cost: our trees against those of cotengra, forward and backward.

    python benchmarks/paths.py [--batch N]

Flops of one forward pass and of the gradients of all parameters, of a batch, counted and not
timed.  cotengra searches every contraction by its `"auto"` and `"auto-hq"` presets, whichever is
cheaper; *its path* counts each step as often as its tree takes it, *shared* carries out repeated
steps once, as our plans do.  Ratios above 1 say by how much ours is cheaper.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable

import numpy as np
import quimb.tensor as qtn

import tnlearn as tnl
from tnlearn import formula as f

Network = tnl.Network
POSITIONS = np.random.default_rng(0).permutation(72).astype(float)
MASKS = (np.arange(72) % 3 == np.arange(3)[:, None]).astype(float)
CUBE = np.indices((3, 3, 3)).reshape(3, -1).repeat(2, axis=1).astype(float)


def winding_three() -> Network:
    return tnl.invariants["winding-3d"].network(CUBE, np.ones(54), volume=27)


def kitaev(trained: bool) -> Network:
    net = tnl.invariants["chern-kitaev"].network(*MASKS, occupied=36)
    return net.trainable("A", "B", "C", channels=4) if trained else net


def marker() -> Network:
    y = POSITIONS[::-1]
    return tnl.invariants["chern-marker"].network(POSITIONS, y, MASKS[0], area=9, occupied=36)


def long_product() -> Network:
    u, v = f.states(20)
    q, M = u @ v.H, f.diagonal("M", np.arange(20))
    return tnl.network(f.Tr(q @ M @ q.H @ q @ q.H @ M @ q @ q.H @ q @ M @ q.H))


def of_quimb(tn: qtn.TensorNetwork, output: list[str]) -> Network:
    """A state of quimb with a place for features on every physical index, all of it trained."""
    sites = list(tn.tensors)
    names = [next(tag for tag in tensor.tags if len(tn.tag_map[tag]) == 1) for tensor in sites]
    held = qtn.TensorNetwork(sites)
    open_inds = [ind for ind in held.outer_inds() if ind not in output]
    for number, ind in enumerate(open_inds):
        held |= qtn.Tensor(np.ones(held.ind_size(ind)), [ind], tags=["X", f"X{number}"])
    return Network.from_quimb(held, inputs={"x": "X"}, output=output, trainable=names)


def tree(depth: int, bond: int) -> qtn.TensorNetwork:
    tensors, rng = [], np.random.default_rng(0)
    for layer in range(depth):
        for k in range(2 ** (depth - 1 - layer)):
            inds = [f"{layer}.{2 * k}", f"{layer}.{2 * k + 1}", f"{layer + 1}.{k}"]
            data = rng.normal(size=(bond,) * 3)
            tensors.append(qtn.Tensor(data, inds, tags=[f"node{layer}.{k}"]))
    return qtn.TensorNetwork(tensors)


def decomposition(factors: int, rank: int) -> qtn.TensorNetwork:
    """Of a tensor: one hyperindex on all factors."""
    rng = np.random.default_rng(0)
    return qtn.TensorNetwork(
        [
            qtn.Tensor(rng.normal(size=(8, rank)), [f"k{n}", "r"], tags=[f"factor{n}"])
            for n in range(factors)
        ]
    )


def freed(form: str, *names: str, **how: object) -> Network:
    return tnl.rswn(20, form).trainable(*names, **{"channels": 4, **how}).head(4, (16,))


TABLE: dict[str, Callable[[], Network]] = {
    "winding, operator": lambda: tnl.rswn(20, "operator"),
    "winding, sublattice": lambda: tnl.rswn(20, "sublattice"),
    "winding, quartic": lambda: tnl.rswn(20, "quartic"),
    "winding, lowrank": lambda: tnl.rswn(20, "lowrank"),
    "operator, X and window": lambda: freed("operator", "X", "window"),
    "quartic, D": lambda: freed("quartic", "D"),
    "quartic, D of bond 3": lambda: freed("quartic", "D", structure="lowrank", bond=3),
    "quartic, D of position": lambda: freed("quartic", "D", structure="position"),
    "long product": long_product,
    "Kitaev": lambda: kitaev(False),
    "Kitaev, sectors trained": lambda: kitaev(True),
    "Chern marker": marker,
    "winding in 3-D": winding_three,
    "attention": lambda: tnl.baseline("attention", 20, 4),
    "q² dense": lambda: tnl.baseline("symmetric", 20, 4, variant="dense"),
    "MPS, 20 sites": lambda: of_quimb(qtn.MPS_rand_state(20, 6, phys_dim=2, seed=0), []),
    "MPS ring": lambda: of_quimb(qtn.MPS_rand_state(12, 4, cyclic=True, seed=0), []),
    "tree, 16 leaves": lambda: of_quimb(tree(4, 4), ["4.0"]),
    "PEPS, 3 × 4": lambda: of_quimb(qtn.PEPS.rand(3, 4, bond_dim=2, seed=0), []),
    "decomposition": lambda: of_quimb(decomposition(5, 12), []),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    batch = parser.parse_args().batch
    warnings.filterwarnings("ignore", message=".*kahypar.*")  # cotengra does without
    row = "{:24s} {:>9s} {:>9s} {:>10s} {:>9s} {:>9s} {:>12s}"
    print(f"batch {batch}; flops")
    print(
        row.format("network", "forward", "backward", "its path", "shared", "backward", "both/ours")
    )
    for name, make in TABLE.items():
        ours = make().cost(batch, backward=True)
        theirs = []
        for preset in ("auto", "auto-hq"):
            net = make()
            net.plan(optimize=preset)
            theirs.append(net.cost(batch, backward=True))
        best = min(theirs, key=lambda cost: cost.shared + cost.backward)
        ratio = (best.shared + best.backward) / (ours.shared + ours.backward)
        flops = (ours.shared, ours.backward, best.path, best.shared, best.backward)
        print(row.format(name, *(f"{x:.2e}" for x in flops), f"{ratio:.3f}"), flush=True)


if __name__ == "__main__":
    main()
