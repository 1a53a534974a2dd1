"""`tnlearn.phase_diagram`: winding numbers over one or two parameters, averaged over disorder."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn import archive
from tnlearn.errors import CheckpointError, ConfigError, check_choice, check_whole
from tnlearn.files import parsing
from tnlearn.lab.pool import in_processes
from tnlearn.phase.points import Ensemble, Points, neighbours
from tnlearn.phase.quantities import Parameters, Quantity, in_words
from tnlearn.physics.blocks import check_boundary, check_cells, kept_cells
from tnlearn.physics.boundary import mean_log
from tnlearn.physics.memory import check_memory
from tnlearn.physics.winding import METHODS
from tnlearn.progress import tqdm
from tnlearn.shown import Shown, span

__all__ = ["KINDS", "PhaseDiagram", "phase_diagram"]

Array = NDArray[Any]

# A disordered chain has no momentum.
KINDS = tuple(sorted(set(METHODS) - {"momentum"}))

_FORMAT = "tnlearn-phase-diagram/1"
# What `Ensemble` counts, and as what it is kept.
_COUNTS: dict[str, type] = dict.fromkeys(("mean", "error", "agreement", "settled"), float)
_COUNTS["majority"] = np.int64
# Seconds between two writings of the checkpoint.
_PAUSE = 5.0


@dataclass(frozen=True, eq=False, repr=False)
class PhaseDiagram(Shown):
    """Disorder averages of a winding number over a grid of one or two parameters.

    Arrays over the grid are (k, n), or (n,) with one parameter.

    Attributes
    ----------
    names : tuple of str
        The parameter along the columns (drawn to the right), then the one along the rows
        (upwards), if there are two.
    columns, rows : (n,) and (k,) float arrays
        Their values; `rows` is None with one parameter.
    mean : float array over the grid
        Mean over the samples of the number before rounding; NaN where no sample has one.
    error : float array
        Standard error of that mean; NaN with fewer than two samples that count.
    majority : int array
        The integer most samples have; the smaller one of two that are equally frequent.
    agreement : float array
        Share of all samples that have it; 0 where no sample has one.
    settled : float array
        Share of the samples whose number can be trusted (`Winding.reliable`; for
        `lyapunov` whose exponents are not zero to rounding).
    exponent : float array or None
        E ln|t_{m+1}| − E ln|t_m| where there are two neighbouring offsets m, m + 1;
        None for any other set.  The infinite chain changes its phase where it is zero (that which
        repeats the cells, if the hoppings differ from cell to cell).
    recipe : dict
        Kind, cells, samples, seed, boundary, window, hoppings and disorder in words.
    """

    names: tuple[str, ...]
    columns: Array
    rows: Array | None
    mean: Array
    error: Array
    majority: Array
    agreement: Array
    settled: Array
    exponent: Array | None
    recipe: dict[str, Any]

    def infinite(self) -> Array:
        """The winding number of the infinite chain, ints over the grid, by the sign of `exponent`.

        Raises `ConfigError` where the boundary is not known in closed form.
        """
        if self.exponent is None:
            raise ConfigError(
                "the boundary is known in closed form for two neighbouring offsets, here are "
                f"{self.recipe['offsets']}"
            )
        return np.asarray(min(self.recipe["offsets"]) + (self.exponent > 0).astype(np.int64))

    def plot(
        self, path: str | os.PathLike[str] | None = None, *, title: str = "", ax: Any = None
    ) -> Any:
        """The mean winding number, and the analytic boundary over it.

        Written to `path` (.png, .svg, .pdf) if one is given; raises `FileError` if it cannot be
        written, `UnknownNameError` for another kind of picture.  Returns the axes it was drawn on,
        `ax` or those of a figure of its own; a notebook shows them.
        """
        from tnlearn.look import write_figure
        from tnlearn.phase.picture import phase_figure

        figure = phase_figure([self], titles=[title], ax=ax)
        if path is not None:
            write_figure(figure, Path(path))
        return figure.axes[0] if ax is None else ax

    def _facts(self) -> dict[str, str]:
        grid = " × ".join(map(str, self.mean.shape[::-1]))
        spans = {n: span(v) for n, v in zip(self.names, (self.columns, self.rows), strict=False)}
        keys = ("kind", "cells", "samples", "boundary")
        said = {key: str(self.recipe[key]) for key in keys if key in self.recipe}
        return {"points": grid, **spans, **said, "mean": span(self.mean)}

    def _sketch(self) -> Any:
        return self.plot()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to an .npz file, whole or not at all; `load` reads it back.

        Raises `FileError` if it cannot be written.
        """
        _write(path, self, np.ones(self.mean.size, dtype=bool))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PhaseDiagram:
        """Read a diagram written by `save`; nothing in the file is executed.

        Raises `CheckpointError` for a file that is damaged, of another kind, or
        the checkpoint of a run that has not ended; `FileError` if it cannot be read.
        """
        diagram, done = _read(path)
        if not done.all():
            raise CheckpointError(f"{os.fspath(path)} is of a run that has not ended: finish it")
        return diagram


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
    """Winding numbers of disordered chains over any one or two parameters.

    At each point, `samples` chains h[y+m, y] = t_m(y) + W_m r_m(y), r uniform on
    [−1/2, 1/2), are drawn and their winding numbers counted.

    >>> intra, W = np.linspace(0, 2, 50), np.linspace(0, 6, 40)
    >>> d = phase_diagram({"intra": intra, "W": W}, disorder={0: "W", 1: (0.5, "W")})
    >>> d.mean.shape
    (40, 50)

    Parameters
    ----------
    axes : dict of one or two names to values
        The parameter along the columns, then the one along the rows; each with a
        one-dimensional array of values.
    hoppings : dict of offset to t_m
        A number (real or complex); the name of a parameter; a pair (factor, name); an array
        (cells,) of a number for each cell; or a function of the parameters, called once with
        their values at all points, (points, 1) arrays in the order of `axes`, and with the cells
        y, 0 … cells − 1, if it takes one argument more.  It gives one number for each point, or
        (points, cells) of them: ``lambda J, w, y: J + w * np.cos(q * y)``.
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
    parameters = Parameters(axes, fixed or {})
    if hoppings is None:
        hoppings = {0: "intra", 1: "inter"}
        disorder = {0: "disorder_intra", 1: "disorder_inter"} if disorder is None else disorder
    disorder = disorder or {}
    kept_cells(cells, window)
    check_whole("workers", workers, 1)
    ensemble = Ensemble(
        cells=check_cells(cells),
        samples=check_whole("samples", samples, 1),
        kind=check_choice("kind", kind, KINDS),
        boundary=check_boundary(boundary),
        window=float(window),
        seed=check_whole("seed", seed, 0),
    )
    length = ensemble.block
    # Chains that are held side by side.
    check_memory(f"{samples} samples a point", 8 * 48 * ensemble.samples * length)
    t, W = parameters.chains(hoppings, disorder, cells)
    recipe = asdict(ensemble) | {
        "names": list(parameters.axes),
        "offsets": sorted(t),
        "hoppings": {str(m): in_words(q) for m, q in sorted(hoppings.items())},
        "disorder": {str(m): in_words(q) for m, q in sorted(disorder.items())},
        "fixed": {k: v for k, v in sorted(parameters.constants.items()) if k in parameters.used},
        "values": archive.digest(
            {f"{k}{m}": x for k, q in (("t", t), ("W", W)) for m, x in q.items()}
        ),
    }
    points = Points(0, t, W)
    done = np.zeros(len(W[min(W)]), dtype=bool)
    arrays = dict(zip(("columns", "rows"), parameters.axes.values(), strict=False))
    arrays |= {name: np.zeros(len(done)) for name in _COUNTS}
    if neighbours(sorted(t)):
        inner, outer = (mean_log(t[m], W[m]).mean(axis=1) for m in sorted(t))
        with np.errstate(invalid="ignore"):
            arrays["exponent"] = outer - inner
    diagram = _diagram(recipe, arrays)
    if checkpoint is not None and Path(checkpoint).exists():
        diagram, done = _resumed(checkpoint, recipe)
    elif checkpoint is not None:
        # At once: a place that cannot be written is no news for the end of a long run.
        _write(checkpoint, diagram, done)
    numbers = [n for n in range(-(-len(done) // length)) if not done[n * length]]
    missing = (points.block(number, length) for number in numbers)
    _fill(diagram, done, in_processes(ensemble, missing, workers), length, progress, checkpoint)
    return diagram


def _fill(
    diagram: PhaseDiagram,
    done: Array,
    blocks: Generator[tuple[Points, dict[str, Array]], None, None],
    length: int,
    progress: bool,
    checkpoint: str | os.PathLike[str] | None,
) -> None:
    """Put the blocks into their places as they come, writing the checkpoint every few seconds."""
    bar = tqdm(total=len(done), initial=int(done.sum()), unit="point", disable=not progress)
    written, news = time.monotonic(), False
    with contextlib.closing(bar), contextlib.closing(blocks):
        try:
            for points, counts in blocks:
                part = slice(points.number * length, (points.number + 1) * length)
                for name, values in counts.items():
                    getattr(diagram, name).reshape(-1)[part] = values
                done[part] = news = True
                bar.update(len(done[part]))
                if checkpoint is not None and time.monotonic() - written > _PAUSE:
                    _write(checkpoint, diagram, done)
                    written, news = time.monotonic(), False
        finally:
            # Also when it is interrupted.
            if checkpoint is not None and news:
                _write(checkpoint, diagram, done)


def _diagram(recipe: dict[str, Any], arrays: Mapping[str, Array]) -> PhaseDiagram:
    """The diagram of arrays by the names of its fields, in any shape that fits the grid."""
    columns, rows = arrays["columns"], arrays.get("rows")
    shape = (len(columns),) if rows is None else (len(rows), len(columns))
    return PhaseDiagram(
        tuple(recipe["names"]),
        columns,
        rows,
        exponent=arrays["exponent"].reshape(shape) if "exponent" in arrays else None,
        recipe=recipe,
        **{name: arrays[name].reshape(shape).astype(kind) for name, kind in _COUNTS.items()},
    )


def _write(path: str | os.PathLike[str], diagram: PhaseDiagram, done: Array) -> None:
    every = {f.name: getattr(diagram, f.name) for f in fields(diagram)}
    arrays = {name: value for name, value in every.items() if isinstance(value, np.ndarray)}
    archive.write(path, _FORMAT, diagram.recipe, {**arrays, "done": done})


def _read(path: str | os.PathLike[str]) -> tuple[PhaseDiagram, Array]:
    """The diagram of a file, and which of its points are done."""
    recipe, arrays = archive.read(path, _FORMAT)
    with parsing(Path(path), "a phase diagram", error=CheckpointError):
        done = arrays.pop("done").reshape(-1).astype(bool)
        diagram = _diagram(recipe, arrays)
    return diagram, done


def _resumed(path: str | os.PathLike[str], recipe: dict[str, Any]) -> tuple[PhaseDiagram, Array]:
    diagram, done = _read(path)
    new = archive.plain(recipe)
    other = [key for key, value in new.items() if diagram.recipe.get(key) != value]
    if other:
        raise CheckpointError(
            f"{os.fspath(path)} belongs to a diagram of other settings ({', '.join(other)}); give "
            "another file, or delete that one"
        )
    return diagram, done
