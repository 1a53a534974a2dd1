"""The networks the laboratory compares: the exact winding number and its neural rivals.

    rswn        the real-space winding number in four forms
    baselines   linear, MLP, convolutional, residual, attention and symmetric networks
    scaling     the quartic form with functions of position that serve at every length

Imports `tnlearn.networks` and `tnlearn.physics.geometry` only.
"""

from tnlearn.models import baselines, rswn, scaling

__all__ = ["baselines", "rswn", "scaling"]
