"""Anything that classifies states, asked in one way: a winding number per member and sample."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.audits.answers import ANSWERS, best_class, confirm, listed, numbers_of, windings_of
from tnlearn.data.dataset import Dataset
from tnlearn.data.recipes import DATASETS
from tnlearn.errors import ConfigError, ShapeError, TnlearnError, check_choice
from tnlearn.physics.states import States

__all__ = ["INPUTS", "Classifier", "adapted", "edge_count", "known_cells", "known_data"]

Array = NDArray[Any]

INPUTS = ("auto", "states", "dataset", "uv", "stacked", "flat")
_BATCH = 512  # samples that a torch module is given at a time


@dataclass(frozen=True, eq=False)
class Classifier:
    """A classifier that answers with winding numbers.

    Attributes
    ----------
    title : str
        For tables.
    classes : tuple of int
        The windings it can tell apart.
    members : int
        Of an ensemble; 1 otherwise.
    answer : callable
        ``answer(data, certified=False) -> (members, samples)`` floats: whole numbers, NaN for a
        member whose training diverged.  Raises an error of tnlearn where it cannot; `certified`
        says that the windings of the data are, so that the reading of the answers is confirmed.
    """

    title: str
    classes: tuple[int, ...]
    members: int
    answer: Callable[..., Array]


def edge_count(states: States, depth: int | None = None, lowest: int = 2) -> Array:
    """Edge states of open chains, counted with the sign of their sublattice: (samples,) floats.

    round Σ_{n < lowest} (Σ_{x < depth} |u_n(x)|² − Σ_{x ≥ L − depth} |u_n(x)|²): the weight of
    the states nearest zero energy, on sublattice A, at the left end less at the right end.  By the
    bulk–boundary correspondence it is W on long clean open chains with |W| ≤ lowest, though it
    looks at a few states and a few cells only: the proxy of the invariant most often suspected.

    Parameters
    ----------
    states : States
        Energies ascending, as `tnlearn.states` gives them.
    depth : int, optional
        Cells at either end that are looked at; 0.15 L, at least one, unless given.
    lowest : int
        How many pairs of states.

    Raises
    ------
    ConfigError
        If `depth` or `lowest` is below 1 or above what there is.

    Source: of the correspondence, e.g. doi:10.1007/978-3-319-25607-8, chapter 1.
    """
    reach = max(1, round(0.15 * states.cells)) if depth is None else depth
    if not 1 <= reach <= states.cells or not 1 <= lowest <= states.u.shape[1]:
        raise ConfigError(
            f"depth={reach} and lowest={lowest} must lie between 1 and the number of cells "
            f"({states.cells}) and of states ({states.u.shape[1]})"
        )
    density = np.abs(states.u[:, :lowest]).astype(np.float64) ** 2
    left = density[:, :, :reach].sum(axis=(1, 2))
    right = density[:, :, states.cells - reach :].sum(axis=(1, 2))
    return np.asarray(np.round(left - right) + 0.0)  # no negative zero


def known_cells(classifier: Any) -> int | None:
    """Number of cells that a network or an ensemble of tnlearn takes; None if it does not say."""
    first = classifier[0] if isinstance(classifier, (list, tuple)) and classifier else classifier
    net = first.net if _is_fitted(first) else first
    return int(net.cells) if _is_network(net) else None


def known_data(classifier: Any) -> str | None:
    """Name of the data set that an ensemble of tnlearn was trained on; None if it does not say."""
    if not _is_fitted(classifier):
        return None
    name = (classifier.config["data"].get("info") or {}).get("name")
    if name is not None and name not in DATASETS:
        raise ConfigError("this ensemble was trained on data of your own: give some as data=")
    return str(name) if name else None


def adapted(
    classifier: Any,
    sample: Dataset,
    *,
    classes: Sequence[int] | None = None,
    inputs: str = "auto",
    answers: str = "auto",
    title: str | None = None,
) -> Classifier:
    """The classifier, whatever it is.

    Parameters
    ----------
    classifier
        A `Fitted`; a `Network`; a torch module; an object with `predict`; a callable; or a
        list of these, taken as the members of an ensemble.
    sample : Dataset
        Samples to try it on.
    classes, inputs, answers, title
        As in `tnlearn.audit`.

    Raises
    ------
    ConfigError, ShapeError, UnknownNameError
        If it is none of these, does not take such samples, or its classes are not known.
    """
    check_choice("kind of inputs", inputs, INPUTS)
    check_choice("kind of answers", answers, ANSWERS)
    windings = None if classes is None else _checked(classes)
    if isinstance(classifier, (list, tuple)):
        options: dict[str, Any] = {"classes": windings, "inputs": inputs, "answers": answers}
        return _together([adapted(one, sample, **options) for one in classifier], title)
    if _is_fitted(classifier):
        return _fitted(classifier, windings, title)
    name = title or _name(classifier)
    known = tuple(sample.classes) if windings is None else windings
    doubtful, predict = answers == "auto", getattr(classifier, "predict", None)
    if _is_network(classifier):
        # One number of a formula is a real winding number.
        ask, doubtful = _network(classifier), False
    elif _is(classifier, "torch.nn", "Module"):
        ask = _module(classifier, sample, inputs, name)
    elif callable(predict):
        ask = _calling(predict, "flat" if inputs == "auto" else inputs)
        if doubtful and getattr(classifier, "classes_", None) is not None:
            labels = list(np.asarray(classifier.classes_).tolist())
            known = _windings_of_labels(labels, windings, sample, name)
            ask = _translated(ask, dict(zip(labels, known, strict=True)), name)
            doubtful = windings is None
            answers = "auto" if doubtful else "windings"
    elif callable(classifier):
        ask = _calling(classifier, "states" if inputs == "auto" else inputs)
    else:
        raise ConfigError(
            f"cannot audit {name}: a trained ensemble, a network, a torch module, an object with "
            "predict(), or a function of states is expected"
        )

    def answer(data: Dataset, certified: bool = False) -> Array:
        try:
            numbers = numbers_of(ask(data), name)
        except TnlearnError:
            raise
        except Exception as error:  # of the user's classifier, whatever it is
            raise ConfigError(
                f"{name} failed on {len(data)} samples of {data.states.cells} cells: "
                f"{type(error).__name__}: {error}"
            ) from error
        read = windings_of(numbers, len(data), known, answers, name)
        sure = windings is not None and numbers.ndim == 2 and numbers.shape[1] > 1
        if certified and doubtful and not sure:
            confirm(numbers, read, data.windings, known, name)
        return read[None]

    return Classifier(name, known, 1, answer)


# ---------------------------------------------------------------------- kinds of classifiers


def _together(parts: Sequence[Classifier], title: str | None) -> Classifier:
    """Classifiers as the members of an ensemble."""
    if not parts:
        raise ConfigError("an empty list is no classifier")
    if len({part.classes for part in parts}) > 1:
        raise ConfigError("the members of an ensemble must have the same classes")
    return Classifier(
        title or f"{len(parts)} × {parts[0].title}",
        parts[0].classes,
        sum(part.members for part in parts),
        lambda data, certified=False: np.concatenate([p.answer(data, certified) for p in parts]),
    )


def _fitted(fitted: Any, classes: tuple[int, ...] | None, title: str | None) -> Classifier:
    """An ensemble trained by `tnlearn.fit`, resized where its parameters allow it."""
    windings = tuple(fitted.classes)
    if classes not in (None, windings):
        raise ConfigError(
            f"the ensemble was trained on the classes {windings}, not {classes}: leave classes= out"
        )
    name = title or f"ensemble of {fitted.members}"

    def answer(data: Dataset, certified: bool = False) -> Array:
        fits = data.states.cells == fitted.net.cells
        right_size = fitted if fits else fitted.resize(data.states.cells)
        return best_class(right_size.predict(data.states), windings, name)

    return Classifier(name, windings, fitted.members, answer)


Ask = Callable[[Dataset], Any]


def _calling(function: Callable[..., Any], inputs: str) -> Ask:
    return lambda data: function(*_inputs(data, inputs))


def _network(network: Any) -> Ask:
    """A network as it is; resized only if it has no parameters that another size would redraw."""

    def ask(data: Dataset) -> Any:
        cells = data.states.cells
        if cells != network.cells and network.parameter_count() == 0:
            return network.resize(cells)(data.states)
        return network(data.states)

    return ask


def _windings_of_labels(
    labels: list[Any], classes: tuple[int, ...] | None, sample: Dataset, title: str
) -> tuple[int, ...]:
    """The winding of each of the `classes_` of an object of the kind of scikit-learn."""
    if classes is None and not set(labels) <= set(sample.classes):
        raise ConfigError(
            f"{title} has the classes {labels}, which are no windings of the data "
            f"({listed(sample.classes)}): give classes=, the winding of each of them in this order"
        )
    windings = tuple(int(label) for label in labels) if classes is None else classes
    if len(windings) != len(labels):
        raise ConfigError(f"{title} has {len(labels)} classes ({labels}), not {len(windings)}")
    return windings


def _translated(ask: Ask, winding_of: dict[Any, int], title: str) -> Ask:
    """Windings in place of labels."""

    def translated(data: Dataset) -> Any:
        output = ask(data)
        if isinstance(output, (tuple, dict)) or np.shape(output) != (len(data),):
            return output  # refused with its parts, or its shape
        labels = np.asarray(output).tolist()
        for label in set(labels) - set(winding_of):
            raise ConfigError(
                f"{title} predicted {label!r}, none of its classes {list(winding_of)}"
            )
        return np.array([winding_of[label] for label in labels], dtype=np.int64)

    return translated


def _module(module: Any, sample: Dataset, inputs: str, title: str) -> Ask:
    """A torch module, in evaluation mode, on its own device and in its own precision."""
    import torch

    first = next((p for p in module.parameters() if p.is_floating_point()), None)
    real = torch.float32 if first is None else first.dtype
    device = "cpu" if first is None else first.device

    def tensor(array: Array) -> Any:
        held = torch.as_tensor(np.ascontiguousarray(array))
        return held.to(device, real.to_complex() if held.is_complex() else real)

    def run(data: Dataset, how: str) -> Array:
        training = module.training
        module.eval()
        try:
            with torch.no_grad():
                parts = []
                for start in range(0, len(data), _BATCH):
                    arguments = _inputs(data[start : start + _BATCH], how)
                    if how not in ("states", "dataset"):
                        arguments = tuple(tensor(array) for array in arguments)
                    parts.append(numbers_of(module(*arguments), title))
                return np.concatenate(parts)
        finally:
            module.train(training)

    if inputs != "auto":
        return lambda data: run(data, inputs)
    few, failures = sample[:2], []
    for how in ("uv", "stacked", "flat"):
        try:
            shape = run(few, how).shape
        except TnlearnError:  # the inputs were right, and what came out cannot be read
            raise
        except Exception as error:  # of the user's module, whatever it is
            failures.append(f"{how}: {type(error).__name__}: {error}".splitlines()[0])
            continue
        if len(shape) in (1, 2) and shape[0] == len(few):
            return lambda data, how=how: run(data, how)  # type: ignore[misc]
        failures.append(f"{how}: an output of shape {shape}")
    raise ShapeError(
        f"{title} takes neither (u, v) nor one stacked or flat tensor of {sample.states.cells} "
        f"cells ({'; '.join(failures)}): name the form with inputs=, or wrap it in a function of "
        "states"
    )


def _inputs(data: Dataset, how: str) -> tuple[Any, ...]:
    """What a classifier is called with; real numbers where it is one array."""
    if how in ("dataset", "states"):
        return (data if how == "dataset" else data.states,)
    u, v = data.states.u, data.states.v
    if how == "uv":
        return u, v
    planes = [u.real, u.imag, v.real, v.imag] if np.iscomplexobj(u) else [u, v]
    stacked = np.stack(planes, axis=1)
    return (stacked if how == "stacked" else stacked.reshape(len(u), -1),)


def _checked(classes: Sequence[int]) -> tuple[int, ...]:
    try:
        windings = tuple(int(c) for c in classes)
        whole = all(int(c) == c for c in classes)
    except (TypeError, ValueError):
        raise ConfigError(
            f"classes must be windings, such as (-1, 0, 1, 2), not {classes!r}"
        ) from None
    if not whole or len(windings) < 2 or len(set(windings)) < len(windings):
        raise ConfigError(f"classes must be at least two different windings, not {classes!r}")
    return windings


def _is(thing: Any, module: str, name: str) -> bool:
    """Whether it is an instance of a class of a module, which is not loaded for the question."""
    home = sys.modules.get(module)
    return home is not None and isinstance(thing, getattr(home, name))


def _is_network(thing: Any) -> bool:
    return _is(thing, "tnlearn.models.network", "Network")


def _is_fitted(thing: Any) -> bool:
    return _is(thing, "tnlearn.training.fitted", "Fitted")


def _name(thing: Any) -> str:
    name = getattr(thing, "__name__", None)
    return name if isinstance(name, str) and name != "<lambda>" else type(thing).__name__
