"""Anything that classifies states, asked in one way: an answer per member and sample."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.audits.answers import ANSWERS, best_class, windings_of
from tnlearn.data.dataset import Dataset
from tnlearn.errors import ConfigError, ShapeError, TnlearnError, check_choice

__all__ = ["INPUTS", "Classifier", "adapted", "known_cells", "known_data"]

Array = NDArray[Any]

INPUTS = ("auto", "states", "dataset", "uv", "stacked", "flat")
# Samples that a torch module is given at a time.
_BATCH = 512


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
        ``answer(data) -> (members, samples)`` floats: whole numbers, NaN for a member whose
        training diverged.  Raises an error of tnlearn where it cannot.
    """

    title: str
    classes: tuple[int, ...]
    members: int
    answer: Callable[[Dataset], Array]


def known_cells(given: Any) -> int | None:
    """Number of cells that a network or an ensemble of tnlearn takes; None if it does not say."""
    first = given[0] if isinstance(given, (list, tuple)) and given else given
    net = first.net if _is_fitted(first) else first
    return int(net.cells) if _is(net, "tnlearn.models.network", "Network") else None


def known_data(given: Any) -> str | None:
    """Name of the data set that an ensemble of tnlearn was trained on; None if it does not say."""
    if not _is_fitted(given):
        return None
    info = given.config["data"].get("info") or {}
    return info.get("name")


