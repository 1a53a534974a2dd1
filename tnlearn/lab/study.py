"""A study: a question, a grid of tasks, one table of what they measured, and the claims it decides.

study("samples")                                      the short default
study("sizes", profile="paper", scheduler="tcp://…")  everything, on a cluster
study("all", profile="hour", out="results")           every study, sharing what they train
"""

from __future__ import annotations

import hashlib
import importlib
import io
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tnlearn.errors import ConfigError, check_choice
from tnlearn.files import make_folder, write_bytes
from tnlearn.lab.environment import environment
from tnlearn.lab.folder import add_seconds, claim_folder
from tnlearn.lab.profile import Settings, as_record, read_profile
from tnlearn.lab.tasks import Task, done, run_tasks
from tnlearn.report.claims import Claim, Verdict
from tnlearn.report.figures import FAMILIES, png
from tnlearn.report.kept import FORMAT, overview
from tnlearn.report.page import render

__all__ = ["GROUPS", "STUDIES", "Listing", "Picture", "Study", "load_study", "status", "study"]

# In the order in which `all` does them: what trains most for the others comes first.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "trainability": ("maps", "basin", "gradients", "curvature"),
    "pruning": ("pruning", "masked"),
    "disorder": ("disorder", "amplitudes"),
}
STUDIES = (
    "exact",
    "maps",
    "basin",
    "gradients",
    "curvature",
    "pruning",
    "masked",
    "audit",
    "sizes",
    "disorder",
    "amplitudes",
    "samples",
    "widths",
    "marker",
    "comparison",
)

MOST = 100_000  # tasks of a study

Verdicts = Mapping[str, Verdict]
Draw = Callable[[pd.DataFrame, Any, Verdicts], Figure | None]


@dataclass(frozen=True)
class Picture:
    """A figure of a study: the name of its file, its caption, and who draws it.

    ``draw(table, profile, verdicts)``, with the verdicts by the keys of their claims; None where
    the table holds nothing to draw.
    """

    name: str
    caption: str
    draw: Draw


@dataclass(frozen=True)
class Listing:
    """A table of the page that decides nothing: its heading, and ``rows(table, profile)``."""

    heading: str
    rows: Callable[[pd.DataFrame, Any], pd.DataFrame]


@dataclass(frozen=True)
class Study:
    """A question put to many networks.

    Attributes
    ----------
    name, question : str
    profile
        A `lab.profile.Settings` (or `Profile`): what it runs on, as typed fields.
    grid
        ``grid(profile)``: independent tasks, each with labels that say of what it is.
    run
        ``run(task, profile, store)``: does one, in any process, and returns a row a member and
        condition; `store` is the folder of trained ensembles.  A function of a module.
    claims, figures, tables
        What the table decides, and shows.
    columns
        The label that heads the columns of tables on the page.
    """

    name: str
    question: str
    profile: type[Settings]
    grid: Callable[[Any], Iterator[Task]]
    run: Callable[[Task, Any, Path], pd.DataFrame]
    claims: tuple[Claim, ...] = ()
    figures: tuple[Picture, ...] = ()
    tables: tuple[Listing, ...] = ()
    columns: str = ""

    def tasks(self, profile: Settings) -> list[Task]:
        """The tasks of a profile, each named by all that decides its result."""
        content = json.dumps(as_record(profile) | {"workers": None}, sort_keys=True)
        context = hashlib.sha256(content.encode()).hexdigest()
        tasks = list(itertools.islice(self.grid(profile), MOST + 1))
        if len(tasks) > MOST:
            raise ConfigError(
                f"the study {self.name!r} would have more than {MOST:,} tasks: take fewer members, "
                "or larger chunks of them"
            )
        return [replace(task, study=self.name, context=context) for task in tasks]

    def decide(self, table: pd.DataFrame, profile: Settings) -> dict[str, Verdict]:
        """The verdicts of the claims by their keys."""
        return {claim.key: claim.decide(table, profile) for claim in self.claims}


