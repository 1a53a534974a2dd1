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
    "BOUNDARIES": "blocks",
    "Chains": "chains",
    "METHODS": "winding",
    "States": "states",
    "Winding": "winding",
    "block_from_hamiltonian": "hamiltonians",
    "chain": "chains",
    "displacement": "blocks",
    "kept_cells": "blocks",
    "mean_log": "boundary",
    "positions": "blocks",
    "ssh": "chains",
    "ssh_exponent": "boundary",
    "ssh_transitions": "boundary",
    "window_cells": "blocks",
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
    "window_cells",
]


# `states` and `winding` are left to `tnlearn`: here they are the modules of those names.
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
    from tnlearn.physics.blocks import (
        BOUNDARIES,
        displacement,
        kept_cells,
        positions,
        window_cells,
    )
    from tnlearn.physics.boundary import mean_log, ssh_exponent, ssh_transitions
    from tnlearn.physics.chains import Chains, chain, ssh
    from tnlearn.physics.hamiltonians import block_from_hamiltonian
    from tnlearn.physics.states import States
    from tnlearn.physics.winding import METHODS, Winding
