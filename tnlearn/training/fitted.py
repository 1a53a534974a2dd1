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
from tnlearn.physics.rswn import ROUNDING_LIMIT
from tnlearn.shown import Shown, some, span
from tnlearn.training import metrics
from tnlearn.training.ensemble import outputs_of
from tnlearn.training.features import (
    available_memory,
    fold_states,
    is_complex,
    state_tensors,
)
from tnlearn.training.modules import ModuleNetwork
from tnlearn.training.options import check_device

__all__ = ["Fitted", "load"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_KIND = "tnlearn-fitted/1"
_Whole = Annotated[int, msgspec.Meta(ge=0)]
_SAMPLES = 1024  # samples whose features are held at a time


class _Settings(msgspec.Struct):
    """The settings of training that a trained ensemble goes by."""

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
    device : str
        Where it predicts: where it was trained; the CPU after `tnl.load`.
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
        self.device = "cpu"
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

    def predict(self, states: Any, proba: bool = False, *, device: str | None = None) -> Array:
        """Logits of every member for every sample, (members, samples, classes).

        Of a network that learned the winding itself the values, (members, samples).

        Parameters
        ----------
        states : States or Dataset
            What to predict.
        proba : bool
            Return class probabilities instead, ``softmax(logits)`` in float64.
        device : str, optional
            Where to compute, `device` of this ensemble if not given.

        Raises
        ------
        ShapeError, NotFiniteError, MemoryLimitError
            If the states do not fit the network, are not finite, or the answer not into memory.
        ConfigError
            If the device is not there, or values are asked for their probabilities.
        """
        training = self.config["training"]
        arrays = bind(self.net.inputs, [state_tensors(states, getattr(torch, training["dtype"]))])
        check_inputs(self.net.inputs, arrays)
        samples = len(next(iter(arrays.values())))
        size = self.members * samples * len(self.classes) * (8 if proba else 4)
        if size > 0.8 * available_memory():
            raise MemoryLimitError(
                f"logits of {self.members} members for {samples} samples take "
                f"{size / 2**30:.1f} GiB, more than there is; predict fewer samples at a time"
            )
        place = check_device(self.device if device is None else device)
        how = {} if place == "cpu" else {"device": place}
        compiled = self.net.compile(
            members=1, own_batches=False, dtype=training["dtype"], complex=is_complex(states), **how
        )
        held = [
            {name: torch.tensor(x[k : k + 1], device=place) for name, x in self.parameters.items()}
            for k in range(self.members)
        ]
        parts = []
        for start in range(0, samples, _SAMPLES):
            part = {name: x[start : start + _SAMPLES].to(place) for name, x in arrays.items()}
            features = fold_states(compiled.fold, part)
            answers = [outputs_of(compiled, parameters, features) for parameters in held]
            parts.append(torch.cat(answers).cpu().numpy())
        outputs = np.concatenate(parts, axis=1)
        return metrics.probabilities(self._logits(outputs)) if proba else outputs

    def windings(self, states: Any) -> tuple[Ints, npt.NDArray[np.bool_]]:
        """The winding every member gives every sample, and whether it is clear.

        Returns
        -------
        windings : int array (members, samples)
            That of the class with the largest logit, or the nearest integer of a value.
        clear : bool array (members, samples)
            Where the class has more than half of the probability, or the value lies within 0.3 of
            the integer.
        """
        outputs = self.predict(states)
        if outputs.ndim == 2:
            nearest = np.rint(np.nan_to_num(outputs)).astype(np.int64)
            return nearest, np.abs(outputs - nearest) <= ROUNDING_LIMIT
        chance = metrics.probabilities(outputs)
        return np.asarray(self.classes)[outputs.argmax(axis=2)], chance.max(axis=2) > 0.5

    @staticmethod
    def _logits(outputs: Array) -> Array:
        if outputs.ndim == 2:
            raise ConfigError(
                "this ensemble learned the winding itself and gives values, not class logits; ask "
                "predict, windings or accuracy"
            )
        return outputs

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
        if logits.ndim == 2:
            targets = np.asarray(data.windings)
        if not clear:
            return logits, targets
        keep = ~np.asarray(data.ambiguous, dtype=bool)
        if not keep.any():
            raise ConfigError("all samples are ambiguous: nothing is left with clear=True")
        return logits[:, keep], targets[keep]

    def accuracy(self, data: Any, *, clear: bool = False) -> Floats:
        """Share of samples put into the right class, (members,).

        A sample of a class that was not trained on counts as wrong.  Values are rounded, and right
        for any winding, also one that was not trained on (`windings` says which are clear).  With
        `clear`, samples marked ambiguous are left out.
        """
        outputs, targets = self._judged(data, clear)
        if outputs.ndim == 3:
            return metrics.accuracy(outputs, targets)
        return np.asarray((np.rint(outputs) == targets).mean(axis=1), dtype=np.float64)

    def calibration(self, data: Any, *, bins: int = 15, clear: bool = False) -> Floats:
        """Expected calibration error of each member, (members,); see `metrics`."""
        logits, targets = self._judged(data, clear)
        return metrics.calibration_error(self._logits(logits), targets, bins=bins)

    def log_loss(self, data: Any, *, clear: bool = False) -> Floats:
        """Mean cross-entropy in nats, (members,)."""
        logits, targets = self._judged(data, clear)
        return metrics.log_loss(self._logits(logits), targets)

    def confusion(self, data: Any) -> Ints:
        """Counts (members, true, predicted); rows are ``data.classes``, columns `classes`.

        Samples whose winding is none of ``data.classes`` (label -1) are left out.
        """
        self._targets(data)  # a data set with labels
        labels = np.asarray(data.labels)
        logits = self._logits(self.predict(data))[:, labels >= 0]
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

    def _check_member(self, k: Any) -> None:
        if not (isinstance(k, (int, np.integer)) and -self.members <= k < self.members):
            raise ConfigError(f"there is no member {k!r}: rows are 0 .. {self.members - 1}")

    def member(self, k: int) -> torch.nn.Module:
        """Row `k` as a torch module, ``module(u, v) -> (batch, classes)``.

        Raises
        ------
        ConfigError
            If there is no such member.
        """
        self._check_member(k)
        training = self.config["training"]
        module: torch.nn.Module
        if isinstance(self.net, ModuleNetwork):
            module = self.net.copy(training["dtype"])
        else:
            how = {key: training[key] for key in ("seed", "dtype", "complex")}
            module = self.net.module(**how)
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

        if member is not None:
            self._check_member(member)
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
        self._check_member(member)
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
    buffers = {name: x[0] for name, x in getattr(compiled, "buffers", {}).items()}
    return {name: tuple(shape) for name, shape in compiled.parameters.items()} | {
        name: tuple(x.shape) for name, x in buffers.items()
    }


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
        module = "module" in config["network"]
        if isinstance(net, torch.nn.Module) and module:
            net = ModuleNetwork(net, config["network"]["inputs"])
        if net is None and module:
            raise ConfigError(
                f"{os.fspath(path)} holds an ensemble of torch modules, whose code is not in the "
                f"file: give one, tnl.load(path, net={config['network']['module']}(…))"
            )
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
