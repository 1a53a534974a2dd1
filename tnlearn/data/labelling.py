"""Labelling a file of any size: streamed in, streamed out, going on after a kill."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.data.journal import Journal
from tnlearn.data.labeltable import (
    REASON,
    REASONS,
    ROW,
    ROW_OR_REASON,
    count_skipped,
    rows_of,
    write_table,
)
from tnlearn.data.sources import Source, open_source
from tnlearn.data.storage import part_of
from tnlearn.errors import (
    ConfigError,
    FileError,
    NotChiralError,
    NotFiniteError,
    TnlearnError,
    check_choice,
)
from tnlearn.physics.chains import Chains
from tnlearn.physics.fast import TOLERANCE, check_threads, check_tolerance
from tnlearn.physics.geometry import check_boundary
from tnlearn.physics.hamiltonians import Splitting, banded_or_dense, splitting_of
from tnlearn.physics.inputs import KINDS, kind_of
from tnlearn.physics.invariants import METHODS, Winding, winding
from tnlearn.records import plain

__all__ = ["ON_ERROR", "OUTPUTS", "Labelled", "label_file"]

Array = NDArray[Any]

OUTPUTS = (".csv", ".npz")
ON_ERROR = ("stop", "skip")

# What is read at a time, in bytes and in samples: also what is lost by a kill.
_STRETCH_BYTES = 64 * 2**20
_STRETCH_SAMPLES = 2**15
# Samples among which sublattices are looked for: not more, so that it does not
# depend on the stretch.
_LOOK = 64
# Reasons told in full, as they come.
_TOLD = 5


@dataclass(frozen=True)
class Labelled:
    """What became of a file.

    Attributes
    ----------
    output : Path
        The finished table.
    samples, reliable : int
        How many were labelled, and how many of them reliably.
    resumed : int
        How many were there already from a run that was stopped.
    skipped : dict of str to int
        How many samples could not be labelled, by reason; empty unless they may be skipped.
    """

    output: Path
    samples: int
    reliable: int
    resumed: int
    skipped: Mapping[str, int] = field(default_factory=dict)


def label_file(
    path: str | Path,
    out: str | Path,
    method: str = "rswn",
    *,
    boundary: str | None = None,
    window: float = 0.5,
    kind: str = "auto",
    key: str | None = None,
    sublattice: Any = None,
    chiral: Any = None,
    positions: Any = None,
    tolerance: float | None = None,
    threads: int | None = 1,
    chunk: int | None = None,
    on_error: str = "stop",
    progress: bool | None = None,
) -> Labelled:
    """The winding number of every sample in a file, into a CSV or npz table.

    Columns: value, integer, gap, reliable, method, as in `tnlearn.physics.Winding`,
    and error, the bound of the error of the value.  In a CSV file the number of the
    sample stands in front; in an npz file method is one string, and `reason`, if samples may
    be skipped, a number: the place of the reason in `reasons`, 0 for none.

    Nothing but one stretch of samples is in memory.  Rows are kept in `OUT.part` as
    they are made; after a kill the same call goes on from there.  `OUT` appears
    only when complete.

    Parameters
    ----------
    path : str or Path
        See `tnlearn.data.sources` for what can be in it.
    out : str or Path
        Ends in .csv or .npz.
    method, window, tolerance, threads
        As in `tnlearn.winding`.
    boundary : "open" | "periodic", optional
        What the file says, else "open".
    kind, sublattice, chiral, positions
        As in `tnlearn.winding`; what the file says, where not given.
    key : str, optional
        Which array of the file.
    chunk : int, optional
        Samples per stretch; about 64 MiB unless told.
    on_error : "stop" | "skip"
        What becomes of a sample that cannot be labelled: not chiral, NaN, not clean where
        the method asks for that.  "stop" raises; "skip" gives it a row with NaN for value and
        gap, not reliable, and the reason in one more column, which is empty elsewhere.
    progress : bool, optional
        Whether a progress bar is drawn on stderr; on a terminal only, if not told.

    Raises
    ------
    FileError, ShapeError, NotFiniteError, NotChiralError, ConfigError, UnknownNameError
        For files that cannot be read or written, and for samples that cannot be
        labelled: the message names the sample, and the rows before it are kept.
    """
    source_path, target = Path(path), Path(out)
    check_choice("method", method, METHODS)
    check_choice("kind", kind, KINDS)
    check_choice("kind of output", target.suffix.lower(), OUTPUTS)
    skip = check_choice("on_error", on_error, ON_ERROR) == "skip"
    check_tolerance(TOLERANCE if tolerance is None else tolerance)
    check_threads(threads)
    if not target.parent.is_dir():
        raise FileError(f"the folder {target.parent} does not exist; create it first")
    if target.exists() and source_path.exists() and target.samefile(source_path):
        raise ConfigError(f"{target} is the input; give another name for the output")
    if chunk is not None and (isinstance(chunk, bool) or int(chunk) != chunk or chunk < 1):
        raise ConfigError(f"chunk must be a whole number of at least 1, got {chunk!r}")
    told = {"sublattice": sublattice, "chiral": chiral, "positions": positions}
    with open_source(source_path, key) as source:
        reader = _Reader(source, kind, told, boundary, skip)
        run = plain(
            {
                "input": source.identity(),
                "samples": source.samples,
                "method": method,
                "boundary": reader.boundary,
                "window": window,
                "tolerance": tolerance,
                "kind": reader.kind,
                "key": key,
                **{name: reader.told[name] for name in told},
                **({"on_error": on_error} if skip else {}),
            }
        )
        stretch = int(chunk or np.clip(_STRETCH_BYTES // source.width, 1, _STRETCH_SAMPLES))
        with Journal(part_of(target), run, ROW_OR_REASON if skip else ROW) as journal:
            resumed = journal.done
            call = partial(
                winding, method=method, window=window, tolerance=tolerance, threads=threads
            )
            _label(reader, journal, call, stretch, progress)
            reliable = write_table(target, journal, method)
            skipped = count_skipped(journal) if skip else {}
            journal.remove()
    return Labelled(target, source.samples, reliable, resumed, skipped)


class _Reader:
    """Chains or blocks of any stretch of a source, the sublattices told or found once."""

    def __init__(
        self,
        source: Source,
        kind: str,
        told: Mapping[str, Any],
        boundary: str | None,
        skip: bool = False,
    ) -> None:
        self.source, self.skip = source, skip
        self.told = {n: source.beside.get(n) if v is None else v for n, v in told.items()}
        if told["chiral"] is not None:
            self.told["sublattice"] = told["sublattice"]
        elif told["sublattice"] is not None:
            self.told["chiral"] = None
        named = any(v is not None for v in self.told.values())
        self.kind = kind if kind != "auto" else source.kind
        self._boundary = boundary or source.beside.get("boundary")
        if self._boundary is not None:
            check_boundary(self._boundary)
        if self.kind == "auto" and named:
            self.kind = "hamiltonian"
        if source.kind == "chains":
            if kind == "hamiltonian" or any(v is not None for v in told.values()):
                raise ConfigError(f"{source.path} holds hoppings: their sublattices are known")
            self.kind = "chains"
        elif self.kind == "block" and any(v is not None for v in told.values()):
            raise ConfigError("a block has its sublattices told already; leave them out")
        self._splitting: Splitting | None = None
        if self.kind in ("auto", "hamiltonian"):
            self._look()

    @property
    def boundary(self) -> str | None:
        return self._boundary

    def _look(self) -> None:
        count = min(_LOOK, self.source.samples)
        first = self._good_ones(count) if self.skip else self._raw(0, count)
        if self.kind == "auto":
            listed = first if isinstance(first, list) else [first]
            hermitian = all(kind_of(m) == "hamiltonian" for m in listed)
            self.kind = "hamiltonian" if hermitian else "block"
        if self.kind == "hamiltonian":
            self._splitting = splitting_of(first, **self.told)

    def _good_ones(self, count: int) -> Any:
        """Of the first samples those that are of the kind of most and can be split."""
        found: list[Any] = []
        failed: TnlearnError | None = None
        for k in range(count):
            try:
                found.append(self._raw(k, k + 1))
            except NotFiniteError as error:
                # (Without its traceback, which would keep this frame and its files.)
                failed = error.with_traceback(None)
        if not found:
            assert failed is not None
            raise failed
        listed = isinstance(found[0], list)
        if self.kind == "auto":
            full = [kind_of(m[0]) == "hamiltonian" for m in found]
            self.kind = "hamiltonian" if 2 * sum(full) > len(full) else "block"
            found = [m for m, yes in zip(found, full, strict=True) if yes or self.kind == "block"]
        if self.kind == "hamiltonian":
            good = []
            for matrix in found:
                try:
                    splitting_of(matrix, **self.told).block(matrix[0] if listed else matrix)
                    good.append(matrix)
                except NotChiralError as error:
                    failed = error.with_traceback(None)
            if not good:
                assert failed is not None
                raise failed
            found = good
        return [m[0] for m in found] if listed else np.concatenate(found)

    def _raw(self, start: int, stop: int) -> Any:
        found = self.source.read(start, stop)
        if isinstance(found, Chains):
            # A data set knows its boundary; bare hoppings are open unless told.
            for t in found.hoppings.values():
                self._finite(t, start)
            if self._boundary not in (None, found.boundary):
                return found.with_boundary(str(self._boundary))
            return found
        if isinstance(found, list):
            for k, matrix in enumerate(found):
                self._finite(matrix.data[None], start + k)
            return found
        self._finite(found, start)
        return found

    def _finite(self, array: Array, start: int) -> None:
        bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if bad.any():
            raise NotFiniteError(
                f"sample {start + int(bad.argmax())} of {self.source.path} holds NaN or infinity; "
                "remove or replace it"
            )

    def read(self, start: int, stop: int) -> Any:
        """`Chains`, or a (stop − start, cells, cells) array of blocks."""
        found = self._raw(start, stop)
        if isinstance(found, Chains):
            return found
        where = self._boundary or "open"
        how = self._splitting
        if isinstance(found, list):
            blocks = [how.block(m, start + k) if how else m for k, m in enumerate(found)]
            return banded_or_dense(blocks, where)
        return how.block(found, start) if how else found


def _label(
    reader: _Reader,
    journal: Journal,
    call: partial[Winding],
    stretch: int,
    progress: bool | None,
) -> None:
    from tqdm import tqdm

    samples = reader.source.samples
    quiet = None if progress is None else not progress
    told: list[str] = []
    with tqdm(total=samples, initial=journal.done, unit="sample", disable=quiet) as bar:
        while journal.done < samples:
            start, stop = journal.done, min(journal.done + stretch, samples)
            journal.append(_stretch(reader, journal.dtype, call, told, start, stop))
            bar.update(stop - start)


def _stretch(
    reader: _Reader,
    dtype: np.dtype[Any],
    call: partial[Winding],
    told: list[str],
    start: int,
    stop: int,
) -> Array:
    """The rows of a stretch; one that fails is halved until its bad samples stand alone.

    (Where samples may be skipped; else it is an error.)  `told` are the reasons said so far.
    """
    from tqdm import tqdm

    try:
        with _naming(reader.source.path, start, stop):
            given = reader.read(start, stop)
            raw = None if isinstance(given, Chains) else reader.boundary
            return rows_of(call(given, boundary=raw), dtype)
    except TnlearnError as error:
        number = REASON.get(type(error), 0)
        if call.keywords["method"] == "momentum" and isinstance(error, ConfigError):
            number = REASONS.index("not clean")
        if not reader.skip or not number:
            raise
        text = str(error)
    if stop - start > 1:
        middle = (start + stop) // 2
        halves = [(start, middle), (middle, stop)]
        return np.concatenate([_stretch(reader, dtype, call, told, *part) for part in halves])
    if len(told) < _TOLD:
        told.append(text)
        tqdm.write(f"skipped: {text}", file=sys.stderr)
    return np.array([(np.nan, 0, np.nan, False, np.inf, number)], dtype=dtype)


@contextlib.contextmanager
def _naming(path: Path, start: int, stop: int) -> Iterator[None]:
    try:
        yield
    except FileError:
        raise
    except TnlearnError as error:
        text = str(error)
        if "sample " in text:
            raise
        which = f"sample {start}" if stop == start + 1 else f"samples {start} to {stop - 1}"
        raise type(error)(f"{which} of {path}: {text}") from error
