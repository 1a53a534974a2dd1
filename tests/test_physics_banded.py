"""The linear-time winding numbers of chains of any range against the dense SVD."""

import numpy as np
import pytest
from rswn_reference import clear, compiled, exact

import tnlearn as tnl
from tnlearn.physics.rswn import banded_applies, banded_rswn


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize(
    "offsets", [(0, 1, 2), (-1, 0, 1), (-1, 0, 1, 2), (-2, -1, 0), (1, 2), (-2, 0, 3)]
)
def test_any_range_is_the_svd(offsets, kind):
    rng = np.random.default_rng(4)
    means = {m: rng.uniform(-1, 1, 12) for m in offsets}
    if kind is complex:
        means = {m: t + 1j * rng.uniform(-1, 1, 12) for m, t in means.items()}
    chains = tnl.chain(96, means, disorder=dict.fromkeys(offsets, 0.6), seed=0)
    bands = chains.bands()
    assert banded_applies(bands)
    part = banded_rswn(bands, 0.5, 1)
    value, gap, _ = exact(chains)
    unsure = ~clear(chains) & (part.error > 1e-6)
    assert (np.abs(part.value - value) <= part.error + 1e-9)[~unsure].all()
    assert np.allclose(part.gap, gap, rtol=1e-6, atol=1e-12)
    assert np.array_equal(compiled(chains).value, part.value)


@pytest.mark.parametrize("phase", [1.0, np.exp(0.7j)])
def test_any_range_near_and_at_the_transition(phase):
    chains = tnl.chain(128, {-1: 0.3 * phase, 0: [1.0, 1.01, 1.2], 1: 1.0, 2: 0.3 / phase})
    found = compiled(chains)
    assert np.allclose(found.value, exact(chains)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("window", [0.1, 0.37, 1.0])
def test_columns_of_any_number_are_summed_sixteen_at_a_time(kind, window):
    # Windows of 9, 33 and all of 90 cells: whole blocks of columns and parts of one.
    rng = np.random.default_rng(7)
    t = {m: rng.uniform(-1, 1, (4, 90)).astype(kind) for m in (-2, 0, 1, 2)}
    if kind is complex:
        t = {m: a * np.exp(2j * np.pi * rng.random(a.shape)) for m, a in t.items()}
    chains = tnl.Chains(90, t)
    part = banded_rswn(chains.bands(), window, 1)
    value, _, _ = exact(chains, window)
    assert (np.abs(part.value - value) <= part.error + 1e-9).all()
    assert np.allclose(part.value, value, rtol=0, atol=1e-5)


def test_a_phase_of_the_sublattices_changes_nothing():
    """A real chain in a complex gauge: the complex kernel against the real one."""
    rng = np.random.default_rng(8)
    real = tnl.chain(96, {-1: 0.2, 0: 0.6, 1: 1.0, 2: 0.3}, disorder={0: 1.0}, samples=4, seed=1)
    a, b = np.exp(2j * np.pi * rng.random((2, 4, 96)))
    x = np.arange(96)
    turned = {m: t * a[:, (x + m) % 96] * b for m, t in real.hoppings.items()}
    one, other = compiled(real), compiled(tnl.Chains(96, turned))
    assert np.allclose(one.value, other.value, rtol=0, atol=1e-11)
    assert np.allclose(one.gap, other.gap, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("kind", [float, complex])
def test_zero_modes_at_the_ends_are_out_of_sight(kind):
    """Without an intracell bond there are exact zero modes, which the window does not see."""
    chains = tnl.chain(96, {1: 1.0, 2: 0.4 if kind is float else 0.4j, 3: 0.2}, samples=2)
    found = compiled(chains)
    assert (found.gap < 1e-12).all()
    assert (found.integer == 1).all()
    assert np.abs(found.value - 1).max() < 1e-6


@pytest.mark.parametrize("kind", [float, complex])
def test_a_zero_mode_in_the_window_is_flagged(kind):
    """One cut bond in the middle, and modes bound to it: their pairing is arbitrary."""
    intra = np.full((1, 96), 0.3 if kind is float else 0.3j)
    intra[0, 48] = 0.0
    inter = np.full((1, 96), 1.0)
    inter[0, 47:49] = 0.0
    further = np.full((1, 96), 0.05)
    further[0, 46:49] = 0.0
    found = compiled(tnl.Chains(96, {0: intra, 1: inter, 2: further}))
    assert found.gap[0] < 1e-12
    assert not found.reliable[0]
    assert np.isfinite(found.value[0])
