"""What a function node can do, written once for every array library through autoray.

A function receives *labelled* arrays, whose axes are named, and returns one.
Axes may stand in any order and an ensemble axis may be among them, so every
function says which axes it needs last and leaves the others alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from autoray import do, register_function
from scipy.special import erf

from tnlearn.errors import check_choice

__all__ = ["FUNCTIONS", "MEMBER", "Label", "Labelled", "align", "apply_function", "permute"]

Label = str | int
MEMBER = "member"  # the ensemble axis, which every function leaves alone


@dataclass(frozen=True)
class Labelled:
    """An array of any library and the label of each of its axes."""

    array: Any
    labels: tuple[Label, ...]


def permute(x: Labelled, order: Sequence[Label]) -> Any:
    """The array of `x` with its axes in the given order (no copy where it already is)."""
    if tuple(order) == x.labels:
        return x.array
    return do("transpose", x.array, tuple(x.labels.index(label) for label in order))


def align(x: Labelled, order: Sequence[Label]) -> Any:
    """The array of `x` ready to broadcast against axes `order` (missing axes have size one)."""
    array = permute(x, [label for label in order if label in x.labels])
    if len(x.labels) == len(order):
        return array
    return array[tuple(slice(None) if label in x.labels else None for label in order)]


def merged_order(args: Sequence[Labelled]) -> tuple[Label, ...]:
    """All labels of the arguments, in the order of the one with most axes."""
    order = list(max(args, key=lambda x: len(x.labels)).labels)
    for x in args:
        order += [label for label in x.labels if label not in order]
    return tuple(order)


Options = Mapping[str, Any]
Implementation = Callable[[Sequence[Labelled], tuple[Label, ...], Options], Labelled]


def _elementwise(name: str) -> Implementation:
    def function(args: Sequence[Labelled], out: tuple[Label, ...], options: Options) -> Labelled:
        (x,) = args
        return Labelled(do(name, x.array), x.labels)

    return function


def _broadcast(name: str) -> Implementation:
    def function(args: Sequence[Labelled], out: tuple[Label, ...], options: Options) -> Labelled:
        order = merged_order(args)
        total = align(args[0], order)
        for x in args[1:]:
            total = do(name, total, align(x, order))
        return Labelled(total, order)

    return function


def _pool(name: str) -> Implementation:
    def function(args: Sequence[Labelled], out: tuple[Label, ...], options: Options) -> Labelled:
        (x,) = args
        stays = (*out, MEMBER)
        gone = tuple(i for i, label in enumerate(x.labels) if label not in stays)
        kept = tuple(label for label in x.labels if label in stays)
        return Labelled(do(name, x.array, axis=gone), kept)

    return function


def _last(x: Labelled, inds: Sequence[str]) -> tuple[Any, tuple[Label, ...]]:
    order = tuple(label for label in x.labels if label not in inds) + tuple(inds)
    return permute(x, order), order


def _softmax(args: Sequence[Labelled], out: tuple[Label, ...], options: Options) -> Labelled:
    array, order = _last(args[0], [options["ind"]])
    return Labelled(do("softmax_last", array), order)


def _layer_norm(args: Sequence[Labelled], out: tuple[Label, ...], options: Options) -> Labelled:
    array, order = _last(args[0], options["inds"])
    return Labelled(do("layer_norm_last", array, tuple(options["shape"])), order)


def _stack(args: Sequence[Labelled], out: tuple[Label, ...], options: Options) -> Labelled:
    rest = args[0].labels
    arrays = [permute(x, rest) for x in args]
    # Where the new axis goes is free: last but the two image axes, as a convolution wants it.
    position = max(0, len(rest) - 2)
    labels = (*rest[:position], options["ind"], *rest[position:])
    return Labelled(do("stack", arrays, axis=position), labels)


def _eigenstates(args: Sequence[Labelled], out: tuple[Label, ...], options: Options) -> Labelled:
    """The 2N states (a, ±b)/√2 on 2L sites, from N of them on each of two sublattices."""
    labels = args[0].labels
    a, b = (permute(x, labels) for x in args)
    positive = do("concatenate", [a, b], axis=-1)
    negative = do("concatenate", [a, -b], axis=-1)
    both = do("concatenate", [positive, negative], axis=-2) * math.sqrt(0.5)
    return Labelled(both, (*labels[:-2], *out[-2:]))


def _tile(args: Sequence[Labelled], out: tuple[Label, ...], options: Options) -> Labelled:
    """Copies of a vector one after the other: the same entry for the cell on each sublattice."""
    (x,) = args
    (cell,) = (label for label in x.labels if label not in (*out, MEMBER))
    (site,) = (label for label in out if label not in x.labels)
    rest = tuple(label for label in x.labels if label != cell)
    copies = [permute(x, (*rest, cell))] * int(options["copies"])
    return Labelled(do("concatenate", copies, axis=-1), (*rest, site))


def _expand(args: Sequence[Labelled], out: tuple[Label, ...], options: Options) -> Labelled:
    (x,) = args
    order = (*x.labels, options["ind"])
    return Labelled(align(x, order), order)


def _take(args: Sequence[Labelled], out: tuple[Label, ...], options: Options) -> Labelled:
    (x,) = args
    axis = x.labels.index(options["ind"])
    array = x.array[(*[slice(None)] * axis, options["at"])]
    return Labelled(array, (*x.labels[:axis], *x.labels[axis + 1 :]))


FUNCTIONS: dict[str, Implementation] = {
    "relu": _elementwise("relu"),
    "gelu": _elementwise("gelu"),
    "tanh": _elementwise("tanh"),
    "exp": _elementwise("exp"),
    "real": _elementwise("real_part"),
    "imag": _elementwise("imag_part"),
    "zeros_like": _elementwise("zeros_like"),  # the imaginary part of what is real
    "add": _broadcast("add"),
    "subtract": _broadcast("subtract"),
    "multiply": _broadcast("multiply"),
    "mean": _pool("mean"),
    "max": _pool("max_over"),
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "stack": _stack,
    "eigenstates": _eigenstates,
    "expand": _expand,
    "tile": _tile,
    "take": _take,
}
ACTIVATIONS = ("relu", "gelu", "tanh")


def apply_function(
    op: str, args: Sequence[Labelled], out: tuple[Label, ...], options: Options
) -> Labelled:
    """Carry out the function `op`; the result's axes may stand in any order."""
    return FUNCTIONS[check_choice("function", op, FUNCTIONS)](args, out, options)


