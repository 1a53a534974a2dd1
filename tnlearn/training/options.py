"""The settings of a run: each is one field with its bounds, from which check and record come."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import torch

from tnlearn.archive import plain
from tnlearn.errors import ConfigError, check_choice

__all__ = ["Options", "check_device", "check_options"]

Whole = Annotated[int, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=sys.float_info.max)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=sys.float_info.max)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Rate = Annotated[float, msgspec.Meta(gt=0, le=1e6)]  # beyond, a step overflows unseen


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the result of a run, apart from the network, the data and the start."""

    members: Count
    epochs: Count
    batch_size: Count
    lr: Rate | tuple[Rate, ...]
    seed: Whole
    batches: Literal["own", "shared"]
    optimizer: str
    betas: tuple[Share, Share]
    eps: Positive
    weight_decay: NotNegative
    schedule: Literal["cosine", "constant"]
    clip: Positive | None
    patience: Count | None
    validate_every: Count
    member_offset: Whole
    dtype: Literal["float32", "float64"]
    complex: bool
    threads: Count
    loss: str = "cross-entropy"
    device: str = "cpu"
    stack: Count = 1
    augment: str | None = None

    def rate(self, index: int) -> float:
        """Learning rate of member number `index` of this run (from 0)."""
        return self.lr[index] if isinstance(self.lr, tuple) else self.lr

    @property
    def ids(self) -> range:
        """Numbers of the members: what their seeds are made of."""
        return range(self.member_offset, self.member_offset + self.members)

    @property
    def torch_dtype(self) -> Any:
        """The precision as torch has it."""
        return getattr(torch, self.dtype)

    def record(self) -> dict[str, Any]:
        """The settings, without those of the last block that are as they are by default."""
        fields, defaults = type(self).__struct_fields__, type(self).__struct_defaults__
        late = dict(zip(fields[-len(defaults) :], defaults, strict=True))
        return {
            name: value
            for name, value in msgspec.structs.asdict(self).items()
            if name not in late or value != late[name]
        }

    def validates(self, epoch: int) -> bool:
        """Whether the validation data is looked at after an epoch (from 0)."""
        return (epoch + 1) % self.validate_every == 0 or epoch + 1 == self.epochs

    def compiled(self, net: Any, members: int, *, own: bool = False) -> Any:
        """The network as one function of this many members, in the precision of the run."""
        how: dict[str, Any] = {"dtype": self.dtype, "complex": self.complex}
        if self.device != "cpu":
            how["device"] = self.device
        return net.compile(members=members, own_batches=own, **how)


def check_device(device: str) -> str:
    """The name of a device that is there, ``"cuda"`` as ``"cuda:0"``.

    Raises
    ------
    ConfigError
        If there is none of that name, saying which there are.
    """
    try:
        place = torch.device(device)
        torch.zeros(1, device=place).item()
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        there = ["cpu", *(f"cuda:{k}" for k in range(torch.cuda.device_count()))]
        if torch.backends.mps.is_available():
            there.append("mps")
        raise ConfigError(
            f"device {device!r} cannot be used here; there is {', '.join(there)}"
        ) from error
    return "cuda:0" if str(place) == "cuda" else str(place)


_WORDS = {
    r", got .*": "",
    r"`int`": "a whole number",
    r"`float \| array`": "a number, or one for each member,",
    r"`float`": "a finite number",
    r"`array`": "a row of numbers",
    r">= (\S+)": r"of at least \1",
    r"<= (\S+)": r"of at most \1",
    r"> (\S+)": r"above \1",
    r"< (\S+)": r"below \1",
    r"(\d)\.0\b": r"\1",
}


def in_words(error: msgspec.ValidationError, settings: Mapping[str, Any]) -> ConfigError:
    """What msgspec says of a wrong setting, as a sentence with its name and its value."""
    what, _, where = str(error).removeprefix("Expected ").rpartition(" - at `$.")
    for pattern, words in _WORDS.items():
        what = re.sub(pattern, words, what)
    where = where.rstrip("`")
    return ConfigError(f"{where} must be {what}, not {settings[where.partition('[')[0]]!r}")


def check_options(settings: Mapping[str, Any], samples: int, validated: bool) -> Options:
    """The settings of `tnl.fit`, for so many samples, with or without validation data.

    Raises
    ------
    ConfigError, UnknownNameError
        Naming the first setting that is wrong, what was given and what is expected.
    """
    for name, kind in get_type_hints(Options).items():
        if get_origin(kind) is Literal:
            check_choice(name, settings[name], get_args(kind))
    try:
        options = msgspec.convert(plain(dict(settings)), Options)
    except msgspec.ValidationError as error:
        raise in_words(error, settings) from None
    rates = options.lr if isinstance(options.lr, tuple) else (options.lr,) * options.members
    if len(rates) != options.members:
        raise ConfigError(
            f"lr must be one number, or one for each of the {options.members} members; "
            f"there are {len(rates)}"
        )
    if max(rates) * options.weight_decay >= 1:
        raise ConfigError(
            f"lr * weight_decay must be below 1 (it is the share of a parameter lost in a step), "
            f"not {max(rates):g} * {options.weight_decay:g}"
        )
    if options.patience is not None and not validated:
        raise ConfigError(
            "patience stops a member on its validation loss: give validation=, or patience=None"
        )
    if options.patience is not None and options.validate_every > 1:
        raise ConfigError(
            f"patience needs the validation loss of every epoch: give validate_every=1, "
            f"not {options.validate_every}, or patience=None"
        )
    return msgspec.structs.replace(options, batch_size=min(options.batch_size, samples))
