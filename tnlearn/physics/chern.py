"""Chern numbers of two-dimensional samples, and of points in them.

All have one sign: that of ``C = (1/2π) ∫ F``, for which the model of Qi, Wu and Zhang with
0 < m < 2 has C = +1, and all but `fhs` look at the sample as it is, in real space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh, splu

from tnlearn.errors import ConfigError, ShapeError, check_choice, check_finite, check_whole
from tnlearn.physics.inertia import elimination
from tnlearn.physics.kernels import LANES
from tnlearn.physics.lattices import sectors
from tnlearn.physics.memory import kernels_pay
from tnlearn.physics.tightbinding import LatticeSamples, occupied_states
from tnlearn.physics.winding import ROUNDING_LIMIT, Winding
from tnlearn.shown import Shown, span

__all__ = ["Chern", "LocalChern", "chern", "local_chern"]

Array = NDArray[Any]

METHODS = ("localizer", "marker", "kitaev", "bott", "fhs")
# Of the localizer, in units of the energy scale over the root of a cell's area: the one that
# decides, and two more that have to agree.
KAPPAS = (0.13, 0.08, 0.20)
# The mean row sum of |H| of a model with hoppings of order one: κ is measured in a fifth of it.
_ROW_SUM = 5.0
# Cells further than this from a point do not tell its label (roots of a cell's area).
REACH = 6.0
# A sample without a place this deep below its surface has no bulk to speak of.
BULK = 2.0
# Larger Hamiltonians are not diagonalised to find their Fermi level.
DENSE = 2000
_GAP = 1e-8
# Growth of an elimination, a row, beyond which its signs are not trusted.
_GROWTH = 1e7
# Of a general sparse elimination, in seconds over the number of sites to the power 1.5.
_SPLU_SECONDS = 4e-7


class Chern(Winding):
    """Chern numbers of a batch, each with what is needed to trust it or not.

    Attributes
    ----------
    value : (samples,) float array
        The number before rounding.
    integer : (samples,) int array
        `value` rounded.
    gap : (samples,) float array
        Of what the method looks at: the smallest |eigenvalue| of the localizer; for `marker`,
        `kitaev` and `bott` the first empty less the last occupied energy; for `fhs` the smallest
        direct gap on its grid of momenta.
    reliable : (samples,) bool array
        False if the gap is zero to rounding, if |value − integer| > 0.3, if the localizer gives
        another integer at another κ, or if no place is two cells below the surface.
    method : str
    error : (samples,) float array
        0 for a count; infinite for a sum over a window, whose error is that of the finite size.
    """

    _name = "Chern number"


def chern(
    given: Any,
    method: str = "localizer",
    *,
    positions: Any = None,
    area: float | None = None,
    at: Any = None,
    kappa: float | None = None,
    energy: float | None = None,
    occupied: int | None = None,
    window: float = 0.5,
    radius: float = 0.75,
    grid: int = 24,
    gap: bool = True,
) -> Chern:
    """Chern number of two-dimensional samples, whole or at a point.

    =========== =========================================================== ============
    method      formula                                                     looks at
    =========== =========================================================== ============
    `localizer` ½ signature of [[H − E, κ(X − iY)], [κ(X + iY), −(H − E)]]  a point
    `marker`    −4π Im Tr(w P X P Y P) / area(w)                            a window
    `kitaev`    −24π Im Tr(A P B P C P) over three sectors of a disc        a disc
    `bott`      (1/2π) Im Tr log(U V U† V†), U = P e^{2πix} P               the torus
    `fhs`       sum of the Berry flux of all plaquettes of momenta          clean models
    =========== =========================================================== ============

    Parameters
    ----------
    given : LatticeSamples, or Hermitian matrices
        Of matrices, dense (sites, sites) or (samples, sites, sites), sparse, or a list of sparse
        ones, the first three methods.
    method : str
        One of the table.
    positions : (sites, 2) array
        Of raw matrices; in units of length of their own.
    area : float, optional
        Area of a cell, of raw matrices for `marker`: that of all sites at one place.
    at : (x, y), optional
        The point of the localizer, the centre of Kitaev's disc; by default deep in the bulk.
        The localizer then looks no further than six cells.
    kappa : float, optional
        Of the localizer, energy over length; by default three are compared.
    energy : float, optional
        The Fermi level.  By default half of the states are occupied, or `occupied` of them, and
        it lies midway between the last of these and the next; samples of more than 2,000 sites
        are not diagonalised for it: say it.
    window : float
        Of `marker`: cells whose depth is at least 1 − `window` of the largest.
    radius : float
        Of `kitaev`: of the disc, as a share of the largest depth.
    grid : int
        Of `fhs`: momenta along each direction.
    gap : bool
        Of `localizer`: whether to find its gap, which takes longer than the number; else NaN.

    Raises
    ------
    ConfigError, ShapeError, NotFiniteError, UnknownNameError
        If the input is none of these, is not Hermitian, or the method does not apply to it.

    Examples
    --------
    >>> import tnlearn as tnl
    >>> tnl.chern(tnl.qwz(tnl.lattice("square", (8, 8)), m=[-1.0, 1.0, 3.0])).integer
    array([-1,  1,  0])

    Source: local marker, Bianco and Resta, arXiv:1111.5697; Kitaev, arXiv:cond-mat/0506438;
    Bott index, Loring and Hastings, arXiv:1005.4883; localizer, Loring, arXiv:1502.03498; lattice
    of momenta, Fukui, Hatsugai and Suzuki, arXiv:cond-mat/0503172.
    """
    check_choice("method", method, METHODS)
    for name, number in (("kappa", kappa), ("area", area), ("radius", radius)):
        if number is not None and not (np.isfinite(number) and number > 0):
            raise ConfigError(f"{name} must be a positive number, not {number!r}")
    if radius > 1:
        raise ConfigError(f"radius is a share of the largest depth, up to 1, not {radius!r}")
    if energy is not None and not np.isfinite(energy):
        raise ConfigError(f"energy must be a number, not {energy!r}")
    if occupied is not None:
        check_whole("occupied", occupied, 1)
    check_whole("grid", grid, 4)
    if method in ("bott", "fhs"):
        if not isinstance(given, LatticeSamples):
            raise ConfigError(f"{method!r} closes the sample, so it needs one of tnl.tight_binding")
        return (_bott if method == "bott" else _fhs)(given, occupied, grid)
    place = _Place.of(given, positions, area)
    if method == "localizer":
        return _localizer(place, at, kappa, energy, occupied, gap)
    states = occupied_states(place.dense(), occupied)
    if method == "kitaev":
        middle = place.centre if at is None else np.asarray(at, float)
        disc = sectors(place.positions, middle, radius * place.depth.max())
        value = -24 * np.pi * _triple(states.psi, *disc)
    else:
        bulk = place.window(window)
        x, y = (place.positions - place.centre).T
        inside = bulk[place.place_of_site].astype(float)
        value = -4 * np.pi * _triple(states.psi, inside, x, y) / place.areas[bulk].sum()
    deep = bool(place.depth.max() >= BULK * np.sqrt(np.median(place.areas)))
    return _rounded(value, states.gap, method, deep)


def local_chern(
    given: Any, *, positions: Any = None, area: float | None = None, occupied: int | None = None
) -> LocalChern:
    """The local Chern marker of every cell, C(r) = −4π Im [P X P Y P]_rr / area of a cell.

    In the bulk it is the Chern number; its sum over an open sample is zero.  Arguments and errors
    as of `chern`; a raw matrix gives a number for each site, of its share of a cell.

    Source: Bianco and Resta, arXiv:1111.5697.
    """
    place = _Place.of(given, positions, area)
    psi = occupied_states(place.dense(), occupied).psi
    x, y = (place.positions - place.centre).T
    field = np.einsum("snr,snr->sr", psi, _inside(psi, x) @ _inside(psi, y) @ psi.conj())
    sites = np.arange(len(place.positions))
    belongs = sp.csr_array((np.ones(len(sites)), (sites, place.place_of_site)))
    return LocalChern(-4 * np.pi * (field.imag @ belongs) / place.areas, place.places)


@dataclass(frozen=True, eq=False, repr=False)
class LocalChern(Shown):
    """The local Chern marker of a batch of samples.

    Attributes
    ----------
    values : (samples, cells) array
    positions : (cells, 2) array
        Where the cells are.
    """

    values: Array
    positions: Array

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return np.asarray(self.values, dtype)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """(samples, cells)."""
        return self.values.shape

    def __getitem__(self, index: Any) -> Any:
        return self.values[index]

    def plot(self, sample: int = 0, *, ax: Any = None) -> Any:
        """The marker of one sample in the plane; returns the axes it was drawn on."""
        from tnlearn.physics import plots

        name = "local Chern marker (clipped at ±2)"
        return plots.cells(self.positions, self.values[sample], name, True, ax)

    def _facts(self) -> dict[str, str]:
        middle = np.median(self.values)
        samples, cells = self.values.shape
        return {
            "samples": str(samples),
            "cells": str(cells),
            "values": span(self.values),
            "median": f"{middle:.3g}",
        }

    def _sketch(self) -> Any:
        return self.plot() if len(self) else None


def _inside(psi: Array, f: Array) -> Array:
    """A function of position in the occupied space, ψ† f ψ, (samples, states, states)."""
    return np.asarray((psi.conj() * f) @ psi.swapaxes(1, 2))


def _triple(psi: Array, f: Array, g: Array, h: Array) -> Array:
    """ω(f, g, h) = Im Tr(P f P g P h), (samples,)."""
    trace = np.einsum("snm,smn->s", _inside(psi, f) @ _inside(psi, g), _inside(psi, h))
    return np.asarray(trace.imag)


def _rounded(value: Array, gap: Array, method: str, bulk: bool = True) -> Chern:
    integer = np.rint(value).astype(np.int64)
    reliable = (gap > _GAP) & (np.abs(value - integer) <= ROUNDING_LIMIT) & bulk
    return Chern(value, integer, gap, reliable, method, np.full(len(value), np.inf))


@dataclass(frozen=True, eq=False)
class _Place:
    """Hamiltonians and where their sites are: those of one cell, or of one point, are a place."""

    matrices: Any  # LatticeSamples, or a list of sparse matrices
    positions: Array  # (sites, 2)
    place_of_site: Array  # (sites,)
    places: Array  # (places, 2)
    areas: Array  # (places,)
    depth: Array  # (places,), a length

    @classmethod
    def of(cls, given: Any, positions: Any, area: float | None) -> _Place:
        if isinstance(given, LatticeSamples):
            lattice = given.lattice
            if lattice.boundary == "torus":
                raise ConfigError(
                    "a torus has no surface to be away from: take 'bott', or open the sample, "
                    'samples.with_boundary("open")'
                )
            centres = lattice.coordinates @ lattice.vectors + (
                lattice.orbitals @ lattice.vectors
            ).mean(0)
            areas = np.full(lattice.cells, lattice.area)
            depth = lattice.depth * np.sqrt(lattice.area)
            return cls(given, lattice.positions, lattice.cell_of_site, centres, areas, depth)
        matrices = _matrices(given)
        size = matrices[0].shape[0]
        sites = np.asarray(positions if positions is not None else np.zeros((0, 2)), dtype=float)
        if sites.shape != (size, 2):
            raise ShapeError(
                f"matrices of {size} sites need positions=({size}, 2), one point a site, got "
                f"{'none' if positions is None else sites.shape}"
            )
        check_finite("positions", sites)
        spread = float(np.ptp(sites, axis=0).max(initial=0.0)) or 1.0
        # Points are one place if they are as near as rounding, in whatever unit they are.
        near = np.round((sites - sites.min(axis=0)) / spread, 9)
        _, first, place_of_site = np.unique(near, axis=0, return_index=True, return_inverse=True)
        places = sites[first]
        areas, depth = _surroundings(places, area)
        return cls(matrices, sites, place_of_site.ravel(), places, areas, depth)

    @property
    def centre(self) -> Array:
        """A point deep in the bulk."""
        deep = self.places[self.depth > self.depth.max() - 1e-6 * (1 + self.depth.max())]
        away = np.linalg.norm(deep - deep.mean(axis=0), axis=1)
        near = away.min() < np.sqrt(self.areas.mean())
        return np.asarray(deep.mean(axis=0) if near else deep[0])

    def window(self, fraction: float) -> Array:
        """Places of the bulk, (places,) bool; see `Lattice.window`."""
        if not 0 < fraction <= 1:
            raise ConfigError(f"a window is a fraction above 0 and up to 1, not {fraction!r}")
        return np.asarray(self.depth >= (1 - fraction) * self.depth.max())

    @property
    def width(self) -> int:
        """Sites of a block of an elimination: those of a cell where these follow each other."""
        if isinstance(self.matrices, LatticeSamples):
            return len(self.matrices.lattice.orbitals)
        return 1

    def dense(self) -> Array:
        """The Hamiltonians, (samples, sites, sites)."""
        if isinstance(self.matrices, LatticeSamples):
            return np.asarray(self.matrices.hamiltonian())
        return np.stack([matrix.toarray() for matrix in self.matrices])

    def elements(self, sites: Array) -> tuple[Array, Array, Array]:
        """Rows, columns and (samples, elements) values of the Hamiltonians among some sites."""
        if isinstance(self.matrices, LatticeSamples):
            rows, columns, values = self.matrices.elements()
            number = np.full(len(self.positions), -1)
            number[sites] = np.arange(len(sites))
            inside = (number[rows] >= 0) & (number[columns] >= 0)
            return number[rows[inside]], number[columns[inside]], values[:, inside]
        parts = [matrix[sites][:, sites] for matrix in self.matrices]
        pattern = sp.coo_array(sum((abs(part) for part in parts[1:]), abs(parts[0])))
        rows, columns = pattern.coords
        if not len(rows):
            return rows, columns, np.zeros((len(parts), 0), dtype=complex)
        return rows, columns, np.stack([np.asarray(part[rows, columns]).ravel() for part in parts])


def _matrices(given: Any) -> list[Any]:
    """Anyone's Hermitian matrices as sparse ones, all of one size."""
    if sp.issparse(given):
        held = [given]
    elif isinstance(given, (list, tuple)) and given and sp.issparse(given[0]):
        held = list(given)
    else:
        dense = np.asarray(given)
        held = [dense] if dense.ndim == 2 else list(dense) if dense.ndim == 3 else []
    rows = [sp.csr_array(matrix).astype(complex) for matrix in held]
    sizes = {matrix.shape for matrix in rows}
    if len(sizes) != 1 or len(set(*sizes)) != 1 or (0, 0) in sizes:
        raise ShapeError(
            f"expected tnl.qwz(…) and the like, or square matrices of one size, (sites, sites) or "
            f"(samples, sites, sites), got {sorted(sizes) or np.shape(given)}"
        )
    for number, matrix in enumerate(rows):
        check_finite(f"matrix {number}", matrix.data)
        size, off = abs(matrix).max(), abs(matrix - matrix.conj().T).max()
        if off > 1e-10 * max(size, 1e-300):
            raise ConfigError(
                f"matrix {number} is not Hermitian: H − H† is up to {off:.2g} of {size:.2g}"
            )
    return rows


