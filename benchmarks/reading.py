"""Random chains given in every way a matrix may come: how many are read, refused, or wrong.

    python benchmarks/reading.py [samples] [seed]

The oracle is the winding of det h(k) of the model, by plain numpy on 4,000 points.  For each way
of giving a chain: matrices tried (by every method), reliable wrong integers, exceptions and
warnings that are not the package's, and of the clear ones (clean, gapped, 20 cells and in an
order that can be read) how many are answered reliably.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

import tnlearn as tnl
from tnlearn.errors import TnlearnError

METHODS = ("rswn", "lyapunov", "twist", "log", "momentum", "localizer")
POINTS = 4000
# A model is clear if the gap of its bulk is above this share of its band width.
GAP = 0.2


def model(rng: np.random.Generator) -> tuple[dict[int, Any], int]:
    """Hopping matrices T_m of a model with a clear gap, and its winding number."""
    k = 2 * np.pi * np.arange(POINTS) / POINTS
    while True:
        orbitals = int(rng.choice([1, 1, 2, 3]))
        low = int(rng.integers(-1, 1))
        high = int(rng.integers(1, 3 if orbitals == 1 else 2))
        T = {m: rng.uniform(-1, 1, (orbitals, orbitals)) for m in range(low, high + 1)}
        if rng.random() < 0.3:
            T = {m: t + 1j * rng.uniform(-1, 1, t.shape) for m, t in T.items()}
        h = sum(np.exp(1j * m * k)[:, None, None] * t for m, t in T.items())
        bands = np.linalg.svd(h, compute_uv=False)
        if bands.min() > GAP * bands.max():
            det = np.linalg.det(h)
            turns = np.angle(np.roll(det, -1) / det).sum() / (2 * np.pi)
            return T, round(turns)


def block(T: dict[int, Any], cells: int, closed: bool) -> Any:
    """h[x + m, y] = T_m of so many cells."""
    place = (
        (lambda m: np.roll(np.eye(cells), m, axis=0)) if closed else (lambda m: np.eye(cells, k=-m))
    )
    return sum(np.kron(place(m), t) for m, t in T.items())


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


def ways(h: Any, orbitals: int, rng: np.random.Generator) -> Iterator[tuple[str, Any, Any]]:
    """(name, matrix, whether an answer is expected: None if any answer is wrong)."""
    yield "block", h, True
    yield "block, sparse", sp.coo_array(h), True
    for order in ("site", "sublattice", "cell", "orbital"):
        full = hamiltonian(h, orbitals, order)
        # Orbitals that nothing joins are pieces whose relative sign is not in H.
        yield order, full, order != "orbital"
    site = hamiltonian(h, orbitals, "site")
    yield "sparse", sp.csr_array(site), True
    yield "single precision", site.astype(np.complex64), True
    yield "scaled", site * 2.0 ** int(rng.integers(-900, 900)), True
    shuffled = rng.permutation(len(site))
    yield "permuted", site[np.ix_(shuffled, shuffled)], False
    yield "reversed", site[::-1, ::-1], True
    for noise in (1e-12, 1e-9, 1e-7, 1e-5, 1e-3, 1e-2):
        size = noise * np.abs(h).max()
        bonds = h + size * (h != 0) * rng.uniform(-1, 1, h.shape)
        yield f"bonds off by {noise:g}", hamiltonian(bonds, orbitals, "site"), True
        rough = site + size * rng.uniform(-1, 1, site.shape) * (site != 0)
        yield f"asymmetric by {noise:g}", rough, noise < 1e-8
        dense = h + size * rng.uniform(-1, 1, h.shape)
        yield f"full noise of {noise:g}", dense, noise < 1e-8
    yield "one site less", site[:-1, :-1], None
    yield "one site less, sparse", sp.csr_array(site[1:, 1:]), None


def asked(matrix: Any, method: str) -> tuple[str, int]:
    """ "reliable", "flagged", "refused" or "foreign", and the integer."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = tnl.winding(matrix, method)
        except TnlearnError:
            return "refused", 0
        except Exception as error:
            print(f"  {method}: {type(error).__name__}: {error}", file=sys.stderr)
            return "foreign", 0
    return ("reliable" if result.reliable[0] else "flagged"), int(result.integer[0])


def counts(samples: int, seed: int) -> dict[str, dict[str, int]]:
    """Of each way: tried, wrong, foreign, flagged, refused, clear, and of those answered."""
    rng = np.random.default_rng(seed)
    table: dict[str, dict[str, int]] = {}
    names = ("tried", "wrong", "foreign", "flagged", "refused", "clear", "answered")
    for _ in range(samples):
        T, winding = model(rng)
        cells = 20 if rng.random() < 0.5 else int(rng.integers(3, 40))
        closed = bool(rng.random() < 0.5)
        orbitals = len(T[0])
        for name, matrix, expected in ways(block(T, cells, closed), orbitals, rng):
            row = table.setdefault(name, dict.fromkeys(names, 0))
            method = str(rng.choice(METHODS))
            how, integer = asked(matrix, method)
            row["tried"] += 1
            row["wrong"] += how == "reliable" and (expected is None or integer != winding)
            for word in ("foreign", "flagged", "refused"):
                row[word] += how == word
            if expected and cells == 20 and method in ("lyapunov", "twist"):
                row["clear"] += 1
                row["answered"] += how == "reliable"
    return table


def main() -> None:
    """Print the table."""
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    start = time.perf_counter()
    table = counts(samples, seed)
    names = list(next(iter(table.values())))
    print(f"{'':24s}" + "".join(f"{name:>10s}" for name in names))
    for way, row in table.items():
        print(f"{way:24s}" + "".join(f"{row[name]:10d}" for name in names))
    total = {name: sum(row[name] for row in table.values()) for name in names}
    print(f"{'all':24s}" + "".join(f"{total[name]:10d}" for name in names))
    missing = 1 - total["answered"] / max(1, total["clear"])
    print(f"clear ones flagged or refused: {missing:.2%}; {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
