"""`tnlearn.phase_diagram`: winding numbers over two parameters, averaged over disorder."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from tnlearn import archive
from tnlearn.archive import plain
from tnlearn.errors import CheckpointError, ConfigError, check_choice
from tnlearn.lab.pool import in_processes
from tnlearn.phase.points import Counts, Task, block_length, evaluate
from tnlearn.phase.quantities import (
    Quantity,
    check_quantities,
    in_words,
    read_axes,
    read_constants,
    read_quantities,
)
from tnlearn.physics.boundary import mean_log
from tnlearn.physics.geometry import check_boundary, check_cells, kept_cells
from tnlearn.physics.invariants import METHODS
from tnlearn.physics.memory import check_memory

__all__ = ["KINDS", "PhaseDiagram", "phase_diagram"]

Array = NDArray[Any]

# A disordered chain has no momentum.
KINDS = tuple(sorted(set(METHODS) - {"momentum"}))

_FORMAT = "tnlearn-phase-diagram/1"
_COUNTS = tuple(f.name for f in fields(Counts))
# Seconds between two writings of the checkpoint.
_PAUSE = 5.0


@dataclass(frozen=True, eq=False)
class PhaseDiagram:
    """Disorder averages of a winding number over a grid of two parameters.

    Attributes
    ----------
    names : (str, str)
        The two parameters: along the columns (drawn to the right), along the rows (upwards).
    columns, rows : (n,) and (k,) float arrays
        Their values.
    mean : (k, n) float array
        Mean over the samples of the number before rounding; NaN where no sample has one.
    error : (k, n) float array
        Standard error of that mean; NaN with fewer than two samples that count.
    majority : (k, n) int array
        The integer most samples have; the smaller one of two that are equally frequent.
    agreement : (k, n) float array
        Share of all samples that have it; 0 where no sample has one.
    settled : (k, n) float array
        Share of the samples whose number can be trusted (`Winding.reliable`; for
        `lyapunov` whose exponents are not zero to rounding).
    exponent : (k, n) float array or None
        E ln|t_{m+1}| − E ln|t_m| where there are two neighbouring offsets m, m + 1;
        None for any other set.  The infinite chain changes its phase where it is zero.
    recipe : dict
        Kind, cells, samples, seed, boundary, window, hoppings and disorder in words.
    """

    names: tuple[str, str]
    columns: Array = field(repr=False)
    rows: Array = field(repr=False)
    mean: Array = field(repr=False)
    error: Array = field(repr=False)
    majority: Array = field(repr=False)
    agreement: Array = field(repr=False)
    settled: Array = field(repr=False)
    exponent: Array | None = field(repr=False)
    recipe: dict[str, Any]

    def infinite(self) -> Array:
        """The winding number of the infinite chain, (k, n) ints, by the sign of `exponent`.

        Raises `ConfigError` where the boundary is not known in closed form.
        """
        if self.exponent is None:
            raise ConfigError(
                "the boundary is known in closed form for two neighbouring offsets, here are "
                f"{self.recipe['offsets']}"
            )
        return np.asarray(min(self.recipe["offsets"]) + (self.exponent > 0).astype(np.int64))

    def plot(self, path: str | os.PathLike[str], *, title: str = "") -> Path:
        """Draw the mean, and the analytic boundary over it, to a .png, .svg or .pdf file.

        Raises `FileError` if it cannot be written, `UnknownNameError` for another
        kind of picture.
        """
        from tnlearn.phase.picture import draw_phases

        return draw_phases([self], Path(path), titles=[title])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file, whole or not at all; `load` reads it back.

        Raises `FileError` if it cannot be written.
        """
        _write(path, self.recipe, _arrays(self), np.ones(self.mean.size, dtype=bool))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PhaseDiagram:
        """Read a diagram written by `save`; nothing in the file is executed.

        Raises `CheckpointError` for a file that is damaged, of another kind, or
        the checkpoint of a run that has not ended; `FileError` if it cannot be read.
        """
        recipe, arrays = archive.read(path, _FORMAT)
        if not arrays.pop("done").all():
            raise CheckpointError(f"{os.fspath(path)} is of a run that has not ended: finish it")
        return _diagram(recipe, arrays)


