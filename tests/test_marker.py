"""`tnl.marker`: what it takes and answers, the shipped file, and how such a file is made."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tnlearn as tnl
from tnlearn.archive import read, write
from tnlearn.data.near import near_chains
from tnlearn.errors import (
    CheckpointError,
    ConfigError,
    FileError,
    NotChiralError,
    NotFiniteError,
    ShapeError,
    UnknownNameError,
)
from tnlearn.markers import marker as module
from tnlearn.markers.marker import read_marker
from tnlearn.models.scaling import scaling
from tnlearn.studies.labels import condition, known_chains
from tnlearn.studies.make_marker import RECIPE, TRAINING, main, make
from tnlearn.studies.marker_training import trained_marker

TINY = copy.deepcopy(RECIPE)
TINY["network"]["hidden"] = [8]
TINY["training"] |= {"sizes": [12, 16], "near": 300, "clean": 40, "disordered": 40}
TINY |= {"members": 3, "kept": 2, "epochs": 3, "batch_size": 64}
TINY["measured"] = {"cells": [12, 20], "samples": [60, 60], "strengths": [0.0, 0.5]}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("marker") / "tiny.npz"
    return make(path, TINY, seed=3, command="a test"), path


MARK = tnl.marker("extended")


def some(cells=16, samples=30, seed=1):
    return near_chains(cells, samples, (1.0 / cells, 0.8), seed).chains


# ------------------------------------------------------------------ answers


def test_a_result_says_what_it_rests_on():
    near = near_chains(16, 200, (0.002, 0.2), 4)
    marking = MARK(near.chains)
    assert len(marking) == 200
    assert marking.probabilities.shape == (200, 4)
    assert np.allclose(marking.probabilities.sum(axis=1), 1.0)
    assert np.allclose(marking.value, marking.probabilities @ np.array([-1, 0, 1, 2]))
    assert marking.integer.dtype == np.int64
    best = marking.probabilities.argmax(axis=1)
    assert np.array_equal(marking.integer, np.array(marking.classes)[best])
    assert np.array_equal(marking.probability, marking.probabilities.max(axis=1))
    sure, right = marking.reliable, marking.integer == near.windings
    assert np.array_equal(sure, marking.probability >= MARK.threshold)
    assert 0 < sure.sum() < 200
    assert right[sure].mean() > right[~sure].mean()


def test_whatever_describes_the_chains_gives_the_same():
    chains = some()
    known, block, states = MARK(chains).probabilities, chains.block(), chains.states()
    same = {
        "states": states,
        "block": block,
        "hamiltonian": chains.hamiltonian(),
        "torch": torch.from_numpy(block),
        "list": block.tolist(),
        "sparse": [sp.csr_array(h) for h in block],
        "other gauge": states.random_gauge(np.random.default_rng(5)),
        "scaled": 7.5 * block,
    }
    for name, one in same.items():
        assert np.allclose(MARK(one).probabilities, known, rtol=0, atol=1e-7), name
    single = MARK(block[3])
    assert len(single) == 1
    assert np.allclose(single.probabilities[0], known[3], rtol=0, atol=1e-9)
    data = tnl.dataset("extended", cells=12, samples=40, seed=6)  # in single precision
    assert np.allclose(MARK(data).probabilities, MARK(data.chains).probabilities, atol=1e-3)


@given(seed=st.integers(0, 10**6), cells=st.integers(4, 30), strength=st.floats(0.0, 2.0))
@settings(max_examples=20, deadline=None)
def test_the_mirror_that_keeps_the_winding_keeps_the_answer(seed, cells, strength):
    amplitudes = {m: 0.3 + 0.1 * m for m in (-1, 0, 1, 2)}
    strengths = dict.fromkeys(amplitudes, strength)
    h = tnl.chain(cells, amplitudes, disorder=strengths, samples=3, seed=seed).block()
    mirrored = h[:, ::-1, ::-1].swapaxes(1, 2)
    assert np.allclose(MARK(mirrored).value, MARK(h).value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cells", [12, 57, 130, 400])
def test_deep_in_a_phase_it_is_right_at_any_length(cells):
    strong = [{m: (1.0 if m == w else 0.15) for m in (-1, 0, 1, 2)} for w in (-1, 0, 1, 2)]
    hoppings = {m: np.array([one[m] for one in strong]) for m in (-1, 0, 1, 2)}
    marking = MARK(tnl.chain(cells, hoppings))
    assert marking.integer.tolist() == [-1, 0, 1, 2]
    assert marking.reliable.all()
    assert np.abs(marking.value - marking.integer).max() < 0.05


def test_outside_what_it_was_made_for_nothing_is_called_reliable():
    deep = {0: 0.1, 1: 1.0}
    inside = (tnl.chain(14, deep), tnl.chain(14, {**deep, 3: 0.0}))
    longer = tnl.chain(14, {**deep, 3: 0.1})
    turned = tnl.chain(14, {0: 0.1, 1: np.exp(1j)})
    outside = (tnl.chain(8, deep), tnl.chain(420, deep), longer, longer.block())
    assert all(MARK(one).reliable.all() for one in inside)
    for one in (*outside, turned, turned.block(), turned.states()):
        assert not MARK(one).reliable.any()


def test_many_chains_are_done_in_pieces(monkeypatch):
    chains = some(20, 25)
    known = MARK(chains).probabilities
    monkeypatch.setattr(module, "_CHUNK_BYTES", 83 * 8 * 20 * 3)  # three rows, one or two chains
    assert np.allclose(MARK(chains).probabilities, known, rtol=0, atol=1e-10)


def test_torch_is_not_loaded():
    code = (
        "import sys, tnlearn as tnl; mark = tnl.marker('extended'); "
        "assert mark(tnl.chain(16, {0: 0.5, 1: 1.0})).integer.tolist() == [1]; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# ------------------------------------------------------------------ the shipped file


def test_the_shipped_file_says_how_it_was_made():
    path = resources.files("tnlearn.markers").joinpath("extended.npz")
    assert len(path.read_bytes()) < 200_000
    assert tnl.marker() is MARK
    assert MARK.classes == (-1, 0, 1, 2)
    assert MARK.cells == (12, 400)
    record = MARK.record
    assert record["command"].startswith("python -m tnlearn.studies.make_marker")
    assert record["recipe"] == RECIPE
    assert max(record["recipe"]["training"]["sizes"]) <= 48
    assert {"tnlearn", "torch", "numpy"} <= set(record["environment"])
    accuracies = [row["accuracy"] for row in record["validation"]]
    assert len(record["members"]) == 1 + int(np.argmax(accuracies)) == MARK.members


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("cells", [12, 32, 100])
def test_the_shipped_file_does_on_fresh_chains_what_was_measured(cells, strength):
    rows = {(row["condition"], row["cells"]): row for row in MARK.record["measured"]}
    measured = rows[condition(strength), cells]
    samples = 150 if cells == 100 else 250
    fresh = known_chains(cells, samples, strength, (0.02, 15.0, 1.2), 987_654)
    marking = MARK(fresh.chains)
    right = marking.integer == fresh.truth
    for count, known, of in (
        (right, measured["right"], measured["samples"]),
        (right[marking.reliable], measured["reliable_right"], measured["reliable"]),
    ):
        share = (known + 1) / (of + 2)
        scatter = math.sqrt(share * (1 - share) * (1 / of + 1 / len(count)))
        assert abs(count.mean() - known / of) < 4 * scatter
    if not strength:
        # Chosen near transitions, and as close as L δ = 0.02.
        assert right.mean() > 0.93
        assert right[cells * fresh.distance > 1].mean() > 0.99


# ------------------------------------------------------------------ making one


def test_a_marker_is_the_mean_of_its_best_members(tiny):
    mark, _ = tiny
    fitted = trained_marker({"seed": 3, "offset": 0, **{key: TINY[key] for key in TRAINING}})
    chains = some(18, 20)
    alone = fitted.resize(18).predict(chains.states().astype("float32"), proba=True)
    known = alone[mark.record["members"]].mean(axis=0)
    # Trained again: the same members; and numpy computes what torch does.
    assert np.allclose(mark(chains).probabilities, known, rtol=0, atol=2e-4)
    assert 1 <= mark.members <= 2


def test_the_moments_are_those_of_the_network():
    states = some(15, 7).states()
    assert np.allclose(module._moments(states), scaling(15)(states), rtol=0, atol=1e-11)


def test_a_made_marker_is_measured_and_can_be_read(tiny):
    mark, path = tiny
    assert mark.record["command"] == "a test"
    assert mark.cells == (12, 20)
    assert [row["cells"] for row in mark.record["measured"]] == [12, 20, 12, 20]
    for row in mark.record["measured"]:
        assert 0 < row["right"] <= row["samples"] <= 60
        assert row["reliable_right"] <= row["reliable"]
    assert 0 < mark.threshold <= 1
    again = tnl.marker(path)
    assert again.name == "tiny"
    assert "cells=12 to 20" in repr(again)
    assert np.array_equal(again(some()).value, mark(some()).value)
    assert tnl.marker(str(path)).record == again.record


def test_the_command_refuses_what_it_cannot_write(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([str(tmp_path / "marker.txt")])
    assert "must end in .npz" in capsys.readouterr().err


# ------------------------------------------------------------------ errors


def with_nan(array):
    array[1, 1, 1] = np.nan
    return array


def not_chiral():
    full = some(8, 1).hamiltonian()
    full[0, 0, 0] = 0.5
    return full


def states_of(change):
    states = some(10, 4).states()
    u, v = change(states.u), change(states.v)
    return tnl.States(u, v, np.zeros(u.shape[:2]))


RINGS = some().with_boundary("periodic")
MULTIBAND = tnl.dataset("multiband", cells=6, samples=5)


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        (lambda: RINGS, ConfigError, "open chains"),
        (RINGS.block, ConfigError, "open chains"),
        (lambda: tnl.dataset("ssh", 12, 8, boundary="periodic"), ConfigError, "open chains"),
        (lambda: np.ones((3, 4)), ShapeError, "square"),
        (lambda: np.ones(5), ShapeError, "square"),
        (lambda: np.ones((2, 2, 2, 2)), ShapeError, "square"),
        (lambda: "extended", ShapeError, "numbers"),
        (lambda: states_of(lambda x: x[:, 1:]), ShapeError, "all states"),
        (lambda: states_of(lambda x: 2 * x), ShapeError, "not normalised"),
        # Two orbitals a cell: more states than cells.
        (lambda: states_of(lambda x: x.reshape(4, 20, 5)), ShapeError, "one orbital"),
        (lambda: MULTIBAND, ShapeError, "2 orbitals a cell"),
        (lambda: with_nan(some().block()), NotFiniteError, "NaN"),
        (lambda: states_of(with_nan), NotFiniteError, "NaN"),
        (not_chiral, NotChiralError, "chiral"),
    ],
)
def test_what_cannot_be_marked(source, error, words):
    with pytest.raises(error, match=words):
        MARK(source())


def test_pairs_of_orbitals_are_chains_with_farther_hoppings():
    assert not MARK(MULTIBAND.chains).reliable.any()


@pytest.mark.parametrize("name", ["extende", "ssh"])
def test_unknown_names_tell_those_that_are_shipped(name):
    with pytest.raises(UnknownNameError, match="Known: extended"):
        tnl.marker(name)


def test_files_that_are_no_markers_are_refused(tiny, tmp_path):
    _, path = tiny
    with pytest.raises(FileError, match="cannot read"):
        tnl.marker(tmp_path / "none.npz")
    file = tmp_path / "file.npz"
    file.write_bytes(path.read_bytes()[:-50])
    head, arrays = read(path, "tnlearn-marker/1")
    this = "not a marker of this version"
    for kind, record, changes, words in (
        (None, None, None, "damaged"),
        ("tnlearn-fitted/1", {}, {}, "tnlearn-marker/1"),
        ("tnlearn-marker/1", head, {"shift": np.zeros(3)}, this),
        ("tnlearn-marker/1", head, {"layer0/bias": np.zeros((2, 5))}, this),
        ("tnlearn-marker/1", {**head, "record": {}}, {}, this),
    ):
        if kind is not None:
            write(file, kind, record, {**arrays, **changes})
        with pytest.raises(CheckpointError, match=words):
            read_marker(file)
