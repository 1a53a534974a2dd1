import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import chains

import tnlearn as tnl
from tnlearn.errors import NotChiralError, NotFiniteError, ShapeError, UnknownNameError
from tnlearn.physics.states import bidiagonal_svd

quick = settings(max_examples=40, deadline=None)


NEIGHBOURS = chains(min_cells=2, boundaries=("open",), max_range=1)


@settings(max_examples=80, deadline=None)
@given(st.one_of(chains(min_cells=1), NEIGHBOURS))
def test_states_are_an_svd_of_the_block_and_eigenstates_of_the_hamiltonian(batch):
    solved, h = batch.states(), batch.block()
    rebuilt = (solved.u.swapaxes(1, 2) * solved.energies[:, None]) @ solved.v.conj()
    assert np.allclose(rebuilt, h, rtol=0, atol=1e-13)
    assert (np.diff(solved.energies, axis=1) >= 0).all()
    assert (solved.energies >= 0).all()
    assert solved.dtype == batch.dtype
    q = solved.q()
    assert np.allclose(q @ q.conj().swapaxes(1, 2), np.eye(batch.cells), rtol=0, atol=1e-13)
    assert np.allclose((np.abs(solved.u) ** 2).sum(axis=2), 1, rtol=0, atol=1e-13)
    psi = np.zeros((batch.samples, 2 * batch.cells, batch.cells), complex)
    for sign in (1, -1):
        psi[:, 0::2] = solved.u.swapaxes(1, 2)
        psi[:, 1::2] = sign * solved.v.swapaxes(1, 2)
        right = sign * psi * solved.energies[:, None]
        assert np.allclose(batch.hamiltonian() @ psi, right, rtol=0, atol=1e-12)


@quick
@given(chains())
def test_gauge_and_order_leave_q_alone(batch):
    found = batch.states()
    rng = np.random.default_rng(1)
    turned = found.random_gauge(rng)
    assert np.allclose(turned.q(), found.q(), rtol=0, atol=1e-13)
    order = rng.permutation(batch.cells)
    mixed = type(found)(found.u[:, order], found.v[:, order], found.energies[:, order])
    assert np.allclose(mixed.q(), found.q(), rtol=0, atol=1e-13)


def test_random_gauge_turns_both_signs_and_phases():
    rng = np.random.default_rng(0)
    real = tnl.ssh(10, 0.5, 1.0, 0.3, 0.3, samples=50, seed=0).states()
    ratio = real.random_gauge(rng).u / real.u
    assert set(np.round(ratio[np.abs(real.u) > 1e-3], 6)) == {-1.0, 1.0}
    threaded = tnl.chain(6, {0: 0.5, 1: 1j}).states()
    factor = threaded.random_gauge(rng).u / threaded.u
    assert np.abs(factor.imag).max() > 0.01


def test_blocks_hamiltonians_and_chains_agree():
    batch = tnl.ssh(7, 0.5, 1.0, 0.3, 0.3, samples=3, seed=0)
    expected, h = batch.states(), batch.block()
    for matrix, solved in ((batch, expected), (h, expected), (h[1], expected[1])):
        assert np.array_equal(tnl.states(matrix).u, solved.u)
        assert np.array_equal(tnl.states(matrix).energies, solved.energies)
    for full in (batch.hamiltonian(), np.block([[0 * h, h], [h.swapaxes(1, 2), 0 * h]])):
        assert np.allclose(tnl.states(full).q(), expected.q(), rtol=0, atol=1e-12)


def test_slices_and_precision():
    found = tnl.chain(6, {0: 0.5, 1: 1j}, samples=4).states()
    assert len(found[1:3]) == 2
    assert len(found[-1]) == 1
    assert found.astype("float32").u.dtype == np.complex64
    assert found.astype("complex64").energies.dtype == np.float32
    real = tnl.ssh(6, 0.5, 1.0).states()
    assert real.dtype == np.float64
    assert real.astype(np.float32).v.dtype == np.float32
    with pytest.raises(UnknownNameError, match="float32"):
        real.astype("float16")
    with pytest.raises(UnknownNameError, match="dtype"):
        real.astype("single precision")


def test_an_edge_pair_split_below_rounding_still_gives_a_unitary_q():
    q = tnl.ssh(200, 0.3, 1.0).states().q()[0]
    assert np.allclose(q @ q.T, np.eye(200), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("error", "match", "h"),
    [
        (ShapeError, "square", np.ones((3, 4))),
        (ShapeError, "square", np.ones(5)),
        (ShapeError, "square", np.ones((2, 2, 3))),
        (ShapeError, "square", np.zeros((0, 0))),
        (ShapeError, "square", np.ones((1, 1, 2, 2))),
        (ShapeError, "numbers", [["a", "b"], ["c", "d"]]),
        (ShapeError, "numbers", [[1.0, 2.0], [3.0]]),
        (NotFiniteError, "NaN", np.full((3, 3), np.nan)),
        (NotFiniteError, "infinite", np.diag([1.0, np.inf])),
        (NotChiralError, "not chiral", np.ones((3, 3))),
    ],
)
def test_bad_blocks_get_one_clear_error(error, match, h):
    with pytest.raises(error, match=match):
        tnl.states(h)
    with pytest.raises(error, match=match):
        tnl.winding(h)


def test_states_of_unlike_shapes_are_refused():
    with pytest.raises(ShapeError, match="energies"):
        tnl.States(np.ones((1, 3, 3)), np.ones((1, 3, 4)), np.ones((1, 3)))


@pytest.mark.parametrize("lower", [True, False])
def test_bidiagonal_svd_with_zeros(lower):
    d, e = np.array([[1.0, 0.0, -2.0, 3.0]]), np.array([[0.5, 1.0, 0.0]])
    u, vt, s = np.empty((1, 4, 4)), np.empty((1, 4, 4)), np.empty((1, 4))
    assert bidiagonal_svd(d, e, lower, u, vt, s)
    h = np.diag(d[0]) + np.diag(e[0], -1 if lower else 1)
    assert np.allclose(np.einsum("nx,n,yn->xy", u[0], s[0], vt[0]), h, rtol=0, atol=1e-14)