def _surroundings(places: Array, area: float | None) -> tuple[Array, Array]:
    """Area of each place and its depth below the surface, from its Voronoi cell.

    Places whose cell is unbounded or half as large again as the median are the surface.
    """
    from scipy.spatial import QhullError, Voronoi, cKDTree

    spread = float(np.ptp(places, axis=0).max(initial=0.0)) or 1.0
    places = (places - places.mean(axis=0)) / spread  # in any unit, around any point
    try:
        cells = Voronoi(places)
    except (QhullError, ValueError):
        raise ConfigError(
            f"{len(places)} positions do not span a plane: a Chern number needs two dimensions"
        ) from None
    sizes = np.full(len(places), np.inf)
    for k, region in enumerate(cells.point_region):
        corners = cells.regions[region]
        if corners and -1 not in corners:
            x, y = cells.vertices[corners].T
            sizes[k] = 0.5 * abs(x @ np.roll(y, 1) - y @ np.roll(x, 1))
    bounded = sizes[np.isfinite(sizes)]
    if not len(bounded):
        raise ConfigError(f"{len(places)} positions are all on the surface: there is no bulk")
    middle = float(np.median(bounded))
    surface = sizes > 1.5 * middle
    depth = cKDTree(places[surface]).query(places)[0] + 0.5 * np.sqrt(middle)
    areas = np.where(surface, middle, sizes) * spread**2
    return np.full(len(places), area) if area else areas, depth * spread


