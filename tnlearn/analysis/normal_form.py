"""Networks of one channel whose parameters hold the exact winding number, in a normal form.

Many points of their landscapes are the same function.  |q_xy|² is doubly stochastic (q is
unitary), so W = Σ D_xy |q_xy|² changes by the same number for every sample when a function of x
alone or of y alone is added to D: a bias.  A factor can be moved from the nodes to the head, or
between two nodes that are multiplied, and the same number added to all logits.  `normal_form`
takes all of this out; only then do a straight line or a distance between two solutions say
something about the functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from tnlearn.data.dataset import Dataset
from tnlearn.errors import check_choice
from tnlearn.models.network import Network
from tnlearn.models.rswn import FORMS, rswn
from tnlearn.networks.init import Init, exact
from tnlearn.physics.blocks import window_cells

__all__ = [
    "NODES",
    "calibrated",
    "centred",
    "cosine",
    "exact_solution",
    "kernel",
    "normal_form",
    "one_channel",
]

Floats = npt.NDArray[np.float64]
Parameters = Mapping[str, npt.NDArray[Any]]

# What is set free in each form.
NODES: dict[str, tuple[str, ...]] = {
    "operator": ("X", "window"),
    "sublattice": ("X", "window"),
    "quartic": ("D",),
    "lowrank": ("left", "right"),
}
HEAD = ("head.weight", "head.bias")
WINDOW = 0.5


def one_channel(
    cells: int,
    form: str,
    classes: Sequence[int],
    *,
    sharpness: float = 1.0,
    noise: float = 0.0,
    init: Init | None = None,
) -> Network:
    """A form of the RSWN with its nodes and its affine head free, started at the exact solution.

    The logits are ``head.weight_c W + head.bias_c``, at the start ``sharpness (2 c W − c²)``:
    the rounding of W to the nearest winding c.

    Parameters
    ----------
    noise
        Standard deviation of the normal noise on the formula's nodes at the start, as a
        share of the root mean square of each node.  The head starts exact.
    init
        Instead of the exact start: of the formula's nodes.
    """
    net = rswn(cells, form=check_choice("form", form, FORMS), window=WINDOW)
    for name in NODES[form]:
        value = np.asarray(getattr(net.nodes[name], "array"))  # noqa: B009
        size = float(np.sqrt(np.mean(value**2)))
        net = net.trainable(name, init=init or exact(noise * size))
    net = net.head(classes=classes, kind="rounding", sharpness=sharpness)
    return net.trainable(*HEAD, init=exact())


def calibrated(values: Floats, labels: npt.NDArray[Any], classes: Sequence[int]) -> float:
    """The sharpness of the rounding head with the least mean cross-entropy.

    Among all points of the landscape that round W, this is the one training could not
    improve by the scale of the head alone.

    Parameters
    ----------
    values
        W of each sample, (samples,).
    labels, classes
        Class index of each sample; winding of each class.
    """
    windings = np.asarray(classes, dtype=np.float64)
    distance = 2 * np.outer(values, windings) - windings**2

    def loss(log_sharpness: float) -> float:
        logits = np.exp(log_sharpness) * distance
        top = logits.max(axis=1)
        total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
        return float(np.mean(total - logits[np.arange(len(labels)), labels]))

    best = minimize_scalar(loss, bounds=(-5.0, 5.0), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(best.x))


def exact_solution(form: str, data: Dataset, *, noise: float = 0.0) -> Network:
    """`one_channel` at the exact winding number, its head calibrated on these chains."""
    cells = data.states.cells
    w = rswn(cells, form="quartic", window=WINDOW)(data.states.astype("float64"))
    sharpness = calibrated(np.asarray(w, dtype=np.float64), data.labels, data.classes)
    return one_channel(cells, form, data.classes, sharpness=sharpness, noise=noise)


def kernel(form: str, parameters: Parameters) -> Floats:
    """D with W = Σ D_xy |q_xy|², (members, cells, cells), of nodes (members, *shape).

    Operator form: ``window_B(y) (X_A(x) − X_B(y)) / L'``; sublattice form: the same with one
    X; low rank: ``Σ_r left_xr right_yr``.
    """
    if form == "quartic":
        return np.asarray(parameters["D"], dtype=np.float64)
    if form == "lowrank":
        left, right = parameters["left"], parameters["right"]
        return np.asarray(left, dtype=np.float64) @ np.swapaxes(right, 1, 2)
    x, window = (np.asarray(parameters[name], dtype=np.float64) for name in ("X", "window"))
    first, second, weight = x, x, window
    if form == "operator":
        first, second = np.split(x, 2, axis=1)
        weight = np.split(window, 2, axis=1)[1]
    kept = float(window_cells(weight.shape[1], WINDOW).sum())
    return np.asarray(weight[:, None, :] * (first[:, :, None] - second[:, None, :]) / kept)


def centred(matrix: Floats) -> Floats:
    """Matrices less what depends on the row or the column only: their means over both are 0."""
    rows, columns = matrix.mean(axis=-1, keepdims=True), matrix.mean(axis=-2, keepdims=True)
    return np.asarray(matrix - rows - columns + matrix.mean(axis=(-1, -2), keepdims=True))


def cosine(first: Floats, second: Floats) -> Floats:
    """Cosine of the angle between kernels (members, L, L), both centred, (members,)."""
    a, b = centred(first), centred(second)
    norms = np.linalg.norm(a, axis=(-1, -2)) * np.linalg.norm(b, axis=(-1, -2))
    return np.asarray((a * b).sum(axis=(-1, -2)) / np.where(norms > 0, norms, 1.0))


def normal_form(
    form: str, parameters: Parameters, reference: Parameters | None = None
) -> dict[str, Floats]:
    """The same functions (up to what all logits have in common) at one point for each.

    1. X, window, left and right have mean 0 and D is `centred`; on 2L sites both sublattices
       carry the same; the constant this adds to W goes into the bias.
    2. The head's weights and biases have mean 0 over the classes.
    3. With a `reference` (a normal form, one member): every node has the norm it has there
       and the sign, or for lowrank the rotation of the bond, that brings it nearest; the
       factor goes into the head.

    Parameters
    ----------
    parameters
        Of `one_channel` networks, each (members, *shape).

    Returns
    -------
    Parameters of the same names and shapes.
    """
    values = {name: np.asarray(x, dtype=np.float64) for name, x in parameters.items()}
    weight, bias = values["head.weight"], values["head.bias"]
    before = kernel(form, values)
    nodes = _balanced(form, values, before)
    moved = (before - kernel(form, nodes)).sum(axis=(1, 2)) / before.shape[-1]
    bias = bias + weight * moved[:, None]
    weight = weight - weight.mean(axis=1, keepdims=True)
    bias = bias - bias.mean(axis=1, keepdims=True)
    if reference is not None:
        nodes, weight = _aligned(form, nodes, weight, reference)
    return {**nodes, "head.weight": weight, "head.bias": bias}


def _balanced(form: str, values: dict[str, Floats], before: Floats) -> dict[str, Floats]:
    """The nodes of step 1."""
    if form == "quartic":
        return {"D": centred(before)}
    if form == "lowrank":
        u, s, vh = np.linalg.svd(centred(before), full_matrices=False)
        bond = values["left"].shape[2]
        root = np.sqrt(s[:, None, :bond])
        return {"left": u[:, :, :bond] * root, "right": np.swapaxes(vh, 1, 2)[:, :, :bond] * root}
    x, window = values["X"], values["window"]
    if form == "operator":
        x, window = np.split(x, 2, axis=1)[0], np.split(window, 2, axis=1)[1]
    copies = values["X"].shape[1] // x.shape[1]
    return {
        name: np.tile(a - a.mean(axis=1, keepdims=True), (1, copies))
        for name, a in (("X", x), ("window", window))
    }


def _aligned(
    form: str, nodes: dict[str, Floats], weight: Floats, reference: Parameters
) -> tuple[dict[str, Floats], Floats]:
    """The nodes and the head's weights of step 3."""
    # The head's sign is that of the reference; a node changes sign with it.
    flip = np.where((weight * np.asarray(reference["head.weight"])).sum(axis=1) < 0, -1.0, 1.0)
    weight = weight * flip[:, None]
    if form == "lowrank":
        return _rotated(nodes, weight, flip, reference)
    first, *second = NODES[form]
    signs = {first: flip}
    if second:
        # Of two nodes, both signs may change together: the first decides.
        near = [_overlap(nodes[name], reference[name]) for name in (first, *second)]
        together = np.where(near[0] + flip * near[1] < 0, -1.0, 1.0)
        signs = {first: together, second[0]: together * flip}
    aligned = {}
    for name, sign in signs.items():
        node, goal = nodes[name], np.asarray(reference[name])
        factor = _ratio(float(np.linalg.norm(goal)), _norm(node))
        aligned[name] = node * np.expand_dims(sign * factor, tuple(range(1, node.ndim)))
        weight = weight / factor[:, None]
    return aligned, weight


