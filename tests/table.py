"""One table of formulas, forms, dtypes and boundaries; it drives the tests of the networks.

Cases that have failed once are kept in it by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import tnlearn as tnl
from tnlearn.models.network import Network
from tnlearn.physics.states import States

FORMS = ("operator", "sublattice", "quartic", "lowrank")
BOUNDARIES = ("open", "periodic")
KINDS = ("real", "complex")
CASES = json.loads((Path(__file__).parent / "data" / "cases.json").read_text())["chains"]
CELLS = 6


@cache
def chains(kind: str, cells: int = CELLS, boundary: str = "open", samples: int = 3) -> Any:
    """Gapped disordered chains of several windings, the same on every call."""
    phase = np.exp(0.7j) if kind == "complex" else 1.0
    return tnl.chain(
        cells,
        {0: 0.4 * phase, 1: np.linspace(0.5, 1.5, samples) * phase**2, -1: 0.3},
        disorder={0: 0.3, 1: 0.2},
        boundary=boundary,
        samples=samples,
        seed=5,
    )


@cache
def states(kind: str, cells: int = CELLS, boundary: str = "open", samples: int = 3) -> States:
    return chains(kind, cells, boundary, samples).states()


@cache
def rswn(cells: int, form: str, boundary: str = "open", window: float = 0.5) -> Network:
    """A network is immutable: each is made, and its trees searched, once."""
    return tnl.rswn(cells, form, boundary, window)


def tensors(given: States, dtype: str = "float64") -> tuple[torch.Tensor, torch.Tensor]:
    cast = given.astype(dtype)
    return torch.as_tensor(cast.u), torch.as_tensor(cast.v)


def case_hoppings(case: dict[str, Any]) -> dict[int, np.ndarray]:
    hoppings = {}
    for offset, values in case["hoppings"].items():
        array = np.asarray(values, dtype=float)
        hoppings[int(offset)] = (array[..., 0] + 1j * array[..., 1] if array.ndim == 2 else array)[
            None
        ]
    return hoppings


def own_formula(cells: int = CELLS) -> Network:
    """A user's own formula, with sums, adjoints, complex arrays and a matrix commutator."""
    from tnlearn.networks import formula as f

    rng = np.random.default_rng(3)
    u, v = f.states(cells)
    M = f.matrix("M", rng.standard_normal((cells, cells)))
    C = f.matrix("C", rng.standard_normal((cells, cells)) * (1 + 0.5j))
    w = f.diagonal("w", rng.standard_normal(cells))
    q = u @ v.H
    return (
        f.Tr(w @ q.H @ f.commutator(f.diagonal("X", np.arange(float(cells))), q)) / 3
        - 0.5 * f.Tr(C @ (q + M.H))
    ).network("mine")


@dataclass(frozen=True)
class Entry:
    """A network of the table: how to build it and the states it takes."""

    name: str
    make: Callable[[], Network]
    kind: str = "real"

    def __post_init__(self) -> None:
        object.__setattr__(self, "make", cache(self.make))  # networks are immutable

    def __str__(self) -> str:
        return self.name


def _trained(form: str, *names: str, **options: Any) -> Callable[[], Network]:
    options.setdefault("init", tnl.init.normal(0.3))
    return lambda: rswn(CELLS, form).trainable(*names, **options).head(3, (5,))


def _baseline(kind: str, **options: Any) -> Callable[[], Network]:
    return lambda: tnl.baseline(kind, CELLS, 3, **options)


RSWN = [
    Entry(f"{form}-{boundary}-{kind}", lambda f=form, b=boundary: rswn(CELLS, f, b), kind)
    for form in FORMS
    for boundary in BOUNDARIES
    for kind in KINDS
]
TRAINED = [
    Entry("D-dense", _trained("quartic", "D", channels=4)),
    Entry("D-dense-complex", _trained("quartic", "D", channels=2), "complex"),
    Entry("D-no-channel", _trained("quartic", "D")),
    Entry("D-lowrank", _trained("quartic", "D", structure="lowrank", bond=2, channels=2)),
    Entry("D-position", _trained("quartic", "D", structure="position", channels=2)),
    Entry("D-diagonal", _trained("quartic", "D", structure="diagonal", channels=2)),
    Entry("X", _trained("operator", "X", channels=3)),
    Entry("X-window-complex", _trained("operator", "X", "window", channels=2), "complex"),
    Entry("X-dense-complex", _trained("sublattice", "X", structure="dense"), "complex"),
    Entry("P_A-dense", _trained("operator", "P_A", structure="dense", channels=2)),
    Entry("sigma", _trained("operator", "sigma", channels=2)),
    Entry("factors", _trained("lowrank", "left", "right", channels=3)),
    Entry(
        "rounded",
        lambda: tnl.rswn(CELLS).trainable("D").head(classes=(-1, 0, 1), kind="rounding"),
    ),
    Entry("own", lambda: own_formula().trainable("M", "w", channels=2).head(3)),
    Entry("own-complex", lambda: own_formula().trainable("w"), "complex"),
]
BASELINES = [
    Entry("linear", _baseline("linear")),
    Entry("mlp", _baseline("mlp", hidden=(7, 5), activation="gelu")),
    Entry("mlp-complex", _baseline("mlp", hidden=(7,), complex=True), "complex"),
    # real states in a network for complex ones: their imaginary parts are zero
    Entry("mlp-complex-of-real", _baseline("mlp", hidden=(7,), complex=True)),
    Entry("cnn", _baseline("cnn", features=(3, 4))),
    Entry("cnn-complex", _baseline("cnn", features=(3, 4), complex=True), "complex"),
    Entry("resnet", _baseline("resnet", features=(4,), depth=2)),
    Entry("resnet-complex", _baseline("resnet", features=(4,), complex=True), "complex"),
    Entry("attention", _baseline("attention", width=8, heads=2, depth=2, activation="tanh")),
    Entry("attention-complex", _baseline("attention", width=8, heads=2, complex=True), "complex"),
    Entry("products", _baseline("symmetric", variant="products", hidden=(6,))),
    Entry("products-complex", _baseline("symmetric", variant="products", complex=True), "complex"),
    Entry("q2-dense", _baseline("symmetric", variant="dense", hidden=(6,))),
    Entry("q2-dense-complex", _baseline("symmetric", variant="dense", hidden=(6,)), "complex"),
    Entry("q2-conv", _baseline("symmetric", variant="conv", features=(3, 4))),
    Entry("q2-edge", _baseline("symmetric", variant="edge", hidden=(6,))),
    # a trained shift tensor is no longer a convolution that torch knows
    Entry(
        "cnn-shift", lambda: tnl.baseline("cnn", CELLS, 3, features=(3,)).trainable("shift.6.3.1")
    ),
]
TRAINABLE = [*TRAINED, *BASELINES]
EVERY = [*RSWN, *TRAINABLE]
