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


def some(cells=16, samples=30, seed=1):
    return near_chains(cells, samples, (1.0 / cells, 0.8), seed).chains


# ------------------------------------------------------------------ answers


def test_a_result_says_what_it_rests_on():
    near = near_chains(16, 200, (0.002, 0.2), 4)
    found = tnl.marker("extended")(near.chains)
    assert len(found) == 200
    assert found.probabilities.shape == (200, 4)
    assert np.allclose(found.probabilities.sum(axis=1), 1.0)
    assert np.allclose(found.value, found.probabilities @ np.array([-1, 0, 1, 2]))
    assert found.integer.dtype == np.int64
    best = found.probabilities.argmax(axis=1)
    assert np.array_equal(found.integer, np.array(found.classes)[best])
    assert np.array_equal(found.probability, found.probabilities.max(axis=1))
    mark = tnl.marker("extended")
    assert np.array_equal(found.reliable, found.probability >= mark.threshold)
    sure = found.reliable
    right = found.integer == near.windings
    assert 0 < sure.sum() < 200
    assert right[sure].mean() > right[~sure].mean()


def test_whatever_describes_the_chains_gives_the_same():
    chains, mark = some(), tnl.marker("extended")
    known = mark(chains).probabilities
    block = chains.block()
    given = {
        "states": chains.states(),
        "block": block,
        "hamiltonian": chains.hamiltonian(),
        "torch": torch.from_numpy(block),
        "list": block.tolist(),
        "other gauge": chains.states().random_gauge(np.random.default_rng(5)),
        "scaled": 7.5 * block,
    }
    for name, one in given.items():
        assert np.allclose(mark(one).probabilities, known, rtol=0, atol=1e-7), name
    sparse = mark([sp.csr_array(h) for h in block])
    assert np.allclose(sparse.probabilities, known, rtol=0, atol=1e-7)
    single = mark(block[3])
    assert len(single) == 1
    assert np.allclose(single.probabilities[0], known[3], rtol=0, atol=1e-9)


def test_a_data_set_and_single_precision_will_do():
    data = tnl.dataset("extended", cells=12, samples=40, seed=6)
    mark = tnl.marker("extended")
    assert np.allclose(mark(data).probabilities, mark(data.chains).probabilities, atol=1e-3)


