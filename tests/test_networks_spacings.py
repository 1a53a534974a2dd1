"""Structures `cells` and `spacings`, and windows that start in parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tnlearn as tnl
from tnlearn.errors import ConfigError
from tnlearn.models.catalogue import rebuild
from tnlearn.networks.freeing import spacing_basis
from tnlearn.networks.init import draw

CELLS = 9


@pytest.fixture(scope="module")
def states():
    # In double precision from the start: the identities rest on the unitarity of q.
    return tnl.dataset("extended", cells=CELLS, samples=24, seed=3).chains.states()


@pytest.mark.parametrize(
    ("form", "channels"), [("operator", 3), ("sublattice", None), ("sublattice", 3)]
)
@pytest.mark.parametrize("structure", ["cells", "spacings"])
def test_exact_start_is_the_formula(states, form, structure, channels):
    plain = tnl.rswn(CELLS, form=form)
    net = plain.trainable("X", "window", structure=structure, channels=channels)
    wanted = plain(states) if channels is None else plain(states)[:, None]
    assert np.allclose(net(states), wanted, rtol=0, atol=1e-12)
    # One weight a cell, whatever the number of sublattices.
    assert net.parameter_count() == 2 * CELLS * (channels or 1)


@pytest.mark.parametrize("form", ["operator", "sublattice"])
@pytest.mark.parametrize("structure", ["cells", "spacings"])
def test_numpy_torch_and_a_rebuilt_network_agree(states, form, structure):
    net = tnl.rswn(CELLS, form=form).trainable(
        "X", "window", structure=structure, channels=2, init=tnl.init.normal(0.7)
    )
    here = net(states, seed=5)
    module = net.module(seed=5, dtype="float64")
    there = module(torch.from_numpy(states.u), torch.from_numpy(states.v)).detach().numpy()
    assert np.abs(here).max() > 1e-3
    assert np.allclose(here, there, rtol=0, atol=1e-12)
    assert np.allclose(rebuild(net.describe())(states, seed=5), here, rtol=0, atol=0)


def test_with_one_position_a_cell_operator_and_sublattice_are_one_network(states):
    """Same numbers for X and window, same output: only the plain operator form has more."""
    modules = [
        tnl.rswn(CELLS, form=form)
        .trainable("X", structure="spacings", channels=3, init=tnl.init.normal(1.0))
        .trainable("window", structure="cells", channels=3, init=tnl.init.normal(1.0))
        .module(seed=0, dtype="float64")
        for form in ("operator", "sublattice")
    ]
    x, window = np.random.default_rng(0).standard_normal((2, 3, CELLS))
    u, v = (torch.from_numpy(a) for a in (states.u, states.v))
    found = []
    for module in modules:
        values = {}
        for name in module.state_dict():
            values[name] = torch.from_numpy(x if name.startswith("X") else window)
        module.load_state_dict(values)
        found.append(module(u, v).detach().numpy())
    assert np.allclose(*found, rtol=0, atol=1e-12)
    assert np.std(found[0]) > 1e-2


def test_the_distance_of_the_sublattices_is_a_bias(states):
    """Why the plain operator form is hard to train, and why this direction is gone."""
    plain = tnl.rswn(CELLS, form="operator").trainable("X", init=tnl.init.normal(1.0))
    module = plain.module(seed=1, dtype="float64")
    u, v = (torch.from_numpy(a) for a in (states.u, states.v))
    before = module(u, v).detach().numpy()
    with torch.no_grad():
        module.get_parameter("X")[CELLS:] += 2.5
    moved = module(u, v).detach().numpy() - before
    assert np.allclose(moved, -2.5, rtol=0, atol=1e-10)
    mended = tnl.rswn(CELLS, form="operator").trainable(
        "X", structure="spacings", init=tnl.init.normal(1.0)
    )
    module = mended.module(seed=1, dtype="float64")
    before = module(u, v).detach().numpy()
    with torch.no_grad():
        module.get_parameter("X.spacings")[0] += 2.5  # the mean of X: it cannot matter
    assert np.allclose(module(u, v).detach().numpy(), before, rtol=0, atol=1e-10)


def test_spacings_are_differences_and_steps_have_no_mean():
    net = tnl.rswn(CELLS, form="operator").trainable("X", structure="spacings")
    start = net.parameters["X.spacings"].exact
    assert np.allclose(start, [(CELLS - 1) / 2, *[1.0] * (CELLS - 1)])
    basis = spacing_basis(CELLS)
    assert np.linalg.matrix_rank(basis) == CELLS
    assert np.allclose(basis[1:].mean(axis=1), 0.0)
    weights = np.random.default_rng(0).standard_normal(CELLS)
    values = weights @ basis
    assert np.allclose(np.diff(values), weights[1:])
    assert np.isclose(values.mean(), weights[0])


@pytest.mark.parametrize("structure", ["cells", "spacings"])
def test_what_is_no_vector_over_sites_is_refused(structure):
    with pytest.raises(ConfigError, match="one index over the sites"):
        tnl.rswn(CELLS, form="quartic").trainable("D", structure=structure)
    with pytest.raises(ConfigError, match="one index over the sites"):
        tnl.rswn(CELLS, form="sublattice", boundary="periodic").trainable("X", structure=structure)


@pytest.mark.parametrize(("channels", "entries"), [(1, 7), (4, 20), (4, 10), (5, 5)])
def test_parts_cover_the_chain_once(channels, entries):
    value = draw(tnl.init.parts(2.0), (channels, entries), "window", None, seed=0, member=0)
    assert np.array_equal(value.sum(axis=0), np.full(entries, 2.0))
    sizes = (value > 0).sum(axis=1)
    assert sizes.max() - sizes.min() <= 1
    for row in value:  # each part is one stretch
        assert np.count_nonzero(np.diff(np.flatnonzero(row)) > 1) == 0
    assert np.array_equal(
        draw(tnl.init.parts(), (entries,), "window", None, seed=0, member=3), np.ones(entries)
    )


@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4), ()])
def test_parts_of_what_cannot_be_cut_are_refused(shape):
    with pytest.raises(ConfigError, match="'parts' is for a vector"):
        draw(tnl.init.parts(), shape, "window", None, seed=0, member=0)


def test_channels_with_windows_in_parts_add_up_to_the_whole_chain(states):
    """Each channel measures its part: with the exact X they sum to the whole-chain trace, 0."""
    net = (
        tnl.rswn(CELLS, form="operator")
        .trainable("X", structure="spacings", channels=3)
        .trainable("window", structure="cells", channels=3, init=tnl.init.parts())
    )
    local = net(states)
    assert np.abs(local).max() > 0.1
    # Over a whole open chain the trace vanishes identically (X cancels between the sublattices).
    assert np.allclose(local.sum(axis=1), 0.0, atol=1e-10)
