"""The frame of a page, its tables and figures; a page is one file that loads nothing."""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def document(
    headline: str, parts: Mapping[str, str], *, facts: str, sections: Iterable[str]
) -> str:
    """Return a whole page; `parts` has id and name of what the links at its top lead to."""
    style = resources.files("imnet_data.html").joinpath("page.css").read_text()
    links = [f'<a href="#{escape(name)}">{escape(words)}</a>' for name, words in parts.items()]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{escape(headline)}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{escape(headline[0].upper() + headline[1:])}</h1>
<nav aria-label="parts of the page">{"".join(links)}</nav>
{facts}
</header>
<main>
{"".join(sections)}</main>
</body>
</html>
"""


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of text; the first cell of a row is its name."""
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in rows
    )
    header = f"<thead><tr>{names}</tr></thead>" if head else ""
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>{header}'
        f"<tbody>\n{body}</tbody></table></div>\n"
    )


def figure(picture: str, lines: Iterable[tuple[str, str]], *, is_marked: bool = False) -> str:
    """Return a picture with lines of text below, each with the class that it is styled as."""
    caption = "".join(f'<span class="{name}">{escape(text)}</span>' for name, text in lines if text)
    style = ' class="fixed"' if is_marked else ""
    return f"<figure{style}>{picture}<figcaption>{caption}</figcaption></figure>\n"
