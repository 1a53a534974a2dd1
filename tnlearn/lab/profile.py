"""A profile: what a study runs on, as typed fields with their bounds; read from TOML.

A study has one file, ``studies/profiles/NAME.toml``: what all its profiles share, and the tables
``[quick]``, ``[hour]`` and ``[paper]`` of what differs (tables are merged key by key).  A file of
the user's own, and the ``config.toml`` of a run, say everything flat.  Networks are named from one
catalogue, ``networks.toml``; ``[entries.NAME]`` replaces single keys of an entry, or adds one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec
import tomli_w
from msgspec import Meta, Struct

from tnlearn.data.recipes import DATASETS, recipe_for
from tnlearn.data.shifts import SHIFTS
from tnlearn.errors import ConfigError, TnlearnError, check_choice, nearest
from tnlearn.files import parsing, read_bytes

__all__ = [
    "PROFILES",
    "Amount",
    "Count",
    "Data",
    "DataName",
    "Entry",
    "Known",
    "NetworkName",
    "Number",
    "Profile",
    "Rate",
    "Section",
    "Settings",
    "Share",
    "as_record",
    "as_toml",
    "overlaid",
    "read_profile",
]

PROFILES = ("quick", "hour", "paper")

Count = Annotated[int, Meta(ge=1)]
Members = Annotated[int, Meta(ge=1, le=100_000)]
Number = Annotated[int, Meta(ge=0)]
Amount = Annotated[float, Meta(ge=0, lt=1e300)]
Share = Annotated[float, Meta(gt=0, le=1)]
Rate = Annotated[float, Meta(gt=0, le=1e6)]
Table = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """Marks the type of a name in a profile: what it names, and among what it has to be.

    That are some names, or those that a field of the whole profile holds.
    """

    what: str
    among: str | tuple[str, ...]


NetworkName = Annotated[str, Known("network", "networks")]
DataName = Annotated[str, Known("data set", tuple(DATASETS))]


class Section(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A table of a profile; what is not a field of it is refused."""


class Entry(Section, kw_only=True):
    """A network of the catalogue: what it is, how it is built, how long and how fast it is trained.

    `free`, `channels`, `structure`, `bond`, `init` and `hidden` are of the networks of a formula
    (``kind = "rswn"``); `lr` is one learning rate or one a data set; `members` at most.
    """

    title: str
    family: Literal["rswn", "symmetric", "generic"]
    description: str
    kind: str
    epochs: Count
    lr: Rate | dict[str, Rate] | Literal["search"]
    options: Table = {}
    free: Table = {}
    channels: Count | None = None
    structure: str | None = None
    bond: Count | None = None
    init: Table = {}
    hidden: list[Count] = []
    members: Members | None = None


class Data(Section, kw_only=True):
    """The chains of a study: which data set, how many, how disordered (a list is a mixture)."""

    name: DataName
    train: Count
    validation: Count
    test: Count | None = None
    disorder: Amount | list[Amount] = 0.0

    @property
    def chance(self) -> float:
        """Accuracy of guessing."""
        return 1 / len(recipe_for(self.name).classes)


class Settings(Section, kw_only=True):
    """What every study runs on; `entries` are the networks of `networks`, from the catalogue."""

    study: str
    profile: str
    seed: Number
    workers: Count = 2
    networks: list[str] = []
    entries: dict[str, Entry] = {}

    def __post_init__(self) -> None:
        """Refuse names that are not known, as the types of the fields say it."""
        for path, known, name in _names("", type(self), self):
            among = getattr(self, known.among) if isinstance(known.among, str) else known.among
            check_choice(f"{known.what} in {path!r}", name, list(among))

    @property
    def titles(self) -> dict[str, str]:
        """Titles of the networks by key, and of the shifts."""
        shifts = {name: how.title for name, how in SHIFTS.items()}
        return shifts | {name: entry.title for name, entry in self.entries.items()}

    @property
    def families(self) -> dict[str, str]:
        """Families of the networks by key."""
        return {name: entry.family for name, entry in self.entries.items()}


class Profile(Settings, kw_only=True):
    """What a study runs on that trains networks.

    Attributes
    ----------
    members
        Of each network, at most; an entry may have fewer.
    chunk
        Members that are trained as one ensemble.
    batches
        Whether each member draws its own batches of chains, or all share them.
    threshold
        Accuracy that counts as high.
    device
        Where networks are trained and tested: ``"cpu"``, or a device of torch.
    """

    cells: Count
    members: Members
    chunk: Count
    batch_size: Count
    batches: Literal["own", "shared"] = "own"
    threshold: Share = 0.9
    device: str = "cpu"

    def members_of(self, name: str) -> int:
        """Members of a network: those of the profile, or those of its entry if they are fewer."""
        return min(self.members, self.entries[name].members or self.members)