# The few functions numpy has under another name or not at all.  Their torch
# counterparts are registered by `lowering`, the only place that knows torch.
def _numpy_conv2d(image: Any, kernel: Any, stride: int, padding: int, groups: int) -> Any:
    padded = np.pad(image, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::stride, ::stride]
    parts = np.split(windows, groups, axis=1)
    kernels = np.split(kernel, groups, axis=0)
    return np.concatenate(
        [
            np.einsum("bcijkl,fckl->bfij", w, k, optimize=True)
            for w, k in zip(parts, kernels, strict=True)
        ],
        axis=1,
    )


def _numpy_softmax(x: Any) -> Any:
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def _numpy_layer_norm(x: Any, shape: tuple[int, ...]) -> Any:
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    centred = x - x.mean(axis=axes, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + 1e-5)


def _numpy_max(x: Any, axis: tuple[int, ...]) -> Any:
    return x.max(axis=axis)


for _name, _function in {
    "real_part": np.real,
    "imag_part": np.imag,
    "bmm": np.matmul,
    "mm": np.matmul,
    "mv": np.matmul,
    "relu": lambda x: np.maximum(x, 0.0),
    "gelu": lambda x: 0.5 * x * (1.0 + erf(x / math.sqrt(2.0))),
    "max_over": _numpy_max,
    "softmax_last": _numpy_softmax,
    "layer_norm_last": _numpy_layer_norm,
    "conv2d": _numpy_conv2d,
    "abs2": lambda x: x.real**2 + x.imag**2,
    "type_as": lambda x, other: x,  # numpy multiplies real by complex matrices as they are
}.items():
    register_function("numpy", _name, _function)
