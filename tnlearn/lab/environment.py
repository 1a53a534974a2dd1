"""What a run was made with: versions, processor, threads."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tnlearn import __version__

__all__ = ["environment"]


def environment(workers: int) -> dict[str, Any]:
    """Versions of what computes, processes and threads, and the processor."""
    facts: dict[str, Any] = {"tnlearn": __version__, "python": sys.version.split()[0]}
    for package in ("torch", "numpy", "scipy", "quimb", "cotengra", "autoray"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts | {
        "threads": 1,
        "workers": workers,
        "cores": os.cpu_count(),
        "cpu": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    """The processor's name where the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
