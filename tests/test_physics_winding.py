"""Exact identities of the winding numbers, on random chains."""

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import chains

import tnlearn as tnl
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.physics.blocks import displacement, window_cells
from tnlearn.physics.hamiltonians import read
from tnlearn.physics.winding import METHODS

quick = settings(max_examples=40, deadline=None)
INTEGERS = ("lyapunov", "twist")


def ring(batch):
    return batch.with_boundary("periodic")


def agree(a, b):
    both = a.reliable & b.reliable
    return np.array_equal(a.integer[both], b.integer[both])


@quick
@given(chains(boundaries=("open",)))
def test_rswn_is_its_formula_on_open_chains(batch):
    q = batch.states().q()
    window = window_cells(batch.cells, 0.5)
    expected = np.einsum("xy,sxy,y->s", displacement(batch.cells), np.abs(q) ** 2, window)
    assert np.allclose(tnl.winding(batch).value, expected / window.sum(), rtol=0, atol=1e-11)


@quick
@given(chains(boundaries=("open",)))
def test_rswn_over_a_whole_open_chain_vanishes_and_is_flagged(batch):
    found = tnl.winding(batch, window=1.0)
    assert np.abs(found.value).max() < 1e-12
    assert not found.reliable.any()


@quick
@given(chains())
def test_rswn_knows_no_gauge(batch):
    # A sign or phase of each site is a gauge transformation of the block.
    rng = np.random.default_rng(0)
    a, b = (np.exp(2j * np.pi * rng.random(batch.cells)) for _ in range(2))
    h = batch.block()
    there = {"boundary": batch.boundary, "kind": "block"}
    turned = tnl.winding(a[:, None] * h * b, **there)
    plain = tnl.winding(h, **there)
    clear = plain.gap > 1e-8
    assert np.allclose(turned.value[clear], plain.value[clear], rtol=0, atol=1e-6)


@quick
@given(chains())
def test_exchange_of_the_sublattices_changes_the_sign(batch):
    # h → h† is t_m(y) → t_{−m}(y)* = t_m(y − m)*.
    swapped = {-m: np.roll(t, m, axis=1).conj() for m, t in batch.hoppings.items()}
    other = tnl.chain(batch.cells, swapped, boundary=batch.boundary)
    assert np.array_equal(other.block(), batch.block().conj().swapaxes(1, 2))
    for method in INTEGERS:
        a, b = tnl.winding(batch, method), tnl.winding(other, method)
        assert np.array_equal(a.reliable, b.reliable)
        assert np.array_equal(a.integer[a.reliable], -b.integer[a.reliable])
    a, b = tnl.winding(ring(batch)), tnl.winding(ring(other))
    clear = a.gap > 1e-8
    assert np.allclose(a.value[clear], -b.value[clear], rtol=0, atol=1e-6)


@quick
@given(chains(boundaries=("open",)))
def test_the_mirror_changes_the_sign(batch):
    size = batch.cells
    y = np.arange(size)
    mirrored = {-m: t[:, size - 1 - y] for m, t in batch.hoppings.items()}
    other = tnl.chain(size, mirrored)
    assert np.array_equal(other.block(), batch.block()[:, ::-1, ::-1])
    for method in INTEGERS:
        a, b = tnl.winding(batch, method), tnl.winding(other, method)
        assert np.array_equal(a.integer[a.reliable], -b.integer[a.reliable])


@quick
@given(chains(min_cells=1), chains(clean=True))
def test_the_integers_of_a_ring_agree(batch, clean):
    assert agree(tnl.winding(batch, "lyapunov"), tnl.winding(batch, "twist"))
    for method in INTEGERS:
        assert agree(tnl.winding(clean, "momentum"), tnl.winding(clean, method))


@quick
@given(chains(boundaries=("periodic",)))
def test_the_log_form_is_an_integer_on_a_ring(batch):
    found = tnl.winding(batch, "log")
    clear = found.gap > 1e-6
    assert np.allclose(found.value[clear], found.integer[clear], rtol=0, atol=1e-8)


@quick
@given(chains(min_cells=9))
def test_shifting_a_sublattice_by_a_cell_adds_one(batch):
    # A cell x → x + 1: every offset grows by one, and with it every integer.
    moved = tnl.chain(batch.cells, {m + 1: t for m, t in batch.hoppings.items()})
    for method in INTEGERS:
        a, b = tnl.winding(batch, method), tnl.winding(moved, method)
        assert np.array_equal(a.integer[a.reliable] + 1, b.integer[a.reliable])


