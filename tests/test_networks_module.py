"""Every network of the table as a torch module and as an ensemble."""

from __future__ import annotations

import copy
import json
import pickle

import numpy as np
import pytest
import torch
from table import EVERY, RSWN, TRAINABLE, states, tensors
from torch.func import functional_call, grad, vmap

import tnlearn as tnl
from tnlearn.errors import ConfigError, ShapeError, UnknownNameError
from tnlearn.models.catalogue import rebuild
from tnlearn.networks import formula as f

TIGHT = {"rtol": 1e-12, "atol": 1e-12}
TABLE = pytest.mark.parametrize("entry", EVERY, ids=str)


def _module(entry, seed=0, dtype="float64"):
    net = entry.make()
    module = net.module(seed=seed, dtype=dtype, complex=entry.kind == "complex")
    return net, module, tensors(states(entry.kind), dtype)


@TABLE
def test_module_equals_numpy_in_both_precisions(entry):
    net, module, (u, v) = _module(entry, seed=3)
    exact = net(states(entry.kind), seed=3)
    with torch.no_grad():
        result = module(u, v)
        single = net.module(seed=3, complex=entry.kind == "complex")(u, v)
    assert result.shape == exact.shape == (3, *net.output_shape[1:])
    assert (result.dtype, single.dtype) == (torch.float64, torch.float32)
    np.testing.assert_allclose(result, exact, **TIGHT)
    np.testing.assert_allclose(single, exact, atol=2e-4, rtol=2e-4)
    np.testing.assert_allclose(net(u, v, seed=3).detach(), exact, **TIGHT)
    # numpy keeps the precision of the states
    short = net(states(entry.kind).astype("float32"), seed=3)
    assert short.dtype == np.float32
    np.testing.assert_allclose(short, exact, atol=2e-4, rtol=2e-4)


@TABLE
def test_copies_and_layouts(entry):
    net, module, (u, v) = _module(entry)
    with torch.no_grad():
        exact = module(u, v)
        for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
            torch.testing.assert_close(other(u, v), exact, rtol=0, atol=0)
            for p in other.parameters():  # its own, not those it was copied from
                p.mul_(2.0)
            torch.testing.assert_close(module(u, v), exact, rtol=0, atol=0)
        other = net.module(seed=9, dtype="float64", complex=entry.kind == "complex")
        assert sorted(other.state_dict()) == sorted(net.parameters)
        other.load_state_dict(module.state_dict())
        torch.testing.assert_close(other(u, v), exact, rtol=0, atol=0)
        one = torch.cat([module(u[i : i + 1], v[i : i + 1]) for i in range(len(u))])
        torch.testing.assert_close(one, exact, **TIGHT)
        strided = (u.mT.contiguous().mT, v.repeat_interleave(2, 0)[::2])
        torch.testing.assert_close(module(*strided), exact, **TIGHT)
        assert module(u[:0], v[:0]).shape == (0, *exact.shape[1:])
    assert sum(p.numel() for p in module.parameters()) == net.parameter_count()


@pytest.mark.parametrize("entry", TRAINABLE, ids=str)
def test_functional_gradients_equal_backward(entry):
    _, module, (u, v) = _module(entry)
    parameters = {name: p.detach() for name, p in module.named_parameters()}

    def loss(weights, a, b):
        return functional_call(module, weights, (a, b)).square().sum()

    module(u, v).square().sum().backward()
    gradients = grad(loss)(parameters, u, v)
    for name, p in module.named_parameters():
        assert p.grad.abs().max() > 0, name
        torch.testing.assert_close(gradients[name], p.grad, rtol=1e-10, atol=1e-12)
    # over parameters, as an ensemble would be
    stacked = {name: torch.stack([p, 2.0 * p]) for name, p in parameters.items()}
    values = vmap(loss, in_dims=(0, None, None))(stacked, u, v)
    exact = [loss({n: k * p for n, p in parameters.items()}, u, v) for k in (1.0, 2.0)]
    torch.testing.assert_close(values, torch.stack(exact), rtol=1e-10, atol=1e-12)
    # and for each sample apart
    each = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, u[:, None], v[:, None])
    for name, p in module.named_parameters():
        torch.testing.assert_close(each[name].sum(0), p.grad, rtol=1e-10, atol=1e-12)


EXPORTED = ("operator-periodic-complex", "D-position", "X", "resnet", "attention", "q2-conv")


@pytest.mark.parametrize("entry", [e for e in EVERY if e.name in EXPORTED], ids=str)
def test_export_with_a_dynamic_batch(entry):
    _, module, (u, v) = _module(entry)
    batch = torch.export.Dim("batch")
    program = torch.export.export(module, (u, v), dynamic_shapes=({0: batch}, {0: batch}))
    many = torch.cat([u, u, u]), torch.cat([v, v, v])
    with torch.no_grad():
        for args in ((u, v), many, (u[:1], v[:1])):
            torch.testing.assert_close(program.module()(*args), module(*args), **TIGHT)


@TABLE
def test_described_and_rebuilt(entry):
    net, _, _ = _module(entry)
    text = json.dumps(net.describe(), allow_nan=False)
    other = rebuild(json.loads(text))
    assert list(other.nodes) == list(net.nodes)
    assert dict(other.trees) == dict(net.trees)
    assert json.dumps(other.describe()) == text
    sample = states(entry.kind)
    np.testing.assert_array_equal(other(sample, seed=4), net(sample, seed=4))


