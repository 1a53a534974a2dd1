"""What a run of training is made of: a network, the data folded for it, and its learners."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from tnlearn.archive import digest, plain
from tnlearn.errors import ConfigError, ShapeError, check_choice, check_finite
from tnlearn.networks.tape import Tape
from tnlearn.training.ensemble import Learner, TapeLearner, TorchLearner, outputs_of
from tnlearn.training.fitted import Fitted
from tnlearn.training.losses import Loss
from tnlearn.training.machine import LOSSES
from tnlearn.training.modules import ModuleNetwork
from tnlearn.training.optimiser import NUMBERWISE, factory_of
from tnlearn.training.options import Options
from tnlearn.training.parts import Samples, TrainingSet, augmented, joined

__all__ = ["SHORT", "Run"]

Array = npt.NDArray[Any]

SHORT = 100  # steps of a run that torch has done before a loop is compiled
_AUGMENT = 4  # number of a stream below the seed


class Run:
    """A network and its data, made ready for training.

    Parameters
    ----------
    net, options, loss, optimizer, augment, start
        As of `tnl.fit`.
    data, validation
        To train on, and to look at.

    Attributes
    ----------
    answering
        ``answering(parameters, *features)`` gives the outputs (1, samples, …) of one member.
    validation : Samples or None
        Folded.

    Raises
    ------
    ConfigError, ShapeError, NotFiniteError, MemoryLimitError
        If network, data, loss and start do not fit together, or not into memory.
    """

    def __init__(
        self,
        net: Any,
        options: Options,
        loss: Loss,
        optimizer: Any,
        data: TrainingSet,
        validation: TrainingSet | None,
        *,
        augment: Any = None,
        start: Any = None,
    ) -> None:
        make = factory_of(optimizer, options)
        if validation is not None:
            data.check_validation(validation)
        resized = data.several or (validation is not None and validation.several)
        for part in (data, validation):
            if part is not None:
                part.prepare(net, options, resized)
        self.net, self.loss, self._make, self._augment = net, loss, make, augment
        self.options = options = _stackable(net, options, optimizer, data)
        self.answering = options.compiled(net, 1)
        self._values = _learns_values(self.answering, data, options, loss)
        self._data, self._folded = data, data.fold(options, self._values)
        self.validation = None if validation is None else validation.fold(options, self._values)
        self._start = _starting_values(start, self.answering, options)
        known = optimizer in ("adam", "adamw") and loss.name in LOSSES
        self._tape = _tape(self.answering, options, len(data)) if known else None
        self._whole = self._shown(self._folded)
        self.record = plain(
            {
                "network": net.describe(),
                "data": data.record(),
                "validation": None if validation is None else validation.record(),
                "training": options.record(),
                **({"start": digest(self._start)} if self._start else {}),
                **({"module": net.identity()} if isinstance(net, ModuleNetwork) else {}),
            }
        )

    def learner(self, group: range) -> Learner:
        """The learner of some members, by their places in the run."""
        options, shapes = self.options, self.answering.parameters
        ids = [options.ids[k] for k in group]
        first = self.answering.initial(options.seed, ids)
        start = {name: x.cpu().numpy() for name, x in first.items()}
        start |= {name: x[group.start : group.stop] for name, x in self._start.items()}
        flat = np.concatenate([start[name].reshape(len(ids), -1) for name in shapes], axis=1)
        rates = [options.rate(k) for k in group]
        if self._tape is not None:
            return TapeLearner(self._tape, flat, rates[0], options, self.loss)
        own = options.batches == "own" or options.stack == 1
        forward = options.compiled(self.net, len(ids), own=own)
        forward = forward.train() if isinstance(self.net, ModuleNetwork) else forward
        return TorchLearner(forward, flat, rates, options, self.loss, self._make)

    def samples(self, group: range, epoch: int) -> Samples:
        """What some members see in an epoch: the same always, unless it is augmented."""
        options = self.options
        if self._augment is None:
            return self._whole
        # Of one member, a member more in the key of the stream; of all, none.
        keys = [()] if options.batches == "shared" else [(options.ids[k],) for k in group]
        altered = []
        for key in keys:
            sequence = np.random.SeedSequence(options.seed, spawn_key=(_AUGMENT, epoch, *key))
            change = partial(augmented, self._augment, rng=np.random.default_rng(sequence))
            altered.append(self._data.fold(options, self._values, change))
        return self._shown(joined(altered))

    def _shown(self, samples: Samples) -> Samples:
        return samples if self._tape is None else samples.as_matrix(self.options.torch_dtype)


def _stackable(net: Any, options: Options, optimizer: Any, data: TrainingSet) -> Options:
    """The settings, with members one after another where they cannot be stacked, and a word of it.

    That is where an optimiser looks at more than single numbers, or `torch.func.vmap` cannot do
    what a module does.
    """
    if options.stack == 1:
        return options
    reason = "" if optimizer in NUMBERWISE else f"optimizer={options.optimizer} takes one at a time"
    if not reason and isinstance(net, ModuleNetwork):
        try:
            compiled = options.compiled(net, 2, own=True).train()
            pairs = [torch.cat([x, x]) for x in data.example(options)]
            batch = [torch.stack([x, x]) for x in pairs]
            with torch.random.fork_rng():
                compiled(compiled.initial(0, [0, 1]), *batch)
        except ConfigError:
            raise
        except Exception as error:  # whatever torch says of a module it cannot batch
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    if not reason:
        return options
    warnings.warn(f"members are trained one after another ({reason})", stacklevel=4)
    return msgspec.structs.replace(options, stack=1)


def _starting_values(start: Any, answering: Any, options: Options) -> dict[str, Array]:
    """Node name -> values (members, *shape), of the nodes that do not start by themselves."""
    if isinstance(start, Fitted):
        strange = [k for k in options.ids if k not in start.ids]
        if strange:
            raise ConfigError(
                f"start has the members {start.ids.start} to {start.ids.stop - 1}, but not member "
                f"{strange[0]}: give as many with the same member_offset, or values by name"
            )
        rows = [start.ids.index(k) for k in options.ids]
        buffers = getattr(answering, "buffers", ())  # these begin anew
        start = {name: x[rows] for name, x in start.parameters.items() if name not in buffers}
    elif start is not None and not isinstance(start, Mapping):
        raise ConfigError(
            f"start must be values by the name of the node, or a trained ensemble, "
            f"not {type(start).__name__}"
        )
    values: dict[str, Array] = {}
    shapes = answering.parameters
    for name, numbers in (start or {}).items():
        shape = tuple(shapes[check_choice("node to start from", name, shapes)])
        array = np.asarray(numbers)
        whole = (options.members, *shape)
        if array.shape not in (shape, whole) or array.dtype.kind not in "iuf":
            raise ShapeError(
                f"start[{name!r}] must be real numbers of shape {shape} or {whole}; it is "
                f"{array.dtype} of shape {array.shape}"
            )
        with np.errstate(over="ignore"):
            values[name] = np.broadcast_to(array, whole).astype(options.dtype)
        check_finite(f"start[{name!r}]", values[name])
    return values


def _learns_values(answering: Any, data: TrainingSet, options: Options, loss: Loss) -> bool:
    """Whether the network gives one number a sample, if it gives what its loss needs."""
    if not answering.parameters:
        raise ConfigError(
            "the network has nothing to train: set a node free, "
            "as in net.trainable('D', channels=4).head(classes=4)"
        )
    parameters = answering.initial(options.seed, [options.member_offset])
    shape = tuple(outputs_of(answering, parameters, data.example(options)).shape)
    classes = data.classes
    outputs = "a single number" if len(shape) == 2 else f"{shape[2:]} outputs"
    if loss.name in ("mse", "huber") and len(shape) != 2:
        raise ConfigError(
            f"loss={loss.name!r} learns the winding itself and needs one number per sample, but "
            f"the network gives {outputs}; use net.head(classes=1), or loss='cross-entropy'"
        )
    values = len(shape) == 2 and loss.name != "cross-entropy"
    if not values and (len(shape) != 3 or shape[2] != len(classes)):
        other = ", or learn the winding itself with loss='mse'" if len(shape) == 2 else ""
        raise ConfigError(
            f"the network gives {outputs} per sample, but the data has {len(classes)} classes; "
            f"add a head: net.head(classes={len(classes)}){other}"
        )
    return values


def _tape(answering: Any, options: Options, samples: int) -> Tape | None:
    """The tape of a run long enough for a compiled loop to pay, where it knows all of the step."""
    short = options.epochs * (samples // options.batch_size) < SHORT
    if short or options.stack > 1 or options.device != "cpu" or not hasattr(answering, "tape"):
        return None
    tape: Tape | None = answering.tape(options.batch_size)
    return tape
