"""Layers of neural networks as nodes: a weight is a parameter, a layer is a contraction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

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
    as_constant,
)
from tnlearn.networks.heads import activate, dense_layer
from tnlearn.networks.init import Init, fan_in, normal

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
        *sources: Node,
        inds: Inds | None = None,
        sizes: dict[str, int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> Node:
        """A function of nodes under their own index names: `inds` of the first, if not these.

        `sizes` are those of indices that the first has not.
        """
        first = sources[0]
        inds = first.inds if inds is None else inds
        known = dict(zip(first.inds, first.shape, strict=True)) | (sizes or {})
        parts = tuple(source.use for source in sources)
        shape = tuple(known[ind] for ind in inds)
        return self.add(Function(name, inds, shape, op, parts, options or {}))

    def contract(self, name: str, inds: Inds, *parts: Operand, **options: Any) -> Node:
        """The contraction of nodes to these indices; options as of `Contraction`."""
        sizes = {
            ind: size
            for part in parts
            for ind, size in zip(part.inds, self.nodes[part.node].shape, strict=True)
        }
        shape = tuple(sizes[ind] for ind in inds)
        return self.add(Contraction(name, inds, shape, parts, **options))

    def weight(self, name: str, sizes: dict[str, int], init: Init) -> Operand:
        """A trained array with these indices."""
        return self.add(Parameter(name, tuple(sizes), tuple(sizes.values()), init)).use

    # ---------------------------------------------------------------- what enters

    def image(self, complex: bool) -> Node:
        """The states as an image (batch, feature, state, cell) with features u and v.

        Complex states give four features: the real and imaginary parts of each.
        """
        sources = [self.nodes["u"], self.nodes["v"]]
        if complex:
            sources = [
                self.function(f"{node.name}.{part}", part, node)
                for node in sources
                for part in ("real", "imag")
            ]
        return self.stack_features("image", *sources)

    def stack_features(self, name: str, *sources: Node) -> Node:
        """Arrays (batch, state, cell) stacked along a feature index."""
        inds = (BATCH, "feature", "state", "cell")
        sizes, options = {"feature": len(sources)}, {"ind": "feature"}
        return self.function(name, "stack", *sources, inds=inds, sizes=sizes, options=options)

    def q_squared(self) -> Node:
        """|q_xy|² = Σ_nm u_n(x) v_n(y)* u_m(x)* v_m(y), (batch, x, y)."""
        return self.function(
            "q2", "real", self.contract("q.qdagger", (BATCH, "x", "y"), *Q_SQUARED)
        )

    def products(self, complex: bool) -> Node:
        """The gauge-invariant products of each state, |u|², |v|² and u v*, as features."""
        inds = self.nodes["u"].inds
        features: list[Node] = []
        for a, b in (("u", "u"), ("v", "v"), ("u", "v")):
            parts = (Operand(a, inds), Operand(b, inds, conj=True))
            product = self.contract(f"{a}{b}", inds, *parts)
            features.append(self.function(f"{a}{b}.real", "real", product))
            if complex and a != b:
                features.append(self.function(f"{a}{b}.imag", "imag", product))
        return self.stack_features("products", *features)

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
        options = {"inds": tuple(inds), "shape": tuple(sizes[ind] for ind in inds)}
        return self.function(name, "layer_norm", self.last, options=options)

    def residual(self, name: str, shortcut: Node) -> Node:
        """The last node plus an earlier one of the same shape."""
        last = self.last
        parts = (last.use, Operand(shortcut.name, last.inds))
        return self.add(Function(name, last.inds, last.shape, "add", parts))

    def mean(self, name: str, over: Sequence[str]) -> Node:
        """The mean over indices of the last node."""
        inds = tuple(ind for ind in self.last.inds if ind not in over)
        return self.function(name, "mean", self.last, inds=inds)

    def conv(self, name: str, features: int, stride: int = 1, taps: int = 3) -> Node:
        """A convolution with bias: the kernel contracted with binary shift tensors."""
        image, padding = self.last, taps // 2
        _, inputs, *sides = (int(size or 0) for size in image.shape)
        parts = [Operand(image.name, (BATCH, "in", "i", "j"))]
        for size, inds in zip(sides, (("i", "k", "o"), ("j", "l", "p")), strict=True):
            shift = f"shift.{size}.{taps}.{stride}"
            if shift not in self.nodes:
                tensor = shift_tensor(size, taps, stride, padding)
                self.add(as_constant(shift, ("input", "tap", "output"), tensor))
            parts.append(Operand(shift, inds))
        sizes = {"out": features, "in": inputs, "tap_row": taps, "tap_column": taps}
        kernel = self.weight(f"{name}.kernel", sizes, fan_in(math.sqrt(2.0)))
        parts.append(Operand(kernel.node, ("out", "in", "k", "l")))
        bias = self.weight(f"{name}.bias", {"out": features}, normal(0.0))
        convolution = self.contract(
            f"{name}.convolution",
            (BATCH, "out", "o", "p"),
            *parts,
            lowering="conv2d",
            options={"stride": stride, "padding": padding},
        )
        total = Operand(convolution.name, image.inds), Operand(bias.node, image.inds[1:2])
        return self.add(Function(name, image.inds, convolution.shape, "add", total))

    def attention(self, name: str, heads: int) -> Node:
        """Multi-head self-attention over the states of (batch, state, width), without residual."""
        source, tokens = self.last, (BATCH, "state", "width")
        width = int(source.shape[2] or 0)
        part, init = width // heads, normal(width**-0.5)
        each, others = (BATCH, "state", "head", "part"), (BATCH, "other", "head", "part")
        for role, many in (("query", "queries"), ("key", "keys"), ("value", "values")):
            sizes = {"head": heads, "part": part, "width": width}
            weight = self.weight(f"{name}.{role}", sizes, init)
            self.contract(f"{name}.{many}", each, Operand(source.name, tokens), weight)
        queries, keys = Operand(f"{name}.queries", each), Operand(f"{name}.keys", others)
        inds = (BATCH, "head", "state", "other")
        scores = self.contract(f"{name}.scores", inds, queries, keys, scale=part**-0.5)
        weights = self.function(f"{name}.weights", "softmax", scores, options={"ind": "other"})
        values = Operand(f"{name}.values", others)
        seen = self.contract(f"{name}.seen", each, weights.use, values)
        sizes = {"width": width, "head": heads, "part": part}
        out = self.weight(f"{name}.output", sizes, init)
        return self.contract(name, tokens, seen.use, out)
