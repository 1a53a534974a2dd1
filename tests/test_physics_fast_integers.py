"""The integers of the fast paths, the states by LAPACK, and the parts they are made of."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import chains as any_chains

import tnlearn as tnl
from tnlearn.physics.lapack import bidiagonal_svd
from tnlearn.physics.localizer import KAPPA, inertia, localizer_values, smallest_modulus
from tnlearn.physics.pencil import ring_pencil
from tnlearn.physics.ringgap import ring_gaps
from tnlearn.physics.spectrum import count_below, zero_mode
from tnlearn.physics.structure import bands_of
from tnlearn.physics.transfer import _settle, _stacked, lyapunov_winding
from tnlearn.physics.zolotarev import pole_count, poles

quick = settings(max_examples=60, deadline=None)


@pytest.mark.parametrize(("low", "count"), [(0.3, 8), (1e-3, 24), (1e-10, 72), (1e-40, 275)])
def test_poles_reach_the_error_of_the_formula(low, count):
    table = poles(low, count)
    formula = 4 * math.exp(-(math.pi**2) * count / math.log(4 / low))
    assert table.error < 1.5 * formula
    assert pole_count(low, 1.05 * formula) <= count
    assert np.allclose(table.shifts * table.shifts[::-1], low**2, rtol=1e-12)
    sigma = np.geomspace(low, 1, 1111)[:, None]
    off = np.abs(1 - (table.weights * sigma / (sigma**2 + table.shifts)).sum(axis=1)).max()
    assert off <= table.error


def test_poles_against_mpmath_figures():
    # l = 1e-12, K = 10: s_1, c_1, s_10 by mpmath's ellipfun with 60 digits, in the test below.
    mpmath = pytest.importorskip("mpmath")
    low, count = 1e-12, 10
    with mpmath.workdps(60):
        m = 1 - mpmath.mpf(low) ** 2
        quarter = mpmath.ellipk(m)
        table = poles(low, count)
        for k in range(count):
            tau = (k + mpmath.mpf(1) / 2) * quarter / count
            sn, cn, dn = (mpmath.ellipfun(name, tau, m) for name in ("sn", "cn", "dn"))
            shift = mpmath.mpf(low) ** 2 * (sn / cn) ** 2
            weight = 2 * quarter * mpmath.mpf(low) / (mpmath.pi * count) * dn / cn**2
            assert abs(table.shifts[k] / shift - 1) < 1e-13
            assert abs(table.weights[k] / weight - 1) < 1e-13


@quick
@given(any_chains(boundaries=("periodic",)))
def test_the_dominant_coefficient_and_the_squared_pencil_count_the_same(batch):
    hoppings = batch.hoppings
    low, high = min(hoppings), max(hoppings)
    if low == high:
        return
    count, settled = lyapunov_winding(hoppings)
    bonds = _stacked(hoppings, low, high)
    r = high - low
    pencil = np.empty((batch.samples, r, 2 * r), dtype=bonds.dtype)
    alive = np.empty(batch.samples, dtype=bool)
    ring_pencil(bonds, high, pencil, alive)
    a, b = np.moveaxis(pencil[..., :r], 0, -1), -np.moveaxis(pencil[..., r:], 0, -1)
    outside, known = _settle(a, b, batch.cells)
    both = settled & known
    assert np.array_equal(count[both], low + outside[both])
    assert np.array_equal(settled, known & alive)


def test_sums_of_logarithms_at_and_off_the_transition():
    found = tnl.winding(tnl.ssh(50, [1.0, 1.0 + 1e-6, 0.0, 1.0], [1.0, 1.0, 1.0, 0.0]), "lyapunov")
    assert found.integer.tolist()[1:] == [0, 1, 0]
    assert found.reliable.tolist() == [False, True, True, True]
    assert np.isinf(found.error[0])
    assert (found.error[1:] == 0).all()


def test_next_nearest_bonds_alone_make_two_cycles():
    # Offsets 0 and 2 on an even ring: each half has its own sum, so W = 1 is possible.
    intra = np.tile([0.5, 2.0], (1, 10))
    batch = tnl.chain(20, {0: intra, 2: 1.0})
    for method in ("lyapunov", "twist"):
        assert tnl.winding(batch, method).integer[0] == 1


def test_without_the_gap_nothing_else_changes():
    batch = tnl.chain(15, {-1: 0.3, 0: 0.8, 1: 1.0}, disorder={0: 1.0, 1: 1.0}, samples=50, seed=1)
    for method in ("lyapunov", "twist", "localizer"):
        a, b = tnl.winding(batch, method), tnl.winding(batch, method, gap=False)
        assert np.array_equal(a.integer, b.integer)
        assert np.isnan(b.gap).all()


def test_the_gap_of_long_rings_is_that_of_the_svd():
    for hoppings in ({0: 0.7, 1: 1.0}, {-1: 0.3, 0: 0.5j, 2: 1.0}):
        batch = tnl.chain(
            300, hoppings, disorder={0: 1.0}, boundary="periodic", flux=0.3, samples=2, seed=3
        )
        s = np.linalg.svd(batch.block(), compute_uv=False)
        assert np.allclose(ring_gaps(batch)[0], s[:, -1], rtol=1e-6, atol=1e-13)
    assert tnl.winding(tnl.ssh(300, 1.0, 1.0), "lyapunov").gap[0] < 1e-12
    long = tnl.winding(tnl.ssh(20_000, 0.5, 1.0), "lyapunov")
    assert long.reliable[0]
    assert 0 <= long.gap[0] - 0.5 < 1e-5


@pytest.mark.parametrize("m", [-2, -1, 0, 1, 2])
def test_localizer_of_one_offset(m):
    found = tnl.winding(tnl.chain(24, {m: 1.0, 0: 0.2} if m else {0: 1.0}), "localizer")
    assert found.integer[0] == m
    assert found.reliable[0]
    assert found.error[0] == 0


@quick
@given(any_chains(boundaries=("open",), min_cells=4))
def test_localizer_by_inertia_is_half_the_signature(batch):
    bands = bands_of(batch)
    value, clear, gap = localizer_values(bands)
    norm = np.sum([np.abs(t).max(axis=1) for t in bands.bonds.values()], axis=0)
    away = np.arange(batch.cells) - (batch.cells - 1) / 2 - 0.25
    for s, h in enumerate(batch.block()):
        kappa = KAPPA * norm[s] / batch.cells
        x = kappa * np.diag(away)
        energies = np.linalg.eigvalsh(np.block([[x, h], [h.conj().T, -x]]))
        least = np.abs(energies).min()
        assert abs(gap[s] - least) < 1e-7 * norm[s]
        if least > 1e-6 * norm[s]:
            assert value[s] == ((energies < 0).sum() - (energies > 0).sum()) / 2
        if abs(least - kappa * batch.cells / 4) > 1e-6 * norm[s]:
            assert clear[s] == (least > kappa * batch.cells / 4)


@pytest.mark.parametrize("disorder", [0.0, 0.5, 1.5, 3.0])
@pytest.mark.parametrize("offsets", [(0, 1), (-1, 0, 1, 2)])
def test_a_reliable_localizer_is_the_integer_of_the_sample(offsets, disorder):
    rng = np.random.default_rng(0)
    clean = {m: rng.uniform(-1, 1, 200) for m in offsets}
    batch = tnl.chain(60, clean, disorder=dict.fromkeys(offsets, disorder), seed=0)
    found, own = tnl.winding(batch, "localizer"), tnl.winding(batch, "lyapunov")
    sure = found.reliable & own.reliable
    assert np.array_equal(found.integer[sure], own.integer[sure])
    # And it is reliable wherever the ring has a wide gap.
    norm = np.sum([np.abs(t).max(axis=1) for t in batch.hoppings.values()], axis=0)
    assert found.reliable[own.gap > 0.12 * norm].all()
    if disorder == 3.0:
        assert not found.reliable.all()


def test_the_flag_of_the_localizer_is_its_being_the_same_everywhere():
    """Where the flag is up, no place x_0 in the middle half gives another signature."""
    rng = np.random.default_rng(1)
    batch = tnl.ssh(32, rng.uniform(0, 2, 60), rng.uniform(0, 2, 60), 1.0, 1.0, seed=2)
    found = tnl.winding(batch, "localizer")
    norm = np.sum([np.abs(t).max(axis=1) for t in batch.hoppings.values()], axis=0)
    assert 10 < found.reliable.sum() < 60
    changed = 0
    for k, h in enumerate(batch.block()):
        for place in np.linspace(-7.9, 7.9, 9):
            x = KAPPA * norm[k] / 32 * np.diag(np.arange(32) - 15.5 - 0.25 - place)
            energies = np.linalg.eigvalsh(np.block([[x, h], [h.T, -x]]))
            other = ((energies < 0).sum() - (energies > 0).sum()) / 2 != found.value[k]
            assert not (other and found.reliable[k])
            changed += other
    assert changed > 0


def test_inertia_counts():
    rng = np.random.default_rng(0)
    full = np.tril(np.triu(rng.normal(size=(30, 30)) + 1j * rng.normal(size=(30, 30)), -3), 3)
    full = full + full.conj().T
    bands = np.zeros((30, 4), complex)
    for j in range(4):
        bands[j:, j] = np.diagonal(full, -j)
    energies = np.linalg.eigvalsh(full)
    for shift in (-2.0, -0.1, 0.0, 0.7, 3.0):
        assert inertia(bands, shift)[0] == (energies < shift).sum()
    assert abs(smallest_modulus(bands, 20.0) - np.abs(energies).min()) < 2e-6


def test_counts_and_zero_modes_of_bidiagonal_blocks():
    rng = np.random.default_rng(0)
    p, r = rng.uniform(0.05, 0.5, 25), rng.uniform(0.3, 0.5, 24)
    h = np.diag(p) + np.diag(r, -1)
    u, s, vt = np.linalg.svd(h)
    marks = np.array([1e-3, 0.1, 0.3, 0.6])
    counts = np.empty(4)
    count_below(p, r, marks, counts)
    assert counts.tolist() == [(s < m).sum() for m in marks]
    left, right = np.empty(25), np.empty(25)
    sigma = zero_mode(p, r, s[-1], left, right)
    assert np.allclose(h @ right, sigma * left, rtol=0, atol=1e-15)
    assert np.allclose(h.T @ left, sigma * right, rtol=0, atol=1e-15)
    assert abs(np.outer(left, right) - np.outer(u[:, -1], vt[-1])).max() < 1e-9


@quick
@given(any_chains(min_cells=2, boundaries=("open",), max_range=1))
def test_states_of_neighbours_are_an_svd(batch):
    found = tnl.states(batch)
    h = batch.block()
    rebuilt = (found.u.swapaxes(1, 2) * found.energies[:, None]) @ found.v.conj()
    assert np.allclose(rebuilt, h, rtol=0, atol=1e-13)
    assert np.array_equal(tnl.states(h).energies, found.energies)
    q = found.q()
    assert np.allclose(q @ q.conj().swapaxes(1, 2), np.eye(batch.cells), rtol=0, atol=1e-13)
    assert found.dtype == batch.dtype


@pytest.mark.parametrize("lower", [True, False])
def test_bidiagonal_svd_with_zeros(lower):
    d, e = np.array([[1.0, 0.0, -2.0, 3.0]]), np.array([[0.5, 1.0, 0.0]])
    u, vt, s = np.empty((1, 4, 4)), np.empty((1, 4, 4)), np.empty((1, 4))
    assert bidiagonal_svd(d, e, lower, u, vt, s)
    h = np.diag(d[0]) + np.diag(e[0], -1 if lower else 1)
    assert np.allclose(np.einsum("nx,n,yn->xy", u[0], s[0], vt[0]), h, rtol=0, atol=1e-14)
