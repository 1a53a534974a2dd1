"""The page of claims, from the results of studies; and what is kept of a run in a repository.

Every study leaves its verdicts and the findings that they rest on in ``results.json``.  Here they
are put beside the words of the claim, those of several studies together; nothing is judged twice.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from tnlearn.errors import ConfigError, FileError
from tnlearn.files import parsing, read_bytes, read_json, write_bytes
from tnlearn.report.claims import DEPENDS
from tnlearn.report.page import interval, template

__all__ = ["collect", "overview", "read_results", "write_claims"]

FORMAT = "tnlearn-study/2"
# Bytes that all results together may take in a repository.
LARGEST = 4_000_000
# Findings that are shown at once; the others are unfolded.
SHOWN = 12
_WHAT = "results of a study"

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,60}\Z")]
Picture = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,60}\.png\Z")]


class Finding(Struct):
    """A number that a claim rests on."""

    claim: str
    name: str
    network: str
    data: str
    value: float | None
    low: float | None
    high: float | None
    members: int
    unit: str
    condition: str
    holds: bool | None


class Decided(Struct):
    """The verdict of a study on a claim."""

    claim: str
    words: str
    source: str
    verdict: str
    holds: str
    condition: str


class Config(Struct):
    """What the page says of the profile of a study."""

    profile: str


class Results(Struct):
    """What the page of claims reads of a ``results.json``."""

    study: Name
    title: str
    command: str
    seconds: float
    config: Config
    findings: list[Finding]
    verdicts: list[Decided]
    figures: list[Picture]


def read_results(folder: str | os.PathLike[str]) -> dict[str, tuple[Path, Results]]:
    """The results of every study below a folder, with their files, by the name of the study.

    Raises
    ------
    FileError
        If there are none, or one cannot be read.
    ConfigError
        If one has another format, or there are two of one study.
    """
    every: dict[str, tuple[Path, Results]] = {}
    for path in sorted(Path(folder).rglob("results.json")):
        results = _read(path)
        if results.study in every:
            raise ConfigError(f"there are two results of the study {results.study!r} in {folder}")
        every[results.study] = path, results
    if not every:
        raise FileError(
            f"no results of a study below {folder}: run 'tnlearn study all --out {folder}'"
        )
    return every


def _read(path: Path) -> Results:
    content = read_bytes(path)
    with parsing(path, _WHAT, hint="Run its study again"):
        kind = msgspec.json.decode(content, type=dict[str, Any]).get("format")
        if kind != FORMAT:
            raise ConfigError(f"{path} has the format {kind!r}, expected {FORMAT!r}")
        return msgspec.json.decode(content, type=Results)


def write_claims(
    folder: str | os.PathLike[str], path: str | os.PathLike[str], command: str
) -> Path:
    """Write the page of claims (Markdown) from the results below a folder, and return its path.

    Parameters
    ----------
    folder
        Of a run of one or several studies.
    path
        Of the page.
    command
        The command that makes it, for the page.

    Raises
    ------
    FileError, ConfigError
        If the results cannot be read, or the page not written.
    """
    every = {name: results for name, (_, results) in read_results(folder).items()}
    verdicts: dict[str, list[tuple[str, Decided]]] = {}
    for name, results in every.items():
        for verdict in results.verdicts:
            verdicts.setdefault(verdict.claim, []).append((name, verdict))
    claims = {
        key: {
            "words": several[0][1].words,
            "source": several[0][1].source,
            "verdict": _joined({verdict.verdict for _, verdict in several}),
            "verdicts": several,
            "findings": [
                (name, finding, interval(msgspec.structs.asdict(finding), finding.unit))
                for name, results in every.items()
                for finding in results.findings
                if finding.claim == key
            ],
        }
        for key, several in verdicts.items()
    }
    text = template("claims.md").render(claims=claims, studies=every, command=command, shown=SHOWN)
    return write_bytes(Path(path), text.encode())


def _joined(words: set[str]) -> str:
    """One verdict from those of several studies: where they differ, it depends."""
    return words.pop() if len(words) == 1 else DEPENDS


def overview(folder: Path, title: str) -> str:
    """The page of several studies, as HTML: the verdicts of each, with a link to its page."""
    every = {name: results for name, (_, results) in read_results(folder).items()}
    return template("overview.html").render(title=title, studies=every)


def collect(folder: str | os.PathLike[str], out: str | os.PathLike[str]) -> list[Path]:
    """Copy numbers, table and figures of every study below a folder, small enough to be kept.

    Each study has a folder of its own in `out`.  A figure that an earlier run left there and this
    one no longer makes is removed; nothing else ever is.

    Raises
    ------
    FileError
        If the results cannot be read, or the copies not written.
    ConfigError
        If everything together takes more than 4 MB.
    """
    copies: dict[Path, bytes] = {}
    stale: list[Path] = []
    for name, (path, results) in read_results(folder).items():
        target = Path(out) / name
        for place in (target, target / "figures"):
            if place.is_symlink():
                raise FileError(f"{place} is a link: results are kept in folders of their own")
        content = read_json(path, _WHAT)
        with parsing(path, _WHAT):  # a text that is none in UTF-8, say
            text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
        copies[target / "results.json"] = text + b"\n"
        files = ["table.csv.gz", *(f"figures/{picture}" for picture in results.figures)]
        for file in files:
            copies[target / file] = read_bytes(path.parent / file)
        if (target / "results.json").exists():
            before = _read(target / "results.json").figures
            stale += [target / "figures" / p for p in before if p not in results.figures]
    size = sum(map(len, copies.values()))
    if size > LARGEST:
        raise ConfigError(
            f"the results take {size / 1e6:.1f} MB, more than is kept ({LARGEST / 1e6:g} MB): "
            "run a smaller profile"
        )
    try:
        for path, content in copies.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content)
        for path in stale:
            path.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"cannot write to {out}: {error.strerror or error}") from error
    return sorted({path.parent for path in copies if path.name == "results.json"})
