"""Writing a report: all figures, then the page that holds them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tnlearn.errors import FileError
from tnlearn.report import accuracy, calibration, learning, weights
from tnlearn.report.html import page
from tnlearn.report.reading import Results
from tnlearn.report.sections import every_section, opening
from tnlearn.report.style import save
from tnlearn.report.text import answer

__all__ = ["write"]


def write(results: Mapping[str, Any], out: Path) -> Path:
    """Write `out/figures/*.png` and `out/report.html`, and return the path of the latter.

    Nothing is computed but means, intervals and tests over the members; a part
    that is missing from the results is left out of the report.  Each file
    appears whole or not at all, so a report that is there stays readable if
    writing is interrupted.

    Parameters
    ----------
    results
        A dictionary of the format `tnlearn-benchmark/1`.
    out
        The folder; made if it does not exist.  Drawings named in
        `results["graphs"]` are read from it.

    Raises
    ------
    ConfigError
        If the results have another format.
    FileError
        If the folder cannot be made or written.
    """
    read = Results(results)
    out = Path(out)
    folder = out / "figures"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        figures = {
            name: save(made, folder / f"{_file_name(name)}.png")
            for name, draw in _drawings(read)
            if (made := draw()) is not None
        }
        text = page(
            title="Can the network that expresses the winding number learn it?",
            made=_made(read),
            answer=answer(read),
            opening=opening(read, figures),
            sections=every_section(read, figures, out),
        )
        report = out / "report.html"
        unfinished = out / ".report.html.partial"
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, report)
    except OSError as error:
        raise FileError(f"cannot write the report to {out}: {error.strerror or error}") from error
    return report


def _drawings(results: Results) -> Iterator[tuple[str, Callable[[], Figure | None]]]:
    """The name of each figure and what draws it; one at a time, as a figure takes memory."""
    for data in results.datasets:
        yield f"overview-{data}", partial(accuracy.overview, results, data)
        yield f"disorder-{data}", partial(accuracy.against_disorder, results, data)
        for kind in ("accuracy", "loss"):
            curves = partial(learning.learning_curves, results, data, kind)
            yield f"learning-{kind}-{data}", curves
        yield f"calibration-{data}", partial(calibration.calibration_and_success, results, data)
    yield "learned-d", partial(weights.learned_matrices, results)
    yield "singular-values", partial(weights.singular_values, results)
    yield "pruning", partial(weights.pruning, results)
    yield "trainability", partial(learning.trainability, results)


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name)


def _made(results: Results) -> str:
    environment = results.raw.get("environment") or {}
    version = f"tnlearn {environment['tnlearn']}" if environment.get("tnlearn") else "tnlearn"
    profile = (results.raw.get("config") or {}).get("profile")
    parts = [
        version,
        f"profile {profile}" if isinstance(profile, str) else "",
        str(environment.get("cpu") or ""),
        f"{results.raw['seconds']:.0f} s" if results.raw.get("seconds") else "",
    ]
    return ", ".join(part for part in parts if part)
