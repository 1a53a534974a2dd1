"""Labelling files: every form of input, streamed, resumed, refused with one clear error."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import tnlearn as tnl
from tnlearn.archive import parts_of
from tnlearn.data import label_file as labelling
from tnlearn.data.label_file import label_file
from tnlearn.errors import (
    ConfigError,
    FileError,
    MemoryLimitError,
    NotChiralError,
    NotFiniteError,
    ShapeError,
    UnclearError,
    UnknownNameError,
)

CHAINS = tnl.chain(10, {-1: 0.2, 0: 0.6, 1: 1.0}, disorder={0: 1.0, 1: 1.0}, samples=30, seed=4)
BLOCKS = CHAINS.block()
FULL = CHAINS.hamiltonian()
EXPECTED = tnl.winding(CHAINS)
PATTERN = sp.csr_array(FULL[0])
ROWS = np.repeat(np.arange(20), np.diff(PATTERN.indptr))
SPARSE = {
    "data": FULL[:, ROWS, PATTERN.indices],
    "indices": PATTERN.indices,
    "indptr": PATTERN.indptr,
    "shape": np.array(PATTERN.shape),
}

WIDE = {"data": [1.0], "row": [0], "col": [0], "shape": [10**9, 10**9]}
FAR = PATTERN.indices.astype("i8") + 2**40


def of_matlab(path, *, sparse=False):
    """As MATLAB writes with -v7.3: axes in reverse, complex numbers of two fields, columns."""
    pairs = np.zeros((30, 10, 10), [("real", "f8"), ("imag", "f8")])
    pairs["real"] = BLOCKS.swapaxes(1, 2)
    with h5py.File(path, "w", userblock_size=512) as file:
        if sparse:
            one = sp.csc_array(BLOCKS[0])
            group = file.create_group("h")
            group["data"], group["ir"], group["jc"] = one.data, one.indices, one.indptr
            group.attrs["MATLAB_sparse"] = np.uint64(10)
        else:
            file["h"] = pairs
            file["h"].attrs["MATLAB_class"] = np.bytes_("double")


def hdf5(path, content, **attributes):
    with h5py.File(path, "w") as file:
        for name, value in content.items():
            if isinstance(value, dict):
                group = file.create_group(name)
                for inner, part in value.items():
                    group[inner] = part
            else:
                file[name] = value
        file.attrs.update(attributes)


MAKERS = {
    "blocks.npy": lambda p: np.save(p, BLOCKS),
    "hamiltonians.npy": lambda p: np.save(p, FULL),
    "single.npy": lambda p: np.save(p, FULL[0]),
    "float32-fortran.npy": lambda p: np.save(p, np.asfortranarray(BLOCKS)),
    "h.npz": lambda p: np.savez(p, h=BLOCKS),
    "H.npz": lambda p: np.savez_compressed(p, H=FULL, sublattice=np.array(list("AB" * 10))),
    "named.npz": lambda p: np.savez(p, chains=np.asfortranarray(FULL), note=np.arange(3)),
    "hoppings.npz": lambda p: np.savez(p, **{f"t{m}": t for m, t in CHAINS.hoppings.items()}),
    "scipy.npz": lambda p: sp.save_npz(p, sp.csc_matrix(FULL[0])),
    "scipy-block.npz": lambda p: sp.save_npz(p, sp.csr_array(BLOCKS[0])),
    **{
        f"scipy-{f}.npz": lambda p, f=f: sp.save_npz(p, sp.csr_array(FULL[0]).asformat(f))
        for f in ("coo", "dia", "bsr")
    },
    "matlab.mat": of_matlab,
    "scipy.mat": lambda p: of_matlab(p, sparse=True),
    "pattern.npz": lambda p: np.savez(p, **SPARSE, format="csr"),
    "h.h5": lambda p: hdf5(p, {"h": BLOCKS}),
    "H.hdf5": lambda p: hdf5(p, {"H": FULL, "sublattice": np.tile([1, -1], 10)}),
    "letters.h5": lambda p: hdf5(p, {"H": FULL}, sublattice="AB" * 10, boundary="open"),
    "sparse.h5": lambda p: hdf5(p, {"H": SPARSE}),
    "hoppings.h5": lambda p: hdf5(p, {f"t{m}": t for m, t in CHAINS.hoppings.items()}),
}


def table(path):
    """The columns of an output, and the method."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as content:
            return {n: content[n] for n in content.files}
    frame = pd.read_csv(path, keep_default_na=False)
    assert frame["sample"].tolist() == list(range(len(frame)))
    columns = {name: frame[name].to_numpy() for name in frame}
    return columns | {
        "value": frame["value"].astype(float).to_numpy(),
        "method": frame["method"][0],
    }


