"""The ground: files whole or not there, claims, checked archives and the parts of a long run."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tnlearn import archive
from tnlearn.errors import CheckpointError, FileError
from tnlearn.files import claimed, replace_file


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


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken(stream: Any) -> None:
        stream.write(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        replace_file(tmp_path / "x", broken)
    assert not list(tmp_path.iterdir())


def test_a_claim_is_held_by_one_and_ends_with_it(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with claimed(tmp_path / "x") as first, claimed(tmp_path / "x") as other:
        assert (first, other) == (True, False)
    assert not list(tmp_path.iterdir())
    with claimed(tmp_path / "no" / "x") as first:
        assert first


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    kept, again = archive.read(tmp_path / "x.npz", "kind")
    assert kept == record
    assert again.keys() == arrays.keys()
    for name, x in arrays.items():
        assert again[name].dtype == x.dtype
        assert np.array_equal(again[name], x, equal_nan=x.dtype.kind == "f")


def test_disk_full_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npz"
    archive.write(path, "kind", {"a": 1}, {"x": np.arange(5)})
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=r"No space left.*unchanged"):
        archive.write(path, "kind", {"a": 2}, {"x": np.arange(9)})
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [x.name for x in tmp_path.iterdir()] == ["x.npz"]
    assert archive.read(path, "kind")[0] == {"a": 1}


def test_an_archive_that_promises_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as content:
        content.writestr("a.npy", bytes(10**7))
    with pytest.raises(CheckpointError, match="more than it can hold"):
        archive.read(path, "kind")


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
    (tmp_path / "run" / "mine").write_text("")
    with archive.Parts(tmp_path / "run", {"a": (1, 2)}) as parts:
        parts.remove()
    assert [x.name for x in (tmp_path / "run").iterdir()] == ["mine"]
