"""Refusing a request that cannot fit in the machine's memory, before it is tried."""

from __future__ import annotations

import os

from tnlearn.errors import MemoryLimitError

__all__ = ["check_memory", "machine_memory"]


def machine_memory() -> int | None:
    """Physical memory of this machine in bytes, or None where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def check_memory(what: str, needed: int) -> None:
    """Raise `MemoryLimitError` if `needed` bytes are more than the machine's memory."""
    have = machine_memory()
    if have is not None and needed > have:
        raise MemoryLimitError(
            f"{what} would need {needed / 2**30:.3g} GiB, and this machine has "
            f"{have / 2**30:.3g} GiB; take fewer samples or cells, or work in slices"
        )
