"""The questions of an audit: samples, and the certified pairs of every intervention."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.audits.certify import Certificate, Pairs, certificate, certified
from tnlearn.audits.interventions import Intervention, resolved
from tnlearn.data.dataset import Dataset, dataset
from tnlearn.data.sampling import derived_seed
from tnlearn.data.stored import StoredDataset
from tnlearn.errors import ConfigError, ShapeError

__all__ = ["SAMPLES", "Suite", "drawn", "suite", "taken"]

Array = NDArray[Any]

SAMPLES = 500
# What alterations read of the recipe of a data set.
_RECIPE = ("name", "cells", "seed", "gauge", "dtype", "shifts")


@dataclass(frozen=True, eq=False)
class Suite:
    """Samples, and the certified pairs of every intervention.

    Attributes
    ----------
    data : Dataset
        The samples as they were.
    known : Certificate
        Their own winding numbers, recomputed.
    classes : tuple of int
        The windings that an answer can name.
    pairs : tuple of Pairs
        One for each intervention.
    seed : int
        Of what the interventions drew.
    """

    data: Dataset
    known: Certificate
    classes: tuple[int, ...]
    pairs: tuple[Pairs, ...]
    seed: int

    @property
    def usable(self) -> Array:
        """Indices of the samples whose winding is clear and among the classes."""
        there = self.known.clear & np.isin(self.known.windings, self.classes)
        return np.flatnonzero(there)

    def settings(self) -> dict[str, Any]:
        """What was asked, as JSON holds it."""
        info = self.data.info
        told = {key: info.get(key) for key in ("name", "cells", "disorder", "variant", "start")}
        shifts = [step["name"] for step in info["shifts"]]
        return {
            **told,
            "shifts": shifts,
            "samples": len(self.data),
            "usable": len(self.usable),
            "data_seed": info["seed"],
            "seed": self.seed,
        }


def drawn(name: str, cells: int, samples: int, seed: int, disorder: float = 0.0) -> Dataset:
    """Samples for an audit, from a stream of their own: not those of a small seed.

    Raises what `tnlearn.dataset` raises.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ConfigError(f"seed must be a whole number of at least 0, got {seed!r}")
    # Seeds of PCG64 streams may be large; JSON readers want them below 2^53.
    own = derived_seed(int(seed), "audit") >> 10
    return dataset(name, cells, samples, disorder, own)


def taken(data: Any, samples: int | None = None) -> Dataset:
    """The first samples of a data set, if it is one that can be audited on.

    Raises
    ------
    ShapeError, ConfigError
        If it is no data set, holds rings or too few samples, or lacks its recipe.
    """
    if isinstance(data, StoredDataset):
        data = data[: len(data) if samples is None else samples]
    if not isinstance(data, Dataset):
        raise ShapeError(
            f"data must be a data set made by tnlearn.dataset, not {type(data).__name__}: the "
            "winding numbers are recomputed from its chains"
        )
    missing = [key for key in _RECIPE if key not in data.info]
    if missing:
        raise ConfigError(f"the data set lacks {', '.join(missing)} in its info")
    if data.chains.boundary != "open":
        raise ConfigError("an audit alters the ends of open chains, and these are rings")
    if data.states.cells != data.chains.cells or len(data.chains) != len(data):
        raise ShapeError("the states of the data set are not those of its chains")
    if samples is not None:
        whole = not isinstance(samples, bool) and isinstance(samples, (int, np.integer))
        if not whole or not 1 <= samples <= len(data):
            raise ConfigError(f"samples must lie between 1 and {len(data)}, not {samples!r}")
        data = data[: int(samples)]
    if not len(data):
        raise ShapeError("there are no samples in the data set")
    # The other kinds of winding number would be of the chains as they were.
    found: Dataset = replace(data, kinds={})
    return found


def suite(
    data: Dataset,
    classes: Sequence[int] | None = None,
    interventions: Iterable[str | Intervention] | None = None,
    seed: int = 0,
    step: Callable[[], Any] = lambda: None,
) -> Suite:
    """Make and certify the pairs of all interventions.

    Parameters
    ----------
    data : Dataset
        As `taken` gives it.
    classes : sequence of int, optional
        The windings that an answer can name; the classes of the data unless given.
    interventions, seed
        As in `tnlearn.audit`.
    step : callable
        Called after each intervention.

    Raises
    ------
    ConfigError
        If no sample is clear and of a known class, or an intervention cannot be made of them.
    UnknownNameError
        For an unknown intervention.
    """
    chosen = resolved(interventions)
    known = certificate(data)
    told = tuple(data.classes) if classes is None else tuple(classes)
    # What a label says does not count here: the alterations choose by the certificate, too.
    data = replace(data, windings=known.windings, ambiguous=~known.clear)
    if not (known.clear & np.isin(known.windings, told)).any():
        raise ConfigError(
            f"none of the {len(data)} samples is clear and of a winding among "
            f"{', '.join(map(str, told))}: take more or longer chains, or other data"
        )
    pairs = []
    for one in chosen:
        pairs.append(certified(data, one, told, seed=seed, known=known))
        step()
    return Suite(data, known, told, tuple(pairs), seed)
