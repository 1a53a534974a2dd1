"""The network whose functions of position scale with the chain."""

from __future__ import annotations

import numpy as np
import pytest

import tnlearn as tnl
from tnlearn.data.near import near_chains, near_dataset
from tnlearn.errors import ConfigError
from tnlearn.models.catalogue import rebuild
from tnlearn.models.scaling import moment_count, scaling, scaling_functions


def test_the_network_is_the_sum_over_the_flattened_block():
    states = near_chains(14, 6, (0.01, 0.5)).chains.states()
    known = np.einsum("sxy,kxy->sk", np.abs(states.q()) ** 2, scaling_functions(14))
    assert np.allclose(scaling(14)(states), known, rtol=0, atol=1e-11)
    shift, scale = np.arange(moment_count()) / 10, 1.0 + np.arange(moment_count())
    moved = scaling(14, shift=shift.tolist(), scale=scale.tolist())
    assert np.allclose(moved(states), (known - shift) * scale, rtol=0, atol=1e-9)


def test_complex_states_give_real_moments_of_any_gauge():
    states = near_chains(9, 5, (0.05, 0.5), name="complex").chains.states()
    found = scaling(9)(states)
    assert found.dtype.kind == "f"
    other = states.random_gauge(np.random.default_rng(0))
    assert np.allclose(scaling(9)(other), found, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cells", [12, 37])
def test_functions_are_even_under_the_mirror_that_keeps_the_winding(cells):
    functions = scaling_functions(cells)
    assert np.allclose(functions, functions[:, ::-1, ::-1].swapaxes(1, 2), rtol=0, atol=1e-12)


def test_rows_are_rows():
    whole = scaling_functions(23)
    assert np.array_equal(scaling_functions(23, slice(5, 11)), whole[:, 5:11])


def test_at_the_same_scaling_variable_moments_tend_to_a_limit():
    moments = {}
    for cells in (48, 96, 192):
        chains = near_chains(cells, 20, (1.0 / cells, 1.0 / cells), 3).chains
        moments[cells] = scaling(cells)(chains)
    first, second = (np.abs(moments[2 * c] - moments[c]).mean(axis=0).sum() for c in (48, 96))
    # What is left falls about as 1/L, and no moment counts cells.
    assert second < 0.5 * first
    assert np.abs(moments[192]).max() < 5.0


def test_it_is_built_again_from_its_description_and_at_other_lengths():
    net = scaling(10, scale=[2.0] * moment_count()).head(classes=4, hidden=(5,))
    again = rebuild(net.describe())
    states = near_chains(10, 4, (0.05, 0.5)).chains.states()
    assert np.array_equal(again(states), net(states))
    longer = net.resize(21)
    assert longer.cells == 21
    assert longer.parameter_count() == net.parameter_count()


def test_an_ensemble_learns_from_two_lengths_at_once(tmp_path):
    sets = [near_dataset(cells, 300, (0.5 / cells, 0.5), cells) for cells in (10, 16)]
    base = scaling(10)
    moments = np.concatenate([base.resize(d.states.cells)(d.states) for d in sets])
    net = scaling(10, shift=moments.mean(axis=0), scale=1 / moments.std(axis=0)).head(4, (8,))
    fitted = tnl.fit(net, sets, members=2, epochs=12, lr=0.02, progress=False)
    fitted.save(tmp_path / "two.npz")
    read = tnl.load(tmp_path / "two.npz")
    test = near_dataset(20, 200, (1.0 / 20, 0.5), 77)
    right = read.resize(20).accuracy(test)
    assert np.array_equal(right, fitted.resize(20).accuracy(test))
    assert right.min() > 0.6  # chance is a quarter


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="cells"):
        scaling(1)
    with pytest.raises(ConfigError, match=f"{moment_count()} finite numbers"):
        scaling(8, shift=[0.0, 1.0])
    with pytest.raises(ConfigError, match="finite"):
        scaling(8, scale=[np.nan] * moment_count())