def check(path, expected=EXPECTED, tolerance=1e-12):
    found = table(path)
    count = len(found["value"])
    assert np.allclose(found["value"], expected.value[:count], rtol=0, atol=tolerance)
    assert np.array_equal(found["integer"], expected.integer[:count])
    assert np.allclose(found["gap"].astype(float), expected.gap[:count], rtol=0, atol=1e-12)
    assert np.array_equal(found["reliable"], expected.reliable[:count])
    assert str(found["method"]) == expected.method
    return count


@pytest.mark.parametrize("name", MAKERS)
def test_every_form_of_input_gives_the_numbers_of_its_chains(tmp_path, name):
    path, out = tmp_path / name, tmp_path / ("out.csv" if name.startswith("h") else "out.npz")
    MAKERS[name](path)
    done = label_file(path, out, chunk=7)
    count = check(out)
    assert count == done.samples == (1 if name.startswith(("single", "scipy")) else 30)
    assert done.reliable == EXPECTED.reliable[:count].sum()
    assert done.resumed == 0
    assert not parts_of(out).exists()


@pytest.mark.parametrize("key", ["run1", "run1/H", "/run1/H", "sparse"])
def test_a_key_names_a_group_or_an_array_in_one(tmp_path, key):
    hdf5(tmp_path / "a.h5", {"run0": {"H": FULL[:2]}, "run1": {"H": FULL}, "sparse": SPARSE})
    label_file(tmp_path / "a.h5", tmp_path / "o.csv", key=key)
    assert check(tmp_path / "o.csv") == 30
    with pytest.raises(UnknownNameError, match="did you mean 'run1'"):
        label_file(tmp_path / "a.h5", tmp_path / "p.csv", key="run2")


@pytest.mark.parametrize("method", ["lyapunov", "twist", "log"])
def test_every_method_is_streamed(tmp_path, method):
    np.save(tmp_path / "h.npy", BLOCKS)
    label_file(tmp_path / "h.npy", tmp_path / "o.csv", method, chunk=7)
    # A stretch is closed into rings by the offsets that it has; here all have all.
    check(tmp_path / "o.csv", tnl.winding(BLOCKS, method), 1e-9)


def test_threads_and_tolerance_reach_the_labels(tmp_path):
    chains = tnl.ssh(60, 0.5, 1.0, 0.5, 0.5, samples=40, seed=1)
    np.save(tmp_path / "h.npy", chains.block())
    label_file(tmp_path / "h.npy", tmp_path / "a.npz", tolerance=1e-4, threads=2)
    exact, found = tnl.winding(chains), table(tmp_path / "a.npz")
    assert (np.abs(found["value"] - exact.value) <= found["error"] + exact.error).all()
    assert np.array_equal(found["integer"], exact.integer)


def test_a_ring_is_told_by_the_file_or_the_caller(tmp_path):
    ring = CHAINS.with_boundary("periodic")
    hdf5(tmp_path / "h.h5", {"h": ring.block()}, boundary="periodic")
    np.savez(tmp_path / "h.npz", h=ring.block())
    label_file(tmp_path / "h.h5", tmp_path / "a.csv")
    label_file(tmp_path / "h.npz", tmp_path / "b.csv", boundary="periodic")
    check(tmp_path / "a.csv", tnl.winding(ring))
    check(tmp_path / "b.csv", tnl.winding(ring))


def test_a_data_set_of_tnlearn_is_labelled(tmp_path):
    data = tnl.dataset("complex", cells=8, samples=25, disorder=0.5)
    data.save(tmp_path / "d.h5", chunk=4).close()
    label_file(tmp_path / "d.h5", tmp_path / "o.npz", "lyapunov", chunk=6)
    assert np.array_equal(table(tmp_path / "o.npz")["integer"], data.windings)


