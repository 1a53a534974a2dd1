"""Profiles: what a comparison runs on, read from TOML and checked key by key."""

from __future__ import annotations

import copy
import json
import math
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from tnlearn.errors import ConfigError, FileError, check_choice

__all__ = ["NETWORK", "SHIPPED", "WORKERS", "check_table", "load_profile", "read_toml", "to_toml"]

SHIPPED = ("quick", "paper")

# Processes where a profile does not say how many, as the config.toml of a run does not: they decide
# no result.
WORKERS = 2

Profile = dict[str, Any]
Schema = Mapping[str, Any]

# What may stand in a profile: a type, a nested table, or a table of such tables by name
# (under "*").  A type with "?" before it may be missing.
NETWORK: Schema = {
    "title": "str",
    "family": "str",
    "description": "str",
    "kind": "str",
    "options": "?table",
    "free": "?table",
    "channels": "?int",
    "structure": "?str",
    "bond": "?int",
    "init": "?table",
    "hidden": "?list",
    "members": "?int",
    "epochs": "int",
    "lr": "number or table",
}
_DATA: Schema = {
    "train": "int",
    "validation": "int",
    "test": "int",
    "disorder": "?number",
    "shifts": "list",
}
_SCHEMA: Schema = {
    "profile": "str",
    "cells": "int",
    "seed": "int",
    "members": "int",
    "workers": "int",
    "batch_size": "int",
    "batches": "str",
    "threshold": "number",
    "data": {"*": _DATA},
    "networks": {"*": NETWORK},
    "search": {
        "?": True,
        "rates": "list",
        "members": "int",
        "epochs": "?int",
    },
    "pruning": {"?": True, "data": "str", "networks": "list", "node": "str"},
    "learned": {"?": True, "data": "str", "network": "str", "node": "str"},
    "trainability": {
        "?": True,
        "data": "str",
        "networks": "list",
        "scales": "list",
        "members": "int",
        "epochs": "int",
        "train": "int",
    },
}


def load_profile(
    given: str | Path,
    *,
    seed: int | None = None,
    members: int | None = None,
    workers: int | None = None,
) -> Profile:
    """A shipped profile by name, or one from a TOML file, with what the user overrides.

    `members` replaces the number of members of the profile and of every network in it.

    Raises
    ------
    FileError
        If the file cannot be read.
    ConfigError, UnknownNameError
        If it is not TOML, or a key is unknown, missing or of the wrong type.
    """
    profile = read_toml(given, {name: f"{name}.toml" for name in SHIPPED})
    profile.setdefault("workers", WORKERS)
    check_table(profile, _SCHEMA)
    if seed is not None:
        profile["seed"] = seed
    if workers is not None:
        profile["workers"] = workers
    if members is not None:
        profile["members"] = members
        for network in profile["networks"].values():
            network.pop("members", None)
    _check_names(profile)
    return profile


def read_toml(given: str | Path, shipped: Mapping[str, str]) -> Profile:
    """The profile of that name among the `shipped` (name -> file), or the one in a TOML file.

    Raises
    ------
    FileError, ConfigError, UnknownNameError
        If it cannot be read, is not TOML, or is neither shipped nor a ``.toml`` file.
    """
    name = str(given)
    if name in shipped:
        folder = resources.files("tnlearn.studies").joinpath("profiles")
        text = folder.joinpath(shipped[name]).read_text(encoding="utf-8")
    elif name.endswith(".toml"):
        try:
            text = Path(given).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise FileError(f"cannot read the profile {name}: {reason}") from error
    else:
        check_choice("profile", name, list(shipped))
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the profile {name} is not valid TOML: {error}") from error


def check_table(table: Any, schema: Schema, where: str = "") -> None:
    """Refuse a table with an unknown or missing key, or a value of the wrong type.

    Raises
    ------
    ConfigError, UnknownNameError
        Naming the key, what is expected and what was given.
    """
    if not isinstance(table, dict):
        raise ConfigError(f"{where or 'the profile'} must be a table, not {table!r}")
    if "*" in schema:
        if not table:
            raise ConfigError(f"[{where}] is empty; name at least one")
        for name, inner in table.items():
            check_table(inner, schema["*"], f"{where}.{name}")
        return
    known = [key for key in schema if key != "?"]
    for key, value in table.items():
        check_choice(f"key in {f'[{where}]' if where else 'the profile'}", key, known)
        path = f"{where}.{key}" if where else key
        expected = schema[key]
        if isinstance(expected, str):
            _check_type(path, value, expected.lstrip("?"))
        else:
            check_table(value, expected, path)
    for key in known:
        expected = schema[key]
        optional = expected.startswith("?") if isinstance(expected, str) else "?" in expected
        if not optional and key not in table:
            raise ConfigError(f"the profile lacks {key!r}{f' in [{where}]' if where else ''}")


def _check_type(path: str, value: Any, expected: str) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = {
        "str": isinstance(value, str),
        "int": number and isinstance(value, int) and value >= 0,
        "number": number and math.isfinite(value),
        "list": isinstance(value, list) and bool(value),
        "table": isinstance(value, dict),
        "number or table": number or isinstance(value, dict) or value == "search",
    }[expected]
    if not fits:
        raise ConfigError(f"{path} must be of type {expected}, not {value!r}")


def _check_names(profile: Profile) -> None:
    """Whatever names a network or a data set must name one that is there."""
    networks, data = list(profile["networks"]), list(profile["data"])
    for key in ("pruning", "trainability", "learned"):
        section = profile.get(key)
        if section is None:
            continue
        check_choice(f"data set in [{key}]", section["data"], data)
        for name in section.get("networks", [section.get("network")]):
            check_choice(f"network in [{key}]", name, networks)
    for name, network in profile["networks"].items():
        lr = network["lr"]
        if lr == "search" and "search" not in profile:
            raise ConfigError(f"networks.{name}.lr is 'search' but the profile has no [search]")
        if isinstance(lr, dict) and set(lr) < set(data):
            missing = ", ".join(sorted(set(data) - set(lr)))
            raise ConfigError(f"networks.{name}.lr gives no rate for {missing}")


def to_toml(profile: Profile) -> str:
    """The profile as TOML, with every override in place."""
    lines: list[str] = []
    _write_table(copy.deepcopy(profile), "", lines)
    return "\n".join(lines) + "\n"


def _write_table(table: Mapping[str, Any], path: str, lines: list[str]) -> None:
    plain = {key: value for key, value in table.items() if not _is_section(path, value)}
    for key, value in plain.items():
        lines.append(f"{key} = {_value(value)}")
    for key, value in table.items():
        if key not in plain:
            inner = f"{path}.{_key(key)}" if path else _key(key)
            if any(not _is_section(inner, x) for x in value.values()) or not value:
                lines += ["", f"[{inner}]"]
            _write_table(value, inner, lines)


def _is_section(path: str, value: Any) -> bool:
    return isinstance(value, dict) and path.count(".") < 1


def _key(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(value)
