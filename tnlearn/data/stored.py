"""Data sets on disk: written in chunks, read in batches, larger than memory where they must."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tnlearn import __version__
from tnlearn.data.storage import TableReader, TableWriter
from tnlearn.errors import ConfigError, FileError
from tnlearn.physics.chains import Chains
from tnlearn.physics.invariants import Winding
from tnlearn.physics.memory import check_memory
from tnlearn.physics.states import States
from tnlearn.records import plain

if TYPE_CHECKING:
    from tnlearn.data.datasets import Dataset

__all__ = ["StoredDataset", "generate", "open_dataset", "save"]

Array = NDArray[Any]
Path_ = str | os.PathLike[str]

_KIND = "dataset"
_CHUNK_BYTES = 32 * 2**20


class StoredDataset:
    """A data set in a file: nothing but the batch asked for is in memory.

    Each chunk is checked against its SHA-256 when it is read, so an altered file
    raises `FileError` and never gives wrong numbers.

    Attributes
    ----------
    path : Path
    info : dict
        The full recipe, as `Dataset.info`.
    classes : tuple of int
        The winding of each class.
    chunk : int
        Samples per chunk: batches that divide it are read fastest.
    """

    def __init__(self, path: Path_) -> None:
        self.path = Path(path)
        self._table = TableReader(self.path)
        record = self._table.record
        if not isinstance(record, dict) or record.get("kind") != _KIND:
            self._table.close()
            raise FileError(f"{self.path} is a table of tnlearn, but not a data set")
        self.info: dict[str, Any] = record["info"]
        self.classes: tuple[int, ...] = tuple(record["classes"])
        self.chunk = self._table.chunk
        self._record = record
        self._last: tuple[int, Dataset] | None = None

    def __len__(self) -> int:
        return self._table.rows

    def __repr__(self) -> str:
        return f"StoredDataset({str(self.path)!r}, {len(self)} samples)"

    def __enter__(self) -> StoredDataset:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._table.close()

    @property
    def labels(self) -> Array:
        """Class index of every sample, (samples,) int64."""
        return self._table.column("labels")

    @property
    def windings(self) -> Array:
        """Winding number of every sample, (samples,) int64."""
        return self._table.column("windings")

    @property
    def ambiguous(self) -> Array:
        """Where kinds of winding number disagree, (samples,) bool."""
        return self._table.column("ambiguous")

    @property
    def kinds(self) -> dict[str, Winding]:
        """Every kind of label of every sample, of a data set made with `labels="all"`."""
        columns = {n: self._table.column(n) for n in self._table.columns if n.startswith("kind ")}
        return _kinds(columns)

    def __getitem__(self, index: Any) -> Dataset:
        """The samples of a slice, a mask, an index array or one index, as a `Dataset`."""
        from tnlearn.data.datasets import joined

        if isinstance(index, (int, np.integer)):
            at = range(len(self))[index]
            index = slice(at, at + 1)
        rows = np.arange(len(self))[index]
        width = sum(
            int(np.prod(shape, dtype=np.int64)) * kind.itemsize
            for shape, kind in self._table.columns.values()
        )
        check_memory(f"{len(rows)} samples of {self.path}", 2 * len(rows) * width)
        info = {**self.info, "samples": len(rows)}
        if isinstance(index, slice) and index.indices(len(self))[2] == 1:
            info["start"] = self.info.get("start", 0) + index.indices(len(self))[0]
        else:
            info["subset"] = True
        if not len(rows):
            return replace(self._read(0)[0:0], info=info)
        where = rows // self.chunk
        order = np.argsort(where, kind="stable")
        edges = np.flatnonzero(np.diff(where[order])) + 1
        parts = []
        for group in np.split(order, edges):
            k = int(where[group[0]])
            parts.append(self._read(k)[rows[group] - k * self.chunk])
        found = joined(parts)
        if not np.array_equal(order, np.arange(len(order))):
            found = found[np.argsort(order, kind="stable")]
        return replace(found, info=info)

    def batches(self, size: int, *, shuffle: int | None = None) -> Iterator[Dataset]:
        """All samples in batches of `size` (the last may be smaller), one read of the file.

        Parameters
        ----------
        size : int
            Samples of a batch.
        shuffle : int, optional
            Seed of a random order: chunks in random order and samples in random
            order within each, so that no more than a chunk and a batch is in memory.
        """
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
            raise ConfigError(f"size must be a whole number of at least 1, got {size!r}")
        return self._batches(int(size), None if shuffle is None else np.random.default_rng(shuffle))

    def _batches(self, size: int, rng: np.random.Generator | None) -> Iterator[Dataset]:
        from tnlearn.data.datasets import joined

        chunks = np.arange(self._table.chunks)
        if rng is not None:
            chunks = rng.permutation(chunks)
        waiting: list[Dataset] = []
        held = 0
        for k in chunks:
            part = self._read(int(k))
            if rng is not None:
                part = part[rng.permutation(len(part))]
            waiting.append(part)
            held += len(part)
            if held >= size:
                whole = joined(waiting)
                full = held - held % size
                for first in range(0, full, size):
                    yield whole[first : first + size]
                waiting = [whole[full:]] if held > full else []
                held -= full
        if held:
            yield joined(waiting)

    def verify(self) -> None:
        """Check every chunk against its SHA-256; raise `FileError` at the first that differs."""
        self._table.verify()

    def _read(self, k: int) -> Dataset:
        from tnlearn.data.datasets import Dataset

        if self._last is not None and self._last[0] == k:
            return self._last[1]
        c = self._table.read(k)
        record = self._record
        rows = self._table.extent(k)
        hoppings = {int(n.split()[1]): t for n, t in c.items() if n.startswith("hopping ")}
        info = {**self.info, "samples": rows.stop - rows.start}
        info["start"] = self.info.get("start", 0) + rows.start
        found = Dataset(
            States(c["u"], c["v"], c["energies"]),
            c["labels"],
            self.classes,
            c["windings"],
            c["ambiguous"],
            Chains(record["cells"], hoppings, record["boundary"], record["flux"]),
            info,
            _kinds(c),
        )
        self._last = (k, found)
        return found


def open_dataset(path: Path_, *, verify: bool = False) -> StoredDataset:
    """A data set written by `Dataset.save` or `tnlearn.dataset(..., path=…)`.

    Parameters
    ----------
    path : str or path
    verify : bool
        Check the whole file at once instead of each chunk as it is read.

    Raises
    ------
    FileError
        If there is no such file, or it is cut short, altered or something else.
    """
    found = StoredDataset(path)
    if verify:
        try:
            found.verify()
        except FileError:
            found.close()
            raise
    return found


def save(data: Dataset, path: Path_, chunk: int | None = None) -> StoredDataset:
    """Write a data set to an HDF5 file, replacing what is there once all is on the disk.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    if not len(data):
        raise ConfigError("a data set without samples cannot be saved")
    target = _target(path)
    columns = _columns(data)
    size = _chunk_size(columns, len(data), chunk)
    with TableWriter(target, _record(data), columns, len(data), size, resume=False) as table:
        for k in table.missing():
            table.write(k, _values(data[table.extent(k)]))
        table.finish()
    return StoredDataset(target)


