"""Lyapunov exponents of long chains, and the phase they tell."""

from __future__ import annotations

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.data.near import near_chains, zeros_of
from tnlearn.errors import ConfigError
from tnlearn.physics.boundary import ssh_exponent
from tnlearn.physics.exponents import phase_of


def amplitudes(near):
    return {m: t[:, 0] for m, t in near.chains.hoppings.items()}


@pytest.mark.parametrize("name", ["ssh", "extended"])
def test_clean_exponents_are_the_logarithms_of_the_zeros(name):
    near = near_chains(2, 30, (0.05, 0.9), 1, name=name)
    found = phase_of(amplitudes(near), {}, cells=8000)
    columns = [near.chains.hoppings[m][:, 0] for m in near.chains.offsets]
    known = np.sort(-np.log(np.abs(zeros_of(np.stack(columns, axis=1)))), axis=1)[:, ::-1]
    assert np.allclose(found.exponents, known, atol=2e-3)
    assert np.allclose(found.distance, near.distance, atol=2e-3)
    assert np.array_equal(found.integer, near.windings)


def test_disordered_ssh_chains_follow_the_closed_form():
    t0, t1 = np.array([0.5, 1.1, 1.3]), np.array([1.0, 1.0, 1.0])
    found = phase_of({0: t0, 1: t1}, {0: 2.0, 1: 1.0}, cells=64_000, seed=3)
    known = [ssh_exponent(a, b, 2.0, 1.0) for a, b in zip(t0, t1, strict=True)]
    pull = (found.exponents[:, 0] - known) / found.error[:, 0]
    assert np.abs(pull).max() < 4
    assert np.array_equal(found.integer, (np.array(known) > 0).astype(int))


def test_the_phase_is_the_integer_of_long_samples():
    near = near_chains(1, 30, (0.1, 0.9), 4)
    strengths = dict.fromkeys(near.chains.offsets, 1.0)
    found = phase_of(amplitudes(near), strengths, cells=8000, seed=1)
    clear = found.distance > 0.1
    assert clear.sum() > 10
    long = tnl.chain(4000, amplitudes(near), disorder=strengths, seed=2)
    own = tnl.winding(long, "lyapunov", gap=False).integer
    assert np.array_equal(own[clear], found.integer[clear])


def test_errors_are_of_the_size_of_the_scatter():
    near = near_chains(1, 25, (0.1, 0.9), 6)
    strengths = dict.fromkeys(near.chains.offsets, 1.0)
    one, other = (phase_of(amplitudes(near), strengths, cells=4000, seed=s) for s in (0, 1))
    pull = (one.exponents - other.exponents) / np.hypot(one.error, other.error)
    assert 0.7 < pull.std() < 1.5


def test_a_sample_has_a_stream_of_its_own():
    near = near_chains(1, 6, (0.1, 0.9), 8)
    whole = phase_of(amplitudes(near), {0: 1.0}, cells=500, seed=5)
    some = phase_of({m: t[:2] for m, t in amplitudes(near).items()}, {0: 1.0}, cells=500, seed=5)
    assert np.array_equal(some.exponents, whole.exponents[:2])


def test_only_neighbouring_real_offsets_are_taken():
    with pytest.raises(ConfigError, match="neighbouring offsets"):
        phase_of({0: np.ones(2), 2: np.ones(2)}, {})
    with pytest.raises(ConfigError, match="neighbouring offsets"):
        phase_of({0: np.ones(2)}, {})
    with pytest.raises(ConfigError, match="complex"):
        phase_of({0: np.ones(2), 1: 1j * np.ones(2)}, {})