def test_sublattices_chiral_operators_and_positions_are_used(tmp_path):
    order = np.concatenate([[0], 1 + np.random.default_rng(0).permutation(19)])
    turned = FULL[:, order][:, :, order]
    places, signs = (np.arange(20) // 2)[order], np.tile([1, -1], 10)[order]
    np.save(tmp_path / "a.npy", turned)
    np.savez(tmp_path / "b.npz", H=turned, positions=places, sublattice=signs)
    label_file(tmp_path / "a.npy", tmp_path / "a.csv", positions=places)
    label_file(tmp_path / "b.npz", tmp_path / "b.csv")
    label_file(tmp_path / "b.npz", tmp_path / "c.csv", chiral=np.diag(signs))
    for name in "abc":
        check(tmp_path / f"{name}.csv")


def bad_sample(kind):
    blocks, full = BLOCKS.copy(), FULL.copy()
    blocks[17, 2, 3] = np.nan
    full[17, 4, 4] = 0.25
    return blocks if kind == "nan" else full


@pytest.mark.parametrize(
    ("kind", "error", "match"),
    [("nan", NotFiniteError, "sample 17 "), ("onsite", NotChiralError, r"sample 17.*0\.25")],
)
def test_a_bad_sample_is_named_and_what_came_before_is_kept(tmp_path, kind, error, match):
    np.savez(tmp_path / "a.npz", **{"h" if kind == "nan" else "H": bad_sample(kind)})
    given = {"sublattice": "site"} if kind == "onsite" else {}
    for _ in range(2):
        with pytest.raises(error, match=match):
            label_file(tmp_path / "a.npz", tmp_path / "o.csv", chunk=5, **given)
        assert not (tmp_path / "o.csv").exists()
        assert done_so_far(tmp_path / "o.csv") == 3


def test_another_run_is_not_gone_on_with(tmp_path):
    np.savez(tmp_path / "h.npz", h=bad_sample("nan"))
    out, about = tmp_path / "o.csv", (tmp_path / "h.npz").stat()
    with pytest.raises(NotFiniteError):
        label_file(tmp_path / "h.npz", out, chunk=5)
    before = {p.name: p.read_bytes() for p in parts_of(out).iterdir()}
    with pytest.raises(FileError, match="method: 'rswn', now 'lyapunov'"):
        label_file(tmp_path / "h.npz", out, "lyapunov", chunk=5)
    with pytest.raises(FileError, match="chunk: 5, now 6"):
        label_file(tmp_path / "h.npz", out, chunk=6)
    np.savez(tmp_path / "h.npz", h=BLOCKS)
    os.utime(tmp_path / "h.npz", ns=(about.st_atime_ns, about.st_mtime_ns))
    with pytest.raises(FileError, match=r"input\.ends"):
        label_file(tmp_path / "h.npz", out, chunk=5)
    assert {p.name: p.read_bytes() for p in parts_of(out).iterdir()} == before
    parts_of(tmp_path / "p.csv").mkdir()
    (parts_of(tmp_path / "p.csv") / "mine").write_text("mine")
    with pytest.raises(FileError, match="not a run of tnlearn"):
        label_file(tmp_path / "h.npz", tmp_path / "p.csv")
    assert (parts_of(tmp_path / "p.csv") / "mine").read_text() == "mine"


def test_only_one_stretch_is_in_memory(tmp_path, monkeypatch):
    """Nothing larger than a stretch is ever asked of the source."""
    seen = []
    original = labelling.read

    def read(samples, *, first, **words):
        seen.append((first, first + len(samples)))
        return original(samples, first=first, **words)

    monkeypatch.setattr(labelling, "read", read)
    monkeypatch.setattr(labelling, "_STRETCH_BYTES", 6 * 100 * 8)
    np.save(tmp_path / "h.npy", BLOCKS)
    label_file(tmp_path / "h.npy", tmp_path / "o.csv")
    assert seen == [(0, 6), (6, 12), (12, 18), (18, 24), (24, 30)]


def pickled(path):
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def sparse(**changed):
    return lambda path: np.savez(path, **{**SPARSE, **changed})


def torn(path):
    np.savez(path, h=BLOCKS)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def unwritten(path, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("h", (10**12, 2, 2), "f8", **options)


def spread(path, cells):
    """A matrix of which no number is on the disk."""
    with path.open("wb") as stream:
        entry = {"descr": "<f8", "fortran_order": False, "shape": (1, cells, cells)}
        np.lib.format.write_array_header_1_0(stream, entry)
        stream.truncate(stream.tell() + 8 * cells**2)


def cut(path):
    np.save(path, BLOCKS)
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("name", "make", "error", "match"),
    [
        ("a.npy", lambda p: None, FileError, "No such file"),
        ("a.txt", lambda p: p.write_text("1"), UnknownNameError, r"\.npy, \.npz"),
        ("a.npy", lambda p: p.write_text("1"), FileError, "damaged"),
        ("a.npz", lambda p: p.write_text("1"), FileError, "damaged"),
        ("a.h5", lambda p: p.write_text("1"), FileError, "damaged"),
        ("a.npy", pickled, FileError, "damaged|object"),
        ("a.npz", lambda p: np.savez(p, h=np.array([{}])), FileError, "never loaded"),
        ("a.npy", cut, FileError, "damaged"),
        ("a.npz", torn, FileError, "damaged"),
        ("a.npy", lambda p: np.save(p, np.ones(5)), ShapeError, "square"),
        ("a.npy", lambda p: np.save(p, np.ones((3, 4, 5))), ShapeError, "square"),
        ("a.npy", lambda p: np.save(p, np.ones((0, 4, 4))), ShapeError, "square"),
        ("a.npy", lambda p: np.save(p, np.full((2, 2), "a")), ShapeError, "numbers"),
        ("a.npz", lambda p: np.savez(p, x=np.ones(5)), FileError, r"none of its arrays \(x\)"),
        ("a.npz", lambda p: np.savez(p, a=BLOCKS, b=BLOCKS), FileError, "several.*a, b"),
        ("a.npz", lambda p: np.savez(p, h=BLOCKS, H=FULL), FileError, "several"),
        ("a.npz", lambda p: np.savez(p, t0=np.ones(3), t1=np.ones(4)), ShapeError, "one shape"),
        ("a.npz", sparse(format="lil"), UnknownNameError, "layout .*csr"),
        ("a.npz", sparse(indices=FAR), FileError, "damaged.*indices"),
        ("a.npz", sparse(indices=PATTERN.indices - 5), FileError, "damaged.*indices"),
        ("a.npz", sparse(indices=PATTERN.indices + 0.5), ShapeError, "array of float64"),
        (
            "a.h5",
            lambda p: hdf5(p, {"H": SPARSE | {"indices": FAR}}),
            FileError,
            "damaged.*indices",
        ),
        ("a.h5", lambda p: hdf5(p, {"H": WIDE}), ShapeError, "most of its rows would be empty"),
        ("a.h5", lambda p: unwritten(p, chunks=(9, 2, 2)), FileError, "cut short.*'h'"),
        ("a.h5", unwritten, FileError, "cut short.*'h'"),
        ("a.npy", lambda p: spread(p, 10**6), MemoryLimitError, "a sample in"),
        ("a.npz", sparse(indptr=PATTERN.indptr[::-1].copy()), FileError, "damaged"),
        ("a.npz", sparse(shape=np.array([6, 60])), ShapeError, "a square is expected"),
        ("a.npz", lambda p: np.savez(p, t0=np.ones(3), t_0=np.ones(3)), FileError, "two names"),
        ("a.npy", os.mkfifo, FileError, "not a file"),
        ("a.h5", lambda p: hdf5(p, {}), FileError, "there are none"),
        ("a.h5", lambda p: hdf5(p, {"r0": {"H": FULL}, "r1": {"H": FULL}}), FileError, "r0/H, r1"),
        ("a.mat", lambda p: p.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(999)), FileError, "v7.3"),
    ],
)
def test_bad_input_is_one_clear_error_and_leaves_no_output(tmp_path, name, make, error, match):
    make(tmp_path / name)
    with pytest.raises(error, match=match):
        label_file(tmp_path / name, tmp_path / "o.csv")
    assert not (tmp_path / "o.csv").exists()


