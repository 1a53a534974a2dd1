"""Neural heads: what turns an invariant, or a vector of features, into class logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tnlearn.errors import ConfigError, check_choice
from tnlearn.networks.functions import ACTIVATIONS
from tnlearn.networks.init import fan_in, zeros
from tnlearn.networks.nodes import (
    BATCH,
    CHANNEL,
    Contraction,
    Function,
    Inds,
    Node,
    Operand,
    Parameter,
    Shape,
    as_constant,
)

__all__ = ["dense_layer", "head_nodes"]

KINDS = ("mlp", "rounding")


def dense_layer(
    name: str, source: Node, width: int, *, over: Sequence[str], out: str, gain: float = 1.0
) -> list[Node]:
    """A dense layer: one weight node contracted over the indices `over`, plus a bias.

    The result has the other indices of `source` and then `out` of size `width`.
    """
    sizes = dict(zip(source.inds, source.shape, strict=True))
    rest: Inds = tuple(ind for ind in source.inds if ind not in over)
    shape: Shape = (*(sizes[ind] for ind in rest), width)
    weight = Parameter(
        f"{name}.weight", (out, *over), (width, *(sizes[ind] for ind in over)), fan_in(gain)
    )
    bias = Parameter(f"{name}.bias", (out,), (width,), zeros())
    product = Contraction(
        f"{name}.product",
        (*rest, out),
        shape,
        (Operand(source.name, source.inds), Operand(weight.name, weight.inds)),
    )
    total = Function(
        name,
        product.inds,
        shape,
        "add",
        (Operand(product.name, product.inds), Operand(bias.name, (out,))),
    )
    return [weight, bias, product, total]


def activate(name: str, source: Node, activation: str) -> Function:
    """An activation of every entry of a node."""
    return Function(
        name, source.inds, source.shape, activation, (Operand(source.name, source.inds),)
    )


def head_nodes(
    nodes: Mapping[str, Node],
    output: str,
    classes: int | Sequence[int],
    hidden: tuple[int, ...],
    kind: str,
    activation: str,
    sharpness: float,
) -> tuple[dict[str, Node], str]:
    """The graph with a head on its output, and the name of the logits."""
    check_choice("head", kind, KINDS)
    if isinstance(classes, np.integer):
        classes = int(classes)
    check_choice("activation", activation, ACTIVATIONS)
    changed = dict(nodes)
    source = nodes[output]
    if any(name.startswith("head.") for name in nodes):
        raise ConfigError("this network has a head already; attach one head only")
    if BATCH not in source.inds:
        raise ConfigError("a head needs an output with a batch index")
    if kind == "rounding":
        return changed, _rounding(changed, source, classes, sharpness)
    count = classes if isinstance(classes, int) else len(classes)
    if count < 2 or any(width < 1 for width in hidden):
        raise ConfigError(
            f"a head needs at least 2 classes and positive widths, not {classes!r}, {hidden!r}"
        )
    if len(source.inds) == 1:
        source = Function(
            "head.input",
            (BATCH, CHANNEL),
            (None, 1),
            "expand",
            (Operand(source.name, source.inds),),
            {"ind": CHANNEL},
        )
        changed[source.name] = source
    over = tuple(ind for ind in source.inds if ind != BATCH)
    last: Node = source
    for number, width in enumerate((*hidden, count)):
        final = number == len(hidden)
        out = "class" if final else f"hidden{number}"
        layer = dense_layer(
            f"head.{number}", last, width, over=over, out=out, gain=1.0 if final else np.sqrt(2.0)
        )
        changed |= {node.name: node for node in layer}
        last = layer[-1]
        if not final:
            last = activate(f"head.{number}.{activation}", last, activation)
            changed[last.name] = last
        over = (out,)
    return changed, last.name


def _rounding(
    nodes: dict[str, Node], source: Node, classes: int | Sequence[int], sharpness: float
) -> str:
    """Logits 2 c W − c²: the largest is that of the winding c nearest to W.

    They are minus the squared distance (W − c)², less the part common to all classes.
    """
    if isinstance(classes, int) or len(source.inds) != 1:
        raise ConfigError(
            "the rounding head needs classes=(windings, in the order of the labels), such as "
            "data.classes, and a network with one output channel"
        )
    windings = np.asarray(classes, dtype=np.float64)
    if windings.ndim != 1 or len(set(classes)) != len(classes) or not sharpness > 0:
        raise ConfigError(f"windings must be distinct and sharpness > 0, not {classes!r}")
    weight = as_constant("head.weight", ("class",), 2.0 * sharpness * windings)
    bias = as_constant("head.bias", ("class",), -sharpness * windings**2)
    shape = (None, len(windings))
    product = Contraction(
        "head.product",
        (BATCH, "class"),
        shape,
        (Operand(source.name, source.inds), Operand("head.weight", ("class",))),
    )
    total = Function(
        "head",
        (BATCH, "class"),
        shape,
        "add",
        (Operand(product.name, product.inds), Operand("head.bias", ("class",))),
    )
    nodes |= {node.name: node for node in (weight, bias, product, total)}
    return total.name
