"""tnlearn: topological invariants as trainable tensor networks.

Importing this package loads neither torch nor quimb: every public name is
fetched from its module when it is first used (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Where each public name comes from.
_NAMES = {
    "audits.audit": "Audit audit",
    "data": "augment",  # itself a file: tnl.augment.gauge()
    "data.dataset": "Dataset",
    "data.generate": "dataset",
    "data.label_file": "label_file",
    "data.shifts": "shift",
    "data.stored": "StoredDataset open_dataset",
    "lab.study": "study",
    "markers.marker": "Marker marker",
    "models.baselines": "baseline",
    "models.invariants": "invariants",
    "models.network": "Network network",
    "models.rswn": "rswn",
    "networks": "formula init",  # files as well: tnl.init.normal(0.1)
    "phase.diagram": "PhaseDiagram phase_diagram",
    "physics.chains": "Chains chain ssh",
    "physics.chern": "chern local_chern",
    "physics.hamiltonians": "states",
    "physics.lattices": "Lattice lattice",
    "physics.states": "States",
    "physics.tightbinding": "haldane qwz tight_binding",
    "physics.winding": "local_winding winding",
    "training.fit": "fit",
    "training.fitted": "Fitted load",
}
_HOMES = {name: f"tnlearn.{home}" for home, names in _NAMES.items() for name in names.split()}

__all__ = [
    "Audit", "Chains", "Dataset", "Fitted", "Lattice", "Marker", "Network", "PhaseDiagram",
    "States", "StoredDataset", "__version__", "audit", "augment", "baseline", "chain", "chern",
    "dataset", "fit", "formula", "haldane", "init", "invariants", "label_file", "lattice", "load",
    "local_chern", "local_winding", "marker", "network", "open_dataset", "phase_diagram", "qwz",
    "rswn", "shift", "ssh", "states", "study", "tight_binding", "winding",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tnlearn' has no attribute {name!r}")
    if _HOMES[name] in ("tnlearn.data", "tnlearn.networks"):
        value: Any = importlib.import_module(f"{_HOMES[name]}.{name}")
    else:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from tnlearn.audits.audit import Audit, audit
    from tnlearn.data import augment
    from tnlearn.data.dataset import Dataset
    from tnlearn.data.generate import dataset
    from tnlearn.data.label_file import label_file
    from tnlearn.data.shifts import shift
    from tnlearn.data.stored import StoredDataset, open_dataset
    from tnlearn.lab.study import study
    from tnlearn.markers.marker import Marker, marker
    from tnlearn.models.baselines import baseline
    from tnlearn.models.invariants import invariants
    from tnlearn.models.network import Network, network
    from tnlearn.models.rswn import rswn
    from tnlearn.networks import formula, init
    from tnlearn.phase.diagram import PhaseDiagram, phase_diagram
    from tnlearn.physics.chains import Chains, chain, ssh
    from tnlearn.physics.chern import chern, local_chern
    from tnlearn.physics.hamiltonians import states
    from tnlearn.physics.lattices import Lattice, lattice
    from tnlearn.physics.states import States
    from tnlearn.physics.tightbinding import haldane, qwz, tight_binding
    from tnlearn.physics.winding import local_winding, winding
    from tnlearn.training.fit import fit
    from tnlearn.training.fitted import Fitted, load
