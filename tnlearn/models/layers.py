"""Layers of neural networks as nodes: a weight is a parameter, a layer is a contraction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tnlearn.models.rswn import Q_SQUARED
from tnlearn.networks.formula import amplitudes
from tnlearn.networks.graph import (
    BATCH,
    Contraction,
    Function,
    Inds,
    Node,
    Operand,
    Parameter,
    Shape,
    as_constant,
)
from tnlearn.networks.heads import activate, dense_layer
from tnlearn.networks.init import fan_in, normal

__all__ = ["Stack", "shift_tensor"]


def shift_tensor(size: int, taps: int, stride: int, padding: int) -> np.ndarray:
    """The binary tensor s[i, k, o] = 1 where input i is tap k of output o.

    A convolution is the contraction of an image with one such tensor per
    direction and with the kernel (Hayashi et al., arXiv:1908.04471).
    """
    outputs = (size + 2 * padding - taps) // stride + 1
    i, k, o = np.ogrid[:size, :taps, :outputs]
    return np.asarray(i == stride * o + k - padding, dtype=np.float64)


class Stack:
    """Nodes stacked one on another; `last` is the newest."""

    def __init__(self, cells: int) -> None:
        self.nodes: dict[str, Node] = {}
        self.cells = cells
        self.add(*amplitudes(cells))

    def add(self, *nodes: Node) -> Node:
        """Enter nodes; return the last one."""
        for node in nodes:
            self.nodes[node.name] = node
            self.last: Node = node
        return self.last

    def function(
        self,
        name: str,
        op: str,
        sources: Sequence[Node],
        inds: Inds,
        shape: Shape,
        options: Mapping[str, object] | None = None,
    ) -> Node:
        """A function of nodes, each under its own index names."""
        parts = tuple(source.use for source in sources)
        return self.add(Function(name, inds, shape, op, parts, dict(options or {})))

    # ---------------------------------------------------------------- what enters

    def image(self, complex: bool) -> Node:
        """The states as an image (batch, feature, state, cell) with features u and v.

        Complex states give four features: the real and imaginary parts of each.
        """
        sources: list[Node] = []
        for name in ("u", "v"):
            node = self.nodes[name]
            if complex:
                for part in ("real", "imag"):
                    component = self.function(f"{name}.{part}", part, [node], node.inds, node.shape)
                    sources.append(component)
            else:
                sources.append(node)
        return self.stack_features("image", sources)

    def stack_features(self, name: str, sources: Sequence[Node]) -> Node:
        """Arrays (batch, state, cell) stacked along a feature index."""
        _, states, cells = sources[0].shape
        return self.function(
            name,
            "stack",
            sources,
            (BATCH, "feature", "state", "cell"),
            (None, len(sources), states, cells),
            {"ind": "feature"},
        )

    def q_squared(self) -> Node:
        """|q_xy|² = Σ_nm u_n(x) v_n(y)* u_m(x)* v_m(y), (batch, x, y)."""
        shape = (None, self.cells, self.cells)
        inds = (BATCH, "x", "y")
        product = self.add(Contraction("q.qdagger", inds, shape, Q_SQUARED))
        return self.function("q2", "real", [product], inds, shape)

    def products(self, complex: bool) -> Node:
        """The gauge-invariant products of each state, |u|², |v|² and u v*, as features."""
        inds, shape = self.nodes["u"].inds, self.nodes["u"].shape
        features: list[Node] = []
        for a, b in (("u", "u"), ("v", "v"), ("u", "v")):
            parts = (Operand(a, inds), Operand(b, inds, conj=True))
            product = self.add(Contraction(f"{a}{b}", inds, shape, parts))
            features.append(self.function(f"{a}{b}.real", "real", [product], inds, shape))
            if complex and a != b:
                features.append(self.function(f"{a}{b}.imag", "imag", [product], inds, shape))
        return self.stack_features("products", features)

    # ---------------------------------------------------------------- layers

    def dense(self, name: str, width: int, over: Sequence[str], out: str, gain: float) -> Node:
        """A dense layer over the indices `over` of the last node."""
        return self.add(*dense_layer(name, self.last, width, over=over, out=out, gain=gain))

    def activation(self, name: str, kind: str) -> Node:
        """An activation of the last node."""
        return self.add(activate(name, self.last, kind))

    def norm(self, name: str, inds: Sequence[str]) -> Node:
        """Each sample's mean over `inds` subtracted and its spread divided out."""
        sizes = dict(zip(self.last.inds, self.last.shape, strict=True))
        return self.function(
            name,
            "layer_norm",
            [self.last],
            self.last.inds,
            self.last.shape,
            {"inds": tuple(inds), "shape": tuple(sizes[ind] for ind in inds)},
        )

    def residual(self, name: str, shortcut: Node) -> Node:
        """The last node plus an earlier one of the same shape."""
        parts = (
            self.last.use,
            Operand(shortcut.name, self.last.inds),
        )
        return self.add(Function(name, self.last.inds, self.last.shape, "add", parts))

    def mean(self, name: str, over: Sequence[str]) -> Node:
        """The mean over indices of the last node."""
        kept = [
            (ind, size)
            for ind, size in zip(self.last.inds, self.last.shape, strict=True)
            if ind not in over
        ]
        inds, shape = tuple(i for i, _ in kept), tuple(s for _, s in kept)
        return self.function(name, "mean", [self.last], inds, shape)

    def conv(self, name: str, features: int, stride: int = 1, taps: int = 3) -> Node:
        """A convolution with bias: the kernel contracted with binary shift tensors."""
        batch, feature, row, column = self.last.inds
        _, inputs, height, width = (int(size or 0) for size in self.last.shape)
        padding = taps // 2
        shifts = []
        for size in (height, width):
            shift = shift_tensor(size, taps, stride, padding)
            shift_name = f"shift.{size}.{taps}.{stride}"
            if shift_name not in self.nodes:
                last = self.last
                self.add(as_constant(shift_name, ("input", "tap", "output"), shift))
                self.last = last
            shifts.append((shift_name, shift.shape[2]))
        image = self.last
        kernel = Parameter(
            f"{name}.kernel",
            ("out", "in", "tap_row", "tap_column"),
            (features, inputs, taps, taps),
            fan_in(math.sqrt(2.0)),
        )
        bias = Parameter(f"{name}.bias", ("out",), (features,), normal(0.0))
        parts = (
            Operand(image.name, (batch, "in", "i", "j")),
            Operand(shifts[0][0], ("i", "k", "o")),
            Operand(shifts[1][0], ("j", "l", "p")),
            Operand(kernel.name, ("out", "in", "k", "l")),
        )
        shape = (None, features, shifts[0][1], shifts[1][1])
        convolution = Contraction(
            f"{name}.convolution",
            (batch, "out", "o", "p"),
            shape,
            parts,
            lowering="conv2d",
            options={"stride": stride, "padding": padding},
        )
        inds = (batch, feature, row, column)
        total = Function(
            name,
            inds,
            shape,
            "add",
            (Operand(convolution.name, inds), Operand(bias.name, (feature,))),
        )
        return self.add(kernel, bias, convolution, total)

    def attention(self, name: str, heads: int) -> Node:
        """Multi-head self-attention over the states of (batch, state, width), without residual."""
        source = self.last
        _, states, width = (int(size or 0) for size in source.shape)
        size = width // heads
        projected: dict[str, Node] = {}
        for role, many in (("query", "queries"), ("key", "keys"), ("value", "values")):
            weight = Parameter(
                f"{name}.{role}",
                ("head", "part", "width"),
                (heads, size, width),
                normal(width**-0.5),
            )
            parts = (
                Operand(source.name, (BATCH, "state", "width")),
                weight.use,
            )
            inds, shape = (BATCH, "state", "head", "part"), (None, states, heads, size)
            self.add(weight)
            projected[role] = self.add(Contraction(f"{name}.{many}", inds, shape, parts))
        scores = self.add(
            Contraction(
                f"{name}.scores",
                (BATCH, "head", "state", "other"),
                (None, heads, states, states),
                (
                    Operand(projected["query"].name, (BATCH, "state", "head", "part")),
                    Operand(projected["key"].name, (BATCH, "other", "head", "part")),
                ),
                scale=size**-0.5,
            )
        )
        weights = self.function(
            f"{name}.weights", "softmax", [scores], scores.inds, scores.shape, {"ind": "other"}
        )
        seen = self.add(
            Contraction(
                f"{name}.seen",
                (BATCH, "state", "head", "part"),
                (None, states, heads, size),
                (
                    weights.use,
                    Operand(projected["value"].name, (BATCH, "other", "head", "part")),
                ),
            )
        )
        out = Parameter(
            f"{name}.output", ("width", "head", "part"), (width, heads, size), normal(width**-0.5)
        )
        self.add(out)
        return self.add(
            Contraction(
                name,
                (BATCH, "state", "width"),
                source.shape,
                (seen.use, out.use),
            )
        )