def adapted(
    given: Any,
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
    given
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
    if isinstance(given, (list, tuple)):
        if not given:
            raise ConfigError("an empty list is no classifier")
        parts = [
            adapted(one, sample, classes=windings, inputs=inputs, answers=answers) for one in given
        ]
        if len({part.classes for part in parts}) > 1:
            raise ConfigError("the members of an ensemble must have the same classes")
        return Classifier(
            title or f"{len(parts)} × {parts[0].title}",
            parts[0].classes,
            sum(part.members for part in parts),
            lambda data: np.concatenate([part.answer(data) for part in parts]),
        )
    if _is_fitted(given):
        return _fitted(given, windings, title)
    named = title or _name(given)
    known = windings if windings is not None else tuple(sample.classes)
    if _is(given, "tnlearn.models.network", "Network"):
        ask = _network(given)
    elif _is(given, "torch.nn", "Module"):
        ask = _module(given, sample, inputs, named)
    elif callable(getattr(given, "predict", None)):
        return _estimator(given, sample, windings, inputs, answers, named)
    elif callable(given):
        ask = _calling(given, "states" if inputs == "auto" else inputs)
    else:
        raise ConfigError(
            f"cannot audit {named}: a trained ensemble, a network, a torch module, an object with "
            "predict(), or a function of states is expected"
        )
    return _single(named, known, ask, answers)


def _single(
    title: str, classes: tuple[int, ...], ask: Callable[[Dataset], Any], answers: str
) -> Classifier:
    def answer(data: Dataset) -> Array:
        try:
            output = ask(data)
        except TnlearnError:
            raise
        except Exception as error:
            raise ConfigError(
                f"{title} failed on {len(data)} samples of {data.states.cells} cells: "
                f"{type(error).__name__}: {error}"
            ) from error
        return windings_of(output, len(data), classes, how=answers, title=title)[None]

    return Classifier(title, classes, 1, answer)


def _fitted(given: Any, classes: tuple[int, ...] | None, title: str | None) -> Classifier:
    """An ensemble trained by `tnlearn.fit`, resized where its parameters allow it."""
    if classes is not None and classes != tuple(given.classes):
        raise ConfigError(
            f"the ensemble was trained on the classes {tuple(given.classes)}, not {classes}: leave "
            "classes= out"
        )
    named = title or f"ensemble of {given.members}"

    def answer(data: Dataset) -> Array:
        cells = data.states.cells
        fitting = given if cells == given.net.cells else given.resize(cells)
        return best_class(fitting.predict(data.states), given.classes, named)

    return Classifier(named, tuple(given.classes), given.members, answer)


def _network(given: Any) -> Callable[[Dataset], Any]:
    """A network as it is; resized only if it has no parameters that another size would redraw."""

    def ask(data: Dataset) -> Any:
        cells = data.states.cells
        if cells != given.cells and given.parameter_count() == 0:
            return given.resize(cells)(data.states)
        return given(data.states)

    return ask


def _calling(given: Callable[..., Any], inputs: str) -> Callable[[Dataset], Any]:
    return lambda data: given(*_inputs(data, inputs))


def _estimator(
    given: Any,
    sample: Dataset,
    classes: tuple[int, ...] | None,
    inputs: str,
    answers: str,
    title: str,
) -> Classifier:
    """An object of the kind of scikit-learn: predict(X), and perhaps classes_."""
    how = "flat" if inputs == "auto" else inputs
    labels = getattr(given, "classes_", None)
    if labels is None or answers != "auto":
        known = classes if classes is not None else tuple(sample.classes)
        return _single(title, known, lambda data: given.predict(*_inputs(data, how)), answers)
    names = list(np.asarray(labels).tolist())
    if classes is None:
        if not set(names) <= set(sample.classes):
            raise ConfigError(
                f"{title} has the classes {names}, which are no windings of the data "
                f"({', '.join(map(str, sample.classes))}): give classes=, the winding of each of "
                "them in this order"
            )
        classes = tuple(int(name) for name in names)
    elif len(classes) != len(names):
        raise ConfigError(f"{title} has {len(names)} classes ({names}), not {len(classes)}")
    place = {name: index for index, name in enumerate(names)}

    def ask(data: Dataset) -> Any:
        said = np.asarray(given.predict(*_inputs(data, how)))
        if said.shape != (len(data),):
            return said  # refused with its shape
        strange = [name for name in said.tolist() if name not in place]
        if strange:
            raise ConfigError(f"{title} predicted {strange[0]!r}, none of its classes {names}")
        return np.array([place[name] for name in said.tolist()], dtype=np.int64)

    return _single(title, classes, ask, "indices")


def _module(given: Any, sample: Dataset, inputs: str, title: str) -> Callable[[Dataset], Any]:
    """A torch module, in evaluation mode, on its own device and in its own precision."""
    import torch

    first = next((p for p in given.parameters() if p.is_floating_point()), None)
    real = torch.float32 if first is None else first.dtype
    device = "cpu" if first is None else first.device

    def tensor(array: Array) -> Any:
        made = torch.as_tensor(np.ascontiguousarray(array))
        return made.to(device, real.to_complex() if made.is_complex() else real)

    def run(data: Dataset, how: str) -> Any:
        training = given.training
        given.eval()
        try:
            with torch.no_grad():
                parts = []
                for start in range(0, len(data), _BATCH):
                    piece = data[start : start + _BATCH]
                    given_in = _inputs(piece, how)
                    if how not in ("states", "dataset"):
                        given_in = tuple(tensor(array) for array in given_in)
                    parts.append(torch.as_tensor(given(*given_in)).detach().cpu())
                return torch.cat(parts)
        finally:
            given.train(training)

    if inputs != "auto":
        return lambda data: run(data, inputs)
    few, failures = sample[:2], []
    for how in ("uv", "stacked", "flat"):
        try:
            shape = tuple(run(few, how).shape)
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
    if how == "dataset":
        return (data,)
    if how == "states":
        return (data.states,)
    u, v = data.states.u, data.states.v
    if how == "uv":
        return u, v
    planes = [u.real, u.imag, v.real, v.imag] if np.iscomplexobj(u) else [u, v]
    stacked = np.stack(planes, axis=1)
    return (stacked if how == "stacked" else stacked.reshape(len(u), -1),)


def _checked(classes: Sequence[int]) -> tuple[int, ...]:
    try:
        found = tuple(int(c) for c in classes)
        whole = all(int(c) == c for c in classes)
    except (TypeError, ValueError):
        raise ConfigError(
            f"classes must be windings, such as (-1, 0, 1, 2), not {classes!r}"
        ) from None
    if not whole or len(found) < 2 or len(set(found)) < len(found):
        raise ConfigError(f"classes must be at least two different windings, not {classes!r}")
    return found


def _is(given: Any, module: str, name: str) -> bool:
    """Whether it is an instance of a class of a module, which is not loaded for the question."""
    home = sys.modules.get(module)
    return home is not None and isinstance(given, getattr(home, name))


def _is_fitted(given: Any) -> bool:
    return _is(given, "tnlearn.training.fitted", "Fitted")


def _name(given: Any) -> str:
    name = getattr(given, "__name__", None)
    return name if isinstance(name, str) and name != "<lambda>" else type(given).__name__
