"""A study: a question, its tasks, and the page that answers it; run by name, resumed by running.

study("pruning")                                      the short default
study("sizes", profile="paper", scheduler="tcp://…")  everything, on a cluster
study("all", profile="hour", out="results")           every study, sharing what they train
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tnlearn.errors import ConfigError, check_choice
from tnlearn.lab.environment import environment
from tnlearn.report.study import Page, write_page
from tnlearn.studies.folder import claim
from tnlearn.studies.profile import NETWORK, WORKERS, Profile, check_table, read_toml
from tnlearn.studies.tasks import Result, Task, read_json, run_tasks, write_json

__all__ = [
    "PROFILES",
    "STUDIES",
    "Study",
    "folder_of",
    "load_study",
    "read_profile",
    "read_studies",
    "study",
]

FORMAT = "tnlearn-study/1"

# In the order in which `all` does them: what trains most for the others comes first.
STUDIES: tuple[str, ...] = ()
PROFILES = ("quick", "hour", "paper")

# What every profile of a study says; the study adds its own keys.
_COMMON: Mapping[str, Any] = {
    "study": "str",
    "profile": "str",
    "cells": "int",
    "seed": "int",
    "members": "int",
    "chunk": "int",
    "workers": "int",
    "batch_size": "int",
    "batches": "str",
    "threshold": "number",
    "networks": "?list",
}


@dataclass(frozen=True)
class Study:
    """A question put to many networks.

    Attributes
    ----------
    name
        As on the command line.
    title
        The question.
    schema
        The keys of its profile beyond the common ones, as `profile.check_table` reads them.
    tasks
        ``tasks(profile)``: independent pieces of work, each named by all that decides its result.
    work
        ``work(task, folder)``: does one; a function of a module, as it runs in other processes.
    assemble
        ``assemble(profile, [(task, result), …])``: the numbers of ``results.json``, with
        `findings`, the list of those that a claim rests on.
    page
        ``page(results, folder)``: draws them.
    """

    name: str
    title: str
    schema: Mapping[str, Any]
    tasks: Callable[[Profile], Sequence[Task]]
    work: Callable[[Task, Path], Result]
    assemble: Callable[[Profile, list[tuple[Task, Result]]], dict[str, Any]]
    page: Callable[[Mapping[str, Any], Path], Page]


def load_study(name: str) -> Study:
    """The study of that name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    check_choice("study", name, STUDIES)
    found: Study = importlib.import_module(f"tnlearn.studies.{name}").STUDY
    return found


def read_profile(
    chosen: Study,
    given: str | Path = "quick",
    *,
    seed: int | None = None,
    members: int | None = None,
    workers: int | None = None,
) -> Profile:
    """A profile of a study, by name or from a TOML file, checked and with its networks filled in.

    `networks` names entries of the comparison's catalogue (``profiles/quick.toml``); a table
    ``[entries.NAME]`` replaces single keys of one, or adds a network of its own.

    Raises
    ------
    FileError, ConfigError, UnknownNameError
        If it cannot be read, or is not as the study expects it.
    """
    profile = read_toml(given, {name: f"{chosen.name}-{name}.toml" for name in PROFILES})
    profile.setdefault("workers", WORKERS)
    catalogue: dict[str, Any] = read_toml("quick", {"quick": "quick.toml"})["networks"]
    entries = {name: dict(entry) for name, entry in catalogue.items()}
    added = profile.pop("entries", {})
    if not isinstance(added, dict):
        raise ConfigError(f"entries must be tables [entries.NAME], not {added!r}")
    for name, entry in added.items():
        entries[name] = {**entries.get(name, {}), **entry}
    check_table(profile, {**_COMMON, **chosen.schema})
    if profile["study"] != chosen.name:
        raise ConfigError(f"{given} is a profile of {profile['study']!r}, not of {chosen.name!r}")
    overrides = {"seed": seed, "members": members, "workers": workers}
    profile |= {key: value for key, value in overrides.items() if value is not None}
    for key in ("members", "chunk", "workers", "batch_size"):
        if profile[key] < 1:
            raise ConfigError(f"{key} must be at least 1, not {profile[key]}")
    profile["entries"] = {}
    for name in profile.get("networks", ()):
        check_choice("network", name, list(entries))
        check_table(entries[name], NETWORK, f"entries.{name}")
        profile["entries"][name] = entries[name]
    return profile


