"""How often the kinds of winding number disagree, against the length of the chain and disorder.

    python benchmarks/label_disagreement.py [--samples N] [--cells L ...] [--disorder W ...]

Random chains, drawn as the data sets draw them but not balanced between classes:
`ssh` (t_0, t_1 uniform on [0, 2)) and `extended` (t_{-1} ... t_2 uniform on [-1, 1)),
with disorder of strength W on every offset.  The reference is the sample's own
integer, `lyapunov`, on the ring.  Each entry is the percentage of chains whose kind,
rounded, is another integer (`reliable` is up on none of them).  `phase` is not a property
of the sample: it is the integer of the infinite chain with these mean hoppings and this
disorder, E ln|t_1| > E ln|t_0| for `ssh`, and of one ring of 4,000 cells for `extended`.

Prints the tables of docs/labels.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tnlearn as tnl
from tnlearn.physics.boundary import ssh_exponent
from tnlearn.physics.lyapunov import lyapunov_winding
from tnlearn.physics.winding import METHODS

Array = NDArray[Any]
LONG = 4000
POPULATIONS = {"ssh": ((0, 1), (0.0, 2.0)), "extended": ((-1, 0, 1, 2), (-1.0, 1.0))}


def draw(population: str, cells: int, disorder: float, samples: int, seed: int) -> tnl.Chains:
    """Chains of a population; the clean hoppings are the same for all lengths and strengths."""
    offsets, (low, high) = POPULATIONS[population]
    rng = np.random.default_rng(seed)
    clean = {m: rng.uniform(low, high, samples) for m in offsets}
    strengths = dict.fromkeys(offsets, disorder)
    return tnl.chain(cells, clean, disorder=strengths, samples=samples, seed=seed)


def kinds(chains: tnl.Chains) -> Iterator[tuple[str, Array, Array]]:
    """Name, integer and flag of every kind but the reference."""
    for name, method, boundary in (
        ("rswn, open, half window", "rswn", "open"),
        ("rswn, ring", "rswn", "periodic"),
        ("log, ring", "log", "periodic"),
        ("twist, ring", "twist", "periodic"),
        ("localizer, open", "localizer", "open"),
    ):
        if method in METHODS:
            found = tnl.winding(chains, method, boundary=boundary)
            yield name, found.integer, found.reliable


def phase(population: str, disorder: float, samples: int, seed: int) -> Array:
    """The integer of the infinite chain (or of a very long one)."""
    if population == "ssh":
        t = draw(population, 1, 0.0, samples, seed).hoppings
        exponent = ssh_exponent(t[0][:, 0], t[1][:, 0], disorder, disorder)
        return np.asarray((exponent > 0).astype(int))
    cells = LONG if disorder else 1
    parts = []
    step = 250
    chains = draw(population, cells, disorder, samples, seed)
    for start in range(0, samples, step):
        parts.append(lyapunov_winding(chains[start : start + step].hoppings)[0])
    return np.concatenate(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--cells", type=int, nargs="+", default=[12, 20, 40, 60, 100])
    parser.add_argument("--disorder", type=float, nargs="+", default=[0.0, 0.5, 1.0, 2.0, 3.0])
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    begin = time.perf_counter()
    for population in POPULATIONS:
        rows: dict[tuple[str, int], list[str]] = {}
        flags: dict[tuple[str, int], list[str]] = {}
        for disorder in given.disorder:
            infinite = phase(population, disorder, given.samples, given.seed)
            for cells in given.cells:
                chains = draw(population, cells, disorder, given.samples, given.seed)
                own = tnl.winding(chains, "lyapunov")
                everything = np.ones(given.samples, dtype=bool)
                found = [*kinds(chains), ("phase", infinite, everything)]
                for name, integer, reliable in found:
                    wrong = (integer != own.integer)[own.reliable]
                    reliable = reliable[own.reliable]
                    rows.setdefault((name, cells), []).append(f"{100 * wrong.mean():.1f}")
                    flags.setdefault((name, cells), []).append(f"{100 * (~reliable).mean():.1f}")
        print(f"\n### `{population}`, {given.samples} chains an entry\n")
        table(rows, given.disorder)
        print("\nFlagged as not reliable, per cent:\n")
        table({key: row for key, row in flags.items() if key[0] != "phase"}, given.disorder)
    print(f"\n({time.perf_counter() - begin:.0f} s)")


def table(rows: dict[tuple[str, int], list[str]], strengths: list[float]) -> None:
    print("| kind | cells | " + " | ".join(f"W = {w:g}" for w in strengths) + " |")
    print("|---|---|" + "---|" * len(strengths))
    for name, cells in sorted(rows, key=lambda key: [k for k, _ in rows].index(key[0])):
        print(f"| {name} | {cells} | " + " | ".join(rows[name, cells]) + " |")


if __name__ == "__main__":
    main()
