"""Free the weight D of the winding number and train sixteen networks at once.

    python examples/train_an_ensemble.py

Takes about ten seconds on one core, most of it the drawing of the samples.
"""

import numpy as np

import tnlearn as tnl

train = tnl.dataset("extended", cells=20, samples=4000, seed=1)  # windings -1, 0, 1, 2
validation = tnl.dataset("extended", cells=20, samples=1000, seed=2)
tests = {
    "clean": tnl.dataset("extended", cells=20, samples=1000, seed=3),
    "disorder 0.5": tnl.dataset("extended", cells=20, samples=1000, seed=4, disorder=0.5),
    "disorder 1": tnl.dataset("extended", cells=20, samples=1000, seed=5, disorder=1.0),
}

exact = tnl.rswn(20).head(classes=train.classes, kind="rounding")  # nothing to train
net = tnl.rswn(20).trainable("D", channels=4, init=tnl.init.normal(0.1))
net = net.head(classes=4, hidden=(16,))
fitted = tnl.fit(net, train, validation, members=16, epochs=30, lr=1e-2, seed=0)

for name, data in tests.items():
    rounded = np.mean(exact(data.states).argmax(axis=1) == data.labels)
    accuracy = fitted.accuracy(data)
    print(
        f"{name:>12}: rounded exact winding number {rounded:.3f}, "
        f"trained {accuracy.mean():.3f} (worst {accuracy.min():.3f}, best {accuracy.max():.3f})"
    )

fitted.save("ensemble.npz")
again = tnl.load("ensemble.npz")
assert np.array_equal(again.predict(tests["clean"]), fitted.predict(tests["clean"]))
module = again.member(0)  # an ordinary torch.nn.Module
print(module)
