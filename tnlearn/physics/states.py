"""States of chiral chains from the singular value decomposition of the block.

numpy and scipy offer no bidiagonal SVD, but scipy carries LAPACK's `dbdsdc`: it is fetched as
a pointer from `scipy.linalg.cython_lapack` and called through ctypes, which releases the
interpreter lock.  O(L²) to O(L^2.3) with vectors.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ShapeError, UnknownNameError, check_choice
from tnlearn.physics.blocks import Bands, gauge_to_real
from tnlearn.shown import Shown, span

__all__ = ["States", "bidiagonal_svd", "named_arrays", "states_of"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class States(Shown):
    """Eigenstates of chiral chains by sublattice.

    h = Σ_n E_n u_n v_n†, E_n ≥ 0; the eigenstates of H at ±E_n are
    (u_n, ±v_n)/√2, and the flattened block is q_xy = Σ_n u_n(x) v_n(y)*.
    Each pair (u_n, v_n) is defined up to one common sign (phase).

    Attributes
    ----------
    u, v : (samples, states, cells) arrays
        u[s, n, x] on sublattice A, v[s, n, y] on B, each normalised to 1.
    energies : (samples, states) float array
        E_n, ascending, in units of the hopping.
    """

    u: Array
    v: Array
    energies: Array

    def __post_init__(self) -> None:
        fits = self.u.ndim == 3 and self.u.shape == self.v.shape
        if not fits or self.energies.shape != self.u.shape[:2]:
            raise ShapeError(
                "states need u and v of shape (samples, states, cells) and energies of "
                f"(samples, states), got {self.u.shape}, {self.v.shape}, {self.energies.shape}"
            )

    def __len__(self) -> int:
        return len(self.u)

    def __getitem__(self, index: Any) -> States:
        """The samples chosen by a slice, a mask, an index array or one index (a batch of one)."""
        if isinstance(index, (int, np.integer)):
            index = [range(len(self))[index]]
        return States(self.u[index], self.v[index], self.energies[index])

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.u)

    @property
    def cells(self) -> int:
        """Number of unit cells."""
        return int(self.u.shape[2])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of u and v."""
        return self.u.dtype

    @property
    def arrays(self) -> dict[str, Array]:
        """The amplitudes by name, as networks take them: ``{"u": u, "v": v}``."""
        return {"u": self.u, "v": self.v}

    def q(self) -> Array:
        """The flattened block q_xy = Σ_n u_n(x) v_n(y)*, shape (samples, cells, cells)."""
        return self.u.swapaxes(1, 2) @ self.v.conj()

    def astype(self, dtype: Any) -> States:
        """The states in another precision: "float32"/"complex64" or "float64"/"complex128".

        The names give the precision; complex states stay complex.
        """
        kind = check_precision(dtype)
        wide = np.result_type(kind, np.complex64) if np.iscomplexobj(self.u) else kind
        return States(self.u.astype(wide), self.v.astype(wide), self.energies.astype(kind))

    def random_gauge(self, rng: np.random.Generator) -> States:
        """Every pair (u_n, v_n) times a random sign (a random phase if complex).

        q and every invariant stay as they are.
        """
        shape = self.u.shape[:2]
        if np.iscomplexobj(self.u):
            factor: Array = np.exp(2j * np.pi * rng.random(shape))
        else:
            factor = 1.0 - 2.0 * (rng.random(shape) < 0.5)
        return self.with_gauge(factor)

    def with_gauge(self, factor: Array) -> States:
        """Every pair (u_n, v_n) times `factor` (samples, states), numbers of modulus 1."""
        f = factor[:, :, None].astype(self.u.dtype)
        return States(self.u * f, self.v * f, self.energies)

    def plot(
        self,
        what: str = "spectrum",
        *,
        against: Any = None,
        label: str = "",
        sample: int = 0,
        states: Sequence[int] = (0, 1),
        ax: Any = None,
    ) -> Any:
        """The spectrum ±E_n of every sample, or |ψ|² of some states of one.

        Parameters
        ----------
        what : "spectrum" | "density"
            Edge states show in the spectrum by their colour: the share of |ψ|² in the first and
            the last tenth of the cells.
        against : (samples,) array, optional
            A number of each sample for the horizontal axis of the spectrum.
        label : str
            What that axis is called.
        sample, states
            Whose density, and of which states, counted from the smallest |E|.
        ax : matplotlib axes, optional
            Where to draw; by default in a figure of its own.

        Returns
        -------
        The axes it was drawn on; a notebook shows them.
        """
        from tnlearn.physics import plots

        if check_choice("what", what, ("spectrum", "density")) == "density":
            for name, number, most in (
                ("sample", sample, len(self)),
                *(("state", n, self.u.shape[1]) for n in states),
            ):
                if not 0 <= number < most:
                    raise ShapeError(f"there is no {name} {number}: they are 0 … {most - 1}")
            one = self[sample]
            return plots.density(one.u[0], one.v[0], one.energies[0], states, ax)
        edge = plots.edge_weight(self.u, self.v)
        return plots.spectrum(self.energies, edge, against, label, ax)

    def _facts(self) -> dict[str, str]:
        kind = "complex" if np.iscomplexobj(self.u) else "real"
        return {
            "samples": str(self.samples),
            "cells": str(self.cells),
            "states": str(self.u.shape[1]),
            "amplitudes": f"{kind} {self.dtype}",
            "energies": span(self.energies),
        }

    def _sketch(self) -> Any:
        return self[:60].plot() if 0 < self.cells <= 400 and len(self) else None


