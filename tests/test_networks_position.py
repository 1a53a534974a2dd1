"""Functions of position: what they are, what they fold to, and that lengths agree on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from table import states

import tnlearn as tnl
from tnlearn.errors import ConfigError
from tnlearn.networks import formula as f
from tnlearn.networks.freeing import factor_bases, position_basis, standing_waves
from tnlearn.training.parts import at_length

Array = Any
# structure, bond, numbers a sample is folded to
KINDS = {
    "position": ({"structure": "position"}, (11,)),
    "position-short": ({"structure": "position-short"}, (32,)),
    "low rank": ({"structure": "position", "bond": 2}, (4, 8)),
}


def free(cells: int, kind: str, channels: int | None = 3, form: str = "quartic") -> Any:
    how, _ = KINDS[kind]
    return tnl.rswn(cells, form=form).trainable(
        "D", channels=channels, init=tnl.init.normal(0.3), **how
    )


def functions(cells: int, kind: str = "position") -> Array:
    """All functions of two positions but the first, which is the node itself."""
    if kind == "low rank":
        differences, profiles = factor_bases(np.zeros((cells, cells)))
        return (differences[:, None] * profiles[None, 1:, None, :]).reshape(-1, cells, cells)
    short = kind == "position-short"
    return position_basis(np.zeros((cells, cells)), cells, short_range=short)[1:]


# ------------------------------------------------------------------ the functions


def test_standing_waves_are_orthogonal_and_flat_at_the_ends() -> None:
    for cells in (8, 21):
        waves = standing_waves(7, cells)
        norm = np.diag([cells, *[cells / 2] * 6])
        assert np.allclose(waves @ waves.T, norm, atol=1e-12)
    # the step from the first cell to the second falls as the square of 1/L
    steps = [np.abs(np.diff(standing_waves(7, n)[:, :2])).max() for n in (50, 100, 200)]
    assert steps[0] / steps[1] == pytest.approx(4, rel=0.1)
    assert steps[1] / steps[2] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("kind", ["position", "position-short"])
def test_functions_are_those_of_the_mirrored_chain(kind: str) -> None:
    """x -> L-1-y, y -> L-1-x keeps x - y and turns the centre round."""
    for function in functions(9, kind):
        assert np.allclose(function, function[::-1, ::-1].T, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_functions_vanish_on_the_diagonal_or_are_averages(kind: str) -> None:
    cells = 30
    on_diagonal = np.abs(np.diagonal(functions(cells, kind), axis1=1, axis2=2)).max(axis=1)
    averages = on_diagonal > 1e-9
    assert (on_diagonal[averages] <= 1 / cells + 1e-12).all()
    assert averages.any() == (kind == "position-short")


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_a_gapped_chain_have_a_limit(kind: str) -> None:
    """B = sum f |q|^2 of one SSH chain: each doubling of L brings it nearer to its limit."""
    found = []
    for cells in (40, 80, 160, 320):
        q = tnl.ssh(cells, 0.6, 1.0).states().q()[0]
        found.append(np.einsum("kxy,xy->k", functions(cells, kind), np.abs(q) ** 2))
    steps = np.abs(np.diff(found, axis=0)).max(axis=1)
    assert np.abs(found[-1]).max() < 10
    assert steps[0] < 0.3
    assert (steps[1:] < 0.6 * steps[:-1]).all()


def test_a_vector_has_waves_on_each_sublattice() -> None:
    window = np.tile([0.0, 2.0, 2.0, 0.0], 2)
    basis = position_basis(window, 4)
    assert basis.shape == (1 + 2 * 7, 8)
    assert np.array_equal(basis[0], window)
    assert np.allclose(basis[1:8, :4], 2.0 * standing_waves(7, 4))
    assert not basis[1:8, 4:].any()
    assert not basis[8:, :4].any()


def test_the_factors_hold_a_window_exactly_and_the_rest_as_near_as_can_be() -> None:
    x = np.arange(12)
    window = np.linspace(0.0, 1.0, 12)
    exact = (x[:, None] - x[None, :]) * window
    differences, profiles = factor_bases(exact)
    assert np.allclose(differences[0] * profiles[0], exact, atol=1e-12)
    rough = exact + np.random.default_rng(0).standard_normal((12, 12))
    differences, profiles = factor_bases(rough)
    best = np.linalg.norm(rough - differences[0] * profiles[0])
    for place in (0, 5, 11):
        other = profiles[0].copy()
        other[place] += 0.1
        assert np.linalg.norm(rough - differences[0] * other) > best


# ------------------------------------------------------------------ the networks


@pytest.mark.parametrize("complex", [False, True])
@pytest.mark.parametrize("channels", [None, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_network_is_the_sum_it_stands_for(
    kind: str, channels: int | None, complex: bool
) -> None:
    sample = states("complex" if complex else "real", cells=9)
    net = free(9, kind, channels)
    module = net.module(seed=5, dtype="float64", complex=complex)
    weights = {name: p.numpy() for name, p in module.state_dict().items()}
    nodes = net.nodes
    if kind == "low rank":
        left, right = (
            weights[f"D.{side}"].reshape(-1, 2, n) for side, n in (("left", 4), ("right", 8))
        )
        D = np.einsum(
            "cbk,cbl,kxy,ly->cxy",
            left,
            right,
            nodes["D.left.basis"].array,
            nodes["D.right.basis"].array,
        )
    else:
        D = np.einsum("ck,kxy->cxy", np.atleast_2d(weights["D.weights"]), nodes["D.basis"].array)
    expected = np.einsum("cxy,sxy->sc", D, np.abs(sample.q()) ** 2)
    value = net(sample, seed=5)
    assert np.allclose(value.reshape(expected.shape), expected, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_is_folded_to_the_same_few_numbers_at_every_length(kind: str) -> None:
    _, numbers = KINDS[kind]
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


def test_low_rank_starts_exact_and_is_of_low_rank() -> None:
    sample = states("real", cells=10)
    exact = tnl.rswn(10)(sample)
    for bond in (1, 3):
        net = tnl.rswn(10).trainable("D", structure="position", bond=bond)
        assert np.allclose(net(sample), exact, atol=1e-12)
        start = net.parameters["D.right"].exact
        assert all(np.any(row) for row in start)  # else no gradient would reach the factor beside
    weights = np.random.default_rng(0).standard_normal
    differences, profiles = factor_bases(np.ones((30, 30)))
    D = np.einsum("bk,bl,kxy,ly->xy", weights((2, 4)), weights((2, 8)), differences, profiles)
    assert np.linalg.matrix_rank(D, tol=1e-9) == 2 + 1
    assert np.abs(np.diagonal(D)).max() < 1e-12


def test_what_cannot_be_a_function_of_position() -> None:
    quartic, sublattice = tnl.rswn(6), tnl.rswn(6, "sublattice")
    with pytest.raises(ConfigError, match="bond"):
        sublattice.trainable("X", structure="position", bond=2)
    for bond in (0, True, 1.5):
        with pytest.raises(ConfigError, match="bond"):
            quartic.trainable("D", structure="position", bond=bond)
    with pytest.raises(ConfigError, match="bond"):
        quartic.trainable("D", structure="position-short", bond=1)
    with pytest.raises(ConfigError, match="two site indices"):
        sublattice.trainable("window", structure="position-short")
    with pytest.raises(ConfigError, match="one or two site indices"):
        position_basis(np.zeros((6, 2)), 6)


# ------------------------------------------------------------------ frozen factors first


def test_a_sum_of_functions_is_contracted_with_the_data_first() -> None:
    plan = free(12, "position").plan()
    folded = [plan.term(i) for i in plan.frontier]
    assert [t.name for t in folded] == ["D.basis_q2"]
    assert not any(t.live for t in folded)


def test_elementwise_products_are_left_as_they_are() -> None:
    """No function is summed over in X times a window, so the commutator is formed as it stands."""
    plan = tnl.rswn(6, "operator").trainable("X", channels=2).plan()
    assert [plan.term(i).shape for i in plan.frontier] == [(None, 12, 12)]


def test_a_formula_with_an_expanded_operator_is_right() -> None:
    u, v = f.states(8)
    q = u @ v.H
    profile = np.linspace(1.0, 2.0, 8)
    net = f.Tr(f.diagonal("g", profile) @ q.H @ q @ f.diagonal("h", profile)).network()
    free_net = net.trainable("g", structure="position", init=tnl.init.exact(0.2))
    sample = states("real", cells=8)
    weights = free_net.module(seed=1, dtype="float64").state_dict()["g.weights"].numpy()
    g = weights @ free_net.nodes["g.basis"].array
    expected = np.einsum("y,sxy,y->s", g, sample.q() ** 2, profile)
    assert np.allclose(free_net(sample, seed=1), expected, atol=1e-10)
