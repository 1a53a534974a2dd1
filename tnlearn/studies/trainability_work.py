"""What each task of the study `trainability` does: one chunk of members, one question."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tnlearn.data.dataset import Dataset
from tnlearn.models.rswn import rswn
from tnlearn.networks.init import normal
from tnlearn.networks.network import Network
from tnlearn.studies.gauge import (
    WINDOW,
    calibrated,
    cosine,
    kernel,
    normal_form,
    one_channel,
)
from tnlearn.studies.landscape import Curvature, Objective, barrier, line, scaled
from tnlearn.studies.members import build_network, data_set, part_seed
from tnlearn.studies.results import Result
from tnlearn.studies.spectra import extremes, spectral_density
from tnlearn.studies.trained import part, shifted_part, store_of, train_chunk, trained
from tnlearn.training.fit import fit
from tnlearn.training.fitted import Fitted

__all__ = ["BINS", "WORK", "started"]

Floats = npt.NDArray[np.float64]
Config = Mapping[str, Any]

# Borders of the bins of a spectral density: of one sign, logarithmic, and a bin around zero.
_POSITIVE = np.logspace(-6.0, 3.0, 37)
BINS: Floats = np.concatenate([-_POSITIVE[::-1], _POSITIVE])
# Share of the largest eigenvalue below which a direction counts as flat.
FLAT = 1e-6


def started(entry: Config, scale: float, cells: int, classes: int) -> Network:
    """The network of an entry with its start scaled.

    Nodes of a formula start from normal numbers of standard deviation `scale` where the
    entry does not say otherwise, and from `scale` times what it says where it does; its head
    starts as ever.  A baseline starts from `scale` times its own initial values.
    """
    if entry["kind"] != "rswn":
        return scaled(build_network(entry, cells, classes), scale)
    changed = copy.deepcopy(dict(entry))
    free = changed["free"]
    for where in [changed] if "nodes" in free else free.values():
        init = where.get("init", {"kind": "normal", "scale": 1.0})
        where["init"] = {**init, "scale": init.get("scale", 1.0) * scale}
    return build_network(changed, cells, classes)


def _map(config: Config, folder: Path) -> Result:
    """A row of a map: members of every learning rate in one ensemble."""
    rates, members = config["lr"], config["members"]
    train, held = part(config, "train"), part(config, "validation")
    fitted = fit(
        started(config["network"], config["scale"], config["cells"], len(train.classes)),
        train,
        held,
        members=members * len(rates),
        epochs=config["epochs"],
        batch_size=config["batch_size"],
        batches=config["batches"],
        lr=rates * members,
        # Other numbers and another order of the data for every scale: cells are independent.
        seed=_seed_of(config["seed"], config["scale"]),
        member_offset=config["offset"] * len(rates),
        validate_every=config["epochs"],
        progress=False,
    )

    def by_rate(values: npt.NDArray[Any]) -> list[list[float]]:
        table = values.astype(np.float64).reshape(members, len(rates)).T
        return [[float(x) for x in row] for row in np.round(table, 6)]

    accuracy = np.where(fitted.failed >= 0, 0.0, fitted.history["validation_accuracy"][:, -1])
    return {
        "accuracy": by_rate(accuracy),
        "failed": by_rate(fitted.failed >= 0),
        "shifts": {
            how: by_rate(fitted.accuracy(shifted_part(config, how))) for how in config["shifts"]
        },
    }


def _seed_of(seed: int, scale: float) -> int:
    words = np.random.SeedSequence([seed, zlib.crc32(repr(float(scale)).encode())])
    return int(words.generate_state(1)[0])


def _exact_values(cells: int, data: Dataset) -> Floats:
    states = data.states.astype("float64")
    return np.asarray(rswn(cells, form="quartic", window=WINDOW)(states), dtype=np.float64)


def _sharpness(cells: int, data: Dataset) -> float:
    """Of the exact solution: the rounding head with the least loss on the training chains."""
    return calibrated(_exact_values(cells, data), data.labels, data.classes)


def _basin(config: Config, folder: Path) -> Result:
    """Started at the exact solution plus noise: before and after training."""
    train, held = part(config, "train"), part(config, "validation")
    cells, form = config["cells"], config["form"]
    sharpness = _sharpness(cells, train)
    net = one_channel(cells, form, train.classes, sharpness=sharpness, noise=config["noise"])
    exact = one_channel(cells, form, train.classes, sharpness=sharpness)
    ids = range(config["offset"], config["offset"] + config["members"])
    objective = Objective(net, held, members=min(32, len(ids)), dtype="float32")
    # Other noise for every size of it.
    seed = _seed_of(config["seed"], config["noise"])
    start = objective.initial(seed, ids)
    goal = kernel(form, objective.unpack(Objective(exact, held[:1]).initial(0, [0])))
    loss, right = objective(start)
    fitted = train_chunk({**config, "seed": seed}, net, train, held)
    accuracy = np.where(fitted.failed >= 0, 0.0, fitted.history["validation_accuracy"][:, -1])
    return {
        "sharpness": sharpness,
        "untrained": right,
        "untrained_loss": loss,
        "cosine_before": cosine(kernel(form, objective.unpack(start)), goal),
        "trained": accuracy,
        "cosine_after": cosine(kernel(form, fitted.parameters), goal),
    }


def _gradient(config: Config, folder: Path) -> Result:
    """The gradient at random starts: its norm, and the variance of one component."""
    cells, members = config["cells"], config["members"]
    data = data_set(
        config["data"], cells, config["samples"], 0.0, part_seed(config["seed"], "test")
    )
    net = started(config["network"], config["scale"], cells, len(data.classes))
    objective = Objective(net, data, members=4)
    points = objective.initial(config["seed"], range(members))
    slopes = objective.unpack(objective.gradients(points))
    nodes = {name: x.reshape(members, -1) for name, x in slopes.items() if _of_formula(name)}
    every = np.concatenate(list(nodes.values()), axis=1)
    return {
        "parameters": every.shape[1],
        "norm": np.linalg.norm(every, axis=1),
        # The mean over starts is no part of what a start tells: it is taken out.
        "variance": every.var(axis=0, ddof=1).mean(),
        "nodes": {name: np.linalg.norm(x, axis=1) for name, x in nodes.items()},
        "loss": objective(points)[0],
    }


def _of_formula(name: str) -> bool:
    """Whether a parameter is of the formula (or of a baseline), not of the head on it."""
    return not name.startswith("head.")


def _solved(config: Config, folder: Path) -> tuple[Fitted, Dataset]:
    training = config["training"]
    samples = min(config["samples"], training["data"]["train"])
    return trained(training, store_of(folder)), part(training, "train")[:samples]


def _spectrum(config: Config, folder: Path) -> Result:
    """The Hessian at starts, at learned solutions and at the exact one."""
    fitted, data = _solved(config, folder)
    training = config["training"]
    net = fitted.net
    objective = Objective(net, data)
    found: Result = {"parameters": objective.size}
    places = {
        "start": objective.initial(training["seed"], fitted.ids),
        "learned": objective.pack(fitted.parameters),
    }
    for place, points in places.items():
        found[place] = [
            _curved(objective, point, config, [k])
            for k, point in zip(fitted.ids, points, strict=True)
        ]
    if config["exact"] and training["offset"] == 0:
        exact, point = _exact_point(config, data)
        found["exact"] = [_curved(exact, point, config, [0])]
    return found


def _exact_point(config: Config, data: Dataset) -> tuple[Objective, Floats]:
    """The exact solution as a point of the landscape of the loss on these chains."""
    training = config["training"]
    cells, form = training["cells"], training["network"]["options"]["form"]
    sharpness = _sharpness(cells, data)
    objective = Objective(one_channel(cells, form, data.classes, sharpness=sharpness), data)
    return objective, objective.initial(0, [0])[0]


def _curved(objective: Objective, point: Floats, config: Config, key: list[int]) -> Result:
    curvature = Curvature(objective, point)
    rng = np.random.default_rng([config["training"]["seed"], *key])
    low, high = extremes(curvature, objective.size, config["ends"], rng=rng)
    density = spectral_density(
        curvature, objective.size, probes=config["probes"], steps=config["steps"], rng=rng
    )
    flat = FLAT * max(abs(low[0]), abs(high[-1]))
    counts, _ = np.histogram(density.values, bins=BINS, weights=density.weights)
    loss, right = objective(point[None])
    return {
        "loss": loss[0],
        "accuracy": right[0],
        "gradient": np.linalg.norm(curvature.gradient),
        "low": low,
        "high": high,
        "mean": density.mean(),
        "flat": density.share(-flat, flat),
        "negative": density.share(-np.inf, -flat),
        "density": np.round(counts, 7),
    }


def _lines(config: Config, folder: Path) -> Result:
    """Loss on straight lines from the exact solution to learned ones, and between learned ones."""
    fitted, data = _solved(config, folder)
    form = config["training"]["network"]["options"]["form"]
    single, point = _exact_point(config, data)
    net = one_channel(config["training"]["cells"], form, data.classes, init=normal(1.0))
    objective = Objective(net, data, members=16)
    given = single.unpack(point[None])
    goal = normal_form(form, given)
    values = {name: x for name, x in fitted.parameters.items() if _of_formula(name)}
    values["head.weight"] = fitted.parameters["head.0.weight"][:, :, 0]
    values["head.bias"] = fitted.parameters["head.0.bias"]
    learned = normal_form(form, values, goal)
    ends = objective.pack(learned)
    start = np.repeat(objective.pack(goal), len(ends), axis=0)
    at, loss, right = line(objective, start, ends, config["points"])
    found: Result = {
        "at": at,
        "exact": {"loss": loss, "accuracy": right, "barrier": barrier(loss)},
        "cosine": cosine(kernel(form, learned), kernel(form, goal)),
        # Whether W puts the classes into the order of their windings: an affine head may use
        # any order, and a solution with another one is another function altogether.
        "ordered": (np.diff(learned["head.weight"], axis=1) > 0).all(axis=1),
    }
    if len(ends) > 1:
        # The next member of the chunk, brought nearest to this one.
        other = []
        for k in range(len(ends)):
            mine = {name: x[k : k + 1] for name, x in learned.items()}
            following = (k + 1) % len(ends)
            second = {name: x[following : following + 1] for name, x in learned.items()}
            other.append(objective.pack(normal_form(form, second, mine))[0])
        _, loss, right = line(objective, ends, np.array(other), config["points"])
        found["learned"] = {"loss": loss, "accuracy": right, "barrier": barrier(loss)}
        kernels = kernel(form, learned)
        found["cosine_learned"] = cosine(kernels, np.roll(kernels, -1, axis=0))
    return found


WORK: dict[str, Callable[[Config, Path], Result]] = {
    "trainability-map": _map,
    "trainability-basin": _basin,
    "trainability-gradient": _gradient,
    "trainability-spectrum": _spectrum,
    "trainability-lines": _lines,
}
