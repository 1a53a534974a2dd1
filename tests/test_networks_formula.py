"""A user's own formulas: equal to plain linear algebra, and clear when they are wrong."""

from __future__ import annotations

import doctest
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tnlearn as tnl
from tnlearn.errors import ConfigError, NotFiniteError, ShapeError, UnknownNameError
from tnlearn.networks import formula as f

CELLS = 4
QUICK = settings(max_examples=60, deadline=None)
TIGHT = {"rtol": 1e-11, "atol": 1e-11}


def _unitary(rng, complex):
    h = rng.standard_normal((2, CELLS, CELLS))
    return tnl.states(h + 1j * rng.standard_normal(h.shape) if complex else h)


@st.composite
def _pairs(draw, complex: bool):
    """A random operator expression and the same one as (samples, x, y) matrices."""
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    sample = _unitary(rng, complex)
    u, v = f.states(CELLS)
    M = rng.standard_normal((CELLS, CELLS))
    C = rng.standard_normal((CELLS, CELLS)) + 1j * rng.standard_normal((CELLS, CELLS))
    d, w = rng.standard_normal((2, CELLS))
    w = w + 0.5j * d if complex else w
    X = f.diagonal("X", d)
    atoms = [
        (u @ v.H, sample.q()),
        (u, sample.u.swapaxes(1, 2)),
        (v, sample.v.swapaxes(1, 2)),
        (f.matrix("M", M), M[None]),
        (f.matrix("C", C), C[None]),
        (f.diagonal("w", w), np.diag(w)[None]),
        (X, np.diag(d)[None]),
    ]

    def dagger(a):
        return a.conj().swapaxes(-1, -2)

    def build(depth):
        kind = draw(st.sampled_from("aapHs+-c" if depth else "a"))
        if kind == "a":
            return draw(st.sampled_from(atoms))
        (e, a) = build(depth - 1)
        if kind == "H":
            return e.H, dagger(a)
        if kind == "s":
            return -2.5 * e / 2, -1.25 * a
        if kind == "c":
            x = np.diag(d)
            return f.commutator(X, e), x @ a - a @ x
        g, b = build(depth - 1)
        if kind == "p":
            return e @ g, a @ b
        return (e + g, a + b) if kind == "+" else (e - g, a - b)

    return sample, atoms[0], build(3)


@pytest.mark.parametrize("complex", [False, True], ids=["real", "complex"])
def test_random_expressions_equal_linear_algebra(complex):
    @given(case=_pairs(complex))
    @QUICK
    def check(case):
        sample, (q, block), (e, a) = case
        formula = f.Tr(q @ e) - 0.5 * f.Tr(e.H) + f.Tr(e) / 4
        exact = np.trace(block @ a, axis1=1, axis2=2)
        exact = exact + np.trace(0.25 * a - 0.5 * a.conj().swapaxes(1, 2), axis1=1, axis2=2)
        tensors = torch.as_tensor(sample.u), torch.as_tensor(sample.v)
        for part, value in (("real", exact.real), ("imag", exact.imag)):
            net = formula.network(part=part)
            np.testing.assert_allclose(net(sample), value, **TIGHT)
            module = net.module(dtype="float64", complex=complex)
            np.testing.assert_allclose(module(*tensors), value, **TIGHT)
            cost = net.cost(2)
            assert cost.naive >= cost.path >= cost.shared

    check()


def test_the_example_of_the_docstring():
    names = {}
    for example in doctest.DocTestParser().get_examples(f.__doc__):
        exec(example.source, names)
    net = names["net"]
    sample = tnl.ssh(6, 0.3, 1.0).states()
    q = sample.q()[0]
    exact = sum((x - y) * abs(q[x, y]) ** 2 for x in range(6) for y in (2, 3)) / 2
    np.testing.assert_allclose(net(sample), [exact], rtol=1e-12)


@cache
def _commutators(seed):
    """[X, O] with a diagonal X, with X as a full matrix, and with x - y itself."""
    position = np.random.default_rng(seed).standard_normal(CELLS)
    u, v = f.states(CELLS)
    q = u @ v.H
    difference = f.displacement("X", position[:, None] - position[None, :])
    return [
        (f.Tr(q.H @ f.commutator(X, q)) + f.Tr(f.commutator(X, q @ q).H)).network()
        for X in (f.diagonal("X", position), f.matrix("X", np.diag(position)), difference)
    ]


@given(seed=st.integers(0, 1000), position=st.integers(0, 3), complex=st.booleans())
@QUICK
def test_the_elementwise_commutator_is_the_full_one(seed, position, complex):
    sample = _unitary(np.random.default_rng(seed), complex)
    values = [net(sample) for net in _commutators(position)]
    np.testing.assert_allclose(values[1], values[0], **TIGHT)
    np.testing.assert_allclose(values[2], values[0], **TIGHT)


def test_the_commutator_of_two_diagonal_operators_is_zero():
    u, v = f.states(CELLS)
    X, w = f.diagonal("X", np.arange(4.0)), f.diagonal("w", np.ones(4))
    sample = tnl.ssh(CELLS, 1.0, 0.5).states()
    for inner in (w, X, w @ X, w.H):
        net = f.Tr(u @ v.H @ f.commutator(X, inner)).network()
        np.testing.assert_array_equal(net(sample), [0.0])


