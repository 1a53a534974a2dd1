"""The page of a study: its answer, its sections, and how each number was made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from tnlearn.errors import FileError
from tnlearn.report.html import Section, page

__all__ = ["Page", "write_page"]


@dataclass(frozen=True)
class Page:
    """What a study says: sentences that answer its question, then sections.

    Attributes
    ----------
    answer
        Sentences, plain text, decided by the numbers.
    sections
        ``(anchor, heading, HTML)`` in reading order; those without HTML are left out.
    opening
        HTML between the answer and the sections, such as the main figure.
    """

    answer: list[str]
    sections: list[Section] = field(default_factory=list)
    opening: str = ""


def write_page(results: Mapping[str, Any], said: Page, folder: Path) -> Path:
    """Write ``folder/report.html``, whole or not at all, and return its path.

    Parameters
    ----------
    results
        Of the format `tnlearn-study/1`.
    said
        The study's own part.
    folder
        Of the study.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    sections = [section for section in said.sections if section[2]]
    text = page(
        title=str(results["title"]),
        made=_made(results),
        # A number and its sign of per cent stay on one line.
        answer=[sentence.replace(" %", "\u00a0%") for sentence in said.answer],
        opening=said.opening,
        sections=[*sections, ("made", "How each number was made", _how(results))],
    )
    report = folder / "report.html"
    unfinished = folder / ".report.html.partial"
    try:
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, report)
    except OSError as error:
        raise FileError(f"cannot write {report}: {error.strerror or error}") from error
    return report


def _made(results: Mapping[str, Any]) -> str:
    environment = results.get("environment") or {}
    config = results.get("config") or {}
    parts = [
        f"tnlearn {environment.get('tnlearn', '')}".strip(),
        f"study {results.get('study')}",
        f"profile {config.get('profile')}",
        str(environment.get("cpu") or ""),
        f"{results['seconds']:.0f} s" if results.get("seconds") else "",
    ]
    return ", ".join(part for part in parts if part)


def _how(results: Mapping[str, Any]) -> str:
    config = results.get("config") or {}
    parts = [
        "<p>The whole page was made by this command; run again, it goes on where it stopped. "
        "Every number is in <code>results.json</code> beside this file, the configuration in "
        f"<code>config.toml</code>.</p><pre>{escape(str(results.get('command')))}</pre>"
    ]
    entries: Mapping[str, Mapping[str, Any]] = config.get("entries") or {}
    if entries:
        rows = "".join(
            f"<tr><th>{escape(str(entry.get('title', name)))}</th>"
            f"<td>{escape(str(entry.get('description', '')))}</td>"
            f"<td>{escape(str(entry.get('epochs', '')))}</td></tr>"
            for name, entry in entries.items()
        )
        parts.append(
            "<h3>Networks</h3><table><thead><tr><th>network</th><th>what it is</th>"
            f"<th>epochs</th></tr></thead><tbody>{rows}</tbody></table>"
        )
    environment = results.get("environment") or {}
    made_with = ", ".join(f"{key} {value}" for key, value in environment.items())
    parts.append(f'<p class="notes">{escape(made_with)}</p>')
    return "".join(parts)
