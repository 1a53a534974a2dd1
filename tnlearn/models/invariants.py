"""Topological invariants as formulas: the catalogue `tnl.invariants`.

Each entry is a function of arrays (positions, regions, displacements) that writes a formula in
the language of `tnl.formula`, at most six lines; u, v are the states of a chiral chain by
sublattice and psi the occupied states, (samples, states, sites).  Signs and conventions are those
of docs/physics.md: C of a lattice is that of Fukui, Hatsugai and Suzuki.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from tnlearn.errors import check_choice
from tnlearn.models.network import Network
from tnlearn.networks import formula as f
from tnlearn.networks.formula import Im, Scalar, Tr, commutator, define, diagonal, hadamard, local

__all__ = ["Invariant", "invariants"]


@dataclass(frozen=True)
class Invariant:
    """A topological invariant: its formula, and what it is of.

    Attributes
    ----------
    name
        Its name in the catalogue.
    symmetry, dimension
        The class of the tenfold way and the dimension of space.
    needs
        The sample, and the states that are fed in.
    reference
        Where the formula comes from.
    write
        The function that writes the formula, `write(*arrays)`.
    """

    name: str
    symmetry: str
    dimension: int
    needs: str
    reference: str
    write: Callable[..., Scalar]

    def __call__(self, *arrays: Any, **options: Any) -> Scalar:
        """The formula for these arrays; see ``help(invariant.write)``."""
        return self.write(*arrays, **options)

    def network(self, *arrays: Any, **options: Any) -> Network:
        """The formula as a network: ``net(states) -> (samples,)``, or (samples, cells)."""
        return Network.from_formula(self.write(*arrays, **options))

    def __str__(self) -> str:
        arguments = ", ".join(signature(self.write).parameters)
        return f"{self.name}({arguments}): {self.write.__doc__} Class {self.symmetry}, {self.needs}"


class Catalogue(Mapping[str, Invariant]):
    """Invariants by name; an unknown name is answered with the nearest one."""

    def __init__(self) -> None:
        self._entries: dict[str, Invariant] = {}

    def enter(
        self, name: str, symmetry: str, dimension: int, needs: str, reference: str
    ) -> Callable[[Callable[..., Scalar]], Callable[..., Scalar]]:
        """Enter the decorated function, which writes the formula."""

        def entered(write: Callable[..., Scalar]) -> Callable[..., Scalar]:
            self._entries[name] = Invariant(name, symmetry, dimension, needs, reference, write)
            return write

        return entered

    def __getitem__(self, name: str) -> Invariant:
        return self._entries[check_choice("invariant", name, self._entries)]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return "\n".join(map(str, self._entries.values()))


invariants = Catalogue()
CHAIN = "a chiral chain, open or with its ring's displacements; states u, v"
RSWN = "arXiv:2509.26261; Mondragon-Shem et al., arXiv:1311.5233"
LATTICE = "any sample, open; occupied states psi"
THREE = "Song, Prodan, arXiv:1402.7116"
MARKER = "Bianco, Resta, arXiv:1111.5697"


# ------------------------------------------------------------------ chains


@invariants.enter("winding", "AIII", 1, CHAIN, RSWN)
def winding(positions: Any, window: Any) -> Scalar:
    """Tr(w q† [X, q]) / L', the real-space winding number, from positions and a window (cells,)."""
    u, v = f.states(len(positions))
    X, w = diagonal("X", positions), diagonal("window", window)
    q = define("q", u @ v.H)
    return Tr(w @ q.H @ commutator(X, q)) / float(np.sum(window))


@invariants.enter("winding-ring", "AIII", 1, CHAIN, RSWN)
def winding_ring(displacements: Any) -> Scalar:
    """Tr(q† (d ∘ q)) / L on a ring, from the minimal images d(x, y) of x − y, (cells, cells)."""
    u, v = f.states(len(displacements))
    q = define("q", u @ v.H)
    return Tr(q.H @ hadamard(f.displacement("d", displacements), q)) / len(displacements)


