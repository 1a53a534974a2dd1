"""Chiral chains with one orbital per sublattice and cell: hoppings, disorder, boundaries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import ConfigError, ShapeError, check_choice, check_finite, check_whole
from tnlearn.physics.blocks import Bands, check_boundary, check_cells, only_bonds
from tnlearn.physics.memory import check_memory
from tnlearn.physics.states import States, states_of
from tnlearn.shown import Shown, span

__all__ = ["Chains", "chain", "ssh"]

Array = NDArray[Any]
Seed = int | np.random.SeedSequence | None
_SKETCHED = 60  # chains and cells of which a notebook shows the spectrum unasked


@dataclass(frozen=True, eq=False, repr=False)
class Chains(Shown):
    """A batch of chiral chains (class AIII, or BDI when real), disorder already applied.

    H = [[0, h], [h†, 0]] with h[x, y] = <A,x|H|B,y>; a hopping of offset m
    couples B in cell y to A in cell y + m: h[y+m, y] = t_m(y).  Energies are in
    units of the hopping.

    Attributes
    ----------
    cells : int
        Number of unit cells L.
    hoppings : dict[int, (samples, cells) array]
        t_m(y) for every cell y, also those whose bond an open chain leaves out:
        the same sample can be closed into a ring.
    boundary : "open" | "periodic"
        Whether the bonds that cross the seam are there.
    flux : float
        Flux φ through a ring: a bond is multiplied by e^{iφ} per crossing of the
        seam in the direction of growing x.
    """

    cells: int
    hoppings: dict[int, Array]
    boundary: str = "open"
    flux: float = 0.0

    @property
    def samples(self) -> int:
        """Number of chains in the batch."""
        return len(next(iter(self.hoppings.values())))

    @property
    def offsets(self) -> tuple[int, ...]:
        """The hopping offsets m, ascending."""
        return tuple(sorted(self.hoppings))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype of the block: float64, or complex128 with complex hoppings or a flux."""
        kinds = [t.dtype for t in self.hoppings.values()]
        return np.result_type(*kinds, np.complex128 if self.flux else np.float64)

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: Any) -> Chains:
        """The chains chosen by a slice, a mask, an index array or one index (a batch of one)."""
        if isinstance(index, (int, np.integer)):
            index = [range(self.samples)[index]]
        return replace(self, hoppings={m: t[index] for m, t in self.hoppings.items()})

    def with_boundary(self, boundary: str, flux: float = 0.0) -> Chains:
        """The same samples, opened or closed into a ring (threaded by `flux`)."""
        _check_flux(flux, check_boundary(boundary))
        return replace(self, boundary=boundary, flux=float(flux))

    def block(self) -> Array:
        """The block h[x, y] = <A,x|H|B,y>, shape (samples, cells, cells).

        Real unless a hopping is complex or a flux is threaded.  Raises
        `MemoryLimitError` if it cannot fit in memory.
        """
        size = self.cells
        check_memory(
            f"the block of {self.samples} chains of {size} cells",
            self.samples * size * size * self.dtype.itemsize,
        )
        h = np.zeros((self.samples, size, size), dtype=self.dtype)
        y = np.arange(size)
        for m, t in self.hoppings.items():
            x = y + m
            if self.boundary == "open":
                inside = (x >= 0) & (x < size)
                h[:, x[inside], y[inside]] += t[:, inside]
            elif self.flux:
                h[:, x % size, y] += t * np.exp(1j * self.flux * (x // size))
            else:
                h[:, x % size, y] += t
        return h

    def bands(self) -> Bands:
        """The diagonals of the block of the open chain."""
        return only_bonds(self.hoppings, self.samples, self.cells)

    def hamiltonian(self) -> Array:
        """The Hamiltonian in site order A0 B0 A1 B1 …, shape (samples, 2 cells, 2 cells).

        H[2x, 2y+1] = h[x, y] and H[2y+1, 2x] = h[x, y]*.  Raises
        `MemoryLimitError` if it cannot fit in memory.
        """
        size = self.cells
        check_memory(
            f"the Hamiltonian of {self.samples} chains of {size} cells",
            self.samples * 4 * size * size * self.dtype.itemsize,
        )
        h = self.block()
        full = np.zeros((self.samples, 2 * size, 2 * size), dtype=h.dtype)
        full[:, 0::2, 1::2] = h
        full[:, 1::2, 0::2] = h.conj().swapaxes(1, 2)
        return full

    def states(self) -> States:
        """Eigenstates from the SVD of the block: see `tnlearn.states`."""
        check_memory(
            f"the states of {self.samples} chains of {self.cells} cells",
            3 * self.samples * self.cells**2 * self.dtype.itemsize,
        )
        bands = self.bands() if self.boundary == "open" else None
        return states_of(bands, self.dtype, self.block)

    def plot(
        self,
        what: str = "spectrum",
        *,
        against: Any = None,
        label: str = "",
        sample: int = 0,
        ax: Any = None,
    ) -> Any:
        """The spectrum ±E_n of every chain, or the hoppings t_m(y) of one.

        Parameters
        ----------
        what : "spectrum" | "hoppings"
            Edge states show by their colour: the share of |ψ|² at the ends.
        against : (samples,) array, optional
            A number of each chain, such as a hopping, for the horizontal axis of the spectrum.
        label : str
            What that axis is called.
        sample : int
            Whose hoppings.
        ax : matplotlib axes, optional
            Where to draw; by default in a figure of its own.

        Returns
        -------
        The axes it was drawn on; a notebook shows them.

        Examples
        --------
        >>> import numpy as np
        >>> import tnlearn as tnl
        >>> t1 = np.linspace(0, 2, 41)
        >>> ax = tnl.ssh(20, 1.0, t1).plot(against=t1, label="t1")
        """
        from tnlearn.physics import plots

        if check_choice("what", what, ("spectrum", "hoppings")) == "hoppings":
            one = self[sample]
            return plots.hoppings({m: t[0] for m, t in one.hoppings.items()}, ax)
        return self.states().plot(against=against, label=label, ax=ax)

    def _facts(self) -> dict[str, str]:
        flux = {"flux": f"{self.flux:g}"} if self.flux else {}
        strengths = {
            f"|t{m}|" if np.iscomplexobj(t) else f"t{m}": span(t)
            for m, t in sorted(self.hoppings.items())
        }
        sizes = {"samples": str(self.samples), "cells": str(self.cells), "boundary": self.boundary}
        return sizes | flux | strengths

    def _sketch(self) -> Any:
        few = self.samples and self.cells <= _SKETCHED
        return self[:_SKETCHED].plot() if few else self.plot("hoppings") if self.samples else None


def chain(
    cells: int,
    hoppings: Mapping[int, Any],
    *,
    disorder: Mapping[int, Any] | None = None,
    boundary: str = "open",
    flux: float = 0.0,
    samples: int | None = None,
    seed: Seed = None,
) -> Chains:
    """Chiral chains with any set of hopping offsets.

    h[y+m, y] = t_m(y) + W_m r_m(y), r uniform on [−1/2, 1/2): the offset 0 is the
    intracell and 1 the intercell hopping of the SSH chain, and t_m alone has
    winding number +m.  One disorder strength per offset, with no hidden factor.

    Parameters
    ----------
    cells : int
        Number of unit cells L.
    hoppings : dict of offset m to t_m
        A scalar, a (samples,) array, or a (samples, cells) array indexed by the
        cell y of the B site; real or complex.  (A single chain with a hopping
        per cell: shape (1, cells).)
    disorder : dict of offset m to W_m, optional
        Strength, a non-negative scalar or (samples,) array, for offsets that are
        among the hoppings.  The disorder is real, whatever the hoppings.
    boundary : "open" | "periodic"
        Open chain or ring.
    flux : float
        Flux φ through a ring, in radians.
    samples : int, optional
        Number of chains; where the hoppings do not say it, 1.
    seed : int or SeedSequence, optional
        Seed of the disorder.  Each offset has a stream of its own, and sample i
        is the same whatever the number of samples.  None draws a fresh seed.

    Returns
    -------
    Chains

    Raises
    ------
    ConfigError, ShapeError, NotFiniteError, UnknownNameError
        For settings out of range, shapes that do not fit, NaN or infinity, an
        unknown boundary.

    Source: conventions of docs/physics.md; disorder as in arXiv:1311.5233, but
    with its strengths given per offset.
    """
    size = check_cells(cells)
    check_boundary(boundary)
    _check_flux(flux, boundary)
    if not isinstance(hoppings, Mapping) or not hoppings:
        raise ConfigError("hoppings must be a dict of offset to amplitude, e.g. {0: 0.5, 1: 1.0}")
    amplitudes = {_offset(m): _amplitude(m, t) for m, t in hoppings.items()}
    strengths = {_offset(m): _strength(m, w) for m, w in (disorder or {}).items()}
    for m in strengths:
        if m not in amplitudes:
            raise ConfigError(
                f"disorder names offset {m}, which has no hopping (known: "
                f"{sorted(amplitudes)}); add {m}: 0.0 to the hoppings if it is meant"
            )
    count = _sample_count([*amplitudes.values(), *strengths.values()], samples)
    disordered = any(np.any(w) for w in strengths.values())
    root = np.random.SeedSequence(seed) if not isinstance(seed, np.random.SeedSequence) else seed
    check_memory(f"{count} chains of {size} cells", count * size * 16 * len(amplitudes))

    ready = {}
    for m in sorted(amplitudes):
        t = _spread(f"hopping of offset {m}", amplitudes[m], count, size)
        if disordered and m in strengths:
            stream = _offset_stream(root, m)
            noise = np.random.default_rng(stream).random((count, size)) - 0.5
            t = t + _spread(f"disorder of offset {m}", strengths[m], count, size) * noise
        t = np.ascontiguousarray(t)
        t.flags.writeable = False
        ready[m] = t
    return Chains(size, ready, boundary, float(flux))


def ssh(
    cells: int,
    intra: Any,
    inter: Any,
    disorder_intra: Any = 0.0,
    disorder_inter: Any = 0.0,
    *,
    boundary: str = "open",
    flux: float = 0.0,
    samples: int | None = None,
    seed: Seed = None,
) -> Chains:
    """SSH chains: `chain(cells, {0: intra, 1: inter}, …)`; |inter| > |intra| has W = +1.

    Shapes, units, disorder and errors as in `chain`.  Source: Su, Schrieffer,
    Heeger, doi:10.1103/PhysRevLett.42.1698.
    """
    return chain(
        cells,
        {0: intra, 1: inter},
        disorder={0: disorder_intra, 1: disorder_inter},
        boundary=boundary,
        flux=flux,
        samples=samples,
        seed=seed,
    )


def _offset(m: Any) -> int:
    if isinstance(m, bool) or not isinstance(m, (int, np.integer)):
        raise ConfigError(f"a hopping offset must be a whole number, got {m!r}")
    return int(m)


def _offset_stream(root: np.random.SeedSequence, m: int) -> np.random.SeedSequence:
    # Keyed by the offset, so that adding an offset leaves the others' draws alone;
    # spawn keys are unsigned, hence the fold of the sign into the last bit.
    key = 2 * m if m >= 0 else -2 * m - 1
    return np.random.SeedSequence(root.entropy, spawn_key=(*root.spawn_key, key))


def _numbers(what: str, values: Any) -> Array:
    try:
        array = np.asarray(values)
        kind = np.result_type(array.dtype, np.float64)
        if kind not in (np.dtype(np.float64), np.dtype(np.complex128)):
            raise TypeError(f"dtype {array.dtype}")
        array = array.astype(kind)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{what} must be a number or an array of numbers: {error}") from None
    if array.ndim > 2:
        raise ShapeError(
            f"{what} has shape {array.shape}; a scalar, (samples,) or (samples, cells) is expected"
        )
    check_finite(what, array)
    return array


def _amplitude(m: Any, values: Any) -> Array:
    return _numbers(f"hopping of offset {m}", values)


def _strength(m: Any, values: Any) -> Array:
    what = f"disorder of offset {m}"
    array = _numbers(what, values)
    if array.ndim > 1 or np.iscomplexobj(array) or np.any(array < 0):
        raise ConfigError(f"{what} must be a real strength of at least 0, or (samples,) of them")
    return array


def _sample_count(arrays: list[Array], samples: int | None) -> int:
    if samples is not None:
        return check_whole("samples", samples, 1)
    lengths = {len(a) for a in arrays if a.ndim} - {1}
    if len(lengths) > 1:
        raise ShapeError(
            f"hoppings and disorder speak of different numbers of samples: {sorted(lengths)}; a "
            "hopping per cell of one chain has shape (1, cells)"
        )
    return lengths.pop() if lengths else 1


def _spread(what: str, array: Array, samples: int, cells: int) -> Array:
    column = array[:, None] if array.ndim == 1 else array
    try:
        return np.broadcast_to(column, (samples, cells)).copy()
    except ValueError:
        raise ShapeError(
            f"{what} has shape {array.shape}; a scalar, ({samples},) or ({samples}, {cells}) is "
            "expected: (samples,) or (samples, cells)"
        ) from None


def _check_flux(flux: Any, boundary: str) -> None:
    if not np.isscalar(flux) or np.iscomplexobj(flux) or not np.isfinite(float(flux)):  # type: ignore[arg-type]
        raise ConfigError(f"flux must be a finite real number, got {flux!r}")
    if float(flux) and boundary == "open":  # type: ignore[arg-type]
        raise ConfigError('a flux needs a ring: give boundary="periodic"')
