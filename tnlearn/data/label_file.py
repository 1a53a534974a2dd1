"""`tnlearn.label_file`: the winding numbers of a file of any size, going on after a kill."""

from __future__ import annotations

import re
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
    NotChiralError,
    NotFiniteError,
    ShapeError,
    TnlearnError,
    UnclearError,
    check_choice,
    check_finite,
    check_memory,
    check_whole,
)
from tnlearn.files import replacing, target_path
from tnlearn.physics.chains import Chains
from tnlearn.physics.hamiltonians import read
from tnlearn.physics.memory import check_threads
from tnlearn.physics.rawblocks import Blocks
from tnlearn.physics.rswn import TOLERANCE, check_tolerance
from tnlearn.physics.winding import METHODS, Winding, winding
from tnlearn.progress import tqdm

__all__ = ["ON_ERROR", "OUTPUTS", "Labelled", "label_file"]

Array = NDArray[Any]

OUTPUTS = (".csv", ".npz")
ON_ERROR = ("stop", "skip")
COLUMNS = ("value", "integer", "gap", "reliable", "error")
REASONS = ("", "NaN or infinite", "not Hermitian or not chiral", "not clean", "not clear")
_KINDS = (NotFiniteError, NotChiralError, ConfigError, UnclearError)  # in the same order

# What the caller says of the samples, and of their labels.
_WORDS = ("kind", "boundary", "order", "cells", "tolerance", "sublattice", "chiral", "positions")
_SETTINGS = ("method", "window", "tolerance")
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
    words = {name: value for name, value in locals().items() if name in _WORDS}
    settings = {name: value for name, value in locals().items() if name in _SETTINGS}
    source_path, target = Path(path), target_path(out)
    check_choice("method", method, METHODS)
    check_choice("kind of output", target.suffix.lower(), OUTPUTS)
    skip = check_choice("on_error", on_error, ON_ERROR) == "skip"
    check_tolerance(TOLERANCE if tolerance is None else tolerance)
    check_threads(threads)
    if target.exists() and source_path.exists() and target.samefile(source_path):
        raise ConfigError(f"{target} is the input; give another name for the output")
    if chunk is not None:
        chunk = check_whole("chunk", chunk, 1)
    with open_source(source_path, key) as source:
        words = _with_the_files(words, source)
        # (One way for all stretches, in whichever process: the same bits after a kill.)
        compiled = source.samples >= _COMPILED
        number = partial(winding, **settings, threads=threads, compiled=compiled)
        work = _Work(source, words, number, skip)
        if skip:
            work.look()
        stretch = int(chunk or np.clip(_STRETCH_BYTES // source.width, 1, _STRETCH_SAMPLES))
        at_once = min(stretch, source.samples)
        check_memory(f"{at_once} samples of {source_path}", 2 * at_once * source.width)
        run = {
            "input": source.identity(),
            "samples": source.samples,
            **settings,
            **words,
            "key": key,
            "on_error": on_error,
            "chunk": stretch,
        }
        count = -(-source.samples // stretch)
        with Parts(parts_of(target), run) as parts:
            try:
                resumed = work.fill(parts, parts.missing(count), stretch, progress)
            except TnlearnError:
                if len(parts.missing(count)) == count:
                    parts.remove()  # nothing to go on from
                raise
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


def _with_the_files(words: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """What the caller says of the samples, and what the file says where he does not."""
    whole = {**words, "boundary": words["boundary"] or source.beside.get("boundary")}
    if source.kind == "chains":
        return whole
    if words["kind"] == "auto":
        whole["kind"] = source.kind
    for name in ("sublattice", "chiral", "positions"):
        if words[name] is None:
            whole[name] = source.beside.get(name)
    # What the caller says of the sublattices takes the place of what the file says.
    if words["chiral"] is not None:
        whole["sublattice"] = words["sublattice"]
    elif words["sublattice"] is not None:
        whole["chiral"] = None
    return whole


@dataclass(frozen=True, eq=False)
class _Work:
    """Samples of a source, how they are read, and the function that labels them."""

    source: Source
    words: Mapping[str, Any]
    number: partial[Winding]
    skip: bool
    shown: list[str] = field(default_factory=list)

    def read(self, start: int, stop: int) -> Chains | Blocks:
        """The samples of a stretch, each judged by itself."""
        samples = self.source.read(start, stop)
        if isinstance(samples, Chains):
            for m, t in samples.hoppings.items():
                check_finite(f"the hopping of offset {m}", t)
        return read(samples, first=start, **self.words)

    def look(self) -> None:
        """Refuse what is wrong with all samples: one of the first ones must be readable."""
        failed: TnlearnError | None = None
        for k in range(min(_LOOK, self.source.samples)):
            try:
                self.read(k, k + 1)
                return
            except (NotFiniteError, NotChiralError, UnclearError) as error:
                # (Without its traceback, which would keep this frame and its files.)
                failed = self._named(error, k, k + 1).with_traceback(None)
        if failed is not None:
            raise failed

    def fill(self, parts: Parts, missing: list[int], stretch: int, progress: bool | None) -> int:
        """Make the parts that are missing; how many samples were there already."""
        samples = self.source.samples
        quiet = None if progress is None else not progress
        left = sum(min(stretch, samples - k * stretch) for k in missing)
        with tqdm(total=samples, initial=samples - left, unit="sample", disable=quiet) as bar:
            for k in missing:
                start, stop = k * stretch, min((k + 1) * stretch, samples)
                parts.write(k, self.rows(start, stop))
                bar.update(stop - start)
        return samples - left

    def rows(self, start: int, stop: int) -> dict[str, Array]:
        """The rows of a stretch; one that fails is halved until its bad sample stands alone."""
        try:
            labels = self.number(self.read(start, stop))
        except TnlearnError as error:
            reason = self._reason(error)
            if reason and stop - start > 1:
                middle = (start + stop) // 2
                halves = [self.rows(start, middle), self.rows(middle, stop)]
                if self.skip:
                    return {n: np.concatenate([half[n] for half in halves]) for n in halves[0]}
            named = self._named(error, start, stop)
            if not (reason and self.skip):
                raise named from (None if named is error else error)
        else:
            rows = {name: getattr(labels, name) for name in COLUMNS}
            return rows | ({"reason": np.zeros(len(labels), np.uint8)} if self.skip else {})
        if len(self.shown) < _SHOWN:
            self.shown.append(str(named))
            tqdm.write(f"skipped: {named}", file=sys.stderr)
        row = (np.nan, 0, np.nan, False, np.inf, np.uint8(reason))
        return {name: np.array([x]) for name, x in zip((*COLUMNS, "reason"), row, strict=True)}

    def _reason(self, error: TnlearnError) -> int:
        """The number of the reason why a sample may be skipped; 0 if it may not."""
        reason = next((k for k, kind in enumerate(_KINDS, 1) if isinstance(error, kind)), 0)
        unclean = isinstance(error, ConfigError) and self.number.keywords["method"] == "momentum"
        return reason if unclean or not isinstance(error, ConfigError) else 0

    def _named(self, error: TnlearnError, start: int, stop: int) -> TnlearnError:
        """The error with the samples that it is of, where it does not name one itself."""
        alone = stop == start + 1
        named = re.search(rf"sample {start}\b" if alone else "sample ", str(error))
        if named or not (self._reason(error) or isinstance(error, ShapeError)):
            return error
        which = f"sample {start}" if alone else f"samples {start} to {stop - 1}"
        return type(error)(f"{which} of {self.source.path}: {error}")
