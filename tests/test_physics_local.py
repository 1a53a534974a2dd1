"""The local winding number and windows that are placed: a wall between known phases."""

import numpy as np
import pytest
import scipy.sparse as sp

import tnlearn as tnl
from tnlearn.errors import ConfigError, TnlearnError
from tnlearn.physics.blocks import displacement

HALF = 24
# Hoppings of offset −1, 0, 1 of phases of a known winding.
PHASES = {-1: (1.0, 0.3, 0.1), 0: (0.2, 1.0, 0.2), 1: (0.1, 0.3, 1.0)}


def wall(left, right, boundary="open"):
    """A chain with two phases one after the other (and, closed, a second wall)."""
    return tnl.chain(
        2 * HALF,
        {m: np.repeat([PHASES[left][m + 1], PHASES[right][m + 1]], HALF)[None] for m in (-1, 0, 1)},
        boundary=boundary,
    )


WALLS = [(left, right) for left in PHASES for right in PHASES if left != right]


@pytest.mark.parametrize("boundary", ["open", "periodic"])
@pytest.mark.parametrize("phases", WALLS)
def test_a_wall_is_seen_between_its_plateaus(phases, boundary):
    chains = wall(*phases, boundary)
    local = tnl.local_winding(chains)
    assert local.shape == (1, 2 * HALF)
    for start, winding in zip((HALF // 2 - 3, HALF + HALF // 2 - 3), phases, strict=True):
        assert np.allclose(local[0, start : start + 6], winding, rtol=0, atol=0.02)
        result = tnl.winding(chains.with_boundary("open"), window=(start, start + 6))
        assert result.integer[0] == winding
    for matrix in (chains.block(), chains.hamiltonian(), sp.csr_array(chains.hamiltonian()[0])):
        assert np.allclose(tnl.local_winding(matrix), local, rtol=0, atol=1e-9)
        for method in ("rswn", "lyapunov", "twist", "log", "localizer"):
            assert not tnl.winding(matrix, method).reliable[0]


def test_local_windings_are_the_summands_of_the_formula():
    chains = tnl.chain(18, {0: 0.4j, 1: 0.9, 2: -0.3}, disorder={0: 0.5}, samples=3, seed=1)
    for boundary in ("open", "periodic"):
        some = chains.with_boundary(boundary)
        q = np.abs(some.states().q()) ** 2
        local = tnl.local_winding(some)
        assert np.allclose(local, (q * displacement(18, boundary)).sum(axis=1), atol=1e-9)
        for window in (0.5, (3, 9)) if boundary == "open" else (0.5,):
            first, stop = (0, 18) if boundary == "periodic" else (4, 13)
            first, stop = window if isinstance(window, tuple) else (first, stop)
            mean = local[:, first:stop].mean(axis=1)
            assert np.allclose(tnl.winding(some, window=window).value, mean, atol=1e-9)
        if boundary == "open":
            assert np.allclose(local.sum(axis=1), 0.0, atol=1e-9)


@pytest.mark.parametrize("offsets", [(0, 1), (-1, 0), (-1, 0, 2)])
def test_every_way_to_compute_takes_a_placed_window(offsets):
    rng = np.random.default_rng(0)
    hoppings = {m: rng.uniform(0.5, 1.5, (4, 130)) for m in offsets}
    chains = tnl.chain(130, hoppings)
    local = tnl.local_winding(chains)[:, 20:50].mean(axis=1)
    for compiled in (False, True):
        value = tnl.winding(chains, window=(20, 50), compiled=compiled).value
        assert np.allclose(value, local, rtol=0, atol=1e-6)


def test_cells_of_several_orbitals_are_averaged():
    h = np.kron(tnl.ssh(20, 0.3, 1.0).block()[0], np.diag([1.0, 2.0]))
    fine = tnl.local_winding(h)
    assert fine.shape == (1, 40)
    local = tnl.local_winding(h, cells=20)
    assert np.allclose(local, fine.reshape(1, 20, 2).mean(axis=2))
    assert np.allclose(local[0, 8:12], 2.0, atol=1e-3)


@pytest.mark.parametrize("window", [(3, 3), (0, 99), (-1, 4), (1.5, 3), "ab", None, (1, 2, 3)])
def test_a_window_outside_the_chain_is_refused(window):
    with pytest.raises(ConfigError, match="window"):
        tnl.winding(wall(0, 1), window=window)


def test_what_cannot_be_read_has_no_local_winding():
    with pytest.raises(TnlearnError, match="order="):
        tnl.local_winding(np.random.default_rng(0).standard_normal((9, 9)))
