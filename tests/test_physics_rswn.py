"""The linear-time winding numbers against the dense SVD."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rswn_reference import clear, compiled, exact, plain

import tnlearn as tnl
from tnlearn.errors import ConfigError
from tnlearn.physics.bidiagonal import scale_bonds
from tnlearn.physics.memory import in_threads
from tnlearn.physics.rswn import (
    TOLERANCE,
    Labels,
    bidiagonal_rswn,
    rswn,
    rswn_values,
)
from tnlearn.physics.spectrum import count_below, zero_mode
from tnlearn.physics.zolotarev import pole_count, poles

quick = settings(max_examples=60, deadline=None)


def check(chains, window=0.5, tolerance=TOLERANCE):
    by_svd = plain(chains, window=window)
    found = compiled(chains, window=window, tolerance=tolerance)
    # Where modes are far below rounding their vectors are a matter of the gauge.
    assert (np.abs(by_svd.value - found.value) <= 1e-10 + by_svd.error + found.error).all()
    both = by_svd.reliable & found.reliable
    assert np.array_equal(by_svd.integer[both], found.integer[both])
    assert np.allclose(by_svd.gap, found.gap, rtol=1e-6, atol=0)
    value, gap, rounding = exact(chains, window)
    sure = clear(chains)
    off = np.abs(found.value - value)[sure]
    assert (off <= found.error[sure] + rounding[sure]).all()
    norm = np.abs(chains.block()).sum(axis=2).max(axis=1)
    assert (np.abs(found.gap - gap) <= 1e-9 * gap + 1e-13 * norm).all()
    return found, off


@st.composite
def neighbours(draw):
    """Nearest-neighbour chains of every kind."""
    cells = draw(st.integers(2, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    other = draw(st.sampled_from([1, -1]))
    disorder = draw(st.sampled_from([0.0, 0.3, 1.0, 3.0]))
    scale = draw(st.sampled_from([1e-120, 1.0, 1e120]))
    intra = rng.uniform(-1.5, 1.5, (4, 1)) + disorder * rng.uniform(-1, 1, (4, cells))
    inter = rng.uniform(-1.5, 1.5, (4, 1)) + disorder * rng.uniform(-1, 1, (4, cells))
    if draw(st.booleans()):
        intra = intra * np.exp(2j * np.pi * rng.random((4, cells)))
        inter = inter * np.exp(2j * np.pi * rng.random((4, cells)))
    return tnl.chain(cells, {0: scale * intra, other: scale * inter})


@quick
@given(neighbours(), st.sampled_from([0.5, 0.3, 0.7]))
def test_neighbours_by_poles_are_the_svd(chains, window):
    if round(window * chains.cells) < 1:
        window = 0.5
    found, off = check(chains, window)
    assert (off <= 1e-9).all()
    assert found.method == "rswn"


CLEAN = [
    {0: 1.0, 1: 1.0},
    {0: 1.0, 1: 1.0 + 1e-9},
    {0: 0.999, 1: 1.0},
    {0: 1e-9, 1: 1.0},
    {0: 1.0, 1: 1e-9},
    {0: -0.7, 1: 1.0},
    {0: 0.7, -1: -1.1},
    {0: 0.5j, 1: 1.0 + 1j},
    {0: 1.0, 1: 0.0},
]
MEANS = np.random.default_rng(1).uniform(0, 2, (2, 200))
RANDOM = tnl.ssh(60, *MEANS, 0.5, 0.5, seed=3)
# Bulk zero modes: a fixed cut-off fails here by up to 0.7.
STRONG = tnl.ssh(120, 1.0, 1.0, 6.0, 6.0, samples=60, seed=2)


@pytest.mark.parametrize(
    ("chains", "tolerance", "accuracy"),
    [
        *((tnl.chain(cells, t), TOLERANCE, 1e-9) for t in CLEAN for cells in (3, 20, 101)),
        *((RANDOM, tolerance, max(tolerance, 1e-11)) for tolerance in (1e-12, 1e-6, 1e-3)),
        (STRONG, TOLERANCE, 1e-6),
    ],
)
def test_the_tolerance_is_kept(chains, tolerance, accuracy):
    _, off = check(chains, tolerance=tolerance)
    assert (off <= accuracy).all()


def test_random_chains_and_their_integers():
    rng = np.random.default_rng(0)
    chains = tnl.ssh(30, rng.uniform(0, 2, 2000), rng.uniform(0, 2, 2000), 1.0, 1.0, seed=5)
    found = compiled(chains)
    value, _, _ = exact(chains)
    assert np.abs(found.value - value).max() < 1e-9
    assert np.array_equal(found.integer, np.round(value))


def test_an_exact_zero_mode_is_flagged_and_computed():
    intra = np.ones((3, 40))
    intra[0, 0] = intra[1, 17] = 0.0
    found = compiled(tnl.chain(40, {0: intra, 1: 0.6}))
    assert found.reliable.tolist() == [False, False, True]
    assert found.gap[:2].tolist() == [0.0, 0.0]
    assert np.isfinite(found.value).all()
    # A bond between cells that is missing only cuts the chain.
    inter = np.full((1, 40), 0.6)
    inter[0, 11] = 0.0
    cut = tnl.chain(40, {0: 1.0, 1: inter})
    assert abs(compiled(cut).value[0] - exact(cut)[0][0]) < 1e-11


def test_a_deep_edge_pair_is_no_reason_to_doubt():
    deep = compiled(tnl.ssh(400, 0.3, 1.0))
    assert 0 < deep.gap[0] < 1e-100
    assert (deep.reliable[0], deep.integer[0]) == (True, 1)
    assert deep.error[0] < 1e-8


def test_all_zero_blocks_tiny_chains_and_long_ones():
    none, tiny = compiled(tnl.ssh(6, 0.0, 0.0)), tnl.ssh(2, 0.5, 1.0)
    assert (none.reliable[0], none.gap[0]) == (False, 0.0)
    assert abs(compiled(tiny).value[0] - exact(tiny)[0][0]) < 1e-12
    # (The benchmark goes to a million cells; a test must be short.)
    long = compiled(tnl.ssh(50_000, 0.6, 1.0, 1.0, 1.0, seed=1))
    assert abs(long.value[0] - 1) < 1e-3
    assert long.reliable[0]


def test_blocks_threads_and_tensors_give_the_same():
    import torch

    chains = tnl.ssh(24, 0.7, 1.0, 1.0, 1.0, samples=100, seed=0)
    one = compiled(chains)
    for other in (
        compiled(chains, threads=2),
        compiled(chains, threads=None),
        compiled(chains.block()),
        compiled(torch.tensor(chains.block())),
        plain(chains, threads=2),
    ):
        assert np.allclose(other.value, one.value, rtol=0, atol=1e-13)
        assert np.allclose(other.gap, one.gap, rtol=1e-9, atol=0)
    turned = chains.block().transpose(0, 2, 1)
    assert np.allclose(
        compiled(turned).value, rswn_values(turned, "open", 0.5)[0], rtol=0, atol=1e-10
    )


def walls(inside, outside):
    """Pairs of zero modes at domain walls: two and three of them, all far below rounding."""
    x = np.arange(60)
    middle = np.where((x < 20) | (x > 40), inside, outside)
    several = np.where((x < 10) | (x > 50) | ((x > 25) & (x < 35)), inside, outside)
    return tnl.chain(60, {0: np.stack([middle, several]), 1: 1.0})


@pytest.mark.parametrize("chains", [walls(0.2, 2.0), walls(0.02, 2.0)], ids=["near", "deep"])
def test_several_deep_pairs_keep_their_pairing(chains):
    check(chains)
    assert compiled(chains).reliable.all()
    assert plain(chains).reliable.all()


@pytest.mark.parametrize("offsets", [(0, 1, 2), (-1, 0, 1, 2)])
@pytest.mark.parametrize("disorder", [0.0, 0.6, 3.0])
def test_of_any_range_plain_and_compiled_agree_to_their_errors(offsets, disorder):
    rng = np.random.default_rng(3)
    means = {m: rng.uniform(-1, 1, 30) for m in offsets}
    chains = tnl.chain(96, means, disorder=dict.fromkeys(offsets, disorder), seed=0)
    one, other = (rswn(chains, "open", 0.5, compiled=way) for way in (False, True))
    assert (np.abs(one.value - other.value) <= one.error + other.error).all()
    both = one.sound & other.sound & (np.abs(one.value - np.round(one.value)) < 0.3)
    assert both.mean() > 0.6
    assert np.array_equal(np.round(one.value[both]), np.round(other.value[both]))


def test_modes_at_the_ends_are_out_of_sight_for_the_svd_too():
    found = plain(tnl.chain(40, {1: 1.0, 2: [0.0, 0.4], 3: 0.2}))
    assert (found.gap < 1e-12).all()
    assert found.reliable.all()
    assert found.integer.tolist() == [1, 1]
    # In the middle they are not.
    intra = np.full((1, 40), 2.0)
    intra[0, 18:22] = 0.0
    assert not plain(tnl.chain(40, {0: intra, 1: 1.0, 2: 0.1})).reliable[0]


def test_nothing_is_compiled_for_less_than_a_second(monkeypatch):
    monkeypatch.setattr("tnlearn.physics.memory._spent", [0.0])
    called = []
    none = np.zeros(1000)
    monkeypatch.setattr(
        "tnlearn.physics.rswn.bidiagonal_rswn",
        lambda *given: called.append(given) or Labels(none, none, none, none > 0),
    )
    chains = tnl.ssh(20, 0.5, 1.0, 0.5, 0.5, samples=1000, seed=0)
    rswn(chains, "open", 0.5)
    assert not called
    for _ in range(30):
        rswn(chains, "open", 0.5)
    assert called


def test_scaled_bonds_of_any_size():
    rng = np.random.default_rng(0)
    t, s = rng.uniform(-1, 1, (2, 4, 9))
    for down in (True, False):
        for scale in (1e-310, 1e-200, 1.0, 1e300):
            p, r = np.empty((4, 9)), np.empty((4, 8))
            norm, least = np.empty((2, 4))
            scale_bonds(scale * t, scale * s, True, down, p, r, norm, least)
            inside = s[:, :-1] if down else s[:, 1:]
            expected = np.abs(t).max(axis=1) + np.abs(inside).max(axis=1)
            assert np.allclose(norm / scale, expected, rtol=1e-5)
            turn = slice(None) if down else slice(None, None, -1)
            # (Subnormal numbers have few digits.)
            accuracy = 1e-5 if scale < 1e-300 else 1e-14
            assert np.allclose(p[:, turn], np.abs(t) / expected[:, None], rtol=accuracy)
            assert np.allclose(r[:, turn], np.abs(inside) / expected[:, None], rtol=accuracy)
            assert np.allclose(least, np.abs(t).min(axis=1) / expected, rtol=accuracy)


def test_few_long_chains_are_shared_between_threads():
    chains = tnl.ssh(600, 0.7, 1.0, 1.0, 1.0, samples=5, seed=0)
    one, two = compiled(chains), compiled(chains, threads=2)
    assert np.allclose(one.value, two.value, rtol=0, atol=1e-13)
    assert np.array_equal(one.gap, two.gap)
    assert [len(range(*part.indices(9))) for part in pieces(9, 2, 256)] == [2, 2, 2, 2, 1]
    assert pieces(1, 8, 16) == [slice(0, 1)]


def pieces(samples, threads, group):
    found = []
    in_threads(found.append, samples, threads, group)
    return sorted(found, key=lambda part: part.start)


def test_one_kernel_serves_both_orders_of_the_sublattices():
    chains = tnl.chain(31, {0: 0.8, -1: 1.0}, disorder={0: 0.4, -1: 0.4}, samples=5, seed=0)
    part = bidiagonal_rswn(chains.bands(), 0.5, TOLERANCE, 1)
    assert np.allclose(part.value, exact(chains)[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("tolerance", 0.0),
        ("tolerance", "fine"),
        ("tolerance", 1.0),
        ("threads", 0),
        ("threads", 1.5),
    ],
)
def test_bad_options(option, value):
    with pytest.raises(ConfigError, match=option):
        compiled(tnl.ssh(6, 0.5, 1.0), **{option: value})


def test_a_window_of_the_whole_chain_reads_nothing_beyond_the_ends():
    """Tables were read past the ends of the chain, where memory may hold anything, also NaN."""
    for cells in range(20, 60, 4):
        # Freed blocks full of NaN, of the sizes the tables have, so that reuse shows.
        _ = [np.full((cells, n), np.nan) for n in range(8, 48, 8) for _ in range(6)]
        del _
        value = compiled(tnl.ssh(cells, 1.1, 1.0), "rswn", window=1.0).value
        assert abs(value[0]) < 1e-10


def test_a_thread_that_fails_stops_the_others():
    done = []

    def work(part):
        if part.start == 0:
            raise ValueError("the first piece")
        time.sleep(0.01)
        done.append(part)

    with pytest.raises(ValueError, match="the first piece"):
        in_threads(work, 6400, 2, 8)
    assert len(done) < 16


def test_a_chain_that_needs_more_poles_gets_more_room(monkeypatch):
    chains = tnl.ssh(90, 0.7, 1.0, 0.5, 0.5, samples=6, seed=2)
    before = compiled(chains)
    monkeypatch.setattr("tnlearn.physics.bidiagonal.ROOMY", 0)
    after = compiled(chains)
    assert np.allclose(after.value, before.value, rtol=0, atol=1e-13)
    assert np.array_equal(after.reliable, before.reliable)


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
