"""A task, and the file of its result: named by a hash, written whole, checked when it is read."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tnlearn.files import replace_file

__all__ = ["Result", "Task", "find", "jsonable", "keep", "path_of", "read_json", "write_json"]

Result = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """One piece of work: what kind, on what; `weight` only decides the order."""

    kind: str
    title: str
    config: dict[str, Any]
    weight: float = 1.0

    @property
    def key(self) -> str:
        """Hash of the kind and the configuration; the name of the result's file."""
        text = json.dumps([self.kind, self.config], sort_keys=True)
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def jsonable(value: Any) -> Any:
    """The value as JSON can hold it: arrays as lists, NaN and infinity as null."""
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all.

    Raises
    ------
    FileError
        If it cannot be written; what was there before is unchanged.
    """
    text = json.dumps(jsonable(value), indent=1, allow_nan=False).encode()
    replace_file(path, lambda stream: stream.write(text))


def read_json(path: Path) -> Any:
    """The JSON of a file, or None if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def path_of(folder: Path, task: Task) -> Path:
    """The file of a task's result."""
    return folder / f"{task.key}.json"


def keep(folder: Path, task: Task, result: Result) -> None:
    """Write the result of a task, whole or not at all.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    write_json(
        path_of(folder, task),
        {
            "key": task.key,
            "title": task.title,
            "config": task.config,
            "sha256": _sum(result),
            "result": result,
        },
    )


def find(folder: Path, task: Task) -> Result | None:
    """The result of a task, or None if it is not there or not as it was written.

    The file's name is a hash of the configuration, so a file of this name that holds
    another task, another configuration, or content that does not match its checksum is
    a damaged or renamed copy.  It counts as missing: doing the task again gives the
    result that belongs there, and nothing else can belong there.
    """
    found = read_json(path_of(folder, task))
    if not isinstance(found, dict) or not isinstance(result := found.get("result"), dict):
        return None
    # The results of earlier versions have no checksum.
    whole = found.get("sha256") in (None, _sum(result))
    ours = found.get("key") == task.key and _text(found.get("config")) == _text(task.config)
    return result if whole and ours else None


def _text(value: Any) -> str:
    return json.dumps(jsonable(value), sort_keys=True)


def _sum(result: Result) -> str:
    return hashlib.sha256(_text(result).encode()).hexdigest()
