"""Data sets in HDF5: put together whole, read in batches, larger than memory where they must.

A file has one dataset a column (`u`, `v`, `energies`, `labels`, `windings`, `ambiguous`,
`hopping m`, `kind name field`), chunk by chunk with its Fletcher-32 checksum, and the recipe as
the attribute `recipe`.  It is never written in place: what is made in pieces is kept in the
folder `NAME.parts`, and put together at the end.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tnlearn import __version__
from tnlearn.archive import plain
from tnlearn.data.dataset import (
    Dataset,
    as_batch,
    as_columns,
    chains_of_columns,
    from_columns,
    info_of_rows,
    joined,
    kinds_of_columns,
    shared_by,
)
from tnlearn.data.hdf5 import HINT, columns_of, open_hdf5
from tnlearn.errors import ConfigError, FileError, check_whole
from tnlearn.files import parsing, replacing, target_path
from tnlearn.physics.chains import Chains
from tnlearn.physics.memory import check_memory
from tnlearn.physics.winding import Winding

__all__ = ["StoredDataset", "open_dataset", "put_together", "record_of", "save"]

Array = NDArray[Any]
Path_ = str | os.PathLike[str]

FORMAT = "tnlearn-dataset/2"
_CHUNK_BYTES = 32 * 2**20
_CACHE = 16 * 2**20  # of each column: a chunk of it is read once, not once a batch


class StoredDataset:
    """A data set in a file: nothing but the batch asked for is in memory.

    Each chunk is checked against its checksum when it is read, so a damaged file
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
        self._file = open_hdf5(self.path, rdcc_nbytes=_CACHE)
        try:
            with self._reading():
                self._read_recipe()
        except FileError:
            self.close()
            raise

    def _read_recipe(self) -> None:
        if self._file.attrs.get_id("recipe").dtype.kind != "S":
            raise ValueError("its recipe has no checksum: an earlier version wrote it")
        record = json.loads(self._file.attrs["recipe"])
        if record["format"] != FORMAT:
            raise ValueError(f"its format is {record['format']!r}")
        self._data = columns_of(self._file)
        self.info: dict[str, Any] = record["info"]
        self.classes: tuple[int, ...] = tuple(record["classes"])
        self.chunk = check_whole("chunk", record["chunk"], 1)
        self.chains: dict[str, Any] = {k: record[k] for k in ("cells", "boundary", "flux")}
        self._rows = check_whole("rows", record["rows"], 1)
        lacking = {"u", "v", "energies", "labels", "windings", "ambiguous"} - set(self._data)
        if lacking or any(len(c) != self._rows for c in self._data.values()):
            raise ValueError("its columns differ in length, or some are missing")

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        return f"StoredDataset({str(self.path)!r}, {len(self)} samples)"

    def __enter__(self) -> StoredDataset:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def labels(self) -> Array:
        """Class index of every sample, (samples,) int64."""
        return self._column("labels")

    @property
    def windings(self) -> Array:
        """Winding number of every sample, (samples,) int64."""
        return self._column("windings")

    @property
    def ambiguous(self) -> Array:
        """Where kinds of winding number disagree, (samples,) bool."""
        return self._column("ambiguous")

    @property
    def kinds(self) -> dict[str, Winding]:
        """Every kind of label of every sample, of a data set made with `labels="all"`."""
        return kinds_of_columns({n: self._column(n) for n in self._data if n.startswith("kind ")})

    def __getitem__(self, index: Any) -> Dataset:
        """The samples of a slice, a mask, an index array or one index, as a `Dataset`."""
        index = as_batch(index, len(self))
        rows = np.arange(len(self))[index]
        width = sum(c.nbytes // len(self) for c in self._data.values())
        check_memory(f"{len(rows)} samples of {self.path}", 2 * len(rows) * width)
        info = info_of_rows(self.info, index, len(self), len(rows))
        columns = {n: self._column(n, rows) for n in self._data}
        return from_columns(columns, self.classes, self.chains, info)

    def hoppings(self, start: int, stop: int) -> Chains:
        """The chains of a stretch of samples alone, without their states."""
        rows = np.arange(start, stop)
        columns = {n: self._column(n, rows) for n in self._data if n.startswith("hopping ")}
        return chains_of_columns(columns, self.chains)

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
        size = check_whole("size", size, 1)
        return self._batches(size, None if shuffle is None else np.random.default_rng(shuffle))

    def _batches(self, size: int, rng: np.random.Generator | None) -> Iterator[Dataset]:
        firsts = np.arange(0, len(self), self.chunk)
        held = self[:0]
        for first in firsts if rng is None else rng.permutation(firsts):
            part = self[int(first) : int(first) + self.chunk]
            held = joined([held, part if rng is None else part[rng.permutation(len(part))]])
            full = len(held) - len(held) % size
            for at in range(0, full, size):
                yield held[at : at + size]
            held = held[full:]
        if len(held):
            yield held

    def verify(self) -> None:
        """Read every chunk once; `FileError` at the first whose checksum does not hold."""
        for first in range(0, len(self), self.chunk):
            for name in self._data:
                self._column(name, np.arange(first, min(first + self.chunk, len(self))))

    def _reading(self) -> Any:
        return parsing(self.path, "a data set of tnlearn", hint=HINT)

    def _column(self, name: str, rows: Array | None = None) -> Array:
        """A column at some rows, in their order; whole chunks are read, each once."""
        column = self._data[name]
        with self._reading():
            if rows is None:
                return np.asarray(column[...])
            values = np.empty((len(rows), *column.shape[1:]), column.dtype)
            place = rows // self.chunk
            for k in np.unique(place):
                here = place == k
                low, high = int(rows[here].min()), int(rows[here].max()) + 1
                values[here] = column[low:high][rows[here] - low]
        return values


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
    stored = StoredDataset(path)
    if verify:
        try:
            stored.verify()
        except FileError:
            stored.close()
            raise
    return stored


def save(data: Dataset, path: Path_, chunk: int | None = None) -> StoredDataset:
    """What `Dataset.save` does."""
    if not len(data):
        raise ConfigError("a data set without samples cannot be saved")
    target = target_path(path)
    record = record_of(data, len(data), chunk)
    size = record["chunk"]
    pieces = (as_columns(data[k : k + size]) for k in range(0, len(data), size))
    put_together(target, record, pieces)
    return StoredDataset(target)


def put_together(target: Path, record: dict[str, Any], pieces: Iterable[dict[str, Array]]) -> None:
    """Write the columns of all pieces, one below the other, into one file, whole or not at all."""
    # Of HDF5 1.10 on: there the metadata have checksums, too.  (The lock is that of `replacing`.)
    options: dict[str, Any] = {"libver": "v110", "locking": False}
    rows, chunk = record["rows"], record["chunk"]
    pieces = iter(pieces)
    head, first = next(pieces), 0
    with replacing(target) as temporary:
        h5py.File(temporary, "w", **options).close()
        _reserve(temporary, head, rows, chunk)
        with h5py.File(temporary, "r+", **options) as file:
            # As a string of fixed length: others lie where HDF5 has no checksum.
            file.attrs["recipe"] = np.bytes_(json.dumps(record, sort_keys=True).encode())
            for name, values in head.items():
                shape = values.shape[1:]
                whole, part = (rows, *shape), (chunk, *shape)
                file.create_dataset(name, whole, values.dtype, chunks=part, fletcher32=True)
            for piece in itertools.chain([head], pieces):
                for name, values in piece.items():
                    file[name][first : first + len(values)] = values
                first += len(piece["labels"])


def _reserve(path: Path, head: Mapping[str, Array], rows: int, chunk: int) -> None:
    """Take the room that a file will need: where HDF5 itself finds the disk full, it crashes."""
    if hasattr(os, "posix_fallocate"):
        size = sum(chunk * (x.nbytes // len(x)) + 512 for x in head.values())
        with path.open("rb+") as stream:
            os.posix_fallocate(stream.fileno(), 0, -(-rows // chunk) * size + 2**16 * len(head))


def record_of(data: Dataset, rows: int, chunk: int | None) -> dict[str, Any]:
    """What a file of so many samples like these says of itself; chunks of 32 MiB unless given."""
    if chunk is None:
        width = sum(c.nbytes // len(c) for c in as_columns(data).values())
        size = int(np.clip(_CHUNK_BYTES // width, 1, rows))
    else:
        size = min(check_whole("chunk", chunk, 1), rows)
    return {
        "format": FORMAT,
        "tnlearn": __version__,
        "info": plain(data.info),
        "classes": list(data.classes),
        **shared_by(data.chains),
        "rows": rows,
        "chunk": size,
    }
