"""A report as one HTML page that needs nothing else: its frame, its marks, and what hosts say made harmless in it.

A page is complete without its script, which only folds sections; every mark has a shape beside its colour. Pure but
for its parts.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape as escaped
from pathlib import Path
from typing import TYPE_CHECKING

from ..text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = Path(__file__).resolve().parent


def part(name: str) -> str:
    """Return a part of the page as it stands between its tags."""
    return "\n" + (PARTS / name).read_text(encoding="utf-8")


def policy() -> str:
    """Return the page's content security policy: its own script and style, by their digests."""
    digests = {name: b64encode(sha256(part(name).encode()).digest()).decode() for name in ("page.js", "page.css")}
    return (
        f"default-src 'none'; img-src data:; script-src 'sha256-{digests['page.js']}'; "
        f"style-src 'sha256-{digests['page.css']}'; base-uri 'none'; form-action 'none'"
    )


def escape(text: str) -> str:
    """Return words as HTML has them, without what turns their direction round or is not seen."""
    return escaped(printable(text))


def document(title: str, body: Sequence[str]) -> str:
    """Return a page with its title and the lines of its body."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            # Whatever should get through all the same runs nothing, loads nothing and leads nowhere.
            f'<meta http-equiv="Content-Security-Policy" content="{policy()}">',
            '<link rel="icon" href="data:,">',
            f"<style>{part('page.css')}</style></head>",
            "<body><main>",
            *body,
            "</main>",
            f"<script>{part('page.js')}</script>",
            "</body></html>",
            "",
        ]
    )


def button(kind: str, mark: str, word: str, section: str, column: str) -> str:
    """Return one cell of a matrix: a button that says in words, shape and colour how it is, and opens its section."""
    return (
        f'<td><button type="button" class="cell {kind}" data-section="{escape(section)}" '
        f'data-environment="{escape(column)}" aria-controls="section-{escape(section)}" aria-expanded="true">'
        f'<span class="mark" aria-hidden="true">{mark}</span>{escape(word)}'
        f'<span class="hidden">: {escape(section)} of {escape(column)}</span></button></td>'
    )


def legend(rows: Sequence[tuple[str, str, str]]) -> str:
    """Return what the marks of a matrix mean: kind, mark, words of each."""
    items = (f'<li><span class="cell {kind}">{mark}</span> {escape(word)}</li>' for kind, mark, word in rows)
    return f'<ul class="legend">{"".join(items)}</ul>'
