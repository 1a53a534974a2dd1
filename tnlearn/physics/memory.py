"""What a request costs: refused where it cannot fit in memory, compiled only where that pays."""

from __future__ import annotations

import os

from tnlearn.errors import MemoryLimitError

__all__ = ["check_memory", "kernels_pay", "machine_memory"]

# What plain linear algebra may cost a process, in seconds, before anything is compiled for it.
_PLAIN_SECONDS = 1.0
_spent = [0.0]


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


def kernels_pay(seconds: float) -> bool:
    """Whether compiled kernels shall do what plain linear algebra does in so many seconds.

    The plain way, as long as a process has spent less than a second on it in all; from then on
    the kernels, which take seconds to compile where no cache of them is on disk.  By estimates,
    never by a clock: the same calls in the same order go the same way on every machine.
    """
    _spent[0] += max(0.0, seconds)
    return _spent[0] > _PLAIN_SECONDS
