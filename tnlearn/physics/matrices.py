"""Matrices of any kind (numpy, scipy, torch, lists, objects) as plain numbers of one scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnlearn.errors import NotFiniteError, ShapeError

__all__ = ["Matrices", "as_numpy", "matrices", "times_power"]

Array = NDArray[Any]

# What counts as rounding, relative to the largest element, of double precision and of less.
TOLERANCES = (1e-8, 1e-4)
# Beyond 2^±300 squares and determinants of short chains leave the range of a double.
_EXPONENT = 300


@dataclass(frozen=True, eq=False)
class Matrices:
    """Square matrices of one size, finite, in double precision.

    Attributes
    ----------
    values : (samples, n, n) float64 or complex128 array, or list of sparse csr arrays
    tolerance : float
        Elements below this share of the largest are rounding: 1e-8, but 1e-4 where single or
        half precision came.
    exponents : (samples,) int array
        Each matrix is to be multiplied by 2^exponent; 0 but for extreme scales.
    first : int
        Number of the first sample, for messages.
    """

    values: Any
    tolerance: float
    exponents: Array
    first: int = 0

    def __len__(self) -> int:
        return len(self.values)

    @property
    def size(self) -> int:
        """Rows of a matrix."""
        return int(self.values[0].shape[0])

    def name(self, sample: int) -> str:
        """What a sample is called in messages."""
        return f"sample {self.first + sample}"

    @property
    def sparse(self) -> bool:
        """Whether they are sparse."""
        return isinstance(self.values, list)

    @cached_property
    def largest(self) -> Array:
        """The largest modulus of an element of each, (samples,)."""
        if self.sparse:
            return np.array([_top(m) for m in self.values])
        return np.asarray(np.abs(self.values).max(axis=(1, 2)))

    @cached_property
    def skew(self) -> Array:
        """How far each is from its adjoint, max |M − M†|, (samples,)."""
        return self._apart(bare=False)

    @cached_property
    def bare_skew(self) -> Array:
        """The same but for the diagonal."""
        return self._apart(bare=True)

    def _apart(self, bare: bool) -> Array:
        if self.sparse:
            gaps = [m - m.conj().T for m in self.values]
            return np.array([_top(g - sp.diags_array(g.diagonal() * bare)) for g in gaps])
        gap = np.abs(self.values - self.values.conj().swapaxes(1, 2))
        if bare:
            np.einsum("sii->si", gap)[:] = 0.0
        return np.asarray(gap.max(axis=(1, 2)))

    def in_basis(self, basis: Any) -> Matrices:
        """T† M T of each."""
        if self.sparse:
            turned = [sp.csr_array(basis.conj().T @ m @ basis) for m in self.values]
            return replace(self, values=turned)
        turn = basis.toarray()
        return replace(self, values=turn.conj().T @ self.values @ turn)

    def part(self, samples: Array, rows: Array, columns: Array) -> Any:
        """The elements of these rows and columns, of the samples: as `values`."""
        if self.sparse:
            return [sp.csr_array(self.values[s][rows][:, columns]) for s in samples]
        return self.values[samples[:, None, None], rows[:, None], columns]

    def patterns(self, tolerance: float) -> Iterator[tuple[Array, Any]]:
        """Samples with elements above rounding at the same places, and those places (sparse)."""
        largest = self.largest
        if self.sparse:
            groups: dict[bytes, tuple[list[int], Any]] = {}
            for s, matrix in enumerate(self.values):
                there = sp.coo_array(matrix)
                heavy = np.abs(there.data) > tolerance * largest[s]
                place = np.stack([there.row[heavy], there.col[heavy]]).astype(np.int64)
                pattern = _pattern(place, self.size)
                key = pattern.indptr.tobytes() + pattern.indices.tobytes()
                groups.setdefault(key, ([], pattern))[0].append(s)
            for listed, pattern in groups.values():
                yield np.array(listed), pattern
            return
        heavy = np.abs(self.values) > tolerance * largest[:, None, None]
        if (heavy == heavy[0]).all():
            yield np.arange(len(heavy)), _pattern(np.stack(np.nonzero(heavy[0])), self.size)
            return
        bits = np.packbits(heavy.reshape(len(heavy), -1), axis=1)
        _, first, number = np.unique(bits, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(number.ravel(), kind="stable")
        edges = np.cumsum(np.bincount(number.ravel()))[:-1]
        for one, members in zip(first, np.split(order, edges), strict=True):
            yield members, _pattern(np.stack(np.nonzero(heavy[one])), self.size)


def matrices(given: Any, what: str = "a block or a Hamiltonian") -> Matrices:
    """Whatever holds square matrices, as numbers in double precision.

    Parameters
    ----------
    given
        (n, n) or (samples, n, n): numpy arrays of any numbers, nested lists, torch tensors of
        any layout and dtype; scipy sparse matrices of any format, or a list of them; objects
        with `toarray()` or `full()`.

    Raises
    ------
    ShapeError
        For what holds no numbers or is not square, naming it.
    NotFiniteError
        For NaN and infinity.
    MemoryLimitError
        From numpy's own, where a dense copy cannot be had.
    """
    plain = _plain(given, what)
    if isinstance(plain, list):
        sparse = [_checked(m, what) for m in plain]
        if len({m.shape for m in sparse}) > 1:
            raise ShapeError("the sparse matrices of one call must have one shape")
        narrow = any(_narrow(m.dtype) for m in plain)
        exponents = np.array([_power_of_two(m.data) for m in sparse])
        for m, power in zip(sparse, exponents, strict=True):
            m.data = times_power(m.data, -power)
        return Matrices(sparse, TOLERANCES[narrow], exponents)
    array = _numbers(plain, what)
    if array.ndim not in (2, 3) or array.shape[-1] != array.shape[-2] or not array.size:
        raise ShapeError(
            f"{what} must be square, of shape (n, n) or (samples, n, n); got {array.shape}"
        )
    array = array if array.ndim == 3 else array[None]
    _finite(array, what)
    powers = np.zeros(len(array), int)
    if _extreme(array):
        powers = np.array([_power_of_two(m) for m in array])
    scaled = times_power(array, -powers[:, None, None])
    return Matrices(scaled, TOLERANCES[_narrow(plain.dtype)], powers)


def _power_of_two(values: Array) -> int:
    """The exponent of the largest number where it is beyond 2^±300, else 0."""
    top = float(np.abs(_reals(values)).max(initial=0.0))
    exponent = int(np.frexp(top)[1]) if top else 0
    return exponent if abs(exponent) > _EXPONENT else 0


def times_power(values: Array, exponents: Any) -> Array:
    """values · 2^exponents, without an overflow on the way."""
    if not np.any(exponents):
        return values
    if np.iscomplexobj(values):
        return np.asarray(np.ldexp(values.real, exponents) + 1j * np.ldexp(values.imag, exponents))
    return np.asarray(np.ldexp(values, exponents))


def as_numpy(values: Any) -> Any:
    """A torch tensor as a numpy array (detached, on the CPU); everything else as it is."""
    return _tensor(values) if hasattr(values, "detach") and hasattr(values, "cpu") else values


def _extreme(array: Array) -> bool:
    tops = np.abs(_reals(array)).reshape(len(array), -1).max(axis=1)
    return bool(np.any((tops > 2.0**_EXPONENT) | ((tops > 0) & (tops < 2.0**-_EXPONENT))))


def _reals(values: Array) -> Array:
    flat = np.ascontiguousarray(values)
    return flat.view(flat.real.dtype) if np.iscomplexobj(flat) else flat


def _plain(given: Any, what: str) -> Any:
    """A numpy array, or a list of scipy's sparse matrices."""
    if sp.issparse(given):
        return [given]
    listed = isinstance(given, (list, tuple)) and len(given) > 0
    if listed and all(sp.issparse(m) for m in given):
        return list(given)
    if listed and any(_is_object(m) for m in given):
        parts = [_plain(m, what) for m in given]
        parts = [m[0].toarray() if isinstance(m, list) else m for m in parts]
        if len({m.shape for m in parts}) > 1:
            raise ShapeError(f"the matrices of one call must have one shape: {what} each")
        return np.stack(parts)
    try:
        if hasattr(given, "detach"):
            return _tensor(given)
        for name in ("toarray", "full"):
            if callable(getattr(given, name, None)):
                return np.asarray(getattr(given, name)())
        if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
            raise ValueError("masked elements have no value")
        return np.asarray(given)
    except Exception as error:  # the object's own code runs here
        raise ShapeError(
            f"{what} must be an array of numbers; a {type(given).__name__} is not one: {error}"
        ) from None


