"""What is kept of a run of studies: the numbers and the figures, small enough for a repository."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tnlearn.errors import ConfigError, FileError
from tnlearn.report.old_claims import read_results

__all__ = ["collect"]

# A study's numbers beyond this are not for a repository: fewer members, or rows, should be kept.
_LARGEST = 3_000_000


def collect(folder: str | os.PathLike[str], out: str | os.PathLike[str]) -> list[Path]:
    """Copy ``results.json`` (without spaces) and the figures of every study below a folder.

    Parameters
    ----------
    folder
        Of a run, as `tnlearn study` leaves it.
    out
        Each study has its own folder in it; figures that are no longer made are removed.

    Returns
    -------
    list of Path
        The folders written.

    Raises
    ------
    FileError
        If the results cannot be read, or the copies not written.
    ConfigError
        If the numbers of a study take more than 3 MB.
    """
    found = read_results(folder)
    texts = {
        name: json.dumps(results, separators=(",", ":"), allow_nan=False)
        for name, results in found.items()
    }
    for name, text in texts.items():
        if len(text) > _LARGEST:
            raise ConfigError(
                f"the results of {name!r} take {len(text) / 1e6:.1f} MB, more than is kept "
                f"({_LARGEST / 1e6:g} MB); run a smaller profile"
            )
    where = {json.loads(p.read_text())["study"]: p.parent for p in _studies(Path(folder))}
    written = []
    try:
        for name, text in texts.items():
            target = Path(out) / name
            figures = target / "figures"
            if figures.exists():
                shutil.rmtree(figures)
            figures.mkdir(parents=True)
            unfinished = target / ".results.json.partial"
            unfinished.write_text(text + "\n", encoding="utf-8")
            os.replace(unfinished, target / "results.json")
            for picture in sorted((where[name] / "figures").glob("*.png")):
                shutil.copyfile(picture, figures / picture.name)
            written.append(target)
    except OSError as error:
        raise FileError(f"cannot write to {out}: {error.strerror or error}") from error
    return written


def _studies(folder: Path) -> list[Path]:
    """The results of studies below a folder; the comparison's are not of a study."""
    return [
        path
        for path in folder.rglob("results.json")
        if "study" in json.loads(path.read_text(encoding="utf-8"))
    ]
