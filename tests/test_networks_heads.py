"""Heads: dense layers over the channels, and the exact rounding to the nearest winding."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from table import rswn, states, tensors

import tnlearn as tnl
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.networks import formula as f


@pytest.mark.parametrize(
    ("hidden", "activation"), [((), torch.relu), ((5,), torch.tanh), ((5, 7), torch.nn.GELU())]
)
def test_an_affine_head_and_hidden_layers(hidden, activation):
    net = rswn(6, "quartic").trainable("D", channels=4, init=tnl.init.normal(0.3))
    x = net.module(dtype="float64")(*tensors(states("real")))
    name = getattr(activation, "__name__", "gelu")
    headed = net.head(3, hidden, activation=name)
    module = headed.module(dtype="float64")
    w = module.state_dict()
    for number in range(len(hidden) + 1):
        x = x @ w[f"head.{number}.weight"].T + w[f"head.{number}.bias"]
        x = activation(x) if number < len(hidden) else x
    torch.testing.assert_close(module(*tensors(states("real"))), x, rtol=0, atol=1e-12)
    count = sum((a + 1) * b for a, b in pairwise((4, *hidden, 3)))
    assert headed.parameter_count() == 4 * 36 + count


@given(
    windings=st.lists(st.integers(-4, 4), min_size=1, max_size=6, unique=True),
    values=st.lists(st.floats(-5, 5), min_size=1, max_size=8),
    sharpness=st.sampled_from([1.0, 10.0]),
)
@settings(max_examples=80, deadline=None)
def test_the_rounding_head_is_the_nearest_winding(windings, values, sharpness):
    # a network whose output is u itself: one cell, one state
    u, _ = f.states(1)
    net = f.Tr(u).network().head(tuple(windings), kind="rounding", sharpness=sharpness)
    W = np.asarray(values)
    logits = net(W[:, None, None])
    distance = np.abs(W[:, None] - np.asarray(windings))
    chosen = np.take_along_axis(distance, logits.argmax(1)[:, None], 1)[:, 0]
    np.testing.assert_allclose(chosen, distance.min(1), atol=1e-9)
    exact = sharpness * (2 * W[:, None] * windings - np.asarray(windings) ** 2)
    np.testing.assert_allclose(logits, exact, atol=1e-9)
    assert net.parameter_count() == 0


def test_heads_of_windings_and_of_numbers_of_numpy():
    sample = tnl.ssh(20, np.array([0.3, 1.0]), np.array([1.0, 0.3])).states()
    net = rswn(20, "quartic").head((1, -1, 0), kind="rounding")
    np.testing.assert_array_equal(net(sample).argmax(1), [0, 2])
    net = rswn(6, "quartic").head(np.int64(3), hidden=4)
    assert net.output_shape == (None, 3)
    assert net.nodes["head.0.weight"].shape == (4, 1)


D = rswn(6, "quartic")


@pytest.mark.parametrize(
    ("net", "options", "error", "match"),
    [
        (D, {"classes": 1}, ConfigError, "at least 2 classes"),
        (D, {"classes": 3, "hidden": (0,)}, ConfigError, "positive widths"),
        (D, {"classes": 3, "kind": "rouding"}, UnknownNameError, "did you mean 'rounding'"),
        (D, {"classes": 3, "activation": "gleu"}, UnknownNameError, "did you mean 'gelu'"),
        (D, {"classes": 3, "kind": "rounding"}, ConfigError, "windings"),
        (D, {"classes": (0, 0, 1), "kind": "rounding"}, ConfigError, "distinct"),
        (D, {"classes": (0, 1), "kind": "rounding", "sharpness": 0.0}, ConfigError, "sharpness"),
        (
            D.trainable("D", channels=2),
            {"classes": (0, 1), "kind": "rounding"},
            ConfigError,
            "one output channel",
        ),
        (D.head(3), {"classes": 3}, ConfigError, "head already"),
    ],
)
def test_heads_that_cannot_be(net, options, error, match):
    with pytest.raises(error, match=match):
        net.head(**options)