def phase_diagram(
    axes: Mapping[str, Any],
    *,
    hoppings: Mapping[int, Quantity] | None = None,
    disorder: Mapping[int, Quantity] | None = None,
    fixed: Mapping[str, float] | None = None,
    cells: int = 50,
    samples: int = 25,
    kind: str = "lyapunov",
    boundary: str = "open",
    window: float = 0.5,
    seed: int = 0,
    workers: int = 1,
    progress: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
) -> PhaseDiagram:
    """Winding numbers of disordered chains over any two parameters.

    At each point, `samples` chains h[y+m, y] = t_m + W_m r_m(y), r uniform on
    [−1/2, 1/2), are drawn and their winding numbers counted.

    >>> intra, W = np.linspace(0, 2, 50), np.linspace(0, 6, 40)
    >>> d = phase_diagram({"intra": intra, "W": W}, disorder={0: "W", 1: (0.5, "W")})
    >>> d.mean.shape
    (40, 50)

    Parameters
    ----------
    axes : dict of two names to values
        The parameter along the columns, then the one along the rows; each with a
        one-dimensional array of values.
    hoppings : dict of offset to t_m
        A number (real or complex); the name of a parameter; a pair (factor, name);
        or a function of the two parameters, called once with their values at all
        points, (points,) arrays, in the order of `axes`.
        Without it, the SSH chain: {0: "intra", 1: "inter"}.
    disorder : dict of offset to W_m
        In the same way, one strength per offset with no hidden factor.  Without it
        and without `hoppings`, {0: "disorder_intra", 1: "disorder_inter"}; with
        `hoppings` alone the chains are clean.
    fixed : dict of name to value
        Of names that are no axis.  Known without it: intra = inter = 1,
        disorder_intra = disorder_inter = 0.
    cells, samples : int
        Unit cells of a chain, chains per point.
    kind : "lyapunov" | "rswn" | "twist" | "log"
        Any method of `tnlearn.winding` but `momentum`.  `lyapunov` of two
        neighbouring offsets takes Σ ln|t_{m+1}| − Σ ln|t_m| of the ring, in time
        linear in the cells; the other kinds look at the same chains.
    boundary, window
        Of `rswn`: the chain as it is; the other kinds look at the ring.
    seed : int
        The result is a function of the seed and the arguments above alone, not of
        `workers` or of interruptions.
    workers : int
        Processes; more than one start by "spawn", so that a script needs
        ``if __name__ == "__main__":``.
    progress : bool
        A bar on stderr.
    checkpoint : path, optional
        An .npz file, written every few seconds and at the end: the same call goes
        on from it.  When it has ended, the file is that of `PhaseDiagram.save`.

    Returns
    -------
    PhaseDiagram

    Raises
    ------
    ConfigError, UnknownNameError, NotFiniteError, MemoryLimitError
        For settings out of range, names that are neither an axis nor fixed, NaN or
        infinity, a size past memory.
    CheckpointError, FileError
        For a checkpoint of other settings or a damaged one, or one that cannot be
        written.
    TnlearnError
        If a worker process dies.

    Source: arXiv:1311.5233 for the diagram, docs/physics.md for the conventions.
    """
    names, columns, rows = read_axes(axes)
    point = {names[0]: np.tile(columns, len(rows)), names[1]: np.repeat(rows, len(columns))}
    kept_cells(cells, window)
    constants = read_constants(fixed, names)
    if hoppings is None:
        hoppings = {0: "intra", 1: "inter"}
        disorder = {0: "disorder_intra", 1: "disorder_inter"} if disorder is None else disorder
    used: set[str] = set()
    t = read_quantities("hopping", hoppings, point, constants, used)
    W = read_quantities("disorder", disorder or {}, point, constants, used)
    check_quantities(t, W, [name for name in (*names, *(fixed or {})) if name not in used])
    for m in t:
        W.setdefault(m, np.zeros(len(columns) * len(rows)))
    recipe = {
        "names": list(names),
        "offsets": sorted(t),
        "hoppings": {str(m): in_words(q) for m, q in sorted(hoppings.items())},
        "disorder": {str(m): in_words(q) for m, q in sorted((disorder or {}).items())},
        "fixed": {k: v for k, v in sorted(constants.items()) if k in used},
        "cells": check_cells(cells),
        "samples": _whole("samples", samples, 1),
        "kind": check_choice("kind", kind, KINDS),
        "boundary": check_boundary(boundary),
        "window": float(window),
        "seed": _whole("seed", seed, 0),
        "values": archive.digest(
            {f"{k}{m}": x for k, q in (("t", t), ("W", W)) for m, x in q.items()}
        ),
    }
    _check_size(recipe, len(columns) * len(rows))
    exponent = _exponent(t, W)
    held = {
        "columns": columns,
        "rows": rows,
        **{name: np.zeros(len(columns) * len(rows)) for name in _COUNTS},
        **({} if exponent is None else {"exponent": exponent}),
    }
    done = np.zeros(len(columns) * len(rows), dtype=bool)
    if checkpoint is not None:
        if Path(checkpoint).exists():
            held, done = _resumed(checkpoint, recipe)
        else:
            # At once: a place that cannot be written is no news for the end of a long run.
            _write(checkpoint, recipe, held, done)
    _fill(recipe, t, W, held, done, _whole("workers", workers, 1), progress, checkpoint)
    return _diagram(recipe, held)


