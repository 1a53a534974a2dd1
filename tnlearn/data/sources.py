"""Files of Hamiltonians, blocks or hoppings, read a stretch of samples at a time.

============ ==================================================================
file         content
============ ==================================================================
`.npy`       one array (n, n) or (samples, n, n): blocks or Hamiltonians
`.npz`       the same under a name; or a sparse matrix as scipy.sparse.save_npz
             writes it, in csr or csc layout also with `data` of shape (samples,
             nonzeros) for many matrices of one pattern; or hoppings `t0`, `t1`,
             `t-1`, … (samples, cells) with t_m(y) = h[y+m, y]
`.h5` `.hdf5` the same names as datasets (a sparse matrix as a group), in the file
             or in a group of it that is named; or a data set of tnlearn
`.mat`       the same as MATLAB writes it with -v7.3, samples along the last axis
============ ==================================================================

The names `h`, `block` say block, `H`, `hamiltonian` say Hamiltonian; `sublattice`,
`chiral`, `positions` and `boundary` beside them are taken note of.  Python objects
are never unpickled.  Arrays that are compressed or in Fortran order are read whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnlearn.archive import Rows, members_of
from tnlearn.data.hdf5 import (
    LAYOUTS,
    Column,
    columns_of,
    is_sparse,
    named_place,
    open_hdf5,
    sparse_columns,
)
from tnlearn.data.stored import StoredDataset
from tnlearn.errors import FileError, ShapeError, check_choice, check_memory
from tnlearn.files import open_file, parsing
from tnlearn.physics.chains import Chains

__all__ = ["SUFFIXES", "Source", "open_source", "read_array"]

Array = NDArray[Any]

SUFFIXES = (".npy", ".npz", ".h5", ".hdf5", ".mat")

_NAMES = {
    **dict.fromkeys(("h", "block", "blocks"), "block"),
    **dict.fromkeys(("H", "hamiltonian", "hamiltonians", "Hamiltonian"), "hamiltonian"),
}
_BESIDE = ("sublattice", "chiral", "positions", "boundary")
_HOPPING = re.compile(r"t_?(-?\d{1,9})")


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

    def __post_init__(self) -> None:
        check_memory(f"a sample in {self.path}", 2 * self.width)

    def identity(self) -> dict[str, Any]:
        """What tells this file from another, or from itself after a change."""
        about = self.path.stat()
        ends = hashlib.sha256()
        with self.path.open("rb") as stream:
            for place in (0, max(0, about.st_size - 2**20)):
                stream.seek(place)
                ends.update(stream.read(2**20))
        return {"size": about.st_size, "mtime": about.st_mtime_ns, "ends": ends.hexdigest()}


@contextlib.contextmanager
def open_source(path: Path, key: str | None = None) -> Iterator[Source]:
    """The samples in a file: see the table of this module.

    Parameters
    ----------
    path : Path
    key : str, optional
        Name of the array in an `.npz` or HDF5 file, where its name does not tell; in HDF5 also
        a group, or an array in one: "run0/H".

    Raises
    ------
    FileError, ShapeError, UnknownNameError, MemoryLimitError
        If the file cannot be read, is damaged, or holds nothing that can be labelled.
    """
    suffix = path.suffix.lower()
    check_choice("kind of file", suffix, SUFFIXES)
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(open_file(path))
        with _damaged(path):
            if suffix == ".npy":
                if key is not None:
                    raise FileError(f"{path} holds one array without a name; leave the key out")
                source = _matrices(path, "auto", _rows(path, stream))
            elif suffix == ".npz":
                members = members_of(path, stream)
                source = _named(path, key, members, members)
            else:
                source = _open_hdf5(path, key, stack)
        yield source


def read_array(path: str | Path | None) -> Array | None:
    """The array in an `.npy` file; None where none is named.

    Raises
    ------
    FileError, MemoryLimitError
        If it cannot be read, is damaged, or too large.
    """
    if path is None:
        return None
    with open_file(path) as stream, _damaged(path):
        rows = _rows(path, stream)
        check_memory(f"the array in {path}", math.prod(rows.shape) * rows.dtype.itemsize)
        return rows[...]


def _rows(path: str | Path, stream: Any) -> Rows:
    return Rows(str(path), stream, os.fstat(stream.fileno()).st_size)


def _damaged(path: str | Path) -> Any:
    return parsing(path, "what its name says")


def _open_hdf5(path: Path, key: str | None, stack: contextlib.ExitStack) -> Source:
    file = stack.enter_context(open_hdf5(path))
    if "recipe" in file.attrs and key is None:
        stored = stack.enter_context(StoredDataset(path))
        one = stored.hoppings(0, 1)
        width = 16 * len(one.hoppings) * one.cells
        return Source(path, len(stored), width, "chains", stored.hoppings)
    group, name = named_place(file, key)
    members = columns_of(group)
    arrays = {n: Column(m) for n, m in members.items() if hasattr(m, "dtype")}
    groups = {n: m for n, m in members.items() if n not in arrays}
    sparse = {n: parts for n, m in groups.items() if (parts := sparse_columns(m))}
    whole = sparse_columns(group) if name is None else {}
    inner = [*sparse, *(f"{n}/{k}" for n, m in groups.items() if n not in sparse for k in m)]
    notes = {n: Column(m) for n, m in columns_of(file).items() if n in _BESIDE} | arrays
    for place in (group, file):
        notes = {n: place.attrs[n] for n in _BESIDE if n in place.attrs} | notes
    if whole:
        return _sparse(path, whole, _notes(notes), group.name.rsplit("/", 1)[-1])
    chosen = [n for n in sparse if n in _NAMES] or [n for n in sparse if len(sparse) == 1]
    if name is None and chosen and (chosen[0] in _NAMES or not arrays):
        return _sparse(path, sparse[chosen[0]], _notes(notes), chosen[0])
    if inner and not arrays:
        raise FileError(
            f"{path} holds its arrays in groups: {', '.join(inner[:6])}; name the one to label "
            "(key), or put the samples into one array"
        )
    return _named(path, name, arrays, notes)


def _named(
    path: Path, key: str | None, arrays: Mapping[str, Any], notes: Mapping[str, Any]
) -> Source:
    """The source among named arrays, each with a shape, a dtype and slicing."""
    if key is not None:
        check_choice(f"array of {path.name}", key, arrays)
    elif is_sparse(arrays):
        return _sparse(path, arrays, _notes(notes))
    hoppings = [(int(m[1]), n) for n in arrays if (m := _HOPPING.fullmatch(n))]
    if key is None and hoppings:
        if len(dict(hoppings)) < len(hoppings):
            names = ", ".join(n for _, n in hoppings)
            raise FileError(f"{path} holds a hopping under two names: {names}; leave one out")
        return _hoppings(path, {m: arrays[n] for m, n in hoppings}, _notes(notes))
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
    kind = _NAMES.get(named[0].rsplit("/", 1)[-1], "auto")
    source = _matrices(path, kind, arrays[named[0]])
    source.beside = _notes(notes)
    return source


def _notes(arrays: Mapping[str, Any]) -> dict[str, Any]:
    notes: dict[str, Any] = {}
    for name in _BESIDE:
        if name not in arrays:
            continue
        value = arrays[name]
        value = np.asarray(value[...] if hasattr(value, "shape") else value)
        if value.dtype.kind in "SO":
            value = np.reshape([_text(v) for v in value.ravel()], value.shape)
        if value.ndim == 2 and 1 in value.shape:
            value = value.ravel()  # MATLAB's vectors
        notes[name] = value.item() if value.ndim == 0 else value
    return notes


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
            values = np.array(array[...] if single else array[start:stop])
        return values[None] if single else values

    return Source(path, 1 if single else shape[0], shape[-1] ** 2 * wide.itemsize, kind, read)


def _hoppings(path: Path, arrays: Mapping[int, Any], beside: dict[str, Any]) -> Source:
    shapes = {tuple(a.shape) for a in arrays.values()}
    shape = next(iter(shapes))
    if len(shapes) != 1 or len(shape) not in (1, 2) or 0 in shape:
        raise ShapeError(
            f"the hoppings in {path} have shapes {sorted(shapes)}; one shape (samples, cells) is "
            "expected of all of them: a number for every cell y, 0 where an open chain has no bond"
        )
    single = len(shape) == 1
    kind = np.result_type(np.float64, *[a.dtype for a in arrays.values()])

    def read(start: int, stop: int) -> Chains:
        with _damaged(path):
            values = {
                m: np.array(a[...][None] if single else a[start:stop], dtype=kind)
                for m, a in sorted(arrays.items())
            }
        return Chains(shape[-1], values)

    samples, width = 1 if single else shape[0], 16 * shape[-1] * len(arrays)
    return Source(path, samples, width, "chains", read, beside)


def _sparse(
    path: Path, arrays: Mapping[str, Any], beside: dict[str, Any], name: str = ""
) -> Source:
    shape = tuple(int(n) for n in np.ravel(arrays["shape"][...]))
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 1:
        raise ShapeError(f"the sparse matrix in {path} has shape {shape}; a square is expected")
    layout = next(name for name, parts in LAYOUTS.items() if set(arrays) >= set(parts))
    if "format" in arrays:
        layout = _text(np.asarray(arrays["format"][...]).item())
    check_choice(f"layout of the sparse matrix in {path}", layout, ("csc", "bsr", *LAYOUTS))
    where = [arrays[n] for n in LAYOUTS["csr" if layout in ("csc", "bsr") else layout]]
    for array in (*where, arrays["data"]):
        if np.dtype(array.dtype).kind not in ("iu" if array is not arrays["data"] else "iufcb"):
            raise ShapeError(f"the sparse matrix in {path} has an array of {array.dtype}")
    if layout not in ("csr", "csc"):
        layout, arrays = "csr", _as_csr(path, layout, arrays, where, shape)
    form = sp.csr_array if layout == "csr" else sp.csc_array
    indices, indptr = np.asarray(arrays["indices"][...]), np.asarray(arrays["indptr"][...])
    data = arrays["data"]
    single = len(data.shape) == 1
    if data.shape[-1:] != indices.shape or len(data.shape) > 2 or not data.shape[0]:
        raise ShapeError(
            f"the sparse matrix in {path} has data of shape {tuple(data.shape)} for "
            f"{len(indices)} indices"
        )
    if indptr.shape != (shape[0] + 1,):
        raise ShapeError(f"the sparse matrix in {path} has {len(indptr)} pointers to its rows")
    # Every index, before compiled code trusts it.
    pattern = form((np.zeros(len(indices)), indices, indptr), shape=shape)
    pattern.check_format(full_check=True)

    def read(start: int, stop: int) -> list[Any]:
        with _damaged(path):
            values = data[...][None] if single else data[start:stop]
            return [form((row, indices, indptr), shape=shape) for row in values]

    samples, width = 1 if single else data.shape[0], 64 * max(1, len(indices))
    return Source(path, samples, width, _NAMES.get(name, "auto"), read, beside)


def _as_csr(
    path: Path, layout: str, arrays: Mapping[str, Any], where: list[Any], shape: tuple[int, ...]
) -> dict[str, Any]:
    """One matrix of another of scipy's layouts, by the arrays of its csr form."""
    data, *where = (np.asarray(array[...]) for array in (arrays["data"], *where))
    if data.size < shape[0] // 2:
        raise ShapeError(
            f"the sparse matrix in {path} has {shape[0]} rows and {data.size} numbers: most of its "
            "rows would be empty"
        )
    if layout == "coo":
        matrix = sp.coo_array((data, tuple(where)), shape=shape)
    elif layout == "dia":
        matrix = sp.dia_array((data, where[0]), shape=shape)
    else:
        matrix = sp.bsr_array((data, *where), shape=shape)
        matrix.check_format(full_check=True)
    plain = matrix.tocsr()
    return {n: getattr(plain, n) for n in ("data", "indices", "indptr")}
