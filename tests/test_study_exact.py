"""The study `exact`: the formula it compares with."""

from __future__ import annotations

import numpy as np

import tnlearn as tnl
from tnlearn.studies.exact import trace_formula


def test_the_trace_formula_is_the_winding_number() -> None:
    chains = tnl.ssh(14, [0.5, 1.5, 1.0], [1.0, 1.0, 1.1], disorder_intra=0.6, samples=3, seed=3)
    states = chains.states()
    values = trace_formula(states.u, states.v, 0.5)
    assert np.allclose(values, tnl.winding(chains, "rswn", window=0.5).value, atol=1e-11)
