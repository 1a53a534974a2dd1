"""E ln|a + w r| in closed form, and the boundary of the disordered SSH chain."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from tnlearn.errors import ConfigError, NotFiniteError, ShapeError
from tnlearn.physics.boundary import mean_log, ssh_exponent, ssh_transitions

amplitudes = st.floats(-4, 4, allow_subnormal=False)
strengths = st.floats(0, 8, allow_subnormal=False)


def by_quadrature(a, w):
    """The integral itself, split where the argument vanishes."""
    if w == 0:
        return np.log(abs(a))
    ends = [-0.5, 0.5]
    if abs(np.real(a)) < w / 2:
        ends.insert(1, float(-np.real(a) / w))
    parts = [
        quad(lambda r: np.log(abs(a + w * r)), low, high, epsabs=1e-12, limit=200)[0]
        for low, high in pairwise(ends)
        if high > low
    ]
    return sum(parts)


@pytest.mark.parametrize(
    ("a", "w"),
    [
        (1.0, 0.0),
        (1.0, 1e-9),
        (1.0, 0.199),  # the series …
        (1.0, 0.201),  # … and the closed form, where they meet
        (-1.3, 0.7),
        (1.1, 1.712),
        (0.4, 3.0),
        (0.0, 2.0),
        (0.5, 1.0),  # a = w/2
        (-0.5, 1.0),
        (1 + 0.5j, 2.0),
        (0.7j, 3.0),
        (-0.2 + 1e-3j, 1.0),
        (3 - 4j, 0.1),
    ],
)
def test_against_the_integral(a, w):
    assert mean_log(a, w) == pytest.approx(by_quadrature(a, w), abs=1e-9)


@pytest.mark.parametrize("w", [1e-3, 1.0, 7.0])
def test_limits(w):
    limits = {w / 2: np.log(w) - 1, -w / 2: np.log(w) - 1, 0.0: np.log(w / 2) - 1}
    for a, expected in limits.items():
        assert mean_log(a, w) == pytest.approx(expected, abs=1e-14)
    assert mean_log(w, 0.0) == np.log(w)
    assert mean_log(0.0, 0.0) == -np.inf


@given(amplitudes, strengths, st.floats(0.1, 10))
def test_identities(a, w, scale):
    found = mean_log(a, w)
    assert mean_log(-a, w) == pytest.approx(found, abs=1e-13)
    if a or w:
        assert mean_log(scale * a, scale * w) == pytest.approx(found + np.log(scale), abs=1e-12)
        assert mean_log(a + 0j, w) == pytest.approx(found, abs=1e-12)


@given(st.floats(0.1, 4), st.floats(1e-12, 0.3))
def test_the_series_and_the_closed_form_agree(a, share):
    w = 2 * share * a
    high, low = a + w / 2, a - w / 2
    closed = (high * np.log(high) - low * np.log(low)) / w - 1
    # The closed form as it stands loses digits as 1/w.
    assert mean_log(a, w) == pytest.approx(closed, abs=1e-14 / share)


def test_shapes_broadcast():
    found = mean_log(np.ones((3, 1)), np.linspace(0, 2, 5))
    assert found.shape == (3, 5)
    assert found[1, 4] == mean_log(1.0, 2.0)
    assert mean_log(1.0, 2.0).shape == ()


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (ConfigError, lambda: mean_log(1.0, -0.1)),
        (ConfigError, lambda: mean_log(1.0, 1j)),
        (NotFiniteError, lambda: mean_log(np.nan, 1.0)),
        (NotFiniteError, lambda: mean_log(1.0, np.inf)),
        (ShapeError, lambda: mean_log(np.ones(3), np.ones(2))),
        (ConfigError, lambda: ssh_transitions(1.0, up_to=0.0)),
    ],
)
def test_wrong_input(error, call):
    with pytest.raises(error):
        call()


def test_exponent_of_the_clean_chain():
    assert ssh_exponent(0.5, 1.0) == pytest.approx(np.log(2))
    assert ssh_exponent(1.0, 1.0) == 0
    assert np.isnan(ssh_exponent(0.0, 0.0))
    assert ssh_exponent(0.0, 1.0) == np.inf


@given(amplitudes, amplitudes, strengths, strengths)
def test_exchange_of_the_bonds(intra, inter, W0, W1):
    found = ssh_exponent(intra, inter, W0, W1)
    np.testing.assert_array_equal(ssh_exponent(inter, intra, W1, W0), -found)


@pytest.mark.parametrize(
    ("intra", "expected"), [(1.1, [1.712, 3.650]), (1.2, [2.299, 3.515]), (1.4, [])]
)
def test_topological_anderson_insulator(intra, expected):
    found = ssh_transitions(intra)
    assert found == pytest.approx(expected, abs=6e-4)
    for W in found:
        assert ssh_exponent(intra, 1.0, W, W / 2) == pytest.approx(0, abs=1e-12)


def test_the_other_convention_needs_strong_disorder():
    # Disorder mostly on the strong bond first makes the chain more trivial; in the end that
    # bond is the larger one by a factor of two, E ln|t_1| − E ln|t_0| → ln 2.
    (only,) = ssh_transitions(1.1, shares=(0.5, 1.0))
    assert only > 4.0
    assert ssh_exponent(1.1, 1.0, 0.5e6, 1e6) == pytest.approx(np.log(2), abs=1e-4)
