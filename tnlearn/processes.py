"""Starting worker processes: one thread each, deaf to Ctrl-C, ending with whom they serve."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import wait

__all__ = ["end_with_parent", "worker_surroundings"]

THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def end_with_parent() -> None:
    """End this process when its parent has ended; call it once, in the worker.

    A parent that was killed cannot say so: without this its workers would stay for ever.
    """
    threading.Thread(target=_end, daemon=True).start()


def _end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


@contextlib.contextmanager
def worker_surroundings() -> Iterator[None]:
    """Surroundings in which to start a worker: it inherits them.

    The number of threads is set to one where the user has not set it: the libraries read it
    when they are loaded.  Ctrl-C, which the terminal sends to workers too, is left to the parent:
    it ends its workers itself, and they do not fill the screen with their tracebacks.
    """
    added = {name: "1" for name in THREAD_SETTINGS if name not in os.environ}
    os.environ.update(added)
    try:
        with _interrupt_held():
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _interrupt_held() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    # It is started with the first worker, and then opens the mask again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
