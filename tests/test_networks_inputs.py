"""Inputs by name: mappings, keywords and arrays in order are one thing, for every way to run."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from table import BASELINES, RSWN, TRAINED, Entry, chains, rswn, states, tensors

import tnlearn as tnl
from tnlearn.errors import ConfigError, ShapeError, UnknownNameError
from tnlearn.models.network import Network
from tnlearn.networks.graph import BATCH, Contraction, Function, Graph, Input, Operand, as_constant

TIGHT = {"rtol": 1e-12, "atol": 1e-12}


def occupied() -> Network:
    """Σ_xy g_x |Σ_n psi_nx psi_ny*|² of one array of occupied states: no u, no v, no cells."""
    psi = Input("psi", (BATCH, "occupied", "site"), (None, 2, 5))
    g = as_constant("g", ("x",), np.linspace(-1.0, 2.0, 5))
    parts = [
        Operand("psi", (BATCH, ind, site), conj=conj)
        for ind, site, conj in (("n", "x", 0), ("n", "y", 1), ("m", "x", 1), ("m", "y", 0))
    ]
    total = Contraction("total", (BATCH,), (None,), (*parts, Operand("g", ("x",))))
    real = Function("G", (BATCH,), (None,), "real", (total.use,))
    return Network(Graph({x.name: x for x in (psi, g, total, real)}, "G"))


def test_any_named_input_from_numpy_to_ensembles():
    net = occupied()
    assert list(net.inputs) == ["psi"]
    psi = np.random.default_rng(0).standard_normal((2, 3, 2, 5)) * [[[[1.0]]], [[[1j]]]]
    psi = psi.sum(axis=0)
    q = np.einsum("snx,sny->sxy", psi, psi.conj())
    exact = np.einsum("x,sxy->s", np.linspace(-1.0, 2.0, 5), np.abs(q) ** 2)
    for value in (net(psi), net(psi=psi), net({"psi": psi, "other": 0}), net((psi,))):
        np.testing.assert_allclose(value, exact, **TIGHT)
    tensor = torch.as_tensor(psi)
    free = net.trainable("g", channels=3).head(2, (4,))
    module = free.module(seed=1, dtype="float64", complex=True)
    assert torch.equal(module(tensor), module(psi=tensor))
    assert torch.equal(module(tensor), module({"psi": tensor}))
    np.testing.assert_allclose(module(tensor).detach(), free(psi=tensor, seed=1), **TIGHT)
    compiled = free.compile(members=2, own_batches=False, dtype="float64", complex=True)
    folded = compiled.fold(psi=tensor)
    np.testing.assert_allclose(
        compiled(compiled.initial(1, [0, 1]), *folded)[0].detach(), module(tensor).detach(), **TIGHT
    )
    with pytest.raises(ShapeError, match="2 occupieds, 5 sites"):
        net(psi[:, :1])
    with pytest.raises(ConfigError, match="no number of cells"):
        net.cells  # noqa: B018
    with pytest.raises(ConfigError, match="function of the cell"):
        net.trainable("g", structure="position")
    assert "psi" in repr(net)
    assert "psi" in net.title


@pytest.mark.parametrize("entry", [RSWN[1], TRAINED[0], BASELINES[1]], ids=str)
def test_states_by_name_in_order_and_by_keyword(entry: Entry):
    net, sample = entry.make(), states(entry.kind)
    u, v = tensors(sample)
    options = {"dtype": "float64", "complex": entry.kind == "complex"}
    module, compiled = net.module(**options), net.compile(members=1, **options)
    assert list(net.inputs) == ["u", "v"]
    for use in (net, module, lambda *x, **y: compiled.fold(*x, **y)[0]):
        exact = use(u, v)
        for value in (use(v=v, u=u), use(u, v=v), use({"v": v, "u": u, "energies": 0})):
            assert torch.equal(value, exact)
        for bad, error, match in (
            (lambda use=use: use(u), (ConfigError, ShapeError), "v"),
            (lambda use=use: use(u, v, v), ConfigError, "takes 2 arrays"),
            (lambda use=use: use(u, v, v=v), ConfigError, "twice"),
            (lambda use=use: use(u=u, w=v), UnknownNameError, "unknown input 'w'"),
            (lambda use=use: use({"u": u}), ConfigError, "v is missing"),
        ):
            with pytest.raises(error, match=match):
                bad()
    exact, (u, v) = net(u, v).detach(), (sample.u, sample.v)
    holder = SimpleNamespace(states=sample)
    for states_ in (chains(entry.kind), sample, holder, sample.arrays, (u, v), (list(u), list(v))):
        np.testing.assert_allclose(net(states_), exact, **TIGHT)
    strided = np.repeat(u, 2, axis=-1)[..., ::2], np.asfortranarray(v)
    np.testing.assert_allclose(net(*strided), exact, **TIGHT)
    np.testing.assert_allclose(net(u[:1], v[:1]), exact[:1], **TIGHT)
    assert net(u[:0], v[:0]).shape == (0, *exact.shape[1:])


def test_cells_are_those_of_the_recipe():
    assert rswn(6, "operator").trainable("X", structure="cells").cells == 6
    assert tnl.baseline("cnn", 9).resize(7).cells == 7
    u, v = tnl.formula.states(5, 3)
    assert tnl.formula.Tr(u @ v.H).network().cells == 5


def _gap(module: torch.nn.Module, exact: torch.Tensor, *arrays: torch.Tensor) -> float:
    return float((module(*arrays).to(exact.dtype) - exact).detach().abs().max())


@pytest.mark.parametrize("name", ["D-dense", "X-window-complex", "own-complex", "D-position"])
def test_a_module_follows_the_precision_asked_of_torch(name: str):
    (entry,) = [e for e in TRAINED if e.name == name]
    net, sample = entry.make(), states(entry.kind)
    complex = entry.kind == "complex"
    double, single = tensors(sample), tensors(sample, "float32")
    exact = net.module(dtype="float64", complex=complex)(*double).detach()
    scale = float(exact.abs().max()) + 1.0
    module = net.module(complex=complex)
    for cast in (lambda m: m.double(), lambda m: m.to(torch.float64)):
        wide = cast(copy.deepcopy(module))
        assert wide(*double).dtype == torch.float64
        assert _gap(pickle.loads(pickle.dumps(wide)), exact, *double) < 1e-5 * scale
    narrow = net.module(dtype="float64", complex=complex).float()
    assert narrow(*single).dtype == torch.float32
    assert _gap(narrow, exact, *double) < 1e-4 * scale
    if not complex:
        half = [x.half() for x in double], [x.bfloat16() for x in double]
        assert _gap(copy.deepcopy(module).half(), exact, *half[0]) < 0.02 * scale
        assert _gap(copy.deepcopy(module).bfloat16(), exact, *half[1]) < 0.2 * scale


def test_torch_sees_one_graph_and_the_names_of_the_inputs():
    net = rswn(6, "quartic").trainable("D", channels=2, init=tnl.init.normal(0.3)).head(3)
    module, (u, v) = net.module(), tensors(states("real"), "float32")
    torch._dynamo.reset()
    whole = torch.compile(module, backend="eager", fullgraph=True)
    torch.testing.assert_close(whole(u, v), module(u, v), rtol=0, atol=0)
    batch = torch.export.Dim("batch")
    program = torch.export.export(module, (u, v), dynamic_shapes={"u": {0: batch}, "v": {0: batch}})
    torch.testing.assert_close(program.module()(u[:2], v[:2]), module(u[:2], v[:2]))
