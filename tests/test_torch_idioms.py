"""What a user of torch does with a module of a network, and with a data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import tnlearn as tnl

CELLS = 5
DATA = tnl.dataset("ssh", cells=CELLS, samples=24, seed=1)
U, V = (torch.tensor(x, dtype=torch.float32) for x in (DATA.states.u, DATA.states.v))
NETWORKS = {
    "quartic": tnl.rswn(CELLS).trainable("D", channels=2).head(classes=2, hidden=(3,)),
    "operator": tnl.rswn(CELLS, "operator").trainable("X"),
    "attention": tnl.baseline("attention", cells=CELLS, classes=2),
}


@pytest.fixture(params=NETWORKS)
def module(request: pytest.FixtureRequest) -> Any:
    return NETWORKS[request.param].module(seed=3)


CASTS: dict[str, tuple[Callable[[Any], Any], torch.dtype, float]] = {
    "double": (lambda m: m.double(), torch.float64, 1e-5),
    "half": (lambda m: m.half(), torch.float16, 3e-2),
    "bfloat16": (lambda m: m.bfloat16(), torch.bfloat16, 3e-1),
    "to": (lambda m: m.to(torch.float64), torch.float64, 1e-5),
    "to cpu": (lambda m: m.to("cpu"), torch.float32, 0.0),
}


@pytest.mark.parametrize("cast", CASTS)
def test_precision_and_place_are_those_of_the_module(module: Any, cast: str) -> None:
    change, dtype, error = CASTS[cast]
    reference = module(U, V).detach()
    changed = change(module)
    for arrays in ((U, V), (U.to(dtype), V.to(dtype))):  # inputs follow the module
        out = changed(*arrays)
        assert out.dtype == dtype
        assert torch.allclose(out.float(), reference, rtol=error, atol=error)
    out.sum().backward()
    assert all(x.grad.dtype == dtype for x in changed.parameters())


def test_on_meta_there_are_shapes_only(module: Any) -> None:
    shape = module(U, V).shape
    out = module.to("meta")(U.to("meta"), V.to("meta"))
    assert out.shape == shape
    assert out.device.type == "meta"


def test_compiled_in_one_graph_exported_and_mapped(module: Any) -> None:
    reference = module(U, V)
    whole = torch.compile(module, backend="eager", fullgraph=True)
    assert torch.equal(whole(U, V), reference)
    program = torch.export.export(module, (U, V)).module()
    assert torch.allclose(program(U, V), reference, atol=1e-6)
    halves = (x.reshape(2, 12, CELLS, CELLS) for x in (U, V))
    mapped = torch.func.vmap(module)(*halves)
    assert torch.allclose(mapped.flatten(0, 1), reference, atol=1e-5)


def test_a_loader_over_a_data_set_trains_a_module() -> None:
    module = NETWORKS["quartic"].module()
    loader = DataLoader(DATA, batch_size=8, shuffle=True, drop_last=True)
    optimizer, seen = torch.optim.Adam(module.parameters(), lr=0.05), []
    for _ in range(8):
        for states, labels in loader:
            assert labels.dtype == torch.int64
            assert states["u"].shape == (8, CELLS, CELLS)
            loss = nn.functional.cross_entropy(module(states), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen.append(loss.item())
    assert sum(seen[-3:]) < sum(seen[:3])


def test_print_shows_the_nodes() -> None:
    text = str(NETWORKS["quartic"].module())
    for line in ("u: input (5, 5)", "D: parameter (2, 5, 5)", "head.0.weight: parameter (3, 2)"):
        assert line in text
    assert "steps: q, q2, W" in text
    assert "reshape" not in text