def _rotated(
    nodes: dict[str, Floats], weight: Floats, flip: Floats, reference: Parameters
) -> tuple[dict[str, Floats], Floats]:
    """Low rank: the orthogonal rotation of the bond that brings both factors nearest."""
    left, right = nodes["left"], nodes["right"] * flip[:, None, None]
    goals = [np.asarray(reference[name])[0] for name in ("left", "right")]
    size = float(np.linalg.norm(goals[0] @ goals[1].T))
    factor = _ratio(size, _norm(left @ np.swapaxes(right, 1, 2)))
    root = np.sqrt(factor)[:, None, None]
    left, right = left * root, right * root
    both = np.swapaxes(left, 1, 2) @ goals[0] + np.swapaxes(right, 1, 2) @ goals[1]
    u, _, vh = np.linalg.svd(both)
    turn = u @ vh
    return {"left": left @ turn, "right": right @ turn}, weight / factor[:, None]


def _norm(nodes: Floats) -> Floats:
    return np.asarray(np.linalg.norm(nodes.reshape(len(nodes), -1), axis=1))


def _ratio(size: float, norm: Floats) -> Floats:
    """``size / norm``, 1 where a node vanishes."""
    return np.where(norm > 0, size / np.where(norm > 0, norm, 1.0), 1.0)


def _overlap(nodes: Floats, goal: npt.NDArray[Any]) -> Floats:
    """Cosine of the angle between each member's node and the reference's, (members,)."""
    size = _norm(nodes) * np.linalg.norm(goal)
    product = (nodes * goal).reshape(len(nodes), -1).sum(axis=1)
    return np.asarray(product / np.where(size > 0, size, 1.0))
