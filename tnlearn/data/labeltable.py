"""The table that labelling writes: its rows, and their way from the journal to CSV or npz."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tnlearn.data.journal import Journal
from tnlearn.errors import NotChiralError, NotFiniteError, TnlearnError
from tnlearn.files import replacing
from tnlearn.physics.invariants import Winding

__all__ = [
    "REASON",
    "REASONS",
    "ROW",
    "ROW_OR_REASON",
    "count_skipped",
    "rows_of",
    "write_table",
]

Array = NDArray[Any]

ROW = np.dtype(
    [("value", "<f8"), ("integer", "<i8"), ("gap", "<f8"), ("reliable", "?"), ("error", "<f8")]
)
# Where samples may be left out, a row also holds the number of the reason, 0 for none.
ROW_OR_REASON = np.dtype([*ROW.descr, ("reason", "u1")])
REASONS = ("", "NaN or infinite", "not Hermitian or not chiral", "not clean")
REASON: dict[type[TnlearnError], int] = {NotFiniteError: 1, NotChiralError: 2}


def rows_of(result: Winding, dtype: np.dtype[Any]) -> Array:
    """One row for each sample; without a reason, where the dtype has place for one."""
    rows = np.zeros(len(result), dtype=dtype)
    for name in ROW.names or ():
        rows[name] = getattr(result, name)
    return rows


def count_skipped(journal: Journal) -> dict[str, int]:
    """How many samples of each reason."""
    counts = np.zeros(len(REASONS), dtype=np.int64)
    for rows in journal.rows():
        counts += np.bincount(rows["reason"], minlength=len(REASONS))
    return {REASONS[k]: int(counts[k]) for k in range(1, len(REASONS)) if counts[k]}


def write_table(target: Path, journal: Journal, method: str) -> int:
    """Turn the journal into the table; the number of reliable rows."""
    reliable = 0
    names = journal.dtype.names or ()
    more = ",reason" if "reason" in names else ""
    with replacing(target) as temporary:
        if target.suffix.lower() == ".csv":
            with temporary.open("w", encoding="ascii", newline="\n") as stream:
                stream.write(f"sample,value,integer,gap,reliable,method,error{more}\n")
                first = 0
                for rows in journal.rows():
                    reliable += int(np.count_nonzero(rows["reliable"]))
                    stream.writelines(_lines(rows, first, method))
                    first += len(rows)
        else:
            with zipfile.ZipFile(temporary, "w") as archive:
                for name in names:
                    _member(archive, name, journal)
                words = {"method": np.asarray(method)}
                if more:
                    words["reasons"] = np.array(REASONS)
                for name, array in words.items():
                    with archive.open(f"{name}.npy", "w") as member:
                        np.lib.format.write_array(member, array, allow_pickle=False)
            reliable = sum(int(np.count_nonzero(rows["reliable"])) for rows in journal.rows())
    return reliable


def _lines(rows: Array, first: int, method: str) -> Iterator[str]:
    for k, (value, integer, gap, reliable, error, *more) in enumerate(rows.tolist(), start=first):
        reason = f",{REASONS[more[0]]}" if more else ""
        flag = str(reliable).lower()
        yield f"{k},{value!r},{integer},{gap!r},{flag},{method},{error!r}{reason}\n"


def _member(archive: zipfile.ZipFile, name: str, journal: Journal) -> None:
    kind = journal.dtype[name]
    header = {
        "descr": np.lib.format.dtype_to_descr(kind),
        "fortran_order": False,
        "shape": (journal.done,),
    }
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for rows in journal.rows():
            member.write(np.ascontiguousarray(rows[name]).tobytes())
