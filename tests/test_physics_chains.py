import numpy as np
import pytest
from hypothesis import given, settings
from strategies import chains

import tnlearn as tnl
from tnlearn.errors import (
    ConfigError,
    MemoryLimitError,
    NotChiralError,
    NotFiniteError,
    ShapeError,
    UnknownNameError,
)
from tnlearn.physics.hamiltonians import read

quick = settings(max_examples=40, deadline=None)


def written_out(batch, flux=0.0):
    """h[y+m, y] = t_m(y), bond by bond."""
    size = batch.cells
    h = np.zeros((batch.samples, size, size), complex)
    for m, t in batch.hoppings.items():
        for y in range(size):
            turns, x = divmod(y + m, size)
            if batch.boundary == "periodic":
                h[:, x, y] += t[:, y] * np.exp(1j * flux * turns)
            elif turns == 0:
                h[:, x, y] += t[:, y]
    return h


@quick
@given(chains(min_cells=1))
def test_block_is_the_convention_written_out(batch):
    h = batch.block()
    assert np.array_equal(h, written_out(batch))
    assert np.iscomplexobj(h) == any(np.iscomplexobj(t) for t in batch.hoppings.values())


@quick
@given(chains(min_cells=1, boundaries=("periodic",)))
def test_flux_multiplies_each_crossing(batch):
    threaded = batch.with_boundary("periodic", 0.7)
    assert np.allclose(threaded.block(), written_out(batch, 0.7), rtol=0, atol=1e-14)


@quick
@given(chains(min_cells=1))
def test_hamiltonian_is_hermitian_chiral_and_gives_the_block_back(batch):
    full = batch.hamiltonian()
    sign = np.tile([1.0, -1.0], batch.cells)
    assert np.array_equal(full, full.conj().swapaxes(1, 2))
    assert np.array_equal(sign[:, None] * full * sign, -full)
    assert np.array_equal(read(full, sublattice="site", ends=False).dense(), batch.block())


def test_sublattice_order():
    batch = tnl.ssh(5, 0.4, 1.0, 0.2, 0.2, seed=3)
    h = batch.block()[0]
    full = np.block([[np.zeros((5, 5)), h], [h.T, np.zeros((5, 5))]])
    assert np.array_equal(read(full, sublattice="sublattice").dense()[0], h)


def test_disorder_is_seeded_per_offset_and_prefix_stable():
    def make(**kw):
        return tnl.chain(12, {0: 0.5, 1: 1.0}, seed=5, **kw)

    one = make(disorder={0: 0.4, 1: 0.8}, samples=6)
    again = make(disorder={0: 0.4, 1: 0.8}, samples=6)
    more = make(disorder={0: 0.4, 1: 0.8}, samples=9)
    only = make(disorder={1: 0.8}, samples=6)
    for m in (0, 1):
        assert np.array_equal(one.hoppings[m], again.hoppings[m])
        assert np.array_equal(one.hoppings[m], more.hoppings[m][:6])
    assert np.array_equal(one.hoppings[1], only.hoppings[1])
    assert np.array_equal(only.hoppings[0], np.full((6, 12), 0.5))
    other = tnl.chain(12, {0: 0.5, 1: 1.0}, disorder={1: 0.8}, samples=6, seed=6)
    assert not np.array_equal(one.hoppings[1], other.hoppings[1])


def test_disorder_has_the_strength_it_is_given():
    batch = tnl.ssh(200, 0.5, 1.0, 0.6, 3.0, samples=200, seed=0)
    for m, t, w in ((0, 0.5, 0.6), (1, 1.0, 3.0)):
        r = (batch.hoppings[m] - t) / w
        assert r.min() >= -0.5
        assert r.max() < 0.5
        assert abs(r.mean()) < 0.01
        assert abs(r.var() - 1 / 12) < 0.002