SKIP = {"on_error": "skip"}


@pytest.mark.parametrize(
    ("error", "match", "given"),
    [
        (UnknownNameError, "did you mean 'rswn'", {"method": "rwsn"}),
        (UnknownNameError, "boundary", {"boundary": "opened"}),
        (UnknownNameError, "kind", {"kind": "blok"}),
        (UnknownNameError, "did you mean 'skip'", {"on_error": "skipp"}),
        (UnknownNameError, "did you mean 'h'", {"key": "hh"}),
        (UnknownNameError, r"\.csv, \.npz", {"out": "o.txt"}),
        (FileError, "does not exist", {"out": "no/o.csv"}),
        (ConfigError, "is the input", {"out": "h.npz"}),
        (ConfigError, "window", {"window": 1.5}),
        (ConfigError, "window", {"window": 0.01, **SKIP}),
        (ConfigError, "chunk", {"chunk": 0}),
        (ConfigError, "threads", {"threads": 0}),
        (ConfigError, "threads", {"threads": 0, **SKIP}),
        (ConfigError, "tolerance", {"tolerance": 1.0}),
        (ConfigError, "tolerance", {"tolerance": 7.0, "method": "momentum", **SKIP}),
        (ConfigError, "not both", {"key": "full", "sublattice": "site", "chiral": np.ones(20)}),
        (ConfigError, "told already", {"kind": "block", "sublattice": "site"}),
        (NotFiniteError, "positions", {"key": "full", "positions": [np.nan] * 20, **SKIP}),
        # No sample at all tells the sublattices.
        (NotChiralError, "not chiral", {"key": "onsite", **SKIP}),
    ],
)
def test_bad_settings_are_one_clear_error_and_leave_nothing(tmp_path, error, match, given):
    onsite = FULL.copy()
    onsite[:, 2, 2] = 1.0
    np.savez(tmp_path / "h.npz", h=BLOCKS, full=FULL, onsite=onsite)
    given = {"key": "h", "out": "o.csv", **given}
    with pytest.raises(error, match=match):
        label_file(tmp_path / "h.npz", tmp_path / given.pop("out"), **given)
    assert [path.name for path in tmp_path.iterdir()] == ["h.npz"]


