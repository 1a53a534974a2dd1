"""`tnl.fit`: an ensemble of networks trained on a data set."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from tnlearn.archive import Parts, digest, plain
from tnlearn.errors import ConfigError, ShapeError, check_choice, check_finite
from tnlearn.networks.tape import Tape
from tnlearn.training.ensemble import Learner, TapeLearner, TorchLearner, outputs_of, split
from tnlearn.training.fitted import Fitted
from tnlearn.training.loop import HISTORY, Arrays, Epoch, Progress, Trainer, augmentation_rng
from tnlearn.training.losses import Loss, find_loss
from tnlearn.training.machine import LOSSES
from tnlearn.training.modules import ModuleNetwork
from tnlearn.training.optimiser import NUMBERWISE, Factory, factory_of
from tnlearn.training.options import NotNegative, Options, check_device, check_options
from tnlearn.training.parts import Samples, TrainingSet, augmented, joined

__all__ = ["fit"]

Array = npt.NDArray[Any]

SHORT = 100  # steps of a run that torch has done before a loop is compiled


def fit(
    net: Any,
    data: Any,
    validation: Any = None,
    members: int = 16,
    epochs: int = 40,
    batch_size: int = 64,
    lr: float | Sequence[float] = 1e-2,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    *,
    batches: Literal["own", "shared"] = "own",
    start: Mapping[str, Any] | Fitted | None = None,
    threads: int = 1,
    loss: str | Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = "cross-entropy",
    optimizer: str | Factory = "adam",
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    schedule: Literal["cosine", "constant"] = "cosine",
    clip: float | None = 1.0,
    patience: int | None = None,
    validate_every: int = 1,
    member_offset: int = 0,
    checkpoint_every: float = 15.0,
    progress: bool = True,
    dtype: Literal["float32", "float64"] = "float32",
    device: str = "cpu",
    stack: int | None = None,
    augment: Any = None,
    callbacks: Sequence[Callable[[Epoch], Any]] = (),
) -> Fitted:
    """Train `members` copies of a network, each from its own seed and in its own data order.

    The loss is the cross-entropy of the class labels, in nats.  What is frozen in the network is
    folded once per data set; only the rest is computed at each step, for a block of members at a
    time.  Member `k` depends on (`net`, `data`, `seed`, `k`, its learning rate and the settings)
    only: not on how many are trained with it, to the last bit (same machine, torch, threads).

    Parameters
    ----------
    net : Network
        With a class head: logits (batch, classes).
    data, validation : Dataset, or list of Datasets
        States, labels (class indices) and classes.  All must have the same classes, in the same
        order.  Validation loss and accuracy are recorded after every epoch (`validate_every`).

        With a list the samples of all its data sets are one training set.  Their lengths may
        differ, from each other and from that of `net`, which is built anew for each: it works
        where a trained node is a function of position and only heads follow, as in
        ``tnl.fit(net.trainable("D", structure="position").head(4), [at_16, at_24, at_32], …)``.
        Validation sets may then be of any length, too.
    members, epochs : int
        Size of the ensemble; passes over the data.
    batch_size : int
        Samples per step, at most all of them.  The remainder of an epoch
        (``samples % batch_size``, other samples each time) is left out.
    lr : float or (members,) floats
        Learning rate, or one for each member.
    seed : int
        Seed of the ensemble; initial values and data order of member `k` are drawn from (seed, k).
    checkpoint : path, optional
        A folder.  If it is there and belongs to the same run, training goes on from it, with the
        same result to the bit as an unbroken run; a finished one returns at once.
    batches : {"own", "shared"}
        Whether each member draws its own batches or all see the same ones.
    start : mapping of node name to values, or Fitted, optional
        Where training starts: values of the shape of the parameter, the same for all members, or
        ``(members, *shape)``; or a trained ensemble with these parameters and members.  What is not
        named starts from its own initial values.  So training goes on from anywhere: a weight
        cut to rank r is trained on at that rank as ``structure="lowrank"`` from its factors.
        (The orders of the samples are those of `seed`, so give another one to go on.)
    threads : int
        Threads of torch.
    betas, eps, weight_decay
        Of Adam; the decay is decoupled: ``p <- p (1 - lr weight_decay)`` at each step.
    schedule : {"cosine", "constant"}
        Learning rate over the steps: from `lr` down to 0 as half a cosine, or constant.
    clip : float or None
        Largest norm of the gradient of a member; above it the gradient is scaled down.
    patience : int, optional
        Early stopping: a member whose validation loss has not fallen for this many epochs stops.
        Members then return to the parameters of their lowest validation loss.
    validate_every : int
        Epochs from one look at the validation data to the next; the last epoch always has one.
        The history of the others is NaN.  Where only the end counts, ``validate_every=epochs``
        saves the time; what is learned is the same.
    member_offset : int
        Number of the first member, so that an ensemble can be extended later.
    checkpoint_every : float
        Seconds between two writings of a block's state (0: after every epoch).
    progress : bool
        Show a bar on stderr with the loss, the members not failed, and the time left.
    dtype : {"float32", "float64"}
        Precision of parameters and features.

    Returns
    -------
    Fitted

    Raises
    ------
    ConfigError, UnknownNameError, ShapeError, NotFiniteError
        If a setting or the data is not as described.
    CheckpointError, FileError
        If the checkpoint is damaged, foreign, of another configuration, or cannot be written.
    MemoryLimitError
        If the folded data does not fit into memory.

    Notes
    -----
    A member whose loss or gradient norm stops being finite is frozen at its last finite
    parameters and marked in `Fitted.failed`; the others are not disturbed.
    """
    settings = {name: x for name, x in locals().items() if name in Options.__struct_fields__}
    aim = find_loss(loss)
    chains = TrainingSet("data", data)
    if isinstance(net, torch.nn.Module) and not hasattr(net, "describe"):
        net = ModuleNetwork(net, chains.shapes())
    if not (hasattr(net, "compile") and hasattr(net, "describe")):
        raise ConfigError(
            f"net must be a network, such as tnl.rswn(...) or tnl.baseline(...) gives, or a torch "
            f"module, not {type(net).__name__}"
        )
    held = None if validation is None else TrainingSet("validation", validation)
    settings["complex"] = chains.complex or (held is not None and held.complex)
    settings |= {"loss": aim.name, "optimizer": _name(optimizer), "augment": _name(augment)}
    settings["device"] = check_device(device)
    if stack is None:  # one by one, to the last bit; on a device as many as there are
        settings["stack"] = 1 if settings["device"] == "cpu" else members
    options = check_options(settings, len(chains), held is not None)
    make = factory_of(optimizer, options)
    options = _stackable(net, options, optimizer, chains)
    try:
        every = msgspec.convert(checkpoint_every, NotNegative)
    except msgspec.ValidationError as error:
        raise ConfigError(f"checkpoint_every: {error}, not {checkpoint_every!r}") from None
    if held is not None:
        chains.check_validation(held)
    resized = chains.several or (held is not None and held.several)
    with _threads(options.threads), contextlib.ExitStack() as stack_of:
        for part in (chains, held):
            if part is not None:
                part.prepare(net, options, resized)
        answering = options.compiled(net, 1)
        values = _learns_values(answering, chains.example(options), options, aim, chains.classes)
        samples = chains.fold(options, values)
        held_samples = None if held is None else held.fold(options, values)
        shapes = answering.parameters
        first = _starting_values(start, shapes, options)
        record = plain(
            {
                "network": net.describe(),
                "data": chains.record(),
                "validation": None if held is None else held.record(),
                "training": options.record(),
                **({"start": digest(first)} if first else {}),
                **({"module": net.identity()} if isinstance(net, ModuleNetwork) else {}),
            }
        )
        tape = _tape(answering, options, optimizer, loss, len(samples.labels))
        own = options.batches == "own" or options.stack == 1

        def learner(group: range) -> Learner:
            ids = [options.ids[k] for k in group]
            start = {n: x.cpu().numpy() for n, x in answering.initial(options.seed, ids).items()}
            start |= {name: x[group.start : group.stop] for name, x in first.items()}
            flat = np.concatenate([start[n].reshape(len(ids), -1) for n in shapes], axis=1)
            rates = [options.rate(k) for k in group]
            if tape is not None:
                return TapeLearner(tape, flat, rates[0], options, aim)
            forward = options.compiled(net, len(ids), own=own)
            forward = forward.train() if isinstance(net, ModuleNetwork) else forward
            return TorchLearner(forward, flat, rates, options, aim, make)

        def shown(folded: Samples) -> Samples:
            return folded if tape is None else folded.as_matrix(options.torch_dtype)

        def seen(group: range, epoch: int) -> Samples:
            if augment is None:
                return whole
            shared = options.batches == "shared"
            altered = []
            for k in [None] if shared else [options.ids[row] for row in group]:
                rng = augmentation_rng(seed=options.seed, epoch=epoch, member=k)
                altered.append(chains.fold(options, values, partial(augmented, augment, rng=rng)))
            return shown(joined(altered))

        whole = shown(samples)
        parts = None if checkpoint is None else stack_of.enter_context(Parts(checkpoint, record))
        bar = Progress(options.members, options.epochs, show=bool(progress))
        stack_of.callback(bar.close)
        trainer = Trainer(
            options,
            aim,
            learner,
            answering,
            seen,
            held_samples,
            callbacks=(bar, *callbacks),
            parts=parts,
            every=every,
        )
        results = [trainer.train(number, rows) for number, rows in enumerate(trainer.blocks())]
    return _gather(net, record, results, shapes, held is not None)


def _stackable(net: Any, options: Options, optimizer: Any, chains: TrainingSet) -> Options:
    """The settings, with members one after another where they cannot be stacked, and a word of it.

    That is where an optimiser looks at more than single numbers, or `torch.func.vmap` cannot do
    what a module does.
    """
    if options.stack == 1:
        return options
    reason = "" if optimizer in NUMBERWISE else f"optimizer={options.optimizer} takes one at a time"
    if not reason and isinstance(net, ModuleNetwork):
        try:
            chains.prepare(net, options, False)
            compiled = options.compiled(net, 2, own=True).train()
            pairs = [torch.cat([x, x]) for x in chains.example(options)]
            batch = [torch.stack([x, x]) for x in pairs]
            with torch.random.fork_rng():
                compiled(compiled.initial(0, [0, 1]), *batch)
        except ConfigError:
            raise
        except Exception as error:  # whatever torch says of a module it cannot batch
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    if not reason:
        return options
    warnings.warn(f"members are trained one after another ({reason})", stacklevel=3)
    return msgspec.structs.replace(options, stack=1)


def _name(what: Any) -> Any:
    """The name of a function of the user's own; others as they are."""
    return getattr(what, "__qualname__", repr(what)) if callable(what) else what


