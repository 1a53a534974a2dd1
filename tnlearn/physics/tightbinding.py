"""Tight-binding models on a lattice in the plane: disorder, flux, boundaries, occupied states.

Energies are in units of the hopping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tnlearn.errors import ConfigError, ShapeError, check_choice, check_finite, check_whole
from tnlearn.physics.lattices import PERIODIC, Lattice, Vector
from tnlearn.physics.memory import check_memory
from tnlearn.shown import Shown, span

__all__ = ["LatticeSamples", "LatticeStates", "haldane", "occupied_states", "qwz", "tight_binding"]

Array = NDArray[Any]
Seed = int | np.random.SeedSequence | None
_SIGMA = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


@dataclass(frozen=True, eq=False, repr=False)
class LatticeSamples(Shown):
    """A batch of tight-binding models on one lattice, disorder already applied.

    Attributes
    ----------
    lattice : Lattice
    onsite : (samples, cells or 1, orbitals, orbitals) array
        The Hermitian matrix within each cell; 1 where all cells are alike.
    hoppings : dict[(int, int), (samples, cells or 1, orbitals, orbitals) array]
        ``<r + d|H|r>`` for every cell r; the Hermitian conjugate comes by itself.
    flux : float
        Magnetic flux through a cell, in flux quanta.
    """

    lattice: Lattice
    onsite: Array
    hoppings: dict[Vector, Array]
    flux: float = 0.0

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.onsite)

    @property
    def clean(self) -> bool:
        """Whether all cells are alike."""
        return not self.flux and all(
            t.shape[1] == 1 for t in (self.onsite, *self.hoppings.values())
        )

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: Any) -> LatticeSamples:
        """The samples chosen by a slice, a mask, an index array or one index (a batch of one)."""
        if isinstance(index, (int, np.integer)):
            index = [range(self.samples)[index]]
        hoppings = {d: t[index] for d, t in self.hoppings.items()}
        return LatticeSamples(self.lattice, self.onsite[index], hoppings, self.flux)

    def with_boundary(self, boundary: str) -> LatticeSamples:
        """The same samples on the same cells, opened or closed."""
        check_choice("boundary", boundary, PERIODIC)
        old = self.lattice
        new = Lattice(old.mask, old.vectors, old.orbitals, boundary, old.kind)
        _check_flux(new, self.flux)
        return LatticeSamples(new, self.onsite, self.hoppings, self.flux)

    def hamiltonian(self, *, sparse: bool = False) -> Any:
        """The Hamiltonians, (samples, sites, sites); or a list of sparse ones (csr).

        Raises `MemoryLimitError` if they cannot fit in memory.
        """
        rows, columns, values = self.elements()
        size = self.lattice.sites
        if sparse:
            return [sp.csr_array((v, (rows, columns)), shape=(size, size)) for v in values]
        check_memory(
            f"the Hamiltonians of {self.samples} samples of {size} sites",
            16 * self.samples * size**2,
        )
        full = np.zeros((self.samples, size, size), dtype=complex)
        where = (np.arange(self.samples)[:, None], rows, columns)
        np.add.at(full, where, values)
        return full

    def elements(self) -> tuple[Array, Array, Array]:
        """Row, column and (samples, elements) values of everything that is not zero by its form."""
        place, o = self.lattice, len(self.lattice.orbitals)
        every = np.arange(place.cells)
        rows, columns, values = [], [], []
        for d, t in {(0, 0): self.onsite, **self.hoppings}.items():
            here, there, wraps = (
                place.bonds(d) if d != (0, 0) else (every, every, every[:, None] * [0, 0])
            )
            for a, b in zip(*np.nonzero(np.abs(t).max(axis=(0, 1), initial=0.0)), strict=True):
                value = np.broadcast_to(t[:, :, a, b], (self.samples, place.cells))[:, here]
                value = value * self._phase(here, np.array(d), wraps, a, b)
                rows.append(there * o + a)
                columns.append(here * o + b)
                values.append(value)
                if d != (0, 0):
                    rows.append(here * o + b)
                    columns.append(there * o + a)
                    values.append(value.conj())
        if not rows:
            return every[:0], every[:0], np.zeros((self.samples, 0), complex)
        return np.concatenate(rows), np.concatenate(columns), np.concatenate(values, axis=1)

    def _phase(self, here: Array, d: Array, wraps: Array, a: int, b: int) -> Array | complex:
        """Peierls' phase of a hop, in the gauge A = −(flux) y along a1; of the seams as well."""
        if not self.flux:
            return 1.0
        start = self.lattice.coordinates[here] + self.lattice.orbitals[b]
        step = d + self.lattice.orbitals[a] - self.lattice.orbitals[b]
        turn = -step[0] * (start[:, 1] + step[1] / 2)
        turn = turn + wraps[:, 1] * self.lattice.mask.shape[1] * (start[:, 0] + step[0])
        return np.asarray(np.exp(2j * np.pi * self.flux * turn))

    def states(self, occupied: int | None = None) -> LatticeStates:
        """The occupied states, by default at half filling: the lower half of the spectrum.

        Raises `MemoryLimitError` if they cannot fit in memory, `ConfigError` if there are not
        as many states.
        """
        return occupied_states(self.hamiltonian(), occupied)

    def _facts(self) -> dict[str, str]:
        return {
            "samples": str(self.samples),
            **self.lattice._facts(),
            "cells alike": "yes" if self.clean else "no",
            **({"flux": f"{self.flux:g}"} if self.flux else {}),
        }


