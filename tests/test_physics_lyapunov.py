"""Integers of rings by Lyapunov exponents: three ways, plain and compiled, right or flagged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import chains as any_chains

import tnlearn as tnl
from tnlearn.physics import pencil
from tnlearn.physics.gaps import chain_gaps
from tnlearn.physics.lyapunov import _divide, _regular, lyapunov_winding, ring_pencil, stacked
from tnlearn.physics.rings import twist_winding

quick = settings(max_examples=60, deadline=None)


def powers(chains):
    low, high = min(chains.hoppings), max(chains.hoppings)
    power = np.full(chains.samples, 99)
    pencil.ring_powers(stacked(chains.hoppings, low, high), high, power)
    return power, high


@st.composite
def rings(draw):
    """Real rings of range 2 and 3: random, clean, near-critical, with zeros."""
    low = draw(st.integers(-3, 1))
    high = low + draw(st.integers(2, 3))
    cells = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([1e-9, 1.0, 1e9]))
    disorder = draw(st.sampled_from([0.0, 0.0, 0.3, 3.0]))
    hoppings = {}
    for m in {low, high, *draw(st.sets(st.integers(low, high)))}:
        # Round numbers make critical chains.
        mean = rng.integers(-2, 3, (5, 1)) if draw(st.booleans()) else rng.uniform(-1, 1, (5, 1))
        t = mean + disorder * rng.uniform(-1, 1, (5, cells))
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


@pytest.mark.parametrize("offsets", [(0, 1, 2), (-1, 0, 1, 2), (-2, 1)])
def test_random_short_rings_are_all_settled(offsets):
    rng = np.random.default_rng(0)
    chains = tnl.Chains(20, {m: rng.uniform(-1, 1, (1000, 20)) for m in offsets})
    power, high = powers(chains)
    assert (power >= 0).mean() > 0.99
    settled = power >= 0
    value, _ = twist_winding(chains)
    assert np.array_equal(high - power[settled], np.round(value)[settled])


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("offsets", [(0, 1), (0, 2), (-1, 0, 1, 2), (-2, -1, 0, 1, 2), (-5, 1)])
@pytest.mark.parametrize("cells", [1, 20, 129])
def test_plain_and_compiled_say_the_same(cells, offsets, kind):
    rng = np.random.default_rng(cells)
    shape = (60, cells)
    hoppings = {m: rng.uniform(-1, 1, (60, 1)) + rng.uniform(-0.5, 0.5, shape) for m in offsets}
    if kind is complex:
        hoppings = {m: t * np.exp(2j * np.pi * rng.random(shape)) for m, t in hoppings.items()}
    plain, compiled = (lyapunov_winding(hoppings, compiled=way) for way in (False, True))
    assert np.array_equal(plain[0], compiled[0], equal_nan=True)
    assert np.array_equal(plain[1], compiled[1])


@quick
@given(any_chains(boundaries=("periodic",)))
def test_the_dominant_coefficient_and_the_squared_pencil_count_the_same(batch):
    low, high = batch.offsets[0], batch.offsets[-1]
    if low == high:
        return
    count, settled = lyapunov_winding(batch.hoppings)
    bonds = stacked(batch.hoppings, low, high)
    a, b, alive = ring_pencil(bonds, high)
    outside, known = _divide(a, b, batch.cells)
    assert np.array_equal(count[settled], low + outside[settled])
    assert np.array_equal(settled, known & alive & _regular(bonds, high, a, b))


def symmetric(cells):
    """|c_1| = |c_−1| exactly: zeros on the circle, or none that count."""
    a = np.resize([0.5, 1.0], cells)
    a[-1] = np.sqrt(0.5)
    return {1: a[None], -1: np.roll(a, 1)[None]}


@pytest.mark.parametrize("cells", [21, 61, 301])
@pytest.mark.parametrize(
    "hoppings",
    [
        *({-1: t, 0: 1.0, 1: 1.0, 2: t} for t in (-1.95, -0.3, 1 / 3, 0.334, 0.75, 1.4)),
        {-1: 1.0, 0: 2.0, 1: 1.0},
        {-1: 1.0, 0: 3.0, 1: 3.0, 2: 1.0},
        {-2: 1.0, -1: 4.0, 0: 6.0, 1: 4.0, 2: 1.0},
        {0: 1.0, 1: -3.0, 2: 3.0, 3: -1.0},
        "symmetric",
    ],
    ids=str,
)
def test_zeros_on_the_circle_are_flagged_by_every_count(hoppings, cells):
    if hoppings == "symmetric":
        ring, methods = tnl.Chains(cells, symmetric(cells), "periodic"), ("lyapunov", "twist")
    else:
        ring = tnl.chain(cells, hoppings, boundary="periodic")
        methods = ("lyapunov", "twist", "momentum")
    for method in methods:
        assert not tnl.winding(ring, method).reliable[0]


def test_where_a_trace_drowns_in_rounding_the_ring_is_handed_back():
    """Long disordered rings of alternating signs: the moduli outgrow the traces."""
    rng = np.random.default_rng(1)
    hoppings = {m: rng.uniform(-1, 1, (50, 400)) for m in (-1, 0, 1, 2)}
    power, high = powers(tnl.Chains(400, hoppings))
    assert (power < 0).any()
    value, settled = lyapunov_winding(hoppings, compiled=False)
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
        assert np.allclose(chain_gaps(batch), s[:, -1], rtol=1e-6, atol=1e-13)
    assert tnl.winding(tnl.ssh(300, 1.0, 1.0), "lyapunov").gap[0] < 1e-12
    long = tnl.winding(tnl.ssh(20_000, 0.5, 1.0), "lyapunov")
    assert long.reliable[0]
    assert 0 <= long.gap[0] - 0.5 < 1e-5
