"""The disordered SSH diagram: how long it takes, and how it meets the analytic boundary.

    python benchmarks/phase_diagram.py [--rounds N] [--workers N]

500 x 200 points over intra in [0, 2.5] and W in [0, 6], inter = 1, 25 chains of 50
cells at each, for (W intra, W/2 inter) and (W/2 intra, W inter).  Goals: under 60 s
on two cores; the integer of the majority is that of the infinite chain,
E ln|t0| = E ln|t1|, on at least 97 % of the points and on 99.9 % of those where at
least 80 % of the chains agree.  Then the topological Anderson insulator: the
strengths at which the majority of long chains changes, against the zeros of the
closed form (goal: within 0.02).
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

import tnlearn as tnl
from tnlearn.physics.boundary import ssh_transitions

SHARES = {"(W intra, W/2 inter)": (1.0, 0.5), "(W/2 intra, W inter)": (0.5, 1.0)}
AXES = {"intra": np.linspace(0.0, 2.5, 500), "W": np.linspace(0.0, 6.0, 200)}
CELLS, SAMPLES = 50, 25
LONG, CHAINS = 1_000_000, 5


def diagram(shares: tuple[float, float], seed: int, workers: int) -> tnl.PhaseDiagram:
    return tnl.phase_diagram(
        AXES,
        disorder={0: (shares[0], "W"), 1: (shares[1], "W")},
        cells=CELLS,
        samples=SAMPLES,
        seed=seed,
        workers=workers,
    )


def measured_transition(intra: float, guess: float) -> float:
    """Where the mean winding of long chains crosses 1/2, scanned at ±0.04 about a strength.

    On either side of the crossing the points that are on the wrong side balance.
    """
    W = guess + np.linspace(-0.04, 0.04, 41)
    found = tnl.phase_diagram(
        {"intra": [intra], "W": W},
        disorder={0: "W", 1: (0.5, "W")},
        cells=LONG,
        samples=CHAINS,
        seed=1,
    ).mean[:, 0]
    rising = found[-1] > found[0]
    topological = found if rising else 1 - found
    return float(W[-1] + (W[1] - W[0]) / 2 - (W[1] - W[0]) * topological.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    print(
        f"{len(AXES['intra'])} x {len(AXES['W'])} points, {SAMPLES} chains of {CELLS} cells each; "
        f"medians of {given.rounds} rounds, a seed each"
    )
    for title, shares in SHARES.items():
        times: dict[int, list[float]] = {1: [], given.workers: []}
        everywhere, where_clear, share_clear = [], [], []
        for seed in range(given.rounds):
            for workers, measured in times.items():
                begin = time.perf_counter()
                found = diagram(shares, seed, workers)
                measured.append(time.perf_counter() - begin)
            right, clear = found.majority == found.infinite(), found.agreement >= 0.8
            everywhere.append(right.mean())
            where_clear.append(right[clear].mean())
            share_clear.append(clear.mean())
        took = ", ".join(
            f"{statistics.median(t):.1f} s with {w} process{'es' if w > 1 else ''}"
            for w, t in times.items()
        )
        print(f"{title}: {took} (goal 60 s)")
        print(
            f"    right on {statistics.median(everywhere):.2%} of all points (goal 97 %), worst "
            f"{min(everywhere):.2%}; on {statistics.median(where_clear):.4%}, worst "
            f"{min(where_clear):.4%}, of the {statistics.median(share_clear):.1%} where 80 % of "
            "the chains agree (goal 99.9 %)"
        )
    print(f"topological Anderson insulator, (W intra, W/2 inter), {CHAINS} chains of {LONG} cells:")
    for intra in (1.1, 1.2):
        exact = ssh_transitions(intra)
        measured_at = [measured_transition(intra, float(W)) for W in exact]
        print(
            f"    intra {intra}: topological for W in ({exact[0]:.4f}, {exact[1]:.4f}) in closed "
            f"form, ({measured_at[0]:.4f}, {measured_at[1]:.4f}) from the chains; largest "
            f"difference {np.abs(np.array(measured_at) - exact).max():.4f} (goal 0.02)"
        )
    W = np.linspace(0.05, 6.0, 120)
    beyond = tnl.phase_diagram(
        {"intra": [1.4], "W": W},
        disorder={0: "W", 1: (0.5, "W")},
        cells=LONG // 10,
        samples=CHAINS,
        seed=1,
    )
    print(
        f"    intra 1.4: closed form {'none' if not ssh_transitions(1.4).size else 'some'}; "
        f"{int(beyond.majority.sum())} of {len(W)} strengths topological by the majority of "
        f"{CHAINS} chains of {LONG // 10} cells"
    )


if __name__ == "__main__":
    main()
