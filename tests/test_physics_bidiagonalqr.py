"""Implicit QR of small bidiagonal blocks: as accurate as LAPACK, also in what is tiny."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tnlearn as tnl
from tnlearn.physics import states as states_module
from tnlearn.physics.bidiagonalqr import qr_states
from tnlearn.physics.lapack import bidiagonal_svd
from tnlearn.physics.spectrum import count_below

quick = settings(max_examples=80, deadline=None)


def decompose(d, e):
    samples, n = d.shape
    u, v, s = np.empty((samples, n, n)), np.empty((samples, n, n)), np.empty((samples, n))
    assert qr_states(d, e, u, v, s)
    return u, v, s


def dense(d, e):
    h = np.zeros((*d.shape, d.shape[1]))
    x = np.arange(d.shape[1])
    h[:, x, x] = d
    h[:, x[:-1], x[1:]] = e
    return h


def check(d, e):
    """An SVD to a few rounding errors, in order, each value known to relative precision."""
    u, v, s = decompose(d, e)
    h, n = dense(d, e), d.shape[1]
    norm = np.abs(h).max(axis=(1, 2))
    norm = np.where(norm > 0, norm, 1.0)
    one = np.eye(n)
    rounding = 1e-15 * (10 + 2 * n)
    for w in (u, v):
        assert np.abs(w @ w.swapaxes(1, 2) - one).max() < rounding
    scaled = s / norm[:, None]
    rebuilt = (u.swapaxes(1, 2) * scaled[:, None]) @ v
    assert np.abs(rebuilt - h / norm[:, None, None]).max() < rounding
    assert (s >= 0).all()
    assert (np.diff(s, axis=1) >= 0).all()
    for k in range(len(d)):
        p = np.abs(d[k]) / (2 * norm[k])
        r = np.abs(e[k]) / (2 * norm[k])
        if not p.all():
            # A zero on the diagonal is a singular value zero, exactly.
            assert s[k, 0] == 0.0
            continue
        marks = scaled[k] / 2 * np.array([[1 - 1e-14 * n], [1 + 1e-14 * n]])
        counts = np.empty(2 * n)
        # Numbers, and the squares of what is counted, must not be subnormal.
        if marks.min() > 1e-150 and s[k, 0] > 1e-300:
            count_below(p, r, marks.ravel(), counts)
            assert (counts[:n] <= np.arange(n)).all()
            assert (counts[n:] >= np.arange(1, n + 1)).all()
    return u, v, s


@st.composite
def bidiagonals(draw):
    n = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["random", "graded", "clean", "critical", "decades", "signs"]))
    shape = (3, n)
    x = np.arange(n)
    if kind == "random":
        d, e = rng.uniform(0, 1, shape), rng.uniform(0, 1, shape)
    elif kind == "graded":
        slope = draw(st.sampled_from([-8.0, -1.0, 1.0, 8.0]))
        d = rng.uniform(0.5, 1, shape) * 10.0 ** (slope * x / n * 4)
        e = rng.uniform(0.5, 1, shape) * 10.0 ** (slope * x / n * 4)
    elif kind == "clean":
        d, e = np.full(shape, rng.uniform(0, 2)), np.full(shape, 1.0)
    elif kind == "critical":
        d, e = np.full(shape, 1.0 + draw(st.sampled_from([0.0, 1e-15, 1e-9]))), np.ones(shape)
    elif kind == "decades":
        d, e = 10.0 ** rng.uniform(-12, 0, shape), 10.0 ** rng.uniform(-12, 0, shape)
    else:
        d, e = rng.normal(size=shape), rng.normal(size=shape)
    e = e[:, : n - 1]
    # Cut apart, and zero modes.
    e = np.where(rng.random(e.shape) < draw(st.sampled_from([0.0, 0.0, 0.2])), 0.0, e)
    d = np.where(rng.random(d.shape) < draw(st.sampled_from([0.0, 0.0, 0.1])), 0.0, d)
    scale = draw(st.sampled_from([1.0, 1e-120, 1e120, 1e-290, 1e260]))
    return np.ascontiguousarray(d * scale), np.ascontiguousarray(e * scale)


@quick
@given(bidiagonals())
def test_any_bidiagonal_matrix(pair):
    check(*pair)


def test_it_is_as_accurate_as_lapack():
    rng = np.random.default_rng(0)
    for n in (3, 20, 56):
        d, e = rng.uniform(0, 2, (200, n)), rng.uniform(0, 2, (200, n - 1))
        u, v, s = check(d, e)
        a, b, c = np.empty((200, n, n)), np.empty((200, n, n)), np.empty((200, n))
        assert bidiagonal_svd(d, e, False, a, b, c)
        assert np.abs(s[:, ::-1] - c).max() < 1e-14 * n
        q, other = u.swapaxes(1, 2) @ v, a.swapaxes(1, 2) @ b.swapaxes(1, 2)
        sure = s[:, 0] > 1e-4
        assert np.abs(q - other)[sure].max() < 1e-10


def test_a_tiny_singular_value_keeps_its_digits():
    # h = diag(p)(1 + nilpotent): the smallest value of a clean chain is known by its product.
    n = 50
    d, e = np.full((1, n), 0.1), np.full((1, n - 1), 1.0)
    s = check(d, e)[2][0]
    # Π s = Π d, the others being of order one.
    assert abs(np.log(s).sum() - n * np.log(0.1)) < 1e-12 * n
    assert s[0] < 1e-49


def test_the_way_through_qr_and_through_lapack_agree(monkeypatch):
    for chains in (
        tnl.ssh(24, 0.6, 1.0, 0.5, 0.5, samples=5, seed=0),
        tnl.chain(24, {0: 0.6j, -1: 1.0 + 0.2j}, disorder={0: 0.5}, samples=5, seed=0),
        tnl.chain(24, {0: 0.5, 1: 0.0}, disorder={0: 0.5}, samples=2, seed=0),
    ):
        by_qr = tnl.states(chains)
        monkeypatch.setattr(states_module, "_QR_CELLS", 0)
        by_lapack = tnl.states(chains)
        monkeypatch.undo()
        assert np.allclose(by_qr.energies, by_lapack.energies, rtol=0, atol=1e-14)
        assert np.allclose(by_qr.q(), by_lapack.q(), rtol=0, atol=1e-11)
        assert by_qr.dtype == by_lapack.dtype
        for array in (by_qr.u, by_qr.v):
            assert array.flags.c_contiguous
            assert array.flags.writeable


def test_where_it_does_not_converge_lapack_is_asked(monkeypatch):
    chains = tnl.ssh(12, 0.6, 1.0, 0.5, 0.5, samples=5, seed=0)
    expected = tnl.states(chains).q()
    monkeypatch.setattr("tnlearn.physics.bidiagonalqr.qr_states", lambda *given: False)
    assert np.allclose(tnl.states(chains).q(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 15, 16, 17])
def test_sizes_around_the_padding(n):
    rng = np.random.default_rng(n)
    check(rng.normal(size=(7, n)), rng.normal(size=(7, n - 1)))