def test_traces_without_states_beside_traces_with():
    rng = np.random.default_rng(0)
    A, B, w = rng.standard_normal((4, 4)), rng.standard_normal((3, 3)), rng.standard_normal(5)
    u, v = f.states(CELLS)
    sample = tnl.ssh(CELLS, 1.0, 0.5, disorder_intra=1.0, samples=2, seed=0).states()
    net = (
        f.Tr(u @ v.H) + f.Tr(f.matrix("A", A)) - f.Tr(f.matrix("B", B)) + f.Tr(f.diagonal("w", w))
    ).network()
    exact = np.trace(sample.q(), axis1=1, axis2=2) + np.trace(A) - np.trace(B) + w.sum()
    np.testing.assert_allclose(net(sample), exact, **TIGHT)
    np.testing.assert_allclose(net.trainable("A", "w")(sample), exact, **TIGHT)


def test_fewer_states_than_cells():
    sample = tnl.ssh(6, 0.5, 1.0, disorder_intra=0.3, samples=2, seed=1).states()
    u, v = f.states(6, 2)
    X = f.diagonal("X", np.arange(6.0))
    net = f.Tr(X @ u @ v.H).network()
    part = sample.u[:, :2], sample.v[:, :2]
    q = np.einsum("snx,sny->sxy", *part)
    np.testing.assert_allclose(net(*part), np.einsum("x,sxx->s", np.arange(6.0), q), **TIGHT)
    with pytest.raises(ShapeError, match="2 states, 6 cells"):
        net(sample)


def test_eigenstates_make_the_flattened_hamiltonian():
    sample = tnl.ssh(3, 0.5, 1.0, disorder_inter=0.4, samples=2, seed=2).states()
    psi, sigma = f.eigenstates(3)
    rng = np.random.default_rng(0)
    M = rng.standard_normal((6, 6))
    net = f.Tr(f.matrix("M", M) @ psi @ sigma @ psi.H).network()
    zero = np.zeros((2, 3, 3))
    Q = np.block([[zero, sample.q()], [sample.q().swapaxes(1, 2), zero]])
    np.testing.assert_allclose(net(sample), np.einsum("xy,syx->s", M, Q), **TIGHT)


def _parts():
    u, v = f.states(CELLS)
    return u @ v.H, f.diagonal("X", np.arange(4.0)), f.matrix("M", np.eye(4))


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        (lambda q, X, M: q @ f.matrix("N", np.eye(5)), ("'v'", "'N'")),
        (lambda q, X, M: f.diagonal("g", np.ones(5)) @ q, ("'g'", "'u'")),
        (lambda q, X, M: q @ M @ f.matrix("T", np.ones((3, 4))), ("'M'", "'T'")),
        (lambda q, X, M: f.commutator(f.diagonal("g", np.ones(3)), q), ("'g.difference'", "'u'")),
    ],
)
def test_operators_that_do_not_fit_are_named(wrong, names):
    with pytest.raises(ShapeError, match="do not fit together") as error:
        f.Tr(wrong(*_parts())).network()
    assert all(name in str(error.value) for name in names), error.value
    assert "size" in str(error.value)


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        (lambda q, X, M: q @ np.eye(4), ConfigError, "formula.matrix"),
        (lambda q, X, M: np.eye(4) @ q, ConfigError, "formula.matrix"),
        (lambda q, X, M: q + 1, ConfigError, "formula.matrix"),
        (lambda q, X, M: q * M, ConfigError, "'@'"),
        (lambda q, X, M: 1j * q, ConfigError, "real number"),
        (lambda q, X, M: f.Tr(3), ConfigError, "operators"),
        (lambda q, X, M: f.Tr(q) + 1, ConfigError, "adds to a trace"),
        (lambda q, X, M: f.commutator(np.arange(4), q), ConfigError, "formula.diagonal"),
        (lambda q, X, M: f.Tr(q).network(part="rael"), UnknownNameError, "'real'"),
        (lambda q, X, M: f.Tr(M).network(), ConfigError, "no states"),
        (lambda q, X, M: f.Tr(f.matrix("X", np.eye(4)) @ X @ q).network(), ConfigError, "rename"),
        (lambda q, X, M: f.Tr(f.matrix("u", np.eye(4)) @ q).network(), ConfigError, "rename"),
        (lambda q, X, M: f.Tr(f.matrix("trace", np.eye(4)) @ q).network(), ConfigError, "rename"),
        (lambda q, X, M: f.Tr(M @ q).network("M"), ConfigError, "rename"),
        (lambda q, X, M: f.Tr(M @ q).network("trace"), ConfigError, "rename"),
        (lambda q, X, M: f.matrix("", np.eye(4)), ConfigError, "name"),
        (lambda q, X, M: f.matrix("a.", np.eye(4)), ConfigError, "name"),
        (lambda q, X, M: f.matrix("A", np.ones(4)), ShapeError, "rows, columns"),
        (lambda q, X, M: f.diagonal("A", np.eye(4)), ShapeError, "vector"),
        (lambda q, X, M: f.diagonal("A", ["a", "b"]), ShapeError, "numbers"),
        (lambda q, X, M: f.diagonal("A", [1.0, np.nan]), NotFiniteError, "'A'"),
        (
            lambda q, X, M: f.Tr(q @ f.displacement("d", np.eye(4))).network(),
            ConfigError,
            "commutator",
        ),
    ],
)
def test_errors_are_clear(wrong, error, match):
    with pytest.raises(error, match=match):
        wrong(*_parts())


def test_numbers_of_numpy_are_factors():
    q, _, M = _parts()
    sample = tnl.ssh(CELLS, 1.0, 0.5).states()
    once = f.Tr(q @ M).network()(sample)
    twice = (np.float64(4.0) * f.Tr(np.float32(0.5) * q @ M)).network()(sample)
    np.testing.assert_allclose(twice, 2 * once, **TIGHT)
    np.testing.assert_allclose((-f.Tr(-q @ M)).network()(sample), once, **TIGHT)
