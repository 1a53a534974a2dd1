"""The page of claims: what was said of these networks, what was measured, and the verdict.

Every study leaves in its results the numbers that a claim rests on (`findings`)
and what it concludes from them (`verdicts`).  Here they are put beside the
claim; nothing is judged twice and no number is typed in.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tnlearn.errors import ConfigError, FileError

__all__ = ["CLAIMS", "VERDICTS", "Claim", "claims_page", "read_results", "write_claims"]

FORMATS = ("tnlearn-study/1",)
VERDICTS = ("supported", "depends on", "not supported")
# Rows of a table that are shown at once; the others are unfolded.
_SHOWN = 12


@dataclass(frozen=True)
class Claim:
    """A statement that was made, and who made it."""

    key: str
    words: str
    source: str


_PAPER = "abstract of arXiv:2509.26261"
_SUMMARY = "a second summary of the same work"
_OURS = "this package"

CLAIMS = (
    Claim("exact-precise", "The network expresses the winding number exactly.", _PAPER),
    Claim("less-trainable", "It is less trainable than other networks.", _PAPER),
    Claim("init-sensitive", "Its training depends on the initialisation.", _PAPER),
    Claim(
        "accurate-symmetric-generic",
        "Simpler networks, informed of the symmetry or generic, reach high accuracy.",
        _PAPER,
    ),
    Claim("proxies", "They do so through proxies such as edge states.", _PAPER),
    Claim("pruning-edges", "Pruning leaves a compact set of edge-state features.", _PAPER),
    Claim("shallow-equals-complex", "Shallow pruned networks match complex ones.", _PAPER),
    Claim("disorder-erodes", "Disorder erodes what rests on correlation.", _PAPER),
    Claim("beats-cnn-resnet", "It beats CNNs and ResNets by more than 15 points.", _SUMMARY),
    Claim("sizes", "It generalises over sizes.", _SUMMARY),
    Claim(
        "operator-mended",
        "The operator form can be made to train as reliably as the quartic form.",
        _OURS,
    ),
    Claim(
        "position-nodes",
        "Nodes that are functions of position serve chains of every length.",
        _OURS,
    ),
    Claim("marker", "A learned marker is right closer to the transition than any label.", _OURS),
    Claim("audit-score", "Answers of the trained networks follow the invariant.", _OURS),
)


def read_results(folder: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """The results of every study below a folder, by the name of the study.

    Raises
    ------
    FileError
        If there are none, or one cannot be read.
    ConfigError
        If one has another format, or there are two of one study.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(Path(folder).rglob("results.json")):
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FileError(f"cannot read {path}: {error}; run its study again") from error
        given = results.get("format") if isinstance(results, dict) else None
        if given == "tnlearn-benchmark/1":
            continue
        if given not in FORMATS:
            raise ConfigError(f"{path} has the format {given!r}, expected {FORMATS[0]}")
        name = results["study"]
        if name in found:
            raise ConfigError(f"there are two results of the study {name!r} below {folder}")
        found[name] = results
    if not found:
        raise FileError(
            f"no results of a study below {folder}: run 'tnlearn study all --out {folder}'"
        )
    return found


def write_claims(folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> Path:
    """Write the page of claims (Markdown) from the results below a folder, and return its path.

    Raises
    ------
    FileError, ConfigError
        If the results cannot be read, or the page not written.
    """
    text = claims_page(read_results(folder), os.fspath(folder))
    out = Path(path)
    unfinished = out.with_name(f".{out.name}.partial")
    try:
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, out)
    except OSError as error:
        raise FileError(f"cannot write {out}: {error.strerror or error}") from error
    return out


def claims_page(results: Mapping[str, Mapping[str, Any]], folder: str) -> str:
    """The page as Markdown, from the results of the studies by name."""
    made = "\n".join(
        f"- `{name}`: `{found['command']}`, {_duration(found['seconds'])}, "
        f"profile `{found['config']['profile']}`"
        for name, found in results.items()
    )
    rows = [
        f"| {claim.words} | {claim.source} | {_joined(_said(results, claim))} "
        f"| {_where(_said(results, claim))} |"
        for claim in CLAIMS
    ]
    parts = [
        "# Claims and verdicts",
        "<!-- Written by 'tnlearn claims'; edits are lost. -->",
        f"Made from the results in `{folder}` by `tnlearn claims {folder} --out docs/claims.md`. "
        "Every number is measured; intervals are of 95 % (Student's t over members, Wilson for "
        "shares, or as the row says). A verdict is decided by the study from its intervals, and "
        "the sentence below it gives the deciding numbers.",
        made,
        "## In short",
        "| claim | made by | verdict | where it holds, and where not |\n|---|---|---|---|\n"
        + "\n".join(rows),
        *(_section(results, claim) for claim in CLAIMS),
        "## Not measured",
        "The second summary also claims Chern numbers of two-dimensional lattices. "
        "No study measures them yet, so there is no verdict.",
    ]
    return "\n\n".join(parts) + "\n"


def _said(
    results: Mapping[str, Mapping[str, Any]], claim: Claim
) -> list[tuple[str, Mapping[str, Any]]]:
    return [
        (name, verdict)
        for name, found in results.items()
        for verdict in found.get("verdicts", [])
        if verdict["claim"] == claim.key
    ]


def _joined(said: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """One verdict from those of several studies: where they differ, it depends."""
    words = list(dict.fromkeys(str(verdict["verdict"]) for _, verdict in said))
    for word in words:
        if word not in VERDICTS:
            raise ConfigError(f"{word!r} is no verdict; expected one of {', '.join(VERDICTS)}")
    if not words:
        return "not measured"
    return f"**{words[0]}**" if len(words) == 1 else "**depends on** what is asked"


def _where(said: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    return "; ".join(str(verdict.get("where", verdict["condition"])) for _, verdict in said)


def _section(results: Mapping[str, Mapping[str, Any]], claim: Claim) -> str:
    said = _said(results, claim)
    parts = [f"## {claim.words}", f"*{claim.source}.* Verdict: {_joined(said)}."]
    for name, verdict in said:
        condition = f" Condition: {_sentence(verdict['condition'])}" if verdict["condition"] else ""
        parts.append(
            f"Study `{name}`: **{verdict['verdict']}**. {_sentence(verdict['because'])}{condition}"
        )
    rows = [
        (name, finding)
        for name, found in results.items()
        for finding in found.get("findings", [])
        if finding["claim"] == claim.key
    ]
    if rows:
        parts.append(_table(rows[:_SHOWN]))
    if len(rows) > _SHOWN:
        hidden = _table(rows[_SHOWN:])
        parts.append(
            f"<details><summary>{len(rows) - _SHOWN} more rows</summary>\n\n{hidden}\n\n</details>"
        )
    return "\n\n".join(parts)


def _sentence(words: str) -> str:
    return words if words.endswith(".") else f"{words}."


def _table(rows: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    head = "| measured | network | data | value | 95 % interval | n | condition | study |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for name, row in rows:
        unit = str(row.get("unit") or "")
        cells = (
            row["name"],
            row.get("network") or "",
            row.get("data") or "",
            f"{_number(row['value'])} {unit}".strip(),
            _interval(row.get("low"), row.get("high")),
            "" if row.get("members") is None else f"{row['members']}",
            row.get("condition") or "",
            f"`{name}`",
        )
        # A bar within a cell would end it.
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "none"
    size = abs(value)
    if size != 0 and (size < 1e-3 or size >= 1e5):
        return f"{value:.1e}"
    return f"{value:.3f}" if size < 10 else f"{value:.4g}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"[{_number(low)}, {_number(high)}]"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
