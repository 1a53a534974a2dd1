"""Vectors of numbers in kernels: every operation against numpy."""

import numpy as np
import pytest

from tnlearn.physics.jit import kernel
from tnlearn.physics.simd import (
    LANES,
    conjugate,
    load,
    load16,
    load16_as,
    load_as,
    number_as,
    real_part,
    size,
    spread16_as,
    spread_as,
    store,
    total,
)

RNG = np.random.default_rng(0)


@kernel
def real_operations(a, number, out):
    x, y = load(a, 0), load(a, LANES)
    store(out, 0, 2.0 * x * y + x / y - number)
    store(out, 8, number - -x)
    store(out, 16, size(x) + 1.0 / size(y))
    out[24] = total(x)
    wide = load16(a, 0)
    store(out, 32, number * wide * wide + wide / number)


def test_real_vectors():
    a, out = RNG.normal(size=16), np.zeros(48)
    real_operations(a, 0.7, out)
    x, y = a[:8], a[8:]
    assert np.allclose(out[:8], 2 * x * y + x / y - 0.7, rtol=1e-14)
    assert np.allclose(out[8:16], 0.7 + x, rtol=1e-14)
    assert np.allclose(out[16:24], abs(x) + 1 / abs(y), rtol=1e-14)
    assert abs(out[24] - x.sum()) < 1e-14
    assert np.allclose(out[32:], 0.7 * a * a + a / 0.7, rtol=1e-14)


@kernel
def any_operations(like, a, number, out, moduli, numbers):
    parts = 2 if np.iscomplexobj(like) else 1
    x, y = load_as(like, a, 0), load_as(like, a, parts * LANES)
    z = x * conjugate(y) - spread_as(like, number) * x + y
    store(out, 0, -z)
    store(moduli, 0, size(z))
    store(moduli, 8, real_part(x * conjugate(x)))
    store(moduli, 16, real_part(2.0 * x * load(moduli, 8)))
    numbers[0] = total(z)
    numbers[1] = number_as(like, a, 3)
    wide = load16_as(like, a, 0) * spread16_as(like, number)
    store(out, parts * LANES, wide)


def packed(z, width):
    """As `load_as` reads them: `width` real parts, then as many imaginary ones."""
    if not np.iscomplexobj(z):
        return z.copy()
    parts = z.reshape(-1, width)
    return np.concatenate([parts.real, parts.imag], axis=1).ravel()


@pytest.mark.parametrize("kind", [float, complex])
def test_real_and_complex_vectors_in_one_kernel(kind):
    z = RNG.normal(size=16) + (1j * RNG.normal(size=16) if kind is complex else 0)
    number = z[5]
    parts = 2 if kind is complex else 1
    out, moduli = np.zeros(parts * 24), np.zeros(24)
    numbers = np.zeros(2, dtype=kind)
    any_operations(z, packed(z, 8), number, out, moduli, numbers)
    x, y = z[:8], z[8:]
    expected = x * y.conj() - number * x + y
    assert np.allclose(out[: parts * 8], packed(-expected, 8), rtol=1e-13)
    assert np.allclose(moduli[:8], abs(expected.real) + abs(expected.imag), rtol=1e-13)
    assert np.allclose(moduli[8:16], abs(x) ** 2, rtol=1e-13)
    assert np.allclose(moduli[16:], 2 * x.real * abs(x) ** 2, rtol=1e-13)
    assert np.allclose(numbers, [expected.sum(), z[3]], rtol=1e-13)
    # Sixteen at a time are laid out sixteen by sixteen.
    any_operations(z, packed(z, 16), number, out, moduli, numbers)
    assert np.allclose(out[parts * 8 :], packed(z * number, 16), rtol=1e-13)


@pytest.mark.parametrize("function", [size, conjugate, real_part, total])
def test_outside_of_kernels_they_say_so(function):
    with pytest.raises(NotImplementedError, match="kernels"):
        function(1.0)