def _is_object(one: Any) -> bool:
    return sp.issparse(one) or any(hasattr(one, name) for name in ("detach", "toarray", "full"))


def _tensor(tensor: Any) -> Array:
    """A torch tensor of any layout, on any device."""
    plain = tensor.detach().cpu()
    if str(plain.layout) != "torch.strided":
        plain = plain.to_dense()
    if str(plain.dtype) in ("torch.bfloat16", "torch.float16"):
        plain = plain.float()
    return np.asarray(plain.resolve_conj().resolve_neg().numpy())


def _numbers(plain: Array, what: str) -> Array:
    kind = plain.dtype.kind
    try:
        if kind == "O":
            plain = plain.astype(complex)
            plain = plain if np.any(plain.imag) else plain.real
        elif kind not in "biufc":
            raise TypeError(f"dtype {plain.dtype}")
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{what} must be an array of numbers: {error}") from None
    with np.errstate(over="ignore"):
        return plain.astype(np.complex128 if plain.dtype.kind == "c" else np.float64, copy=False)


def _checked(matrix: Any, what: str) -> Any:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.shape[0]:
        raise ShapeError(f"{what} must be square; this sparse one has shape {matrix.shape}")
    try:
        if matrix.format in ("csr", "csc"):
            matrix.check_format(full_check=True)
        found = sp.csr_array(matrix, copy=True)
    except (ValueError, TypeError, IndexError) as error:
        raise ShapeError(f"this sparse matrix is not well formed: {error}") from None
    numbers = _numbers(found.data, what)
    found = sp.csr_array((numbers, found.indices, found.indptr), shape=found.shape)
    found.sum_duplicates()
    _finite(found.data, f"a sparse matrix ({what})")
    return found


def _finite(array: Array, what: str) -> None:
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        raise NotFiniteError(
            f"{what} holds {len(bad)} value(s) that are NaN or infinite, the first at index "
            f"{tuple(bad[0].tolist())}; remove or replace them before calling"
        )


def _narrow(kind: Any) -> bool:
    """Whether numbers came in less than double precision."""
    kind = np.dtype(kind)
    return kind.kind in "fc" and bool(np.finfo(kind).eps > 1e-10)


def _pattern(place: Array, size: int) -> Any:
    ones = np.ones(place.shape[1], dtype=np.int8)
    return sp.csr_array((ones, (place[0], place[1])), shape=(size, size))


def _top(matrix: Any) -> float:
    return float(np.abs(matrix.data).max(initial=0.0))
