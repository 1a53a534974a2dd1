"""Write an invariant of your own as an operator formula, and train one of its nodes.

    python examples/your_own_formula.py

Here: the mean displacement between the two sublattice amplitudes in the left
half of the chain only, Tr{left q† [X, q]}, beside plain linear algebra.
"""

import numpy as np
import torch

import tnlearn as tnl
from tnlearn.networks.formula import Tr, commutator, diagonal, states

L = 16
u, v = states(L)
X = diagonal("X", np.arange(L, dtype=float))
left = diagonal("left", (np.arange(L) < L // 2).astype(float))
q = u @ v.H  # q = Σ_n u_n v_n†
net = (Tr(left @ q.H @ commutator(X, q)) / (L // 2)).network()

chains = tnl.ssh(L, 0.6, 1.0, disorder_intra=0.4, samples=5, seed=3)
block = chains.states()
value = net(block)

# The same with numpy, matrix by matrix.
matrices = np.einsum("snx,sny->sxy", block.u, block.v.conj())
x = np.arange(L)
plain = [np.trace(np.diag(x < L // 2) @ m.T @ (np.diag(x) @ m - m @ np.diag(x))) for m in matrices]
print("network:", value.round(8))
print("numpy  :", (np.array(plain) / (L // 2)).round(8))

# Any node can be trained; it starts at its exact value here.
module = net.trainable("left").module(dtype="float64")
module(torch.tensor(block.u), torch.tensor(block.v)).sum().backward()
print("d(sum W)/d(left):", module.left.grad.numpy().round(3))