@dataclass(frozen=True)
class _Work:
    """What a process does with a task of a study."""

    run: Callable[[Task, Any, Path], pd.DataFrame]
    profile: Settings

    def __call__(self, task: Task, folder: Path) -> pd.DataFrame:
        return self.run(task, self.profile, folder.parent / "trained")


def load_study(name: str) -> Study:
    """The study of that name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    check_choice("study", name, STUDIES)
    loaded: Study = importlib.import_module(f"tnlearn.studies.{name}").STUDY
    return loaded


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
    command: str = "",
) -> Path | None:
    """Run a study, or go on with it, and write its report.

    Parameters
    ----------
    name
        One of `GROUPS`, or ``"all"``, for several in turn, which then share what they train; else
        one of `STUDIES`.
    profile
        ``"quick"`` (a minute or two), ``"hour"``, ``"paper"`` (hours, or a cluster), or a TOML
        file.
    out
        The folder: ``report.html``, ``results.json``, ``table.csv.gz``, ``figures/*.png``,
        ``config.toml``, and what is needed to go on: ``tasks`` and ``trained``.  Default:
        ``study-NAME-PROFILE``.  Several studies have a folder each in it, but share the last two.
    seed, members, workers
        Instead of those of the profile.
    scheduler
        Address of a dask.distributed scheduler that does the tasks, instead of processes here.
    part
        ``(i, n)``: do only the i-th of n shares of the tasks (from 1) and write no report; for
        job arrays.  When all shares are done, the same call without it writes the report.
    progress
        Whether to show a bar on stderr.
    command
        How the report says that it was made; default: ``tnlearn study NAME``.

    Returns
    -------
    Path or None
        Of the report (of the folder for several studies); None where only a part was done.

    Raises
    ------
    ConfigError, UnknownNameError
        If the study or its profile is not as it should be.
    FileError, CheckpointError
        If the folder cannot be used, or holds something else; nothing in it is changed then.
    """
    folder = folder_of(name, profile, out)
    overrides = {"seed": seed, "members": members, "workers": workers}
    every = read_studies(name, profile, **overrides)
    options = {"profile": profile, "out": folder, **overrides}
    words = [f"--{key} {value}" for key, value in options.items() if value is not None]
    command = " ".join([command or f"tnlearn study {name}", *words])
    if len(every) == 1:
        return _run(*every[0], folder, folder, command, scheduler, part, progress)
    for one, read in every:
        _run(one, read, folder / one.name, folder, command, scheduler, part, progress)
    if part is not None:
        return None
    write_bytes(folder / "report.html", overview(folder, f"The studies of {name!r}").encode())
    return folder


def folder_of(name: str, profile: str | Path, out: str | Path | None) -> Path:
    """The folder of a run: `out`, or ``study-NAME-PROFILE``."""
    return Path(out) if out is not None else Path(f"study-{name}-{Path(profile).stem}")


def read_studies(
    name: str, profile: str | Path, **overrides: int | None
) -> list[tuple[Study, Settings]]:
    """The study of that name, those of a group, or all of them, each with its profile.

    Raises
    ------
    FileError, ConfigError, UnknownNameError
        As `load_study` and `read_profile`, and if a file is given as the profile of several.
    """
    # A group may have the name of one of its studies: a file is a profile of that one.
    alone = name in STUDIES and str(profile).endswith(".toml")
    names = STUDIES if name == "all" else (name,) if alone else GROUPS.get(name, (name,))
    if len(names) > 1 and str(profile).endswith(".toml"):
        raise ConfigError(
            f"a profile is of one study, and {name!r} is several ({', '.join(names)}): name one "
            "of them, or one of the shipped profiles"
        )
    if len(names) == 1:
        check_choice("study", name, (*STUDIES, *GROUPS, "all"))
    every = [load_study(one) for one in names]
    return [(s, read_profile(s.profile, s.name, profile, **overrides)) for s in every]


def _run(
    chosen: Study,
    profile: Settings,
    folder: Path,
    shared: Path,
    command: str,
    scheduler: str | None,
    part: tuple[int, int] | None,
    progress: bool,
) -> Path | None:
    """One study: its page in `folder`, its tasks and what they train in `shared`."""
    begin = time.perf_counter()
    tasks = chosen.tasks(profile)
    claim_folder(folder, profile, f"tnlearn study {chosen.name}")
    tables = run_tasks(
        tasks,
        shared / "tasks",
        _Work(chosen.run, profile),
        workers=profile.workers,
        scheduler=scheduler,
        part=part,
        progress=progress,
    )
    seconds = add_seconds(folder, time.perf_counter() - begin)
    if part is not None:
        return None
    table = assembled(tasks, tables)
    results = {
        "format": FORMAT,
        "study": chosen.name,
        "title": chosen.question,
        "config": as_record(profile),
        "environment": environment(profile.workers),
        "command": command,
        "seconds": seconds,
    }
    return write_report(chosen, profile, table, results, folder)


def assembled(tasks: Sequence[Task], tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The table of a study: the rows of all tasks one below the other, with their labels."""
    parts = []
    for task in tasks:
        rows = tables[task.key]
        labels = pd.DataFrame([dict(task.labels)] * len(rows), index=rows.index)
        parts.append(pd.concat([labels, rows], axis=1))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def write_report(
    chosen: Study,
    profile: Settings,
    table: pd.DataFrame,
    results: Mapping[str, Any],
    folder: Path,
) -> Path:
    """Decide the claims, draw the figures, and write all files of a study; return the page's path.

    Raises
    ------
    FileError
        If one cannot be written.
    """
    verdicts = chosen.decide(table, profile)
    drawn = [(p, p.draw(table, profile, verdicts)) for p in chosen.figures]
    pictures = {picture: png(figure) for picture, figure in drawn if figure is not None}
    titles = {family: words for family, (words, _) in FAMILIES.items()} | profile.titles
    data = getattr(getattr(profile, "data", None), "name", "")
    results = {
        **results,
        "findings": [f for v in verdicts.values() for f in v.records(titles, data)],
        "verdicts": [v.record(titles) for v in verdicts.values() if v.word],
        "figures": [f"{picture.name}.png" for picture in pictures],
    }
    figures = make_folder(folder / "figures")
    for picture, content in pictures.items():
        write_bytes(figures / f"{picture.name}.png", content)
    write_bytes(folder / "table.csv.gz", _csv(table))
    text = json.dumps(results, indent=1, allow_nan=False, ensure_ascii=False)
    write_bytes(folder / "results.json", text.encode())
    captions = [(picture.caption, content) for picture, content in pictures.items()]
    listings = [(listing.heading, listing.rows(table, profile)) for listing in chosen.tables]
    page = render(results, list(verdicts.values()), captions, listings, titles, chosen.columns)
    return write_bytes(folder / "report.html", page.encode())


def _csv(table: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    table.to_csv(stream, index=False, compression={"method": "gzip", "mtime": 0})
    return stream.getvalue()


def status(
    name: str,
    profile: str | Path = "quick",
    out: str | Path | None = None,
    *,
    seed: int | None = None,
    members: int | None = None,
) -> list[tuple[str, str, int, int]]:
    """How far a run is: ``(study, kind of task, done, tasks)``; nothing is run or written.

    Raises
    ------
    FileError, ConfigError, UnknownNameError
        If the study or its profile is not as it should be.
    """
    folder = folder_of(name, profile, out) / "tasks"
    rows = []
    for chosen, read in read_studies(name, profile, seed=seed, members=members):
        unique = {task.key: task for task in chosen.tasks(read)}.values()
        total = Counter(task.kind for task in unique)
        ready = Counter(task.kind for task in unique if done(folder, task) is not None)
        rows += [(chosen.name, kind, ready[kind], total[kind]) for kind in total]
    return rows
