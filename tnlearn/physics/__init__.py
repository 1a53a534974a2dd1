"""Chiral chains, their states and their topological invariants.

What lives here knows numpy and nothing above it: no torch, no quimb, no
networks.  Conventions are those of `docs/physics.md`; every public docstring
repeats the one it uses.  Names are fetched when first used, so that importing
the package stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOMES = {
    "BOUNDARIES": "geometry",
    "Chains": "chains",
    "METHODS": "invariants",
    "States": "states",
    "Winding": "invariants",
    "block_from_hamiltonian": "hamiltonians",
    "chain": "chains",
    "displacement": "geometry",
    "kept_cells": "geometry",
    "mean_log": "boundary",
    "positions": "geometry",
    "ssh": "chains",
    "ssh_exponent": "boundary",
    "ssh_transitions": "boundary",
    "winding": "label",
    "window_cells": "geometry",
}

__all__ = [
    "BOUNDARIES",
    "METHODS",
    "Chains",
    "States",
    "Winding",
    "block_from_hamiltonian",
    "chain",
    "displacement",
    "kept_cells",
    "mean_log",
    "positions",
    "ssh",
    "ssh_exponent",
    "ssh_transitions",
    "winding",
    "window_cells",
]


# `states` is left to `tnlearn.states`: here it is the module of that name.
def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


if TYPE_CHECKING:
    from tnlearn.physics.boundary import mean_log, ssh_exponent, ssh_transitions
    from tnlearn.physics.chains import Chains, chain, ssh
    from tnlearn.physics.geometry import (
        BOUNDARIES,
        displacement,
        kept_cells,
        positions,
        window_cells,
    )
    from tnlearn.physics.hamiltonians import block_from_hamiltonian
    from tnlearn.physics.invariants import METHODS, Winding
    from tnlearn.physics.label import winding
    from tnlearn.physics.states import States
