"""The winding number as a tensor network: build it, contract it, look at it.

    python examples/winding_number_as_network.py

Writes winding-number.html, winding-number.png and winding-number-tree.png.
"""

import quimb.tensor as qtn

import tnlearn as tnl

# Disordered SSH chains in the topological phase: intracell 0.5, intercell 1, W = +1.
chains = tnl.ssh(20, 0.5, 1.0, disorder_intra=0.5, disorder_inter=0.5, samples=4, seed=1)
states = chains.states()  # u, v: (samples, states, cells)

for form in ("operator", "sublattice", "quartic", "lowrank"):
    net = tnl.rswn(20, form=form)
    print(f"{form:>10}: W = {net(states).round(6)}   {net.cost(batch=64)}")

net = tnl.rswn(20, form="operator")
print(net)
print("nodes:", ", ".join(net.nodes))

# A plain quimb network with native hyperindices: contract it, cut it, draw it as you like.
tn: qtn.TensorNetwork = net.tensor_network(batch=4)
print("quimb:", tn.contract(output_inds=("batch",)).data.round(6))

# The pairwise steps that torch carries out, readable.
print(net.module().graph.code)

net.draw("winding-number.png")
net.draw_tree("winding-number-tree.png")
net.to_html("winding-number.html")
