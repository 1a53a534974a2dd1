"""Chains near a transition whose winding number is known, and every label that they allow.

A label is grouped by what has to be known of the open chain:

    states   the occupied states, or q: what a correlation measurement gives
    block    the energies too, or the hoppings themselves
    ring     the bond that would close the chain

A label with a free number (the window, κ, the threshold of a zero mode) has it chosen on other
chains of the same length and kind, for the closest approach: none is judged at a bad setting.

The truth of a disordered sample is that of the same sample continued: its first L cells decide
nothing of an infinitely long chain, so it is the phase of the infinite chain with these hoppings
and strengths, and the distance is the smallest of its Lyapunov exponents.  The integer of the
sample itself would be circular: it is one of the labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.analysis.approach import closest
from tnlearn.data.near import NearChains, near_chains
from tnlearn.data.sampling import derived_seed
from tnlearn.physics.blocks import displacement, window_cells
from tnlearn.physics.chains import Chains, chain
from tnlearn.physics.exponents import Phase, phase_of
from tnlearn.physics.localizer import KAPPA, localizer_values
from tnlearn.physics.states import States
from tnlearn.physics.winding import winding

__all__ = [
    "LABELS",
    "NEAREST_PHASE",
    "SEES",
    "KnownChains",
    "Label",
    "best_option",
    "condition",
    "integers",
    "known_chains",
]

Array = NDArray[Any]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# The phase of a disordered chain is known to ± 0.01 from this many cells; nearer than this it is
# not told apart.
_PHASE_CELLS = 16_000
NEAREST_PHASE = 0.03
_NONE = -99  # the integer of a label that gives none
SEES = {
    "states": "the states only",
    "block": "hoppings or energies",
    "ring": "the closed ring",
}


@dataclass(frozen=True, eq=False)
class KnownChains:
    """Open chains whose winding number is known, and what several labels share of them.

    Attributes
    ----------
    chains : Chains
        Open.
    truth : (samples,) int64 array
        Winding number of the infinite chain.
    distance : (samples,) float array
        From the transition, in 1/cells.
    crossing : (samples,) int64 array
        Zeros that cross at the transition: 1, or 2 for a complex pair; 0 where not known.
    """

    chains: Chains
    truth: Ints
    distance: Floats
    crossing: Ints

    def __len__(self) -> int:
        return len(self.truth)

    @classmethod
    def near(cls, near: NearChains) -> KnownChains:
        """Clean chains that were put next to their transitions."""
        zeros = np.array([b - a for a, b in near.transitions])
        return cls(near.chains, near.windings, near.distance, zeros[near.transition])

    @cached_property
    def states(self) -> States:
        """All states of the open chain."""
        return self.chains.states()

    @cached_property
    def q(self) -> Array:
        """The flattened block of the open chain, (samples, cells, cells)."""
        return self.states.q()


def condition(disorder: float) -> str:
    """``"clean"``, or ``"disorder-W"``."""
    return f"disorder-{disorder:g}" if disorder else "clean"


def known_chains(
    cells: int, samples: int, disorder: float, reach: tuple[float, float, float], seed: int
) -> KnownChains:
    """Chains of `cells` cells next to their transitions, clean or at a strength of disorder.

    Parameters
    ----------
    reach : (low, high, farthest)
        Clean chains: L δ is log-uniform on [low, high), as far as δ <= farthest.  Disordered: the
        clean distance is log-uniform on [0.02, farthest), the same chains at every length, of
        which those are kept whose phase is settled and at least 0.03 away.
    """
    low, high, farthest = reach
    if not disorder:
        span = (low / cells, min(high / cells, farthest))
        return KnownChains.near(
            near_chains(cells, samples, span, derived_seed(seed, "marker", cells) >> 10)
        )
    drawn, phase = _phases(samples, disorder, farthest, seed)
    kept = np.flatnonzero(phase.settled & (phase.distance >= NEAREST_PHASE))
    amplitudes = {m: t[kept, 0] for m, t in drawn.chains.hoppings.items()}
    chains = chain(
        cells,
        amplitudes,
        disorder=dict.fromkeys(amplitudes, disorder),
        seed=derived_seed(seed, f"marker/disorder-{disorder:g}", cells),
    )
    unknown = np.zeros(len(kept), dtype=np.int64)
    return KnownChains(chains, phase.integer[kept], phase.distance[kept], unknown)


@lru_cache(maxsize=8)
def _phases(samples: int, disorder: float, farthest: float, seed: int) -> tuple[NearChains, Phase]:
    """Hoppings and their phases at a strength of disorder, the same for every length."""
    key = f"marker/phase-{disorder:g}"
    drawn = near_chains(1, samples, (0.02, farthest), derived_seed(seed, key) >> 10)
    amplitudes = {m: t[:, 0] for m, t in drawn.chains.hoppings.items()}
    strengths = dict.fromkeys(amplitudes, disorder)
    return drawn, phase_of(
        amplitudes, strengths, cells=_PHASE_CELLS, seed=derived_seed(seed, f"{key}/cells")
    )


@dataclass(frozen=True)
class Label:
    """A label of open chains: its title, what it sees (of `SEES`), what it is, and how it answers.

    ``answer(chains, option)`` gives the winding numbers, NaN where there is none; its free number
    is chosen from `options`, which are empty if it has none.
    """

    title: str
    sees: str
    words: str
    answer: Callable[[KnownChains, float], Floats]
    options: tuple[float, ...] = ()


def integers(name: str, chains: KnownChains, option: float = 0.0) -> Ints:
    """The integers that a label gives, with a value that no winding has where it gives none."""
    value = np.asarray(LABELS[name].answer(chains, option), dtype=float)
    return np.where(np.isfinite(value), np.round(np.nan_to_num(value)), _NONE).astype(np.int64)


def best_option(name: str, chains: KnownChains, level: float) -> float:
    """The free number with which a label comes closest to the transition at accuracy `level`.

    Of equal ones that which is right more often.
    """
    options = LABELS[name].options
    if not options:
        return 0.0
    scores, rng = [], np.random.default_rng(0)
    for option in options:
        right = integers(name, chains, option) == chains.truth
        approach = closest(chains.distance, right, level, rng=rng, bootstraps=1)["value"]
        scores.append((approach, -float(right.mean())))
    return options[min(range(len(options)), key=lambda k: scores[k])]


def _rswn(chains: KnownChains, window: float) -> Floats:
    size = chains.chains.cells
    inside = window_cells(size, window)
    weights = displacement(size) * (inside / inside.sum())
    return np.asarray(np.einsum("sxy,xy->s", np.abs(chains.q) ** 2, weights, optimize=True))


def _log_open(chains: KnownChains, _: float) -> Floats:
    """(1/2πi) Tr log(X_A X_B†) with the states of the open chain: a whole number here, too."""
    q, size = chains.q, chains.chains.cells
    turn = np.exp(2j * np.pi * np.arange(size) / size)
    turned = (turn[:, None] * q * turn.conj()) @ q.conj().swapaxes(1, 2)
    return np.asarray(np.angle(np.linalg.eigvals(turned)).sum(axis=1) / (2 * np.pi))


def _flat_localizer(chains: KnownChains, strength: float) -> Floats:
    """Half the signature of the localizer of the flattened block, κ = strength / L."""
    q, size = chains.q, chains.chains.cells
    away = strength / size * (np.arange(size) - (size - 1) / 2 - 0.25)
    matrix = np.zeros((len(q), 2 * size, 2 * size), dtype=q.dtype)
    x = np.arange(size)
    matrix[:, x, x], matrix[:, size + x, size + x] = away, -away
    matrix[:, :size, size:], matrix[:, size:, :size] = q, q.conj().swapaxes(1, 2)
    return np.asarray((np.linalg.eigvalsh(matrix) < 0).sum(axis=1) - size, dtype=float)


def _localizer(chains: KnownChains, strength: float) -> Floats:
    return localizer_values(chains.chains.bands(), gap=False, strength=strength)[0]


def _edges(chains: KnownChains, threshold: float) -> Floats:
    """Modes with E_n < (threshold / L) E_max, each +1 if u_n sits left of v_n, else −1."""
    states, size = chains.states, chains.chains.cells
    left_of = ((np.abs(states.v) ** 2 - np.abs(states.u) ** 2) * np.arange(size)).sum(axis=2)
    near_zero = states.energies < threshold / size * states.energies[:, -1:]
    return np.asarray((np.sign(left_of) * near_zero).sum(axis=1), dtype=float)


def _lyapunov_open(chains: KnownChains, _: float) -> Floats:
    """The exponents of the bonds that the open chain has, its seam closed by their means."""
    size = chains.chains.cells
    bonds = {}
    for m, t in chains.chains.hoppings.items():
        inside = np.arange(max(0, -m), size - max(0, m))
        modulus = np.abs(t[:, inside])
        source = t[:, inside[np.arange(size) % len(inside)]]
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.exp(np.log(modulus).mean(axis=1, keepdims=True))
            closed = np.where(source == 0, 0, mean * source / np.abs(source))
        closed[:, inside] = t[:, inside]
        bonds[m] = closed
    return winding(Chains(size, bonds, "periodic"), "lyapunov", gap=False).value


def _ring(method: str) -> Callable[[KnownChains, float], Floats]:
    def answer(chains: KnownChains, _: float) -> Floats:
        return winding(chains.chains.with_boundary("periodic"), method, gap=False).value

    return answer


# fmt: off
LABELS: dict[str, Label] = {
    "rswn": Label(
        "RSWN, half window", "states",
        "real-space winding number traced over the middle half, rounded",
        lambda chains, _: _rswn(chains, 0.5)),
    "rswn-best": Label(
        "RSWN, best window", "states",
        "the same over the share of the cells that comes closest",
        _rswn, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)),
    "log-open": Label(
        "log form", "states",
        "(1/2πi) Tr log(X_A X_B†) of the open chain's states",
        _log_open),
    "localizer-flat": Label(
        "localizer of q, best κ", "states",
        "half the signature of the spectral localizer of the flattened block",
        _flat_localizer, (4.0, 8.0, 16.0, 32.0, 64.0)),
    "edges": Label(
        "zero modes, best threshold", "block",
        "modes nearer to zero energy than a threshold c E_max / L, signed by the end they sit at",
        _edges, (0.015625, 0.03125, 0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0)),
    "localizer": Label(
        "localizer, usual κ", "block",
        "half the signature of the spectral localizer, κ in units of ‖h‖/L as in tnl.winding",
        _localizer, (KAPPA,)),
    "localizer-best": Label(
        "localizer, best κ", "block",
        "the same at the κ that comes closest",
        _localizer, (0.0078125, 0.015625, 0.03125, 0.0625, 0.125, 0.25, 0.5, 1.0, 2.0)),
    "lyapunov": Label(
        "Lyapunov, from the block", "block",
        "growing exponents of the transfer matrix, the missing bonds filled in; of a clean chain "
        "the hoppings tell the truth and this is it",
        _lyapunov_open),
    "rswn-ring": Label(
        "RSWN of the ring", "ring",
        "real-space winding number of the chain closed into a ring, rounded",
        _ring("rswn")),
    "log-ring": Label(
        "log form of the ring", "ring",
        "(1/2πi) Tr log(X_A X_B†) of the chain closed into a ring",
        _ring("log")),
    "lyapunov-ring": Label(
        "Lyapunov, own integer", "ring",
        "the integer of the sample itself, closed by its own bonds (twist gives the same)",
        _ring("lyapunov")),
    "twist": Label("twist", "ring", "winding of det h under a flux", _ring("twist")),
}
# fmt: on
