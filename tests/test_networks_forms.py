"""The four forms of the winding number: one number, whatever the form, gauge, dtype or library."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from table import (
    BOUNDARIES,
    CASES,
    FORMS,
    KINDS,
    RSWN,
    case_hoppings,
    chains,
    rswn,
    states,
    tensors,
)

import tnlearn as tnl
from tnlearn.errors import ConfigError, NotFiniteError, ShapeError, UnknownNameError
from tnlearn.physics.states import States

QUICK = settings(max_examples=30, deadline=None)
TIGHT = {"rtol": 0.0, "atol": 1e-12}


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cells", [2, 5, 6])
def test_every_form_is_the_winding_number(form, kind, boundary, cells):
    sample = chains(kind, cells, boundary)
    exact = tnl.winding(sample, method="rswn").value
    net = rswn(cells, form, boundary)
    np.testing.assert_allclose(net(sample.states()), exact, **TIGHT)
    if form == "lowrank" and boundary == "open" and cells > 2:
        assert net.nodes["left"].shape == net.nodes["right"].shape == (cells, 2)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("window", [0.2, 0.5, 0.65, 1.0])
def test_windows(form, window):
    sample = chains("complex", 7)
    exact = tnl.winding(sample, method="rswn", window=window).value
    np.testing.assert_allclose(rswn(7, form, window=window)(sample.states()), exact, **TIGHT)


@pytest.mark.parametrize("form", FORMS)
def test_one_cell_has_no_winding(form):
    sample = tnl.chain(1, {0: 1.0}, samples=2).states()
    for boundary in BOUNDARIES:
        np.testing.assert_array_equal(tnl.rswn(1, form, boundary, window=1.0)(sample), [0.0, 0.0])


@pytest.mark.parametrize("form", FORMS)
def test_independent_numbers(form):
    for case in CASES:
        cells = case["cells"]
        for key, boundary, window in (
            ("rswn_open_half_window", "open", 0.5),
            ("rswn_open_full", "open", 1.0),
            ("rswn_periodic", "periodic", 0.5),
        ):
            if case.get(key) is None:
                continue
            sample = tnl.chain(cells, case_hoppings(case), boundary=boundary)
            value = rswn(cells, form, boundary, window)(sample.states())
            np.testing.assert_allclose(value, [case[key]], atol=1e-10, err_msg=case["name"])


def _random_states(seed: int, cells: int, kind: str) -> States:
    """States of random dense blocks: any unitary u and v."""
    rng = np.random.default_rng(seed)
    h = rng.standard_normal((2, cells, cells))
    return tnl.states(h + 1j * rng.standard_normal(h.shape) if kind == "complex" else h)


@given(
    seed=st.integers(0, 10_000),
    cells=st.sampled_from([2, 5, 6]),
    kind=st.sampled_from(KINDS),
    form=st.sampled_from(FORMS),
    boundary=st.sampled_from(BOUNDARIES),
)
@QUICK
def test_symmetries(seed, cells, kind, form, boundary):
    sample = _random_states(seed, cells, kind)
    net = rswn(cells, form, boundary)
    exact = net(sample)
    u, v, rng = sample.u, sample.v, np.random.default_rng(seed)
    np.testing.assert_allclose(net(sample.random_gauge(rng)), exact, **TIGHT)
    order = rng.permutation(cells)
    np.testing.assert_allclose(net(u[:, order], v[:, order]), exact, **TIGHT)
    # a rotation of the states among themselves, the same for u and v
    turn = _random_states(seed + 1, cells, kind).u[:1]
    np.testing.assert_allclose(net(turn @ u, turn @ v), exact, **TIGHT)
    np.testing.assert_allclose(net(u.conj(), v.conj()), exact, **TIGHT)
    # the mirror x -> L - 1 - x; windows with an odd rest are not centred exactly
    kept = round(0.5 * cells)
    if boundary == "periodic" or (cells - kept) % 2 == 0:
        np.testing.assert_allclose(net(u[..., ::-1], v[..., ::-1]), -exact, **TIGHT)


@given(seed=st.integers(0, 10_000), form=st.sampled_from(FORMS), kind=st.sampled_from(KINDS))
@QUICK
def test_exchange_of_the_sublattices_on_a_ring(seed, form, kind):
    sample = _random_states(seed, 5, kind)
    net = rswn(5, form, "periodic")
    np.testing.assert_allclose(net(sample.v, sample.u), -net(sample), **TIGHT)


@pytest.mark.parametrize("form", FORMS)
def test_exchange_of_the_sublattices_in_the_bulk(form):
    # On an open chain the window stands on B, so the exchange holds up to the edges' tails.
    sample = tnl.ssh(40, 0.3, 1.0).states()
    net = tnl.rswn(40, form)
    np.testing.assert_allclose(net(sample.v, sample.u), -net(sample), atol=1e-6)
    np.testing.assert_allclose(net(sample), [1.0], atol=1e-6)


@pytest.mark.parametrize("entry", RSWN, ids=str)
def test_gradients_with_respect_to_the_states(entry):
    net = entry.make()
    u, v = tensors(states(entry.kind)[:2])
    # In the directions of a few entries: the whole Jacobian of every form takes long.
    u, v = u.requires_grad_(), v.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: net(a, b), (u, v), fast_mode=True)


def test_mixed_and_whole_number_dtypes():
    sample = states("real")
    net = tnl.rswn(6)
    exact = net(sample)
    u, v = tensors(sample)
    for mixed in (
        net(u.float(), v),
        net(u, sample.v),
        net(u.to(torch.complex128), v),
        net(sample.u.astype(np.float32), sample.v),
    ):
        np.testing.assert_allclose(mixed, exact, atol=1e-6)
    # states at single sites, as whole numbers: u = v moved by one cell, W = 1
    v = np.eye(6, dtype=np.int64)[None]
    u = np.roll(v, 1, axis=-1)
    np.testing.assert_array_equal(net(u, v), [1.0])
    np.testing.assert_array_equal(net(torch.as_tensor(u), torch.as_tensor(v)), [1.0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("which", ["u", "v"])
def test_not_finite(bad, convert, which):
    sample = states("real")
    arrays = {"u": sample.u.copy(), "v": sample.v.copy()}
    arrays[which][1, 2, 3] = bad
    with pytest.raises(NotFiniteError, match=rf"{which} holds 1 .*\(1, 2, 3\)"):
        tnl.rswn(6)(convert(arrays["u"]), convert(arrays["v"]))


def test_wrong_shapes_say_how_to_mend():
    net, sample = tnl.rswn(6), states("real", cells=7)
    with pytest.raises(ShapeError, match=r"6 states, 6 cells.*resize\(7\)"):
        net(sample)
    with pytest.raises(ShapeError, match=r"u\[None\]"):
        net(states("real").u[0], states("real").v[0])
    with pytest.raises(ShapeError, match=r"u\[None\]"):
        net(np.float64(1.0), np.float64(1.0))
    for convert in (np.asarray, torch.as_tensor):
        with pytest.raises(ShapeError, match="3 and 2 samples"):
            net(convert(states("real").u), convert(states("real").v[:2]))
    with pytest.raises(ShapeError, match="takes states"):
        net(3.0)
    with pytest.raises(ShapeError, match="arrays of numbers"):
        net(np.full((1, 6, 6), "a"), np.full((1, 6, 6), "b"))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"form": "quartik"}, UnknownNameError, "did you mean 'quartic'"),
        ({"form": None}, UnknownNameError, "unknown form"),
        ({"boundary": "opne"}, UnknownNameError, "did you mean 'open'"),
        ({"cells": 0}, ConfigError, "cells"),
        ({"cells": 2.5}, ConfigError, "cells"),
        ({"cells": True}, ConfigError, "cells"),
        ({"window": 0.0}, ConfigError, "window"),
        ({"window": 1.5}, ConfigError, "window"),
        ({"window": float("nan")}, ConfigError, "window"),
        ({"window": 0.05}, ConfigError, "keeps no cell"),
    ],
)
def test_bad_options(options, error, match):
    with pytest.raises(error, match=match):
        tnl.rswn(**{"cells": 6, **options})