@invariants.enter("winding-operator", "AIII", 1, CHAIN, RSWN)
def winding_operator(positions: Any, window: Any) -> Scalar:
    """Tr(w P_B Q P_A [X, P_A Q P_B]) / L' on all sites, (A; B), from positions and a window."""
    (psi, sigma), ones = f.eigenstates(len(positions)), np.ones(len(positions))
    P_A, P_B = diagonal("P_A", [*ones, *0 * ones]), diagonal("P_B", [*0 * ones, *ones])
    X, w = diagonal("X", np.tile(positions, 2)), diagonal("window", np.tile(window, 2))
    Q = psi @ sigma @ psi.H
    return Tr(w @ P_B @ Q @ P_A @ commutator(X, P_A @ Q @ P_B)) / float(np.sum(window))


@invariants.enter("winding-quartic", "AIII", 1, CHAIN, RSWN)
def winding_quartic(D: Any) -> Scalar:
    """Σ D_xy |q_xy|², the fourth-order polynomial: D = (x − y) w(y) / L', (cells, cells)."""
    u, v = f.states(len(D))
    q = u @ v.H
    return Tr(q.H @ hadamard(f.displacement("D", D), q))


@invariants.enter("local-winding", "AIII", 1, CHAIN, "Prodan, Schulz-Baldes, arXiv:1510.08744")
def local_winding(displacements: Any) -> Scalar:
    """c(y) = Σ_x d(x, y) |q_xy|² of every cell, whose mean over a window is W."""
    u, v = f.states(len(displacements))
    q = define("q", u @ v.H)
    return local(q.H @ hadamard(f.displacement("d", displacements), q))


@invariants.enter("kitaev-chain", "BDI", 1, "a chain of fermions in the Majorana basis; u, v", RSWN)
def kitaev_chain(positions: Any, window: Any) -> Scalar:
    """Tr(w q† [X, q]) / L' of the block h between the two kinds of Majorana operators."""
    return winding(positions, window)


@invariants.enter(
    "chiral-polarisation", "AIII", 1, "an open chiral chain; u, v without the zero modes", RSWN
)
def chiral_polarisation(positions: Any, states: int) -> Scalar:
    """Σ_n (⟨u_n|X|u_n⟩ − ⟨v_n|X|v_n⟩) / L of the states above the gap: −W, and 1/L beside it."""
    u, v = f.states(len(positions), states)
    X = diagonal("X", positions)
    return (Tr(X @ u @ u.H) - Tr(X @ v @ v.H)) / len(positions)


@invariants.enter("dipole", "any", 1, "any open sample; occupied states psi", "Resta, 1994")
def dipole(positions: Any, occupied: int) -> Scalar:
    """Tr(X P) / L, the dipole moment of the occupied states, of positions about the centre."""
    psi = f.occupied("psi", len(positions), occupied)
    return Tr(diagonal("X", positions) @ psi @ psi.H) / len(positions)


@invariants.enter("edge-weight", "AIII", 1, CHAIN, "Su, Schrieffer, Heeger, 1979")
def edge_weight(left: Any, right: Any, lowest: Any) -> Scalar:
    """How much of the pairs of lowest energy (a weight a state) is on the left on A, right on B."""
    u, v = f.states(len(left), len(lowest))
    L, R, s = diagonal("left", left), diagonal("right", right), diagonal("lowest", lowest)
    return (Tr(L @ u @ s @ u.H) + Tr(R @ v @ s @ v.H)) / float(2 * np.sum(lowest))


# ------------------------------------------------------------------ lattices


def projector(sites: int, occupied: int) -> f.Expression:
    """P = psi psi†, on the occupied states."""
    psi = f.occupied("psi", sites, occupied)
    return define("P", psi @ psi.H, hermitian=True)


@invariants.enter("chern-kitaev", "A", 2, LATTICE, "Kitaev, arXiv:cond-mat/0506438, appendix C")
def chern_kitaev(A: Any, B: Any, C: Any, occupied: int) -> Scalar:
    """−24π Im Tr(A P B P C P), of three sectors (sites,) counter-clockwise about a point."""
    P = projector(len(A), occupied)
    A, B, C = diagonal("A", A), diagonal("B", B), diagonal("C", C)
    return -24 * np.pi * Im(Tr(A @ P @ B @ P @ C @ P))


