"""A table as the file of a result: JSON, written whole, checked when it is read.

Floats keep every bit; NaN and infinity are null there and NaN again in the table; a cell may hold
an array, as nested lists.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from tnlearn.errors import FileError
from tnlearn.files import parsing, read_json, replace_file

__all__ = ["Columns", "columns_of", "jsonable", "read_result", "table_of", "write_result"]

Columns = dict[str, list[Any]]


def jsonable(value: Any) -> Any:
    """The value as JSON can hold it: arrays as lists, NaN, infinity and NA as null."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value


def columns_of(table: pd.DataFrame) -> Columns:
    """The columns of a table as JSON can hold them; its index is left behind."""
    return {str(name): jsonable(table[name]) for name in table.columns}


def table_of(columns: Columns) -> pd.DataFrame:
    """The table of such columns, the same for the same text."""
    return pd.DataFrame({name: _filled(values) for name, values in columns.items()})


def _filled(value: Any) -> Any:
    """A column, or the array in a cell, with NaN for null: else it would be one of objects."""
    if isinstance(value, list):
        return [_filled(item) for item in value]
    return math.nan if value is None else value


def read_result(path: Path, key: str) -> Columns | None:
    """The columns in a file, or None if it is not there, not of that key, or not as written."""
    with contextlib.suppress(FileError), parsing(path, "a result"):
        content = read_json(path, "a result")
        if content["key"] == key and content["sha256"] == _digest(content):
            columns: Columns = content["columns"]
            return columns
    return None


def write_result(path: Path, key: str, about: Mapping[str, Any], columns: Columns) -> None:
    """Write columns whole or not at all; `about` says to a reader what they are of.

    Raises
    ------
    FileError
        If the file cannot be written; what was there before is unchanged.
    """
    content = jsonable({"key": key, **about, "columns": columns})
    text = json.dumps({**content, "sha256": _digest(content)}, allow_nan=False)
    replace_file(path, lambda stream: stream.write(text.encode()))


def _digest(content: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in content.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
