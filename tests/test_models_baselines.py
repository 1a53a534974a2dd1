"""The neural rivals in the same framework: their layers, symmetries, sizes and options."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import quimb.tensor as qtn
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from table import BASELINES, CELLS, states, tensors

import tnlearn as tnl
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.models.layers import Stack, shift_tensor
from tnlearn.models.network import Network
from tnlearn.networks.functions import FUNCTIONS, Labelled, apply_function
from tnlearn.networks.graph import BATCH, Graph, Input

TIGHT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.mark.parametrize("taps", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(6, 6), (7, 10), (5, 8)])
def test_a_convolution_is_a_contraction_with_shift_tensors(taps, stride, height, width):
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, 3, height, width))
    kernel = rng.standard_normal((4, 3, taps, taps))
    padding = taps // 2
    shifts = [shift_tensor(size, taps, stride, padding) for size in (height, width)]
    network = qtn.TensorNetwork(
        [
            qtn.Tensor(image, ("b", "c", "i", "j")),
            qtn.Tensor(shifts[0], ("i", "k", "o")),
            qtn.Tensor(shifts[1], ("j", "l", "p")),
            qtn.Tensor(kernel, ("f", "c", "k", "l")),
        ]
    )
    exact = torch.nn.functional.conv2d(
        torch.as_tensor(image), torch.as_tensor(kernel), stride=stride, padding=padding
    ).numpy()
    contracted = network.contract(output_inds=("b", "f", "o", "p")).data
    np.testing.assert_allclose(contracted, exact, **TIGHT)
    summed = np.einsum("bcij,iko,jlp,fckl->bfop", image, *shifts, kernel, optimize=True)
    np.testing.assert_allclose(summed, exact, **TIGHT)
    assert set(np.unique(shifts[0])) <= {0.0, 1.0}


@pytest.mark.parametrize("taps", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_convolution_of_a_network(taps, stride):
    rng = np.random.default_rng(1)
    stack = Stack(CELLS)
    stack.add(Input("u", (BATCH, "state", "cell"), (None, 4, 9)))  # not square
    inds, options = (BATCH, "feature", "state", "cell"), {"ind": "feature"}
    stack.function("image", "expand", stack.last, inds=inds, sizes={"feature": 1}, options=options)
    stack.conv("first", 3, stride=1)
    stack.conv("second", 2, stride=stride, taps=taps)
    net = Network(Graph(stack.nodes, "second"))
    u = rng.standard_normal((5, 4, 9))
    module = net.module(seed=1, dtype="float64")
    with torch.no_grad():
        for p in module.parameters():
            p.add_(torch.as_tensor(rng.standard_normal(tuple(p.shape))))
    weights = module.state_dict()
    exact = torch.as_tensor(u)[:, None]
    for name, step in (("first", 1), ("second", stride)):
        kernel, bias = weights[f"{name}.kernel"], weights[f"{name}.bias"]
        exact = torch.nn.functional.conv2d(exact, kernel, bias, step, kernel.shape[-1] // 2)
    a = torch.as_tensor(u)
    np.testing.assert_allclose(module(a).detach(), exact, **TIGHT)
    # set free, the shift tensors are contracted like any others
    shift = next(name for name in net.nodes if name.startswith("shift"))
    free = net.trainable(shift).module(dtype="float64")
    free.load_state_dict(weights, strict=False)
    assert "conv2d" in module.graph.code
    np.testing.assert_allclose(free(a).detach(), exact, **TIGHT)


L, CLASSES = 6, 3


def _dense(*widths):
    return sum((a + 1) * b for a, b in pairwise(widths))


CONV = 2 * 3 * 9 + 3 + 3 * 4 * 9 + 4
SIZES = [
    ("linear", {}, _dense(2 * L * L, CLASSES)),
    ("linear", {"complex": True}, _dense(4 * L * L, CLASSES)),
    ("mlp", {"hidden": (7, 5)}, _dense(2 * L * L, 7, 5, CLASSES)),
    ("mlp", {}, _dense(2 * L * L, 256, 256, CLASSES)),
    ("cnn", {"features": (3, 4)}, CONV + _dense(4 * 3 * 3, CLASSES)),
    (
        "resnet",
        {"features": (4,), "depth": 3},
        2 * 4 * 9 + 4 + 6 * (4 * 4 * 9 + 4) + _dense(4 * 3 * 3, CLASSES),
    ),
    (
        "attention",
        {"width": 8, "heads": 2, "depth": 2},
        _dense(2 * L, 8) + 8 * L + 2 * (4 * 64 + _dense(8, 16, 8)) + _dense(8, CLASSES),
    ),
    ("symmetric", {"variant": "products", "hidden": (5,)}, _dense(3 * L * L, 5, CLASSES)),
    ("symmetric", {"variant": "dense", "hidden": (5,)}, _dense(L * L, 5, CLASSES)),
    ("symmetric", {}, _dense(L * L, 64, CLASSES)),
    ("symmetric", {"variant": "edge", "hidden": (5,)}, _dense(2 * L, 5, CLASSES)),
    (
        "symmetric",
        {"variant": "conv", "features": (3, 4)},
        9 * 3 + 3 + 3 * 4 * 9 + 4 + _dense(4 * 3 * 3, CLASSES),
    ),
]


@pytest.mark.parametrize(("kind", "options", "count"), SIZES)
def test_parameter_counts_in_closed_form(kind, options, count):
    net = tnl.baseline(kind, L, CLASSES, **options)
    assert net.parameter_count() == count == net.cost().parameters
    assert net.output_shape == (None, CLASSES)


def test_the_attention_is_what_torch_computes():
    stack = Stack(L)
    stack.image(False)
    stack.dense("embedding", 8, ("feature", "cell"), "width", 1.0)
    stack.attention("attention", 2)
    module = Network(Graph(stack.nodes, "attention")).module(dtype="float64")
    w = module.state_dict()
    u, v = tensors(states("real"))
    tokens = torch.einsum("bfsc,wfc->bsw", torch.stack([u, v], 1), w["embedding.weight"])
    tokens = tokens + w["embedding.bias"]
    roles = [
        torch.einsum("bsw,hpw->bhsp", tokens, w[f"attention.{role}"])
        for role in ("query", "key", "value")
    ]
    seen = torch.nn.functional.scaled_dot_product_attention(*roles)
    exact = torch.einsum("bhsp,whp->bsw", seen, w["attention.output"])
    torch.testing.assert_close(module(u, v), exact, **TIGHT)


@pytest.mark.parametrize("kind", ["mlp", "symmetric"])
def test_the_perceptron_is_what_torch_computes(kind):
    """The baseline on all amplitudes, and the symmetric one on the edges of q² only."""
    options = {"variant": "edge"} if kind == "symmetric" else {}
    net = tnl.baseline(kind, 8, 3, hidden=(7,), **options)
    sample, outer = states("real", cells=8), [0, 1, 6, 7]
    u, v = tensors(sample)
    image = torch.stack([u, v], 1).flatten(1)
    if kind == "symmetric":
        np.testing.assert_array_equal(net.nodes["edge"].array, np.eye(8)[outer])
        image = torch.as_tensor(sample.q() ** 2)[:, :, outer].flatten(1)
    module = net.module(dtype="float64")
    w = module.state_dict()
    hidden = torch.relu(image @ w["layer0.weight"].flatten(1).T + w["layer0.bias"])
    exact = hidden @ w["logits.weight"].T + w["logits.bias"]
    torch.testing.assert_close(module(u, v), exact, **TIGHT)


@pytest.mark.parametrize("entry", BASELINES, ids=str)
def test_only_symmetric_networks_know_no_gauge(entry):
    net, sample = entry.make(), states(entry.kind)
    exact = net(sample)
    others = [sample.random_gauge(np.random.default_rng(seed)) for seed in range(3)]
    if entry.name.startswith(("products", "q2")):
        for other in others:
            np.testing.assert_allclose(net(other), exact, **TIGHT)
    else:
        assert np.abs(net(others[1]) - exact).max() > 1e-3
    if entry.name.startswith("q2"):  # nor the order of the states
        order = [3, 0, 5, 1, 4, 2]
        np.testing.assert_allclose(net(sample.u[:, order], sample.v[:, order]), exact, **TIGHT)


@pytest.mark.parametrize("kind", ["linear", "mlp", "cnn", "resnet", "attention"])
def test_complex_states_need_a_network_for_them(kind):
    net = tnl.baseline(kind, CELLS)
    for use in (lambda: net(states("complex")), lambda: net.module(complex=True)):
        with pytest.raises(ConfigError, match="complex=True"):
            use()


@given(
    kind=st.sampled_from(["linear", "mlp", "cnn", "resnet", "attention", "symmetric"]),
    cells=st.integers(1, 9),
    classes=st.integers(2, 5),
    complex=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_every_size_runs(kind, cells, classes, complex):
    net = tnl.baseline(kind, cells, classes, complex=complex)
    sample = tnl.ssh(cells, 1.0, 0.5, disorder_intra=0.3, samples=2, seed=0).states()
    exact = net(sample)
    assert exact.shape == (2, classes)
    assert np.isfinite(exact).all()
    result = net.module(dtype="float64")(*tensors(sample)).detach()
    np.testing.assert_allclose(result, exact, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("kind", "options", "error", "match"),
    [
        ("mpl", {}, UnknownNameError, "did you mean 'mlp'"),
        ("mlp", {"activation": "rele"}, UnknownNameError, "did you mean 'relu'"),
        ("mlp", {"features": (3,)}, ConfigError, "no option 'features'"),
        ("mlp", {"variant": "dense"}, ConfigError, "no option 'variant'"),
        ("linear", {"hidden": (3,)}, ConfigError, "no option 'hidden'"),
        ("cnn", {"heads": 2}, ConfigError, "no option 'heads'"),
        ("symmetric", {"variant": "edges"}, UnknownNameError, "did you mean 'edge'"),
        ("symmetric", {"variant": "conv", "hidden": (3,)}, ConfigError, "no option 'hidden'"),
        ("symmetric", {"variant": "products", "features": (3,)}, ConfigError, "'features'"),
        ("symmetric", {"features": (3,)}, ConfigError, "'features'"),
        ("resnet", {"features": (3, 4)}, ConfigError, "one number of features"),
        ("resnet", {"features": ()}, ConfigError, "one number of features"),
        ("attention", {"width": 10, "heads": 4}, ConfigError, "multiple of heads"),
        ("mlp", {"hidden": (0,)}, ConfigError, "positive"),
        ("mlp", {"cells": 0}, ConfigError, "positive"),
        ("mlp", {"classes": 1}, ConfigError, "classes >= 2"),
    ],
)
def test_bad_options(kind, options, error, match):
    with pytest.raises(error, match=match):
        tnl.baseline(kind, **{"cells": 6, **options})


def test_functions_that_do_not_exist_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'relu'"):
        apply_function("rlu", [Labelled(np.ones(2), (0,))], (0,), {})
    assert {"relu", "softmax", "layer_norm"} <= set(FUNCTIONS)
