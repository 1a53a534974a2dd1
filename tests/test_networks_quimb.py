"""quimb networks come in and go out: equal to quimb's own contraction, trained, in ensembles."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import quimb.tensor as qtn
import torch

import tnlearn as tnl
from tnlearn.errors import ConfigError, ShapeError, UnknownNameError
from tnlearn.models.catalogue import rebuild

TIGHT = {"rtol": 1e-11, "atol": 1e-11}
SAMPLES = 3


def features(name, ind, size, *more):
    """A place for a feature vector: what it holds is what is fed in later."""
    return qtn.Tensor(np.ones(size), [ind], tags=[name, *more])


def mps():
    """Seven sites, a class index on the middle one, one array of features for all sites."""
    sites = qtn.MPS_rand_state(7, 3, phys_dim=2, seed=1)
    tn = qtn.TensorNetwork(sites.tensors)
    rng = np.random.default_rng(0)
    middle = tn["I3"]
    middle.modify(data=rng.normal(size=(*middle.shape, 4)), inds=(*middle.inds, "class"))
    for k in range(7):
        tn |= features("X", f"k{k}", 2, f"X{k}")
    return tn, {"x": "X"}, ["class"], [f"I{k}" for k in range(7)]


def tree():
    """A binary tree on eight feature vectors; each layer is one tag."""
    rng, tn = np.random.default_rng(1), qtn.TensorNetwork([])
    for k in range(8):
        tn |= features("X", f"0.{k}", 3, f"leaf{k}")
    for layer, width in enumerate((4, 2, 1)):
        for k in range(width):
            inds = [f"{layer}.{2 * k}", f"{layer}.{2 * k + 1}", f"{layer + 1}.{k}"]
            data = rng.normal(size=(3, 3, 3)) / 3
            tn |= qtn.Tensor(data, inds, tags=[f"layer{layer}", f"node{layer}{k}"])
    return tn, {"x": "X"}, ["3.0"], ["layer0", "layer1", "layer2"]


def peps():
    """A patch of a PEPS, each site with features of its own; a corner has the class."""
    state = qtn.PEPS.rand(3, 3, bond_dim=2, phys_dim=2, seed=2)
    tn = qtn.TensorNetwork(state.tensors)
    corner = tn["I2,2"]
    data = np.random.default_rng(2).normal(size=(*corner.shape, 3))
    corner.modify(data=data, inds=(*corner.inds, "class"))
    for i in range(3):
        for j in range(3):
            tn |= features("X", f"k{i},{j}", 2, f"X{i}{j}")
    return tn, {"x": "X"}, ["class"], [f"I{i},{j}" for i in range(3) for j in range(3)]


def hyper():
    """A canonical decomposition: one index on all factors, and two inputs of different shape."""
    rng = np.random.default_rng(3)
    tensors = [features("x", "a", 4), features("y", "b", 5)]
    for name, inds, shape in (("A", "ar", (4, 6)), ("B", "br", (5, 6)), ("C", "kr", (3, 6))):
        tensors.append(qtn.Tensor(rng.normal(size=shape), list(inds), tags=[name]))
    tensors.append(qtn.Tensor(rng.normal(size=6), ["r"], tags=["weight"]))
    return qtn.TensorNetwork(tensors), {"x": "x", "y": "y"}, ["k"], ["A", "B", "C"]


CASES = {"mps": mps, "tree": tree, "peps": peps, "hyper": hyper}


def case(name):
    tn, inputs, output, trainable = CASES[name]()
    net = tnl.Network.from_quimb(tn, inputs=inputs, output=output, trainable=trainable)
    rng = np.random.default_rng(5)
    arrays = {n: rng.normal(size=(SAMPLES, *x.shape[1:])) for n, x in net.inputs.items()}
    return tn, net, arrays, inputs, output


def by_quimb(tn, arrays, inputs, output):
    """Every sample contracted by quimb alone."""
    rows = []
    for sample in range(SAMPLES):
        fed = tn.copy()
        for name, tag in inputs.items():
            places = fed.select_tensors(tag)
            vectors = arrays[name][sample]
            for tensor, vector in zip(
                places, vectors if len(places) > 1 else [vectors], strict=True
            ):
                tensor.modify(data=vector)
        rows.append(fed.contract(output_inds=output).transpose(*output).data)
    return np.array(rows)


@pytest.mark.parametrize("name", CASES)
def test_a_network_of_quimb_is_one_of_ours(name):
    tn, net, arrays, inputs, output = case(name)
    exact = by_quimb(tn, arrays, inputs, output)
    np.testing.assert_allclose(net(arrays), exact, **TIGHT)
    tensors = {n: torch.as_tensor(x) for n, x in arrays.items()}
    module = net.module(dtype="float64")
    np.testing.assert_allclose(module(tensors).detach(), exact, **TIGHT)
    copies = [copy.deepcopy(module), pickle.loads(pickle.dumps(module))]
    assert all(torch.equal(other(tensors), module(tensors)) for other in copies)
    again = rebuild(net.describe())
    np.testing.assert_array_equal(again(arrays), net(arrays))
    # out to quimb and in again
    out = net.tensor_network(arrays)
    np.testing.assert_allclose(out.contract(output_inds=["batch", *output]).data, exact, **TIGHT)
    tags = {x: x for x in net.inputs} if name == "hyper" else {f"x{k}": f"x.{k}" for k in range(9)}
    tags = {key: tag for key, tag in tags.items() if tag in out.tags}
    back = tnl.Network.from_quimb(out, inputs=tags, output=["batch", *output])
    fed = {k: arrays["x"][:, int(t[2:])] if "." in t else arrays[k] for k, t in tags.items()}
    np.testing.assert_allclose(back(fed), exact, **TIGHT)
    # and step by step
    for steps in (0, 1, 3, None):
        part = net.contract(arrays, steps=steps)
        assert steps is None or len(part.tensors) == len(net.nodes["contraction"].operands) - steps
        value = part.contract(output_inds=["batch", *output])
        np.testing.assert_allclose(value.transpose("batch", *output).data, exact, **TIGHT)


@pytest.mark.parametrize("name", CASES)
def test_it_is_trained_and_a_member_of_an_ensemble_is_it_alone(name):
    _, net, arrays, _, _ = case(name)
    net = net.head(classes=2, hidden=(4,))
    rng = np.random.default_rng(0)
    arrays = {n: 0.6 * rng.normal(size=(64, *x.shape[1:])) for n, x in arrays.items()}
    labels = np.arange(64) % 2
    for x in arrays.values():  # a mean that the label gives away
        x += 0.4 * labels.reshape(-1, *[1] * (x.ndim - 1))
    data = tnl.Dataset.from_arrays(arrays, labels)
    many, one = (
        tnl.fit(net, data, members=m, epochs=8, batch_size=16, lr=1e-2, seed=0, progress=False)
        for m in (3, 1)
    )
    for n, values in one.parameters.items():
        np.testing.assert_array_equal(values[0], many.parameters[n][0])
    assert (many.history["loss"][:, -1] < many.history["loss"][:, 0]).all()
    # what was learned goes out to quimb
    module, weights = many.member(2), {n: x[2] for n, x in many.parameters.items()}
    tn = module.tensor_network(arrays, contraction="contraction")
    for tag in weights:
        if tag in tn.tags:
            np.testing.assert_array_equal(tn[tag].data, weights[tag])
    inds = net.nodes["contraction"].inds
    value = tn.contract(output_inds=inds).transpose(*inds).data.reshape(64, -1)
    hidden = value @ weights["head.0.weight"].reshape(4, -1).T + weights["head.0.bias"]
    exact = np.maximum(hidden, 0) @ weights["head.1.weight"].T + weights["head.1.bias"]
    np.testing.assert_allclose(many.predict(arrays)[2], exact, rtol=2e-4, atol=2e-4)


def test_states_go_out_and_come_back():
    sample = tnl.ssh(6, 0.5, 1.0, disorder_intra=0.3, samples=2, seed=3)
    for form in ("quartic", "operator"):
        net = tnl.rswn(6, form)
        out = net.tensor_network(sample)
        value = out.contract(output_inds=["batch"])
        np.testing.assert_allclose(value.data, net(sample), **TIGHT)
        fed = {"psi": "psi"} if form == "operator" else {"u": "u", "v": "v"}
        back = tnl.Network.from_quimb(out, inputs=fed)
        states = sample.states()
        if form == "operator":
            psi = np.concatenate([states.u, states.u], 1), np.concatenate([states.v, -states.v], 1)
            value = back(np.concatenate(psi, 2) / np.sqrt(2))
        else:
            assert sorted(back.inputs) == ["u", "v"]  # twice each, once conjugated
            value = back(u=states.u, v=states.v)
        np.testing.assert_allclose(value, net(sample), **TIGHT)
        first = net.contract(sample, steps=1)
        assert len(first.tensors) < len(out.tensors)


def test_complex_networks_and_their_scale():
    tn, inputs, output, trainable = hyper()
    rng = np.random.default_rng(0)
    for tag in "ABC":
        tn[tag].modify(data=tn[tag].data + 1j * rng.normal(size=tn[tag].shape))
    tn.exponent = 2.0
    arrays = {"x": rng.normal(size=(SAMPLES, 4)), "y": 1j * rng.normal(size=(SAMPLES, 5))}
    exact = by_quimb(tn, arrays, inputs, output)
    make = tnl.Network.from_quimb
    for part in ("real", "imag"):
        net = make(tn, inputs=inputs, output=output, part=part)
        np.testing.assert_allclose(net(arrays), getattr(exact, part), **TIGHT)
    with pytest.raises(ConfigError, match="'A' is complex; only real nodes"):
        make(tn, inputs=inputs, output=output, trainable=trainable)


def test_an_optimiser_of_the_users_own():
    import cotengra

    _, net, arrays, _, _ = case("tree")
    ours, exact = net.cost(8, backward=True), net(arrays)
    assert ours.backward > ours.shared / 2
    optimiser = cotengra.RandomGreedyOptimizer(max_repeats=4, seed=1, accel=False)
    for optimize in ("greedy", optimiser):
        plan = net.plan(optimize=optimize)
        assert dict(plan.trees) == dict(net.trees)
        assert net.describe()["trees"] == dict(net.trees)
        assert net.cost(8, backward=True).shared >= ours.shared
        np.testing.assert_allclose(net(arrays), exact, **TIGHT)
    tn, _, arrays, *_ = case("hyper")
    net = tnl.Network.from_quimb(tn, inputs={"x": "x"}, output="k")
    net.plan(optimize=[(0, 2), (0, 1), (0, 1), (0, 1), (0, 1)])
    assert net.trees["contraction"] == ((((1, 3), 4), 5), (0, 2)) or net.trees
    for wrong in ("greddy", [(0, 1)] * 9, object()):
        with pytest.raises(ConfigError, match="optimize="):
            net.plan(optimize=wrong)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"inputs": {"x": "Z"}}, UnknownNameError, "unknown tag of a tensor 'Z'"),
        ({"inputs": {}}, ConfigError, "which tensors are fed in"),
        ({"output": ["q"]}, UnknownNameError, "unknown output index 'q'"),
        ({"trainable": ["x"]}, ConfigError, "an input and something else"),
        ({"part": "abs"}, UnknownNameError, "part"),
        ({"network": 3}, ConfigError, "quimb.tensor.TensorNetwork, not a int"),
        ({"init": "exakt"}, UnknownNameError, "did you mean 'exact'"),
    ],
)
def test_wrong_words_are_refused(change, error, match):
    tn, inputs, output, trainable = hyper()
    words = {"inputs": inputs, "output": output, "trainable": trainable} | change
    with pytest.raises(error, match=match):
        tnl.Network.from_quimb(words.pop("network", tn), **words)


def test_networks_that_do_not_fit_are_refused():
    x, make = features("X", "a", 2), tnl.Network.from_quimb
    wrong = qtn.TensorNetwork([x])
    wrong.add_tensor(qtn.Tensor(np.ones((3, 2)), ["a", "k"], tags=["A"]))
    with pytest.raises(ShapeError, match=r"index 'a' has size 2 .*'X'.* and 3 .*'A'"):
        make(wrong, inputs={"x": "X"}, output="k")
    alike = [qtn.Tensor(np.full((2, 2), n), ["a", f"k{n}"], tags=["A"]) for n in (1, 2)]
    with pytest.raises(ConfigError, match="2 different tensors have the tags"):
        make(qtn.TensorNetwork([x, *alike]), inputs={"x": "X"}, output=["k1", "k2"])
    other = features("X", "b", 3, "second")
    with pytest.raises(ShapeError, match="different shapes"):
        make(qtn.TensorNetwork([x, other]), inputs={"x": "X"})
    _, net, arrays, _, _ = case("mps")
    with pytest.raises(ShapeError, match=r"takes \(samples, 7 tensors, 2 k0s\)"):
        net(arrays["x"][:, :6])
    with pytest.raises(ConfigError, match="give the arrays"):
        net.tensor_network(4)
    with pytest.raises(ConfigError, match="steps=99, but the tree"):
        net.contract(arrays, steps=99)
