"""The settings of a run, checked: every one that is wrong is named with what is expected."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tnlearn.errors import ConfigError, check_choice

__all__ = ["Options", "check_options", "whole"]

_MOST_LR = 1e6  # beyond this a step overflows before its loss can be seen


@dataclass(frozen=True)
class Options:
    """What decides the result of a run, apart from the network and the data."""

    members: int
    epochs: int
    batch_size: int
    lr: float | tuple[float, ...]
    seed: int
    batches: str
    optimizer: str
    betas: tuple[float, float]
    eps: float
    weight_decay: float
    schedule: str
    clip: float | None
    patience: int | None
    validate_every: int
    member_offset: int
    dtype: str
    complex: bool
    threads: int
    compile: bool

    def rate(self, index: int) -> float:
        """Learning rate of member number `index` of this run (from 0)."""
        return self.lr[index] if isinstance(self.lr, tuple) else self.lr

    @property
    def ids(self) -> range:
        """Numbers of the members: what their seeds are made of."""
        return range(self.member_offset, self.member_offset + self.members)

    def validates(self, epoch: int) -> bool:
        """Whether the validation data is looked at after an epoch (from 0)."""
        return (epoch + 1) % self.validate_every == 0 or epoch + 1 == self.epochs

    def compiled(self, net: Any, members: int, *, own: bool = False) -> Any:
        """The network as one function of this many members, in the precision of the run."""
        return net.compile(members=members, own_batches=own, dtype=self.dtype, complex=self.complex)

    def record(self) -> dict[str, Any]:
        """The settings as a dictionary."""
        return asdict(self)


def whole(name: str, value: Any, least: int) -> int:
    """`value` as an int, at least `least`.

    Raises
    ------
    ConfigError
        If it is not a whole number (True is not one) or too small.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise ConfigError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise ConfigError(f"{name} must be at least {least}, not {value}")
    return int(value)


def real(name: str, value: Any, *, least: float = 0.0, above: bool = False) -> float:
    """`value` as a finite float, at least (or above) `least`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise ConfigError(f"{name} must be a number, not {value!r}")
    number = float(value)
    if not math.isfinite(number) or number < least or (above and number == least):
        bound = f"above {least:g}" if above else f"at least {least:g}"
        raise ConfigError(f"{name} must be finite and {bound}, not {value!r}")
    return number


def _rates(lr: Any, members: int) -> float | tuple[float, ...]:
    array = np.asarray(lr, dtype=object)
    if array.ndim == 0:
        rates: tuple[float, ...] = (real("lr", lr, above=True),)
        found: float | tuple[float, ...] = rates[0]
    else:
        if array.ndim != 1 or len(array) != members:
            raise ConfigError(
                f"lr must be one number, or one for each of the {members} members; "
                f"got an array of shape {array.shape}"
            )
        found = rates = tuple(real(f"lr[{i}]", x, above=True) for i, x in enumerate(array))
    if max(rates) > _MOST_LR:
        raise ConfigError(f"lr must be at most {_MOST_LR:g}, not {max(rates):g}")
    return found


def _betas(betas: Any) -> tuple[float, float]:
    if not isinstance(betas, Sequence) or len(betas) != 2:
        raise ConfigError(
            f"betas must be two numbers in [0, 1), such as (0.9, 0.999), not {betas!r}"
        )
    first, second = real("betas[0]", betas[0]), real("betas[1]", betas[1])
    if first >= 1 or second >= 1:
        raise ConfigError(f"betas must be below 1, not {(first, second)}")
    return first, second


def check_options(
    *,
    members: Any,
    epochs: Any,
    batch_size: Any,
    lr: Any,
    seed: Any,
    batches: Any,
    optimizer: Any,
    betas: Any,
    eps: Any,
    weight_decay: Any,
    schedule: Any,
    clip: Any,
    patience: Any,
    validate_every: Any,
    member_offset: Any,
    dtype: Any,
    complex: bool,
    threads: Any,
    compile: bool,
    samples: int,
    validated: bool,
) -> Options:
    """The settings of `fit` with every one checked.

    Raises
    ------
    ConfigError, UnknownNameError
        Naming the first setting that is wrong, what was given and what is expected.
    """
    members = whole("members", members, 1)
    found = Options(
        members=members,
        epochs=whole("epochs", epochs, 1),
        batch_size=min(whole("batch_size", batch_size, 1), samples),
        lr=_rates(lr, members),
        seed=whole("seed", seed, 0),
        batches=check_choice("batches", batches, ("own", "shared")),
        optimizer=check_choice("optimizer", optimizer, ("adam",)),
        betas=_betas(betas),
        eps=real("eps", eps, above=True),
        weight_decay=real("weight_decay", weight_decay),
        schedule=check_choice("schedule", schedule, ("cosine", "constant")),
        clip=None if clip is None else real("clip", clip, above=True),
        patience=None if patience is None else whole("patience", patience, 1),
        validate_every=whole("validate_every", validate_every, 1),
        member_offset=whole("member_offset", member_offset, 0),
        dtype=check_choice("dtype", dtype, ("float32", "float64")),
        complex=complex,
        threads=whole("threads", threads, 1),
        compile=compile,
    )
    largest = max(found.lr) if isinstance(found.lr, tuple) else found.lr
    if largest * found.weight_decay >= 1:
        raise ConfigError(
            f"lr * weight_decay must be below 1 (it is the share of a parameter lost in a step), "
            f"not {largest:g} * {found.weight_decay:g}"
        )
    if found.patience is not None and not validated:
        raise ConfigError(
            "patience stops a member on its validation loss: give validation=, or patience=None"
        )
    if found.patience is not None and found.validate_every > 1:
        raise ConfigError(
            f"patience needs the validation loss of every epoch: give validate_every=1, "
            f"not {found.validate_every}, or patience=None"
        )
    return found
