"""Chains of several lengths as one training set.

A network whose trained nodes are functions of position folds a sample to as many numbers at every
length (`tnlearn.networks.terms`), and what follows is the same computation: the folded features of
data sets of several lengths, one after the other, are one training set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tnlearn.archive import digest, plain
from tnlearn.errors import ConfigError, ShapeError, TnlearnError
from tnlearn.models.catalogue import rebuild
from tnlearn.networks.evaluate import bind, check_inputs
from tnlearn.training.features import arrays_of, fold_states, is_complex, state_tensors
from tnlearn.training.options import Options

__all__ = ["Samples", "TrainingSet", "at_length"]

Tensor = torch.Tensor


@dataclass(frozen=True)
class Samples:
    """Folded features (samples, ...) and what is to be learned of them, (samples,).

    `labels` are class indices, or values.  With `each` there are as many samples for each of
    several members, one member after the other.
    """

    features: tuple[Tensor, ...]
    labels: Tensor
    each: bool = False

    def as_matrix(self, dtype: torch.dtype) -> Samples:
        """One feature (samples, numbers), all numbers of a sample in a row, and labels alike."""
        rows = [x.flatten(1) for x in self.features]
        whole = rows[0] if len(rows) == 1 else torch.cat(rows, dim=1)
        return Samples((whole.contiguous(),), self.labels.to(dtype), self.each)


def joined(parts: Sequence[Samples]) -> Samples:
    """The samples of several members, one member after the other."""
    if len(parts) == 1:
        return parts[0]
    features = zip(*(x.features for x in parts), strict=True)
    labels = torch.cat([x.labels for x in parts])
    return Samples(tuple(map(torch.cat, features)), labels, each=True)


def augmented(augment: Callable[..., Any], data: Any, *, rng: np.random.Generator) -> Any:
    """A data set altered for an epoch; `ConfigError` unless its samples are as many and alike."""
    altered = augment(data, rng)
    if not hasattr(altered, "labels") or _shapes(altered) != _shapes(data):
        raise ConfigError(
            "augment must give a data set of as many samples of the same shapes for a data set "
            f"and a generator, as tnl.augment.gauge() does; it gives a {type(altered).__name__}"
        )
    if len(altered.labels) != len(data.labels):
        raise ConfigError(
            f"augment must keep the samples: it gives {len(altered.labels)} for {len(data.labels)}"
        )
    return altered


class TrainingSet:
    """What `fit` trains or validates on: one data set, or several of any lengths.

    Parameters
    ----------
    name
        ``"data"`` or ``"validation"``, for messages.
    data
        A data set, or a list of them.

    Raises
    ------
    ConfigError, ShapeError
        If one of them is not a data set, its labels do not fit it, or the classes differ.
    """

    def __init__(self, name: str, data: Any) -> None:
        self.several = isinstance(data, (list, tuple))
        self.sets: list[Any] = list(data) if self.several else [data]
        if not self.sets:
            raise ConfigError(f"{name} is an empty list: give a data set, or several")
        called = [f"{name}[{i}]" for i in range(len(self.sets))] if self.several else [name]
        self.labels = [_labels(n, x) for n, x in zip(called, self.sets, strict=True)]
        self.classes = tuple(self.sets[0].classes)
        for n, x in zip(called, self.sets, strict=True):
            self.same_classes(n, x, called[0])

    def __len__(self) -> int:
        return sum(map(len, self.labels))

    def record(self) -> Any:
        """Each data set by its recipe (``data.info``), its classes, and the SHA-256 of its content.

        Of a list of data sets: the classes they share, and the record of each under ``parts``.
        """
        parts = []
        for data in self.sets:
            arrays = {**arrays_of(data), "labels": data.labels}
            parts.append(
                {
                    "info": plain(data.info),
                    "classes": [int(c) for c in data.classes],
                    "sha256": digest({name: np.asarray(x) for name, x in arrays.items()}),
                }
            )
        return {"classes": parts[0]["classes"], "parts": parts} if self.several else parts[0]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of a sample of each array, by name."""
        return _shapes(self.sets[0])

    @property
    def complex(self) -> bool:
        """Whether any of the states is complex."""
        return any(map(is_complex, self.sets))

    def same_classes(self, name: str, data: Any, of: str = "data") -> None:
        """Raise `ConfigError` unless a data set has these classes in this order."""
        if tuple(data.classes) != self.classes:
            raise ConfigError(
                f"{name} has classes {tuple(data.classes)}, but {of} has {self.classes}; "
                "both need the same, in the same order"
            )

    def check_validation(self, validation: TrainingSet) -> None:
        """Raise unless this training set and that validation set fit together."""
        for i, data in enumerate(validation.sets):
            self.same_classes(f"validation[{i}]" if validation.several else "validation", data)
        if self.several or validation.several:
            return  # of any length
        here, there = _shapes(validation.sets[0]), _shapes(self.sets[0])
        if here != there:
            raise ShapeError(f"validation has samples of shapes {here}, but data has {there}")

    def prepare(self, net: Any, options: Options, resized: bool) -> None:
        """Compile the network to fold these data; with `resized` at the length of each part.

        Raises
        ------
        ConfigError
            If the network folds chains of different lengths to features of different kinds.
        ShapeError, NotFiniteError, MemoryLimitError
            As `fold_states`, and if the states do not fit the network.
        """
        self._folding = []
        first: list[Any] = []
        for data in self.sets:
            sized = at_length(net, _cells(data)) if resized else net
            check_inputs(sized.inputs, bind(sized.inputs, [arrays_of(data)]))
            compiled = options.compiled(sized, 1)
            self._folding.append((sized.inputs, compiled))
            if not resized:
                continue
            few = fold_states(compiled.fold, self._tensors(data, sized.inputs, options, 1))
            step = (compiled.parameters, compiled.step_identity())
            shapes = [tuple(x.shape[1:]) for x in few]
            first = first or [step, shapes]
            if first != [step, shapes]:
                raise ConfigError(
                    f"this network cannot be trained on chains of {_cells(self.sets[0])} and of "
                    f"{_cells(data)} cells at once: what it learns, or what it learns from, "
                    f"changes with the length ({_first_difference(first, [step, shapes])}). Free "
                    "its nodes as functions of position, as in "
                    "net.trainable('D', structure='position')"
                )

    def example(self, options: Options) -> tuple[Tensor, ...]:
        """The features of the first sample."""
        inputs, compiled = self._folding[0]
        return fold_states(compiled.fold, self._tensors(self.sets[0], inputs, options, 1))

    def _tensors(
        self, data: Any, inputs: Any, options: Options, samples: int | None = None
    ) -> dict[str, Tensor]:
        arrays = {name: x[:samples] for name, x in arrays_of(data).items()}
        bound: dict[str, Tensor] = bind(inputs, [state_tensors(arrays, options.torch_dtype)])
        check_inputs(inputs, bound)
        return {name: x.to(options.device) for name, x in bound.items()}

    def fold(
        self, options: Options, values: bool, change: Callable[[Any], Any] | None = None
    ) -> Samples:
        """Folded features of data that are prepared, and classes, or values of the winding.

        `change` gives the data set in place of one.

        Raises
        ------
        ShapeError, NotFiniteError, MemoryLimitError
            As `fold_states`, and if the states do not fit the network.
        """
        features = []
        for data, (inputs, compiled) in zip(self.sets, self._folding, strict=True):
            seen = data if change is None else change(data)
            features.append(fold_states(compiled.fold, self._tensors(seen, inputs, options)))
        targets = torch.cat(self.labels)
        if values:
            windings = [np.asarray(data.windings) for data in self.sets]
            targets = torch.from_numpy(np.concatenate(windings)).to(options.torch_dtype)
        whole = [x[0] if len(x) == 1 else torch.cat(x) for x in zip(*features, strict=True)]
        return Samples(tuple(whole), targets.to(options.device))


