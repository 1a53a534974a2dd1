"""Chains at a chosen distance from a transition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tnlearn as tnl
from tnlearn.data.near import near_chains, near_dataset, transitions, zeros_of
from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.physics.rings import momentum_winding

NAMES = ("ssh", "extended", "complex")


def zeros(chains):
    return zeros_of(np.stack([chains.hoppings[m][:, 0] for m in chains.offsets], axis=1))


@pytest.mark.parametrize("name", NAMES)
def test_distance_and_winding_are_those_asked_for(name):
    near = near_chains(20, 300, (1e-4, 0.9), 3, name=name)
    value, clear = momentum_winding(near.chains)
    assert clear.all()
    assert np.array_equal(value, near.windings)
    found = np.abs(np.log(np.abs(zeros(near.chains)))).min(axis=1)
    assert np.allclose(found, near.distance, rtol=1e-8)
    assert near.distance.min() >= 1e-4
    assert near.distance.max() < 0.9


@pytest.mark.parametrize("name", NAMES)
def test_every_transition_comes_equally_often_on_either_side(name):
    pairs = transitions(name)
    near = near_chains(6, 4 * len(pairs), (0.01, 0.3), 5, name=name)
    assert near.transitions == pairs
    counts = np.bincount(near.transition, minlength=len(pairs))
    assert np.array_equal(counts, np.full(len(pairs), 4))
    for k, (low, high) in enumerate(pairs):
        mine = near.windings[near.transition == k]
        assert sorted(mine.tolist()) == [low, low, high, high]


def test_moving_the_zero_on_through_the_circle_changes_the_winding_as_told():
    near = near_chains(4, 60, (0.05, 0.5), 9)
    through = zeros(near.chains)
    away = np.abs(np.log(np.abs(through)))
    nearest = np.abs(away - near.distance[:, None]) < 1e-6
    other = np.where(nearest, through / np.abs(through) ** 2, through)
    inside = (np.abs(other) < 1).sum(axis=1) - 1
    low, high = np.array(near.transitions)[near.transition].T
    assert np.array_equal(inside, np.where(near.windings == low, high, low))
    assert np.array_equal(nearest.sum(axis=1), high - low)


def test_real_hoppings_stay_real_and_no_larger_than_drawn():
    near = near_chains(4, 200, (1e-3, 0.5))
    hoppings = np.stack([t[:, 0] for t in near.chains.hoppings.values()])
    assert hoppings.dtype == np.float64
    assert np.abs(hoppings).max() <= 1.0


def test_a_sample_depends_on_its_index_alone_and_on_no_length():
    whole = near_chains(9, 40, (0.01, 0.5), 7)
    part = near_chains(9, 5, (0.01, 0.5), 7, start=21)
    long = near_chains(30, 40, (0.01, 0.5), 7)
    for m, t in whole.chains.hoppings.items():
        assert np.array_equal(part.chains.hoppings[m], t[21:26])
        assert np.array_equal(long.chains.hoppings[m][:, :9], t)
    assert np.array_equal(part.windings, whole.windings[21:26])
    other = near_chains(9, 40, (0.01, 0.5), 8)
    assert not np.any(other.distance == whole.distance)


def test_some_transitions_only():
    near = near_chains(5, 12, (0.01, 0.5), between=[(0, 1), (-1, 1)])
    assert set(near.windings.tolist()) == {-1, 0, 1}
    assert near.transitions == ((0, 1), (-1, 1))


@given(low=st.floats(1e-5, 0.1), factor=st.floats(1.0, 5.0), seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_any_range_of_distances(low, factor, seed):
    near = near_chains(3, 10, (low, low * factor), seed)
    assert np.all(near.distance >= low)
    assert np.all(near.distance <= low * factor * (1 + 1e-12))
    assert np.array_equal(momentum_winding(near.chains)[0], near.windings)


def test_the_data_set_has_states_labels_and_its_recipe():
    data = near_dataset(12, 40, (0.01, 0.4), 2, dtype="float64")
    near = near_chains(12, 40, (0.01, 0.4), 2)
    assert np.array_equal(np.asarray(data.classes)[data.labels], near.windings)
    assert np.allclose(data.states.q(), near.chains.states().q(), rtol=0, atol=1e-10)
    assert np.array_equal(tnl.winding(data.chains, "lyapunov").integer, data.windings)
    sign = np.sign((data.states.u * data.chains.states().u).sum(axis=2))
    assert abs(sign.mean()) < 0.3  # the gauge is random
    assert data.info["near"] == {
        "distance": [0.01, 0.4],
        "between": [list(pair) for pair in transitions()],
    }
    again = near_dataset(12, 40, (0.01, 0.4), 2, dtype="float64")
    assert np.array_equal(again.states.u, data.states.u)


def test_shifts_that_transform_apply_and_those_that_draw_anew_say_why_not():
    data = near_dataset(10, 20, (0.05, 0.4))
    assert tnl.shift("ring", data).chains.boundary == "periodic"
    with pytest.raises(UnknownNameError, match="variant 'near'"):
        tnl.shift("size-2x", data)


@pytest.mark.parametrize(
    ("error", "match", "options"),
    [
        *[
            (ConfigError, "distance", {"distance": bad})
            for bad in [(0.0, 1.0), (0.5, 0.1), (0.1,), "near", (0.1, np.inf)]
        ],
        (ConfigError, "its transitions are", {"between": [(0, 3)]}),
        (ConfigError, "at least 1", {"samples": 0}),
        (ConfigError, "too rare", {"distance": (25.0, 30.0)}),
        (ConfigError, "2 orbitals", {"name": "multiband"}),
        (UnknownNameError, "did you mean 'extended'", {"name": "extend"}),
    ],
)
def test_settings_out_of_range_are_refused(error, match, options):
    with pytest.raises(error, match=match):
        near_chains(**{"cells": 5, "samples": 4, "distance": (0.1, 0.2), **options})
