"""Freed nodes: structures, channels, initialisations, other lengths, and the heads on top."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from table import BOUNDARIES, rswn, states, tensors

import tnlearn as tnl
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.networks import formula as f
from tnlearn.networks.init import draw

TIGHT = {"rtol": 0.0, "atol": 1e-12}
DENSE_RANK = 6  # of D on a ring of six cells: all of it

FREED = [
    # form, names, options: every structure that can hold what the formula has
    ("quartic", ["D"], {}),
    ("quartic", ["D"], {"structure": "dense"}),
    ("quartic", ["D"], {"structure": "position"}),
    ("quartic", ["D"], {"structure": "position-short"}),
    ("quartic", ["D"], {"structure": "lowrank", "bond": DENSE_RANK}),
    ("lowrank", ["left", "right"], {}),
    ("sublattice", ["X"], {}),
    ("sublattice", ["X"], {"structure": "dense"}),
    ("sublattice", ["X"], {"structure": "position"}),
    ("sublattice", ["X"], {"structure": "lowrank", "bond": 6}),
    ("sublattice", ["window"], {"structure": "diagonal"}),
    ("sublattice", ["window"], {"structure": "dense"}),
    ("operator", ["X"], {}),
    ("operator", ["X"], {"structure": "dense"}),
    ("operator", ["X"], {"structure": "position"}),
    ("operator", ["X"], {"structure": "lowrank", "bond": 12}),
    ("operator", ["window"], {"structure": "position"}),
    ("operator", ["P_A"], {"structure": "dense"}),
    ("operator", ["P_A"], {"structure": "lowrank", "bond": 6}),
    ("operator", ["P_A", "P_B", "window"], {"structure": "diagonal"}),
    ("operator", ["sigma"], {}),
]


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize(
    ("form", "names", "options"), FREED, ids=[f"{a}-{'-'.join(b)}-{c}" for a, b, c in FREED]
)
def test_exact_initialisation_is_the_winding_number(form, names, options, channels, boundary):
    sample = states("real", boundary=boundary)
    net = rswn(6, form, boundary)
    exact = net(sample)
    free = net.trainable(*names, channels=channels, **options)
    value = free(sample)
    if channels is not None:
        assert value.shape == (3, channels) == (3, *free.output_shape[1:])
        value = value.T
    np.testing.assert_allclose(value, np.broadcast_to(exact, value.shape), **TIGHT)
    module = free.module(dtype="float64")
    assert set(module.state_dict()) == set(free.parameters)
    value = module(*tensors(sample)).detach().numpy().T
    np.testing.assert_allclose(value, np.broadcast_to(exact, value.shape), **TIGHT)


def test_bond_two_is_enough_on_an_open_chain():
    sample = states("real")
    net = rswn(6, "quartic")
    low = net.trainable("D", structure="lowrank", bond=2)
    np.testing.assert_allclose(low(sample), net(sample), **TIGHT)
    assert low.parameter_count() == 2 * 2 * 6
    one = net.trainable("D", structure="lowrank", bond=1)
    assert np.abs(one(sample) - net(sample)).max() > 0.01


def test_a_diagonal_of_a_matrix_is_all_that_stays():
    u, v = f.states(6)
    M = np.random.default_rng(0).standard_normal((6, 6))
    net = f.Tr(f.matrix("M", M) @ u @ v.H).network()
    free = net.trainable("M", structure="diagonal")
    exact = np.einsum("x,sxx->s", np.diagonal(M), states("real").q())
    np.testing.assert_allclose(free(states("real")), exact, **TIGHT)
    assert list(free.parameters) == ["M.diagonal"]


@pytest.mark.parametrize(
    ("form", "options", "parameters"),
    [
        ("quartic", {}, {"D": (6, 6)}),
        ("quartic", {"channels": 4}, {"D": (4, 6, 6)}),
        (
            "quartic",
            {"structure": "lowrank", "bond": 2, "channels": 3},
            {"D.left": (3, 6, 2), "D.right": (3, 6, 2)},
        ),
        ("quartic", {"structure": "diagonal"}, {"D.diagonal": (6,)}),
        ("quartic", {"structure": "position"}, {"D.weights": (1 + 2 * 5,)}),
        ("quartic", {"structure": "position-short"}, {"D.weights": (1 + 2 * 5 + 7 * 3,)}),
        (
            "quartic",
            {"structure": "position", "bond": 2, "channels": 3},
            {"D.left": (3, 2, 4), "D.right": (3, 2, 8)},
        ),
        ("operator", {"structure": "position"}, {"X.weights": (1 + 2 * 7,)}),
        ("operator", {"structure": "dense"}, {"X": (12, 12)}),
        ("operator", {}, {"X": (12,)}),
    ],
)
def test_names_shapes_and_counts(form, options, parameters):
    net = rswn(6, form).trainable("D" if form == "quartic" else "X", **options)
    assert {name: node.shape for name, node in net.parameters.items()} == parameters
    state = net.module().state_dict()
    assert {name: tuple(p.shape) for name, p in state.items()} == parameters
    assert net.parameter_count() == sum(int(np.prod(shape)) for shape in parameters.values())


def test_position_weights_serve_another_length():
    for form, name in (("quartic", "D"), ("operator", "X"), ("sublattice", "window")):
        short = rswn(12, form).trainable(name, structure="position", channels=2)
        long = short.resize(30)
        assert long.cells == 30
        module = long.module(dtype="float64")
        module.load_state_dict(short.module(dtype="float64").state_dict())
        sample = states("real", cells=30)
        exact = rswn(30, form)(sample)
        value = module(*tensors(sample)).detach().numpy().T
        np.testing.assert_allclose(value, np.broadcast_to(exact, (2, 3)), **TIGHT)
    assert np.array_equal(short.module().state_dict()["window.weights"][0, 0], 1.0)


def test_resized_networks_keep_heads_and_options():
    net = rswn(6, "operator", "periodic").trainable("X", structure="dense", channels=2)
    net = net.head(3, (4,), activation="tanh")
    long = net.resize(8)
    assert long.nodes["X"].shape == (2, 16, 16)
    assert long.nodes["head.1.weight"].shape == net.nodes["head.1.weight"].shape
    assert tnl.baseline("cnn", 6, features=(3,)).resize(9).cells == 9
    u, v = f.states(4)
    with pytest.raises(ConfigError, match="other length"):
        f.Tr(u @ v.H).network().resize(8)


# ------------------------------------------------------------------- initialisation


def test_kinds_of_initialisation():
    shape = (4, 50, 40)
    options = {"name": "D", "exact": np.ones((50, 40)), "seed": 1, "member": 2}
    near = draw(tnl.init.exact(0.1), shape, **options)
    assert abs(near.mean() - 1.0) < 0.01
    assert abs((near - 1).std() - 0.1) < 0.01
    assert np.ptp(draw(tnl.init.exact(), shape, **options)) == 0.0
    normal = draw(tnl.init.normal(0.3), shape, **options)
    assert abs(normal.std() - 0.3) < 0.01
    uniform = draw(tnl.init.uniform(0.3), shape, **options)
    assert 0.29 < np.abs(uniform).max() <= 0.3
    fan_in = draw(tnl.init.fan_in(2.0), shape, **options)
    assert abs(fan_in.std() * np.sqrt(2000) - 2.0) < 0.1
    assert not draw(tnl.init.zeros(), shape, **options).any()
    columns = draw(tnl.init.orthogonal(2.0), shape, **options).reshape(-1, 40)
    np.testing.assert_allclose(columns.T @ columns, 4.0 * np.eye(40), atol=1e-12)
    wide = draw(tnl.init.orthogonal(), (3, 7), **options)
    np.testing.assert_allclose(wide @ wide.T, np.eye(3), atol=1e-12)
    assert draw(tnl.init.orthogonal(), (), **options).shape == ()


def test_draws_depend_on_seed_member_and_name():
    def one(seed=0, member=0, name="D"):
        return draw(tnl.init.normal(1.0), (3,), name, None, seed=seed, member=member)

    np.testing.assert_array_equal(one(), one())
    for other in (one(seed=1), one(member=1), one(name="X")):
        assert not np.array_equal(one(), other)


def test_channels_start_apart_with_noise_only():
    net = rswn(6, "quartic")
    same = net.trainable("D", channels=2).module().state_dict()["D"]
    assert np.array_equal(same[0], same[1])
    near = net.trainable("D", channels=2, init=tnl.init.exact(0.1)).module().state_dict()["D"]
    assert not np.array_equal(near[0], near[1])


def test_exact_needs_something_exact():
    with pytest.raises(ConfigError, match="no exact value"):
        draw(tnl.init.exact(), (3,), "D", None, seed=0, member=0)
    net = rswn(6, "quartic").trainable("D", init="orthogonal")
    assert net.nodes["D"].init == tnl.init.orthogonal()


# ------------------------------------------------------------------- what cannot be freed


@pytest.mark.parametrize(
    ("form", "names", "options", "error", "match"),
    [
        ("quartic", ["X"], {}, UnknownNameError, "Known: D"),
        ("operator", ["windw"], {}, UnknownNameError, "did you mean 'window'"),
        ("quartic", ["u"], {}, UnknownNameError, "Known: D"),
        ("quartic", [], {}, ConfigError, "at least one node"),
        ("quartic", ["D"], {"structure": "densse"}, UnknownNameError, "did you mean 'dense'"),
        ("quartic", ["D"], {"init": "nromal"}, UnknownNameError, "did you mean 'normal'"),
        ("quartic", ["D"], {"init": 0.1}, ConfigError, "tnl.init"),
        ("quartic", ["D"], {"channels": 0}, ConfigError, "channels"),
        ("quartic", ["D"], {"channels": 2.0}, ConfigError, "channels"),
        ("quartic", ["D"], {"structure": "lowrank"}, ConfigError, "bond between 1 and 6"),
        ("quartic", ["D"], {"structure": "lowrank", "bond": 7}, ConfigError, "bond between"),
        ("quartic", ["D"], {"structure": "lowrank", "bond": 2.0}, ConfigError, "bond between"),
        ("quartic", ["D"], {"bond": 2}, ConfigError, "goes with structure='lowrank'"),
    ],
)
def test_bad_requests(form, names, options, error, match):
    with pytest.raises(error, match=match):
        rswn(6, form).trainable(*names, **options)


def test_bad_scales():
    for scale in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="scale"):
            tnl.init.normal(scale)


def test_complex_nodes_stay_frozen():
    u, v = f.states(4)
    net = f.Tr(f.matrix("M", np.eye(4) * 1j) @ u @ v.H).network()
    with pytest.raises(ConfigError, match="complex"):
        net.trainable("M")


def test_channels_must_agree():
    net = rswn(6, "operator").trainable("X", channels=3)
    for options in ({"channels": 4}, {"channels": 2, "structure": "position"}):
        with pytest.raises(ConfigError, match="3 channels already"):
            net.trainable("window", **options)
    # as many, or none: shared by all channels
    for options in ({"channels": 3}, {}):
        more = net.trainable("window", **options)
        exact = rswn(6, "operator")(states("real"))
        np.testing.assert_allclose(more(states("real")).T, np.stack([exact] * 3), **TIGHT)
    again = rswn(6, "quartic").trainable("D", channels=3)
    with pytest.raises(ConfigError, match="3 channels already"):
        again.trainable("D")
    other = again.trainable("D", channels=3, init=tnl.init.normal(0.1))
    assert other.nodes["D"].init == tnl.init.normal(0.1)


def test_channels_come_before_the_head():
    net = rswn(6, "quartic").head(3)
    with pytest.raises(ConfigError, match="head is attached already"):
        net.trainable("D", channels=2)
    assert net.trainable("D")(states("real")).shape == (3, 3)
    with pytest.raises(ConfigError, match="before any other change"):
        rswn(6, "operator").head(3).trainable("X", structure="dense")


def test_networks_are_not_changed():
    net = rswn(6, "quartic")
    before = net.describe()
    net.trainable("D", channels=2).head(3)
    assert net.describe() == before
    assert net.parameter_count() == 0
    with pytest.raises(TypeError):
        net.nodes["D"] = None


# ------------------------------------------------------------------- heads


def test_an_affine_head_and_hidden_layers():
    net = rswn(6, "quartic").trainable("D", channels=4, init=tnl.init.normal(0.3))
    features = net.module(dtype="float64")(*tensors(states("real")))
    for hidden, activation in (((), "relu"), ((5,), "tanh"), ((5, 7), "gelu")):
        headed = net.head(3, hidden, activation=activation)
        module = headed.module(dtype="float64")
        w, x = module.state_dict(), features
        for number in range(len(hidden) + 1):
            x = x @ w[f"head.{number}.weight"].T + w[f"head.{number}.bias"]
            if number < len(hidden):
                act = {"tanh": torch.tanh, "gelu": torch.nn.functional.gelu}[activation]
                x = act(x)
        result = module(*tensors(states("real")))
        np.testing.assert_allclose(result.detach(), x.detach(), **TIGHT)
        sizes = (4, *hidden, 3)
        count = sum((a + 1) * b for a, b in pairwise(sizes))
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


def test_the_rounding_head_on_chains():
    sample = tnl.ssh(20, np.array([0.3, 1.0]), np.array([1.0, 0.3])).states()
    net = rswn(20, "quartic").head((1, -1, 0), kind="rounding")
    np.testing.assert_array_equal(net(sample).argmax(1), [0, 2])


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"classes": 1}, ConfigError, "at least 2 classes"),
        ({"classes": 3, "hidden": (0,)}, ConfigError, "positive widths"),
        ({"classes": 3, "kind": "rouding"}, UnknownNameError, "did you mean 'rounding'"),
        ({"classes": 3, "activation": "gleu"}, UnknownNameError, "did you mean 'gelu'"),
        ({"classes": 3, "kind": "rounding"}, ConfigError, "windings"),
        ({"classes": (0, 0, 1), "kind": "rounding"}, ConfigError, "distinct"),
        ({"classes": (0, 1), "kind": "rounding", "sharpness": 0.0}, ConfigError, "sharpness"),
    ],
)
def test_bad_heads(options, error, match):
    with pytest.raises(error, match=match):
        rswn(6, "quartic").head(**options)


def test_one_head_only_and_one_channel_to_round():
    with pytest.raises(ConfigError, match="head already"):
        rswn(6, "quartic").head(3).head(3)
    net = rswn(6, "quartic").trainable("D", channels=2)
    with pytest.raises(ConfigError, match="one output channel"):
        net.head((0, 1), kind="rounding")


def test_numpy_numbers_are_numbers():
    net = rswn(6, "quartic").head(np.int64(3), hidden=4)
    assert net.output_shape == (None, 3)
    assert net.nodes["head.0.weight"].shape == (4, 1)