@dataclass(frozen=True, eq=False, repr=False)
class LatticeStates(Shown):
    """Occupied states of a batch of Hamiltonians.

    Attributes
    ----------
    psi : (samples, states, sites) complex array
        Orthonormal rows; the projector is ``P[j, k] = Σ_n psi[n, j] psi[n, k]*``.
    energies : (samples, sites) array
        All energies, ascending.
    """

    psi: Array
    energies: Array

    def __len__(self) -> int:
        return len(self.psi)

    def __getitem__(self, index: Any) -> LatticeStates:
        """The samples chosen by a slice, a mask, an index array or one index (a batch of one)."""
        if isinstance(index, (int, np.integer)):
            index = [range(len(self))[index]]
        return LatticeStates(self.psi[index], self.energies[index])

    @property
    def gap(self) -> Array:
        """First empty less last occupied energy, (samples,); infinite where nothing is empty."""
        states = self.psi.shape[1]
        if states in (0, self.energies.shape[1]):
            return np.full(len(self), np.inf)
        return np.asarray(self.energies[:, states] - self.energies[:, states - 1])

    @property
    def arrays(self) -> dict[str, Array]:
        """The amplitudes by name, as networks take them: ``{"psi": psi}``."""
        return {"psi": self.psi}

    def projector(self) -> Array:
        """The projector on the occupied states, (samples, sites, sites)."""
        return np.asarray(self.psi.swapaxes(1, 2) @ self.psi.conj())

    def random_gauge(self, rng: np.random.Generator) -> LatticeStates:
        """The same space in another basis: a random unitary among the occupied states."""
        samples, states, _ = self.psi.shape
        noise = rng.standard_normal((samples, states, states, 2)) @ [1, 1j]
        unitary, upper = np.linalg.qr(noise)
        phase = np.diagonal(upper, axis1=1, axis2=2)
        return LatticeStates((unitary * (phase / np.abs(phase))[:, None]) @ self.psi, self.energies)

    def _facts(self) -> dict[str, str]:
        samples, states, sites = self.psi.shape
        return {
            "samples": str(samples),
            "occupied": f"{states} of {sites}",
            "energies": span(self.energies),
            "gap": span(self.gap),
        }


def occupied_states(hamiltonians: Array, occupied: int | None = None) -> LatticeStates:
    """The occupied states of dense Hamiltonians (samples, sites, sites); see `LatticeStates`."""
    size = hamiltonians.shape[-1]
    if occupied is None and size % 2:
        raise ConfigError(f"{size} sites cannot be half filled: say how many states are occupied")
    count = size // 2 if occupied is None else check_whole("occupied", occupied, 0)
    if count > size:
        raise ConfigError(f"{count} states cannot be occupied: there are {size}")
    energies, vectors = np.linalg.eigh(hamiltonians)
    return LatticeStates(np.ascontiguousarray(vectors[..., :count].swapaxes(1, 2)), energies)


