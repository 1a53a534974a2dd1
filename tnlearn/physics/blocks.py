"""Raw blocks and Hamiltonians: checks, and the way from them to hopping arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import NotChiralError, ShapeError, check_choice, check_finite
from tnlearn.physics.chains import Chains
from tnlearn.physics.geometry import check_boundary

__all__ = ["block_from_hamiltonian", "check_block", "hoppings_from_block"]

Array = NDArray[Any]


def check_block(h: Any) -> Array:
    """Return a raw block as a (samples, cells, cells) float64 or complex128 array.

    Raises `ShapeError` for anything but square numeric matrices, and for a whole
    Hamiltonian given in place of its block; `NotFiniteError` for NaN or infinity.
    """
    block = _square("a block", "(cells, cells) or (samples, cells, cells)", h)
    if _looks_like_hamiltonian(block):
        raise ShapeError(
            f"this {block.shape[-2]} x {block.shape[-1]} matrix is Hermitian and vanishes within "
            "each sublattice: it is a Hamiltonian, where its block h[x, y] = <A,x|H|B,y> of half "
            "the size is expected; pass block_from_hamiltonian(H) of tnlearn.physics"
        )
    return block


def block_from_hamiltonian(H: Any, *, order: str = "site", tolerance: float = 1e-10) -> Array:
    """The block h of a chiral Hamiltonian H = [[0, h], [h†, 0]].

    Parameters
    ----------
    H : (2 cells, 2 cells) or (samples, 2 cells, 2 cells) array
        Hermitian, real or complex, in units of the hopping.
    order : "site" | "sublattice"
        "site": A0 B0 A1 B1 … (the order of `Chains.hamiltonian`);
        "sublattice": A0 A1 … B0 B1 …
    tolerance : float
        Largest violation of hermiticity and of chirality that is taken for
        rounding, relative to the largest element of H.

    Returns
    -------
    h : (cells, cells) or (samples, cells, cells) array
        h[x, y] = <A,x|H|B,y>.

    Raises
    ------
    NotChiralError
        If H is not Hermitian, or couples a sublattice to itself (an on-site
        potential, a hopping A–A); the size of the violation is told.
    ShapeError, NotFiniteError, UnknownNameError
        For a matrix that is not square or of odd size, NaN, an unknown order.
    """
    check_choice("order", order, ("site", "sublattice"))
    full = _square("a Hamiltonian", "(2 cells, 2 cells) or (samples, 2 cells, 2 cells)", H)
    size = full.shape[-1]
    if size % 2:
        raise ShapeError(
            f"a chiral Hamiltonian with one A and one B orbital per cell has an even size, got "
            f"{size} x {size}"
        )
    if order == "site":
        a, b = slice(0, None, 2), slice(1, None, 2)
    else:
        a, b = slice(0, size // 2), slice(size // 2, None)
    scale = max(float(np.abs(full).max()), np.finfo(float).tiny)
    skew = float(np.abs(full - full.conj().swapaxes(1, 2)).max())
    if skew > tolerance * scale:
        raise NotChiralError(
            f"the Hamiltonian is not Hermitian: H − H† reaches {skew:.3g} (largest element "
            f"{scale:.3g}); symmetrise it first"
        )
    within = max(float(np.abs(full[:, a, a]).max()), float(np.abs(full[:, b, b]).max()))
    if within > tolerance * scale:
        raise NotChiralError(
            f"the Hamiltonian is not chiral: elements within a sublattice (A–A or B–B, on-site "
            f"terms among them) reach {within:.3g}, where {tolerance * scale:.1g} is allowed; "
            f"check the order of its sites (order={order!r} was assumed) or remove those terms"
        )
    h = np.ascontiguousarray(full[:, a, b])
    return h[0] if np.ndim(H) == 2 else h


def hoppings_from_block(h: Any, boundary: str = "open") -> Chains:
    """Hopping arrays t_m(y) = h[y+m, y] read off a raw block.

    On a ring the offset is the minimal image of x − y (the tie |x − y| = L/2 is
    read as +L/2), so its range must be below L/2.

    An open block does not hold the bonds that would close it into a ring: each
    missing t_m(y) is filled with the geometric mean of the moduli of the bonds of
    its offset that are there, and the sign (phase) of one of them.  A clean chain
    is thereby closed exactly, and with two neighbouring offsets the ring has the
    means of ln|t_m| of the open chain.
    Offsets whose bonds are all below the rounding of the largest element are left
    out: they could move a winding only where the gap is below rounding, too.

    Returns
    -------
    Chains
        With `boundary` as given; shapes (samples, cells).

    Raises
    ------
    ShapeError, NotFiniteError, UnknownNameError
        For a block that is not square, NaN or infinity, an unknown boundary.
    """
    check_boundary(boundary)
    block = check_block(h)
    size = block.shape[-1]
    y = np.arange(size)
    tiny = np.finfo(float).eps * np.abs(block).max(axis=(1, 2))[:, None]
    low, high = (1 - size, size - 1) if boundary == "open" else (-((size - 1) // 2), size // 2)
    hoppings: dict[int, Array] = {}
    for m in range(low, high + 1):
        if boundary == "open":
            there = slice(max(0, -m), size - max(0, m))
            bonds = block[:, y[there] + m, y[there]]
            if np.any(np.abs(bonds) > tiny):
                hoppings[m] = _filled(bonds, m, size)
        else:
            bonds = block[:, (y + m) % size, y]
            if np.any(np.abs(bonds) > tiny):
                hoppings[m] = bonds
    if not hoppings:
        hoppings[0] = np.zeros((len(block), size), dtype=block.dtype)
    return Chains(size, hoppings, boundary)


def _filled(bonds: Array, m: int, size: int) -> Array:
    modulus = np.abs(bonds)
    with np.errstate(divide="ignore"):
        mean = np.exp(np.log(modulus).mean(axis=1, keepdims=True))
    first = max(0, -m)
    there = bonds.shape[1]
    source = (np.arange(size) % there) if there else np.zeros(size, int)
    wrapped = bonds[:, source]
    size_of = np.abs(wrapped)
    phase = np.divide(wrapped, size_of, out=np.zeros_like(wrapped), where=size_of > 0)
    full: Array = mean * phase
    full[:, first : first + there] = bonds
    return full


def _square(what: str, shapes: str, values: Any) -> Array:
    try:
        array = np.asarray(values)
        kind = np.result_type(array.dtype, np.float64)
        if kind not in (np.dtype(np.float64), np.dtype(np.complex128)):
            raise TypeError(f"dtype {array.dtype}")
        array = array.astype(kind, copy=False)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{what} must be an array of numbers: {error}") from None
    if array.ndim not in (2, 3) or array.shape[-1] != array.shape[-2] or not array.size:
        raise ShapeError(f"{what} must be square, of shape {shapes}; got {array.shape}")
    check_finite(what, array)
    return array if array.ndim == 3 else array[None]


def _looks_like_hamiltonian(block: Array) -> bool:
    size = block.shape[-1]
    tiny = 1e-12 * float(np.abs(block).max())
    if size % 2 or tiny == 0.0:
        return False
    if np.abs(block - block.conj().swapaxes(1, 2)).max() > tiny:
        return False
    half = size // 2
    orders = ((slice(0, None, 2), slice(1, None, 2)), (slice(0, half), slice(half, None)))
    return any(
        max(np.abs(block[:, a, a]).max(), np.abs(block[:, b, b]).max()) <= tiny for a, b in orders
    )