@pytest.mark.parametrize("fold", [True, False], ids=["folded", "whole"])
@pytest.mark.parametrize("own", [True, False], ids=["own", "shared"])
@pytest.mark.parametrize("entry", [*RSWN[:2], *TRAINABLE], ids=str)
def test_members_of_an_ensemble_are_modules(entry, own, fold):
    net, _, (u, v) = _module(entry)
    options = {"dtype": "float64", "complex": entry.kind == "complex"}
    for members in (1, 3):
        compiled = net.compile(members=members, own_batches=own, fold=fold, **options)
        start = compiled.initial(7, range(members))
        assert {n: tuple(p.shape[1:]) for n, p in start.items()} == compiled.parameters
        orders = [torch.arange(len(u)).roll(k if own else 0) for k in range(members)]
        features = compiled.fold(u, v)
        assert all(len(feature) == len(u) for feature in features)
        if own:
            features = tuple(torch.stack([x[order] for order in orders]) for x in features)
        with torch.no_grad():
            result = compiled({n: p.clone() for n, p in start.items()}, *features)
        assert result.shape == (members, len(u), *net.output_shape[1:])
        for k, order in enumerate(orders):
            module = net.module(dtype="float64", complex=entry.kind == "complex")
            module.load_state_dict({name: p[k] for name, p in start.items()})
            with torch.no_grad():
                torch.testing.assert_close(result[k], module(u[order], v[order]), **TIGHT)


@pytest.mark.parametrize("entry", TRAINABLE, ids=str)
def test_initial_values_depend_on_seed_and_member_only(entry):
    net = entry.make()
    many = net.compile(members=4).initial(5, range(4))
    two = net.compile(members=2, own_batches=False).initial(5, [3, 1])
    other = net.compile(members=1).initial(6, [3])
    module = net.module(seed=5)
    for name, node in net.parameters.items():
        torch.testing.assert_close(two[name], many[name][[3, 1]], rtol=0, atol=0)
        torch.testing.assert_close(module.state_dict()[name], many[name][0], rtol=0, atol=0)
        drawn = node.init.kind not in ("exact", "zeros") and node.init.scale > 0
        assert torch.equal(other[name][0], many[name][3]) != drawn


def test_gradients_of_one_member_do_not_reach_another():
    net, _, (u, v) = _module(TRAINABLE[0])
    compiled = net.compile(members=3, own_batches=False, dtype="float64")
    start = {n: p.requires_grad_() for n, p in compiled.initial(0, range(3)).items()}
    compiled(start, *compiled.fold(u, v))[1].square().sum().backward()
    for p in start.values():
        assert p.grad[1].abs().max() > 0
        assert p.grad[0].abs().max() == p.grad[2].abs().max() == 0


def test_wrong_input_of_modules_and_ensembles():
    net = tnl.rswn(6).trainable("D").head(3)
    module, compiled = net.module(), net.compile(members=2)
    u, v = tensors(states("real"))
    w, z = tensors(states("complex"))
    for take in (module, compiled.fold):
        for bad in ((u[0], v[0]), (u[:, :5], v), (u, v[:2]), (u[..., None], v[..., None])):
            with pytest.raises(ShapeError, match="6 states, 6 cells"):
                take(*bad)
        with pytest.raises(ShapeError, match="complex=True"):
            take(w, z)
        with pytest.raises(ShapeError, match="complex=True"):
            take(u, z)
    with pytest.raises(ShapeError, match="torch tensors"):
        module(u.numpy(), v.numpy())
    with pytest.raises(UnknownNameError, match="float64"):
        net.module(dtype="float46")
    with pytest.raises(ConfigError, match="at least one member"):
        net.compile(members=0)
    # precision is cast, whole numbers too
    torch.testing.assert_close(module(u, v), module(u.float(), v), rtol=0, atol=0)
    assert module(torch.eye(6, dtype=int)[None], torch.eye(6, dtype=int)[None]).isfinite().all()


@pytest.mark.parametrize("name", ["half", "graph", "forward", "train", "type"])
def test_trained_nodes_cannot_take_the_names_of_torch(name):
    u, v = f.states(4)
    net = f.Tr(f.matrix(name, np.eye(4)) @ u @ v.H).network()
    sample = tnl.ssh(4, 1.0, 0.5).states()
    # as a constant it may be called so
    np.testing.assert_allclose(net.module()(*tensors(sample)), net(sample), atol=1e-6)
    with pytest.raises(ConfigError, match="rename"):
        net.trainable(name).module()


@pytest.mark.parametrize("names", [("a.b", "a_b"), ("self", "torch"), ("lambda", "1st")])
def test_names_that_no_python_argument_can_have(names):
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((2, 4, 4))
    u, v = f.states(4)
    net = f.Tr(f.matrix(names[0], A) @ u @ v.H @ f.matrix(names[1], B)).network()
    sample = tnl.ssh(4, 1.0, 0.5).states()
    exact = np.einsum("xy,syz,zx->s", A, sample.q(), B)
    module = net.trainable(*names).module(dtype="float64")
    np.testing.assert_allclose(module(*tensors(sample)).detach(), exact, **TIGHT)


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"recipe": []},
        {"recipe": [{}]},
        {"recipe": [{"call": "rswm"}]},
        {"recipe": [{"call": "rswn", "cels": 4}]},
        {"recipe": [{"call": "graph"}]},
        {"recipe": [{"call": "graph", "output": "a", "nodes": [{"kind": "input"}]}]},
        {"recipe": [{"call": "rswn", "cells": 4}, {"call": "prune"}]},
        {"recipe": [{"call": "rswn", "cells": 4}, {"call": "head", "clases": 2}]},
    ],
)
def test_damaged_descriptions(damaged):
    with pytest.raises((ConfigError, UnknownNameError)):
        rebuild(damaged)