def generate(info: dict[str, Any], path: Path_, chunk: int | None = None) -> StoredDataset:
    """Make a data set straight into a file, going on where a killed process stopped.

    Parameters
    ----------
    info : dict
        A complete recipe, as `tnlearn.data.datasets.build` takes it.
    path : str or path
        If it is there already and holds this very recipe it is opened as it is.
    chunk : int, optional
        Samples made and written at a time; about 32 MiB of them unless told.

    Raises
    ------
    FileError
        If the file holds another data set, or cannot be written.
    """
    from tnlearn.data.datasets import build

    target = _target(path)
    if target.exists():
        found = open_dataset(target)
        different = sorted(
            k for k in {*info, *found.info} if _told(info, k) != _told(found.info, k)
        )
        if different:
            found.close()
            raise FileError(
                f"{target} holds another data set ({', '.join(different)} differ); it is left as "
                "it is. Give the name of a new file, or remove it"
            )
        return found
    model = build({**info, "samples": 1})
    columns = _columns(model)
    rows = info["samples"]
    record = _record(model)
    record["info"]["samples"] = rows
    with TableWriter(target, record, columns, rows, _chunk_size(columns, rows, chunk)) as table:
        for k in _progress(table.missing(), table.chunks, target.name):
            part = table.extent(k)
            made = build(
                {**info, "start": info["start"] + part.start, "samples": part.stop - part.start}
            )
            table.write(k, _values(made))
        table.finish()
    return StoredDataset(target)


def _told(info: dict[str, Any], key: str) -> Any:
    # What a recipe need not say.
    silent = {"label": "lyapunov", "shifts": [], "labels": "lyapunov"}
    return plain(info.get(key, silent.get(key)))


def _target(path: Path_) -> Path:
    target = Path(path)
    if target.is_dir():
        raise FileError(f"{target} is a folder; give the name of a file")
    if not target.parent.is_dir():
        raise FileError(f"the folder {target.parent} does not exist; create it first")
    return target


def _progress(chunks: list[int], total: int, name: str) -> Iterator[int]:
    from tqdm import tqdm

    # Shown on a terminal only.
    with tqdm(
        total=total, initial=total - len(chunks), desc=name, unit="chunk", disable=None
    ) as bar:
        for k in chunks:
            yield k
            bar.update()


def _record(data: Dataset) -> dict[str, Any]:
    chains = data.chains
    return {
        "kind": _KIND,
        "tnlearn": __version__,
        "info": plain(data.info),
        "classes": list(data.classes),
        "cells": chains.cells,
        "boundary": chains.boundary,
        "flux": chains.flux,
    }


def _values(data: Dataset) -> dict[str, Array]:
    found: dict[str, Array] = {
        "u": data.states.u,
        "v": data.states.v,
        "energies": data.states.energies,
        "labels": data.labels,
        "windings": data.windings,
        "ambiguous": data.ambiguous,
    }
    found.update({f"hopping {m}": t for m, t in sorted(data.chains.hoppings.items())})
    for name, result in data.kinds.items():
        for field in fields(result):
            value = getattr(result, field.name)
            if isinstance(value, np.ndarray):
                found[f"kind {name} {field.name}"] = value
    return found


def _columns(data: Dataset) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    return {n: (a.shape[1:], a.dtype) for n, a in _values(data).items()}


def _kinds(columns: dict[str, Array]) -> dict[str, Winding]:
    found: dict[str, dict[str, Any]] = {}
    for name, values in columns.items():
        if name.startswith("kind "):
            _, kind, field = name.split(" ")
            found.setdefault(kind, {"method": kind})[field] = values
    return {kind: Winding(**given) for kind, given in found.items()}


def _chunk_size(columns: Any, rows: int, chunk: int | None) -> int:
    if chunk is not None:
        if isinstance(chunk, bool) or not isinstance(chunk, (int, np.integer)) or chunk < 1:
            raise ConfigError(f"chunk must be a whole number of at least 1, got {chunk!r}")
        return min(int(chunk), rows)
    width = sum(int(np.prod(s, dtype=np.int64)) * k.itemsize for s, k in columns.values())
    return int(np.clip(_CHUNK_BYTES // width, 1, rows))
