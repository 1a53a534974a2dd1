"""Data sets on disk: the same bits back, whatever is altered is noticed, kills are survived."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.archive import parts_of
from tnlearn.data import disagreement, open_dataset
from tnlearn.errors import ConfigError, FileError, UnknownNameError

GIVEN = {"cells": 8, "samples": 30, "disorder": 0.5, "seed": 5}


def same(one, other):
    assert np.array_equal(one.states.u, other.states.u)
    assert np.array_equal(one.states.v, other.states.v)
    assert np.array_equal(one.states.energies, other.states.energies)
    assert one.states.u.dtype == other.states.u.dtype
    for name in ("labels", "windings", "ambiguous"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
        assert getattr(one, name).dtype == getattr(other, name).dtype
    assert one.chains.boundary == other.chains.boundary
    for m, t in one.chains.hoppings.items():
        assert np.array_equal(t, other.chains.hoppings[m])
    assert one.classes == other.classes
    assert one.kinds.keys() == other.kinds.keys()
    for name, kind in one.kinds.items():
        # What linear algebra rounds depends on where in memory a sample lies; integers do not.
        np.testing.assert_allclose(kind.value, other.kinds[name].value, rtol=0, atol=1e-13)
        assert np.array_equal(kind.integer, other.kinds[name].integer)
        assert np.array_equal(kind.reliable, other.kinds[name].reliable)


@pytest.mark.parametrize("name", ["ssh", "complex"])
@pytest.mark.parametrize("labels", ["lyapunov", "all"])
def test_a_file_holds_the_samples_bit_for_bit(tmp_path, name, labels):
    memory = tnl.dataset(name, **GIVEN, labels=labels)
    with tnl.dataset(name, **GIVEN, labels=labels, path=tmp_path / "a.h5", chunk=7) as stored:
        same(stored[:], memory)
        assert stored.info == memory.info == stored[:].info
        assert stored.classes == memory.classes
        assert len(stored) == len(memory)
        for column in ("labels", "windings", "ambiguous"):
            assert np.array_equal(getattr(stored, column), getattr(memory, column))
        assert stored.kinds.keys() == memory.kinds.keys()
    with memory.save(tmp_path / "b.h5", chunk=11) as saved:
        same(saved[:], memory)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "b.h5"]


@pytest.mark.parametrize(
    "index",
    [
        slice(3, 20),
        slice(None, None, -3),
        4,
        -1,
        [29, 0, 7, 7],
        np.arange(30) % 4 == 1,
        slice(5, 5),
    ],
    ids=["slice", "step", "one", "last", "list", "mask", "empty"],
)
def test_any_index_gives_what_it_gives_in_memory(tmp_path, index):
    memory = tnl.dataset("extended", **GIVEN, labels="all")
    with memory.save(tmp_path / "a.h5", chunk=7) as stored:
        found, expected = stored[index], memory[index]
        same(found, expected)
        assert found.info == expected.info


def test_batches_cover_everything_once(tmp_path):
    memory = tnl.dataset("ssh", **GIVEN)
    with memory.save(tmp_path / "a.h5", chunk=7) as stored:
        batches = list(stored.batches(8))
        assert [len(b) for b in batches] == [8, 8, 8, 6]
        assert np.array_equal(np.concatenate([b.states.u for b in batches]), memory.states.u)
        mixed = np.concatenate([b.states.energies for b in stored.batches(4, shuffle=1)])
        again = np.concatenate([b.states.energies for b in stored.batches(4, shuffle=1)])
        assert np.array_equal(mixed, again)
        assert not np.array_equal(mixed, memory.states.energies)
        assert np.array_equal(np.sort(mixed[:, 0]), np.sort(memory.states.energies[:, 0]))
        with pytest.raises(ConfigError, match="size"):
            stored.batches(0)


def test_a_shifted_data_set_is_saved_with_its_recipe(tmp_path):
    shifted = tnl.shift("edge-cell", tnl.dataset("ssh", **GIVEN, labels="all"), 3)
    with shifted.save(tmp_path / "a.h5") as stored:
        same(stored[:], shifted)
        assert stored.info["shifts"] == [{"name": "edge-cell", "seed": 3}]
    with pytest.raises(FileError, match="shifts"):
        tnl.dataset("ssh", **GIVEN, labels="all", path=tmp_path / "a.h5")


def test_the_full_recipe_is_inside(tmp_path):
    tnl.dataset("ssh", **GIVEN, path=tmp_path / "a.h5").close()
    with h5py.File(tmp_path / "a.h5") as file:
        info = json.loads(file.attrs["recipe"])["info"]
        assert all(column.fletcher32 for column in file.values())
    again = tnl.dataset(
        *(info[k] for k in ("name", "cells", "samples", "disorder", "seed")),
        **{k: info[k] for k in ("boundary", "gauge", "start", "dtype", "labels")},
    )
    with open_dataset(tmp_path / "a.h5") as stored:
        same(stored[:], again)


def test_a_file_that_is_there_is_opened_if_it_is_the_same_and_else_left_alone(tmp_path):
    path = tmp_path / "a.h5"
    tnl.dataset("ssh", **GIVEN, path=path).close()
    before = path.read_bytes(), path.stat().st_mtime_ns
    tnl.dataset("ssh", **GIVEN, path=path, chunk=3).close()
    with pytest.raises(FileError, match=r"another data set \(seed: 5, now 6\)"):
        tnl.dataset("ssh", **{**GIVEN, "seed": 6}, path=path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_all_labels_are_those_of_winding():
    data = tnl.dataset("extended", **GIVEN, labels="all")
    assert {"rswn", "rswn-ring", "lyapunov", "twist", "log"} <= set(data.kinds)
    assert "momentum" not in data.kinds
    for name, kind in data.kinds.items():
        boundary = "periodic" if name == "rswn-ring" else None
        expected = tnl.winding(data.chains, name.removesuffix("-ring"), boundary=boundary)
        assert kind.method == name
        assert np.array_equal(kind.value, expected.value, equal_nan=True)
        assert np.array_equal(kind.gap, expected.gap)
    assert np.array_equal(data.kinds["lyapunov"].integer, data.windings)


def test_clean_chains_have_a_momentum_label_and_rings_one_rswn():
    data = tnl.dataset("ssh", cells=8, samples=6, boundary="periodic", labels="all")
    assert "momentum" in data.kinds
    assert "rswn-ring" not in data.kinds


def test_labels_follow_the_samples():
    data = tnl.dataset("extended", **GIVEN, labels="all")
    chosen = np.array([4, 2, 9])
    part = data[chosen]
    for name, kind in data.kinds.items():
        assert np.array_equal(part.kinds[name].value, kind.value[chosen], equal_nan=True)
    ring = tnl.shift("ring", data)
    assert np.array_equal(ring.kinds["rswn"].value, data.kinds["rswn-ring"].value)
    assert tnl.shift("disorder-1", data).kinds.keys() == data.kinds.keys()


def test_disagreement_counts_pairs_of_kinds():
    data = tnl.dataset("extended", **GIVEN, labels="all")
    names, share = disagreement(data.kinds)
    i, j = names.index("rswn"), names.index("lyapunov")
    expected = np.mean(data.kinds["rswn"].integer != data.kinds["lyapunov"].integer)
    assert share[i, j] == share[j, i] == expected
    assert np.array_equal(np.diag(share), np.zeros(len(names)))
    with pytest.raises(ConfigError, match="all"):
        disagreement(tnl.dataset("ssh", **GIVEN).kinds)


@pytest.mark.parametrize("length", [0, 1, 100, 0.5, 0.99, -1], ids=str)
def test_a_truncated_file_is_one_clear_error(tmp_path, length):
    path = tmp_path / "a.h5"
    tnl.dataset("ssh", **GIVEN, path=path, chunk=7).close()
    content = path.read_bytes()
    keep = int(length * len(content)) if 0 < length < 1 else length
    path.write_bytes(content[:keep])
    with pytest.raises(FileError, match=r"a\.h5 (is damaged|has been altered)"):
        open_dataset(path, verify=True)
    assert path.read_bytes() == content[:keep]


def test_no_altered_byte_gives_another_number(tmp_path):
    """Of all bytes of every column, and of the whole file at random, one bit is turned."""
    path = tmp_path / "a.h5"
    memory = tnl.dataset("ssh", **GIVEN)
    memory.save(path, chunk=7).close()
    content = path.read_bytes()
    places = np.random.default_rng(0).integers(0, len(content), 80).tolist()
    recipe = content.index(b'"classes"')
    places += range(recipe, recipe + 200, 11)
    with h5py.File(path) as file:
        for column in file.values():
            chunk = column.id.get_chunk_info(1)
            places += [chunk.byte_offset, chunk.byte_offset + chunk.size - 1]
    noticed = 0
    for number, at in enumerate(places):
        altered = bytearray(content)
        altered[at] ^= 1 << number % 8
        path.write_bytes(altered)
        try:
            with open_dataset(path, verify=True) as stored:
                same(stored[:], memory)  # what was altered is padding
                assert stored.info == memory.info
        except FileError:
            noticed += 1
    assert noticed >= 2 * 8 + 50


def test_what_is_not_a_data_set_is_refused(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        open_dataset(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = np.zeros(3)
    for name, match in (("text", "not an HDF5 file"), ("other", "not a data set of tnlearn")):
        with pytest.raises(FileError, match=match):
            open_dataset(tmp_path / f"{name}.h5")


def test_columns_of_another_file_are_not_followed(tmp_path):
    tnl.dataset("ssh", **GIVEN, path=tmp_path / "a.h5").close()
    for kind in ("external link", "soft link", "virtual", "external storage"):
        path = tmp_path / f"{kind}.h5"
        path.write_bytes((tmp_path / "a.h5").read_bytes())
        with h5py.File(path, "r+") as file:
            del file["labels"]
            if kind == "external link":
                file["labels"] = h5py.ExternalLink(tmp_path / "a.h5", "windings")
            elif kind == "soft link":
                file["labels"] = h5py.SoftLink("/windings")
            elif kind == "virtual":
                layout = h5py.VirtualLayout((30,), "i8")
                layout[:] = h5py.VirtualSource(tmp_path / "a.h5", "labels", (30,))
                file.create_virtual_dataset("labels", layout)
            else:
                place = [(str(tmp_path / "a.h5"), 0, 240)]
                file.create_dataset("labels", (30,), "i8", external=place)
        with pytest.raises(FileError, match="another place or file"):
            open_dataset(path)


@pytest.mark.parametrize(
    ("error", "match", "options"),
    [
        *[(ConfigError, "chunk", {"path": "a.h5", "chunk": bad}) for bad in (0, -1, 1.5, True)],
        (UnknownNameError, "did you mean 'all'", {"labels": "al"}),
        (ConfigError, "path", {"chunk": 5}),
        (FileError, "does not exist", {"path": "no/a.h5"}),
        (FileError, "folder", {"path": "."}),
    ],
)
def test_bad_settings_are_refused_before_a_file_is_made(
    tmp_path, monkeypatch, error, match, options
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=match):
        tnl.dataset("ssh", **GIVEN, **options)
    assert not list(tmp_path.iterdir())


MAKE = """
import sys
import tnlearn as tnl

