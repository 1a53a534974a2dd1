"""Inputs with states or cells left out: amplitudes set to zero, labels as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tnlearn.data.dataset import Dataset
from tnlearn.errors import ConfigError, check_choice
from tnlearn.physics.states import States

__all__ = ["MASKS", "Mask", "masked"]


@dataclass(frozen=True)
class Mask:
    """A family of masks: what stays when `k` of L states or cells are kept."""

    title: str
    unit: str


MASKS = {
    "nearest": Mask("states nearest zero energy", "pairs of states kept"),
    "farthest": Mask("states farthest from zero energy", "pairs of states kept"),
    "outer": Mask("outer cells, half at each end", "cells kept"),
    "inner": Mask("inner cells", "cells kept"),
}


def masked(data: Dataset, how: str, kept: int) -> Dataset:
    """The data set with only `kept` pairs of states (or cells) of each chain left.

    Parameters
    ----------
    data
        Left as it is.
    how
        ``"nearest"`` or ``"farthest"``: the pairs (u_n, v_n) of lowest or highest |E_n|;
        ``"outer"`` or ``"inner"``: the cells of both sublattices nearest the ends (half of them
        at each end, the odd one on the left) or the middle.
    kept
        From 0 to the length of the chain.

    Raises
    ------
    UnknownNameError, ConfigError
        For another family, or a number out of range.
    """
    check_choice("mask", how, MASKS)
    cells = data.states.cells
    if not 0 <= kept <= cells:
        raise ConfigError(f"a mask keeps 0 to {cells} of {cells} states or cells, not {kept}")
    stays = np.zeros(cells, dtype=bool)
    if how == "nearest":
        stays[:kept] = True
    elif how == "farthest":
        stays[cells - kept :] = True
    elif how == "outer":
        stays[: kept - kept // 2] = True
        stays[cells - kept // 2 :] = True
    else:
        first = (cells - kept) // 2
        stays[first : first + kept] = True
    factor = stays[:, None] if how in ("nearest", "farthest") else stays[None, :]
    states = data.states
    made = States(
        states.u * factor.astype(states.u.dtype),
        states.v * factor.astype(states.v.dtype),
        states.energies,
    )
    return replace(data, states=made, info={**data.info, "mask": {"how": how, "kept": kept}})
