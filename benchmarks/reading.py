"""Matrices of every kind against independent oracles: how many are right, flagged, refused, wrong.

    python benchmarks/reading.py [rounds] [seed]

A round is one input of each kind of the table `KINDS`, given to `tnl.winding` by a method drawn at
random.  The oracle is plain numpy: the turns of det h(φ) of the chain that the input was made
from, or the zeros that it was made with; None where no integer may be called reliable.  Of each
kind the table shows the inputs tried; reliable wrong integers; exceptions and warnings that are
not the package's; calls that took ten seconds of the processor; those flagged and refused; and of
the clear ones (clean, gapped, 20 cells, in an order that can be read; not by momentum, which
refuses several orbitals) how many are answered.
"""

from __future__ import annotations

import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import scipy.sparse as sp

import tnlearn as tnl
from tnlearn.errors import TnlearnError

Rng = np.random.Generator
METHODS = ("rswn", "lyapunov", "twist", "log", "momentum", "localizer")
COLUMNS = ("tried", "wrong", "foreign", "hangs", "flagged", "refused", "clear", "answered")
# A model is clear if the gap of its bulk is above this share of its band width.
GAP = 0.2
CLEAR = 20
# Seconds after which a call is said to hang.
LIMIT = 10


@dataclass
class Case:
    """What is given, the integer it has (None: no answer may be reliable), whether it is clear."""

    given: Any
    truth: int | None
    clear: bool = False
    method: str | None = None
    words: tuple[tuple[str, Any], ...] = ()


