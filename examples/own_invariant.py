"""An invariant of your own: written, drawn, freed, trained and pruned.

    python examples/own_invariant.py

The winding number of the left half of a chain.  Its window is set free in four channels under a
head, trained to tell the windings of whole chains apart, and cut entry by entry.
"""

import numpy as np
import torch

import tnlearn as tnl
from tnlearn import formula as f

L = 16
u, v = f.states(L)
X, left = f.diagonal("X", np.arange(L)), f.diagonal("window", np.arange(L) < L // 2)
q = f.define("q", u @ v.H)  # computed once, an operator afterwards
net = tnl.network(f.Tr(left @ q.H @ f.commutator(X, q)) / (L // 2), name="half")
net.draw("own_invariant.svg")
chains = tnl.ssh(L, 0.3, 1.0, samples=2, disorder_intra=0.2, seed=0)
print("left half of topological chains:", net(chains).round(3))
print(net.cost(64, backward=True))

free = net.trainable("window", channels=4, init=tnl.init.exact(0.1)).head(classes=2, hidden=(8,))
data, test = (tnl.dataset("ssh", cells=L, samples=400, seed=seed) for seed in (0, 1))
fitted = tnl.fit(free, data, members=2, epochs=10, batch_size=64, lr=3e-2, seed=0)
print("trained:", fitted.accuracy(test))

module = fitted.member(0)
states = [torch.as_tensor(x, dtype=torch.float32) for x in test.states.arrays.values()]
for share in (0.0, 0.5, 0.75, 0.9):
    window = module.window.data
    window[window.abs() < window.abs().quantile(share)] = 0.0
    right = module(*states).argmax(1).numpy() == test.labels
    print(f"{share:.0%} of the window cut: {right.mean():.3f}")
