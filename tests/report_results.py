"""Results in the format `tnlearn-benchmark/1`, invented but of realistic size and shape.

The numbers are drawn around those of a trial, so that the report can be looked
at and tested without training anything.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Network: title, family, members, accuracy clean and at disorder 0.5, 1, 2, 3; parameters.
NETWORKS: dict[str, tuple[str, str, int, tuple[float, ...], int]] = {
    "operator": ("RSWN operator", "rswn", 8, (0.905, 0.84, 0.77, 0.65, 0.58), 7268),
    "sublattice": ("RSWN sublattice", "rswn", 8, (0.94, 0.88, 0.81, 0.69, 0.60), 1892),
    "quartic": ("RSWN quartic", "rswn", 8, (0.972, 0.921, 0.858, 0.731, 0.64), 1748),
    "lowrank": ("RSWN low rank", "rswn", 8, (0.955, 0.90, 0.83, 0.70, 0.61), 788),
    "position": ("RSWN quartic, D of position", "rswn", 8, (0.951, 0.91, 0.85, 0.74, 0.66), 296),
    "products": ("Gauge-invariant products", "symmetric", 8, (0.93, 0.85, 0.74, 0.6, 0.5), 25732),
    "dense-q2": ("Dense on q²", "symmetric", 8, (0.973, 0.915, 0.86, 0.74, 0.65), 12932),
    "conv-q2": ("Convolution on q²", "symmetric", 3, (0.965, 0.93, 0.87, 0.77, 0.69), 3300),
    "linear": ("Linear", "generic", 8, (0.27, 0.26, 0.26, 0.25, 0.25), 3204),
    "mlp": ("MLP", "generic", 8, (0.52, 0.45, 0.37, 0.30, 0.28), 272004),
    "cnn": ("CNN", "generic", 3, (0.92, 0.64, 0.51, 0.45, 0.40), 21220),
    "resnet": ("ResNet", "generic", 3, (0.93, 0.80, 0.56, 0.14, 0.12), 78212),
    "attention": ("Self-attention", "generic", 3, (0.71, 0.60, 0.5, 0.4, 0.36), 14308),
}  # fmt: skip
SHIFTS = [
    ("clean", "clean", None),
    ("disorder-0.5", "disorder 0.5", 0.5),
    ("disorder-1", "disorder 1", 1.0),
    ("disorder-2", "disorder 2", 2.0),
    ("disorder-3", "disorder 3", 3.0),
    ("size-12", "12 cells", None),
    ("size-40", "40 cells", None),
    ("ring", "ring", None),
    ("complex", "complex phases", None),
    ("gauge", "solver's gauge", None),
    ("edge", "end cell removed", None),
]
# Networks that do not depend on the number of cells.
ANY_SIZE = {"position", "conv-q2"}


def _history(rng: np.random.Generator, final: np.ndarray, epochs: int) -> dict[str, Any]:
    epoch = np.arange(epochs)
    rate = rng.uniform(0.08, 0.25, final.size)[:, None]
    rise = 1 - np.exp(-rate * (epoch + 1))
    accuracy = 0.25 + (final[:, None] - 0.25) * rise + rng.normal(0, 0.008, (final.size, epochs))
    loss = 1.39 * np.exp(-rate * epoch) + 0.08 + rng.uniform(0, 0.03, (final.size, epochs))
    return {"accuracy": np.clip(accuracy, 0, 1).tolist(), "loss": loss.tolist()}


def _run(rng: np.random.Generator, data: str, name: str, epochs: int) -> dict[str, Any]:
    _, _, members, levels, _ = NETWORKS[name]
    lift = 0.02 if data == "ssh" else 0.0
    spread = rng.normal(0, 0.006, members)
    accuracy: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for index, (shift, _, strength) in enumerate(SHIFTS):
        if shift.startswith("size") and name not in ANY_SIZE:
            accuracy[shift] = None
            reasons[shift] = "its weights are tied to 20 cells"
            continue
        level = levels[index] if strength or shift == "clean" else levels[0] - 0.03 * (index - 4)
        accuracy[shift] = np.clip(
            level + lift + spread * (1 + index / 3) + rng.normal(0, 0.004, members), 0, 1
        ).tolist()
    clear = {
        shift: None if values is None else [min(1.0, value + 0.012) for value in values]
        for shift, values in accuracy.items()
    }
    final = np.array(accuracy["clean"])
    reached = final > 0.9
    return {
        "data": data,
        "network": name,
        "members": members,
        "lr": 0.01,
        "epochs": epochs,
        "batches": "own",
        "seconds": float(rng.uniform(1, 9)),
        "history": _history(rng, final, epochs),
        "accuracy": accuracy,
        "accuracy_clear": clear,
        "not_applicable": reasons,
        "calibration": {
            "clean": rng.uniform(0.01, 0.05, members).tolist(),
            "disorder-1": rng.uniform(0.05, 0.2, members).tolist(),
        },
        "success": {
            "threshold": 0.9,
            "rate": float(reached.mean()),
            "epochs": [int(rng.integers(5, 30)) if ok else None for ok in reached],
        },
    }


def _learned(rng: np.random.Generator, cells: int) -> dict[str, Any]:
    kept, x = cells // 2, np.arange(cells)
    window = ((x >= cells // 4) & (x < cells // 4 + kept)).astype(float)
    exact = (x[:, None] - x[None, :]) * window[None, :] / kept
    learned = [
        0.3 * np.tanh((x[:, None] - x[None, :] + rng.normal(0, 2)) / rng.uniform(2, 9))
        + rng.normal(0, 0.05, (cells, cells))
        for _ in range(4)
    ]
    return {
        "data": "extended",
        "network": "quartic",
        "member": 0,
        "exact": exact.tolist(),
        "learned": [channel.tolist() for channel in learned],
        "singular_values": [np.linalg.svd(c, compute_uv=False).tolist() for c in learned],
        "exact_singular_values": np.linalg.svd(exact, compute_uv=False).tolist(),
    }


def full(seed: int = 0, epochs: int = 40, cells: int = 20) -> dict[str, Any]:
    """A complete result: two data sets, every network, every part."""
    rng = np.random.default_rng(seed)
    shifts = [
        {
            "name": name,
            "title": title,
            "samples": 1000,
            "ambiguous": 37 + 20 * index,
            **({"strength": strength} if strength else {}),
        }
        for index, (name, title, strength) in enumerate(SHIFTS)
    ]
    data = {
        "extended": {"cells": cells, "classes": [-1, 0, 1, 2]},
        "ssh": {"cells": cells, "classes": [0, 1]},
    }
    runs = []
    for name in data:
        data[name] |= {"train": 4000, "validation": 1000, "test": 1000, "shifts": shifts}
        runs += [_run(rng, name, network, epochs) for network in NETWORKS]
    ranks = np.arange(cells + 1)
    networks = {
        name: {
            "title": title,
            "family": family,
            "parameters": parameters,
            "flops": {"naive": 64_000_000, "path": 33_600, "shared": 17_600},
            "peak": 400,
            "description": f"{title} with a hidden layer of 16 units",
        }
        for name, (title, family, _, _, parameters) in NETWORKS.items()
    }
    networks["exact"] = {
        "title": "RSWN of the half window, exact, rounded",
        "family": "exact",
        "parameters": 0,
        "flops": {"naive": 64_000_000, "path": 33_600, "shared": 17_600},
        "peak": 400,
        "description": "the formula, untrained",
    }
    levels = dict(zip([shift for shift, *_ in SHIFTS], np.linspace(0.66, 0.35, 11), strict=True))
    scales = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]
    middle = {0.01: 0.96, 0.03: 0.97, 0.1: 0.972, 0.3: 0.95, 1.0: 0.80, 3.0: 0.55}
    return {
        "format": "tnlearn-benchmark/1",
        "config": {
            "profile": "quick",
            "seed": 1,
            "members": 8,
            "data": {"extended": {"cells": cells, "train": 4000}, "ssh": {"cells": cells}},
            "networks": {name: {"lr": 0.01, "epochs": epochs} for name in NETWORKS},
        },
        "environment": {
            **{"tnlearn": "0.1.0", "python": "3.11.7", "torch": "2.13.0", "numpy": "2.4.6"},
            **{"quimb": "1.15.0", "cotengra": "0.8.3", "threads": 1, "workers": 2},
            "cpu": "an invented processor",
        },
        "seconds": 141.7,
        "command": "tnlearn benchmark --profile quick --out benchmark-quick",
        "data": data,
        "networks": networks,
        "runs": runs,
        "exact": {"extended": levels, "ssh": {k: min(v + 0.2, 1) for k, v in levels.items()}},
        "markers": {
            "extended": {"log": {k: v + 0.1 for k, v in levels.items()}, "lyapunov": {"clean": 1.0}}
        },
        "pruning": [
            {
                "data": "extended",
                "network": network,
                "node": "D",
                "ranks": ranks.tolist(),
                "accuracy": [
                    (0.25 + (top - 0.25) * (1 - np.exp(-ranks / fall)) + rng.normal(0, 0.005))
                    .clip(0, 1)
                    .tolist()
                    for _ in range(8)
                ],
                "smallest_rank": smallest,
            }
            for network, top, fall, smallest in [
                ("quartic", 0.97, 1.2, 5),
                ("dense-q2", 0.97, 3.0, 12),
            ]
        ],
        "trainability": [
            {
                "data": "extended",
                "network": network,
                "scales": scales,
                "accuracy": [
                    np.clip(middle[s] + shift + rng.normal(0, 0.02, 8), 0, 1).tolist()
                    for s in scales
                ],
                "threshold": 0.9,
            }
            for network, shift in [("quartic", 0.0), ("operator", -0.06)]
        ],
        "learned": _learned(rng, cells),
        "graphs": {},
    }
