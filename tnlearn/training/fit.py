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

from tnlearn.errors import ConfigError, ShapeError
from tnlearn.networks.evaluate import check_states
from tnlearn.training.checkpoint import open_checkpoint
from tnlearn.training.features import fold_states, is_complex, state_tensors
from tnlearn.training.fitted import Fitted
from tnlearn.training.lanes import fewer_lanes, lanes_for
from tnlearn.training.loop import HISTORY, Arrays, Job, Samples, blocks_of
from tnlearn.training.options import Options, check_options, real, whole
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
    data, validation : Dataset
        States, labels (class indices) and classes.  Both must have the same classes, in the same
        order.  Validation loss and accuracy are recorded after every epoch.
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
    labels = _labels("data", data)
    held = None if validation is None else _labels("validation", validation)
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
        member_offset=member_offset,
        dtype=dtype,
        complex=is_complex(data) or (validation is not None and is_complex(validation)),
        threads=threads,
        compile=_compiled(compile),
        samples=len(labels),
        validated=validation is not None,
    )
    workers = whole("workers", workers, 1)
    chunk = None if chunk is None else whole("chunk", chunk, 1)
    checkpoint_every = real("checkpoint_every", checkpoint_every)
    if workers > 1 and options.threads > 1:
        raise ConfigError(
            f"workers use one thread each: give threads=1 with workers={workers}, "
            f"or workers=1 with threads={options.threads}"
        )
    if validation is not None:
        _check_validation(data, validation)
    with _threads(options.threads):
        samples = _fold(net, data, labels, options)
        held_samples = None if held is None else _fold(net, validation, held, options)
        lanes = _lanes(net, samples, options, len(data.classes))
        record = run_record(net, data, validation, options, lanes)
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
    return _gather(net, record, [results[b] for b in blocks], validation is not None)


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
    samples = np.shape(data.states.u)[0]
    if len(labels) != samples:
        raise ShapeError(f"{name} holds {samples} samples of states but {len(labels)} labels")
    count = len(data.classes)
    if labels.min() < 0 or labels.max() >= count:
        raise ConfigError(
            f"{name}.labels must lie in 0 .. {count - 1}, as there are {count} classes "
            f"{tuple(data.classes)}; found {labels.min()} .. {labels.max()}"
        )
    return torch.from_numpy(labels.astype(np.int64))


def _check_validation(data: Any, validation: Any) -> None:
    if tuple(validation.classes) != tuple(data.classes):
        raise ConfigError(
            f"validation has classes {tuple(validation.classes)}, but data has "
            f"{tuple(data.classes)}; both need the same, in the same order"
        )
    here, there = np.shape(validation.states.u)[1:], np.shape(data.states.u)[1:]
    if here != there:
        raise ShapeError(
            f"validation has (states, cells) = {tuple(here)}, but data has {tuple(there)}"
        )


def _fold(net: Any, data: Any, labels: Tensor, options: Options) -> Samples:
    u, v = state_tensors(data, getattr(torch, options.dtype))
    check_states(net, u, v)
    return Samples(fold_states(options.compiled(net, 1).fold, u, v), labels)


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
