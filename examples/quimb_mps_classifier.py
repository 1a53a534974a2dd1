"""A matrix product state made in quimb, trained as a classifier with a neural head.

A disordered SSH chain is topological where Π|t_1| > Π|t_0|.  A sample is the pair (|t_0|, |t_1|)
of every cell, one vector a site; an MPS of bond 2 could hold both products.
"""

import numpy as np
import quimb.tensor as qtn

import tnlearn as tnl

CELLS, BOND, rng = 12, 3, np.random.default_rng(0)
middle = [np.eye(BOND)[..., None] + rng.normal(0, 0.1, (BOND, BOND, 2)) for _ in range(CELLS - 2)]
ends = 1 + rng.normal(0, 0.3, (2, BOND, 2))
tn = qtn.TensorNetwork(qtn.MatrixProductState([ends[0], *middle, ends[1]], shape="lrp").tensors)
for cell in range(CELLS):  # places for what is fed in, (samples, cells, 2)
    tn |= qtn.Tensor(np.ones(2), [f"k{cell}"], tags=["X", f"X{cell}"])
sites = [f"I{cell}" for cell in range(CELLS)]
net = tnl.Network.from_quimb(tn, inputs={"x": "X"}, trainable=sites).head(2, hidden=(8,))
print(net.cost(64, backward=True))


def chains(samples, seed):
    t = np.random.default_rng(seed).uniform(0.6, 1.4, (2, samples, 1))
    drawn = tnl.ssh(CELLS, *t, disorder_intra=0.8, disorder_inter=0.8, samples=samples, seed=seed)
    x = np.abs([drawn.hoppings[0], drawn.hoppings[1]]).transpose(1, 2, 0)
    labels = tnl.winding(drawn, method="lyapunov").integer
    return tnl.Dataset.from_arrays({"x": x / x.sum(axis=2, keepdims=True)}, labels)


fitted = tnl.fit(net, chains(2000, 1), members=2, epochs=15, batch_size=64, lr=1e-2, seed=0)
print("accuracy:", fitted.accuracy(chains(1000, 2)))
learned = fitted.member(0).tensor_network(chains(5, 3), contraction="contraction")
print("in quimb again:", learned.contract(output_inds=["batch"]).data.round(3))