def at_length(net: Any, cells: int) -> Any:
    """The network for chains of that length, contracted along the same trees.

    Raises
    ------
    ConfigError
        If it cannot be built for another length.
    """
    if net.cells == cells:
        return net
    try:
        recipe = net.resize(cells).describe()["recipe"]
    except TnlearnError as error:
        raise ConfigError(
            f"to train on several lengths the network is built for each; for {cells} cells that "
            f"fails: {error}"
        ) from error
    return rebuild({"recipe": recipe, "trees": net.describe()["trees"]})


def _first_difference(one: Any, other: Any) -> str:
    for name, shape in one[0][0].items():
        if other[0][0].get(name) != shape:
            return f"parameter {name!r} has shapes {shape} and {other[0][0].get(name)}"
    if one[1] != other[1]:
        return f"a sample is folded to shapes {one[1]} and {other[1]}"
    return "frozen nodes that depend on the length are used after the trained ones"


def _shapes(data: Any) -> dict[str, tuple[int, ...]]:
    """The shape of a sample of each array, by name."""
    return {name: tuple(np.shape(x)[1:]) for name, x in arrays_of(data).items()}


def _cells(data: Any) -> int:
    """Cells of a chain: what the last axis of its arrays runs over."""
    return next(iter(_shapes(data).values()))[-1]


def _labels(name: str, data: Any) -> Tensor:
    missing = [x for x in ("states", "labels", "classes", "info") if not hasattr(data, x)]
    if missing:
        raise ConfigError(
            f"{name} must be a data set such as tnl.dataset(...) gives; "
            f"a {type(data).__name__} has no {missing[0]!r}"
        )
    labels = np.asarray(data.labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ShapeError(
            f"{name}.labels must be class indices, integers (samples,); "
            f"got {labels.dtype} {labels.shape}"
        )
    if not labels.size:
        raise ShapeError(f"{name} holds no samples")
    samples = len(next(iter(arrays_of(data).values())))
    if len(labels) != samples:
        raise ShapeError(f"{name} holds {samples} samples of states but {len(labels)} labels")
    count = len(data.classes)
    if labels.min() < 0 or labels.max() >= count:
        raise ConfigError(
            f"{name}.labels must lie in 0 .. {count - 1}, as there are {count} classes "
            f"{tuple(data.classes)}; found {labels.min()} .. {labels.max()}"
        )
    return torch.from_numpy(labels.astype(np.int64))