# ------------------------------------------------------------------ the localizer


def _localizer(
    place: _Place,
    at: Any,
    kappa: float | None,
    energy: float | None,
    occupied: int | None,
    gap: bool,
) -> Chern:
    """Half signatures; reliable where three κ agree, none of them with a zero."""
    point = place.centre if at is None else np.asarray(at, dtype=float)
    if point.shape != (2,):
        raise ShapeError(f"a point is (x, y), not {at!r}")
    unit = np.sqrt(np.median(place.areas))
    near = np.ones(len(place.places), bool)
    if at is not None:
        near = np.hypot(*(place.places - point).T) <= REACH * unit
        if not near.any():
            raise ConfigError(f"there is no site within {REACH * unit:g} of {tuple(point)}")
    levels = _fermi_levels(place, occupied) if energy is None else float(energy)
    sites = np.flatnonzero(near[place.place_of_site])
    rows, columns, values = place.elements(sites)
    size = np.abs(values).sum(axis=1) / len(sites) / _ROW_SUM  # an energy
    scale = size / unit
    kappas = [k * scale for k in KAPPAS] if kappa is None else [np.full(len(values), float(kappa))]
    z = (place.positions[sites] - point) @ [1, -1j]
    localizer = _Localizer(
        rows, columns, values, z, np.broadcast_to(levels, len(values)), place.width
    )
    votes = np.stack([localizer.half_signatures(k) for k in kappas], axis=1)
    gaps = localizer.gaps(kappas[0]) if gap else np.full(len(votes), np.nan)
    reliable = ~(gaps <= _GAP * size) & np.isfinite(votes).all(axis=1)
    reliable &= (votes == votes[:, :1]).all(axis=1)
    reliable &= bool(place.depth.max() >= BULK * unit)
    value = votes[:, 0]
    integer = np.nan_to_num(value).astype(np.int64)
    return Chern(
        value, integer, gaps, reliable, "localizer", np.where(np.isfinite(value), 0, np.inf)
    )


