"""Every label that one open chain allows, by what has to be known of it.

    states   the occupied states, or q: what a correlation measurement gives
    block    the energies too, or the hoppings themselves
    ring     the bond that would close the chain

A label with a free number (the window, κ, the threshold of a zero mode) has it chosen on
other chains of the same length and kind, for the closest approach: none is judged at a bad
setting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tnlearn.physics.chains import Chains
from tnlearn.physics.geometry import displacement, window_cells
from tnlearn.physics.invariants import winding
from tnlearn.physics.localizer import KAPPA, localizer_values
from tnlearn.physics.states import States
from tnlearn.physics.structure import bands_of
from tnlearn.studies.approach import closest

__all__ = ["LABELS", "Label", "Opened", "best_option", "integers"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Opened:
    """Open chains with what several labels share, computed when first asked for."""

    def __init__(self, chains: Chains) -> None:
        self.chains = chains.with_boundary("open")

    @cached_property
    def states(self) -> States:
        """All states of the open chain."""
        return self.chains.states()

    @cached_property
    def q(self) -> NDArray[np.inexact]:
        """The flattened block of the open chain, (samples, cells, cells)."""
        return self.states.q()


@dataclass(frozen=True)
class Label:
    """A label.

    Attributes
    ----------
    title : str
    sees : "states" | "block" | "ring"
        See the table of this module.
    words : str
        What it is.
    answer : function of (Opened, option)
        The winding numbers, NaN where there is none.
    options : tuple of float
        What its free number is chosen from; empty if it has none.
    """

    title: str
    sees: str
    words: str
    answer: Callable[[Opened, float], Floats]
    options: tuple[float, ...] = ()


def integers(name: str, opened: Opened, option: float = 0.0) -> Ints:
    """The integers a label gives, with a value no winding has where it gives none."""
    value = np.asarray(LABELS[name].answer(opened, option), dtype=float)
    return np.where(np.isfinite(value), np.round(np.nan_to_num(value)), -99).astype(np.int64)


def best_option(name: str, opened: Opened, truth: Ints, distance: Floats, level: float) -> float:
    """The free number with which a label comes closest to the transition at accuracy `level`.

    Of equal ones that which is right more often.
    """
    options = LABELS[name].options
    if not options:
        return 0.0
    rng = np.random.default_rng(0)
    scores = []
    for option in options:
        right = integers(name, opened, option) == truth
        found = closest(distance, right, level, rng=rng, bootstraps=1).value
        scores.append((found, -float(right.mean())))
    return options[min(range(len(options)), key=lambda k: scores[k])]


def _rswn(opened: Opened, window: float) -> Floats:
    size = opened.chains.cells
    inside = window_cells(size, window)
    weights = displacement(size) * (inside / inside.sum())
    return np.asarray(np.einsum("sxy,xy->s", np.abs(opened.q) ** 2, weights, optimize=True))


def _log_open(opened: Opened, _: float) -> Floats:
    """(1/2πi) Tr log(X_A X_B†) with the states of the open chain: a whole number here, too."""
    q, size = opened.q, opened.chains.cells
    turn = np.exp(2j * np.pi * np.arange(size) / size)
    turned = (turn[:, None] * q * turn.conj()) @ q.conj().swapaxes(1, 2)
    return np.asarray(np.angle(np.linalg.eigvals(turned)).sum(axis=1) / (2 * np.pi))


def _flat_localizer(opened: Opened, strength: float) -> Floats:
    """Half the signature of the localizer of the flattened block, κ = strength / L."""
    q, size = opened.q, opened.chains.cells
    away = strength / size * (np.arange(size) - (size - 1) / 2 - 0.25)
    matrix = np.zeros((len(q), 2 * size, 2 * size), dtype=q.dtype)
    x = np.arange(size)
    matrix[:, x, x], matrix[:, size + x, size + x] = away, -away
    matrix[:, :size, size:], matrix[:, size:, :size] = q, q.conj().swapaxes(1, 2)
    return np.asarray((np.linalg.eigvalsh(matrix) < 0).sum(axis=1) - size, dtype=float)


def _localizer(opened: Opened, strength: float) -> Floats:
    bands = bands_of(opened.chains)
    assert bands is not None
    return localizer_values(bands, gap=False, strength=strength)[0]


def _edges(opened: Opened, threshold: float) -> Floats:
    """Modes with E_n < (threshold / L) E_max, each +1 if u_n sits left of v_n, else −1."""
    found = opened.states
    x = np.arange(opened.chains.cells)
    left_of = ((np.abs(found.v) ** 2 - np.abs(found.u) ** 2) * x).sum(axis=2)
    near_zero = found.energies < threshold / opened.chains.cells * found.energies[:, -1:]
    return np.asarray((np.sign(left_of) * near_zero).sum(axis=1), dtype=float)


def _lyapunov_open(opened: Opened, _: float) -> Floats:
    """The exponents of the bonds that the open chain has, its seam closed by their means."""
    size = opened.chains.cells
    bonds = {}
    for m, t in opened.chains.hoppings.items():
        inside = np.arange(max(0, -m), size - max(0, m))
        modulus = np.abs(t[:, inside])
        source = t[:, inside[np.arange(size) % len(inside)]]
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.exp(np.log(modulus).mean(axis=1, keepdims=True))
            closed = np.where(source == 0, 0, mean * source / np.abs(source))
        closed[:, inside] = t[:, inside]
        bonds[m] = closed
    return winding(Chains(size, bonds, "periodic"), "lyapunov", gap=False).value


def _ring(method: str) -> Callable[[Opened, float], Floats]:
    def answer(opened: Opened, _: float) -> Floats:
        ring = opened.chains.with_boundary("periodic")
        return winding(ring, method, gap=False).value

    return answer


LABELS: dict[str, Label] = {
    "rswn": Label(
        "RSWN, half window",
        "states",
        "real-space winding number traced over the middle half, rounded",
        lambda opened, _: _rswn(opened, 0.5),
    ),
    "rswn-best": Label(
        "RSWN, best window",
        "states",
        "the same over the share of the cells that comes closest",
        _rswn,
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    ),
    "log-open": Label(
        "log form",
        "states",
        "(1/2πi) Tr log(X_A X_B†) of the open chain's states",
        _log_open,
    ),
    "localizer-flat": Label(
        "localizer of q, best κ",
        "states",
        "half the signature of the spectral localizer of the flattened block",
        _flat_localizer,
        (4.0, 8.0, 16.0, 32.0, 64.0),
    ),
    "edges": Label(
        "zero modes, best threshold",
        "block",
        "modes nearer to zero energy than a threshold c E_max / L, signed by the end they sit at",
        _edges,
        (0.015625, 0.03125, 0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0),
    ),
    "localizer": Label(
        "localizer, usual κ",
        "block",
        "half the signature of the spectral localizer, κ in units of ‖h‖/L as in tnl.winding",
        _localizer,
        (KAPPA,),
    ),
    "localizer-best": Label(
        "localizer, best κ",
        "block",
        "the same at the κ that comes closest",
        _localizer,
        (0.0078125, 0.015625, 0.03125, 0.0625, 0.125, 0.25, 0.5, 1.0, 2.0),
    ),
    "lyapunov": Label(
        "Lyapunov, from the block",
        "block",
        "growing exponents of the transfer matrix, the missing bonds filled in; of a clean "
        "chain the hoppings tell the truth and this is it",
        _lyapunov_open,
    ),
    "rswn-ring": Label(
        "RSWN of the ring",
        "ring",
        "real-space winding number of the chain closed into a ring, rounded",
        lambda opened, _: winding(opened.chains, "rswn", boundary="periodic").value,
    ),
    "log-ring": Label(
        "log form of the ring",
        "ring",
        "(1/2πi) Tr log(X_A X_B†) of the chain closed into a ring",
        _ring("log"),
    ),
    "lyapunov-ring": Label(
        "Lyapunov, own integer",
        "ring",
        "the integer of the sample itself, closed by its own bonds (twist gives the same)",
        _ring("lyapunov"),
    ),
    "twist": Label(
        "twist",
        "ring",
        "winding of det h under a flux",
        _ring("twist"),
    ),
}
