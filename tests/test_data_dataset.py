import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.data.recipes import recipe_for
from tnlearn.data.sampling import stream, targets
from tnlearn.errors import ConfigError, MemoryLimitError, UnknownNameError

NAMES = ("ssh", "extended", "complex")


@pytest.mark.parametrize("disorder", [0.0, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_every_block_of_samples_is_balanced(name, disorder):
    data = tnl.dataset(name, 10, 24, disorder, 3)
    count = len(data.classes)
    blocks = data.labels.reshape(-1, count)
    assert np.array_equal(np.sort(blocks, axis=1), np.tile(np.arange(count), (len(blocks), 1)))
    assert len({tuple(b) for b in blocks}) > 1


@pytest.mark.parametrize("disorder", [0.0, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_labels_are_the_samples_own_integer(name, disorder):
    data = tnl.dataset(name, 12, 200, disorder, 5)
    assert np.array_equal(np.asarray(data.classes)[data.labels], data.windings)
    for method in ("lyapunov", "twist"):
        assert np.array_equal(tnl.winding(data.chains, method).integer, data.windings)
    assert data.info["label"] == "lyapunov"


@pytest.mark.parametrize("disorder", [0.0, 1.5])
@pytest.mark.parametrize("name", NAMES)
def test_a_sample_depends_on_its_index_alone(name, disorder):
    whole = tnl.dataset(name, 9, 40, disorder, 7)
    part = tnl.dataset(name, 9, 5, disorder, 7, start=21)
    one = tnl.dataset(name, 9, 1, disorder, 7, start=33)
    for some, first in ((part, 21), (one, 33)):
        there = slice(first, first + len(some))
        assert np.array_equal(some.states.u, whole.states.u[there])
        assert np.array_equal(some.states.v, whole.states.v[there])
        assert np.array_equal(some.labels, whole.labels[there])
        assert np.array_equal(some.ambiguous, whole.ambiguous[there])
        for m, t in some.chains.hoppings.items():
            assert np.array_equal(t, whole.chains.hoppings[m][there])


def test_another_seed_or_start_is_other_data():
    a = tnl.dataset("extended", 8, 20, seed=1)
    b = tnl.dataset("extended", 8, 20, seed=2)
    c = tnl.dataset("extended", 8, 20, seed=1, start=20)
    firsts = [set(d.chains.hoppings[0][:, 0].tolist()) for d in (a, b, c)]
    assert not firsts[0] & firsts[1]
    assert not firsts[0] & firsts[2]


@pytest.mark.parametrize("name", NAMES)
def test_the_states_are_those_of_the_chains(name):
    data = tnl.dataset(name, 8, 30, 0.5, dtype="float64")
    q = data.chains.states().q()
    assert np.allclose(data.states.q(), q, rtol=0, atol=1e-10)
    assert np.array_equal(data.states.energies, data.chains.states().energies)


def test_the_gauge_is_random_unless_asked_otherwise():
    free = tnl.dataset("extended", 10, 100, dtype="float64")
    solver = tnl.dataset("extended", 10, 100, dtype="float64", gauge="solver")
    assert np.array_equal(solver.states.u, solver.chains.states().u)
    sign = np.sign((free.states.u * solver.states.u).sum(axis=2))
    assert np.array_equal(np.abs(sign), np.ones_like(sign))
    assert abs(sign.mean()) < 0.1
    assert np.allclose(sign[:, :, None] * free.states.v, solver.states.v, rtol=0, atol=1e-12)


def test_rings_have_the_labels_of_the_open_chains():
    flat, ring = (tnl.dataset("extended", 10, 20, 1.0, boundary=b) for b in ("open", "periodic"))
    assert np.array_equal(flat.labels, ring.labels)
    assert np.array_equal(flat.ambiguous, ring.ambiguous)
    assert ring.chains.boundary == "periodic"
    assert not np.array_equal(flat.states.energies, ring.states.energies)


def test_ambiguous_samples_are_kept_and_are_those_of_the_definition():
    data = tnl.dataset("extended", 12, 400, 1.0)
    ring = tnl.winding(data.chains, boundary="periodic")
    expected = (ring.integer != data.windings) | (np.abs(ring.value - ring.integer) > 0.3)
    assert np.array_equal(data.ambiguous, expected)
    assert 0 < data.ambiguous.sum() < 400


def test_precision_and_kind_of_the_states():
    assert tnl.dataset("ssh", 4, 4).states.u.dtype == np.float32
    assert tnl.dataset("ssh", 4, 4, dtype="float64").states.u.dtype == np.float64
    assert tnl.dataset("complex", 4, 4).states.u.dtype == np.complex64


def test_hoppings_are_drawn_from_the_recipe():
    for name, low, high in (("ssh", 0, 2), ("extended", -1, 1)):
        chains = tnl.dataset(name, 5, 400).chains
        for t in chains.hoppings.values():
            assert np.array_equal(t, np.repeat(t[:, :1], 5, axis=1))
            assert low <= t.min() < low + 0.1
            assert high - 0.1 < t.max() < high
    spread = tnl.dataset("ssh", 50, 100, 0.5).chains.hoppings[0]
    widths = spread.max(axis=1) - spread.min(axis=1)
    assert 0.4 < widths.min() <= widths.max() < 0.5


def test_slices_keep_the_recipe():
    data = tnl.dataset("extended", 6, 40, 0.5, 2)
    part = data[8:20]
    assert len(part) == 12
    assert part.info["start"] == 8
    assert part.info["samples"] == 12
    again = tnl.dataset("extended", 6, 12, 0.5, 2, start=8)
    assert np.array_equal(part.states.u, again.states.u)
    clear = data[~data.ambiguous]
    assert not clear.ambiguous.any()
    assert clear.info["subset"]
    assert len(data[-1]) == 1
    assert np.array_equal(data[-1].states.u, data.states.u[-1:])


def test_it_says_in_a_line_what_it_is():
    data = tnl.shift("gauge", tnl.dataset("extended", 6, 40, 0.5, 2))
    words = "name=extended, samples=40, cells=6, boundary=open, classes=-1, 0, 1, 2, disorder=0.5, "
    assert repr(data) == f"Dataset({words}shifts=gauge, ambiguous={data.ambiguous.sum()})"


def test_targets_of_neighbouring_blocks_and_seeds_differ():
    recipe = recipe_for("extended")
    indices = np.arange(400)
    one, other = (targets(4, recipe.key, seed, indices) for seed in (1, 2))
    assert not np.array_equal(one, other)
    assert np.array_equal(targets(4, recipe.key, 1, indices[30:50]), one[30:50])
    assert stream(1, "a", 0).random() != stream(1, "b", 0).random()


@pytest.mark.parametrize(
    ("error", "match", "options"),
    [
        (UnknownNameError, "'extended'", {"name": "extendet"}),
        (UnknownNameError, "'periodic'", {"boundary": "periodi"}),
        (UnknownNameError, "gauge", {"gauge": "none"}),
        (UnknownNameError, "dtype", {"dtype": "float16"}),
        (ConfigError, "cells", {"cells": 0}),
        (ConfigError, "samples", {"samples": 0}),
        (ConfigError, "samples", {"samples": 2.5}),
        (ConfigError, "start", {"start": -1}),
        (ConfigError, "seed", {"seed": -1}),
        (ConfigError, "disorder", {"disorder": -1.0}),
        (ConfigError, "disorder", {"disorder": float("nan")}),
        (ConfigError, "disorder", {"disorder": "strong"}),
        (MemoryLimitError, "GiB", {"cells": 10**5, "samples": 10**5}),
    ],
)
def test_bad_options(error, match, options):
    with pytest.raises(error, match=match):
        tnl.dataset(**{"name": "ssh", "cells": 4, "samples": 4, **options})


def test_a_class_too_rare_is_named(monkeypatch):
    monkeypatch.setattr("tnlearn.data.sampling._ATTEMPTS", (4, 8))
    with pytest.raises(ConfigError, match="too rare"):
        tnl.dataset("extended", 300, 4, disorder=20.0)