def study(
    name: str,
    profile: str | Path = "quick",
    out: str | Path | None = None,
    *,
    seed: int | None = None,
    members: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    part: tuple[int, int] | None = None,
    progress: bool = True,
) -> Path | None:
    """Run a study, or go on with it, and write its report.

    Parameters
    ----------
    name
        One of `STUDIES`, or ``"all"`` for each of them in turn; they then share what they train.
    profile
        ``"quick"`` (a minute or two), ``"hour"`` (all of them in 75 minutes on two cores),
        ``"paper"`` (hours, or a cluster), or a TOML file.
    out
        The folder: ``report.html``, ``results.json``, ``figures/*.png``, ``config.toml``, and what
        is needed to go on: ``tasks`` and ``trained``.  Default: ``study-NAME-PROFILE``.  For
        ``"all"`` the reports are in one folder a study, ``tasks`` and ``trained`` shared.
    seed, members, workers
        Instead of those of the profile.
    scheduler
        Address of a dask.distributed scheduler that does the tasks, instead of processes here.
    part
        ``(i, n)``: do only the i-th of n shares of the tasks (from 1) and write no report; for
        job arrays.  When all shares are done, the same call without it writes the report.
    progress
        Whether to show a bar on stderr.

    Returns
    -------
    Path or None
        Of the report (of the folder for ``"all"``); None where only a part was done.

    Raises
    ------
    ConfigError, UnknownNameError
        If the study or its profile is not as it should be.
    FileError, CheckpointError
        If the folder cannot be used, or holds something else; nothing in it is changed then.
    """
    folder = folder_of(name, profile, out)
    how: dict[str, Any] = {"progress": progress}
    how |= {} if scheduler is None else {"scheduler": scheduler}
    how |= {} if part is None else {"part": part}
    overrides = {"seed": seed, "members": members, "workers": workers}
    every = read_studies(name, profile, **overrides)
    command = _command(name, profile, folder, overrides)
    if name != "all":
        return _run(*every[0], folder, folder, command, how)
    for one, read in every:
        _run(one, read, folder / one.name, folder, command, how)
    return None if part is not None else folder


def folder_of(name: str, profile: str | Path, out: str | Path | None) -> Path:
    """The folder of a run: `out`, or ``study-NAME-PROFILE``."""
    return Path(out) if out is not None else Path(f"study-{name}-{Path(profile).stem}")


def read_studies(
    name: str, profile: str | Path, **overrides: int | None
) -> list[tuple[Study, Profile]]:
    """The study of that name, or all of them for ``"all"``, each with its profile.

    Raises
    ------
    FileError, ConfigError, UnknownNameError
        As `load_study` and `read_profile`, and if a file is given as the profile of all.
    """
    if name != "all":
        chosen = load_study(name)
        return [(chosen, read_profile(chosen, profile, **overrides))]
    if str(profile).endswith(".toml"):
        raise ConfigError("a profile is of one study: with 'all', name one of the shipped profiles")
    return [(one, read_profile(one, profile, **overrides)) for one in map(load_study, STUDIES)]


def _run(
    chosen: Study,
    profile: Profile,
    folder: Path,
    shared: Path,
    command: str,
    how: dict[str, Any],
) -> Path | None:
    """One study: its page in `folder`, its tasks and what they train in `shared`."""
    begin = time.perf_counter()
    tasks = list(chosen.tasks(profile))
    stray = [task.kind for task in tasks if not task.kind.startswith(chosen.name)]
    if stray:
        raise ConfigError(f"a task of {chosen.name} must be named after it, not {stray[0]!r}")
    claim(folder, profile, f"tnlearn study {chosen.name}", ("figures",))
    spent = read_json(folder / "seconds.json") or 0.0
    found = run_tasks(tasks, shared / "tasks", chosen.work, workers=profile["workers"], **how)
    total = spent + time.perf_counter() - begin
    write_json(folder / "seconds.json", total)
    if "part" in how:
        return None
    results = {
        "format": FORMAT,
        "study": chosen.name,
        "title": chosen.title,
        "config": profile,
        "environment": environment(profile["workers"]),
        "command": command,
        "seconds": total,
        **chosen.assemble(profile, [(task, found[task.key]) for task in tasks]),
    }
    write_json(folder / "results.json", results)
    # What is drawn is what the file says: the page can be made again from the file alone.
    read = read_json(folder / "results.json")
    return write_page(read, chosen.page(read, folder), folder)


def _command(name: str, profile: str | Path, folder: Path, overrides: Mapping[str, Any]) -> str:
    given = {"profile": profile, "out": folder, **overrides}
    options = [f"--{key} {value}" for key, value in given.items() if value is not None]
    return " ".join(["tnlearn study", name, *options])
