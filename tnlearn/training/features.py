"""A data set folded once through the frozen part of a network, within the memory there is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tnlearn.errors import ConfigError, MemoryLimitError, NotFiniteError, ShapeError, check_finite
from tnlearn.physics.states import named_arrays

__all__ = ["arrays_of", "available_memory", "fold_states", "is_complex", "state_tensors"]

Tensor = torch.Tensor
_STRETCH = 256  # samples folded at a time: bounds the intermediates, and is the same in every run
_REAL = {torch.float32: np.float32, torch.float64: np.float64}
_COMPLEX = {torch.float32: np.complex64, torch.float64: np.complex128}


def available_memory() -> int:
    """Bytes this process may still allocate, as far as the system or its control group tells."""
    limits = [1 << 62]
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                limits.append(int(line.split()[1]) * 1024)
    except (OSError, ValueError):
        pages = getattr(os, "sysconf", None)
        if pages is not None and "SC_PHYS_PAGES" in os.sysconf_names:
            limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    try:
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text().strip()
        if limit != "max":
            limits.append(int(limit) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):
        pass
    return max(0, min(limits))


def state_tensors(states: Any, dtype: torch.dtype) -> dict[str, Tensor]:
    """The arrays of some states (or of a data set) by name, as tensors of a precision.

    Raises
    ------
    ShapeError
        If they are not real or complex arrays (samples, …) of the same samples, or hold none.
    NotFiniteError
        If they hold NaN or infinity, before or after the cast.
    """
    tensors: dict[str, Tensor] = {}
    for name, array in arrays_of(states).items():
        array = array.numpy() if isinstance(array, torch.Tensor) else np.asarray(array)
        if array.ndim < 2 or array.dtype.kind not in "fc":
            raise ShapeError(
                f"states.{name} must be a real or complex array (samples, …), "
                f"not {array.dtype} of shape {array.shape}"
            )
        check_finite(f"states.{name}", array)
        kind = _COMPLEX[dtype] if array.dtype.kind == "c" else _REAL[dtype]
        with np.errstate(over="ignore"):  # seen below
            tensors[name] = torch.from_numpy(array.astype(kind, order="C"))
        if not bool(torch.isfinite(tensors[name]).all()):
            raise NotFiniteError(f"states.{name} overflows in {dtype}; use dtype='float64'")
    counts = {name: len(x) for name, x in tensors.items()}
    if len(set(counts.values())) != 1:
        raise ShapeError(f"the arrays of the states hold different numbers of samples: {counts}")
    if not max(counts.values()):
        shapes = ", ".join(str(tuple(x.shape)) for x in tensors.values())
        raise ShapeError(f"there are no samples: the states have shape {shapes}")
    return tensors


def arrays_of(states: Any) -> Mapping[str, Any]:
    """The arrays of some states (or of a data set) by name; `ShapeError` if there are none."""
    arrays = named_arrays(states)
    if not arrays:
        raise ShapeError(
            f"expected states, a mapping of names to arrays, or a data set, not "
            f"{type(states).__name__}"
        )
    return arrays


def is_complex(states: Any) -> bool:
    """Whether states (or those of a data set) have complex amplitudes."""
    return any(np.asarray(array).dtype.kind == "c" for array in arrays_of(states).values())


def fold_states(
    fold: Callable[[Mapping[str, Tensor]], tuple[Tensor, ...]], arrays: Mapping[str, Tensor]
) -> tuple[Tensor, ...]:
    """Features of all samples, folded a stretch at a time, each (samples, ...) and contiguous.

    Raises
    ------
    MemoryLimitError
        If the features of all samples would not fit into the memory that is free.
    """
    samples = len(next(iter(arrays.values())))

    def stretch(start: int) -> tuple[Tensor, ...]:
        return fold({name: x[start : start + _STRETCH] for name, x in arrays.items()})

    with torch.no_grad():
        first = stretch(0)
        done = min(_STRETCH, samples)
        if not first or any(len(x) != done for x in first):
            raise ConfigError(
                "the network gives no features of the samples to train on: "
                "it must depend on its inputs"
            )
        size = sum(x.element_size() * x[0].numel() for x in first) * samples
        room = available_memory()
        if size > 0.8 * room:
            raise MemoryLimitError(
                f"the folded features of {samples} samples take {size / 2**30:.1f} GiB, but "
                f"{room / 2**30:.1f} GiB of memory are free; train on fewer samples or cells"
            )
        whole = tuple(x.new_empty((samples, *x.shape[1:])) for x in first)
        start = 0
        while True:
            for target, part in zip(whole, first, strict=True):
                target[start : start + len(part)] = part
            start += _STRETCH
            if start >= samples:
                return whole
            first = stretch(start)
