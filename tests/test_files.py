"""The ground: files whole or not there, what killed writers left, claims, checked archives."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import tnlearn as tnl
from tnlearn import archive, files
from tnlearn.data.sources import read_array
from tnlearn.errors import CheckpointError, FileError
from tnlearn.files import claimed, make_folder, read_bytes, replace_file, replacing
from tnlearn.lab.profile import Settings, read_profile
from tnlearn.report.kept import read_results

# ------------------------------------------------------------------ writing


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_mode_of_a_file_follows_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        replace_file(tmp_path / "x", lambda stream: stream.write(b"1"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o666 & ~mask


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    (tmp_path / "x").symlink_to(outside)
    replace_file(tmp_path / "x", lambda stream: stream.write(b"1"))
    assert outside.read_text() == "kept"
    assert not (tmp_path / "x").is_symlink()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").symlink_to(outside)
    with pytest.raises(FileError, match="cannot use"):
        archive.Parts(tmp_path / "run", {})
    assert outside.read_text() == "kept"
    (tmp_path / "tasks").symlink_to(tmp_path / "run")
    with pytest.raises(FileError, match="tasks is a link"):
        make_folder(tmp_path / "tasks")


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken(stream: Any) -> None:
        stream.write(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        replace_file(tmp_path / "x", broken)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_writer_left_goes_and_what_is_being_written_stays(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    dead = tmp_path / f"{files.TEMPORARY}0123456789abcdef.tmp"
    strange = [tmp_path / f"{files.TEMPORARY}link.tmp", tmp_path / "own.tmp", tmp_path / "target"]
    for path in (dead, *strange[1:]):
        path.write_bytes(b"half")
    strange[0].symlink_to(strange[2])
    with replacing(tmp_path / "x") as temporary:
        assert not dead.exists()
        files._swept.clear()
        replace_file(tmp_path / "y", lambda stream: stream.write(b"1"))
        assert temporary.exists()
    assert sorted(tmp_path.iterdir()) == sorted([*strange, tmp_path / "x", tmp_path / "y"])


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=["full", "quota"])
def test_disk_full_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "x.npz"
    archive.write(path, "kind", {"a": 1}, {"x": np.arange(5)})
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=rf"x\.npz: {os.strerror(number)}.*unchanged"):
        archive.write(path, "kind", {"a": 2}, {"x": np.arange(9)})
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [x.name for x in tmp_path.iterdir()] == ["x.npz"]
    assert archive.read(path, "kind")[0] == {"a": 1}


def test_a_data_set_that_finds_no_room_is_one_error(tmp_path: Path) -> None:
    """(Where HDF5 itself finds the disk full, it ends the process.)"""
    resource = pytest.importorskip("resource")
    data = tnl.dataset("ssh", cells=20, samples=100)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, before[1]))
    try:
        with pytest.raises(FileError, match=r"cannot write .*a\.h5: File too large"):
            data.save(tmp_path / "a.h5")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------ reading

READERS = {
    "x.npz": [tnl.load, tnl.marker, tnl.PhaseDiagram.load],
    "x.h5": [tnl.open_dataset],
    "x.npy": [read_array, lambda path: tnl.label_file(path, path.with_name("o.csv"))],
    "x.json": [tnl.Audit.load, lambda path: archive.Parts(path.parent, {})],
    "results.json": [lambda path: read_results(path.parent)],
    "x.toml": [lambda path: read_profile(Settings, "samples", path)],
}


@pytest.mark.parametrize(
    ("name", "reader"), [(name, reader) for name, every in READERS.items() for reader in every]
)
def test_a_pipe_or_a_folder_is_not_read(tmp_path: Path, name: str, reader: Any) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(FileError, match=r"not a file|not a run of tnlearn"):
        reader(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(FileError, match=name):
        reader(tmp_path / name)


def test_a_device_a_huge_text_and_no_name_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.json").open("wb") as stream:
        stream.truncate(files.LARGEST + 1)
    for path, words in (("/dev/zero", "device"), (tmp_path / "x.json", "larger"), ("a\0", "null")):
        with pytest.raises(FileError, match=words):
            read_bytes(path)


# ------------------------------------------------------------------ claims


def test_a_claim_is_held_by_one_and_ends_with_it(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with claimed(tmp_path / "x") as alone, claimed(tmp_path / "x") as other:
        assert (alone, other) == (True, False)
    assert not list(tmp_path.iterdir())
    with claimed(tmp_path / "no" / "x") as alone:
        assert alone


def test_many_claim_and_one_gets_it(tmp_path: Path) -> None:
    """Also while the file of the claim is removed and made again all the time."""
    pytest.importorskip("fcntl")
    inside, most, granted = 0, 0, 0
    count = threading.Lock()

    def try_often() -> None:
        nonlocal inside, most, granted
        for _ in range(300):
            with claimed(tmp_path / "claim") as alone:
                if alone:
                    with count:
                        inside += 1
                        most = max(most, inside)
                        granted += 1
                    time.sleep(0)
                    with count:
                        inside -= 1

    threads = [threading.Thread(target=try_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert granted > 4
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------ archives and parts


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    arrays=st.dictionaries(
        st.text("abc./é ", min_size=1, max_size=8).filter(lambda x: x.strip("./ ") == x),
        npst.arrays(
            st.sampled_from([np.float32, np.float64, np.int64, np.bool_]),
            npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        ),
        max_size=4,
    ),
    record=st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False) | st.none(), max_size=3),
)
def test_an_archive_gives_back_what_went_in(
    tmp_path: Path, arrays: dict[str, Any], record: dict[str, Any]
) -> None:
    archive.write(tmp_path / "x.npz", "kind", record, arrays)
    content, again = archive.read(tmp_path / "x.npz", "kind")
    assert content == record
    assert again.keys() == arrays.keys()
    for name, x in arrays.items():
        assert again[name].dtype == x.dtype
        assert np.array_equal(again[name], x, equal_nan=x.dtype.kind == "f")


def test_an_archive_that_promises_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as content:
        content.writestr("a.npy", bytes(10**7))
    with pytest.raises(CheckpointError, match="more than it can hold"):
        archive.read(path, "kind")


def test_an_entry_that_a_turned_bit_hides_is_missed(tmp_path: Path) -> None:
    """The table of contents has no checksum: a longer comment swallows the entry after it."""
    path = tmp_path / "x.npz"
    second = "t1" + "_" * 12  # its entry of the table takes 64 bytes
    np.savez(path, t0=np.ones((3, 20)), **{second: np.ones((3, 20))})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 32] ^= 64
    path.write_bytes(content)
    with zipfile.ZipFile(path) as members:
        assert members.namelist() == ["t0.npy"]
        assert members.testzip() is None
    with pytest.raises(FileError, match="lacks an entry"):
        tnl.label_file(path, tmp_path / "o.csv")


def test_two_runs_on_one_folder(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    record = {"a": 1}
    with (
        archive.Parts(tmp_path / "run", record),
        pytest.raises(CheckpointError, match="in use"),
    ):
        archive.Parts(tmp_path / "run", record)
    with archive.Parts(tmp_path / "run", record) as parts:
        assert parts.missing(3) == [0, 1, 2]


def test_parts_are_written_read_and_removed(tmp_path: Path) -> None:
    with archive.Parts(tmp_path / "run", {"a": (1, 2)}) as parts:
        parts.write(1, {"x": np.arange(3)})
        assert parts.missing(3) == [0, 2]
        assert 1 in parts
        assert np.array_equal(parts.read(1)["x"], np.arange(3))
    with pytest.raises(CheckpointError, match=r"a: \[1, 2\], now 3; b: not there, now 1"):
        archive.Parts(tmp_path / "run", {"a": 3, "b": 1})
    (tmp_path / "run" / "other").write_text("")
    with archive.Parts(tmp_path / "run", {"a": (1, 2)}) as parts:
        parts.remove()
    assert [x.name for x in (tmp_path / "run").iterdir()] == ["other"]
