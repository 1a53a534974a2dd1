"""Spectra of large symmetric matrices known only through their products with vectors.

The ends come from ARPACK, the density from stochastic Lanczos quadrature: the Lanczos matrix of a
random vector v holds the quadrature of ``v^T f(H) v``, whose mean over v is ``tr f(H) / P`` (Ubaru,
Chen, Saad, SIAM J. Matrix Anal. Appl. 38, 1075 (2017); for Hessians of neural networks Ghorbani,
Krishnan, Xiao, arXiv:1901.10159).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh_tridiagonal
from scipy.sparse.linalg import LinearOperator, eigsh

from tnlearn.errors import ConfigError

__all__ = ["Density", "extremes", "lanczos", "spectral_density"]

Floats = npt.NDArray[np.float64]
Product = Callable[[Floats], Floats]

# Precision of an end of the spectrum, over the largest |eigenvalue|.
_TOLERANCE = 1e-6
# Of the norm of the matrix, as far as it has been seen: a new direction shorter than this is none.
_EXHAUSTED = 1e-10


def extremes(
    product: Product, size: int, count: int, *, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """The `count` lowest and the `count` highest eigenvalues, each ascending.

    An eigenvalue with several eigenvectors may be listed once: a Krylov space holds one vector of
    each eigenspace.  The lower end is searched as the far end of ``H − λ_max``: zero modes, of
    which a Hessian has many, then have the same absolute precision as the rest.

    Parameters
    ----------
    product
        ``product(v) -> H v`` for vectors (size,).
    rng
        Of the vector that the search starts from.

    Raises
    ------
    ConfigError
        If more eigenvalues are asked for than ARPACK gives of a matrix of this size.
    """
    if not 1 <= count < size:
        raise ConfigError(
            f"between 1 and {size - 1} eigenvalues of a matrix of size {size} can be found, "
            f"not {count}"
        )
    start = rng.standard_normal(size)
    space = min(size, max(2 * count + 1, 40))

    def end(shift: float, which: str) -> Floats:
        shifted = LinearOperator(
            (size, size), matvec=lambda v: product(v.ravel()) - shift * v.ravel(), dtype=np.float64
        )
        values = eigsh(
            shifted,
            k=count,
            which=which,
            v0=start,
            ncv=space,
            tol=_TOLERANCE,
            maxiter=50 * size,
            return_eigenvectors=False,
        )
        return np.sort(values) + shift

    high = end(0.0, "LA")
    # The shifted spectrum lies on one side of zero, so its largest modulus is its low end.
    return end(float(high[-1]), "LM"), high


def lanczos(product: Product, start: Floats, steps: int) -> tuple[Floats, Floats]:
    """Diagonal (n,) and off-diagonal (n − 1,) of the Lanczos matrix of a start vector, n <= steps.

    New directions are made orthogonal to all old ones, twice: without this, copies of
    eigenvalues appear that are converged already.  It ends early where the space is exhausted.
    """
    vector = start / np.linalg.norm(start)
    basis = [vector]
    diagonal: list[float] = []
    beside: list[float] = []
    scale = 0.0
    for _ in range(steps):
        image = product(basis[-1])
        diagonal.append(float(basis[-1] @ image))
        scale = max(scale, float(np.linalg.norm(image)))
        known = np.array(basis)
        for _ in range(2):
            image = image - known.T @ (known @ image)
        length = float(np.linalg.norm(image))
        if len(diagonal) == steps or length <= _EXHAUSTED * scale:
            break
        beside.append(length)
        basis.append(image / length)
    return np.array(diagonal), np.array(beside)


@dataclass(frozen=True)
class Density:
    """A spectral density as weighted points.

    Attributes
    ----------
    values, weights
        Eigenvalue estimates and the share of the spectrum each stands for, (n,); the weights
        sum to 1.
    """

    values: Floats
    weights: Floats

    def share(self, low: float, high: float) -> float:
        """Share of the eigenvalues between two numbers, the ends included."""
        inside = (self.values >= low) & (self.values <= high)
        return float(self.weights[inside].sum())


def spectral_density(
    product: Product, size: int, *, probes: int, steps: int, rng: np.random.Generator
) -> Density:
    """The density of the spectrum by stochastic Lanczos quadrature.

    Parameters
    ----------
    probes
        Random vectors of signs; the error of a mean falls as 1/√(probes · size).
    steps
        Lanczos steps for each.  Moments up to 2 steps − 1 are exact for each probe.
    rng
        Of the probes.

    Raises
    ------
    ConfigError
        If there are no probes or no steps.
    """
    if probes < 1 or steps < 1:
        raise ConfigError(f"probes and steps must be at least 1, not {probes} and {steps}")
    values, weights = [], []
    for _ in range(probes):
        signs: Floats = rng.choice(np.array([-1.0, 1.0]), size)
        diagonal, beside = lanczos(product, signs, min(steps, size))
        nodes, vectors = eigh_tridiagonal(diagonal, beside)
        values.append(nodes)
        weights.append(vectors[0] ** 2 / probes)
    return Density(np.concatenate(values), np.concatenate(weights))
