"""Files of Hamiltonians, blocks or hoppings, read a stretch of samples at a time.

============ ==================================================================
file         content
============ ==================================================================
`.npy`       one array (n, n) or (samples, n, n): blocks or Hamiltonians
`.npz`       the same under a name; or a sparse matrix as scipy.sparse.save_npz
             writes it, also with `data` of shape (samples, nonzeros) for many
             matrices of one pattern; or hoppings `t0`, `t1`, `t-1`, … (samples,
             cells) with t_m(y) = h[y+m, y]
`.h5` `.hdf5` the same names as datasets (a sparse matrix as a group); or a data
             set of tnlearn
============ ==================================================================

The names `h`, `block` say block, `H`, `hamiltonian` say Hamiltonian; `sublattice`,
`chiral`, `positions` and `boundary` beside them are taken note of.  Python objects
are never unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnlearn.data.members import NpyMember
from tnlearn.errors import FileError, ShapeError, check_choice
from tnlearn.physics.chains import Chains

__all__ = ["SUFFIXES", "Source", "open_source"]

Array = NDArray[Any]

SUFFIXES = (".npy", ".npz", ".h5", ".hdf5")

_NAMES = {
    **dict.fromkeys(("h", "block", "blocks"), "block"),
    **dict.fromkeys(("H", "hamiltonian", "hamiltonians", "Hamiltonian"), "hamiltonian"),
}
_BESIDE = ("sublattice", "chiral", "positions", "boundary")
_HOPPING = re.compile(r"t_?(-?\d+)")
_SPARSE = {"data", "indices", "indptr", "shape"}


@dataclass(eq=False)
class Source:
    """Samples in a file.

    Attributes
    ----------
    path : Path
    samples : int
    width : int
        Bytes of one sample in memory.
    kind : "auto" | "block" | "hamiltonian" | "chains"
    read : function of (start, stop)
        The samples of that stretch: a (stop − start, n, n) array, a list of sparse
        arrays, or `Chains`.
    beside : dict
        What the file says of `sublattice`, `chiral`, `positions`, `boundary`.
    """

    path: Path
    samples: int
    width: int
    kind: str
    read: Callable[[int, int], Any]
    beside: dict[str, Any] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """What tells this file from another, or from itself after a change."""
        about = self.path.stat()
        found = hashlib.sha256()
        with self.path.open("rb") as stream:
            for place in (0, max(0, about.st_size - 2**20)):
                stream.seek(place)
                found.update(stream.read(2**20))
        return {"size": about.st_size, "mtime": about.st_mtime_ns, "ends": found.hexdigest()}


@contextlib.contextmanager
def open_source(path: Path, key: str | None = None) -> Iterator[Source]:
    """The samples in a file: see the table of this module.

    Parameters
    ----------
    path : Path
    key : str, optional
        Name of the array in an `.npz` or HDF5 file, where its name does not tell.

    Raises
    ------
    FileError, ShapeError, UnknownNameError
        If the file cannot be read, is damaged, or holds nothing that can be labelled.
    """
    suffix = path.suffix.lower()
    check_choice("kind of file", suffix, SUFFIXES)
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    opened = {".npy": _open_npy, ".npz": _open_npz}.get(suffix, _open_hdf5)
    with opened(path, key) as source:
        yield source


@contextlib.contextmanager
def _damaged(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileError, ShapeError):
        raise
    except (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise FileError(
            f"{path} is damaged, cut short or not what its name says: "
            f"{type(error).__name__}: {error}"
        ) from error


@contextlib.contextmanager
def _open_npy(path: Path, key: str | None) -> Iterator[Source]:
    if key is not None:
        raise FileError(f"{path} holds one array without a name; leave the key out")
    with _damaged(path):
        array = NpyMember(str(path), lambda: path.open("rb"))
    with contextlib.closing(array):
        yield _matrices(path, "auto", array)


@contextlib.contextmanager
def _open_npz(path: Path, key: str | None) -> Iterator[Source]:
    with _damaged(path):
        archive = zipfile.ZipFile(path)
    with archive, contextlib.ExitStack() as opened:
        members: dict[str, NpyMember] = {}
        with _damaged(path):
            for name in archive.namelist():
                if name.endswith(".npy"):
                    member = NpyMember(f"{name} in {path}", partial(archive.open, name))
                    opened.callback(member.close)
                    members[name.removesuffix(".npy")] = member
        yield _named(path, key, members, members)


@contextlib.contextmanager
def _open_hdf5(path: Path, key: str | None) -> Iterator[Source]:
    from tnlearn.data.storage import open_hdf5

    with _damaged(path):
        file = open_hdf5(path)
    with file:
        if "header" in file.attrs and key is None:
            yield _stored(path)
            return
        with _damaged(path):
            beside = {n: file.attrs[n] for n in _BESIDE if n in file.attrs}
            found = {n: v for n, v in file.items() if hasattr(v, "dtype")}
            groups = [n for n, v in file.items() if not hasattr(v, "dtype") and set(v) >= _SPARSE]
            if key is not None and "/" in key and key in file:
                found[key] = file[key]
            chosen = key if key in groups else next((n for n in groups if n in _NAMES), None)
            if chosen is None and len(groups) == 1 and not found:
                chosen = groups[0]
        if chosen is not None and key in (None, chosen):
            yield _sparse(path, dict(file[chosen].items()), {**beside, **_notes(found)}, chosen)
        else:
            yield _named(path, key, found, beside | found)


def _stored(path: Path) -> Source:
    from tnlearn.data.storage import TableReader

    table = TableReader(path)
    record, names = table.record, [n for n in table.columns if n.startswith("hopping ")]

    def read(start: int, stop: int) -> Chains:
        first = start // table.chunk
        parts = [table.read(k, names) for k in range(first, -(-stop // table.chunk))]
        rows = slice(start - first * table.chunk, stop - first * table.chunk)
        hoppings = {int(n.split()[1]): np.concatenate([p[n] for p in parts])[rows] for n in names}
        return Chains(record["cells"], hoppings, record["boundary"], record["flux"])

    width = 16 * len(names) * record["cells"]
    return Source(path, table.rows, width, "chains", read)


def _named(
    path: Path, key: str | None, arrays: Mapping[str, Any], notes: Mapping[str, Any]
) -> Source:
    """The source among named arrays, each with a shape, a dtype and slicing."""
    if key is not None:
        check_choice(f"array of {path.name}", key, arrays)
    elif set(arrays) >= _SPARSE:
        return _sparse(path, arrays, _notes(notes))
    beside = _notes(notes)
    hoppings = {int(m[1]): n for n in arrays if (m := _HOPPING.fullmatch(n))}
    if key is None and hoppings:
        return _hoppings(path, {m: arrays[n] for m, n in hoppings.items()}, beside)
    named = [n for n in arrays if n in _NAMES] if key is None else [key]
    if not named:
        named = [
            n
            for n, a in arrays.items()
            if n not in _BESIDE and len(a.shape) in (2, 3) and a.shape[-1] == a.shape[-2]
        ]
    if len(named) != 1:
        if named:
            what = f"several arrays could be meant: {', '.join(named)}"
        else:
            there = ", ".join(arrays) or "there are none"
            what = f"none of its arrays ({there}) is a square matrix or a batch of them"
        raise FileError(f"{path}: {what}; name the one to label (key)")
    array = arrays[named[0]]
    kind = _NAMES.get(named[0].rsplit("/", 1)[-1], "auto")
    source = _matrices(path, kind, array)
    source.beside = beside
    return source


def _notes(arrays: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _BESIDE:
        if name not in arrays:
            continue
        value = arrays[name]
        value = np.asarray(value[...] if hasattr(value, "shape") else value)
        if value.dtype.kind in "SO":
            value = np.reshape([_text(v) for v in value.ravel()], value.shape)
        found[name] = value.item() if value.ndim == 0 else value
    return found


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _matrices(path: Path, kind: str, array: Any) -> Source:
    shape, dtype = tuple(array.shape), array.dtype
    if len(shape) not in (2, 3) or shape[-1] != shape[-2] or 0 in shape:
        raise ShapeError(
            f"{path} holds an array of shape {shape}; square matrices are expected: "
            "(n, n) or (samples, n, n)"
        )
    if np.dtype(dtype).kind not in "iufcb":
        raise ShapeError(f"{path} holds an array of dtype {dtype}; numbers are expected")
    single = len(shape) == 2
    wide = np.result_type(dtype, np.float64)

    def read(start: int, stop: int) -> Array:
        with _damaged(path):
            found = np.array(array[...] if single else array[start:stop], dtype=wide)
        return found[None] if single else found

    return Source(path, 1 if single else shape[0], shape[-1] ** 2 * wide.itemsize, kind, read)


def _hoppings(path: Path, arrays: Mapping[int, Any], beside: dict[str, Any]) -> Source:
    shapes = {tuple(a.shape) for a in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) not in (1, 2) or 0 in next(iter(shapes)):
        raise ShapeError(
            f"the hoppings in {path} have shapes {sorted(shapes)}; one shape (samples, cells) is "
            "expected of all of them"
        )
    shape = shapes.pop()
    single = len(shape) == 1

    def read(start: int, stop: int) -> Chains:
        with _damaged(path):
            found = {
                m: np.array(a[...][None] if single else a[start:stop]) for m, a in arrays.items()
            }
        kind = np.result_type(np.float64, *[t.dtype for t in found.values()])
        return Chains(shape[-1], {m: t.astype(kind) for m, t in sorted(found.items())})

    return Source(
        path, 1 if single else shape[0], 16 * shape[-1] * len(arrays), "chains", read, beside
    )


def _sparse(
    path: Path, arrays: Mapping[str, Any], beside: dict[str, Any], name: str = ""
) -> Source:
    with _damaged(path):
        shape = tuple(int(n) for n in arrays["shape"][...])
        layout = _text(np.asarray(arrays["format"][...]).item()) if "format" in arrays else "csr"
        indices, indptr = arrays["indices"][...], arrays["indptr"][...]
        data = arrays["data"]
        kind = {"csr": sp.csr_array, "csc": sp.csc_array}.get(layout)
        if kind is None:
            raise ShapeError(
                f"{path} holds a sparse matrix in {layout!r} layout; save it as csr or csc"
            )
        single = len(data.shape) == 1
        if data.shape[-1] != len(indices) or len(data.shape) > 2 or not data.shape[0]:
            raise ShapeError(
                f"the sparse matrix in {path} has data of shape {tuple(data.shape)} for "
                f"{len(indices)} indices"
            )

    def read(start: int, stop: int) -> list[Any]:
        with _damaged(path):
            values = data[...][None] if single else data[start:stop]
            return [kind((row, indices, indptr), shape=shape) for row in values]

    width = 64 * max(1, len(indices))
    return Source(
        path, 1 if single else data.shape[0], width, _NAMES.get(name, "auto"), read, beside
    )
