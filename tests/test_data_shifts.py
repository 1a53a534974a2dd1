import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.data import SHIFTS
from tnlearn.errors import ConfigError, UnknownNameError

CHEAP = [name for name in SHIFTS if name not in ("size-20x", "disorder-3")]
STATES_ONLY = ("no-zero-modes-1", "no-zero-modes-2", "gauge", "solver-gauge", "rotation")


@pytest.fixture(scope="module", params=["ssh", "extended", "complex"])
def data(request):
    return tnl.dataset(request.param, 12, 24, 0.3, 11, dtype="float64")


@pytest.mark.parametrize("name", CHEAP)
def test_every_shift_is_certified_recorded_and_repeatable(name, data):
    found = tnl.shift(name, data, seed=4)
    again = tnl.shift(name, data, seed=4)
    assert np.array_equal(found.states.u, again.states.u)
    assert len(found) == len(data)
    assert found.classes == data.classes
    assert found.info["shifts"] == [{"name": name, "seed": 4}]
    assert data.info["shifts"] == []
    assert found.states.cells == found.chains.cells == found.info["cells"]
    assert SHIFTS[name].title
    assert SHIFTS[name].description
    own = tnl.winding(found.chains, "lyapunov").integer
    clear = ~found.ambiguous
    assert np.array_equal(own[clear], found.windings[clear])
    if name == "unseen-winding":
        assert (found.labels == -1).all()
        assert not np.isin(found.windings, data.classes).any()
    else:
        assert np.array_equal(np.asarray(data.classes)[found.labels], found.windings)


@pytest.mark.parametrize("name", ["disorder-1", "size-2x", "longer-hopping", "complex-phases"])
def test_new_samples_are_new_and_balanced(name, data):
    found = tnl.shift(name, data)
    assert (np.bincount(found.labels) == len(data) // len(data.classes)).all()
    assert found.info["seed"] != data.info["seed"]
    assert not np.isin(found.chains.hoppings[0][:, 0], data.chains.hoppings[0][:, 0]).any()
    other = tnl.shift(name, data, seed=1)
    assert not np.isin(found.chains.hoppings[0][:, 0], other.chains.hoppings[0][:, 0]).any()
    few = tnl.shift(name, data, samples=7)
    assert np.array_equal(few.states.u, found.states.u[:7])


def test_what_new_samples_change(data):
    assert tnl.shift("disorder-0.75", data).info["disorder"] == 0.75
    assert tnl.shift("size-0.5x", data).info["cells"] == 6
    longer = tnl.shift("longer-hopping", data).chains.offsets
    assert longer == (*data.chains.offsets, data.chains.offsets[-1] + 1)
    assert np.iscomplexobj(tnl.shift("complex-phases", data).states.u)


@pytest.mark.parametrize("name", STATES_ONLY)
def test_shifts_of_the_states_keep_the_chains_and_labels(name, data):
    found = tnl.shift(name, data)
    assert found.chains is data.chains
    assert np.array_equal(found.labels, data.labels)
    assert np.array_equal(found.ambiguous, data.ambiguous)


@pytest.mark.parametrize("name", ["gauge", "solver-gauge", "rotation"])
def test_gauges_and_rotations_keep_q_and_change_the_states(name, data):
    found = tnl.shift(name, data)
    assert np.allclose(found.states.q(), data.states.q(), rtol=0, atol=1e-9)
    assert not np.array_equal(found.states.u, data.states.u)
    norms = (np.abs(found.states.u) ** 2).sum(axis=2)
    assert np.allclose(norms, 1, rtol=0, atol=1e-12)


def test_zero_modes_are_left_out(data):
    found = tnl.shift("no-zero-modes-2", data)
    assert not found.states.u[:, :2].any()
    assert np.array_equal(found.states.u[:, 2:], data.states.u[:, 2:])
    assert data.states.u[:, :2].any()


def test_the_ring_is_the_same_chain_closed(data):
    found = tnl.shift("ring", data)
    ring = data.chains.with_boundary("periodic")
    assert np.array_equal(found.chains.block(), ring.block())
    assert np.allclose(found.states.energies, ring.states().energies, rtol=0, atol=1e-12)
    assert np.array_equal(found.labels, data.labels)
    assert tnl.shift("disorder-1", found).chains.boundary == "periodic"


@pytest.mark.parametrize("name", ["edge-cell", "edge-potential"])
def test_edges_are_altered_and_the_bulk_is_not(name, data):
    found = tnl.shift(name, data)
    before, after = data.chains.block(), found.chains.block()
    reach = max(abs(m) for m in data.chains.offsets)
    inner = slice(1, -1)
    assert np.array_equal(before[:, inner, inner], after[:, inner, inner])
    changed = before != after
    assert changed.any(axis=(1, 2)).all()
    assert not changed[:, 1 + reach : -1 - reach].any()
    ratio = after[changed] / before[changed]
    if name == "edge-cell":
        assert np.isclose(np.minimum(abs(ratio - 5), abs(ratio - 0.2)), 0, atol=1e-12).all()
    else:
        added = np.abs(after[changed]) - np.abs(before[changed])
        assert np.allclose(added, 5, rtol=0, atol=1e-12)


def test_an_end_cell_is_removed(data):
    found = tnl.shift("edge-removed", data)
    assert np.array_equal(found.chains.block(), data.chains.block()[:, 1:, 1:])


def test_shifts_follow_one_another(data):
    found = tnl.shift("gauge", tnl.shift("edge-cell", tnl.shift("disorder-1", data)))
    assert [s["name"] for s in found.info["shifts"]] == ["disorder-1", "edge-cell", "gauge"]
    with pytest.raises(ConfigError, match="apply it first"):
        tnl.shift("disorder-1", found)


def test_slices_of_data_are_shifted_as_slices(data):
    part = tnl.shift("disorder-1", data[8:16])
    whole = tnl.shift("disorder-1", data)
    assert np.array_equal(part.states.u, whole.states.u[8:16])


@pytest.mark.parametrize(
    ("name", "options", "error", "match"),
    [
        ("edge-potental", {}, UnknownNameError, "'edge-potential'"),
        ("disorder", {}, UnknownNameError, "disorder"),
        (3, {}, UnknownNameError, "unknown shift"),
        ("no-zero-modes-13", {}, ConfigError, "left out"),
        ("gauge", {"seed": -1}, ConfigError, "seed"),
        ("disorder-1", {"samples": 0}, ConfigError, "samples"),
        ("gauge", {"samples": 1000}, ConfigError, "cannot make"),
        ("size-0.1x", {}, ConfigError, "cells"),
    ],
)
def test_bad_shifts(name, options, error, match):
    with pytest.raises(error, match=match):
        tnl.shift(name, tnl.dataset("ssh", 12, 4), **options)


def test_rings_have_no_edges(data):
    with pytest.raises(ConfigError, match="rings"):
        tnl.shift("edge-cell", tnl.shift("ring", data))
