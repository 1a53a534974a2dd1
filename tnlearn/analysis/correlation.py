"""How much of an amplitude the label explains: the correlation ratio, with its interval.

For an amplitude a and a label of k classes in n chains,

    η² = Σ_c n_c (⟨a⟩_c − ⟨a⟩)² / Σ (a − ⟨a⟩)²

is the share of the variance of a that lies between the classes.  Chance alone
gives (k − 1)/(n − 1), which Kelley's correction takes off:

    ε² = 1 − (1 − η²)(n − 1)/(n − k)   (T. L. Kelley, PNAS 21, 554 (1935)).

ε² is about 0 for an amplitude that knows nothing of the label, and 1 for one
that is constant within each class.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tnlearn.errors import ShapeError

__all__ = ["class_means", "correlation_ratio", "resampled_ratios", "spread"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def correlation_ratio(features: npt.NDArray[np.floating], labels: Ints) -> Floats:
    """Kelley's ε² of every feature with the label, (features,).

    Parameters
    ----------
    features
        (samples, features).
    labels
        Class indices (samples,).

    Raises
    ------
    ShapeError
        If the two do not fit, or there are fewer than two classes or too few samples.
    """
    features = np.asarray(features, dtype=np.float64)
    labels = np.asarray(labels)
    classes = np.unique(labels)
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ShapeError(
            f"features must be (samples, features) and labels (samples,); "
            f"got {features.shape} and {labels.shape}"
        )
    if len(classes) < 2 or len(labels) <= len(classes):
        raise ShapeError(
            f"a correlation ratio needs two classes and more samples than classes, "
            f"not {len(classes)} and {len(labels)}"
        )
    counts = np.array([(labels == c).sum() for c in classes], dtype=np.float64)
    # From the mean: sums of squares far from it would lose digits.
    centred = features - features.mean(axis=0)
    sums = np.array([centred[labels == c].sum(axis=0) for c in classes])
    squares = (centred**2).sum(axis=0)
    return np.asarray(_kelley(counts[:, None, None], sums[:, None], squares[None])[0])


def resampled_ratios(
    features: npt.NDArray[np.floating], labels: Ints, resamples: int, seed: int
) -> Floats:
    """ε² in samples drawn anew with replacement, class by class, (resamples, features).

    The spread over the resamples is the statistical uncertainty (bootstrap; B. Efron, Ann.
    Stat. 7, 1 (1979)); the classes keep their sizes.
    """
    features = np.asarray(features, dtype=np.float64)
    labels = np.asarray(labels)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(len(labels), resamples)))
    centred = features - features.mean(axis=0)
    counts, sums, squares = [], [], np.zeros((resamples, features.shape[1]))
    for c in np.unique(labels):
        here = centred[labels == c]
        weights = rng.multinomial(len(here), np.full(len(here), 1 / len(here)), size=resamples)
        counts.append(len(here))
        sums.append(weights @ here)
        squares += weights @ here**2
    return _kelley(np.array(counts, dtype=np.float64)[:, None, None], np.array(sums), squares)


def _kelley(counts: Floats, sums: Floats, squares: Floats) -> Floats:
    """ε² (resamples, features) from counts (k, 1, 1), sums (k, resamples, features), squares."""
    total, classes = float(counts.sum()), len(counts)
    mean_part = sums.sum(axis=0) ** 2 / total
    between = (sums**2 / counts).sum(axis=0) - mean_part
    whole = squares - mean_part
    # What does not vary (an amplitude that a mask set to zero) is explained by nothing.
    flat = whole <= 1e-12 * np.maximum(squares, 1e-300)
    share = np.where(flat, 0.0, between / np.where(flat, 1.0, whole))
    corrected = 1.0 - (1.0 - share) * (total - 1.0) / (total - classes)
    return np.asarray(np.where(flat, 0.0, corrected))


def spread(value: float, resampled: Floats) -> tuple[float, float]:
    """95 % interval of a number from its resampled values (samples,).

    The resamples scatter about their own mean, which bias lifts above the value: their
    quantiles are taken from that mean.
    """
    low, high = np.quantile(resampled, [0.025, 0.975]) - resampled.mean()
    return float(value + low), float(value + high)


def class_means(features: npt.NDArray[np.floating], labels: Ints) -> Floats:
    """Mean of every feature in every class less the mean of the classes, (classes, features)."""
    features = np.asarray(features, dtype=np.float64)
    means = np.array([features[labels == c].mean(axis=0) for c in np.unique(labels)])
    return np.asarray(means - means.mean(axis=0))
