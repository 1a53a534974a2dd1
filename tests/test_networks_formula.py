"""A user's own formulas: equal to plain linear algebra, and clear when they are wrong."""

from __future__ import annotations

import doctest
import json
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tnlearn as tnl
from tnlearn.errors import ConfigError, NotFiniteError, ShapeError, UnknownNameError
from tnlearn.models.catalogue import rebuild
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


RNG = np.random.default_rng(7)
POSITION, MASK = RNG.normal(size=(2, 5))
GRAINS = RNG.normal(size=(5, 5))
CELLS_OF = [1, 0, 2, 1, 0]


def _fed(samples: int = 3) -> dict[str, np.ndarray]:
    """Any operators: rectangular psi, hermitian P, general A."""
    raw = RNG.normal(size=(2, 3, samples, 5, 5)) * np.array([1.0, 1j]).reshape(2, 1, 1, 1, 1)
    psi, P, A = raw.sum(0)
    return {"psi": psi[..., :2], "P": P + P.conj().swapaxes(1, 2), "A": A}


def _language() -> dict[str, tuple[f.Scalar, object]]:
    """Formulas, and what they are of matrices (samples, rows, columns) in numpy."""
    psi, P = f.input("psi", 5, 2), f.input("P", 5, hermitian=True)
    A, X, w = f.input("A", 5), f.diagonal("X", POSITION), f.diagonal("w", MASK)
    g, d = f.matrix("g", GRAINS), f.displacement("d", GRAINS)
    Q = f.define("Q", psi @ psi.H, hermitian=True)
    S = f.define("S", P @ X @ P + 0.5 * Q - w, hermitian=True)
    D = f.define("D", X @ w)
    x, m = np.diag(POSITION), np.diag(MASK)

    def tr(a):
        return np.trace(a, axis1=1, axis2=2)

    def cells(a):
        return np.stack(
            [np.diagonal(a, 0, 1, 2)[:, np.equal(CELLS_OF, k)].sum(1) for k in range(3)], 1
        )

    def numbers(psi, P, A):
        Q = psi @ psi.conj().swapaxes(1, 2)
        S = P @ x @ P + 0.5 * Q - m
        return {
            "definitions": tr(Q @ A @ S @ Q) + tr(x @ m @ A),
            "adjoints": tr((S @ A).conj().swapaxes(1, 2) @ P) - tr(A.conj().swapaxes(1, 2)),
            "commutator": tr(A @ (P @ S - S @ P)),
            "entrywise": tr(x @ (GRAINS * (A @ P))) + tr((GRAINS * S).conj().swapaxes(1, 2) @ A),
            "products": 2 * tr(A @ x) * tr(P @ A) ** 2 - (tr(A) - tr(Q @ A)) * tr(A @ x),
            "parts": tr(A).imag * tr(A @ P).real ** 3 + 0j,
            "cells": cells(A @ x) * tr(P)[:, None] - 3 * cells(Q).real,
            "weights": np.diagonal(A @ P, 0, 1, 2) @ GRAINS,
            "sites": np.diagonal(P @ A, 0, 1, 2) ** 2,
            "antisymmetric": tr(A @ P @ S) - tr(P @ A @ S),
        }

    formulas = {
        "definitions": f.Tr(Q @ A @ S @ Q) + f.Tr(D @ A),
        "adjoints": f.Tr((S @ A).H @ P) - f.Tr(A.H),
        "commutator": f.Tr(A @ f.commutator(P, S)),
        "entrywise": f.Tr(X @ f.hadamard(g, A @ P)) + f.Tr(f.hadamard(d, S).H @ A),
        "products": 2 * f.Tr(A @ X) * f.Tr(P @ A) ** 2 - (f.Tr(A) - f.Tr(Q @ A)) * f.Tr(A @ X),
        "parts": f.Im(f.Tr(A)) * f.Re(f.Tr(A @ P)) ** 3,
        "cells": f.local(A @ X, per=CELLS_OF) * f.Tr(P) - 3 * f.Re(f.local(Q, per=CELLS_OF)),
        "weights": f.local(A @ P, per=g),
        "sites": f.local(P @ A) ** 2,
        "antisymmetric": sum(s * f.Tr([A, P][i] @ [A, P][j] @ S) for s, (i, j) in f.epsilon(2)),
    }
    return {name: (formula, numbers) for name, formula in formulas.items()}


@pytest.mark.parametrize("name", _language())
def test_the_language_equals_linear_algebra(name):
    formula, numbers = _language()[name]
    for part in ("real", "imag"):
        net = tnl.network(formula, name="total", part=part)
        arrays = {n: x for n, x in _fed().items() if n in net.inputs}
        exact = getattr(numbers(**_fed() | arrays)[name], part)
        np.testing.assert_allclose(net(arrays), exact, **TIGHT)
        tensors = {n: torch.as_tensor(x) for n, x in arrays.items()}
        module = net.module(dtype="float64", complex=True)
        np.testing.assert_allclose(module(tensors), exact, **TIGHT)
        described = rebuild(json.loads(json.dumps(net.describe())))
        np.testing.assert_array_equal(described(arrays), net(arrays))


def test_what_hermitian_operators_share():
    n = 12
    A, B = (f.input(name, n, hermitian=True) for name in "AB")
    w, product = f.diagonal("w", np.arange(n)), 2 * n**3
    commutator = f.define("K", f.commutator(A, B))
    assert tnl.network(f.Tr(w @ commutator @ commutator)).cost(1).shared < 1.5 * product
    plain = f.define("K", A @ f.input("C", n) - f.input("C", n) @ A)
    assert tnl.network(f.Tr(w @ plain @ plain)).cost(1).shared > 2 * product
    # psi psi† is seen to be hermitian without a word
    psi = f.occupied("psi", n, n)
    P = f.define("P", psi @ psi.H)
    twice = f.Tr(w @ P @ A @ w @ P @ A) - f.Tr(w @ A @ P @ w @ A @ P)
    assert tnl.network(twice).cost(1).shared < 2.6 * product


