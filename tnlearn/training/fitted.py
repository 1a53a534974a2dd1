"""What training returns: the trained members, their history, and what they say of new data."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import torch

import tnlearn
from tnlearn.archive import plain, read, write
from tnlearn.errors import CheckpointError, ConfigError, MemoryLimitError, ShapeError, check_choice
from tnlearn.files import parsing
from tnlearn.models.catalogue import rebuild
from tnlearn.networks.evaluate import bind, check_inputs
from tnlearn.shown import Shown, some, span
from tnlearn.training import metrics
from tnlearn.training.ensemble import block_logits
from tnlearn.training.features import (
    available_memory,
    fold_states,
    is_complex,
    state_tensors,
)
from tnlearn.training.lanes import MOST_LANES
from tnlearn.training.loop import blocks_of

__all__ = ["Fitted", "load"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_KIND = "tnlearn-fitted/1"
_Whole = Annotated[int, msgspec.Meta(ge=0)]
_SAMPLES = 1024  # samples whose features are held at a time


class _Settings(msgspec.Struct):
    """The settings of training that a trained ensemble goes by."""

    lanes: Annotated[int, msgspec.Meta(ge=1, le=MOST_LANES)]
    member_offset: _Whole
    epochs: _Whole
    seed: _Whole
    dtype: Literal["float32", "float64"]
    complex: bool


class Fitted(Shown):
    """A trained ensemble, made by `tnl.fit` or read by `tnl.load`.

    Attributes
    ----------
    net : Network
        The network that was trained.
    parameters : dict of arrays
        Node name -> values ``(members, *shape)``.
    history : dict of arrays
        Each (members, epochs), NaN after a member has failed or stopped: ``loss`` (mean over the
        epoch, nats), ``gradient`` (mean norm before clipping), ``lr`` (at the epoch's first
        step), ``seconds`` (a member's share), and where there was validation data
        ``validation_loss`` and ``validation_accuracy`` (NaN in epochs that were not looked at).
    failed, stopped : int arrays (members,)
        Epoch (from 0) in which loss or gradient stopped being finite, or in which early stopping
        ended the member; -1 where this did not happen.
    classes : tuple of int
        Windings of the classes, in the order of the logits.
    config : dict
        Network, data, validation data and settings, as JSON holds them.
    """

    def __init__(
        self,
        net: Any,
        config: Mapping[str, Any],
        parameters: Mapping[str, Array],
        *,
        history: Mapping[str, Array],
        failed: Array,
        stopped: Array,
    ) -> None:
        self.net = net
        self.config = dict(config)
        self.parameters = dict(parameters)
        self.history = dict(history)
        self.failed, self.stopped = failed, stopped
        self.classes: tuple[int, ...] = tuple(self.config["data"]["classes"])

    @property
    def members(self) -> int:
        """Number of members."""
        return len(self.failed)

    @property
    def ids(self) -> range:
        """Numbers of the members: row `i` is member number ``ids[i]``."""
        start = int(self.config["training"]["member_offset"])
        return range(start, start + self.members)

    def __len__(self) -> int:
        return self.members

    def predict(self, states: Any, proba: bool = False) -> Array:
        """Logits of every member for every sample, (members, samples, classes).

        Parameters
        ----------
        states : States or Dataset
            What to predict.
        proba : bool
            Return class probabilities instead, ``softmax(logits)`` in float64.

        Raises
        ------
        ShapeError, NotFiniteError, MemoryLimitError
            If the states do not fit the network, are not finite, or the answer not into memory.
        """
        training = self.config["training"]
        dtype = getattr(torch, training["dtype"])
        arrays = bind(self.net.inputs, [state_tensors(states, dtype)])
        check_inputs(self.net.inputs, arrays)
        samples = len(next(iter(arrays.values())))
        size = self.members * samples * len(self.classes) * (8 if proba else 4)
        if size > 0.8 * available_memory():
            raise MemoryLimitError(
                f"logits of {self.members} members for {samples} samples take "
                f"{size / 2**30:.1f} GiB, more than there is; predict fewer samples at a time"
            )
        lanes = int(training["lanes"])
        compiled = self.net.compile(
            members=lanes, own_batches=False, dtype=training["dtype"], complex=is_complex(states)
        )
        logits = np.empty((self.members, samples, len(self.classes)), dtype=training["dtype"])
        rows = {block: self._rows(block, lanes) for block in blocks_of(self.ids, lanes)}
        held = {
            block: {name: torch.tensor(x[places]) for name, x in self.parameters.items()}
            for block, (places, _) in rows.items()
        }
        for start in range(0, samples, _SAMPLES):
            part = slice(start, start + _SAMPLES)
            some = {name: x[part] for name, x in arrays.items()}
            features = fold_states(compiled.fold, some)
            for block, (places, there) in rows.items():
                answer = block_logits(compiled, held[block], features).numpy()
                logits[places[there], part] = answer[there]
        return metrics.probabilities(logits) if proba else logits

    def _rows(self, block: int, lanes: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """Which row sits in each lane of a block (any row in an empty one), and which are real."""
        places = np.arange(block * lanes, (block + 1) * lanes) - self.ids.start
        there = (places >= 0) & (places < self.members)
        return np.where(there, places, places[there][0]), there

    def _targets(self, data: Any) -> Ints:
        """Class of each sample among this ensemble's classes; -1 for a winding not among them."""
        if not (hasattr(data, "labels") and hasattr(data, "classes")):
            raise ShapeError(f"expected a data set with labels, not {type(data).__name__}")
        known = {winding: i for i, winding in enumerate(self.classes)}
        place = np.array([known.get(int(c), -1) for c in data.classes], dtype=np.int64)
        labels = np.asarray(data.labels)
        return np.where(labels < 0, -1, place[labels])

    def _judged(self, data: Any, clear: bool) -> tuple[Array, Ints]:
        targets, logits = self._targets(data), self.predict(data)
        if not clear:
            return logits, targets
        keep = ~np.asarray(data.ambiguous, dtype=bool)
        if not keep.any():
            raise ConfigError("all samples are ambiguous: nothing is left with clear=True")
        return logits[:, keep], targets[keep]

    def accuracy(self, data: Any, *, clear: bool = False) -> Floats:
        """Share of samples put into the right class, (members,).

        A sample of a class that was not trained on counts as wrong.  With `clear`, samples marked
        ambiguous are left out.
        """
        return metrics.accuracy(*self._judged(data, clear))

    def calibration(self, data: Any, *, bins: int = 15, clear: bool = False) -> Floats:
        """Expected calibration error of each member, (members,); see `metrics`."""
        return metrics.calibration_error(*self._judged(data, clear), bins=bins)

    def log_loss(self, data: Any, *, clear: bool = False) -> Floats:
        """Mean cross-entropy in nats, (members,)."""
        return metrics.log_loss(*self._judged(data, clear))

    def confusion(self, data: Any) -> Ints:
        """Counts (members, true, predicted); rows are ``data.classes``, columns `classes`.

        Samples whose winding is none of ``data.classes`` (label -1) are left out.
        """
        labels = np.asarray(data.labels)
        logits = self.predict(data)[:, labels >= 0]
        return metrics.confusion(logits, labels[labels >= 0], len(data.classes))

    def resize(self, cells: int) -> Fitted:
        """The same members for chains of another length.

        It works where no parameter depends on the length: nodes that are functions of position,
        and heads.

        Raises
        ------
        ConfigError
            If a parameter has another shape at that length.
        """
        net = self.net.resize(cells)
        for name, shape in _shapes(net, self.config).items():
            here = self.parameters[name].shape[1:]
            if shape != here:
                raise ConfigError(
                    f"parameter {name!r} has shape {here} here but {shape} for {cells} "
                    "cells: only networks whose parameters are functions of position can be "
                    "resized (structure='position')"
                )
        return Fitted(
            net,
            {**self.config, "network": plain(net.describe())},
            self.parameters,
            history=self.history,
            failed=self.failed,
            stopped=self.stopped,
        )

    def member(self, k: int) -> torch.nn.Module:
        """Row `k` as a torch module, ``module(u, v) -> (batch, classes)``.

        Raises
        ------
        ConfigError
            If there is no such member.
        """
        if not -self.members <= k < self.members:
            raise ConfigError(f"there is no member {k}: rows are 0 .. {self.members - 1}")
        training = self.config["training"]
        module: torch.nn.Module = self.net.module(
            seed=training["seed"], dtype=training["dtype"], complex=training["complex"]
        )
        values = {name: torch.tensor(x[k]) for name, x in self.parameters.items()}
        module.load_state_dict({**module.state_dict(), **values})
        return module

    def plot(self, what: str = "loss", *, ax: Any = None) -> Any:
        """Learning curves of all members and their median.

        Parameters
        ----------
        what : "loss" | "accuracy" | "gradient"
            The loss in training and on the validation data, the accuracy on these, or the norm
            of the gradient, by epoch.
        ax : matplotlib axes, optional
            Where to draw; by default in a figure of its own.

        Returns
        -------
        The axes it was drawn on; a notebook shows them.
        """
        from tnlearn.training import plots

        return plots.curves(self.history, check_choice("what", what, plots.CURVES), ax)

    def plot_confusion(self, data: Any, *, member: int | None = None, ax: Any = None) -> Any:
        """Which winding number is taken for which, by one member or by all together."""
        from tnlearn.training import plots

        counts = self.confusion(data)
        counts = counts.sum(axis=0) if member is None else counts[member]
        return plots.confusion(counts, data.classes, self.classes, ax)

    def plot_node(self, name: str, *, member: int = 0, ax: Any = None) -> Any:
        """What a node has become in one member, channel by channel, beside the exact one.

        Raises
        ------
        UnknownNameError
            If nothing of that name was trained.
        """
        from tnlearn.training import plots

        check_choice("node", name, self.parameters)
        exact = getattr(self.net.parameters.get(name), "exact", None)
        return plots.node(self.parameters[name][member], exact, name, ax)

    def _facts(self) -> dict[str, str]:
        training = self.config["training"]
        shares = self.history.get("validation_accuracy")
        measured = {}
        if shares is not None and np.isfinite(shares).any():
            last = [row[np.isfinite(row)][-1] for row in shares if np.isfinite(row).any()]
            measured = {"validation accuracy": span(last)}
        data = self.config["data"]
        names = [str(part["info"].get("name", "")) for part in data.get("parts", [data])]
        return {
            "members": str(self.members),
            "parameters": f"{sum(math.prod(x.shape[1:]) for x in self.parameters.values()):,}",
            "epochs": str(training["epochs"]),
            "failed": str(int((self.failed >= 0).sum())),
            **measured,
            "classes": some(self.classes),
            "trained on": some(names),
        }

    def _sketch(self) -> Any:
        return self.plot()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one file, from which `tnl.load` reads it back.

        Raises
        ------
        FileError
            If the file cannot be written; one of that name is then unchanged.
        """
        arrays = {f"parameters/{name}": x for name, x in self.parameters.items()}
        arrays |= {f"history/{name}": x for name, x in self.history.items()}
        arrays |= {"failed": self.failed, "stopped": self.stopped}
        versions = {"tnlearn": tnlearn.__version__, "torch": torch.__version__}
        write(path, _KIND, {"config": self.config, "versions": versions}, arrays)


def _shapes(net: Any, config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of each parameter of a member."""
    compiled = net.compile(members=1, own_batches=False, dtype=config["training"]["dtype"])
    return {name: tuple(shape) for name, shape in compiled.parameters.items()}


def load(path: str | os.PathLike[str], net: Any = None) -> Fitted:
    """Read a trained ensemble written by `Fitted.save`.  No code in the file is executed.

    Parameters
    ----------
    net : Network, optional
        The network, where it should not be built from its description in the file.

    Raises
    ------
    FileError
        If there is no such file.
    CheckpointError
        If it is damaged, cut short, not a file of tnlearn, or `net` is another network.
    """
    record, arrays = read(path, _KIND)
    with parsing(Path(path), "a trained ensemble of this version", error=CheckpointError):
        config = record["config"]
        if net is None:
            net = rebuild(config["network"])
        elif plain(net.describe()) != config["network"]:
            raise CheckpointError(f"{os.fspath(path)} was made with another network")
        groups: dict[str, dict[str, Array]] = {"parameters": {}, "history": {}}
        for name, array in arrays.items():
            group, _, rest = name.partition("/")
            if rest:
                groups[group][rest] = array
        fates = {name: arrays[name] for name in ("failed", "stopped")}
        fitted = Fitted(net, config, groups["parameters"], history=groups["history"], **fates)
        expected = {n: (fitted.members, *shape) for n, shape in _shapes(net, config).items()}
        if {n: x.shape for n, x in fitted.parameters.items()} != expected:
            raise ValueError("its parameters are not those of its network")
        msgspec.convert(config["training"], _Settings)
    return fitted
