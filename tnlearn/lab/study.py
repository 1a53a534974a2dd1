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
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tnlearn.errors import ConfigError, check_choice
from tnlearn.files import make_folder, write_bytes
from tnlearn.lab.environment import environment
from tnlearn.lab.folder import add_seconds, claim_folder
from tnlearn.lab.job import Task, done
from tnlearn.lab.profile import Settings, as_record, read_profile
from tnlearn.lab.tasks import run_tasks
from tnlearn.look import png
from tnlearn.report.claims import Claim, Picture, Verdict, paragraphs
from tnlearn.report.figures import FAMILIES
from tnlearn.report.kept import FORMAT, overview
from tnlearn.report.page import render

__all__ = ["GROUPS", "STUDIES", "Study", "load_study", "status", "study"]

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


@dataclass(frozen=True)
class Study:
    """A question put to many networks: what a module of `tnlearn.studies` says and defines.

    Attributes
    ----------
    module, text : str
        ``__name__`` and ``__doc__`` of the module: its docstring begins with the question.
    profile
        A `lab.profile.Settings` (or `Profile`): what it runs on, as typed fields.
    grid
        ``grid(profile)``: independent tasks, each with labels that say of what it is.
    run
        ``run(task, profile, store)``: does one, in any process, and returns a row a member and
        condition; `store` is the folder of trained ensembles.  A function of a module.
    claims
        What the table decides.
    figures
        Functions ``draw(table, profile)``, or pictures of a claim's findings (`Claim.picture`).
    tables
        Functions ``rows(table, profile)`` of tables of the page that decide nothing; their heads
        are their docstrings.
    columns
        The label that heads the columns of tables on the page.
    """

    module: str
    text: str | None
    profile: type[Settings]
    grid: Callable[[Any], Iterator[Task]]
    run: Callable[[Task, Any, Path], pd.DataFrame]
    claims: tuple[Claim, ...] = ()
    figures: tuple[Picture | Callable[[pd.DataFrame, Any], Figure | None], ...] = ()
    tables: tuple[Callable[[pd.DataFrame, Any], pd.DataFrame], ...] = ()
    columns: str = ""

    @property
    def name(self) -> str:
        """Of its module."""
        return self.module.rpartition(".")[2]

    @property
    def question(self) -> str:
        """With which the module begins."""
        return (self.text or "").partition("\n")[0]

    @property
    def pictures(self) -> list[Picture]:
        """The figures with their names and captions."""
        return [f if isinstance(f, Picture) else Picture(f) for f in self.figures]

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
    report = None
    for one, read in every:
        begin, place = time.perf_counter(), folder if len(every) == 1 else folder / one.name
        tasks = one.tasks(read)
        claim_folder(place, read, f"tnlearn study {one.name}")
        tables = run_tasks(
            tasks,
            folder / "tasks",
            partial(_work, one.run, read),
            workers=read.workers,
            scheduler=scheduler,
            part=part,
            progress=progress,
        )
        seconds = add_seconds(place, time.perf_counter() - begin)
        if part is None:
            report = write_report(one, read, assembled(tasks, tables), place, command, seconds)
    if part is not None or len(every) == 1:
        return report
    write_bytes(folder / "report.html", overview(folder, f"The studies of {name!r}").encode())
    return folder


def _work(
    run: Callable[[Task, Any, Path], pd.DataFrame], profile: Settings, task: Task, folder: Path
) -> pd.DataFrame:
    """What a process does with a task; ensembles are kept beside the folder of tasks."""
    return run(task, profile, folder.parent / "trained")


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
    folder: Path,
    command: str,
    seconds: float,
) -> Path:
    """Decide the claims, draw the figures, and write all files of a study; return the page's path.

    Raises
    ------
    FileError
        If one cannot be written.
    """
    verdicts = chosen.decide(table, profile)
    titles = {family: words for family, (words, _) in FAMILIES.items()} | profile.titles
    data = getattr(getattr(profile, "data", None), "name", "")
    pictures = {}
    for picture in chosen.pictures:
        figure = picture.drawn(table, profile, verdicts)
        if figure is not None:
            pictures[picture] = png(figure)
    results = {
        "format": FORMAT,
        "study": chosen.name,
        "title": chosen.question,
        "config": as_record(profile),
        "environment": environment(profile.workers),
        "command": command,
        "seconds": seconds,
        "findings": [f for v in verdicts.values() for f in v.records(titles, data)],
        "verdicts": [v.record(titles) for v in verdicts.values() if v.word],
        "figures": [f"{picture.name}.png" for picture in pictures],
    }
    page = render(
        results,
        list(verdicts.values()),
        [(picture.caption, content) for picture, content in pictures.items()],
        [(paragraphs(rows)[0].rstrip("."), rows(table, profile)) for rows in chosen.tables],
        titles,
        chosen.columns,
    )
    figures = make_folder(folder / "figures")
    for picture, content in pictures.items():
        write_bytes(figures / f"{picture.name}.png", content)
    write_bytes(folder / "table.csv.gz", _csv(table))
    text = json.dumps(results, indent=1, allow_nan=False, ensure_ascii=False)
    write_bytes(folder / "results.json", text.encode())
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
