"""Small networks and data sets written by hand in torch, with the interface training relies on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

import tnlearn as tnl
from tnlearn.errors import ShapeError

Tensor = torch.Tensor


def data_of(u: np.ndarray, v: np.ndarray, labels: np.ndarray) -> tnl.Dataset:
    return tnl.Dataset.from_states(tnl.States(u, v, np.zeros(u.shape[:2])), labels)


def toy(samples: int = 200, cells: int = 4, classes: int = 2, seed: int = 1) -> tnl.Dataset:
    """Separable: class c has its weight in q^2 on the c-th diagonal below the main one."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    q = 0.3 * rng.normal(size=(samples, cells, cells))
    for c in range(classes):
        q[labels == c] += 1.5 * np.eye(cells, k=-c)
    u = np.broadcast_to(np.eye(cells), q.shape).copy()  # q = sum_n u_n v_n = v
    data = data_of(u, q, labels)
    return replace(data, ambiguous=np.arange(samples) % 10 == 0)


@dataclass(frozen=True)
class FakeNetwork:
    """Quartic read-out of q^2 with a head ("quartic"), or dense layers on u, v ("mlp")."""

    kind: str = "quartic"
    cells: int = 4
    classes: int = 2
    channels: int = 2
    hidden: int = 5
    scale: float = 0.3

    def shapes(self) -> dict[str, tuple[int, ...]]:
        area = self.cells * self.cells
        if self.kind == "scalar":
            return {"D": (1, area)}
        if self.kind == "empty":
            return {}
        first = (
            {"D": (self.channels, area)}
            if self.kind == "quartic"
            else {"layer.weight": (self.channels, 2 * area)}
        )
        return {
            **first,
            "head.0.weight": (self.hidden, self.channels),
            "head.0.bias": (self.hidden,),
            "head.1.weight": (self.classes, self.hidden),
            "head.1.bias": (self.classes,),
        }

    @property
    def inputs(self) -> dict[str, Any]:
        shape, inds = (None, self.cells, self.cells), ("batch", "state", "cell")
        return {name: SimpleNamespace(shape=shape, inds=inds) for name in ("u", "v")}

    def resize(self, cells: int) -> FakeNetwork:
        return replace(self, cells=cells)

    def describe(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "cells": self.cells,
            "shapes": {name: tuple(s) for name, s in self.shapes().items()},
            "scale": self.scale,
        }

    def parameter_count(self) -> int:
        return sum(math.prod(s) for s in self.shapes().values())

    def compile(
        self,
        *,
        members: int,
        own_batches: bool = True,
        dtype: str = "float32",
        complex: bool = False,
        fold: bool = True,
    ) -> FakeCompiled:
        return FakeCompiled(self, members, own_batches, getattr(torch, dtype))

    def module(
        self, seed: int = 0, *, dtype: str = "float32", complex: bool = False
    ) -> torch.nn.Module:
        return FakeModule(self, seed, dtype)


class FakeCompiled:
    def __init__(self, net: FakeNetwork, members: int, own: bool, dtype: torch.dtype) -> None:
        self.net, self.members, self.own, self.dtype = net, members, own, dtype
        self.parameters = net.shapes()

    def initial(self, seed: int, members: Sequence[int]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for number, (name, shape) in enumerate(self.parameters.items()):
            rows = [np.random.default_rng([seed, k, number]).normal(size=shape) for k in members]
            found[name] = torch.tensor(self.net.scale * np.stack(rows), dtype=self.dtype)
        return found

    def fold(self, arrays: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        u, v = arrays["u"], arrays["v"]
        if u.shape[2] != self.net.cells:
            raise ShapeError(f"network of {self.net.cells} cells, states of {u.shape[2]}")
        if self.net.kind == "mlp":
            return (u.flatten(1).contiguous(), v.flatten(1).contiguous())
        q = torch.bmm(u.mT, v.conj())
        return ((q * q.conj()).real.flatten(1).contiguous(),)

    def __call__(self, params: dict[str, Tensor], *features: Tensor) -> Tensor:
        x = features[0] if len(features) == 1 else torch.cat(features, dim=-1)
        if not self.own:
            x = x.expand(self.members, *x.shape)
        assert x.shape[0] == self.members
        if self.net.kind == "empty":
            return x[..., : self.net.classes]
        if self.net.kind == "scalar":
            return torch.bmm(x, params["D"].mT)[..., 0]
        first = params["D"] if "D" in params else params["layer.weight"]
        z = torch.bmm(first, x.mT)  # this way round the gradient of the weight is a fast bmm
        z = torch.baddbmm(params["head.0.bias"].unsqueeze(2), params["head.0.weight"], z)
        z = torch.relu(z)
        z = torch.baddbmm(params["head.1.bias"].unsqueeze(2), params["head.1.weight"], z)
        return z.mT


class FakeModule(torch.nn.Module):
    def __init__(self, net: FakeNetwork, seed: int, dtype: str) -> None:
        super().__init__()
        self.compiled = net.compile(members=1, own_batches=False, dtype=dtype)
        for name, start in self.compiled.initial(seed, [0]).items():
            self._parameters[name.replace(".", "/")] = torch.nn.Parameter(start[0])

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return {n.replace("/", "."): p.detach() for n, p in self._parameters.items()}

    def load_state_dict(self, state: Any, *args: Any, **kwargs: Any) -> Any:
        super().load_state_dict({n.replace(".", "/"): x for n, x in state.items()})

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        params = {n.replace("/", "."): p[None] for n, p in self._parameters.items()}
        return self.compiled(params, *self.compiled.fold({"u": u, "v": v}))[0]


def assert_same(one: Any, other: Any, rows: Any = slice(None)) -> None:
    """Rows `rows` of `one` are `other`, to the last bit."""
    for name in one.parameters:
        assert np.array_equal(one.parameters[name][rows], other.parameters[name]), name
    for name in one.history:
        if name != "seconds":
            same = np.array_equal(one.history[name][rows], other.history[name], equal_nan=True)
            assert same, name
    assert np.array_equal(one.failed[rows], other.failed)
    assert np.array_equal(one.stopped[rows], other.stopped)
