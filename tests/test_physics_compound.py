"""Integers of short rings by compounds of the transfer matrix: right, or handed back."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tnlearn as tnl
from tnlearn.physics import transfer
from tnlearn.physics.compound import _dominant, ring_powers
from tnlearn.physics.transfer import _listed, lyapunov_winding
from tnlearn.physics.twist import twist_winding

quick = settings(max_examples=60, deadline=None)


def powers(chains):
    low, high = min(chains.hoppings), max(chains.hoppings)
    power = np.full(chains.samples, 99)
    ring_powers(_listed(chains.hoppings, low, high), high, power)
    return power, high


@st.composite
def rings(draw):
    """Rings of range 2 to 4: random, clean, near-critical, with zeros, real and complex."""
    low = draw(st.integers(-3, 1))
    high = low + draw(st.integers(2, 4))
    cells = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([1e-9, 1.0, 1e9]))
    disorder = draw(st.sampled_from([0.0, 0.0, 0.3, 3.0]))
    hoppings = {}
    for m in {low, high, *draw(st.sets(st.integers(low, high)))}:
        # Round numbers make critical chains.
        mean = rng.integers(-2, 3, (5, 1)) if draw(st.booleans()) else rng.uniform(-1, 1, (5, 1))
        t = mean + disorder * rng.uniform(-1, 1, (5, cells))
        if draw(st.booleans()):
            t = t * np.exp(2j * np.pi * rng.random((5, cells)))
        t[rng.random((5, cells)) < draw(st.sampled_from([0.0, 0.0, 0.1]))] = 0.0
        hoppings[m] = scale * t
    return tnl.Chains(cells, hoppings, "periodic")


def exact_winding(chains, sample):
    """The winding of det h(z) from its zeros, in 60 digits."""
    mpmath = pytest.importorskip("mpmath")
    low, high, cells = min(chains.hoppings), max(chains.hoppings), chains.cells
    points = high - low + 1
    with mpmath.workdps(60):
        values = []
        for j in range(points):
            z = mpmath.expjpi(mpmath.mpf(2) * j / points)
            block = mpmath.zeros(cells)
            for m, t in chains.hoppings.items():
                for y in range(cells):
                    crossings = (y + m) // cells
                    block[(y + m) % cells, y] += mpmath.mpc(complex(t[sample, y])) * z**crossings
            values.append(mpmath.det(block))
        turns = [mpmath.expjpi(-mpmath.mpf(2) * k / points) for k in range(points)]
        c = [
            sum(v * turns[j * (low + a) % points] for j, v in enumerate(values))
            for a in range(points)
        ]
        largest = max(abs(x) for x in c)
        # A polynomial with no more digits than it has is one of lower degree.
        c = [x if abs(x) > largest * mpmath.mpf(10) ** -50 else mpmath.mpf(0) for x in c]
        while c[-1] == 0:
            c.pop()
        roots = mpmath.polyroots(c[::-1], maxsteps=500, extraprec=400) if len(c) > 1 else []
        return low + sum(abs(x) < 1 for x in roots)


@quick
@given(rings())
def test_what_is_settled_is_the_winding_of_the_determinant(chains):
    power, high = powers(chains)
    value, resolved = twist_winding(chains)
    settled = power >= 0
    # The determinants of `twist` come from a QR, which knows no singular value below rounding;
    # the compounds may know it all the same, for products lose no digits.
    energies = np.linalg.svd(chains.block(), compute_uv=False)
    clear = energies[:, -1] > 1e-9 * energies[:, 0]
    assert resolved[settled & clear].all()
    for k in np.flatnonzero(settled):
        if clear[k]:
            assert high - power[k] == np.round(value[k])
        elif high - power[k] != np.round(value[k]):
            assert high - power[k] == exact_winding(chains, k)


@pytest.mark.parametrize("offsets", [(0, 1, 2), (-1, 0, 1, 2), (-2, -1, 0, 1, 2), (-2, 1)])
@pytest.mark.parametrize("kind", [float, complex])
def test_random_short_rings_are_all_settled(offsets, kind):
    rng = np.random.default_rng(0)
    hoppings = {m: rng.uniform(-1, 1, (1000, 20)).astype(kind) for m in offsets}
    if kind is complex:
        hoppings = {m: t + 1j * rng.uniform(-1, 1, t.shape) for m, t in hoppings.items()}
    chains = tnl.Chains(20, hoppings)
    power, high = powers(chains)
    assert (power >= 0).mean() > 0.99
    settled = power >= 0
    value, _ = twist_winding(chains)
    assert np.array_equal(high - power[settled], np.round(value)[settled])


@pytest.mark.parametrize("cells", [20, 70, 128, 300])
def test_with_and_without_them_the_integers_are_the_same(cells, monkeypatch):
    rng = np.random.default_rng(cells)
    for offsets in ((0, 1, 2), (-1, 0, 1, 2), (-2, -1, 0, 1, 2)):
        hoppings = {
            m: rng.uniform(-1, 1, (100, 1)) + rng.uniform(-0.5, 0.5, (100, cells)) for m in offsets
        }
        found = []
        for limit in (0, 10**6):
            monkeypatch.setattr(transfer, "_SHORT", {"f": limit, "c": limit})
            found.append(lyapunov_winding(hoppings))
        assert np.array_equal(found[0][0], found[1][0])
        assert np.array_equal(found[0][1], found[1][1])


def test_where_a_trace_drowns_in_rounding_the_ring_is_handed_back():
    """Long disordered rings of alternating signs: the moduli outgrow the traces."""
    rng = np.random.default_rng(1)
    hoppings = {m: rng.uniform(-1, 1, (50, 400)) for m in (-1, 0, 1, 2)}
    power, high = powers(tnl.Chains(400, hoppings))
    assert (power < 0).any()
    value, settled = lyapunov_winding(hoppings)
    both = settled & (power >= 0)
    assert np.array_equal(high - power[both], value[both])


@pytest.mark.parametrize("scale", [1e-300, 1e-40, 1e40, 1e300])
def test_overflow_and_underflow_are_no_answers(scale):
    rng = np.random.default_rng(2)
    plain = {m: rng.uniform(-1, 1, (40, 25)) for m in (0, 1, 2)}
    reference, _ = powers(tnl.Chains(25, plain))
    power, _ = powers(tnl.Chains(25, {m: scale * t for m, t in plain.items()}))
    assert np.array_equal(power[power >= 0], reference[power >= 0])
    found = lyapunov_winding({m: scale * t for m, t in plain.items()})
    assert np.array_equal(found[0], 2 - reference)
    assert found[1].all()


def test_a_row_of_zeros_is_left_open():
    bonds = {m: np.full((2, 12), size) for m, size in enumerate((1.0, 0.3, 0.1))}
    for m, bond in bonds.items():
        # Row 5 of the second block: t_0(5), t_1(4), t_2(3).
        bond[1, 5 - m] = 0.0
    power, _ = powers(tnl.Chains(12, bonds))
    assert power.tolist() == [2, -1]
    value, settled = lyapunov_winding(bonds)
    assert settled.tolist() == [True, False]
    assert value[0] == 0.0
    assert np.isnan(value[1])


@quick
@given(
    st.lists(st.floats(0.05, 20.0), min_size=2, max_size=4),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 1e-12, 1e-6, 1e-2]),
)
def test_a_dominant_coefficient_counts_roots_within_the_error(moduli, seed, error):
    rng = np.random.default_rng(seed)
    roots = np.array(moduli) * np.exp(2j * np.pi * rng.random(len(moduli)))
    c = np.polynomial.polynomial.polyfromroots(roots)
    c /= np.abs(c).max()
    off = error * np.exp(2j * np.pi * rng.random(len(c)))
    power = _dominant(c + off, np.zeros_like(c), error + 1e-14)
    if power >= 0:
        assert power == (np.abs(roots) < 1).sum()
    elif error == 0.0:
        # Nothing but roots close to the circle is left open.
        assert min(abs(math.log(m)) for m in moduli) < 1e-3


def test_short_rings_do_not_care_how_arrays_lie_in_memory():
    rng = np.random.default_rng(3)
    t = rng.uniform(-1, 1, (3, 30, 40))
    plain = lyapunov_winding({m: t[m] for m in range(3)})
    for other in (
        {m: np.asfortranarray(t[m]) for m in range(3)},
        {m: t[m].astype(complex) for m in range(3)},
        {m: np.repeat(t[m], 2, axis=1)[:, ::2] for m in range(3)},
    ):
        found = lyapunov_winding(other)
        assert np.array_equal(found[0], plain[0])
        assert np.array_equal(found[1], plain[1])


def test_threads_share_the_rings():
    rng = np.random.default_rng(4)
    chains = tnl.chain(30, {m: rng.uniform(-1, 1, 333) for m in (-1, 0, 1, 2)}, seed=0)
    one = tnl.winding(chains, "lyapunov", gap=False)
    two = tnl.winding(chains, "lyapunov", gap=False, threads=2)
    assert np.array_equal(one.value, two.value)
    assert np.array_equal(one.reliable, two.reliable)
