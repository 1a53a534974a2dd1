"""The recipes of the data sets: which hoppings, drawn how, sorted into which classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.errors import check_choice

__all__ = ["DATASETS", "VARIANTS", "Recipe", "recipe_for"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Recipe:
    """How the chains of a data set are drawn.

    Attributes
    ----------
    key : str
        Name that seeds its random streams.
    title : str
        One line for people.
    offsets : tuple of int
        Hopping offsets m.
    scales : tuple of float
        Factor on the amplitude of each offset.
    low, high : float
        Each amplitude is uniform on [low, high), then scaled.
    kind : "real" | "cartesian" | "polar"
        Real; real and imaginary part each uniform; or a real amplitude times a
        uniform random phase.
    classes : tuple of int
        Windings kept, equally often.
    orbitals : int
        Orbitals d per sublattice and cell; each hopping is then a d × d matrix T_m.
    """

    key: str
    title: str
    offsets: tuple[int, ...]
    scales: tuple[float, ...]
    low: float
    high: float
    kind: str
    classes: tuple[int, ...]
    orbitals: int = 1

    @property
    def bonds(self) -> int:
        """Bonds of a cell: its offsets, times d × d."""
        return len(self.offsets) * self.orbitals**2

    @property
    def numbers(self) -> int:
        """Uniform random numbers that one draw of the clean hoppings takes."""
        return self.bonds * (1 if self.kind == "real" else 2)

    @property
    def pair_offsets(self) -> tuple[int, ...]:
        """Offsets counted in pairs of one A and one B orbital: those of `Chains`.

        Orbital a of A in cell x and orbital b of B in cell y are the pairs x d + a and y d + b.
        """
        d = self.orbitals
        low, high = min(self.offsets), max(self.offsets)
        return self.offsets if d == 1 else tuple(range(d * low - d + 1, d * high + d))

    def amplitudes(self, uniform: Array) -> Array:
        """Hoppings (…, bonds) from uniform numbers (…, numbers) on [0, 1).

        The bonds are those of T_m[a, b] in the order of m, a, b.
        """
        k = self.bonds
        first = self.low + (self.high - self.low) * uniform[..., :k]
        if self.kind == "cartesian":
            first = first + 1j * (self.low + (self.high - self.low) * uniform[..., k:])
        elif self.kind == "polar":
            first = first * np.exp(2j * np.pi * uniform[..., k:])
        scaled: Array = first * np.repeat(self.scales, self.orbitals**2)
        return scaled


_FOUR = {"offsets": (-1, 0, 1, 2), "scales": (1.0,) * 4, "low": -1.0, "high": 1.0}

DATASETS: dict[str, Recipe] = {
    "ssh": Recipe(
        key="ssh",
        title="SSH chains, intra and inter uniform on [0, 2)",
        offsets=(0, 1),
        scales=(1.0, 1.0),
        low=0.0,
        high=2.0,
        kind="real",
        classes=(0, 1),
    ),
    "extended": Recipe(
        key="extended",
        title="hoppings of offset −1, 0, 1, 2 uniform on [−1, 1)",
        kind="real",
        classes=(-1, 0, 1, 2),
        **_FOUR,  # type: ignore[arg-type]
    ),
    "complex": Recipe(
        key="complex",
        title="complex hoppings of offset −1, 0, 1, 2, both parts uniform on [−1, 1)",
        kind="cartesian",
        classes=(-1, 0, 1, 2),
        **_FOUR,  # type: ignore[arg-type]
    ),
    # Four bands, class AIII, winding numbers of the determinant up to ±2: arXiv:1805.10503.
    "multiband": Recipe(
        key="multiband",
        title="two orbitals; complex 2 × 2 hoppings of offset −1, 0, 1, both parts on [−1, 1)",
        offsets=(-1, 0, 1),
        scales=(1.0, 1.0, 1.0),
        low=-1.0,
        high=1.0,
        kind="cartesian",
        classes=(-2, -1, 0, 1, 2),
        orbitals=2,
    ),
}

VARIANTS = ("", "complex-phases", "longer-hopping", "unseen-winding")


def recipe_for(name: str, variant: str = "") -> Recipe:
    """The recipe of a data set, or of a variant of it that a shift draws from.

    `complex-phases`: every amplitude times a random phase.  `longer-hopping`: one
    offset beyond the largest, at half the amplitude; the same classes.
    `unseen-winding`: one offset more on either side, and only the two windings
    next to the known classes.  Raises `UnknownNameError`.
    """
    base = DATASETS[check_choice("data set", name, DATASETS)]
    check_choice("variant", variant, VARIANTS)
    if not variant:
        return base
    key = f"{base.key}/{variant}"
    low, high = base.offsets[0], base.offsets[-1]
    if variant == "complex-phases":
        kind = "polar" if base.kind == "real" else base.kind
        return replace(base, key=key, kind=kind)
    if variant == "longer-hopping":
        return replace(base, key=key, offsets=(*base.offsets, high + 1), scales=(*base.scales, 0.5))
    return replace(
        base,
        key=key,
        offsets=(low - 1, *base.offsets, high + 1),
        scales=(1.0, *base.scales, 1.0),
        classes=(base.classes[0] - 1, base.classes[-1] + 1),
    )
