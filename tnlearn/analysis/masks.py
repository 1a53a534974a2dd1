"""Inputs with states or cells left out: amplitudes set to zero, labels as they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tnlearn.data.dataset import Dataset
from tnlearn.errors import ConfigError, check_choice
from tnlearn.physics.states import States

__all__ = ["MASKS", "masked"]

# What stays when k of L pairs of states, or cells, are kept.
MASKS = {
    "nearest": "pairs nearest zero energy",
    "farthest": "pairs far from zero energy",
    "outer": "outer cells",
    "inner": "inner cells",
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
    states, cells = data.states, data.states.cells
    if not 0 <= kept <= cells:
        raise ConfigError(f"a mask keeps 0 to {cells} of {cells} states or cells, not {kept}")
    order = np.arange(cells)  # of the states in energy, or of the cells from the left
    left, first = kept - kept // 2, (cells - kept) // 2
    stays = {
        "nearest": order < kept,
        "farthest": order >= cells - kept,
        "outer": (order < left) | (order >= cells - kept // 2),
        "inner": (order >= first) & (order < first + kept),
    }[how]
    factor = stays[:, None] if how in ("nearest", "farthest") else stays[None, :]
    kept_states = States(
        states.u * factor.astype(states.u.dtype),
        states.v * factor.astype(states.v.dtype),
        states.energies,
    )
    return replace(data, states=kept_states, info={**data.info, "mask": {"how": how, "kept": kept}})