tnl.dataset("extended", cells=8, samples=3000, seed=2, disorder=0.3, path=sys.argv[1], chunk=100)
"""


def written(path):
    """Chunks that are on the disk."""
    return len(list(parts_of(path).glob("part-*.npz")))


def test_a_killed_process_leaves_a_file_that_the_next_one_finishes(tmp_path):
    path = tmp_path / "a.h5"
    given = {"cells": 8, "samples": 3000, "seed": 2, "disorder": 0.3}
    environment = {**os.environ, "PYTHONPATH": str(Path(tnl.__file__).parents[1])}
    with subprocess.Popen([sys.executable, "-c", MAKE, str(path)], env=environment) as process:
        until = time.monotonic() + 30
        while written(path) < 3 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL, "it was done before it could be killed"
    assert not path.exists()
    kept = written(path)
    assert 3 <= kept < 30
    with tnl.dataset("extended", **given, path=path, chunk=100) as stored:
        stored.verify()
        same(stored[:], tnl.dataset("extended", **given))
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]
    whole = path.read_bytes()
    tnl.dataset("extended", **given, path=tmp_path / "b.h5", chunk=100).close()
    assert (tmp_path / "b.h5").read_bytes() == whole


def test_a_part_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "a.h5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tnlearn.data.generate.put_together", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tnl.dataset("ssh", **GIVEN, path=path, chunk=10)
    for changed in ({"seed": 6}, {"chunk": 5}):
        with pytest.raises(FileError, match=f"{next(iter(changed))}: .* now"):
            tnl.dataset("ssh", **{**GIVEN, "chunk": 10, **changed}, path=path)
    assert written(path) == 3
    (parts_of(path) / "part-000001.npz").write_bytes(b"torn")
    with pytest.raises(FileError, match=r"part-000001\.npz is damaged"):
        tnl.dataset("ssh", **GIVEN, path=path, chunk=10)
    (parts_of(path) / "part-000001.npz").unlink()
    with tnl.dataset("ssh", **GIVEN, path=path, chunk=10) as stored:
        same(stored[:], tnl.dataset("ssh", **GIVEN))
    assert not parts_of(path).exists()
    parts_of(path).symlink_to(tmp_path)
    path.unlink()
    with pytest.raises(FileError, match="is a link"):
        tnl.dataset("ssh", **GIVEN, path=path, chunk=10)
