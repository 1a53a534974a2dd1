"""The page: pieces of HTML, and the frame that makes one self-contained file of them.

Figures are inlined as `data:` addresses and the style sheet is inlined too, so
that the file can be sent to a colleague alone; it has no script and asks the
network for nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

__all__ = ["Section", "figure", "folded", "page", "switch"]

# One section: the name of its anchor, its heading, its HTML.
Section = tuple[str, str, str]

_PNG = b"\x89PNG\r\n\x1a\n"
# Of the 1500 dots of a figure to the 1128 that the page has.
_SCALE = 0.752


def figure(path: Path, caption: str, alternative: str) -> str:
    """A PNG inlined, with its caption (HTML) and what it shows in words (plain text).

    A file that is missing or no PNG leaves a remark in its place.
    """
    try:
        content = path.read_bytes()
    except OSError:
        content = b""
    if not content.startswith(_PNG):
        name = escape(f"{path.parent.name}/{path.name}")
        remark = f"(The drawing {name} was not made.)"
        return f"<figure><figcaption>{caption} {remark}</figcaption></figure>"
    address = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
    # All at the same scale, so that letters have one size: a full-width figure fills the page.
    width = round(int.from_bytes(content[16:20], "big") * _SCALE)
    return (
        f'<figure><img width="{width}" alt="{escape(alternative)}" src="{address}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def folded(title: str, content: str) -> str:
    """Content behind a title that unfolds it."""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def switch(name: str, everything: str, clear: str) -> str:
    """Two versions of a table and the two buttons that choose between them, without a script."""
    return (
        '<div class="switch">'
        f'<input type="radio" name="{name}" id="{name}-all" checked>'
        f'<label for="{name}-all">all samples</label>'
        f'<input type="radio" name="{name}" id="{name}-clear" class="of-clear">'
        f'<label for="{name}-clear">unambiguous samples only</label>'
        f'<div class="all">{everything}</div><div class="clear">{clear}</div></div>'
    )


def page(
    title: str, made: str, answer: Sequence[str], opening: str, sections: list[Section]
) -> str:
    """The whole file.

    Parameters
    ----------
    title, made
        Heading, and the line below it that says what made the file; plain text.
    answer
        The sentences that open the report, plain text.
    opening
        HTML between the answer and the first section.
    sections
        The sections in order.
    """
    style = files("tnlearn.report").joinpath("style.css").read_text(encoding="utf-8")
    # With spaces between them: else the row of links could not be broken.
    links = " ".join(f'<a href="#{name}">{escape(head)}</a>' for name, head, _ in sections)
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in answer)
    body = "".join(
        f'<section id="{name}"><h2>{escape(head)}</h2>{content}</section>'
        for name, head, content in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # An empty icon: without it a browser would ask the server for one.
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style></head>\n"
        f'<body><h1>{escape(title)}</h1><p class="made">{escape(made)}</p>'
        f'<div class="answer">{said}</div><nav>{links}</nav>{opening}{body}</body></html>\n'
    )