def test_samples_that_do_not_go_together_are_one_error_and_are_not_mixed(tmp_path):
    ring = CHAINS.with_boundary("periodic").block()
    np.save(tmp_path / "h.npy", np.concatenate([BLOCKS[:3], ring[:2]]))
    with pytest.raises(UnclearError, match=r"sample 2 .*open.*sample 3 .*periodic.*two calls"):
        label_file(tmp_path / "h.npy", tmp_path / "o.csv")


def done_so_far(out):
    return len(list(parts_of(out).glob("part-*.npz")))


def test_a_killed_process_is_gone_on_with(tmp_path):
    path, out = tmp_path / "h.h5", tmp_path / "o.csv"
    hdf5(path, {"h": np.tile(BLOCKS, (100, 1, 1))})
    words = ["label", str(path), "--out", str(out), "--chunk", "20"]
    environment = {**os.environ, "PYTHONPATH": str(Path(tnl.__file__).parents[1])}
    command = [sys.executable, "-m", "tnlearn.cli", *words]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 30
        while done_so_far(out) < 3 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL, "it was done before it could be killed"
    assert not out.exists()
    done = label_file(path, out, chunk=20)
    assert 20 <= done.resumed < 3000
    assert done.samples == 3000
    found = table(out)
    assert np.allclose(found["value"], np.tile(EXPECTED.value, 100), rtol=0, atol=1e-12)
    label_file(path, tmp_path / "unbroken.csv", chunk=20)
    assert out.read_bytes() == (tmp_path / "unbroken.csv").read_bytes()


def test_progress_is_drawn_where_asked_for(tmp_path, capsys):
    np.save(tmp_path / "h.npy", BLOCKS)
    label_file(tmp_path / "h.npy", tmp_path / "o.csv", chunk=10, progress=True)
    assert "30/30" in capsys.readouterr().err
    label_file(tmp_path / "h.npy", tmp_path / "o.csv", chunk=10, progress=False)
    assert capsys.readouterr().err == ""


