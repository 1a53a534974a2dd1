"""`tnl.fit`: an ensemble of networks trained on a data set."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from tnlearn.archive import Parts, digest, plain
from tnlearn.errors import ConfigError, ShapeError, check_choice, check_finite
from tnlearn.training.ensemble import split
from tnlearn.training.fitted import Fitted
from tnlearn.training.lanes import fewer_lanes, lanes_for
from tnlearn.training.loop import HISTORY, Arrays, Progress, Trainer, blocks_of
from tnlearn.training.options import NotNegative, Options, check_options
from tnlearn.training.parts import Samples, TrainingSet

__all__ = ["fit"]

Array = npt.NDArray[Any]


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
    optimizer: Literal["adam"] = "adam",
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
    if not (hasattr(net, "compile") and hasattr(net, "describe")):
        raise ConfigError(
            f"net must be a network, such as tnl.rswn(...) or tnl.baseline(...) gives, "
            f"not {type(net).__name__}"
        )
    chains = TrainingSet("data", data)
    held = None if validation is None else TrainingSet("validation", validation)
    settings["complex"] = chains.complex or (held is not None and held.complex)
    options = check_options(settings, len(chains), held is not None)
    try:
        every = msgspec.convert(checkpoint_every, NotNegative)
    except msgspec.ValidationError as error:
        raise ConfigError(f"checkpoint_every: {error}, not {checkpoint_every!r}") from None
    if held is not None:
        chains.check_validation(held)
    resized = chains.several or (held is not None and held.several)
    with _threads(options.threads), contextlib.ExitStack() as stack:
        samples = chains.fold(net, options, resized)
        held_samples = None if held is None else held.fold(net, options, resized)
        lanes = _lanes(net, samples, options, len(chains.classes))
        shapes = options.compiled(net, 1).parameters
        values = _starting_values(start, shapes, options)
        record = plain(
            {
                "network": net.describe(),
                "data": chains.record(),
                "validation": None if held is None else held.record(),
                "training": {**msgspec.structs.asdict(options), "lanes": lanes},
                **({"start": digest(values)} if values else {}),
            }
        )
        parts = None if checkpoint is None else stack.enter_context(Parts(checkpoint, record))
        bar = Progress(options.members, options.epochs, show=bool(progress))
        stack.callback(bar.close)
        trainer = Trainer(
            net, options, lanes, samples, held_samples, start=values, parts=parts, every=every
        )
        results = [trainer.train(block, bar) for block in blocks_of(options.ids, lanes)]
    return _gather(net, record, results, shapes, held is not None)


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


def _lanes(net: Any, samples: Samples, options: Options, classes: int) -> int:
    """Lanes of a block, after one member has been tried on a whole batch."""
    compiled = options.compiled(net, 1)
    if not compiled.parameters:
        raise ConfigError(
            "the network has nothing to train: set a node free, "
            "as in net.trainable('D', channels=4).head(classes=4)"
        )
    dtype = getattr(torch, options.dtype)
    first = compiled.initial(options.seed, [options.member_offset])
    parameters = {name: x.detach().to(dtype).contiguous() for name, x in first.items()}
    batch = [x[: options.batch_size].clone() for x in samples.features]
    with torch.no_grad():
        shape = tuple(compiled(parameters, *batch).shape)
    if len(shape) != 3 or shape[2] != classes:
        outputs = "a single number" if len(shape) == 2 else f"{shape[2:]} outputs"
        raise ConfigError(
            f"the network gives {outputs} per sample, but the data has {classes} classes; "
            f"add a head: net.head(classes={classes})"
        )
    lanes = lanes_for(compiled, parameters, batch)
    return fewer_lanes(net, options, samples.features, classes, lanes)


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
    return Fitted(
        net,
        record,
        {name: x.numpy().copy() for name, x in split(flat, shapes).items()},
        history={n: whole[f"history/{n}"] for n in HISTORY if validated or "validation" not in n},
        failed=whole["failed"],
        stopped=whole["stopped"],
    )