def tight_binding(
    lattice: Lattice,
    onsite: Any,
    hoppings: Mapping[Vector, Any],
    *,
    disorder: float | Mapping[Any, float] = 0.0,
    flux: float = 0.0,
    samples: int | None = None,
    seed: Seed = None,
) -> LatticeSamples:
    """Tight-binding models on a lattice, with disorder on the cells, orbitals and hoppings.

    Parameters
    ----------
    lattice : Lattice
    onsite : (orbitals, orbitals) or (samples, orbitals, orbitals) array
        The Hermitian matrix within a cell.
    hoppings : dict
        (dx, dy) -> ``<r + d|H|r>``, shapes as of `onsite`; the Hermitian conjugate, the hopping
        of −d, comes by itself.
    disorder : float or dict
        Strength W: W·r is added to the energy of each cell, with r uniform on [−1/2, 1/2).  Or
        several: "cell"; "orbital", an own r for each orbital; (dx, dy), that hopping times 1 + W·r.
    flux : float
        Magnetic flux through a cell, in flux quanta; on a torus the whole flux is whole.
    samples : int, optional
        How many; by default as many as there are matrices.
    seed : int or SeedSequence, optional
        Of the disorder.  Sample k is the same whatever the number of samples.

    Raises
    ------
    ShapeError, ConfigError, NotFiniteError
        If matrices do not fit the orbitals of a cell or each other, or `onsite` is not Hermitian.
    """
    if not isinstance(lattice, Lattice):
        raise ConfigError(f"expected a lattice, as of tnl.lattice(…), not {type(lattice).__name__}")
    for d in hoppings:
        whole = isinstance(d, tuple) and all(isinstance(n, (int, np.integer)) for n in d)
        if not whole or len(d) != 2 or d == (0, 0):
            raise ConfigError(
                f"a hopping leads over (dx, dy) cells, whole and not (0, 0): not {d!r}"
            )
    matrices = {(0, 0): onsite, **dict(hoppings)}
    size = len(lattice.orbitals)
    held: dict[Vector, Array] = {}
    for d, given in matrices.items():
        t = np.asarray(given, dtype=complex)
        if len(d) != 2 or t.ndim not in (2, 3) or t.shape[-2:] != (size, size):
            raise ShapeError(
                f"the matrix of {d!r} has shape {t.shape}; ({size}, {size}) or (samples, {size}, "
                f"{size}) is expected, for there are {size} orbitals in a cell"
            )
        if d != (0, 0) and ((-d[0], -d[1]) in held):
            raise ConfigError(
                f"hopping {d} is the Hermitian conjugate of {(-d[0], -d[1])}: give one"
            )
        check_finite(f"the matrix of {d}", t)
        held[(int(d[0]), int(d[1]))] = t if t.ndim == 3 else t[None]
    counts = {len(t) for t in held.values()} - {1}
    if len(counts) > 1 or (samples is not None and counts - {samples}):
        raise ShapeError(f"matrices of different numbers of samples: {sorted(counts)}, {samples}")
    count = samples if samples is not None else counts.pop() if counts else 1
    count = check_whole("samples", count, 1)
    if not np.allclose(held[0, 0], held[0, 0].conj().swapaxes(1, 2), rtol=0, atol=1e-12):
        raise ConfigError("the matrix within a cell is not Hermitian")
    _check_flux(lattice, flux)
    strengths = dict(disorder) if isinstance(disorder, Mapping) else {"cell": disorder}
    known = {"cell", "orbital", *held} - {(0, 0)}
    for what in strengths.keys() - known:
        raise ConfigError(
            f"disorder is of 'cell', 'orbital' or a hopping that is there, not {what!r}"
        )
    for strength in strengths.values():
        if not (np.isfinite(strength) and strength >= 0):
            raise ConfigError(f"a strength of disorder is a number of 0 or more, not {strength!r}")
    full = {d: np.repeat(t, count, axis=0) if len(t) == 1 else t for d, t in held.items()}
    full = {d: t[:, None] for d, t in full.items()}
    root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    for number, what in enumerate(sorted(strengths, key=str)):
        if not strengths[what]:
            continue
        width = size if what == "orbital" else 1
        r = np.empty((count, lattice.cells, width))
        for k in range(count):
            stream = np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, number, k))
            r[k] = np.random.default_rng(stream).random((lattice.cells, width)) - 0.5
        r *= strengths[what]
        if what in ("cell", "orbital"):
            full[0, 0] = full[0, 0] + r[..., None] * np.eye(size)
        else:
            full[what] = full[what] * (1 + r[..., None])
    onsite_full = full.pop((0, 0))
    return LatticeSamples(lattice, onsite_full, full, float(flux))


