"""Neural heads: what turns an invariant, or a vector of features, into class logits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tnlearn.errors import ConfigError, check_choice
from tnlearn.networks.functions import ACTIVATIONS
from tnlearn.networks.graph import (
    BATCH,
    CHANNEL,
    Contraction,
    Function,
    Graph,
    Inds,
    Node,
    Parameter,
    Shape,
    as_constant,
)
from tnlearn.networks.init import fan_in, zeros

__all__ = ["activate", "attach_head", "dense_layer"]

KINDS = ("mlp", "rounding")


def dense_layer(
    name: str, source: Node, width: int, *, over: Sequence[str], out: str, gain: float = 1.0
) -> list[Node]:
    """A dense layer: one weight node contracted over the indices `over`, plus a bias.

    The result has the other indices of `source` and then `out` of size `width`.
    """
    sizes = dict(zip(source.inds, source.shape, strict=True))
    rest: Inds = tuple(ind for ind in source.inds if ind not in over)
    inds: Inds = (*rest, out)
    shape: Shape = (*(sizes[ind] for ind in rest), width)
    entries = (width, *(sizes[ind] for ind in over))
    weight = Parameter(f"{name}.weight", (out, *over), entries, fan_in(gain))
    bias = Parameter(f"{name}.bias", (out,), (width,), zeros())
    product = Contraction(f"{name}.product", inds, shape, (source.use, weight.use))
    return [weight, bias, product, Function(name, inds, shape, "add", (product.use, bias.use))]


def activate(name: str, source: Node, activation: str) -> Function:
    """An activation of every entry of a node."""
    return Function(name, source.inds, source.shape, activation, (source.use,))


def attach_head(
    graph: Graph,
    classes: int | Sequence[int],
    hidden: Sequence[int] = (),
    *,
    kind: str = "mlp",
    activation: str = "relu",
    sharpness: float = 10.0,
) -> Graph:
    """The graph with a head on its output; options and errors as of `Network.head`."""
    check_choice("head", kind, KINDS)
    check_choice("activation", activation, ACTIVATIONS)
    source = graph.nodes[graph.output]
    if any(name.startswith("head.") for name in graph.nodes):
        raise ConfigError("this network has a head already; attach one head only")
    if BATCH not in source.inds:
        raise ConfigError("a head needs an output with a batch index")
    if kind == "rounding":
        added = _rounding(source, classes, sharpness)
    else:
        count = classes if isinstance(classes, int) else len(classes)
        if count < 2 or any(width < 1 for width in hidden):
            raise ConfigError(
                f"a head needs at least 2 classes and positive widths, not {classes!r}, "
                f"{tuple(hidden)!r}"
            )
        added = _perceptron(source, (*hidden, count), activation)
    return graph.with_nodes({**graph.nodes, **{x.name: x for x in added}}, added[-1].name)


def _perceptron(source: Node, widths: Sequence[int], activation: str) -> list[Node]:
    """Dense layers of these widths over everything but the batch; the last is the logits."""
    added: list[Node] = []
    last = source
    if len(source.inds) == 1:
        inds, options = (BATCH, CHANNEL), {"ind": CHANNEL}
        last = Function("head.input", inds, (None, 1), "expand", (source.use,), options)
        added.append(last)
    over = tuple(ind for ind in last.inds if ind != BATCH)
    for number, width in enumerate(widths):
        name, final = f"head.{number}", number == len(widths) - 1
        out, gain = ("class", 1.0) if final else (f"hidden{number}", np.sqrt(2.0))
        added += dense_layer(name, last, width, over=over, out=out, gain=gain)
        if not final:
            added.append(activate(f"{name}.{activation}", added[-1], activation))
        last, over = added[-1], (out,)
    return added


def _rounding(source: Node, classes: int | Sequence[int], sharpness: float) -> list[Node]:
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
    inds, shape = (BATCH, "class"), (None, len(windings))
    product = Contraction("head.product", inds, shape, (source.use, weight.use))
    return [weight, bias, product, Function("head", inds, shape, "add", (product.use, bias.use))]
