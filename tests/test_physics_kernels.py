"""Vectors of numbers in kernels: every operation against numpy."""

import numpy as np
import pytest

from tnlearn.physics.kernels import LANES, kernel, load, size, store, total

RNG = np.random.default_rng(0)


@kernel
def operations(a, number, out):
    x, y = load(a, 0), load(a, LANES)
    store(out, 0, 2.0 * x * y + x / y - number)
    store(out, 8, number - -x)
    store(out, 16, size(x) + 1.0 / size(y))
    out[24] = total(x)


def test_vectors():
    a, out = RNG.normal(size=16), np.zeros(25)
    operations(a, 0.7, out)
    x, y = a[:8], a[8:]
    assert np.allclose(out[:8], 2 * x * y + x / y - 0.7, rtol=1e-14)
    assert np.allclose(out[8:16], 0.7 + x, rtol=1e-14)
    assert np.allclose(out[16:24], abs(x) + 1 / abs(y), rtol=1e-14)
    assert abs(out[24] - x.sum()) < 1e-14


@pytest.mark.parametrize("function", [load, store, size, total])
def test_outside_of_kernels_they_say_so(function):
    with pytest.raises(NotImplementedError, match="pure-python"):
        function(1.0)