def named_arrays(given: Any) -> Mapping[str, Any] | None:
    """Amplitudes by name, of states, of chains, of a data set, or of a mapping; None of others.

    States are what has a mapping `arrays`, or arrays ``u`` and ``v`` (samples, states, cells);
    chains and data sets are what has states.
    """
    if isinstance(given, Mapping):
        return given
    source = getattr(given, "states", given)
    source = source() if callable(source) else source
    if hasattr(source, "u") and hasattr(source, "v"):
        return {"u": source.u, "v": source.v}
    arrays = getattr(source, "arrays", None)
    return arrays if isinstance(arrays, Mapping) else None


def check_precision(dtype: Any) -> np.dtype[Any]:
    """The real dtype of the precision named by `dtype`, or `UnknownNameError`."""
    real = {"float32": "f4", "complex64": "f4", "float64": "f8", "complex128": "f8"}
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in real:
        raise UnknownNameError(f"unknown dtype {dtype!r}: float32 or float64 are possible")
    return np.dtype(real[name])


def states_of(bands: Bands | None, kind: np.dtype[Any], block: Callable[[], Array]) -> States:
    """States from the bands by LAPACK where these are bidiagonal, else by the SVD of the block."""
    if bands is not None and bands.bidiagonal and bands.cells > 1:
        solved = _bidiagonal_states(bands, kind)
        if solved is not None:
            return solved
    u, s, vh = np.linalg.svd(block())
    return States(
        np.ascontiguousarray(u.swapaxes(1, 2)[:, ::-1]),
        np.ascontiguousarray(vh.conj()[:, ::-1]),
        np.ascontiguousarray(s[:, ::-1]),
    )


def _bidiagonal_states(bands: Bands, kind: np.dtype[Any]) -> States | None:
    diagonal, other, a, b = gauge_to_real(bands)
    turned = np.iscomplexobj(a)
    samples, cells = diagonal.shape
    energies = np.empty((samples, cells))
    u, v = (np.empty((samples, cells, cells), dtype=kind) for _ in range(2))
    # A few samples at a time, so that what LAPACK writes is still in the cache when it is turned.
    step = max(1, 2**14 // cells**2)
    left, right = np.empty((2, step, cells, cells))
    s = np.empty((step, cells))
    work = np.empty(3 * cells * cells + 4 * cells)
    for start in range(0, samples, step):
        part = slice(start, min(start + step, samples))
        n = part.stop - start
        if not bidiagonal_svd(
            diagonal[part], other[part], bands.high == 1, left[:n], right[:n], s[:n], work
        ):
            return None
        energies[part] = s[:n, ::-1]
        x, y = left[:n, ::-1], right[:n].swapaxes(1, 2)[:, ::-1]
        u[part] = x * a[part, None] if turned else x
        v[part] = y * b[part, None] if turned else y
    return States(u, v, energies)


@cache
def _routine(name: str, arguments: int) -> Any:
    from scipy.linalg import cython_lapack

    capsule = cython_lapack.__pyx_capi__[name]
    title = ctypes.pythonapi.PyCapsule_GetName
    title.restype, title.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * arguments)
    return kind(pointer(capsule, title(capsule)))


def bidiagonal_svd(
    diagonal: Array,
    other: Array,
    lower: bool,
    u: Array,
    vt: Array,
    s: Array,
    work: Array | None = None,
    *,
    relative: bool = False,
) -> bool:
    """SVD B = Σ_n s_n u_n v_nᵀ of real bidiagonal matrices, written into u, vt and s.

    Parameters
    ----------
    diagonal : (samples, cells) float array
    other : (samples, cells − 1) float array
        The subdiagonal if `lower`, else the superdiagonal.
    u, vt : (samples, cells, cells) float arrays, C-contiguous
        Filled with u[i, n, x] = u_n(x) and vt[i, y, n] = v_n(y): the columns of
        U, and the rows of Vᵀ, as Fortran lays them out.
    s : (samples, cells) float array
        Singular values, descending.
    work : float array, optional
        Scratch of at least 3 cells² + 4 cells, for calls in a row: new memory costs as much
        as a tenth of the work.
    relative : bool
        Every singular value, however small, to relative precision: by `dbdsqr`, O(L³).

    Returns
    -------
    bool
        False where the routine did not converge (it is then for the caller to
        take a dense SVD).

    Source: Demmel, Kahan, doi:10.1137/0911052, for `dbdsqr`.
    """
    samples, cells = diagonal.shape
    s[:] = diagonal
    rest = np.zeros((samples, cells))
    rest[:, : cells - 1] = other
    if work is None:
        work = np.empty(3 * cells * cells + 4 * cells)
    iwork = np.empty(8 * cells, dtype=np.intc)
    size, none, one, info = (ctypes.c_int(k) for k in (cells, 0, 1, 0))
    n, zero, unit, outcome = (ctypes.addressof(k) for k in (size, none, one, info))
    shape = ctypes.create_string_buffer(b"L" if lower else b"U")
    mode = ctypes.create_string_buffer(b"I")
    at, scratch, spare = ctypes.addressof(shape), work.ctypes.data, iwork.ctypes.data
    if relative:
        routine = _routine("dbdsqr", 15)
        u[:] = vt[:] = np.eye(cells)
    else:
        routine = _routine("dbdsdc", 14)
    starts = [a.ctypes.data for a in (s, rest, u, vt)]
    row, square = 8 * cells, 8 * cells * cells
    steps = (s.strides[0] if samples > 1 else row, row, square, square)
    for i in range(samples):
        d, e, a, b = (begin + i * step for begin, step in zip(starts, steps, strict=True))
        if relative:
            routine(at, n, n, n, zero, d, e, b, n, a, n, scratch, unit, scratch, outcome)
        else:
            how = ctypes.addressof(mode)
            routine(at, how, n, d, e, a, n, b, n, scratch, spare, scratch, spare, outcome)
        if info.value:
            return False
    return True
