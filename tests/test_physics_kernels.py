"""Vectors of numbers in kernels, every operation against numpy; and kernels kept on disk."""

import numba
import numpy as np
import pytest

from tnlearn.physics import kernels
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


def product(a, b):
    return a * b


def full_disk(*_):
    raise OSError(28, "No space left on device")


def test_kernels_on_disk_that_are_damaged_or_not_to_be_written_are_compiled_again(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def hits():
        kernels._told.clear()
        again = kernel(product)
        assert again(6.0, 7.0) == 42.0
        return sum(again.stats.cache_hits.values()), capsys.readouterr().err.count("\n")

    assert (hits(), hits()) == ((0, 0), (1, 0))
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) == 2
    for path in kept:
        for damage in (
            lambda x: x[:-40] + bytes([x[-40] ^ 1]) + x[-39:],
            lambda x: b"",
            lambda x: x[:9],
        ):
            path.write_bytes(damage(path.read_bytes()))
            assert (hits(), hits()) == ((0, 1), (1, 0))
    kept[0].unlink()
    kept[1].unlink()
    monkeypatch.setattr(kernels._CacheFile, "_write", full_disk)
    assert hits() == (0, 1)
