"""The networks the exact invariant is compared with, written in the same framework.

Generic networks see the states as an image (feature, state, cell) and know
nothing of their gauge; symmetric networks see only what does not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tnlearn.errors import ConfigError, check_choice
from tnlearn.models.layers import Stack
from tnlearn.models.network import Network
from tnlearn.networks.functions import ACTIVATIONS
from tnlearn.networks.graph import BATCH, Graph, Parameter, as_constant
from tnlearn.networks.init import normal

__all__ = ["KINDS", "VARIANTS", "baseline"]

VARIANTS = ("products", "dense", "conv", "edge")


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
    builder, defaults = KINDS[check_choice("baseline", kind, KINDS)]
    check_choice("activation", activation, ACTIVATIONS)
    sizes = {"hidden": hidden, "features": features}
    asked: dict[str, Any] = {
        "variant": variant,
        **{key: None if x is None else tuple(int(n) for n in x) for key, x in sizes.items()},
        "width": width,
        "heads": heads,
        "depth": depth,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    for name in asked:
        if name not in defaults:
            raise ConfigError(
                f"baseline {kind!r} has no option {name!r}; it has: {', '.join(defaults) or 'none'}"
            )
    options = defaults | asked
    numbers = [cells, classes - 1]
    for value in options.values():
        numbers += [] if isinstance(value, str) else np.ravel(value).tolist()
    if any(n < 1 for n in numbers):
        raise ConfigError(f"sizes of a baseline must be positive and classes >= 2: {options}")
    if kind == "symmetric":
        check_choice("variant", options["variant"], VARIANTS)
        unused = "hidden" if options["variant"] == "conv" else "features"
        if unused in asked:
            raise ConfigError(f"variant {options['variant']!r} has no option {unused!r}")
    if kind == "resnet" and len(options["features"]) != 1:
        raise ConfigError(f"a resnet has one number of features, such as (16,), not {features!r}")
    if kind == "attention" and options["width"] % options["heads"]:
        raise ConfigError(
            f"width {options['width']} must be a multiple of heads {options['heads']}"
        )
    stack = Stack(int(cells))
    if kind == "symmetric":
        options["complex"] = complex
    else:
        stack.image(complex)
    builder(stack, int(classes), activation, **options)
    recipe = {"call": "baseline", "kind": kind, "cells": int(cells), "classes": int(classes)}
    recipe |= {"activation": activation, "complex": complex}
    recipe |= {n: list(value) if isinstance(value, tuple) else value for n, value in asked.items()}
    return Network(Graph(stack.nodes, stack.last.name), recipe=[recipe], factory=baseline)


def _perceptron(stack: Stack, classes: int, activation: str, hidden: Sequence[int] = ()) -> None:
    """Dense layers over everything but the batch, then the logits."""
    over = tuple(ind for ind in stack.last.inds if ind != BATCH)
    for number, width in enumerate(hidden):
        stack.dense(f"layer{number}", width, over, f"hidden{number}", np.sqrt(2.0))
        stack.activation(f"layer{number}.{activation}", activation)
        over = (f"hidden{number}",)
    stack.dense("logits", classes, over, "class", 1.0)


def _cnn(stack: Stack, classes: int, activation: str, features: Sequence[int]) -> None:
    for number, channels in enumerate(features):
        stack.conv(f"conv{number}", channels, stride=1 if number == 0 else 2)
        stack.activation(f"conv{number}.{activation}", activation)
    _perceptron(stack, classes, activation)


def _resnet(
    stack: Stack, classes: int, activation: str, features: Sequence[int], depth: int
) -> None:
    stack.conv("stem", features[0], stride=2)
    for number in range(depth):
        shortcut = stack.last
        for half in ("a", "b"):
            name = f"block{number}{half}"
            stack.norm(f"{name}.norm", stack.last.inds[1:])
            stack.activation(f"{name}.{activation}", activation)
            stack.conv(name, features[0])
        stack.residual(f"block{number}", shortcut)
    stack.activation(activation, activation)
    _perceptron(stack, classes, activation)


def _attention(
    stack: Stack, classes: int, activation: str, width: int, heads: int, depth: int
) -> None:
    embedded = stack.dense("embedding", width, ("feature", "cell"), "width", 1.0)
    position = Parameter("position", ("state", "width"), (stack.cells, width), normal(0.1))
    stack.add(position)
    stack.function("tokens", "add", embedded, position)
    for number in range(depth):
        name, shortcut = f"block{number}", stack.last
        stack.norm(f"{name}.norm1", ("width",))
        stack.attention(f"{name}.attention", heads)
        shortcut = stack.residual(f"{name}.attended", shortcut)
        stack.norm(f"{name}.norm2", ("width",))
        stack.dense(f"{name}.mlp0", 2 * width, ("width",), "wide", np.sqrt(2.0))
        stack.activation(f"{name}.{activation}", activation)
        stack.dense(f"{name}.mlp1", width, ("wide",), "width", 1.0)
        stack.residual(name, shortcut)
    stack.norm("norm", ("width",))
    stack.mean("pooled", ("state",))
    stack.dense("logits", classes, ("width",), "class", 1.0)


def _symmetric(
    stack: Stack,
    classes: int,
    activation: str,
    variant: str,
    hidden: Sequence[int],
    features: Sequence[int],
    complex: bool,
) -> None:
    if variant == "products":
        stack.products(complex)
    else:
        squared = stack.q_squared()
    if variant == "conv":
        inds, sizes, options = (BATCH, "feature", "x", "y"), {"feature": 1}, {"ind": "feature"}
        stack.function("q2.image", "expand", squared, inds=inds, sizes=sizes, options=options)
        _cnn(stack, classes, activation, features)
        return
    if variant == "edge":  # the columns y of q² in the outer quarters of the chain
        depth = max(1, stack.cells // 4)
        outer = [*range(depth), *range(max(depth, stack.cells - depth), stack.cells)]
        edge = stack.add(as_constant("edge", ("e", "y"), np.eye(stack.cells)[outer]))
        stack.contract("q2.edge", (BATCH, "x", "e"), squared.use, edge.use)
    _perceptron(stack, classes, activation, hidden)


# What builds each kind on the image of the states (or on the states themselves), and its options.
KINDS: dict[str, tuple[Callable[..., None], dict[str, Any]]] = {
    "linear": (_perceptron, {}),
    "mlp": (_perceptron, {"hidden": (256, 256)}),
    "cnn": (_cnn, {"features": (16, 32)}),
    "resnet": (_resnet, {"features": (16,), "depth": 2}),
    "attention": (_attention, {"width": 32, "heads": 4, "depth": 1}),
    "symmetric": (_symmetric, {"variant": "dense", "hidden": (64,), "features": (16, 32)}),
}
