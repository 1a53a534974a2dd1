"""What a run was made with: versions, processor, threads."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tnlearn import __version__

__all__ = ["environment", "versions"]


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of packages, "not installed" where there is none."""
    every = {}
    for package in packages:
        try:
            every[package] = version(package)
        except PackageNotFoundError:
            every[package] = "not installed"
    return every


def environment(workers: int) -> dict[str, Any]:
    """Versions of what computes, processes and threads, and the processor."""
    return {
        "tnlearn": __version__,
        "python": sys.version.split()[0],
        **versions(("torch", "numpy", "scipy", "quimb", "cotengra", "autoray")),
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
