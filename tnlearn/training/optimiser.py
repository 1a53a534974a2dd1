"""Learning rates over a run, and the optimisers of torch for what no tape can do."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tnlearn.errors import CheckpointError, ConfigError, check_choice
from tnlearn.training.options import Options

__all__ = [
    "NUMBERWISE",
    "Factory",
    "adam_rates",
    "factory_of",
    "pack_state",
    "schedule",
    "unpack_state",
]

Tensor = torch.Tensor
Array = npt.NDArray[Any]
Factory = Callable[..., torch.optim.Optimizer]

# Optimisers that do the same to every number, whatever the shape of its array: members are stacked.
NUMBERWISE = ("adam", "adamw", "sgd")


def schedule(name: str, step: int, steps: int) -> float:
    """Factor on the learning rate at `step` (from 0) of `steps`.

    ``constant``: 1.  ``cosine``: ``(1 + cos(pi step / steps)) / 2``, from 1 down to nearly 0
    (Loshchilov and Hutter, arXiv:1608.03983).
    """
    return 1.0 if name == "constant" else 0.5 * (1.0 + math.cos(math.pi * step / steps))


def adam_rates(options: Options, lr: float, factors: Sequence[float], first: int) -> Array:
    """The numbers of each step of Adam, (steps, 3): keep, rate and root, steps from `first` on.

    Adam with decoupled weight decay w (arXiv:1412.6980, arXiv:1711.05101):
    ``m <- b1 m + (1-b1) g``, ``s <- b2 s + (1-b2) g^2``,
    ``p <- keep p - rate m / (root sqrt(s) + eps)`` with ``keep = 1 - lr w``,
    ``rate = lr / (1-b1^t)`` and ``root = 1 / sqrt(1-b2^t)``.
    """
    t = np.arange(first + 1, first + 1 + len(factors), dtype=np.float64)
    rate = lr * np.asarray(factors)
    keep = 1.0 - rate * options.weight_decay
    b1, b2 = options.betas
    rows = np.stack([keep, rate / (1.0 - b1**t), 1.0 / np.sqrt(1.0 - b2**t)], axis=1)
    return rows.astype(options.dtype)


def factory_of(optimizer: Any, options: Options) -> Factory:
    """``factory(parameters, lr)`` for the name of an optimiser, or for a user's own.

    A user's own may take ``lr`` or not; then it has its own, and `lr` of `tnl.fit` is not used.
    """
    decay, betas = options.weight_decay, options.betas

    def adam(parameters: Any, lr: float) -> torch.optim.Optimizer:
        adam: Any = torch.optim.AdamW  # in one pass over memory, where torch has it
        fused = options.device.partition(":")[0] in ("cpu", "cuda")
        how = {"betas": betas, "eps": options.eps, "weight_decay": decay, "fused": fused}
        made: torch.optim.Optimizer = adam(parameters, lr, **how)
        return made

    def sgd(parameters: Any, lr: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr, momentum=betas[0], weight_decay=decay)

    def lbfgs(parameters: Any, lr: float) -> torch.optim.Optimizer:
        return torch.optim.LBFGS(parameters, lr, line_search_fn="strong_wolfe")

    def users(parameters: Any, lr: float) -> torch.optim.Optimizer:
        more = {"lr": lr} if "lr" in inspect.signature(optimizer).parameters else {}
        made = optimizer(parameters, **more)
        if not isinstance(made, torch.optim.Optimizer):
            raise ConfigError(
                f"optimizer must give a torch.optim.Optimizer for a list of tensors, as in "
                f"lambda p: torch.optim.RMSprop(p, lr=1e-3); it gives a {type(made).__name__}"
            )
        return made

    known: Mapping[str, Factory] = {"adam": adam, "adamw": adam, "sgd": sgd, "lbfgs": lbfgs}
    return users if callable(optimizer) else known[check_choice("optimizer", optimizer, known)]


def pack_state(optimizer: torch.optim.Optimizer) -> dict[str, Array]:
    """What an optimiser remembers, as arrays and one text; no code, no pickle."""
    arrays: dict[str, Array] = {}

    def pack(value: Any) -> Any:
        if isinstance(value, Tensor):
            name = f"optimizer/{len(arrays)}"
            arrays[name] = value.detach().cpu().numpy().copy()
            return {"tensor": name}
        if isinstance(value, Mapping):
            return {"pairs": [[key, pack(x)] for key, x in value.items()]}
        if isinstance(value, (list, tuple)):
            return {"list": [pack(x) for x in value]}
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise CheckpointError(
            f"{type(optimizer).__name__} remembers a {type(value).__name__}, which cannot be "
            "written to a checkpoint: train without checkpoint="
        )

    text = json.dumps(pack(optimizer.state_dict()["state"]))
    return {**arrays, "optimizer": np.frombuffer(text.encode(), dtype=np.uint8)}


def unpack_state(optimizer: torch.optim.Optimizer, arrays: Mapping[str, Array]) -> None:
    """Set an optimiser back to what `pack_state` gave."""

    def unpack(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        ((kind, content),) = value.items()
        if kind == "tensor":
            return torch.tensor(arrays[content])
        if kind == "list":
            return [unpack(x) for x in content]
        return {key: unpack(x) for key, x in content}

    state = unpack(json.loads(arrays["optimizer"].tobytes().decode()))
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