def qwz(
    lattice: Lattice,
    m: Any = 1.0,
    v: Any = (1.0, 1.0),
    t: Any = (1.0, 1.0),
    **options: Any,
) -> LatticeSamples:
    """The model of Qi, Wu and Zhang: a Chern insulator with two orbitals on one place of a cell.

    H(k) = v_x sin kx σx + v_y sin ky σy + (m + t_x cos kx + t_y cos ky) σz, and
    C = −½ sign(v_x v_y) Σ_{a, b = ±1} ab sign(m + a t_x + b t_y).

    Parameters
    ----------
    lattice : Lattice
        Square; its cells hold the two orbitals.
    m : float or (samples,) array
    v, t : pair of float, or of (samples,) arrays
    **options
        Of `tight_binding`: disorder, flux, samples, seed.

    Source: Qi, Wu, Zhang, arXiv:cond-mat/0505308.
    """
    if not isinstance(lattice, Lattice) or np.ptp(lattice.orbitals, axis=0).any():
        raise ConfigError(
            "this model has its orbitals at one place of a cell: tnl.lattice('square', …)"
        )
    for name, pair in (("v", v), ("t", t)):
        if np.ndim(pair) == 0 or len(pair) != 2:
            raise ShapeError(f"{name} is a pair, along x and along y, not {pair!r}")
    place = Lattice(lattice.mask, lattice.vectors, np.zeros((2, 2)), lattice.boundary, lattice.kind)
    (vx, vy), (tx, ty) = (_several(x) for x in v), (_several(x) for x in t)
    sx, sy, sz = _SIGMA
    hoppings = {(1, 0): tx * sz / 2 + vx * sx / 2j, (0, 1): ty * sz / 2 + vy * sy / 2j}
    return tight_binding(place, _several(m) * sz, hoppings, **options)


def haldane(
    lattice: Lattice,
    m: Any = 0.0,
    t2: Any = 0.2,
    phi: Any = np.pi / 2,
    t: Any = 1.0,
    **options: Any,
) -> LatticeSamples:
    """Haldane's model on the honeycomb: a Chern insulator without a field.

    Energies ±m on A and B, t between neighbours, t2 e^{iφ} between the A along a1, a2 − a1, −a2,
    its conjugate between the B.  C = −½ [sign(m + 3√3 t2 sin φ) − sign(m − 3√3 t2 sin φ)].

    Parameters
    ----------
    lattice : Lattice
        The honeycomb.
    m, t2, phi, t : float or (samples,) array
    **options
        Of `tight_binding`: disorder, flux, samples, seed.

    Source: Haldane, doi:10.1103/PhysRevLett.61.2015.
    """
    if not isinstance(lattice, Lattice) or len(lattice.orbitals) != 2:
        raise ConfigError('Haldane\'s model has two orbitals a cell: tnl.lattice("honeycomb", …)')
    sx, sy, sz = _SIGMA
    up, down, raising = (1 + sz) / 2 * np.eye(2), (1 - sz) / 2 * np.eye(2), (sx + 1j * sy) / 2
    turn = _several(t2) * np.exp(1j * _several(phi))
    second = turn * up + turn.conj() * down
    first = _several(t) * raising  # from B in a cell to A in the next
    hoppings = {(1, 0): first + second, (0, 1): first + second.conj(), (-1, 1): second + 0 * first}
    return tight_binding(lattice, _several(m) * sz + _several(t) * sx, hoppings, **options)


def _several(value: Any) -> Array:
    """A number, or one a sample, ready to be multiplied with a matrix."""
    try:
        x = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise ShapeError(f"a parameter is one number or one a sample, not {value!r}") from None
    if x.ndim > 1:
        raise ShapeError(f"a parameter is one number or one a sample, got shape {x.shape}")
    check_finite("a parameter", x)
    return x.reshape(-1, 1, 1)


def _check_flux(lattice: Lattice, flux: Any) -> None:
    if not np.isfinite(flux):
        raise ConfigError(f"the flux through a cell is a number, not {flux!r}")
    whole = flux * lattice.mask.size
    if flux and lattice.boundary == "torus" and abs(whole - round(whole)) > 1e-9:
        raise ConfigError(
            f"the flux through a torus is whole; {flux:g} on {lattice.mask.size} cells is {whole:g}"
        )