P = TypeVar("P", bound=Settings)


def read_profile(
    kind: type[P],
    study: str,
    profile: str | Path = "quick",
    *,
    seed: int | None = None,
    members: int | None = None,
    workers: int | None = None,
) -> P:
    """The profile of a study by name, or from a TOML file, with its networks filled in.

    Raises
    ------
    FileError, ConfigError, UnknownNameError
        If it cannot be read, or is not as the study expects it: one line that names the key.
    """
    table = _shipped(study, str(profile)) if str(profile) in PROFILES else _own(profile)
    if table.get("study") != study:
        raise ConfigError(f"{profile} is a profile of {table.get('study')!r}, not of {study!r}")
    changes = {"seed": seed, "members": members, "workers": workers}
    table |= {key: value for key, value in changes.items() if value is not None}
    entries = overlaid(catalogue(), table.get("entries", {}))
    names = table.get("networks", [])
    for name in names if isinstance(names, list) else []:
        check_choice("network", name, entries)
    table["entries"] = {name: entries[name] for name in names}
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, TnlearnError):  # of a profile's own check
            raise error.__cause__ from None
        raise ConfigError(f"the profile {profile}: {_plain(str(error), kind)}") from None


def _shipped(study: str, name: str) -> Table:
    table = _profiles(study)
    differs = {profile: table.pop(profile, {}) for profile in PROFILES}
    return overlaid({"study": study, **table}, {**differs[name], "profile": name})


def _profiles(name: str) -> Table:
    text = resources.files("tnlearn.studies").joinpath("profiles", f"{name}.toml")
    return tomllib.loads(text.read_text(encoding="utf-8"))


def _own(path: str | Path) -> Table:
    if not str(path).endswith(".toml"):
        check_choice("profile", str(path), PROFILES)
    content = read_bytes(path)
    with parsing(path, "a profile in TOML"):
        return tomllib.loads(content.decode())


def catalogue() -> Table:
    """The networks of the catalogue, as tables."""
    return _profiles("networks")


def overlaid(under: Mapping[str, Any], over: Any) -> Table:
    """One table with the keys of another in place of its own; tables within are merged alike.

    >>> overlaid({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 4}})
    {'a': 1, 'b': {'c': 4, 'd': 3}}
    """
    if not isinstance(over, Mapping):
        raise ConfigError(f"expected a table, such as [entries.NAME], not {over!r}")
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = overlaid(merged[key], value) if both else value
    return merged


def _plain(message: str, kind: type[Struct]) -> str:
    """What msgspec found wrong, with the key as it stands in the file and the nearest right one."""
    message = message.replace("`$.", "`").replace(" - at `$`", "")
    unknown = re.search(r"unknown field `(\w+)`", message)
    if unknown:
        close = nearest(unknown[1], _fields(kind))
        message += f": did you mean {close!r}?" if close else ""
    return message


def _fields(kind: Any) -> list[str]:
    fields = msgspec.structs.fields(kind)
    inner = [t for f in fields for t in _structs(f.type)]
    return [f.name for f in fields] + [name for t in inner for name in _fields(t)]


def _structs(kind: Any) -> list[Any]:
    parts = [kind, *getattr(kind, "__args__", ())]
    return [t for t in parts if isinstance(t, type) and issubclass(t, Struct)]


def _names(path: str, kind: Any, value: Any) -> Iterator[tuple[str, Known, str]]:
    """The names in a value that its type marks, and where they stand."""
    inner = get_args(kind)
    if get_origin(kind) is Annotated:
        yield from ((path, mark, value) for mark in inner[1:] if isinstance(mark, Known))
    elif isinstance(value, Struct):
        for field in msgspec.structs.fields(value):
            where = f"{path}.{field.name}".removeprefix(".")
            yield from _names(where, field.type, getattr(value, field.name))
    elif isinstance(value, list) and inner:
        for item in value:
            yield from _names(path, inner[0], item)
    elif isinstance(value, dict) and inner:
        for key, item in value.items():
            yield from _names(path, inner[0], key)
            yield from _names(f"{path}.{key}", inner[1], item)


def as_record(value: Struct) -> Table:
    """A profile, or a table of it, as JSON holds it; fields at their defaults are left out."""
    record: Table = msgspec.to_builtins(value)
    return record


def as_toml(profile: Settings) -> str:
    """The whole profile as a TOML file that `read_profile` reads; without `workers`.

    How many processes share the work does not change a result.
    """
    record = as_record(profile)
    record.pop("workers", None)
    text: str = tomli_w.dumps(record)
    return text
