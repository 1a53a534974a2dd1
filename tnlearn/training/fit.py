"""`tnl.fit`: an ensemble of networks trained on a data set."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import torch

from tnlearn.archive import Parts
from tnlearn.errors import ConfigError
from tnlearn.training.ensemble import split
from tnlearn.training.fitted import Fitted
from tnlearn.training.loop import HISTORY, Arrays, Epoch, Progress, Trainer
from tnlearn.training.losses import find_loss
from tnlearn.training.modules import ModuleNetwork
from tnlearn.training.optimiser import Factory
from tnlearn.training.options import NotNegative, Options, check_device, check_options
from tnlearn.training.parts import TrainingSet
from tnlearn.training.run import Run

__all__ = ["fit"]


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

    What is frozen in the network is folded once per data set; only the rest is computed at each
    step.  On the CPU member `k` depends on (`net`, `data`, `seed`, `k`, its learning rate and the
    settings) only: not on how many are trained with it, to the last bit (same machine, torch,
    threads).

    Parameters
    ----------
    net : Network or torch.nn.Module
        With a class head, logits (batch, classes), or one number a sample, (batch,).  A module is
        called with the arrays of the data, by name where `forward` has these names; members start
        from its layers' `reset_parameters`, and have their own randomness and buffers.
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
        Of torch, or as many members at a time.
    loss : {"cross-entropy", "mse", "huber"} or function
        Cross-entropy of the classes, in nats; or squared or Huber error of the winding itself,
        which `Fitted.accuracy` then rounds.  Or ``loss(outputs, targets)`` of one batch, a tensor
        of shape (): targets are class indices for logits, windings for one number a sample.
    optimizer : {"adam", "adamw", "sgd", "lbfgs"} or factory
        Or what gives a `torch.optim.Optimizer` for a list of tensors, a class of torch as well; it
        is called with ``lr=`` if it takes that.  "lbfgs" wants whole batches:
        ``batch_size=len(data)``.
    betas, eps, weight_decay
        Of Adam, "adam" and "adamw" alike; the decay is decoupled: ``p <- p (1 - lr weight_decay)``
        at each step.  ``betas[0]`` is the momentum of "sgd".
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
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, …: where torch trains and predicts.
    stack : int, optional
        Members that torch computes at once: one on the CPU, all on a device.  In stacks of another
        size a member is the same to rounding.  What cannot be stacked is trained one member after
        another, with a warning that says why.
    augment : function, optional
        ``augment(data, rng)`` gives the data set a member sees in an epoch, of the same samples
        and labels, as ``tnl.augment.gauge()`` does: what a network that is not invariant needs.
    callbacks : sequence of functions
        Each is called as ``callback(epoch)`` after every epoch of some members with their numbers,
        history and parameters (`training.loop.Epoch`); if one returns True they stop there.

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
    held = None if validation is None else TrainingSet("validation", validation)
    if isinstance(net, torch.nn.Module):
        net = ModuleNetwork(net, chains.shapes())
    if not (hasattr(net, "compile") and hasattr(net, "describe")):
        raise ConfigError(
            f"net must be a network, such as tnl.rswn(...) or tnl.baseline(...) gives, or a torch "
            f"module, not {type(net).__name__}"
        )
    settings["complex"] = chains.complex or (held is not None and held.complex)
    for name, function in (("augment", augment), *(("a callback", one) for one in callbacks)):
        if function is not None and not callable(function):
            raise ConfigError(f"{name} is a function, not {function!r}")
    settings |= {"loss": aim.name, "optimizer": _name(optimizer), "augment": _name(augment)}
    settings["device"] = check_device(device)
    if stack is None:  # one by one, to the last bit; on a device as many as there are
        settings["stack"] = 1 if settings["device"] == "cpu" else members
    options = check_options(settings, len(chains), held is not None)
    try:
        every = msgspec.convert(checkpoint_every, NotNegative)
    except msgspec.ValidationError as error:
        raise ConfigError(f"checkpoint_every: {error}, not {checkpoint_every!r}") from None
    with _threads(options.threads), contextlib.ExitStack() as stack_of:
        run = Run(net, options, aim, optimizer, chains, held, augment=augment, start=start)
        parts = None
        if checkpoint is not None:
            parts = stack_of.enter_context(Parts(checkpoint, run.record))
        bar = Progress(options.members, options.epochs, show=bool(progress))
        stack_of.callback(bar.close)
        trainer = Trainer(run, callbacks=(bar, *callbacks), parts=parts, every=every)
        if trainer.pool is not None:
            stack_of.callback(trainer.pool.shutdown)
        results = [trainer.train(number, rows) for number, rows in enumerate(trainer.blocks())]
    return _gather(run, results)


def _name(what: Any) -> Any:
    """The name of a function of the user's own; others as they are."""
    return getattr(what, "__qualname__", repr(what)) if callable(what) else what


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _gather(run: Run, results: list[Arrays]) -> Fitted:
    whole = {name: np.concatenate([x[name] for x in results]) for name in results[0]}
    views = split(torch.from_numpy(whole["parameters"]), run.answering.parameters)
    values = {name: x.numpy().copy() for name, x in views.items()}
    values |= {n.removeprefix("buffers/"): x for n, x in whole.items() if n.startswith("buffers/")}
    seen = [n for n in HISTORY if run.validation is not None or "validation" not in n]
    fitted = Fitted(
        run.net,
        run.record,
        values,
        history={name: whole[f"history/{name}"] for name in seen},
        failed=whole["failed"],
        stopped=whole["stopped"],
    )
    fitted.device = run.options.device
    return fitted
