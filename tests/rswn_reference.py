"""The winding numbers of open chains by the dense SVD, which the fast ways are tested against."""

from functools import partial

import numpy as np

from tnlearn.physics.rswn import rswn_values, svd_error
from tnlearn.physics.winding import winding

compiled = partial(winding, compiled=True)
plain = partial(winding, compiled=False)


def exact(chains, window=0.5):
    """Value, gap and a bound of the rounding."""
    value, energies = rswn_values(chains.block(), "open", window)
    return value, energies[:, -1], svd_error(energies, not np.iscomplexobj(chains.block()))


def clear(chains):
    """Where the singular values below rounding leave the pairing, and so W, well defined."""
    energies = np.linalg.svd(chains.block(), compute_uv=False)
    return (energies[:, -1] > 1e-12 * energies[:, 0]) & (energies[:, -1] > 0)