def _fermi_levels(place: _Place, occupied: int | None) -> Array:
    """Midway between the last occupied and the first empty energy, (samples,)."""
    size = len(place.positions)
    if size > DENSE:
        raise ConfigError(
            f"the Fermi level of {size} sites is not searched for: say energy= (0 in the middle of "
            "the gap of most models)"
        )
    count = size // 2 if occupied is None else occupied
    if not 0 < count < size or (occupied is None and size % 2):
        raise ConfigError(f"{count} of {size} states occupied leave no Fermi level: say energy=")
    levels = np.linalg.eigvalsh(place.dense())
    return np.asarray(levels[:, count - 1 : count + 1].mean(axis=1))


class _Localizer:
    """[[H − E, κ(X − iY)], [κ(X + iY), −(H − E)]] of many samples, site by site."""

    def __init__(
        self, rows: Array, columns: Array, values: Array, z: Array, levels: Array, width: int
    ) -> None:
        every = 2 * np.arange(len(z))
        self.rows = np.concatenate([2 * rows, 2 * rows + 1, every, every + 1, every, every + 1])
        self.columns = np.concatenate(
            [2 * columns, 2 * columns + 1, every, every + 1, every + 1, every]
        )
        diagonal = np.repeat(levels[:, None], len(z), axis=1)
        self.fixed = np.concatenate([values, -values, -diagonal, diagonal], axis=1)
        self.z, self.width = z, 2 * width

    def values(self, kappa: Array) -> Array:
        """All elements, (samples, elements)."""
        z = kappa[:, None] * self.z
        return np.concatenate([self.fixed, z, z.conj()], axis=1)

    def half_signatures(self, kappa: Array) -> Array:
        """½ signature of each sample, (samples,); NaN where it cannot be trusted.

        A few by a general sparse elimination, many by one that was made for their pattern.
        """
        values, size = self.values(kappa), len(self.z)
        if len(values) < LANES // 2 or not kernels_pay(len(values) * _SPLU_SECONDS * size**1.5):
            return np.array([_half_signature(self.matrix(row)) for row in values])
        counts, growth = elimination(self.rows, self.columns, self.width, 2 * size)(values)
        answer = (size - counts).astype(float)
        for k in np.flatnonzero(~(growth < _GROWTH * size)):
            answer[k] = _half_signature(self.matrix(values[k]))
        return answer

    def gaps(self, kappa: Array) -> Array:
        """The smallest |eigenvalue| of each sample, (samples,), by inverse iteration."""
        return np.array([_smallest(self.matrix(row)) for row in self.values(kappa)])

    def matrix(self, values: Array) -> Any:
        """One sample as a sparse matrix."""
        size = 2 * len(self.z)
        return sp.coo_array((values, (self.rows, self.columns)), shape=(size, size)).tocsc()