def test_what_is_declared_hermitian_is_checked_and_not_believed_of_what_is_trained():
    A = f.input("A", 5, hermitian=True)
    X = f.diagonal("X", POSITION)
    K = f.define("K", A @ X - X @ A, hermitian=True)  # it is antihermitian
    raw, good = _fed()["A"], _fed()["P"]
    with pytest.raises(ConfigError, match="'A' is not hermitian"):
        tnl.network(f.Tr(X @ A))(raw)
    net = tnl.network(f.Tr(X @ K @ A @ K))
    with pytest.raises(ConfigError, match="'K' is not hermitian"):
        net(good)
    S = f.define("S", A @ X @ A, hermitian=True)
    net = tnl.network(f.Im(f.Tr(A @ S @ X @ S)) + f.Tr(S @ A) - f.Tr(A @ S)).trainable(
        "X", structure="dense", init=tnl.init.normal(1.0)
    )
    M = net.nodes["X"]
    X = tnl.networks.init.draw(M.init, M.sizes, "X", M.exact, seed=3, member=0)
    s = good @ X @ good
    exact = np.einsum("sab,sbc,cd,sda->s", good, s, X, s).imag
    np.testing.assert_allclose(net(good, seed=3), exact, **TIGHT)


def test_a_product_of_few_states_is_passed_by():
    psi = f.occupied("psi", 30, 3)
    P = f.define("P", psi @ psi.H, hermitian=True)
    A, B = (f.diagonal(name, RNG.normal(size=30)) for name in "AB")
    short = tnl.network(f.Im(f.Tr(A @ P @ B @ P @ A @ B @ P)))
    assert short.cost(1).peak <= 90 < short.cost(1).naive
    assert "P" in short.nodes
    both = tnl.network(f.Tr(A @ P @ B @ P) + f.Tr(f.hadamard(f.matrix("g", np.ones((30, 30))), P)))
    x = np.linalg.qr(RNG.normal(size=(2, 30, 3)))[0].swapaxes(1, 2)
    p = x.swapaxes(1, 2) @ x
    a, b = (np.diag(short.nodes[n].array) for n in "AB")
    exact = np.trace(a @ p @ b @ p + p, axis1=1, axis2=2)
    np.testing.assert_allclose(both(x), exact, **TIGHT)


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        (lambda q, X, M: tnl.network(q), ConfigError, r"close it with formula.Tr"),
        (lambda q, X, M: tnl.network(3.0), ConfigError, "this is 3.0"),
        (lambda q, X, M: f.Tr(f.input("a", 3, 5)).network(), ShapeError, "3 rows and 5 columns"),
        (lambda q, X, M: f.Tr(f.Tr(q)), ConfigError, "no operator"),
        (lambda q, X, M: f.Tr(q) ** 0.5, ConfigError, "power of a trace"),
        (lambda q, X, M: f.Tr(q) / f.Tr(q), ConfigError, "divided by numbers only"),
        (lambda q, X, M: q * f.Tr(q), ConfigError, "takes a number here"),
        (lambda q, X, M: f.Re(q), ConfigError, "Re and Im take numbers"),
        (lambda q, X, M: f.hadamard(X, q), ConfigError, "not a diagonal"),
        (lambda q, X, M: f.hadamard(q, q), ConfigError, "define"),
        (lambda q, X, M: f.local(q, per=[0.5, 1, 2, 3]), ShapeError, "number of the cell"),
        (lambda q, X, M: f.local(q, per=[0, 1]).network(), ShapeError, "do not fit together"),
        (lambda q, X, M: f.local(q, per=X), ConfigError, "sites × cells"),
        (
            lambda q, X, M: (f.local(q) + f.local(q, per=[0, 0, 1, 1])).network(),
            ShapeError,
            "do not add",
        ),
        (
            lambda q, X, M: f.Tr(f.define("a", q) @ f.define("a", M)).network(),
            ConfigError,
            "two different operators",
        ),
        (lambda q, X, M: f.input("a", 2, 3, hermitian=True), ShapeError, "cannot be hermitian"),
        (lambda q, X, M: f.input("a", 0), ConfigError, "rows"),
        (lambda q, X, M: f.input("a", 3).H + 1, ConfigError, "formula.matrix"),
        (lambda q, X, M: f.Tr(q).network()(u=1, w=2), UnknownNameError, "unknown input 'w'"),
        (lambda q, X, M: f.epsilon(0), ConfigError, "dimensions"),
        (
            lambda q, X, M: f.Tr(f.input("a", 3)).network()(np.ones((2, 4, 4))),
            ShapeError,
            r"\(samples, 3 rows, 3 columns\)",
        ),
    ],
)
def test_what_the_language_refuses(wrong, error, match):
    with pytest.raises(error, match=match):
        wrong(*_parts())


def test_numbers_of_numpy_are_factors():
    q, _, M = _parts()
    sample = tnl.ssh(CELLS, 1.0, 0.5).states()
    once = f.Tr(q @ M).network()(sample)
    twice = (np.float64(4.0) * f.Tr(np.float32(0.5) * q @ M)).network()(sample)
    np.testing.assert_allclose(twice, 2 * once, **TIGHT)
    np.testing.assert_allclose((-f.Tr(-q @ M)).network()(sample), once, **TIGHT)
