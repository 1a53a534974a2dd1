import numpy as np
import pytest

from tnlearn.errors import ConfigError, UnknownNameError
from tnlearn.physics.blocks import displacement, kept_cells, positions, window_cells


@pytest.mark.parametrize("cells", [1, 2, 5, 8, 21])
def test_open_displacement_is_the_difference_of_positions(cells):
    x = positions(cells)
    assert np.array_equal(displacement(cells, "open"), x[:, None] - x[None, :])


@pytest.mark.parametrize("cells", [1, 2, 5, 6, 8, 21])
def test_ring_displacement_is_the_minimal_image_and_zero_at_the_tie(cells):
    d = displacement(cells, "periodic")
    x = np.arange(cells)
    for i in x:
        for j in x:
            images = sorted((i - j + k * cells for k in (-1, 0, 1)), key=abs)
            tie = abs(images[0]) == abs(images[1])
            assert d[i, j] == (0 if tie else images[0])
    assert np.array_equal(d, -d.T)


@pytest.mark.parametrize(
    ("cells", "fraction", "first", "kept"),
    [(10, 0.5, 2, 5), (9, 0.5, 2, 4), (5, 0.5, 1, 2), (7, 0.5, 1, 4), (20, 1.0, 0, 20)],
)
def test_window_rounds_half_to_even_and_sits_in_the_middle(cells, fraction, first, kept):
    assert kept_cells(cells, fraction) == (first, kept)
    window = window_cells(cells, fraction)
    assert np.array_equal(np.flatnonzero(window), np.arange(first, first + kept))


@pytest.mark.parametrize(
    ("error", "match", "call"),
    [
        *(
            (ConfigError, "window", lambda f=f: window_cells(10, f))
            for f in (0, -0.5, 1.5, float("nan"), "half", 0.01)
        ),
        *((ConfigError, "cells", lambda n=n: displacement(n)) for n in (0, -3, 2.5, "ten", True)),
        (UnknownNameError, "'periodic'", lambda: displacement(4, "periodik")),
    ],
)
def test_what_is_out_of_range_is_refused(error, match, call):
    with pytest.raises(error, match=match):
        call()
