"""What a request costs: refused where it cannot fit in memory, compiled only where that pays.

And how samples share the memory and the cores.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tnlearn.errors import check_memory, check_whole

__all__ = [
    "check_memory",
    "check_threads",
    "chunk_length",
    "in_threads",
    "kernels_pay",
]

# What plain linear algebra may cost a process, in seconds, before anything is compiled for it.
_PLAIN_SECONDS = 1.0
_spent = [0.0]
_CHUNK_BYTES = 64 * 2**20


def kernels_pay(seconds: float) -> bool:
    """Whether compiled kernels shall do what plain linear algebra does in so many seconds.

    The plain way, as long as a process has spent less than a second on it in all; from then on
    the kernels, which take seconds to compile where no cache of them is on disk.  By estimates,
    never by a clock: the same calls in the same order go the same way on every machine.
    """
    _spent[0] += max(0.0, seconds)
    return _spent[0] > _PLAIN_SECONDS


def chunk_length(cells: int) -> int:
    """Samples whose blocks are worked at a time."""
    return max(1, _CHUNK_BYTES // (16 * cells * cells))


def check_threads(threads: Any) -> int:
    """The number of threads, all the cores for None; or raise `ConfigError`."""
    return (os.cpu_count() or 1) if threads is None else check_whole("threads", threads, 1)


def in_threads(work: Callable[[slice], None], samples: int, threads: int, group: int = 8) -> None:
    """Call `work` on slices of the samples, side by side; whole groups stay together."""
    if threads == 1 or samples == 1:
        work(slice(0, samples))
        return
    group = min(group, max(1, samples // (2 * threads)))
    # Many pieces a thread, since chains differ in cost.
    step = -(-samples // (16 * threads * group)) * group
    pieces = iter([slice(k, min(k + step, samples)) for k in range(0, samples, step)])

    def some() -> None:
        try:
            for piece in pieces:
                work(piece)
        except BaseException:
            for _ in pieces:  # the others shall stop, too
                pass
            raise

    # This thread works as well: one that only waited would be woken, and take a core, ever again.
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(some) for _ in range(threads - 1)]
        some()
    for other in others:
        other.result()