def powers(T: dict[int, Any]) -> dict[int, Any]:
    """h of the ring at flux φ is Σ_p e^{ipφ} h_p: the h_p, of which the open chain has h_0 only."""
    cells, d, _ = next(iter(T.values())).shape
    y = np.arange(cells)
    parts: dict[int, Any] = {}
    for m, t in T.items():
        for p in np.unique((y + m) // cells).tolist():
            part = parts.setdefault(p, np.zeros((cells, d, cells, d), np.result_type(*T.values())))
            here = y[(y + m) // cells == p]
            part[(here + m) % cells, :, here] += t[here]
    return {p: part.reshape(cells * d, cells * d) for p, part in parts.items()}


def block(T: dict[int, Any], closed: bool) -> Any:
    """h of hopping matrices T_m(y) (cells, orbitals, orbitals) from cell y to cell y + m."""
    parts = powers(T)
    return sum(parts.values()) if closed else parts[0]


def at_fluxes(T: dict[int, Any], flux: Any) -> Any:
    """h(φ) of the ring at some fluxes."""
    parts = powers(T)
    return sum(np.exp(1j * p * flux)[:, None, None] * part for p, part in parts.items())


def turns(T: dict[int, Any]) -> int | None:
    """Times that det h(φ) of the ring goes round zero; None where 2,048 fluxes do not show it."""
    for points in (32, 256, 2048):
        flux = 2 * np.pi * (np.arange(points) + 0.5) / points
        sign, _ = np.linalg.slogdet(at_fluxes(T, flux))
        if not np.all(sign):
            return None
        steps = np.angle(np.roll(sign, -1) / sign)
        if np.abs(steps).max() < 1.0:
            return round(steps.sum() / (2 * np.pi))
    return None


def drawn(rng: Rng, orbitals: int, cells: int = 1) -> dict[int, Any]:
    """Random hopping matrices, real or complex, the same in all cells."""
    low, high = int(rng.integers(-1, 1)), int(rng.integers(1, 3 if orbitals == 1 else 2))
    shape = (1, orbitals, orbitals)
    T = {m: rng.uniform(-1, 1, shape) for m in range(low, high + 1)}
    if rng.random() < 0.3:
        T = {m: t + 1j * rng.uniform(-1, 1, shape) for m, t in T.items()}
    return {m: np.repeat(t, cells, axis=0) for m, t in T.items()}


def clean(rng: Rng, orbitals: int) -> tuple[dict[int, Any], int]:
    """Hopping matrices of one cell with a clear gap, and their winding number: one of 1,000."""
    return _clean(orbitals, int(rng.integers(1000)))


@cache
def _clean(orbitals: int, number: int) -> tuple[dict[int, Any], int]:
    rng = np.random.default_rng([orbitals, number])
    while True:
        T = drawn(rng, orbitals)
        for points in (16, 400):
            flux = 2 * np.pi * np.arange(points) / points
            bands = np.linalg.svd(at_fluxes(T, flux), compute_uv=False)
            if bands.min() < GAP * bands.max():
                break
        else:
            winding = turns(T)
            if winding is not None:
                return T, winding


def lengthened(T: dict[int, Any], cells: int) -> dict[int, Any]:
    """The same model with so many cells."""
    return {m: np.repeat(t[:1], cells, axis=0) for m, t in T.items()}


def hamiltonian(h: Any, orbitals: int, order: str) -> Any:
    """H in the order A B A B, A…A B…B, cell by cell, or orbital by orbital."""
    n = len(h)
    full = np.block([[np.zeros_like(h), h], [h.conj().T, np.zeros_like(h)]])
    index = np.arange(2 * n)
    if order == "site":
        index = index.reshape(2, n).T.ravel()
    elif order == "cell":
        index = index.reshape(2, n // orbitals, orbitals).swapaxes(0, 1).ravel()
    elif order == "orbital":
        index = index.reshape(2, n // orbitals, orbitals).transpose(2, 1, 0).ravel()
    return full[np.ix_(index, index)]


# A form makes of (h, orbitals, rng) what is given, and says whether an answer is expected; None
# for the latter: no answer may be reliable.
Form = Callable[[Any, int, Rng], tuple[Any, bool | None]]


def _ordered(order: str) -> Form:
    # Orbitals that nothing joins are pieces whose relative sign is not in H.
    return lambda h, d, rng: (hamiltonian(h, d, order), order != "orbital")


def _site(change: Callable[[Any, Rng], Any], expected: bool | None = True) -> Form:
    return lambda h, d, rng: (change(hamiltonian(h, d, "site"), rng), expected)


def _permuted(matrix: Any, rng: Rng) -> Any:
    order = rng.permutation(len(matrix))
    return matrix[np.ix_(order, order)]


def _exchanged(matrix: Any, rng: Rng) -> Any:
    # (The first orbital stays: it says which sublattice is A.)
    order = np.arange(len(matrix))
    pair = 1 + rng.choice(len(matrix) - 1, 2, replace=False)
    order[pair] = order[pair[::-1]]
    return matrix[np.ix_(order, order)]


def _noisy(size: float, where: str) -> Form:
    def form(h: Any, d: int, rng: Rng) -> tuple[Any, bool]:
        scale = size * np.abs(h).max()
        if where == "asymmetric":
            H = hamiltonian(h, d, "site")
            return H + scale * rng.uniform(-1, 1, H.shape) * (H != 0), size < 1e-8
        noise = scale * rng.uniform(-1, 1, h.shape)
        if where == "bonds":
            return hamiltonian(h + noise * (h != 0), d, "site"), True
        return h + noise, size < 1e-8

    return form


FORMS: dict[str, Form] = {
    "block": lambda h, d, rng: (h, True),
    "block, sparse": lambda h, d, rng: (sp.coo_array(h), True),
    **{order: _ordered(order) for order in ("site", "sublattice", "cell", "orbital")},
    "sparse": _site(lambda H, rng: sp.csr_array(H)),
    "single precision": _site(lambda H, rng: H.astype(np.complex64)),
    "scaled": _site(lambda H, rng: H * 2.0 ** int(rng.integers(-900, 900))),
    "permuted": _site(_permuted, False),
    "two exchanged": _site(_exchanged, False),
    "reversed": _site(lambda H, rng: H[::-1, ::-1]),
    **{
        f"{where} by {size:g}": _noisy(size, where)
        for size in (1e-12, 1e-9, 1e-7, 1e-5, 1e-3, 1e-2)
        for where in ("bonds", "asymmetric", "full")
    },
    "one site less": _site(lambda H, rng: H[:-1, :-1], None),
    "one site less, sparse": _site(lambda H, rng: sp.csr_array(H[1:, 1:]), None),
}


def _in_form(form: Form) -> Callable[[Rng], Case]:
    """A clean gapped chain, open or closed, in one of the forms."""

    def case(rng: Rng) -> Case:
        orbitals = int(rng.choice([1, 1, 2, 3]))
        T, winding = clean(rng, orbitals)
        cells = CLEAR if rng.random() < 0.5 else int(rng.integers(3, 40))
        h = block(lengthened(T, cells), bool(rng.random() < 0.5))
        given, expected = form(h, orbitals, rng)
        return Case(given, None if expected is None else winding, bool(expected) and cells == CLEAR)

    return case


def chains_(rng: Rng) -> Case:
    """Clean gapped `Chains`: every method but the real-space number has to be right."""
    T, winding = clean(rng, 1)
    boundary = str(rng.choice(["open", "periodic"]))
    hoppings = {m: t[0, 0, 0] for m, t in T.items()}
    method = str(rng.choice(METHODS[1:-1]))
    return Case(tnl.chain(CLEAR, hoppings, boundary=boundary), winding, True, method)


def _disordered(rng: Rng, orbitals: int, strong: float = 2.0) -> tuple[dict[int, Any], int]:
    while True:
        cells = int(rng.integers(4, 25))
        T = drawn(rng, orbitals, cells)
        strength = rng.uniform(0, strong)
        T = {m: t + strength * rng.uniform(-1, 1, t.shape) for m, t in T.items()}
        winding = turns(T)
        if winding is not None:
            return T, winding


def disordered_chains(rng: Rng) -> Case:
    """Disordered `Chains`: the integers of their rings."""
    T, winding = _disordered(rng, 1)
    chains = tnl.chain(len(T[0]), {m: t[None, :, 0, 0] for m, t in T.items()})
    return Case(chains, winding, method=str(rng.choice(["lyapunov", "twist", "log"])))


def _raw(orbitals: int, closed: bool) -> Callable[[Rng], Case]:
    def case(rng: Rng) -> Case:
        T, winding = _disordered(rng, orbitals)
        h = block(T, closed)
        return Case(h if rng.random() < 0.5 else hamiltonian(h, orbitals, "site"), winding)

    return case


def _from_zeros(radii: Callable[[Rng, int], Any], truth: bool) -> Callable[[Rng], Case]:
    """A clean chain made from the zeros of h(z); where `truth` is false one is on the circle."""

    def case(rng: Rng) -> Case:
        count = int(rng.integers(1, 4))
        angle = rng.choice([0, np.pi, 2 * np.pi / 3, 1.0], count)
        radius = radii(rng, count)
        coefficients = np.poly(radius * np.exp(1j * angle))[::-1]
        low = int(rng.integers(-2, 1))
        hoppings = {low + k: c for k, c in enumerate(coefficients)}
        cells, boundary = int(rng.integers(10, 40)), str(rng.choice(["open", "periodic"]))
        chains = tnl.chain(cells, hoppings, boundary=boundary)
        winding = low + int((radius < 1).sum()) if truth else None
        raw = rng.random() < 0.5 or boundary == "open"
        given = chains.block()[0] if raw else chains
        return Case(given, winding, method=str(rng.choice(METHODS[1:-1])))

    return case


def _on_circle(rng: Rng, count: int) -> Any:
    radius = rng.uniform(0.3, 2, count)
    radius[rng.integers(count)] = 1.0
    return radius


def _near_circle(rng: Rng, count: int) -> Any:
    return np.exp(rng.choice([-1, 1], count) * 10.0 ** rng.uniform(-10, -1, count))


def _multiple(rng: Rng, count: int) -> Any:
    return np.full(count, np.exp(rng.choice([-1, 1]) * 10.0 ** rng.uniform(-4, 0)))


def symmetric_ring(rng: Rng) -> Case:
    """h = hᵀ on an odd ring: zeros z and 1/z; W = 0, and none where they are on the circle."""
    a, b = rng.uniform(0.1, 2, 2)
    cells = 2 * int(rng.integers(3, 20)) + 1
    h = tnl.chain(cells, {-1: a, 0: b, 1: a}, boundary="periodic").block()[0]
    if abs(b - 2 * a) < 1e-6:
        return Case(h, None)
    return Case(h, 0 if b > 2 * a else None, words=(("kind", "block"),))


def wall(rng: Rng, orbitals: int = 0, cells: int = 0) -> Case:
    """Two phases one after the other: the chain has no winding number."""
    orbitals = orbitals or int(rng.choice([1, 1, 2]))
    while True:
        (left, one), (right, other) = clean(rng, orbitals), clean(rng, orbitals)
        if one != other:
            break
    closed = not cells and bool(rng.random() < 0.3)
    cells = cells or int(rng.integers(10, 25))
    zero = np.zeros((cells, orbitals, orbitals))
    T = {}
    for m in {*left, *right}:
        parts = [np.repeat(S[m], cells, axis=0) if m in S else zero for S in (left, right)]
        T[m] = np.concatenate(parts)
    h = block(T, closed)
    return Case(h if rng.random() < 0.5 else hamiltonian(h, orbitals, "site"), None)


def sheet(rng: Rng) -> Case:
    """A lattice of two dimensions, with hoppings that differ by direction."""
    a, b = rng.integers(4, 9, 2)
    x = np.diag(rng.uniform(0.5, 1.5, a - 1), 1)
    y = np.diag(rng.uniform(0.5, 1.5, b - 1), 1)
    if rng.random() < 0.3:
        x[0, -1], y[0, -1] = rng.uniform(0.5, 1.5, 2)
    H = np.kron(x + x.T, np.eye(b)) + np.kron(np.eye(a), y + y.T)
    return Case(sp.csr_array(H) if rng.random() < 0.5 else H, None)


def full_matrix(rng: Rng) -> Case:
    """Random numbers: Hermitian, symmetric or neither, no chain at all."""
    n = int(rng.integers(5, 30))
    M = rng.standard_normal((n, n))
    if rng.random() < 0.5:
        M = M + M.T
    if rng.random() < 0.3:
        M = M + 1j * rng.standard_normal((n, n))
    return Case(M, None)


def wide_scales(rng: Rng) -> Case:
    """Nearest-neighbour rings whose bonds differ by hundreds of orders of magnitude."""
    cells, width = int(rng.integers(5, 60)), rng.uniform(1, 290)
    logs = rng.uniform(-width, width, (2, 1, cells))
    total = logs.sum(axis=2)[:, 0]
    chains = tnl.chain(cells, dict(enumerate(10.0**logs)), boundary="periodic")
    winding = int(total[1] > total[0]) if abs(total[1] - total[0]) > 1e-6 else None
    given = chains if rng.random() < 0.5 else chains.block()[0]
    return Case(given, winding, method=str(rng.choice(["lyapunov", "twist", "log"])))


def batch(rng: Rng) -> Case:
    """A good sample beside a wall, or beside no chain at all: judged by itself, or refused."""
    T, winding = clean(rng, 1)
    good = block(lengthened(T, CLEAR), False)
    bad = wall(rng, 1, CLEAR // 2).given if rng.random() < 0.7 else rng.standard_normal(good.shape)
    bad = hamiltonian(bad, 1, "site") if len(bad) == CLEAR else bad
    return Case(np.array([hamiltonian(good, 1, "site"), bad]), winding)


KINDS: dict[str, Callable[[Rng], Case]] = {
    **{name: _in_form(form) for name, form in FORMS.items()},
    "chains": chains_,
    "disordered chains": disordered_chains,
    **{
        f"disordered {'ring' if closed else 'block'}, {d} orbital(s)": _raw(d, closed)
        for d in (1, 2, 3)
        for closed in (False, True)
    },
    "zeros on the circle": _from_zeros(_on_circle, False),
    "zeros near the circle": _from_zeros(_near_circle, True),
    "multiple zeros": _from_zeros(_multiple, True),
    "symmetric odd ring": symmetric_ring,
    "domain wall": wall,
    "two dimensions": sheet,
    "random matrix": full_matrix,
    "wide scales": wide_scales,
    "batch": batch,
}


class _Hang(BaseException):
    pass


def asked(case: Case, method: str) -> tuple[str, int]:
    """ "reliable", "flagged", "refused", "hangs" or "foreign", and the integer of sample 0."""

    def stop(*_: Any) -> None:
        raise _Hang

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = tnl.winding(case.given, method, **dict(case.words))
        except TnlearnError:
            return "refused", 0
        except _Hang:
            return "hangs", 0
        except Exception as error:
            print(f"  {method}: {type(error).__name__}: {error}", file=sys.stderr)
            return "foreign", 0
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return ("reliable" if result.reliable[0] else "flagged"), int(result.integer[0])


def one(kind: str, seed: int, number: int) -> tuple[Case, str]:
    """Input `number` of a kind, and the method that it is given to."""
    rng = np.random.default_rng([seed, number, *kind.encode()])
    case = KINDS[kind](rng)
    return case, case.method or str(rng.choice(METHODS))


def counts(rounds: int, seed: int) -> dict[str, dict[str, int]]:
    """Of each kind how many of `COLUMNS`."""
    table = {kind: dict.fromkeys(COLUMNS, 0) for kind in KINDS}
    for kind, number in _inputs(rounds):
        case, method = one(kind, seed, number)
        how, integer = asked(case, method)
        row = table[kind]
        row["tried"] += 1
        wrong = how == "reliable" and integer != case.truth
        row["wrong"] += wrong
        for word in ("foreign", "hangs", "flagged", "refused"):
            row[word] += how == word
        if case.clear and method != "momentum":
            row["clear"] += 1
            row["answered"] += how == "reliable"
        if wrong or how in ("foreign", "hangs"):
            place = f'one("{kind}", {seed}, {number}) by {method}'
            print(f"{place}: {how} {integer}, truth {case.truth}", file=sys.stderr)
    return table


def _inputs(rounds: int) -> Iterator[tuple[str, int]]:
    return ((kind, number) for number in range(rounds) for kind in KINDS)


def main() -> None:
    """Print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    start = time.perf_counter()
    table = counts(rounds, seed)
    print(f"{'':30s}" + "".join(f"{name:>10s}" for name in COLUMNS))
    total = {name: sum(row[name] for row in table.values()) for name in COLUMNS}
    for kind, row in {**table, "all": total}.items():
        print(f"{kind:30s}" + "".join(f"{row[name]:10d}" for name in COLUMNS))
    missing = 1 - total["answered"] / max(1, total["clear"])
    print(f"clear ones flagged or refused: {missing:.2%}; {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