def _factors(matrix: Any) -> Any:
    options = {"SymmetricMode": True}
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)


def _half_signature(matrix: Any) -> float:
    """½ signature, by the signs of the pivots where these are stable, else by the eigenvalues."""
    size = matrix.shape[0]
    try:
        factors = _factors(matrix)
        pivots = factors.U.diagonal().real
        with np.errstate(divide="ignore"):
            stable = abs(matrix).max() * (1 / np.abs(pivots)).sum() < _GROWTH * size
        if stable and np.array_equal(factors.perm_r, factors.perm_c):
            return float(size / 2 - (pivots < 0).sum())
    except RuntimeError:  # exactly singular
        pass
    if size > 2 * DENSE:
        return np.nan
    levels = np.linalg.eigvalsh(matrix.toarray())
    return float(size / 2 - (levels < 0).sum()) if np.abs(levels).min() > _GAP else np.nan


def _smallest(matrix: Any) -> float:
    size = matrix.shape[0]
    try:
        solve = _factors(matrix).solve
    except RuntimeError:
        return 0.0
    inverse = LinearOperator(matrix.shape, matvec=solve, dtype=complex)
    start = np.cos(np.arange(size)) + 0j  # the same in every run
    level = eigsh(
        matrix, 1, sigma=0.0, OPinv=inverse, v0=start, tol=1e-6, return_eigenvectors=False
    )
    return float(abs(level[0]))


