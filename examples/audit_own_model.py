"""Ask your own classifier what it relies on: the invariant, or the edge states.

    python examples/audit_own_model.py

A torch model of your own, one of scikit-learn if it is installed, and a function. Takes about a
minute on one core; writes audit-*.png beside itself to the working directory.
"""

import importlib.util

import numpy as np
import torch
from torch import nn

import tnlearn as tnl
from tnlearn.audits.classifiers import edge_count

CELLS = 20
train = tnl.dataset("extended", cells=CELLS, samples=3000, seed=1)  # windings -1, 0, 1, 2


class OwnModel(nn.Module):
    """A dense network on |q_xy|², the modulus squared of the flattened Hamiltonian."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(CELLS**2, 64), nn.ReLU(), nn.Linear(64, 4))

    def forward(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q = u.mT @ v  # u, v: (samples, states, cells)
        return self.layers((q**2).flatten(1))


def taught(model: nn.Module, epochs: int = 30) -> nn.Module:
    u, v = torch.tensor(train.states.u), torch.tensor(train.states.v)
    labels = torch.tensor(train.labels)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for batch in torch.randperm(len(labels)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(u[batch], v[batch]), labels[batch]).backward()
            optimizer.step()
    return model


torch.manual_seed(0)
audit = tnl.audit(taught(OwnModel()), title="dense on q²")
print(audit)
audit.draw("audit-dense.png")
audit.save("audit-dense.json")  # every number; tnl.Audit.load reads it back

# A function of states that gives one winding number each: here it counts the edge states.
print(tnl.audit(edge_count, cells=CELLS, title="edge counter"))

if importlib.util.find_spec("sklearn"):
    from sklearn.ensemble import RandomForestClassifier

    # An estimator gets flat arrays, u then v; its classes are the windings it was taught.
    flat = np.concatenate([x.reshape(len(train), -1) for x in (train.states.u, train.states.v)], 1)
    forest = RandomForestClassifier(n_estimators=100, n_jobs=1, random_state=0)
    forest.fit(flat, train.windings)
    print(tnl.audit(forest, cells=CELLS))