def _fill(
    recipe: dict[str, Any],
    t: dict[int, Array],
    W: dict[int, Array],
    held: dict[str, Array],
    done: Array,
    workers: int,
    progress: bool,
    checkpoint: str | os.PathLike[str] | None,
) -> None:
    """Evaluate all points that are not done, writing the checkpoint as it goes."""
    length = block_length(recipe["samples"])
    settings = {key: recipe[key] for key in ("cells", "samples", "seed", "kind", "boundary")}

    def task(number: int) -> Task:
        part = slice(number * length, (number + 1) * length)
        return Task(
            number,
            {m: x[part] for m, x in t.items()},
            {m: x[part] for m, x in W.items()},
            window=recipe["window"],
            **settings,
        )

    waiting = [n for n in range(-(-len(done) // length)) if not done[n * length]]
    bar = tqdm(total=len(done), initial=int(done.sum()), unit="point", disable=not progress)
    written, news = time.monotonic(), False
    blocks = in_processes(evaluate, map(task, waiting), workers)
    with contextlib.closing(bar), contextlib.closing(blocks):
        try:
            for block, counts in blocks:
                part = slice(block.number * length, (block.number + 1) * length)
                for name in _COUNTS:
                    held[name][part] = getattr(counts, name)
                done[part] = news = True
                bar.update(len(counts.mean))
                if checkpoint is not None and time.monotonic() - written > _PAUSE:
                    _write(checkpoint, recipe, held, done)
                    written, news = time.monotonic(), False
        finally:
            # Also when it is interrupted.
            if checkpoint is not None and news:
                _write(checkpoint, recipe, held, done)


def _exponent(t: dict[int, Array], W: dict[int, Array]) -> Array | None:
    offsets = sorted(t)
    if len(offsets) != 2 or offsets[1] != offsets[0] + 1:
        return None
    inner, outer = (mean_log(t[m], W[m]) for m in offsets)
    with np.errstate(invalid="ignore"):
        found: Array = outer - inner
    return found


def _check_size(recipe: dict[str, Any], points: int) -> None:
    """Refuse what cannot fit: the grid, and the chains that are held side by side."""
    numbers = points * (len(_COUNTS) + 2 * len(recipe["offsets"]) + 4)
    check_memory(f"a diagram of {points} points", 8 * numbers)
    columns = recipe["samples"] * block_length(recipe["samples"])
    check_memory(f"{recipe['samples']} samples a point", 8 * 48 * columns)


def _whole(what: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ConfigError(f"{what} must be a whole number of at least {least}, got {value!r}")
    return int(value)


def _resumed(
    path: str | os.PathLike[str], recipe: dict[str, Any]
) -> tuple[dict[str, Array], Array]:
    before, arrays = archive.read(path, _FORMAT)
    other = [key for key, value in plain(recipe).items() if before.get(key) != value]
    if other:
        raise CheckpointError(
            f"{os.fspath(path)} belongs to a diagram of other settings ({', '.join(other)}); give "
            "another file, or delete that one"
        )
    return arrays, arrays.pop("done")


def _arrays(diagram: PhaseDiagram) -> dict[str, Array]:
    held = {"columns": diagram.columns, "rows": diagram.rows}
    held |= {name: getattr(diagram, name).ravel() for name in _COUNTS}
    if diagram.exponent is not None:
        held["exponent"] = diagram.exponent.ravel()
    return held


def _write(
    path: str | os.PathLike[str], recipe: dict[str, Any], held: dict[str, Array], done: Array
) -> None:
    archive.write(path, _FORMAT, recipe, {**held, "done": done})


def _diagram(recipe: dict[str, Any], held: dict[str, Array]) -> PhaseDiagram:
    columns, rows = held["columns"], held["rows"]
    shape = (len(rows), len(columns))
    grid = {name: held[name].reshape(shape) for name in _COUNTS}
    grid["majority"] = grid["majority"].astype(np.int64)
    exponent = held["exponent"].reshape(shape) if "exponent" in held else None
    first, second = recipe["names"]
    return PhaseDiagram((first, second), columns, rows, exponent=exponent, recipe=recipe, **grid)
