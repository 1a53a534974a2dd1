"""Labels and states against diagonalising the whole Hamiltonian, as everyone does.

    python benchmarks/labels.py [--rounds N] [--quick]

One thread unless said otherwise, float64.  The baseline is `numpy.linalg.eigh` of the
2L x 2L matrix and Q = Σ sign(E) ψψ† from its vectors.  Each round times the baseline
and every contender in turn, in rotating order; what counts is the median of the
ratios of the same round, and beside it stands the ratio of the shortest times.  Times are
per chain and of the public calls; those of one thread are CPU seconds of this process, so
that other work on the machine does not count (without such work they are wall seconds).
The kernels are compiled first, as in a process that has labelled for a second; beside them
stands the plain way, which a fresh process goes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable

# One thread in the linear algebra of numpy, told before it is loaded.
os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
)

import numpy as np

import tnlearn as tnl
from tnlearn.physics.blocks import gauge_to_real, kept_cells
from tnlearn.physics.memory import kernels_pay
from tnlearn.physics.rswn import plain_bidiagonal_rswn
from tnlearn.physics.states import bidiagonal_svd
from tnlearn.physics.winding import Winding

SIZES = {20: (100, 4000), 100: (8, 400), 400: (1, 40), 1000: (1, 16)}
GOALS = {
    "rswn, nearest neighbour": (40, 60, 500, 2500),
    "the same, tolerance 1e-3": (40, 60, 500, 2500),
    "the same, the plain way": (None,) * 4,
    "integer, nearest neighbour": (200,) * 4,
    "states": (2.8, 4, 7, 15),
    "rswn, range 2": (None, None, 10, None),
    "integer, offsets 0 … 2": (200,) * 4,
    "integer, offsets -1 … 2": (200,) * 4,
    "integer, offsets -2 … 2": (None,) * 4,
}


def flatten(H: np.ndarray) -> np.ndarray:
    """Q of a batch of Hamiltonians from the vectors of `eigh`."""
    energies, vectors = np.linalg.eigh(H)
    return (vectors * np.sign(energies)[:, None, :]) @ vectors.swapaxes(1, 2)


def random_ssh(cells: int, samples: int, seed: int = 0) -> tnl.Chains:
    rng = np.random.default_rng(seed)
    intra, inter = rng.uniform(0, 2, (2, samples))
    return tnl.ssh(cells, intra, inter, 0.5, 0.5, seed=seed)


def random_chain(cells: int, samples: int, offsets: tuple[int, ...], seed: int = 0) -> tnl.Chains:
    rng = np.random.default_rng(seed)
    hoppings = {m: rng.uniform(-1, 1, samples) for m in offsets}
    return tnl.chain(cells, hoppings, disorder=dict.fromkeys(offsets, 0.5), seed=seed)


def integers(chains: tnl.Chains) -> Winding:
    return tnl.winding(chains, "lyapunov", gap=False)


def rounds_of(
    contenders: dict[str, tuple[Callable[[], object], int]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, list[float]]:
    """Seconds per chain of each contender in each round, after one call to warm up."""
    for function, _ in contenders.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            function, count = contenders[name]
            begin = clock()
            function()
            times[name].append((clock() - begin) / count)
    return times


def speeds(rounds: int, quick: bool) -> None:
    table: dict[str, list[tuple[float, float, float]]] = {name: [] for name in GOALS}
    baselines = []
    for cells, (few, many) in SIZES.items():
        many = max(1, many // 4) if quick else many
        neighbours, others = random_ssh(cells, many), random_chain(cells, many, (0, 1, 2))
        extended = random_chain(cells, many, (-1, 0, 1, 2))
        wide = random_chain(cells, many, (-2, -1, 0, 1, 2))
        some = max(1, few)
        H = neighbours[:some].hamiltonian()
        group = random_ssh(cells, min(many, max(1, 160_000 // cells**2)), seed=1)
        ranged = others[: max(4, 400 // cells * 4)]
        contenders: dict[str, tuple[Callable[[], object], int]] = {
            "eigh": (lambda H=H: flatten(H), some),
            "rswn, nearest neighbour": (lambda c=neighbours: tnl.winding(c), many),
            "the same, tolerance 1e-3": (
                lambda c=neighbours: tnl.winding(c, tolerance=1e-3),
                many,
            ),
            "the same, the plain way": (
                lambda c=group: plain_bidiagonal_rswn(c.bands(), 0.5, 1),
                len(group),
            ),
            "integer, nearest neighbour": (lambda c=neighbours: integers(c), many),
            "states": (lambda c=group: tnl.states(c), len(group)),
            "rswn, range 2": (lambda c=ranged: tnl.winding(c), len(ranged)),
            "integer, offsets 0 … 2": (lambda c=others: integers(c), many),
            "integer, offsets -1 … 2": (lambda c=extended: integers(c), many),
            "integer, offsets -2 … 2": (lambda c=wide: integers(c), many),
        }
        count = max(3, rounds // (8 if cells >= 400 else 1)) if cells < 1000 else 3
        times = rounds_of(contenders, count)
        baselines.append(statistics.median(times["eigh"]))
        for name in GOALS:
            ratio = statistics.median(
                a / b for a, b in zip(times["eigh"], times[name], strict=True)
            )
            shortest = min(times["eigh"]) / min(times[name])
            table[name].append((statistics.median(times[name]), ratio, shortest))
    print("times faster than eigh: median of the rounds / shortest times (microseconds) [goal]")
    print(f"{'L':>28}" + "".join(f"{cells:>32}" for cells in SIZES))
    print(f"{'eigh of 2L x 2L, and Q':>28}" + "".join(f"{b * 1e6:>29.0f} us" for b in baselines))
    for name, row in table.items():
        cells = "".join(
            f"{ratio:>8.4g} / {shortest:<6.4g} ({seconds * 1e6:6.4g})".rjust(25)
            + (f" [{goal:g}]" if goal else "").ljust(7)
            for (seconds, ratio, shortest), goal in zip(row, GOALS[name], strict=True)
        )
        print(f"{name:>28}{cells}")


def accuracy() -> None:
    """4,000 random chains against bdsdc, at the default tolerance and at 1e-3."""
    for cells in (20, 60, 200):
        samples = {20: 2800, 60: 1000, 200: 200}[cells]
        chains = random_ssh(cells, samples, seed=2)
        bands = chains.bands()
        d, e, _, _ = gauge_to_real(bands)
        shape = (samples, cells, cells)
        u, vt, s = np.empty(shape), np.empty(shape), np.empty(shape[:2])
        bidiagonal_svd(d, e, True, u, vt, s)
        q = u.swapaxes(1, 2) @ vt.swapaxes(1, 2)
        first, kept = kept_cells(cells, 0.5)
        far = np.arange(cells)[:, None] - np.arange(cells)[None, :]
        reference = np.einsum(
            "sxy,xy->s", q[..., first : first + kept] ** 2, far[:, first:][:, :kept]
        )
        reference /= kept
        whole = np.abs(reference - np.round(reference)) < 0.4
        for tolerance in (1e-12, 1e-3):
            found = tnl.winding(chains, tolerance=tolerance)
            off = np.abs(found.value - reference)
            right = (found.integer == np.round(reference))[whole]
            print(
                f"L = {cells:4d}, {samples} chains, tolerance {tolerance:g}: error median "
                f"{np.median(off):.1e}, 99 % {np.quantile(off, 0.99):.1e}, "
                f"largest {off.max():.1e}; bound broken {np.mean(off > found.error + 1e-12):.2%}; "
                f"integer right on {right.sum()} of {right.size} within 0.4 of one"
            )


def length(longest: int) -> None:
    """Seconds against L for one disordered chain (intra 0.6, inter 1, disorder 1 each)."""
    cells = 1000
    while cells <= longest:
        chains = tnl.ssh(cells, 0.6, 1.0, 1.0, 1.0, seed=1)
        extended = tnl.chain(cells, {0: 0.6, 1: 1.0, 2: 0.2}, disorder={0: 0.5}, seed=1)
        # (One call on a short chain compiles what is timed.)
        line = f"L = {cells:8d}:"
        calls: dict[str, Callable[[], Winding]] = {
            "rswn": lambda c=chains: tnl.winding(c),
            "ln sums": lambda c=chains: tnl.winding(c, "lyapunov", gap=False),
            "range-2 Lyapunov": lambda c=extended: tnl.winding(c, "lyapunov", gap=False),
        }
        for name, call in calls.items():
            times = []
            for _ in range(3):
                begin = time.process_time()
                found = call()
                times.append(time.process_time() - begin)
            seconds = statistics.median(times)
            line += f"  {name} {seconds:.3g} s ({seconds / cells * 1e6:.3g} us a cell)"
            line += f" W = {found.value[0]:.6f} ± {found.error[0]:.1e}" if name == "rswn" else ""
        print(line)
        cells *= 10


def threads() -> None:
    """Two threads against one, in turn, on some tenths of a second of work."""
    for cells, samples in ((20, 200_000), (100, 16_000), (1000, 1200)):
        chains = random_ssh(cells, samples)
        times = rounds_of(
            {
                "one": (lambda c=chains: tnl.winding(c), samples),
                "two": (lambda c=chains: tnl.winding(c, threads=2), samples),
            },
            15,
            time.perf_counter,
        )
        ratios = [a / b for a, b in zip(times["one"], times["two"], strict=True)]
        shortest = min(times["one"]) / min(times["two"])
        print(
            f"L = {cells:4d}, {samples} chains: two threads are {statistics.median(ratios):.2f} "
            f"times one (shortest times {shortest:.2f}) [goal 1.8]"
        )
    # What the machine gives: the same work in two processes at once, against in one.
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(_work, [1, 1], chunksize=1)
        alone, both = [], []
        for _ in range(15):
            alone.append(pool.apply(_work, (8,)))
            both.append(max(pool.map(_work, [8, 8], chunksize=1)))
    ratios = [2 * a / b for a, b in zip(alone, both, strict=True)]
    print(
        f"control: two processes do {statistics.median(ratios):.2f} times the work of one on this "
        f"machine now (shortest times {2 * min(alone) / min(both):.2f})"
    )


def _work(times: int) -> float:
    """Wall seconds of some labelling."""
    chains = random_ssh(100, 4000)
    begin = time.perf_counter()
    for _ in range(times):
        tnl.winding(chains)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--quick", action="store_true", help="fewer chains, at most 1e5 cells")
    options = parser.parse_args()
    kernels_pay(2.0)
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    speeds(options.rounds, options.quick)
    accuracy()
    length(100_000 if options.quick else 1_000_000)
    threads()


if __name__ == "__main__":
    main()
