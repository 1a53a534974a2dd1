"""`tnlearn.label_file`: the winding numbers of a file of any size, going on after a kill."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.archive import Parts, parts_of
from tnlearn.data.sources import Source, open_source
from tnlearn.errors import (
    ConfigError,
    FileError,
    NotChiralError,
    NotFiniteError,
    TnlearnError,
    UnclearError,
    check_choice,
    check_finite,
    check_whole,
)
from tnlearn.files import replacing
from tnlearn.physics.blocks import check_boundary
from tnlearn.physics.chains import Chains
from tnlearn.physics.hamiltonians import KINDS, ORDERS, read
from tnlearn.physics.rawblocks import Blocks
from tnlearn.physics.rswn import TOLERANCE, check_threads, check_tolerance
from tnlearn.physics.winding import METHODS, Winding, winding

__all__ = ["ON_ERROR", "OUTPUTS", "Labelled", "label_file"]

Array = NDArray[Any]

OUTPUTS = (".csv", ".npz")
ON_ERROR = ("stop", "skip")
COLUMNS = ("value", "integer", "gap", "reliable", "error")
REASONS = ("", "NaN or infinite", "not Hermitian or not chiral", "not clean", "not clear")

# What is read at a time, in bytes and in samples: also what is lost by a kill.
_STRETCH_BYTES = 64 * 2**20
_STRETCH_SAMPLES = 2**15
# Samples from which on compiled kernels label a file.
_COMPILED = 1000
# First samples of which one must be readable where samples may be skipped.
_LOOK = 64
# Reasons printed in full, as they come.
_SHOWN = 5


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
    order: str | None = None,
    cells: int | None = None,
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

    Columns: value, integer, gap, reliable, method, as in `tnlearn.physics.winding.Winding`,
    and error, the bound of the error of the value.  In a CSV file the number of the
    sample stands in front; in an npz file method is one string, and `reason`, if samples may
    be skipped, a number: the place of the reason in `reasons`, 0 for none.

    One stretch of samples is in memory at a time.  The rows of each are kept in the folder
    `OUT.parts`; after a kill the same call goes on from there.  `OUT` appears only when complete.

    Parameters
    ----------
    path : str or Path
        See `tnlearn.data.sources` for what can be in it.
    out : str or Path
        Ends in .csv or .npz.
    method, window, tolerance, threads
        As in `tnlearn.winding`.
    boundary : "open" | "periodic", optional
        What the file says, else seen from the corners of each matrix.
    kind, order, cells, sublattice, chiral, positions
        As in `tnlearn.winding`; what the file says, where not given.
    key : str, optional
        Which array of the file.
    chunk : int, optional
        Samples per stretch; about 64 MiB if not given.
    on_error : "stop" | "skip"
        What becomes of a sample that cannot be labelled: not chiral, NaN, not clean where
        the method asks for that.  "stop" raises; "skip" gives it a row with NaN for value and
        gap, not reliable, and the reason in one more column, which is empty elsewhere.
    progress : bool, optional
        Whether a progress bar is drawn on stderr; on a terminal only, by default.

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
    if chunk is not None:
        chunk = check_whole("chunk", chunk, 1)
    if order is not None:
        check_choice("order", order, ORDERS)
    named = {"sublattice": sublattice, "chiral": chiral, "positions": positions}
    ordered = {"order": order, "cells": cells}
    with open_source(source_path, key) as source:
        reader = _Reader(source, kind, named, ordered, boundary, tolerance)
        if skip:
            reader.look()
        stretch = int(chunk or np.clip(_STRETCH_BYTES // source.width, 1, _STRETCH_SAMPLES))
        run = {
            "input": source.identity(),
            "samples": source.samples,
            "method": method,
            "boundary": reader.boundary,
            "window": window,
            "tolerance": tolerance,
            "kind": reader.kind,
            "key": key,
            **reader.named,
            **ordered,
            "on_error": on_error,
            "chunk": stretch,
        }
        with Parts(parts_of(target), run) as parts:
            count = -(-source.samples // stretch)
            call = partial(
                winding,
                method=method,
                window=window,
                tolerance=tolerance,
                threads=threads,
                # (One way for all stretches, in whichever process: the same bits after a kill.)
                compiled=source.samples >= _COMPILED,
            )
            resumed = _label(reader, parts, parts.missing(count), call, stretch, skip, progress)
            reliable, reasons = _write(target, map(parts.read, range(count)), method)
            parts.remove()
    skipped = {reason: int(n) for reason, n in zip(REASONS, reasons, strict=True) if reason and n}
    return Labelled(target, source.samples, reliable, resumed, skipped)


def _write(
    target: Path, pieces: Iterable[dict[str, Array]], method: str
) -> tuple[int, NDArray[np.int64]]:
    """Put the table together; how many rows are reliable, and how many there are of each reason."""
    reliable, reasons = 0, np.zeros(len(REASONS), np.int64)
    text = target.suffix.lower() == ".csv"
    held: list[dict[str, Array]] = []
    with replacing(target) as temporary, temporary.open("wb") as stream:
        for piece in pieces:
            if text:
                stream.write("".join(_lines(piece, int(reasons.sum()), method)).encode("ascii"))
            else:
                held.append(piece)
            reliable += int(piece["reliable"].sum())
            why = piece.get("reason", np.zeros(len(piece["value"]), np.uint8))
            reasons += np.bincount(why, minlength=len(REASONS))
        if not text:
            table: dict[str, Any] = {n: np.concatenate([p[n] for p in held]) for n in held[0]}
            if "reason" in table:
                table["reasons"] = np.array(REASONS)
            np.savez(stream, **table, method=np.asarray(method))
    return reliable, reasons


def _lines(piece: Mapping[str, Array], first: int, method: str) -> Iterator[str]:
    if not first:
        more = ",reason" if "reason" in piece else ""
        yield f"sample,value,integer,gap,reliable,method,error{more}\n"
    rows = zip(*(piece[name].tolist() for name in piece), strict=True)
    for k, (value, integer, gap, reliable, error, *why) in enumerate(rows, start=first):
        flag, reason = str(reliable).lower(), "".join(f",{REASONS[r]}" for r in why)
        yield f"{k},{value!r},{integer},{gap!r},{flag},{method},{error!r}{reason}\n"


class _Reader:
    """Chains or blocks of any stretch of a source, each sample judged by itself."""

    def __init__(
        self,
        source: Source,
        kind: str,
        named: Mapping[str, Any],
        ordered: Mapping[str, Any],
        boundary: str | None,
        tolerance: float | None,
    ) -> None:
        self.source, self.ordered, self.tolerance = source, ordered, tolerance
        by_caller = any(v is not None for v in named.values())
        self.named = {n: source.beside.get(n) if v is None else v for n, v in named.items()}
        # What the caller says of the sublattices takes the place of what the file says.
        if named["chiral"] is not None:
            self.named["sublattice"] = named["sublattice"]
        elif named["sublattice"] is not None:
            self.named["chiral"] = None
        if self.named["positions"] is not None:
            check_finite("positions", self.named["positions"])
        self.boundary = boundary or source.beside.get("boundary")
        if self.boundary is not None:
            check_boundary(self.boundary)
        self.kind = kind if kind != "auto" else source.kind
        if source.kind == "chains":
            if kind == "hamiltonian" or by_caller:
                raise ConfigError(f"{source.path} holds hoppings: their sublattices are known")
            self.kind = "chains"
        elif self.kind == "auto" and any(v is not None for v in self.named.values()):
            self.kind = "hamiltonian"
        elif self.kind == "block" and by_caller:
            raise ConfigError("a block has its sublattices told already; leave them out")

    def _raw(self, start: int, stop: int) -> Any:
        samples = self.source.read(start, stop)
        if isinstance(samples, Chains):
            for t in samples.hoppings.values():
                self._finite(t, start)
            # A data set knows its boundary; bare hoppings are open unless it is given.
            if self.boundary not in (None, samples.boundary):
                return samples.with_boundary(str(self.boundary))
        elif isinstance(samples, list):
            for k, matrix in enumerate(samples):
                self._finite(matrix.data[None], start + k)
        else:
            self._finite(samples, start)
        return samples

    def _finite(self, array: Array, start: int) -> None:
        bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if bad.any():
            raise NotFiniteError(
                f"sample {start + int(bad.argmax())} of {self.source.path} holds NaN or infinity; "
                "remove or replace it"
            )

    def look(self) -> None:
        """Refuse what is wrong with all samples: one of the first ones must be readable."""
        failed: TnlearnError | None = None
        for k in range(min(_LOOK, self.source.samples)):
            try:
                self.read(k, k + 1)
                return
            except (NotFiniteError, NotChiralError, UnclearError) as error:
                # (Without its traceback, which would keep this frame and its files.)
                failed = error.with_traceback(None)
        if failed is not None:
            raise failed

    def read(self, start: int, stop: int) -> Chains | Blocks:
        """The samples of a stretch, each judged by itself."""
        samples = self._raw(start, stop)
        if isinstance(samples, Chains):
            return samples
        words: dict[str, Any] = {"boundary": self.boundary, **self.ordered, **self.named}
        return read(samples, kind=self.kind, tolerance=self.tolerance, first=start, **words)


def _label(
    reader: _Reader,
    parts: Parts,
    missing: list[int],
    call: partial[Winding],
    stretch: int,
    skip: bool,
    progress: bool | None,
) -> int:
    """Make the parts that are missing; how many samples were there already."""
    from tqdm import tqdm

    samples = reader.source.samples
    quiet = None if progress is None else not progress
    left = sum(min(stretch, samples - k * stretch) for k in missing)
    shown: list[str] = []
    with tqdm(total=samples, initial=samples - left, unit="sample", disable=quiet) as bar:
        for k in missing:
            start, stop = k * stretch, min((k + 1) * stretch, samples)
            parts.write(k, _stretch(reader, call, skip, shown, start, stop))
            bar.update(stop - start)
    return samples - left


def _stretch(
    reader: _Reader,
    call: partial[Winding],
    skip: bool,
    shown: list[str],
    start: int,
    stop: int,
) -> dict[str, Array]:
    """The rows of a stretch; one that fails is halved until its bad samples stand alone.

    (Where samples may be skipped; else it is an error.)  `shown` are the reasons printed so far.
    """
    from tqdm import tqdm

    try:
        with _naming(reader.source.path, start, stop):
            result = call(reader.read(start, stop))
    except (NotFiniteError, NotChiralError, UnclearError, ConfigError) as error:
        reason = {NotFiniteError: 1, UnclearError: 4}.get(type(error), 2)
        if isinstance(error, ConfigError):
            reason = 3 if call.keywords["method"] == "momentum" else 0
        if not skip or not reason:
            raise
        text = str(error)
    else:
        rows = {name: getattr(result, name) for name in COLUMNS}
        return rows | ({"reason": np.zeros(len(result), np.uint8)} if skip else {})
    if stop - start > 1:
        middle = (start + stop) // 2
        halves = [
            _stretch(reader, call, skip, shown, *part) for part in ((start, middle), (middle, stop))
        ]
        return {name: np.concatenate([half[name] for half in halves]) for name in halves[0]}
    if len(shown) < _SHOWN:
        shown.append(text)
        tqdm.write(f"skipped: {text}", file=sys.stderr)
    row = (np.nan, 0, np.nan, False, np.inf, np.uint8(reason))
    return {name: np.array([x]) for name, x in zip((*COLUMNS, "reason"), row, strict=True)}


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
