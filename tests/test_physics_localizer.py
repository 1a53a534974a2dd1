"""The spectral localizer: its signature by inertia, and what its flag means."""

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import chains as any_chains

import tnlearn as tnl
from tnlearn.physics.localizer import KAPPA, inertia, localizer_values

quick = settings(max_examples=60, deadline=None)


@pytest.mark.parametrize("m", [-2, -1, 0, 1, 2])
def test_localizer_of_one_offset(m):
    found = tnl.winding(tnl.chain(24, {m: 1.0, 0: 0.2} if m else {0: 1.0}), "localizer")
    assert found.integer[0] == m
    assert found.reliable[0]
    assert found.error[0] == 0


@quick
@given(any_chains(boundaries=("open",), min_cells=4))
def test_localizer_by_inertia_is_half_the_signature(batch):
    bands = batch.bands()
    value, clear, gap = localizer_values(bands)
    counted = localizer_values(bands, compiled=True)
    assert np.allclose(counted[2], gap, rtol=1e-6, atol=1e-9 * np.abs(batch.block()).max())
    norm = np.sum([np.abs(t).max(axis=1) for t in bands.bonds.values()], axis=0)
    away = np.arange(batch.cells) - (batch.cells - 1) / 2 - 0.25
    for s, h in enumerate(batch.block()):
        kappa = KAPPA * norm[s] / batch.cells
        x = kappa * np.diag(away)
        energies = np.linalg.eigvalsh(np.block([[x, h], [h.conj().T, -x]]))
        least = np.abs(energies).min()
        assert abs(gap[s] - least) < 1e-7 * norm[s]
        if least > 1e-6 * norm[s]:
            assert counted[0][s] == value[s]
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
