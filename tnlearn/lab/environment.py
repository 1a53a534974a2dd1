"""What a run was made with, and what is installed: versions, processor, threads."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tnlearn import __version__
from tnlearn.lab.pool import THREAD_SETTINGS

__all__ = ["environment", "installation", "versions"]

PACKAGES = (
    *("numpy", "scipy", "numba", "pandas", "networkx", "matplotlib", "autoray", "cotengra"),
    *("quimb", "tensornetwork", "torch", "h5py"),
)


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


def installation() -> dict[str, str]:
    """Versions, place, threads, BLAS, compiler and accelerator, in words."""
    import numpy as np
    import torch

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = [f"{name}={os.environ[name]}" for name in THREAD_SETTINGS if name in os.environ]
    mkl = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    blas = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    compilers = [os.environ.get("CXX", ""), "g++", "clang++", "c++"]
    compiler = next((path for name in compilers if name and (path := shutil.which(name))), None)
    facts = {
        "tnlearn": f"{__version__}, in {Path(__file__).resolve().parents[1]}",
        "python": f"{platform.python_version()}, {sys.executable}",
        **versions(PACKAGES),
        "system": f"{platform.system()} {platform.machine()}, {usable} usable cores",
        "threads": ", ".join([f"torch would use {torch.get_num_threads()}", *threads]),
        "BLAS": f"numpy: {blas.get('name', 'unknown')} {blas.get('version', '')}; "
        f"torch: {'MKL' if mkl else 'OpenBLAS or another'}",
        "compiler": compiler or "none found: everything works, without compiled steps",
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }
    with contextlib.suppress(PackageNotFoundError):
        facts["warning"] = (
            f"another package called tnlearn {version('tnlearn')} is installed beside this one: "
            "both are imported as tnlearn; uninstall it (this one is tnlearn-topology)"
        )
    return facts
