"""How the release engine says what is wrong with a decision."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

# The file in which people set what this engine reads.
APP_FILE = "inventories/group_vars/all/app.yml"


class ProjectError(Exception):
    """A decision that cannot work; its text names the variable, its value, the file and what to write instead."""

    def __init__(self, variable: str, value: Any, problem: str, instead: str, file: str = APP_FILE) -> None:
        """Take the variable's name, its value, what is wrong with it, and what to write (both sentences)."""
        shown = '""' if value == "" else value
        super().__init__(f"{variable} = {shown} (in {file}): {_sentence(problem)} {_sentence(instead)}".strip())


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?:" else f"{text}."


def nearest(name: str, names: Iterable[str], limit: int = 5) -> list[str]:
    """Return the names that look most like the given one, best first."""
    return difflib.get_close_matches(name, list(names), n=limit, cutoff=0.4)


def listing(names: Iterable[str], limit: int = 8) -> str:
    """Return names as `a, b, c and 4 more`."""
    every = list(names)
    rest = len(every) - limit
    return ", ".join(every[:limit]) + (f" and {rest} more" if rest > 0 else "")
