"""The singular value decomposition of real bidiagonal matrices by LAPACK's `dbdsdc`.

numpy and scipy offer no bidiagonal SVD, but scipy carries the routine: it is
fetched as a pointer from `scipy.linalg.cython_lapack` and called through ctypes,
which releases the interpreter lock.  O(L²) to O(L^2.3) with vectors.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["bidiagonal_svd"]

Array = NDArray[Any]


@cache
def _routine() -> Any:
    from scipy.linalg import cython_lapack

    capsule = cython_lapack.__pyx_capi__["dbdsdc"]
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 14)
    return kind(pointer(capsule, name(capsule)))


def bidiagonal_svd(
    diagonal: Array,
    other: Array,
    lower: bool,
    u: Array,
    vt: Array,
    s: Array,
    work: Array | None = None,
) -> bool:
    """SVD B = Σ_n s_n u_n v_nᵀ of real bidiagonal matrices, into given arrays.

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

    Returns
    -------
    bool
        False where the routine did not converge (it is then for the caller to
        take a dense SVD).
    """
    routine = _routine()
    samples, cells = diagonal.shape
    s[:] = diagonal
    rest = np.zeros((samples, cells))
    rest[:, : cells - 1] = other
    if work is None:
        work = np.empty(3 * cells * cells + 4 * cells)
    iwork = np.empty(8 * cells, dtype=np.intc)
    size, info = ctypes.c_int(cells), ctypes.c_int(0)
    n, done = ctypes.addressof(size), ctypes.addressof(info)
    shape = ctypes.create_string_buffer(b"L" if lower else b"U")
    mode = ctypes.create_string_buffer(b"I")
    spare = np.empty(8)
    at = [ctypes.addressof(shape), ctypes.addressof(mode), n]
    end = [n, spare.ctypes.data, iwork.ctypes.data, work.ctypes.data, iwork.ctypes.data, done]
    starts = [a.ctypes.data for a in (s, rest, u, vt)]
    row, square = 8 * cells, 8 * cells * cells
    steps = (s.strides[0] if samples > 1 else row, row, square, square)
    for i in range(samples):
        d, e, a, b = (begin + i * step for begin, step in zip(starts, steps, strict=True))
        routine(*at, d, e, a, n, b, *end)
        if info.value:
            return False
    return True
