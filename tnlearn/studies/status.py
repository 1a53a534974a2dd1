"""How far a run is: the tasks of a study, and how many of them have a result.

>>> from tnlearn.studies.status import status
>>> [(row.kind, row.done, row.tasks) for row in status("exact", out="nowhere")]
[('exact-precision', 0, 12)]
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tnlearn.studies.results import find
from tnlearn.studies.study import folder_of, read_studies

__all__ = ["Row", "status"]


@dataclass(frozen=True)
class Row:
    """The tasks of one kind.

    Attributes
    ----------
    study, kind : str
    tasks : int
        How many there are.
    done : int
        How many of them have a result that can be used.
    """

    study: str
    kind: str
    tasks: int
    done: int


def status(
    name: str,
    profile: str | Path = "quick",
    out: str | Path | None = None,
    *,
    seed: int | None = None,
    members: int | None = None,
) -> list[Row]:
    """The tasks of a study and how many are done, a row a kind; nothing is run or written.

    Parameters
    ----------
    name, profile, out, seed, members
        As of `tnlearn.study`; the folder need not be there.

    Raises
    ------
    FileError, ConfigError, UnknownNameError
        If the study or its profile is not as it should be.
    """
    folder = folder_of(name, profile, out) / "tasks"
    rows = []
    for study, read in read_studies(name, profile, seed=seed, members=members):
        unique = {task.key: task for task in study.tasks(read)}.values()
        counts = Counter(task.kind for task in unique)
        done = Counter(task.kind for task in unique if find(folder, task) is not None)
        rows += [Row(study.name, kind, counts[kind], done[kind]) for kind in counts]
    return rows
