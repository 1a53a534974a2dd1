"""HDF5 as others write it, MATLAB among them: arrays as numpy has them, and no link followed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import FileError, check_choice, check_memory
from tnlearn.files import open_file, parsing

__all__ = ["HINT", "LAYOUTS", "Column", "columns_of", "is_sparse", "named_place", "open_hdf5"]
__all__ += ["sparse_columns"]

Array = NDArray[Any]

HINT = "Restore it from a copy, or remove it and make it again"
# The arrays of a sparse matrix, by scipy's names, besides `data` and `shape`.
LAYOUTS = {"csr": ("indices", "indptr"), "coo": ("row", "col"), "dia": ("offsets",)}


def open_hdf5(path: Path, **options: Any) -> Any:
    """The `h5py.File` of a path, to be read.

    Raises
    ------
    FileError
        If the file cannot be opened or is damaged.
    """
    open_file(path).close()
    if path.suffix.lower() == ".mat" and not h5py.is_hdf5(path):
        raise FileError(
            f"{path} is not in MATLAB's format 7.3, the only one that is read: save it anew with "
            "save(…, '-v7.3')"
        )
    with parsing(path, "an HDF5 file", hint=HINT):
        return h5py.File(path, "r", **options)


def columns_of(group: Any) -> dict[str, Any]:
    """The members of an HDF5 group whose content is in this very file.

    Raises
    ------
    FileError
        If one of them is a link, keeps its values in another file, or lacks some of them.
    """
    members = {}
    for name in group:
        elsewhere = not isinstance(group.get(name, getlink=True), h5py.HardLink)
        member = None if elsewhere else group[name]
        if isinstance(member, h5py.Dataset):
            elsewhere = bool(member.is_virtual or member.external)
        if elsewhere:
            raise FileError(
                f"{group.file.filename}: {name!r} leads to another place or file, and is not "
                "followed; copy its values into this file"
            )
        if isinstance(member, h5py.Dataset) and not _is_whole(member):
            raise FileError(
                f"{group.file.filename} is cut short: not all values of {name!r} are in it"
            )
        members[name] = member
    return members


def _is_whole(column: Any) -> bool:
    """Whether a dataset holds the values that its shape promises: none of them is a default."""
    if column.chunks is None:
        return bool(column.id.get_storage_size() >= column.nbytes)
    check_memory(f"a chunk of {column.name!r}", math.prod(column.chunks) * column.dtype.itemsize)
    pieces = zip(column.shape, column.chunks, strict=True)
    return bool(column.id.get_num_chunks() == math.prod(-(-n // size) for n, size in pieces))


def named_place(file: Any, key: str | None) -> tuple[Any, str | None]:
    """The group that a key names, or the group of the array that it names, and its name there.

    Raises
    ------
    UnknownNameError
        If there is no such group or array; those that there are are listed.
    """
    group, place, name = file, file, None
    for step in key.strip("/").split("/") if key is not None else ():
        members = {} if isinstance(place, h5py.Dataset) else columns_of(place)
        check_choice(f"array of {Path(file.filename).name}", step, members)
        group, name, place = place, step, members[step]
    return (group, name) if isinstance(place, h5py.Dataset) else (place, None)


class Column:
    """A dataset of HDF5 as numpy has it.

    A complex number may be two fields, `real` and `imag`; MATLAB's axes, which come in reverse,
    are turned back, so that samples along its last axis are along the first one here.
    """

    def __init__(self, column: Any) -> None:
        self._column, shape = column, tuple(column.shape)
        self._pair = column.dtype.names == ("real", "imag")
        kind = column.dtype["real"] if self._pair else column.dtype
        self.dtype = np.result_type(kind, np.complex64) if self._pair else kind
        self._turned = "MATLAB_class" in column.attrs and len(shape) > 1
        self.shape = (*shape[:-2], shape[-1], shape[-2]) if self._turned else shape

    def __getitem__(self, index: Any) -> Array:
        if self._turned and len(self.shape) == 2 and index is not ...:
            index = (slice(None), index)
        values = self._column[index]
        if self._pair:
            values = values["real"] + 1j * values["imag"]
        return np.asarray(values.swapaxes(-1, -2) if self._turned else values)


def sparse_columns(group: Any) -> dict[str, Any]:
    """The arrays of a group that holds a sparse matrix, by scipy's names; none of any other."""
    if "MATLAB_sparse" in group.attrs:
        columns = columns_of(group)
        # (Without a single number MATLAB writes the pointers only.)
        empty = np.zeros(0)
        return {
            "data": Column(columns["data"]) if "data" in columns else empty,
            "indices": columns.get("ir", empty.astype(int)),
            "indptr": columns["jc"],
            "shape": np.array([group.attrs["MATLAB_sparse"], len(columns["jc"]) - 1]),
            "format": np.array("csc"),
        }
    if not is_sparse(group):
        return {}
    return {name: Column(member) for name, member in columns_of(group).items()}


def is_sparse(names: Any) -> bool:
    """Whether arrays of these names are a sparse matrix as scipy saves it."""
    there = set(names)
    return there >= {"data", "shape"} and any(there >= set(x) for x in LAYOUTS.values())