def spoiled():
    """Hamiltonians with a NaN, an on-site energy and a skew element, among them the first."""
    full = FULL.copy()
    full[0, 3, 4] = np.nan
    full[11, 4, 4] = 0.25
    full[12, 4, 5] += 0.5
    full[29, 0, 1] = np.inf
    return full, {0: "NaN or infinite", 11: CHIRAL, 12: CHIRAL, 29: "NaN or infinite"}


CHIRAL = "not Hermitian or not chiral"


@pytest.mark.parametrize(
    ("name", "suffix", "chunk"),
    [
        ("h.npy", ".csv", 1),
        ("h.npy", ".npz", None),
        ("sp.npz", ".csv", None),
        ("sp.npz", ".npz", 7),
    ],
)
def test_bad_samples_are_skipped_where_that_is_asked_for(tmp_path, name, suffix, chunk, capsys):
    full, bad = spoiled()
    if name == "h.npy":
        np.save(tmp_path / name, full)
    else:
        where = sp.csr_array(np.abs(np.nan_to_num(full)).max(axis=0) + np.eye(20))
        rows = np.repeat(np.arange(20), np.diff(where.indptr))
        parts = {n: getattr(where, n) for n in ("indices", "indptr", "shape")}
        np.savez(tmp_path / name, data=full[:, rows, where.indices], **parts)
    out = tmp_path / f"o{suffix}"
    done = label_file(tmp_path / name, out, chunk=chunk, on_error="skip")
    assert done.skipped == {"NaN or infinite": 2, CHIRAL: 2}
    found = table(out)
    good = np.array([k not in bad for k in range(30)])
    assert np.allclose(found["value"][good], EXPECTED.value[good], rtol=0, atol=1e-12)
    assert np.array_equal(found["reliable"][good], EXPECTED.reliable[good])
    assert done.reliable == EXPECTED.reliable[good].sum()
    assert np.isnan(found["value"][~good]).all()
    assert np.isnan(found["gap"][~good].astype(float)).all()
    assert not found["reliable"][~good].any()
    reasons = found["reason"]
    if suffix == ".npz":
        reasons = found["reasons"][reasons]
    assert reasons.tolist() == [bad.get(k, "") for k in range(30)]
    said = capsys.readouterr().err
    for k in bad:
        assert f"sample {k}" in said
    assert "0.25" in said


def test_samples_that_are_not_clean_are_skipped_by_momentum(tmp_path):
    chains = tnl.chain(8, {0: 0.5, 1: np.repeat([[1.0], [0.2]], 8, axis=1)}, boundary="periodic")
    t = {m: a.copy() for m, a in chains.hoppings.items()}
    t[0][1, 3] = 0.7
    np.savez(tmp_path / "t.npz", t0=t[0], t1=t[1])
    done = label_file(tmp_path / "t.npz", tmp_path / "o.csv", "momentum", on_error="skip")
    assert done.skipped == {"not clean": 1}
    with pytest.raises(ConfigError, match=r"sample 1 of .*clean chains, and the hopping"):
        label_file(tmp_path / "t.npz", tmp_path / "p.csv", "momentum")
    assert np.isnan(table(tmp_path / "o.csv")["value"]).tolist() == [False, True]


def test_skipping_goes_on_after_a_kill_and_is_another_run_than_stopping(tmp_path, monkeypatch):
    np.save(tmp_path / "h.npy", bad_sample("nan"))
    given = {"chunk": 6, "kind": "block"}
    original, calls = labelling.winding, []

    def dying(*args, **options):
        calls.append(1)
        if len(calls) > 5:
            raise KeyboardInterrupt
        return original(*args, **options)

    monkeypatch.setattr(labelling, "winding", dying)
    with pytest.raises(KeyboardInterrupt):
        label_file(tmp_path / "h.npy", tmp_path / "o.csv", on_error="skip", **given)
    monkeypatch.undo()
    with pytest.raises(FileError, match="on_error: 'skip', now 'stop'"):
        label_file(tmp_path / "h.npy", tmp_path / "o.csv", **given)
    done = label_file(tmp_path / "h.npy", tmp_path / "o.csv", on_error="skip", **given)
    assert done.resumed > 0
    assert done.skipped == {"NaN or infinite": 1}
    assert np.isnan(table(tmp_path / "o.csv")["value"]).tolist() == [k == 17 for k in range(30)]
