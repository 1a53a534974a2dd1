"""`tnl.fit`: an ensemble of networks trained on a data set."""

from __future__ import annotations

import contextlib
import os
import shutil
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from tnlearn.errors import ConfigError
from tnlearn.training.checkpoint import open_checkpoint
from tnlearn.training.fitted import Fitted
from tnlearn.training.lanes import fewer_lanes, lanes_for
from tnlearn.training.loop import HISTORY, Arrays, Job, Samples, blocks_of
from tnlearn.training.options import Options, check_options, real, whole
from tnlearn.training.parts import Parts
from tnlearn.training.pool import Progress, train_blocks
from tnlearn.training.record import run_record

__all__ = ["fit"]

Tensor = torch.Tensor
_CHUNK = 64  # members a worker takes at a time, where there are enough to go round


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
    chunk: int | None = None,
    workers: int = 1,
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
    compile: bool | Literal["auto"] = "auto",
    dtype: Literal["float32", "float64"] = "float32",
) -> Fitted:
    """Train `members` copies of a network, each from its own seed and in its own data order.

    The loss is the cross-entropy of the class labels, in nats.  What is frozen in the network is
    folded once per data set; only the rest is computed at each step, for a block of members at a
    time.  Member `k` depends on (`net`, `data`, `seed`, `k`, its learning rate and the settings)
    only: not on `members`, `chunk` or `workers`, to the last bit (same machine, torch, threads).

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
    chunk : int, optional
        Members a process takes at a time, rounded up to whole blocks.
    workers : int
        Processes over which chunks are shared out (spawned: a script needs
        ``if __name__ == "__main__":``).  Each uses one thread.
    threads : int
        Threads of torch where there is one worker.
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
    compile : bool or "auto"
        Whether `torch.compile` is applied to the forward and backward pass.  It needs a C++
        compiler.  "auto" does without: measured on the networks of this package a compiled step
        saves no time on a CPU, and a result must not depend on which compiler is installed.
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
    if not (hasattr(net, "compile") and hasattr(net, "describe")):
        raise ConfigError(
            f"net must be a network, such as tnl.rswn(...) or tnl.baseline(...) gives, "
            f"not {type(net).__name__}"
        )
    parts = Parts("data", data)
    held = None if validation is None else Parts("validation", validation)
    options = check_options(
        members=members,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        seed=seed,
        batches=batches,
        optimizer=optimizer,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        schedule=schedule,
        clip=clip,
        patience=patience,
        validate_every=validate_every,
        member_offset=member_offset,
        dtype=dtype,
        complex=parts.complex or (held is not None and held.complex),
        threads=threads,
        compile=_compiled(compile),
        samples=len(parts),
        validated=held is not None,
    )
    workers = whole("workers", workers, 1)
    chunk = None if chunk is None else whole("chunk", chunk, 1)
    checkpoint_every = real("checkpoint_every", checkpoint_every)
    if workers > 1 and options.threads > 1:
        raise ConfigError(
            f"workers use one thread each: give threads=1 with workers={workers}, "
            f"or workers=1 with threads={options.threads}"
        )
    if held is not None:
        parts.check_validation(held)
    resized = parts.several or (held is not None and held.several)
    with _threads(options.threads):
        samples = parts.fold(net, options, resized)
        held_samples = None if held is None else held.fold(net, options, resized)
        lanes = _lanes(net, samples, options, len(parts.classes))
        validated = None if held is None else held.given
        record = run_record(net, parts.given, validated, options, lanes)
        blocks = blocks_of(options.ids, lanes)
        tasks = _tasks(blocks, lanes, chunk, workers)
        bar = Progress(options.members, options.epochs, show=bool(progress))
        with contextlib.ExitStack() as stack:
            stack.callback(bar.close)
            folder: Path | None = None
            if checkpoint is not None:
                folder = stack.enter_context(open_checkpoint(checkpoint, record))
            job = Job(net, options, lanes, record, folder, checkpoint_every)
            results = train_blocks(job, samples, held_samples, tasks, workers, bar)
    return _gather(net, record, [results[b] for b in blocks], held is not None)


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
        given = "a single number" if len(shape) == 2 else f"{shape[2:]} outputs"
        raise ConfigError(
            f"the network gives {given} per sample, but the data has {classes} classes; "
            f"add a head: net.head(classes={classes})"
        )
    lanes = lanes_for(compiled, parameters, batch)
    return fewer_lanes(net, options, samples.features, classes, lanes)


def _tasks(blocks: list[int], lanes: int, chunk: int | None, workers: int) -> list[list[int]]:
    if chunk is None:
        size = max(1, min(_CHUNK // lanes, -(-len(blocks) // workers)))
    else:
        size = -(-chunk // lanes)
    return [blocks[i : i + size] for i in range(0, len(blocks), size)]


def _compiled(choice: Any) -> bool:
    if choice not in (True, False, "auto"):
        raise ConfigError(f"compile must be True, False or 'auto', not {choice!r}")
    if choice is not True:
        return False
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    compiler = os.environ.get("CXX") or "g++"
    if not (shutil.which(compiler) or shutil.which("clang++")) or not header.exists():
        raise ConfigError(
            "compile=True needs a C++ compiler and the headers of Python, which are not here; "
            "use compile='auto' or False"
        )
    return True


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _gather(net: Any, record: Any, results: list[Arrays], validated: bool) -> Fitted:
    whole_run: dict[str, npt.NDArray[Any]] = {
        name: np.concatenate([x[name] for x in results]) for name in results[0]
    }
    names = [n for n in HISTORY if validated or not n.startswith("validation")]
    return Fitted.from_flat(
        net,
        record,
        whole_run["parameters"],
        history={name: whole_run[f"history/{name}"] for name in names},
        failed=whole_run["failed"],
        stopped=whole_run["stopped"],
    )