@quick
@given(chains(min_cells=11))
def test_raw_ring_blocks_give_what_chains_give(batch):
    for method in ("rswn", *INTEGERS, "log"):
        a = tnl.winding(ring(batch), method)
        b = tnl.winding(ring(batch).block(), method, boundary="periodic", kind="block")
        assert agree(a, b)
        assert np.array_equal(a.gap > 1e-12, b.gap > 1e-12)


@quick
@given(chains(clean=True, min_cells=9, boundaries=("open",)))
def test_raw_open_blocks_of_clean_chains_give_what_chains_give(batch):
    for method in (*INTEGERS, "momentum"):
        a, b = tnl.winding(batch, method), tnl.winding(batch.block(), method, kind="block")
        assert agree(a, b)


@pytest.mark.parametrize("m", [-3, -1, 0, 1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_one_offset_alone_winds_its_own_number(m, method):
    batch = tnl.chain(12, {m: [0.7, -1.3]}, boundary="periodic")
    found = tnl.winding(batch, method)
    assert np.allclose(found.value, m, rtol=0, atol=1e-12)
    assert found.integer.tolist() == [m, m]
    if method == "localizer":  # its gap is that of the localizer of the open chain
        assert (found.gap > 0).all()
        assert found.gap[1] / found.gap[0] == pytest.approx(1.3 / 0.7, abs=1e-5)
    else:
        assert np.allclose(found.gap, [0.7, 1.3], rtol=0, atol=1e-14)
    assert found.reliable.all()
    assert found.method == method


def test_lyapunov_of_ssh_is_the_sign_of_the_mean_logarithms():
    batch = tnl.ssh(60, 0.9, 1.0, 2.0, 2.0, samples=500, seed=4)
    logs = {m: np.log(np.abs(t)).sum(axis=1) for m, t in batch.hoppings.items()}
    assert np.array_equal(tnl.winding(batch, "lyapunov").integer, logs[1] > logs[0])
    # A raw open block says the same of the bonds that are there, or says that it does not know.
    inter = np.log(np.abs(batch.hoppings[1][:, :-1])).mean(axis=1)
    raw = tnl.winding(batch.block(), "lyapunov")
    assert np.array_equal(raw.integer[raw.reliable], (inter > logs[0] / 60)[raw.reliable])
    weak = tnl.winding(tnl.ssh(60, 0.5, 1.0, 0.5, 0.5, samples=20, seed=4).block(), "lyapunov")
    assert weak.reliable.all()
    assert (weak.integer == 1).all()


def test_a_size_and_range_where_transfer_matrices_overflow():
    hoppings = {-1: 0.01, 0: 0.3, 1: 5.0, 2: 0.02}
    batch = tnl.chain(600, hoppings, disorder=dict.fromkeys(hoppings, 0.01), samples=2, seed=0)
    assert tnl.winding(batch, "lyapunov").integer.tolist() == [1, 1]
    assert tnl.winding(batch, "lyapunov").reliable.all()


@pytest.mark.parametrize("power", [-1040, -700, 500, 1000])
@pytest.mark.parametrize("method", METHODS)
def test_hoppings_of_any_size(method, power):
    """A power of two changes nothing but the gap; sample by sample, and without a warning."""
    clean = {-1: 0.2, 0: 0.3j, 1: 1.0} if method == "log" else {-1: 0.2, 0: 0.3, 1: 1.0}
    batch = tnl.chain(9, clean, boundary="periodic", samples=3)
    factor = np.ldexp(1.0, np.array([0, power, 0]))[:, None]
    other = tnl.Chains(9, {m: factor * t for m, t in batch.hoppings.items()}, "periodic")
    one, far = tnl.winding(batch, method), tnl.winding(other, method)
    assert np.allclose(one.value, far.value, rtol=0, atol=1e-8 if power == -1040 else 1e-12)
    assert far.reliable.all()
    assert np.allclose(far.gap / factor[:, 0], one.gap, rtol=1e-6)


def test_vanishing_outer_amplitudes_are_no_special_case():
    rng = np.random.default_rng(7)
    hoppings = {m: rng.normal(size=(300, 9)) * (rng.random((300, 9)) < 0.8) for m in range(-1, 3)}
    batch = tnl.chain(9, hoppings, boundary="periodic")
    a, b = tnl.winding(batch, "lyapunov"), tnl.winding(batch, "twist")
    assert np.array_equal(a.reliable, b.reliable)
    assert a.reliable.mean() > 0.7
    assert np.array_equal(a.integer[a.reliable], b.integer[a.reliable])


def test_an_exact_zero_mode_is_computed_and_flagged():
    chain = tnl.ssh(20, 0.0, 1.0)
    mode = tnl.winding(chain)
    assert (mode.gap[0], mode.reliable[0]) == (0, False)
    assert abs(mode.value[0] - 1) < 1e-12
    # Closed into a ring the same sample has no zero mode.
    for method in ("lyapunov", "twist", "log", "momentum"):
        ring_of_it = tnl.winding(chain, method)
        assert (ring_of_it.reliable[0], ring_of_it.integer[0]) == (True, 1)


@pytest.mark.parametrize("method", METHODS)
def test_what_has_no_winding_is_flagged_by_every_method(method):
    gapless = tnl.winding(tnl.ssh(20, [1.0, 0.0], [1.0, 0.0], boundary="periodic"), method)
    assert not gapless.reliable.any()
    if method != "localizer":  # its gap is that of the localizer, which κ X keeps open
        assert (gapless.gap < 1e-14).all()
    if method in ("lyapunov", "twist", "momentum"):  # nan, not zero
        none = tnl.winding(tnl.ssh(6, 0.0, 0.0, boundary="periodic"), method)
        assert np.isnan(none.value).all()
        assert not none.reliable.any()
    if method == "rswn":
        far = tnl.winding(tnl.ssh(20, 0.9, 1.0))
        assert abs(far.value[0] - far.integer[0]) > 0.3
        assert not far.reliable[0]


def test_boundary_given_with_chains_opens_or_closes_them():
    batch = tnl.ssh(10, 0.5, 1.0, 0.5, 0.5, samples=3, seed=2)
    closed = tnl.winding(batch, boundary="periodic")
    assert np.array_equal(closed.value, tnl.winding(ring(batch)).value)
    opened = tnl.winding(ring(batch), boundary="open")
    assert np.array_equal(opened.value, tnl.winding(batch).value)


def test_long_batches_are_worked_in_pieces():
    batch = tnl.ssh(300, 0.5, 1.0, 0.5, 0.5, samples=50, seed=2)
    whole = tnl.winding(batch)
    assert len(whole) == 50
    assert np.array_equal(whole.value[-3:], tnl.winding(batch[-3:]).value)


def test_noise_at_the_level_of_rounding_is_no_long_hopping():
    batch = tnl.ssh(20, 0.5, 1.0, 0.3, 0.3, samples=3, seed=2)
    noise = 1e-17 * np.random.default_rng(0).normal(size=(3, 20, 20))
    assert read(batch.block() + noise).chains()[0].offsets == (0, 1)


@pytest.mark.parametrize("boundary", ["open", "periodic"])
def test_a_block_with_every_offset(boundary):
    h = np.random.default_rng(1).normal(size=(20, 11, 11))
    a, b = (tnl.winding(h, method, boundary) for method in INTEGERS)
    assert np.array_equal(a.integer, b.integer)


def test_bad_options():
    batch = tnl.ssh(6, 0.5, 1.0, 0.1, 0.1, seed=0)
    with pytest.raises(UnknownNameError, match="'rswn'"):
        tnl.winding(batch, "rwsn")
    with pytest.raises(UnknownNameError, match="'periodic'"):
        tnl.winding(batch, boundary="periodc")
    with pytest.raises(ConfigError, match="clean"):
        tnl.winding(batch, "momentum")
    with pytest.raises(ConfigError, match="window"):
        tnl.winding(batch, window=2.0)


@pytest.mark.parametrize(("complex_hoppings", "cells"), [(False, 100), (True, 100), (True, 300)])
def test_twist_on_long_rings(complex_hoppings, cells):
    """LU determinants gave wrong windings, marked reliable, on some of these rings."""
    rng = np.random.default_rng(1)
    drawn = {}
    for m in (-1, 0, 1, 2):
        drawn[m] = rng.uniform(-1, 1, 250)
        if complex_hoppings:
            drawn[m] = drawn[m] + 1j * rng.uniform(-1, 1, 250)
    chains = tnl.chain(cells, drawn, boundary="periodic")
    twist, lyapunov = tnl.winding(chains, "twist"), tnl.winding(chains, "lyapunov")
    both = twist.reliable & lyapunov.reliable
    assert both.mean() > 0.95
    np.testing.assert_array_equal(twist.integer[both], lyapunov.integer[both])


@pytest.mark.parametrize("method", METHODS)
def test_no_chains_have_no_windings(method):
    found = tnl.winding(tnl.ssh(12, 0.5, 1.0, samples=3, seed=0)[:0], method)
    assert (len(found), found.method) == (0, method)
    assert {a.shape for a in (found.value, found.integer, found.gap, found.error)} == {(0,)}
    assert (found.reliable.dtype, found.integer.dtype) == (bool, np.int64)
