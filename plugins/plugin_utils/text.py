"""How lists, nearest names and words of others are shown to people. Runs on the control node.

Whatever a host, a repository, an application or a log says goes through `printable` before somebody sees it.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Any

from ..module_utils.common.secrets import KNOWN
from ..module_utils.common.text import last_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["json_line", "last_lines", "listing", "nearest", "one_line", "printable", "said", "without_logins"]

# What moves a terminal's cursor and colours it; and what names its window or writes to its clipboard, with the words in
# it (ECMA-48; xterm's ctlseqs)
MOVES = r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
STRINGS = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\n\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)|\x1b[ -/]*[0-~]"
SEQUENCES = {True: re.compile(MOVES), False: re.compile(f"{MOVES}|{STRINGS}")}
# Control characters but tab and line feed, and what is not seen but changes what is: directions, joiners, tags, breaks
# of lines, halves of characters (Unicode's categories Cc, Cf, Zl, Zp, Cs)
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
# What an address logs in with; over HTTP a name alone is a token as a rule.
LOGINS = re.compile(r"\b(https?://|[a-z][a-z0-9+.-]*://(?=[^/\s@]*:[^/\s]*@))[^/\s]*@", re.IGNORECASE)
# Letters of a line that somebody could still read
LONGEST_LINE = 2000


def printable(text: str, *, words_inside: bool = False) -> str:
    """Return a text without what a terminal obeys or nobody sees; lines and tabs stay.

    Of a title for the window and its like all is gone, but for its words where `words_inside`: a log hides nothing.
    """
    if text.isascii() and text.isprintable():
        return text
    return UNSEEN.sub("", SEQUENCES[words_inside].sub("", text))


def one_line(text: str, letters: int = LONGEST_LINE) -> str:
    """Return a text as one printable line of at most so many letters."""
    line = " ".join(printable(text[: 8 * letters]).split())
    return line if len(line) <= letters else line[: letters - 1] + "…"


def said(text: str, *, words_inside: bool = False) -> str:
    """Return what somebody else said: printable, no line too long to read, without known secrets."""
    lines = printable(KNOWN.masked_end(text), words_inside=words_inside).split("\n")
    return "\n".join(line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…" for line in lines)


def json_line(value: Any, **form: Any) -> str:
    """Return JSON whose text is what a terminal can be given; the value is the same. `form` goes to json.dumps."""

    def escaped(found: re.Match[str]) -> str:
        return json.dumps(found[0])[1:-1]

    return UNSEEN.sub(escaped, json.dumps(value, ensure_ascii=False, **form))


def nearest(name: str, names: Iterable[str], limit: int = 5, cutoff: float = 0.4) -> list[str]:
    """Return the names that look most like the given one, best first; `cutoff` is difflib's ratio, 0 to 1."""
    return difflib.get_close_matches(name, sorted(names), n=limit, cutoff=cutoff)


def listing(names: Iterable[str], limit: int = 8) -> str:
    """Return names as `a, b, c and 4 more`."""
    every = list(names)
    rest = len(every) - limit
    return ", ".join(every[:limit]) + (f" and {rest} more" if rest > 0 else "")


def without_logins(text: str) -> str:
    """Return a text in which no address has a password or a token."""
    return LOGINS.sub(r"\1", text)
