"""Constants set free: structures, channels, starts, other lengths, and functions of position."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from table import rswn, states, tensors

import tnlearn as tnl
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.models.catalogue import rebuild
from tnlearn.networks import formula as f
from tnlearn.networks.freeing import factor_bases, position_basis, spacing_basis, standing_waves
from tnlearn.networks.init import draw
from tnlearn.training.parts import at_length

TIGHT = {"rtol": 0.0, "atol": 1e-12}
L = 6
CELLWISE = [{"structure": "cells"}, {"structure": "spacings"}]

# form, names, options: every structure that can hold what the formula has
FREED = [
    ("quartic", ["D"], {}),
    ("quartic", ["D"], {"structure": "dense"}),
    ("quartic", ["D"], {"structure": "position"}),
    ("quartic", ["D"], {"structure": "position-short"}),
    ("quartic", ["D"], {"structure": "lowrank", "bond": 6}),  # all of D on a ring of six cells
    ("lowrank", ["left", "right"], {}),
    ("sublattice", ["X"], {}),
    ("sublattice", ["X"], {"structure": "dense"}),
    ("sublattice", ["X"], {"structure": "position"}),
    ("sublattice", ["X"], {"structure": "lowrank", "bond": 6}),
    *(("sublattice", ["window"], how) for how in CELLWISE),
    ("sublattice", ["window"], {"structure": "diagonal"}),
    ("sublattice", ["window"], {"structure": "dense"}),
    ("operator", ["X"], {}),
    ("operator", ["X"], {"structure": "dense"}),
    ("operator", ["X"], {"structure": "position"}),
    ("operator", ["X"], {"structure": "lowrank", "bond": 12}),
    ("operator", ["window"], {"structure": "position"}),
    *(("operator", ["window"], how) for how in CELLWISE),
    ("operator", ["P_A"], {"structure": "dense"}),
    ("operator", ["P_A"], {"structure": "lowrank", "bond": 6}),
    ("operator", ["P_A", "P_B", "window"], {"structure": "diagonal"}),
    ("operator", ["sigma"], {}),
]
# what an open chain has: positions by cell, and a D of rank two
OPEN = [
    *((form, ["X", "window"], how) for form in ("operator", "sublattice") for how in CELLWISE),
    ("quartic", ["D"], {"structure": "lowrank", "bond": 2}),
    ("quartic", ["D"], {"structure": "position", "bond": 1}),
    ("quartic", ["D"], {"structure": "position", "bond": 3}),
]
CASES = [(*case, "open", channels) for case in [*FREED, *OPEN] for channels in (None, 1, 3)]
CASES += [(*case, "periodic", 3) for case in FREED]


@pytest.mark.parametrize(
    ("form", "names", "options", "boundary", "channels"),
    CASES,
    ids=[f"{a}-{'-'.join(b)}-{c}-{d}-{e}" for a, b, c, d, e in CASES],
)
def test_exact_initialisation_is_the_winding_number(form, names, options, boundary, channels):
    sample = states("real", boundary=boundary)
    net = rswn(L, form, boundary)
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


def test_one_bond_less_than_the_rank_is_another_number():
    one = rswn(L, "quartic").trainable("D", structure="lowrank", bond=1)
    assert np.abs(one(states("real")) - rswn(L, "quartic")(states("real"))).max() > 0.01
    start = rswn(L, "quartic").trainable("D", structure="position", bond=3).parameters["D.right"]
    assert all(np.any(row) for row in start.exact)  # else no gradient would reach the left factor


def test_a_diagonal_of_a_matrix_is_all_that_stays():
    u, v = f.states(L)
    M = np.random.default_rng(0).standard_normal((L, L))
    free = f.Tr(f.matrix("M", M) @ u @ v.H).network().trainable("M", structure="diagonal")
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
        ("operator", {"structure": "cells", "channels": 3}, {"X.cells": (3, 6)}),
        ("operator", {"structure": "spacings"}, {"X.spacings": (6,)}),
        ("sublattice", {"structure": "cells"}, {"X": (6,)}),
        ("operator", {}, {"X": (12,)}),
    ],
)
def test_names_shapes_and_counts(form, options, parameters):
    net = rswn(L, form).trainable("D" if form == "quartic" else "X", **options)
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
        value = module(*tensors(sample)).detach().numpy().T
        np.testing.assert_allclose(value, np.stack([rswn(30, form)(sample)] * 2), **TIGHT)
    assert np.array_equal(short.module().state_dict()["window.weights"][0, 0], 1.0)


def test_resized_networks_keep_heads_and_options():
    net = rswn(L, "operator", "periodic").trainable("X", structure="dense", channels=2)
    net = net.head(3, (4,), activation="tanh")
    long = net.resize(8)
    assert long.nodes["X"].shape == (2, 16, 16)
    assert long.nodes["head.1.weight"].shape == net.nodes["head.1.weight"].shape
    assert tnl.baseline("cnn", L, features=(3,)).resize(9).cells == 9
    u, v = f.states(4)
    with pytest.raises(ConfigError, match="other length"):
        f.Tr(u @ v.H).network().resize(8)


# ------------------------------------------------------------------- starts


def test_kinds_of_initialisation():
    shape = (4, 50, 40)
    options = {"name": "D", "exact": np.ones((50, 40)), "seed": 1, "member": 2}
    near = draw(tnl.init.exact(0.1), shape, **options)
    assert abs(near.mean() - 1.0) < 0.01
    assert abs((near - 1).std() - 0.1) < 0.01
    assert np.ptp(draw(tnl.init.exact(), shape, **options)) == 0.0
    assert abs(draw(tnl.init.normal(0.3), shape, **options).std() - 0.3) < 0.01
    assert 0.29 < np.abs(draw(tnl.init.uniform(0.3), shape, **options)).max() <= 0.3
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


@pytest.mark.parametrize(("channels", "entries"), [(1, 7), (4, 20), (4, 10), (5, 5)])
def test_parts_cover_the_chain_once(channels, entries):
    value = draw(tnl.init.parts(2.0), (channels, entries), "window", None, seed=0, member=0)
    assert np.array_equal(value.sum(axis=0), np.full(entries, 2.0))
    sizes = (value > 0).sum(axis=1)
    assert sizes.max() - sizes.min() <= 1
    for row in value:  # each part is one stretch
        assert np.count_nonzero(np.diff(np.flatnonzero(row)) > 1) == 0
    whole = draw(tnl.init.parts(), (entries,), "window", None, seed=0, member=3)
    assert np.array_equal(whole, np.ones(entries))


def test_channels_with_windows_in_parts_add_up_to_the_whole_chain():
    """Each channel measures its part: with the exact X they sum to the whole-chain trace, 0."""
    net = rswn(L, "operator").trainable("X", structure="spacings", channels=3)
    local = net.trainable("window", structure="cells", channels=3, init="parts")(states("real"))
    assert np.abs(local).max() > 0.1
    # Over a whole open chain the trace vanishes identically (X cancels between the sublattices).
    assert np.allclose(local.sum(axis=1), 0.0, atol=1e-10)


def test_channels_start_apart_with_noise_only():
    for init, same in (("exact", True), (tnl.init.exact(0.1), False)):
        D = rswn(L, "quartic").trainable("D", channels=2, init=init).module().state_dict()["D"]
        assert np.array_equal(D[0], D[1]) == same


def test_channels_must_agree():
    net = rswn(L, "operator").trainable("X", channels=3)
    for options in ({"channels": 4}, {"channels": 2, "structure": "position"}):
        with pytest.raises(ConfigError, match="3 channels already"):
            net.trainable("window", **options)
    # as many, or none: shared by all channels
    for options in ({"channels": 3}, {}):
        more = net.trainable("window", **options)
        exact = rswn(L, "operator")(states("real"))
        np.testing.assert_allclose(more(states("real")).T, np.stack([exact] * 3), **TIGHT)
    again = rswn(L, "quartic").trainable("D", channels=3)
    with pytest.raises(ConfigError, match="3 channels already"):
        again.trainable("D")
    other = again.trainable("D", channels=3, init="orthogonal")
    assert other.nodes["D"].init == tnl.init.orthogonal()


# ------------------------------------------------------------------- what cannot be


def _free(form, *names, **options):
    return lambda: rswn(L, form).trainable(*names, **options)


def _drawn(init, shape):
    return lambda: draw(init, shape, "D", None, seed=0, member=0)


def _complex_matrix():
    u, v = f.states(4)
    return f.Tr(f.matrix("M", np.eye(4) * 1j) @ u @ v.H).network().trainable("M")


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (_free("quartic", "X"), "Known: D"),
        (_free("operator", "windw"), "did you mean 'window'"),
        (_free("quartic", "u"), "Known: D"),
        (_free("quartic"), "at least one node"),
        (_free("quartic", "D", structure="densse"), "did you mean 'dense'"),
        (_free("quartic", "D", init="nromal"), "did you mean 'normal'"),
        (_free("quartic", "D", init=0.1), "tnl.init"),
        (_free("quartic", "D", channels=0), "channels"),
        (_free("quartic", "D", channels=2.0), "channels"),
        (_free("quartic", "D", structure="lowrank"), "bond between 1 and 6"),
        (_free("quartic", "D", structure="lowrank", bond=7), "bond between"),
        (_free("quartic", "D", structure="lowrank", bond=2.0), "bond between"),
        (_free("quartic", "D", bond=2), "goes with structure='lowrank'"),
        (_free("sublattice", "X", structure="position", bond=2), "bond"),
        *((_free("quartic", "D", structure="position", bond=b), "bond") for b in (0, True, 1.5)),
        (_free("quartic", "D", structure="position-short", bond=1), "bond"),
        (_free("sublattice", "window", structure="position-short"), "two site indices"),
        (lambda: position_basis(np.zeros((6, 2)), 6), "one or two site indices"),
        *((_free("quartic", "D", **how), "one index over the sites") for how in CELLWISE),
        *(
            (lambda h=h: rswn(L, "sublattice", "periodic").trainable("X", **h), "over the sites")
            for h in CELLWISE
        ),
        (_complex_matrix, "complex"),
        (lambda: rswn(L, "quartic").head(3).trainable("D", channels=2), "attached already"),
        (
            lambda: rswn(L, "operator").head(3).trainable("X", structure="dense"),
            "before any other change",
        ),
        (_drawn(tnl.init.exact(), (3,)), "no exact value"),
        *(
            (_drawn(tnl.init.parts(), s), "'parts' is for a vector")
            for s in ((5, 4), (2, 3, 4), ())
        ),
        *((lambda x=x: tnl.init.normal(x), "scale") for x in (-1.0, np.nan, np.inf)),
    ],
)
def test_what_cannot_be_freed_or_drawn(wrong, match):
    error = UnknownNameError if match.startswith(("Known", "did you mean")) else ConfigError
    with pytest.raises(error, match=match):
        wrong()


def test_networks_are_not_changed():
    net = rswn(L, "quartic")
    before = net.describe()
    assert net.trainable("D").head(3).trainable("D")(states("real")).shape == (3, 3)
    net.trainable("D", channels=2).head(3)
    assert net.describe() == before
    assert net.parameter_count() == 0
    with pytest.raises(TypeError):
        net.nodes["D"] = None


# ------------------------------------------------------------------- one value a cell


@pytest.mark.parametrize("form", ["operator", "sublattice"])
@pytest.mark.parametrize("how", CELLWISE, ids=str)
def test_values_by_cell_in_numpy_torch_and_a_rebuilt_network(form, how):
    sample, init = states("real"), tnl.init.normal(0.7)
    net = rswn(L, form).trainable("X", "window", channels=2, init=init, **how)
    here = net(sample, seed=5)
    there = net.module(seed=5, dtype="float64")(*tensors(sample)).detach().numpy()
    assert np.abs(here).max() > 1e-3
    np.testing.assert_allclose(here, there, **TIGHT)
    np.testing.assert_array_equal(rebuild(net.describe())(sample, seed=5), here)


def test_with_one_position_a_cell_operator_and_sublattice_are_one_network():
    """Same numbers for X and window, same output: only the plain operator form has more."""
    x, window = np.random.default_rng(0).standard_normal((2, 3, L))
    results = []
    for form in ("operator", "sublattice"):
        net = rswn(L, form).trainable("X", structure="spacings", channels=3)
        module = net.trainable("window", structure="cells", channels=3).module(dtype="float64")
        values = {n: torch.as_tensor(x if n[0] == "X" else window) for n in module.state_dict()}
        module.load_state_dict(values)
        results.append(module(*tensors(states("real"))).detach().numpy())
    np.testing.assert_allclose(*results, **TIGHT)
    assert np.std(results[0]) > 1e-2


@pytest.mark.parametrize(
    ("structure", "name", "part", "shift"),
    [(None, "X", slice(L, None), -2.5), ("spacings", "X.spacings", slice(1), 0.0)],
)
def test_the_distance_of_the_sublattices_is_a_bias(structure, name, part, shift):
    """Why the plain operator form is hard to train, and why by spacings this direction is gone."""
    net = rswn(L, "operator").trainable("X", structure=structure, init=tnl.init.normal(1.0))
    module, sample = net.module(seed=1, dtype="float64"), tensors(states("real"))
    before = module(*sample).detach().numpy()
    with torch.no_grad():
        module.get_parameter(name)[part] += 2.5  # of spacings, the mean of X: it cannot matter
    moved = module(*sample).detach().numpy() - before
    np.testing.assert_allclose(moved, shift, rtol=0, atol=1e-10)


def test_spacings_are_differences_and_steps_have_no_mean():
    net = rswn(L, "operator").trainable("X", structure="spacings")
    assert np.allclose(net.parameters["X.spacings"].exact, [(L - 1) / 2, *[1.0] * (L - 1)])
    basis = spacing_basis(L)
    assert np.linalg.matrix_rank(basis) == L
    assert np.allclose(basis[1:].mean(axis=1), 0.0)
    weights = np.random.default_rng(0).standard_normal(L)
    assert np.allclose(np.diff(weights @ basis), weights[1:])
    assert np.isclose((weights @ basis).mean(), weights[0])


# ------------------------------------------------------------------- functions of position

# structure, bond, numbers a sample is folded to
KINDS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "position": ({"structure": "position"}, (11,)),
    "position-short": ({"structure": "position-short"}, (32,)),
    "low rank": ({"structure": "position", "bond": 2}, (4, 8)),
}


def free(cells, kind, channels=3):
    init = tnl.init.normal(0.3)
    return rswn(cells, "quartic").trainable("D", channels=channels, init=init, **KINDS[kind][0])


def functions(cells, kind):
    """All functions of two positions but the first, which is the node itself."""
    if kind == "low rank":
        differences, profiles = factor_bases(np.zeros((cells, cells)))
        return (differences[:, None] * profiles[None, 1:, None, :]).reshape(-1, cells, cells)
    short = kind == "position-short"
    return position_basis(np.zeros((cells, cells)), cells, short_range=short)[1:]


def test_standing_waves_are_orthogonal_and_flat_at_the_ends():
    for cells in (8, 21):
        waves = standing_waves(7, cells)
        assert np.allclose(waves @ waves.T, np.diag([cells, *[cells / 2] * 6]), atol=1e-12)
    # the step from the first cell to the second falls as the square of 1/L
    steps = [np.abs(np.diff(standing_waves(7, n)[:, :2])).max() for n in (50, 100, 200)]
    assert steps[0] / steps[1] == pytest.approx(4, rel=0.1)
    assert steps[1] / steps[2] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_what_functions_of_position_keep(kind):
    if kind != "low rank":  # those of the mirrored chain: x -> L-1-y, y -> L-1-x keeps x - y
        for function in functions(9, kind):
            assert np.allclose(function, function[::-1, ::-1].T, atol=1e-12)
    # they vanish on the diagonal, or are averages
    cells = 30
    on_diagonal = np.abs(np.diagonal(functions(cells, kind), axis1=1, axis2=2)).max(axis=1)
    averages = on_diagonal > 1e-9
    assert (on_diagonal[averages] <= 1 / cells + 1e-12).all()
    assert averages.any() == (kind == "position-short")


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_a_gapped_chain_have_a_limit(kind):
    """B = sum f |q|^2 of one SSH chain: each doubling of L brings it nearer to its limit."""
    numbers = []
    for cells in (40, 80, 160, 320):
        q = tnl.ssh(cells, 0.6, 1.0).states().q()[0]
        numbers.append(np.einsum("kxy,xy->k", functions(cells, kind), np.abs(q) ** 2))
    steps = np.abs(np.diff(numbers, axis=0)).max(axis=1)
    assert np.abs(numbers[-1]).max() < 10
    assert steps[0] < 0.3
    assert (steps[1:] < 0.6 * steps[:-1]).all()


def test_a_vector_has_waves_on_each_sublattice():
    window = np.tile([0.0, 2.0, 2.0, 0.0], 2)
    basis = position_basis(window, 4)
    assert basis.shape == (1 + 2 * 7, 8)
    assert np.array_equal(basis[0], window)
    assert np.allclose(basis[1:8, :4], 2.0 * standing_waves(7, 4))
    assert not basis[1:8, 4:].any()
    assert not basis[8:, :4].any()


def test_the_factors_hold_a_window_exactly_and_the_rest_as_near_as_can_be():
    x = np.arange(12)
    exact = (x[:, None] - x[None, :]) * np.linspace(0.0, 1.0, 12)
    differences, profiles = factor_bases(exact)
    assert np.allclose(differences[0] * profiles[0], exact, atol=1e-12)
    rough = exact + np.random.default_rng(0).standard_normal((12, 12))
    differences, profiles = factor_bases(rough)
    best = np.linalg.norm(rough - differences[0] * profiles[0])
    for place in (0, 5, 11):
        other = profiles[0].copy()
        other[place] += 0.1
        assert np.linalg.norm(rough - differences[0] * other) > best
    # two bonds, and the 1 of the right-hand functions, make a matrix of rank three
    weights = np.random.default_rng(0).standard_normal
    differences, profiles = factor_bases(np.ones((30, 30)))
    D = np.einsum("bk,bl,kxy,ly->xy", weights((2, 4)), weights((2, 8)), differences, profiles)
    assert np.linalg.matrix_rank(D, tol=1e-9) == 2 + 1
    assert np.abs(np.diagonal(D)).max() < 1e-12


@pytest.mark.parametrize("complex", [False, True])
@pytest.mark.parametrize("channels", [None, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_network_is_the_sum_it_stands_for(kind, channels, complex):
    sample = states("complex" if complex else "real", cells=9)
    net = free(9, kind, channels)
    module = net.module(seed=5, dtype="float64", complex=complex)
    w = {name: p.numpy() for name, p in module.state_dict().items()}
    basis = {name: node.array for name, node in net.nodes.items() if name.endswith("basis")}
    if kind == "low rank":
        left, right = w["D.left"].reshape(-1, 2, 4), w["D.right"].reshape(-1, 2, 8)
        arrays = left, right, basis["D.left.basis"], basis["D.right.basis"]
        D = np.einsum("cbk,cbl,kxy,ly->cxy", *arrays)
    else:
        D = np.einsum("ck,kxy->cxy", np.atleast_2d(w["D.weights"]), basis["D.basis"])
    expected = np.einsum("cxy,sxy->sc", D, np.abs(sample.q()) ** 2)
    value = net(sample, seed=5)
    assert np.allclose(value.reshape(expected.shape), expected, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_folded_to_the_same_few_numbers_at_every_length(kind):
    numbers = KINDS[kind][1]
    net = free(12, kind).head(4, hidden=(5,))
    compiled = [at_length(net, n).compile(members=2) for n in (7, 12, 40)]
    for one in compiled:
        u, v = np.zeros((2, 3, *one.network.inputs["u"].shape[1:]), dtype=np.float32)
        folded = one.fold(u, v)
        assert [sorted(x.shape) for x in folded] == [sorted((3, *numbers))]
        assert one.step_identity() == compiled[0].step_identity()
    # D itself, an L x L array for each member and channel, is never formed
    sizes = [t.elements(1) for t in free(40, kind).plan().terms if t.live and t.kind != "leaf"]
    assert max(sizes) <= 3 * int(np.prod(numbers))


def test_frozen_factors_are_contracted_first():
    plan = free(12, "position").plan()
    folded = [plan.term(i) for i in plan.frontier]
    assert [(t.name, t.live) for t in folded] == [("D.basis_q2", False)]
    # no function is summed over in X times a window: the commutator is formed as it stands
    plan = rswn(L, "operator").trainable("X", channels=2).plan()
    assert [plan.term(i).shape for i in plan.frontier] == [(None, 2 * L, 2 * L)]


def test_a_formula_with_an_expanded_operator_is_right():
    u, v = f.states(8)
    q, profile = u @ v.H, np.linspace(1.0, 2.0, 8)
    net = f.Tr(f.diagonal("g", profile) @ q.H @ q @ f.diagonal("h", profile)).network()
    net = net.trainable("g", structure="position", init=tnl.init.exact(0.2))
    sample = states("real", cells=8)
    weights = net.module(seed=1, dtype="float64").state_dict()["g.weights"].numpy()
    g = weights @ net.nodes["g.basis"].array
    expected = np.einsum("y,sxy,y->s", g, sample.q() ** 2, profile)
    assert np.allclose(net(sample, seed=1), expected, atol=1e-10)
