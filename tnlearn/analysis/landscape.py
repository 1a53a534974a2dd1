"""The loss landscape of a network: values, gradients, Hessian products, straight lines.

Points are flat vectors, one a member, in the order of the network's parameters; what is frozen
in the network is folded once for the data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tnlearn.errors import ConfigError, ShapeError
from tnlearn.models.network import Network
from tnlearn.networks.graph import Graph, Parameter
from tnlearn.training.features import fold_states, is_complex, state_tensors
from tnlearn.training.losses import find_loss

__all__ = ["Curvature", "Objective", "barrier", "line", "scaled"]

Floats = npt.NDArray[np.float64]
Tensor = torch.Tensor
_CROSS_ENTROPY = find_loss("cross-entropy")


def scaled(net: Network, factor: float) -> Network:
    """The same network with every initial value `factor` times as large.

    An exact initialisation stays where it is.

    Raises
    ------
    ConfigError
        If the factor is not a positive number.
    """
    if not (math.isfinite(factor) and factor > 0):
        raise ConfigError(f"initial values are scaled by a positive number, not {factor!r}")
    if factor == 1:
        return net
    nodes = dict(net.nodes)
    for name, node in net.parameters.items():
        if node.init.kind != "exact":
            init = replace(node.init, scale=node.init.scale * factor)
            nodes[name] = Parameter(name, node.inds, node.shape, init, node.exact)
    return Network(Graph(nodes, net.output))


class Objective:
    """Mean cross-entropy (nats) of a network with a class head on a data set.

    Parameters
    ----------
    net
        The network.
    data
        Its states and labels; samples of no class (label −1) are refused.
    members
        Points evaluated in one step.  Any number may be asked for.
    dtype
        ``"float64"`` unless speed matters more than digits.

    Attributes
    ----------
    shapes : dict
        Name of a parameter -> its shape, in the order of the flat vectors.
    size : int
        Number of parameters P.

    Raises
    ------
    ShapeError
        If the data has samples without a class.
    """

    def __init__(
        self, net: Network, data: Any, *, members: int = 1, dtype: str = "float64"
    ) -> None:
        self.net, self.members = net, members
        self.dtype: torch.dtype = getattr(torch, dtype)
        self._compiled = net.compile(
            members=members, own_batches=False, dtype=dtype, complex=is_complex(data)
        )
        self.features = fold_states(self._compiled.fold, state_tensors(data, self.dtype))
        self.labels = torch.from_numpy(np.asarray(data.labels).astype(np.int64))
        if bool((self.labels < 0).any()):
            raise ShapeError("the data has samples of no class; leave them out first")
        self.shapes = {name: tuple(shape) for name, shape in self._compiled.parameters.items()}
        self.size = sum(math.prod(shape) for shape in self.shapes.values())

    def initial(self, seed: int, ids: Sequence[int]) -> Floats:
        """Starting points (len(ids), P) of the members of these numbers."""
        values = self._compiled.initial(seed, ids)
        return self.pack({name: x.numpy() for name, x in values.items()})

    def pack(self, parameters: Mapping[str, npt.NDArray[Any]]) -> Floats:
        """Points (n, P) of parameters by name, each (n, *shape).

        Raises
        ------
        ShapeError
            If a parameter is missing or has another shape.
        """
        rows = []
        for name, shape in self.shapes.items():
            values = np.asarray(parameters[name]) if name in parameters else None
            if values is None or values.shape[1:] != shape:
                raise ShapeError(
                    f"parameter {name!r} must have the shape (points, {', '.join(map(str, shape))})"
                    f", not {'(missing)' if values is None else values.shape}"
                )
            rows.append(values.reshape(len(values), -1).astype(np.float64))
        return np.concatenate(rows, axis=1)

    def unpack(self, points: Any) -> dict[str, Any]:
        """Parameters by name, each (n, *shape), of points (n, P): arrays of the same kind."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
            size = math.prod(shape)
            views[name] = points[:, start : start + size].reshape(len(points), *shape)
            start += size
        return views

    def losses(self, points: Tensor) -> Tensor:
        """Loss of each of exactly `members` points, (members,); differentiable."""
        return self._loss(self._logits(points))

    def __call__(self, points: Floats) -> tuple[Floats, Floats]:
        """Loss and accuracy of points (n, P), each (n,)."""
        loss, right = [], []
        with torch.no_grad():
            for part, count in self._parts(points):
                logits = self._logits(part)
                loss.append(self._loss(logits)[:count])
                right.append((logits.argmax(-1) == self.labels).double().mean(-1)[:count])
        return torch.cat(loss).double().numpy(), torch.cat(right).numpy()

    def gradients(self, points: Floats) -> Floats:
        """Gradient of the loss at points (n, P), (n, P)."""
        slopes = []
        for part, count in self._parts(points):
            leaf = part.requires_grad_()
            (slope,) = torch.autograd.grad(self.losses(leaf).sum(), leaf)
            slopes.append(slope[:count])
        return torch.cat(slopes).double().numpy()

    def _parts(self, points: Floats) -> list[tuple[Tensor, int]]:
        """Stretches of `members` points, the last filled up with copies, and how many are real."""
        parts = []
        for start in range(0, len(points), self.members):
            part = np.asarray(points[start : start + self.members], dtype=np.float64)
            filled = part[np.arange(self.members) % len(part)]
            parts.append((torch.from_numpy(filled).to(self.dtype), len(part)))
        return parts

    def _logits(self, points: Tensor) -> Tensor:
        return self._compiled(self.unpack(points), *self.features)

    def _loss(self, logits: Tensor) -> Tensor:
        return _CROSS_ENTROPY(logits, self.labels.expand(logits.shape[:2]))


