"""The networks the exact invariant is compared with, written in the same framework.

Generic networks see the states as an image (feature, state, cell) and know
nothing of their gauge; symmetric networks see only what does not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tnlearn.errors import ConfigError, check_choice
from tnlearn.models.layers import Stack
from tnlearn.models.network import Network
from tnlearn.networks.functions import ACTIVATIONS
from tnlearn.networks.graph import BATCH, Contraction, Graph, Operand, Parameter, as_constant
from tnlearn.networks.init import normal

__all__ = ["KINDS", "VARIANTS", "baseline"]

VARIANTS = ("products", "dense", "conv", "edge")


@dataclass(frozen=True)
class _Options:
    hidden: tuple[int, ...]
    features: tuple[int, ...]
    width: int
    heads: int
    depth: int
    variant: str
    activation: str
    complex: bool


def baseline(
    kind: str,
    cells: int = 20,
    classes: int = 4,
    *,
    variant: str | None = None,
    hidden: Sequence[int] | None = None,
    features: Sequence[int] | None = None,
    width: int | None = None,
    heads: int | None = None,
    depth: int | None = None,
    activation: str = "relu",
    complex: bool = False,
) -> Network:
    """A network to compare the winding number with: states in, (batch, classes) logits out.

    Parameters
    ----------
    kind
        ``"linear"``: logits linear in all amplitudes;
        ``"mlp"``: dense layers of widths `hidden`, by default (256, 256);
        ``"cnn"``: 3x3 convolutions of `features` channels, by default (16, 32), the
        second and later of stride 2, and a dense layer;
        ``"resnet"``: a convolution of stride 2, `depth` residual blocks of two
        convolutions each (16 features, two blocks), normalised, averaged;
        ``"attention"``: the states as tokens of `width` 32, `depth` blocks of
        self-attention with `heads` 4, averaged;
        ``"symmetric"``: gauge-invariant networks, see `variant`.
    cells, classes
        Unit cells of the chains, number of classes.
    variant
        Of the symmetric networks: ``"products"``: |u|², |v|², u v* of each state,
        dense layers; ``"dense"`` (the default): dense layers on q²; ``"conv"``:
        convolutions on q²; ``"edge"``: dense layers on the q² of the outer cells,
        a quarter of the chain at each end.
    activation
        ``"relu"``, ``"gelu"`` or ``"tanh"``.
    complex
        For complex states (real and imaginary parts are features of their own).

    Raises
    ------
    UnknownNameError
        For an unknown kind, variant or activation.
    ConfigError
        For an option that the kind does not have, or a size that is not positive.
    """
    check_choice("baseline", kind, KINDS)
    check_choice("activation", activation, ACTIVATIONS)
    builder, allowed = KINDS[kind]
    asked: dict[str, Any] = {
        "variant": variant,
        "hidden": None if hidden is None else tuple(int(n) for n in hidden),
        "features": None if features is None else tuple(int(n) for n in features),
        "width": width,
        "heads": heads,
        "depth": depth,
    }
    for name, value in asked.items():
        if value is not None and name not in allowed:
            raise ConfigError(
                f"baseline {kind!r} has no option {name!r}; it has: {', '.join(allowed) or 'none'}"
            )
    if kind == "symmetric":
        check_choice("variant", variant or "dense", VARIANTS)
        unused = "hidden" if variant == "conv" else "features"
        if asked[unused] is not None:
            raise ConfigError(f"variant {variant or 'dense'!r} has no option {unused!r}")
    if kind == "resnet" and features is not None and len(features) != 1:
        raise ConfigError(f"a resnet has one number of features, such as (16,), not {features!r}")
    defaults: dict[str, Any] = {
        "variant": "dense",
        "hidden": (64,) if kind == "symmetric" else (256, 256),
        "features": (16,) if kind == "resnet" else (16, 32),
        "width": 32,
        "heads": 4,
        "depth": 2 if kind == "resnet" else 1,
    }
    chosen = {name: defaults[name] if value is None else value for name, value in asked.items()}
    numbers = [cells, classes - 1, chosen["width"], chosen["heads"], chosen["depth"]]
    if any(n < 1 for n in (*numbers, *chosen["hidden"], *chosen["features"])):
        raise ConfigError(f"sizes of a baseline must be positive and classes >= 2: {chosen}")
    if chosen["width"] % chosen["heads"]:
        raise ConfigError(f"width {chosen['width']} must be a multiple of heads {chosen['heads']}")
    stack = Stack(int(cells))
    options = _Options(activation=activation, complex=complex, **chosen)
    builder(stack, options, int(classes))
    recipe: dict[str, Any] = {
        "call": "baseline",
        "kind": kind,
        "cells": int(cells),
        "classes": int(classes),
        "activation": activation,
        "complex": complex,
    }
    recipe |= {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asked.items()
        if value is not None
    }
    return Network(Graph(stack.nodes, stack.last.name), recipe=[recipe], factory=baseline)


def _perceptron(stack: Stack, hidden: Sequence[int], classes: int, activation: str) -> None:
    """Dense layers over everything but the batch, then the logits."""
    over = tuple(ind for ind in stack.last.inds if ind != BATCH)
    for number, width in enumerate(hidden):
        stack.dense(f"layer{number}", width, over, f"hidden{number}", np.sqrt(2.0))
        stack.activation(f"layer{number}.{activation}", activation)
        over = (f"hidden{number}",)
    stack.dense("logits", classes, over, "class", 1.0)


def _linear(stack: Stack, options: _Options, classes: int) -> None:
    stack.image(options.complex)
    _perceptron(stack, (), classes, options.activation)


def _mlp(stack: Stack, options: _Options, classes: int) -> None:
    stack.image(options.complex)
    _perceptron(stack, options.hidden, classes, options.activation)


def _convolutions(stack: Stack, options: _Options, classes: int) -> None:
    for number, features in enumerate(options.features):
        stack.conv(f"conv{number}", features, stride=1 if number == 0 else 2)
        stack.activation(f"conv{number}.{options.activation}", options.activation)
    _perceptron(stack, (), classes, options.activation)


def _cnn(stack: Stack, options: _Options, classes: int) -> None:
    stack.image(options.complex)
    _convolutions(stack, options, classes)


def _resnet(stack: Stack, options: _Options, classes: int) -> None:
    stack.image(options.complex)
    features = options.features[0]
    stack.conv("stem", features, stride=2)
    for number in range(options.depth):
        shortcut = stack.last
        for half in ("a", "b"):
            name = f"block{number}{half}"
            stack.norm(f"{name}.norm", stack.last.inds[1:])
            stack.activation(f"{name}.{options.activation}", options.activation)
            stack.conv(name, features)
        stack.residual(f"block{number}", shortcut)
    stack.activation(options.activation, options.activation)
    _perceptron(stack, (), classes, options.activation)


def _attention(stack: Stack, options: _Options, classes: int) -> None:
    stack.image(options.complex)
    embedded = stack.dense("embedding", options.width, ("feature", "cell"), "width", 1.0)
    shape = (stack.cells, options.width)
    position = Parameter("position", ("state", "width"), shape, normal(0.1))
    stack.add(position)
    stack.function("tokens", "add", [embedded, position], embedded.inds, embedded.shape)
    for number in range(options.depth):
        shortcut = stack.last
        stack.norm(f"block{number}.norm1", ("width",))
        stack.attention(f"block{number}.attention", options.heads)
        shortcut = stack.residual(f"block{number}.attended", shortcut)
        stack.norm(f"block{number}.norm2", ("width",))
        stack.dense(f"block{number}.mlp0", 2 * options.width, ("width",), "wide", np.sqrt(2.0))
        stack.activation(f"block{number}.{options.activation}", options.activation)
        stack.dense(f"block{number}.mlp1", options.width, ("wide",), "width", 1.0)
        stack.residual(f"block{number}", shortcut)
    stack.norm("norm", ("width",))
    stack.mean("pooled", ("state",))
    stack.dense("logits", classes, ("width",), "class", 1.0)


def _symmetric(stack: Stack, options: _Options, classes: int) -> None:
    if options.variant == "products":
        stack.products(options.complex)
        _perceptron(stack, options.hidden, classes, options.activation)
        return
    squared = stack.q_squared()
    if options.variant == "conv":
        shape = (None, 1, stack.cells, stack.cells)
        inds = (BATCH, "feature", "x", "y")
        stack.function("q2.image", "expand", [squared], inds, shape, {"ind": "feature"})
        _convolutions(stack, options, classes)
        return
    if options.variant == "edge":
        _outer_cells(stack)
    _perceptron(stack, options.hidden, classes, options.activation)


def _outer_cells(stack: Stack) -> None:
    """Keep the columns y of q² in the outer quarters of the chain."""
    cells = stack.cells
    depth = max(1, cells // 4)
    outer = [*range(depth), *range(max(depth, cells - depth), cells)]
    squared = stack.last
    select = as_constant("edge", ("e", "y"), np.eye(cells)[outer])
    stack.add(select)
    stack.add(
        Contraction(
            "q2.edge",
            (BATCH, "x", "e"),
            (None, cells, len(outer)),
            (squared.use, Operand("edge", ("e", "y"))),
        )
    )


Builder = Callable[[Stack, _Options, int], None]

KINDS: dict[str, tuple[Builder, tuple[str, ...]]] = {
    "linear": (_linear, ()),
    "mlp": (_mlp, ("hidden",)),
    "cnn": (_cnn, ("features",)),
    "resnet": (_resnet, ("features", "depth")),
    "attention": (_attention, ("width", "heads", "depth")),
    "symmetric": (_symmetric, ("variant", "hidden", "features")),
}