# ------------------------------------------------------------------ closed samples


def _bott(samples: LatticeSamples, occupied: int | None, grid: int) -> Chern:
    """(1/2π) Im Tr log(U V U† V†) of the torus, U and V the turns along a1 and a2."""
    if not samples.lattice.mask.all():
        raise ConfigError("only a full rectangle of cells can be closed to a torus")
    closed = samples.with_boundary("torus")
    states = occupied_states(closed.hamiltonian(), occupied)
    turns = np.exp(2j * np.pi * closed.lattice.fractions / closed.lattice.mask.shape).T
    u, v = (_inside(states.psi, turn) for turn in turns)
    around = u @ v @ u.conj().swapaxes(1, 2) @ v.conj().swapaxes(1, 2)
    value = np.angle(np.linalg.eigvals(around)).sum(axis=1) / (2 * np.pi)
    value = value * np.sign(np.linalg.det(closed.lattice.vectors))
    return _rounded(value, states.gap, "bott")


def _fhs(samples: LatticeSamples, occupied: int | None, grid: int) -> Chern:
    """Berry flux through all plaquettes of momenta; reliable where a finer grid agrees."""
    if not samples.clean:
        raise ConfigError("'fhs' needs cells that are alike: no disorder and no flux")
    size = len(samples.lattice.orbitals)
    if occupied is None and size % 2:
        raise ConfigError(f"{size} orbitals a cell cannot be half filled: say occupied=, of a cell")
    count = size // 2 if occupied is None else occupied
    flux, gap = _berry_flux(samples, count, grid)
    finer, _ = _berry_flux(samples, count, grid + grid // 3 + 1)
    value = flux * np.sign(np.linalg.det(samples.lattice.vectors))
    integer = np.rint(value).astype(np.int64)
    reliable = (gap > _GAP) & (np.rint(finer) == np.rint(flux))
    return Chern(value, integer, gap, reliable, "fhs", np.zeros(len(value)))


def _berry_flux(samples: LatticeSamples, count: int, grid: int) -> tuple[Array, Array]:
    """Sum of the Berry flux over 2π, and the smallest direct gap, (samples,) each."""
    k = 2 * np.pi * np.arange(grid) / grid
    h = np.broadcast_to(
        samples.onsite[:, 0, None, None], (len(samples), grid, grid, *samples.onsite.shape[-2:])
    ).astype(complex)
    for (dx, dy), t in samples.hoppings.items():
        hop = np.exp(-1j * (dx * k[:, None] + dy * k))[..., None, None] * t[:, 0, None, None]
        h = h + hop + hop.conj().swapaxes(-1, -2)
    levels, vectors = np.linalg.eigh(h)
    below = vectors[..., :count]
    right, up = np.roll(below, -1, axis=1), np.roll(below, -1, axis=2)
    over = np.roll(right, -1, axis=2)
    around = np.ones(h.shape[:3], complex)
    for a, b in ((below, right), (right, over), (over, up), (up, below)):
        around = around * np.linalg.det(a.conj().swapaxes(-1, -2) @ b)
    gap = (levels[..., count] - levels[..., count - 1]).min(axis=(1, 2))
    return np.angle(around).sum(axis=(1, 2)) / (2 * np.pi), gap
