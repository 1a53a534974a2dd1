"""Kelley's correlation ratio: the definition, chance, and its bootstrap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tnlearn.analysis.correlation import (
    class_means,
    correlation_ratio,
    resampled_ratios,
    spread,
)
from tnlearn.errors import ShapeError


def by_hand(feature: np.ndarray, labels: np.ndarray) -> float:
    """η² from the definition, then Kelley's correction."""
    classes = np.unique(labels)
    between = sum(
        (labels == c).sum() * (feature[labels == c].mean() - feature.mean()) ** 2 for c in classes
    )
    share = between / ((feature - feature.mean()) ** 2).sum()
    n, k = len(labels), len(classes)
    return float(1 - (1 - share) * (n - 1) / (n - k))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 5), shift=st.floats(-1e4, 1e4))
def test_the_ratio_is_that_of_the_definition_in_any_units(
    seed: int, classes: int, shift: float
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(60) % classes)
    features = rng.normal(size=(60, 3)) + labels[:, None] * np.array([0.0, 0.5, 3.0])
    ratios = correlation_ratio(features, labels)
    assert ratios == pytest.approx([by_hand(f, labels) for f in features.T], abs=1e-9)
    assert correlation_ratio(-2.5 * features + shift, labels) == pytest.approx(ratios, abs=1e-6)
    # The names of the classes do not matter.
    assert correlation_ratio(features, (labels + 1) % classes) == pytest.approx(ratios, abs=1e-9)


def test_the_ratio_of_what_is_known_and_of_what_is_not() -> None:
    labels = np.arange(4000) % 4
    rng = np.random.default_rng(0)
    features = np.stack([labels**2.0, rng.normal(size=4000), np.ones(4000)], axis=1)
    known, unknown, constant = correlation_ratio(features, labels)
    assert known == pytest.approx(1.0)
    # Kelley's correction takes off what chance gives: ±4 standard deviations of χ²_3/4000.
    assert abs(unknown) < 4 * np.sqrt(6) / 4000
    assert constant == 0.0


def test_chance_is_taken_off_on_average() -> None:
    labels = np.arange(40) % 4
    features = np.random.default_rng(3).normal(size=(40, 4000))
    ratios = correlation_ratio(features, labels)
    error = ratios.std() / np.sqrt(len(ratios))
    assert abs(ratios.mean()) < 4 * error
    # Without the correction it would be (k − 1)/(n − 1), far outside.
    assert 20 * error < 3 / 39


def test_resamples_scatter_as_new_samples_do() -> None:
    rng = np.random.default_rng(5)
    labels = np.arange(300) % 3

    def drawn() -> np.ndarray:
        return rng.normal(size=(300, 1)) + 0.5 * labels[:, None]

    values = np.array([correlation_ratio(drawn(), labels)[0] for _ in range(400)])
    again = np.array([resampled_ratios(drawn(), labels, 200, seed=1)[:, 0].std() for _ in range(9)])
    assert again.mean() == pytest.approx(values.std(), rel=0.2)


def test_intervals_are_about_the_value() -> None:
    resampled = np.random.default_rng(0).normal(5.0, 1.0, 20_000)
    assert spread(1.0, resampled) == pytest.approx((1 - 1.96, 1 + 1.96), abs=0.05)
    features, labels = np.random.default_rng(1).normal(size=(60, 2)), np.arange(60) % 2
    one, two = (resampled_ratios(features, labels, 20, seed=k) for k in (1, 2))
    assert np.array_equal(one, resampled_ratios(features, labels, 20, seed=1))
    assert not np.array_equal(one, two)


def test_class_means_are_about_their_mean() -> None:
    features = np.array([[1.0], [3.0], [10.0], [20.0]])
    assert class_means(features, np.array([0, 0, 1, 1])).tolist() == [[-6.5], [6.5]]


@pytest.mark.parametrize(
    ("features", "labels", "words"),
    [
        (np.ones((4, 2)), np.zeros(3, dtype=int), r"got \(4, 2\) and \(3,\)"),
        (np.ones((4, 2)), np.zeros(4, dtype=int), "two classes"),
        (np.ones((2, 2)), np.arange(2), "more samples than classes"),
    ],
)
def test_ratios_refuse_what_has_none(features: Any, labels: Any, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        correlation_ratio(features, labels)