def _starting_values(
    start: Any, shapes: Mapping[str, tuple[int, ...]], options: Options
) -> dict[str, Array]:
    """Node name -> values (members, *shape), of the nodes that do not start by themselves."""
    if isinstance(start, Fitted):
        strange = [k for k in options.ids if k not in start.ids]
        if strange:
            raise ConfigError(
                f"start has the members {start.ids.start} to {start.ids.stop - 1}, but not member "
                f"{strange[0]}: give as many with the same member_offset, or values by name"
            )
        rows = [start.ids.index(k) for k in options.ids]
        start = {name: x[rows] for name, x in start.parameters.items()}
    elif start is not None and not isinstance(start, Mapping):
        raise ConfigError(
            f"start must be values by the name of the node, or a trained ensemble, "
            f"not {type(start).__name__}"
        )
    values: dict[str, Array] = {}
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


def _learns_values(
    answering: Any,
    features: Sequence[torch.Tensor],
    options: Options,
    loss: Loss,
    classes: Sequence[int],
) -> bool:
    """Whether the network gives one number a sample, if it gives what its loss needs."""
    if not answering.parameters:
        raise ConfigError(
            "the network has nothing to train: set a node free, "
            "as in net.trainable('D', channels=4).head(classes=4)"
        )
    parameters = answering.initial(options.seed, [options.member_offset])
    shape = tuple(outputs_of(answering, parameters, features).shape)
    outputs = "a single number" if len(shape) == 2 else f"{shape[2:]} outputs"
    if loss.name in ("mse", "huber") and len(shape) != 2:
        raise ConfigError(
            f"loss={loss.name!r} learns the winding itself and needs one number per sample, but "
            f"the network gives {outputs}; use net.head(classes=1), or loss='cross-entropy'"
        )
    if len(shape) != 2 and (len(shape) != 3 or shape[2] != len(classes)):
        raise ConfigError(
            f"the network gives {outputs} per sample, but the data has {len(classes)} classes; "
            f"add a head: net.head(classes={len(classes)})"
        )
    if len(shape) == 2 and loss.name == "cross-entropy":
        raise ConfigError(
            f"the network gives {outputs} per sample, but the data has {len(classes)} classes; "
            f"add a head: net.head(classes={len(classes)}), or learn the winding itself with "
            "loss='mse'"
        )
    return len(shape) == 2


def _tape(answering: Any, options: Options, optimizer: Any, loss: Any, samples: int) -> Tape | None:
    """The tape of a run long enough for a compiled loop to pay, where it knows all of the step."""
    steps = options.epochs * (samples // options.batch_size)
    known = optimizer in ("adam", "adamw") and loss in LOSSES and hasattr(answering, "tape")
    if not known or steps < SHORT or options.stack > 1 or options.device != "cpu":
        return None
    tape: Tape | None = answering.tape(options.batch_size)
    return tape


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _gather(
    net: Any, record: Any, results: list[Arrays], shapes: Mapping[str, Any], validated: bool
) -> Fitted:
    whole = {name: np.concatenate([x[name] for x in results]) for name in results[0]}
    flat = torch.from_numpy(whole["parameters"])
    fitted = Fitted(
        net,
        record,
        {name: x.numpy().copy() for name, x in split(flat, shapes).items()}
        | {name[8:]: x for name, x in whole.items() if name.startswith("buffers/")},
        history={n: whole[f"history/{n}"] for n in HISTORY if validated or "validation" not in n},
        failed=whole["failed"],
        stopped=whole["stopped"],
    )
    fitted.device = record["training"].get("device", "cpu")
    return fitted