@given(seed=st.integers(0, 10**6), cells=st.integers(4, 30), strength=st.floats(0.0, 2.0))
@settings(max_examples=20, deadline=None)
def test_the_mirror_that_keeps_the_winding_keeps_the_answer(seed, cells, strength):
    amplitudes = {m: 0.3 + 0.1 * m for m in (-1, 0, 1, 2)}
    strengths = dict.fromkeys(amplitudes, strength)
    h = tnl.chain(cells, amplitudes, disorder=strengths, samples=3, seed=seed).block()
    mark = tnl.marker("extended")
    mirrored = h[:, ::-1, ::-1].swapaxes(1, 2)
    assert np.allclose(mark(mirrored).value, mark(h).value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cells", [12, 57, 130, 400])
def test_deep_in_a_phase_it_is_right_at_any_length(cells):
    strong = [{m: (1.0 if m == w else 0.15) for m in (-1, 0, 1, 2)} for w in (-1, 0, 1, 2)]
    hoppings = {m: np.array([one[m] for one in strong]) for m in (-1, 0, 1, 2)}
    found = tnl.marker("extended")(tnl.chain(cells, hoppings))
    assert found.integer.tolist() == [-1, 0, 1, 2]
    assert found.reliable.all()
    assert np.abs(found.value - found.integer).max() < 0.05


def test_outside_what_it_was_made_for_nothing_is_called_reliable():
    mark = tnl.marker("extended")
    deep = {0: 0.1, 1: 1.0}
    assert mark(tnl.chain(14, deep)).reliable.all()
    assert not mark(tnl.chain(8, deep)).reliable.any()
    assert not mark(tnl.chain(420, deep)).reliable.any()
    longer = tnl.chain(14, {**deep, 3: 0.1})
    assert not mark(longer).reliable.any()
    assert not mark(longer.block()).reliable.any()
    assert mark(tnl.chain(14, {**deep, 3: 0.0})).reliable.all()
    complex_ones = tnl.chain(14, {0: 0.1, 1: np.exp(1j)})
    for given_as in (complex_ones, complex_ones.block(), complex_ones.states()):
        assert not mark(given_as).reliable.any()


def test_many_chains_are_done_in_pieces(monkeypatch):
    chains, mark = some(20, 25), tnl.marker("extended")
    known = mark(chains).probabilities
    monkeypatch.setattr(module, "_CHUNK_BYTES", 83 * 8 * 20 * 3)  # three rows, one or two chains
    pieces = mark(chains).probabilities
    assert np.allclose(pieces, known, rtol=0, atol=1e-10)


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
    mark = tnl.marker()
    assert mark is tnl.marker("extended")
    assert mark.classes == (-1, 0, 1, 2)
    assert mark.cells == (12, 400)
    made = mark.record
    assert made["command"].startswith("python -m tnlearn.studies.make_marker")
    assert made["recipe"] == RECIPE
    assert max(made["recipe"]["training"]["sizes"]) <= 48
    assert {"tnlearn", "torch", "numpy"} <= set(made["environment"])
    accuracies = [row["accuracy"] for row in made["validation"]]
    assert len(made["members"]) == 1 + int(np.argmax(accuracies)) == mark.members


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("cells", [12, 32, 100])
def test_the_shipped_file_does_on_fresh_chains_what_was_measured(cells, strength):
    mark = tnl.marker("extended")
    measured = next(
        row
        for row in mark.record["measured"]
        if (row["condition"], row["cells"]) == (condition(strength), cells)
    )
    samples = 150 if cells == 100 else 250
    fresh = known_chains(cells, samples, strength, (0.02, 15.0, 1.2), 987_654)
    found = mark(fresh.chains)
    right = found.integer == fresh.truth
    for count, known, of in (
        (right, measured["right"], measured["samples"]),
        (right[found.reliable], measured["reliable_right"], measured["reliable"]),
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
    assert "12 to 20 cells" in repr(again)
    assert np.array_equal(again(some()).value, mark(some()).value)
    assert tnl.marker(str(path)).record == again.record


def test_the_command_refuses_what_it_cannot_write(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([str(tmp_path / "marker.txt")])
    assert "must end in .npz" in capsys.readouterr().err


# ------------------------------------------------------------------ errors


def test_rings_are_refused():
    ring = some().with_boundary("periodic")
    data = tnl.dataset("extended", cells=12, samples=8, boundary="periodic")
    for given_as in (ring, ring.block(), data):
        with pytest.raises(ConfigError, match="open chains"):
            tnl.marker("extended")(given_as)


@pytest.mark.parametrize(
    ("given_as", "words"),
    [
        (np.ones((3, 4)), "square"),
        (np.ones(5), "square"),
        (np.ones((2, 2, 2, 2)), "square"),
        ("extended", "numbers"),
    ],
)
def test_arrays_that_are_no_blocks_are_refused(given_as, words):
    with pytest.raises(ShapeError, match=words):
        tnl.marker("extended")(given_as)


def test_states_must_be_all_of_chains_with_one_orbital():
    states = some(10, 4).states()
    mark = tnl.marker("extended")
    with pytest.raises(ShapeError, match="all states"):
        mark(tnl.States(states.u[:, 1:], states.v[:, 1:], states.energies[:, 1:]))
    with pytest.raises(ShapeError, match="not normalised"):
        mark(tnl.States(2 * states.u, states.v, states.energies))
    two = states.u.reshape(4, 20, 5)  # two orbitals a cell: more states than cells
    with pytest.raises(ShapeError, match="one orbital"):
        mark(tnl.States(two, two, np.zeros((4, 20))))
    four_bands = tnl.dataset("multiband", cells=6, samples=5)
    with pytest.raises(ShapeError, match="2 orbitals a cell"):
        mark(four_bands)
    # As pairs of orbitals they are chains with farther hoppings: flagged.
    assert not mark(four_bands.chains).reliable.any()


def test_numbers_must_be_finite():
    block = some().block()
    block[2, 3, 3] = np.nan
    states = some().states()
    states.u[1, 1, 1] = np.inf
    for given_as in (block, states):
        with pytest.raises(NotFiniteError):
            tnl.marker("extended")(given_as)


def test_a_hamiltonian_must_be_chiral():
    full = some(8, 1).hamiltonian()
    full[0, 0, 0] = 0.5
    with pytest.raises(NotChiralError):
        tnl.marker("extended")(full)


def test_unknown_names_tell_those_that_are_shipped():
    with pytest.raises(UnknownNameError, match=r"did you mean 'extended'\? Known: extended"):
        tnl.marker("extende")
    with pytest.raises(UnknownNameError, match="Known: extended"):
        tnl.marker("ssh")


def test_files_that_are_no_markers_are_refused(tiny, tmp_path):
    _, path = tiny
    with pytest.raises(FileError, match="cannot read"):
        tnl.marker(tmp_path / "none.npz")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(CheckpointError, match="damaged"):
        tnl.marker(cut)
    other = tmp_path / "other.npz"
    write(other, "tnlearn-fitted/1", {}, {"a": np.zeros(2)})
    with pytest.raises(CheckpointError, match="tnlearn-marker/1"):
        tnl.marker(other)
    head, arrays = read(path, "tnlearn-marker/1")
    for name, changed in (("shift", np.zeros(3)), ("layer0/bias", np.zeros((2, 5)))):
        broken = tmp_path / "broken.npz"
        write(broken, "tnlearn-marker/1", head, {**arrays, name: changed})
        with pytest.raises(CheckpointError, match="not a marker of this version"):
            read_marker(broken)
    write(tmp_path / "less.npz", "tnlearn-marker/1", {**head, "record": {}}, arrays)
    with pytest.raises(CheckpointError, match="not a marker of this version"):
        read_marker(tmp_path / "less.npz")
