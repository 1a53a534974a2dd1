"""tnlearn: topological invariants as trainable tensor networks.

Importing this package loads neither torch nor quimb: every public name is
fetched from its module when it is first used (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Chains": "tnlearn.physics.chains",
    "chain": "tnlearn.physics.chains",
    "ssh": "tnlearn.physics.chains",
    "States": "tnlearn.physics.states",
    "states": "tnlearn.physics.hamiltonians",
    "winding": "tnlearn.physics.winding",
    "Network": "tnlearn.models.network",
    "init": "tnlearn.networks",
    "formula": "tnlearn.networks",
    "rswn": "tnlearn.models.rswn",
    "baseline": "tnlearn.models.baselines",
    "dataset": "tnlearn.data.generate",
    "Dataset": "tnlearn.data.dataset",
    "StoredDataset": "tnlearn.data.stored",
    "open_dataset": "tnlearn.data.stored",
    "label_file": "tnlearn.data.label_file",
    "shift": "tnlearn.data.shifts",
    "fit": "tnlearn.training.fit",
    "Fitted": "tnlearn.training.fitted",
    "load": "tnlearn.training.fitted",
    "PhaseDiagram": "tnlearn.phase.diagram",
    "phase_diagram": "tnlearn.phase.diagram",
    "study": "tnlearn.lab.study",
    "Audit": "tnlearn.audits.audit",
    "audit": "tnlearn.audits.audit",
    "Marker": "tnlearn.markers.marker",
    "marker": "tnlearn.markers.marker",
}

# Sub-modules that are themselves public names (tnl.init.normal(0.1)).
_MODULES = {"init", "formula"}

__all__ = [
    "Audit",
    "Chains",
    "Dataset",
    "Fitted",
    "Marker",
    "Network",
    "PhaseDiagram",
    "States",
    "StoredDataset",
    "__version__",
    "audit",
    "baseline",
    "chain",
    "dataset",
    "fit",
    "formula",
    "init",
    "label_file",
    "load",
    "marker",
    "open_dataset",
    "phase_diagram",
    "rswn",
    "shift",
    "ssh",
    "states",
    "study",
    "winding",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tnlearn' has no attribute {name!r}")
    if name in _MODULES:
        value: Any = importlib.import_module(f"{_HOMES[name]}.{name}")
    else:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


if TYPE_CHECKING:
    from tnlearn.audits.audit import Audit, audit
    from tnlearn.data.dataset import Dataset
    from tnlearn.data.generate import dataset
    from tnlearn.data.label_file import label_file
    from tnlearn.data.shifts import shift
    from tnlearn.data.stored import StoredDataset, open_dataset
    from tnlearn.lab.study import study
    from tnlearn.markers.marker import Marker, marker
    from tnlearn.models.baselines import baseline
    from tnlearn.models.network import Network
    from tnlearn.models.rswn import rswn
    from tnlearn.networks import formula, init
    from tnlearn.phase.diagram import PhaseDiagram, phase_diagram
    from tnlearn.physics.chains import Chains, chain, ssh
    from tnlearn.physics.hamiltonians import states
    from tnlearn.physics.states import States
    from tnlearn.physics.winding import winding
    from tnlearn.training.fit import fit
    from tnlearn.training.fitted import Fitted, load