def test_shapes_of_amplitudes():
    per_sample = tnl.chain(4, {0: [1.0, 2.0, 3.0], 1: 1.0})
    assert per_sample.samples == 3
    assert np.array_equal(per_sample.hoppings[0][:, 0], [1.0, 2.0, 3.0])
    per_cell = tnl.chain(4, {0: np.arange(4.0)[None], 1: np.ones((2, 4))})
    assert per_cell.samples == 2
    assert tnl.chain(4, {0: 1}, samples=5).samples == 5
    assert tnl.ssh(4, 1.0, 0.5).block().shape == (1, 4, 4)


def test_slices_and_boundaries_keep_the_sample():
    batch = tnl.ssh(6, 0.5, 1.0, 0.3, 0.3, samples=5, seed=1)
    assert np.array_equal(batch[1:3].block(), batch.block()[1:3])
    assert np.array_equal(batch[-1].block(), batch.block()[-1:])
    back = batch.with_boundary("periodic").with_boundary("open")
    assert np.array_equal(back.block(), batch.block())
    assert len(batch) == 5


@pytest.mark.parametrize(
    ("error", "match", "call"),
    [
        (ConfigError, "cells", lambda: tnl.chain(0, {0: 1.0})),
        (ConfigError, "hoppings", lambda: tnl.chain(4, {})),
        (ConfigError, "hoppings", lambda: tnl.chain(4, 1.0)),
        (ConfigError, "offset", lambda: tnl.chain(4, {0.5: 1.0})),
        (ConfigError, "add 2", lambda: tnl.chain(4, {0: 1.0}, disorder={2: 0.1})),
        (ConfigError, "strength", lambda: tnl.chain(4, {0: 1.0}, disorder={0: -0.1})),
        (ConfigError, "strength", lambda: tnl.chain(4, {0: 1.0}, disorder={0: 1j})),
        (ConfigError, "samples", lambda: tnl.chain(4, {0: 1.0}, samples=0)),
        (ConfigError, "ring", lambda: tnl.chain(4, {0: 1.0}, flux=0.1)),
        (ConfigError, "flux", lambda: tnl.chain(4, {0: 1.0}, flux=np.inf, boundary="periodic")),
        (UnknownNameError, "'open'", lambda: tnl.chain(4, {0: 1.0}, boundary="opne")),
        (NotFiniteError, "NaN", lambda: tnl.chain(4, {0: [1.0, np.nan]})),
        (NotFiniteError, "infinite", lambda: tnl.ssh(4, np.inf, 1.0)),
        (ShapeError, "samples, cells", lambda: tnl.chain(4, {0: np.ones((2, 5))})),
        (ShapeError, "different", lambda: tnl.chain(4, {0: np.ones(2), 1: np.ones(3)})),
        (ShapeError, "shape", lambda: tnl.chain(4, {0: np.ones((1, 2, 3))})),
        (ShapeError, "number", lambda: tnl.chain(4, {0: "strong"})),
        (ShapeError, "number", lambda: tnl.chain(4, {0: None})),
        (MemoryLimitError, "GiB", lambda: tnl.ssh(10**6, 1.0, 0.5, samples=10).block()),
        (MemoryLimitError, "GiB", lambda: tnl.ssh(10**6, 1.0, 0.5, samples=10).states()),
        (MemoryLimitError, "GiB", lambda: tnl.ssh(10**6, 1.0, 0.5, samples=10**8)),
    ],
)
def test_bad_input_gets_one_clear_error(error, match, call):
    with pytest.raises(error, match=match):
        call()


def test_a_hamiltonian_that_is_not_chiral_is_refused_with_the_size_of_the_violation():
    full = tnl.ssh(4, 0.5, 1.0).hamiltonian()[0]
    potential = full + 0.3 * np.eye(8)
    skew = full.copy()
    skew[0, 1] += 0.25
    for error, match, words in (
        (NotChiralError, r"0\.3", {"given": potential, "sublattice": "site"}),
        (NotChiralError, r"not Hermitian.*0\.25", {"given": skew, "sublattice": "site"}),
        (ShapeError, "odd", {"given": np.eye(3), "sublattice": "site"}),
        (UnknownNameError, "order", {"given": full, "order": "cells"}),
    ):
        with pytest.raises(error, match=match):
            tnl.winding(**words)
