"""Alterations of chains, and of their states, that an audit adds to the shifts of `tnlearn.data`.

Each takes a data set and a generator and returns another of the same samples.  Chains
are altered as rings too: the bonds across the seam of an open chain belong to the
sample, for its winding number is that of the ring.  Labels are left as they are;
`tnlearn.audits.certify` recomputes them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.data.dataset import Dataset
from tnlearn.data.transforms import ring, with_chains
from tnlearn.errors import ConfigError
from tnlearn.physics.chains import Chains
from tnlearn.physics.states import States

__all__ = ["blank_cells", "blank_gapped", "bulk_replaced", "cap", "ends_replaced", "exchanged"]
__all__ += ["neighbours", "ring_replaced", "ring_shifted", "weak_ends"]

Array = NDArray[Any]

WEAK = 0.1  # of the bonds of an end cell
LOWEST = 2  # pairs of states near zero energy: as many as the largest winding of `extended`


def cap(cells: int) -> int:
    """Cells at either end that count as an end: a fifth of the chain, at least one."""
    return max(1, round(0.2 * cells))


def neighbours(data: Dataset, rng: np.random.Generator) -> Array:
    """For each sample another one whose winding is the nearest other to its own, (samples,) ints.

    Drawn among the samples that are not ambiguous.  Raises `ConfigError` if all that are
    clear have one winding.
    """
    clear = ~data.ambiguous
    known = np.unique(data.windings[clear])
    if len(known) < 2:
        raise ConfigError(
            "replacing a part of a chain needs clear samples of two windings at least; these "
            f"have {', '.join(map(str, known)) or 'none'}"
        )
    chosen = np.empty(len(data), dtype=np.int64)
    for winding in np.unique(data.windings):
        away = np.where(known == winding, np.iinfo(np.int64).max, np.abs(known - winding))
        pool = np.flatnonzero(clear & np.isin(data.windings, known[away == away.min()]))
        here = data.windings == winding
        chosen[here] = rng.choice(pool, size=int(here.sum()))
    return chosen


def bulk_replaced(data: Dataset, rng: np.random.Generator, depth: int) -> Dataset:
    """Every bond that touches none of the `depth` cells at either end, from a neighbour.

    The neighbour is a sample with another winding (`neighbours`).  All bonds of the end
    cells stay, those across the seam among them.
    """
    _needs_open(data, "bulk-replaced")
    other = data.chains[neighbours(data, rng)]
    return with_chains(data, _joined(data.chains, other, depth), rng)


def ends_replaced(data: Dataset, rng: np.random.Generator, depth: int) -> Dataset:
    """Every bond that touches the `depth` cells at either end, from a neighbour: the converse."""
    _needs_open(data, "ends-replaced")
    other = data.chains[neighbours(data, rng)]
    return with_chains(data, _joined(other, data.chains, depth), rng)


def weak_ends(data: Dataset, rng: np.random.Generator) -> Dataset:
    """All bonds of the two end cells times 1/10, once for each end that a bond touches.

    h → D h D with D diagonal and positive: det h(φ) is multiplied by a number, so that its
    winding stands exactly, while a pair of states near zero energy appears at each end.
    """
    _needs_open(data, "weak-ends")
    cells = data.chains.cells
    factor = np.ones(cells)
    factor[[0, -1]] = WEAK
    y = np.arange(cells)
    hoppings = {
        m: t * (factor[y] * factor[(y + m) % cells]) for m, t in data.chains.hoppings.items()
    }
    return with_chains(data, replace(data.chains, hoppings=hoppings), rng)


def exchanged(data: Dataset, rng: np.random.Generator) -> Dataset:
    """The sublattices A and B exchanged: h → h†, (u, v) → (v, u), W → −W.

    t'_{−m}(y + m) = t_m(y)*.  Energies and the density of each state in each cell,
    |u_n(x)|² + |v_n(x)|², are the very same numbers.
    """
    chains = data.chains
    y = np.arange(chains.cells)
    hoppings = {-m: t.conj()[:, (y - m) % chains.cells] for m, t in chains.hoppings.items()}
    turned = Chains(chains.cells, hoppings, chains.boundary, chains.flux)
    seen = States(data.states.v, data.states.u, data.states.energies)
    return replace(data, states=seen, chains=turned)


def ring_shifted(data: Dataset, rng: np.random.Generator) -> tuple[Dataset, Dataset]:
    """A ring, and the same with sublattice A moved by one cell: t'_{m ± 1}(y) = t_m(y), W → W ± 1.

    Energies and v stay, u is moved round the ring by one cell: every density of one
    sublattice is the same but for its place.  The direction is the one that leads to
    another class, drawn where both do.
    """
    before = ring(data, rng, 0.0)
    up = rng.random(len(data)) < 0.5
    above = np.isin(data.windings + 1, data.classes)
    below = np.isin(data.windings - 1, data.classes)
    up = np.where(above == below, up, above)
    hoppings: dict[int, Array] = {}
    for step, chosen in ((1, up), (-1, ~up)):
        for m, t in before.chains.hoppings.items():
            moved = np.where(chosen[:, None], t, 0.0)
            hoppings[m + step] = hoppings.get(m + step, 0.0) + moved
    chains = replace(before.chains, hoppings=dict(sorted(hoppings.items())))
    u = before.states.u
    turned = np.where(up[:, None, None], np.roll(u, 1, axis=2), np.roll(u, -1, axis=2))
    seen = States(turned, before.states.v, before.states.energies)
    return before, replace(before, states=seen, chains=chains)


def ring_replaced(data: Dataset, rng: np.random.Generator) -> tuple[Dataset, Dataset]:
    """The ring of each sample, and that of a neighbour with another winding: no ends in either."""
    before = ring(data, rng, 0.0)
    chosen = neighbours(data, rng)
    return before, replace(before, states=before.states[chosen], chains=before.chains[chosen])


def blank_cells(data: Dataset, rng: np.random.Generator, outer: bool) -> Dataset:
    """All amplitudes on the outer quarters of the chain set to zero, or all others."""
    cells = data.states.cells
    depth = max(1, round(cells / 4))
    x = np.arange(cells)
    at_end = (x < depth) | (x >= cells - depth)
    kept = (at_end != outer).astype(data.states.energies.dtype)
    seen = States(data.states.u * kept, data.states.v * kept, data.states.energies)
    return replace(data, states=seen)


def blank_gapped(data: Dataset, rng: np.random.Generator) -> Dataset:
    """All states set to zero but the two pairs nearest zero energy."""
    u, v = data.states.u.copy(), data.states.v.copy()
    u[:, LOWEST:] = 0.0
    v[:, LOWEST:] = 0.0
    return replace(data, states=States(u, v, data.states.energies))


def _joined(outer: Chains, inner: Chains, depth: int) -> Chains:
    """Bonds that touch the `depth` cells at either end from `outer`, all others from `inner`."""
    cells = outer.cells
    if depth < 1 or 2 * depth >= cells:
        raise ConfigError(
            f"a chain of {cells} cells has no ends of {depth} cells and a bulk between them"
        )
    y = np.arange(cells)
    hoppings = {}
    for m in outer.hoppings:
        x = (y + m) % cells
        at_end = (y < depth) | (y >= cells - depth) | (x < depth) | (x >= cells - depth)
        hoppings[m] = np.where(at_end, outer.hoppings[m], inner.hoppings[m])
    return Chains(cells, hoppings, outer.boundary)


def _needs_open(data: Dataset, name: str) -> None:
    if data.chains.boundary != "open":
        raise ConfigError(f"{name} alters the ends of open chains, and these are rings")