class Curvature:
    """The Hessian of an objective at one point, through its products with vectors.

    The gradient is recorded once; a product ``H v`` is one pass back through it
    (B. A. Pearlmutter, Neural Computation 6, 147 (1994)).

    Attributes
    ----------
    gradient : (P,) array
        Of the loss at the point.
    """

    def __init__(self, objective: Objective, point: Floats) -> None:
        if objective.members != 1:
            raise ConfigError(
                f"a Hessian is that of one point: make the objective with members=1, "
                f"not {objective.members}"
            )
        values = torch.from_numpy(np.asarray(point, dtype=np.float64)[None])
        self._leaf = values.to(objective.dtype).requires_grad_()
        loss = objective.losses(self._leaf).sum()
        (self._slope,) = torch.autograd.grad(loss, self._leaf, create_graph=True)
        self.gradient: Floats = self._slope.detach()[0].double().numpy()

    def __call__(self, vector: npt.NDArray[Any]) -> Floats:
        """``H v`` for one vector (P,)."""
        direction = torch.as_tensor(np.asarray(vector, dtype=np.float64).reshape(1, -1))
        (product,) = torch.autograd.grad(
            self._slope, self._leaf, direction.to(self._leaf.dtype), retain_graph=True
        )
        return np.asarray(product[0].double().numpy())

    def dense(self) -> Floats:
        """The whole matrix (P, P), column by column: for small networks and for checks."""
        matrix = np.stack([self(row) for row in np.eye(len(self.gradient))])
        return (matrix + matrix.T) / 2


def line(
    objective: Objective, start: Floats, end: Floats, points: int
) -> tuple[Floats, Floats, Floats]:
    """Loss and accuracy along straight lines.

    Parameters
    ----------
    start, end
        The two ends of each line, (lines, P).
    points
        Places on a line, both ends among them.

    Returns
    -------
    The place t in [0, 1], (points,); loss and accuracy, each (lines, points).
    """
    at = np.linspace(0.0, 1.0, points)
    places = start[:, None, :] + at[None, :, None] * (end - start)[:, None, :]
    loss, right = objective(places.reshape(-1, places.shape[-1]))
    return at, loss.reshape(len(start), points), right.reshape(len(start), points)


def barrier(losses: Floats) -> Floats:
    """Height of the highest place of each line above its higher end, (lines,).

    0 where no place between the ends is higher than both; `losses` is (lines, points).
    """
    return np.asarray(losses.max(axis=1) - np.maximum(losses[:, 0], losses[:, -1]))