@invariants.enter("chern-marker", "A", 2, LATTICE, MARKER)
def chern_marker(x: Any, y: Any, window: Any, area: float, occupied: int) -> Scalar:
    """−4π Im Tr(w P X P Y P) / area of the window, from coordinates and a window (sites,)."""
    P = projector(len(x), occupied)
    X, Y, w = diagonal("X", x), diagonal("Y", y), diagonal("window", window)
    return -4 * np.pi / area * Im(Tr(w @ P @ X @ P @ Y @ P))


@invariants.enter("chern-local", "A", 2, LATTICE, MARKER)
def chern_local(x: Any, y: Any, cell: Any, area: float, occupied: int) -> Scalar:
    """−4π Im [P X P Y P] of every cell, over its area; `cell` numbers the cell of each site."""
    P = projector(len(x), occupied)
    X, Y = diagonal("X", x), diagonal("Y", y)
    return -4 * np.pi / area * Im(local(P @ X @ P @ Y @ P, per=cell))


@invariants.enter("chern-torus", "A", 2, "a torus; occupied states psi", "Prodan, arXiv:1010.0595")
def chern_torus(dx: Any, dy: Any, area: float, occupied: int) -> Scalar:
    """2πi Tr(P [[X, P], [Y, P]]) / area, the commutators by minimal images (sites, sites)."""
    P = projector(len(dx), occupied)
    K = hadamard(f.displacement("dx", dx), P) @ hadamard(f.displacement("dy", dy), P)
    return -4 * np.pi / area * Im(Tr(P @ K))


@invariants.enter(
    "spin-chern", "AII", 2, "any sample with spin; occupied states psi", "Prodan, arXiv:0904.1894"
)
def spin_chern(x: Any, y: Any, window: Any, spin: Any, area: float, occupied: int) -> Scalar:
    """The Chern marker of P₊ = (P + sign P S_z P) / 2, the sign by three Newton-Schulz steps."""
    P, S_z = projector(len(x), occupied), diagonal("S_z", spin)
    S = define("S", P @ S_z @ P, hermitian=True)
    for n in (1, 2, 3):
        S = define(f"S.{n}", 1.5 * S - 0.5 * S @ S @ S, hermitian=True)
    up = define("P+", 0.5 * (P + S), hermitian=True)
    X, Y, w = diagonal("X", x), diagonal("Y", y), diagonal("window", window)
    return -4 * np.pi / area * Im(Tr(w @ up @ X @ up @ Y @ up))


@invariants.enter("winding-3d", "AIII", 3, "an open chiral sample; states u, v", THREE)
def winding_3d(positions: Any, window: Any, volume: float) -> Scalar:
    """(iπ/3) ε_ijk Tr(w U_i U_j U_k) / volume, U_i = q†[X_i, q], of positions (3, sites)."""
    u, v = f.states(len(window))
    w, q = diagonal("window", window), define("q", u @ v.H)
    X = [diagonal(f"X.{i}", x) for i, x in enumerate(positions)]
    U = [define(f"U.{i}", q.H @ commutator(x, q), hermitian=True) for i, x in enumerate(X)]
    total = sum(sign * Tr(w @ U[i] @ U[j] @ U[k]) for sign, (i, j, k) in f.epsilon(3))
    return -np.pi / 3 / volume * Im(total)


@invariants.enter("winding-3d-torus", "AIII", 3, "a chiral torus; states u, v", THREE)
def winding_3d_torus(displacements: Any, volume: float) -> Scalar:
    """(iπ/3) ε_ijk Tr(U_i U_j U_k) / volume, U_i = q†(d_i ∘ q), of minimal images d_i(x, y)."""
    u, v = f.states(len(displacements[0]))
    q = define("q", u @ v.H)
    d = [f.displacement(f"d.{i}", x) for i, x in enumerate(displacements)]
    U = [define(f"U.{i}", q.H @ hadamard(x, q)) for i, x in enumerate(d)]
    total = sum(sign * Tr(U[i] @ U[j] @ U[k]) for sign, (i, j, k) in f.epsilon(3))
    return -np.pi / 3 / volume * Im(total)
