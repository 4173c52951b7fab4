"""How lists, nearest names and the output of programs are shown to people. Runs on the control node."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ..module_utils.common.text import last_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["last_lines", "listing", "nearest"]


def nearest(name: str, names: Iterable[str], limit: int = 5, cutoff: float = 0.4) -> list[str]:
    """Return the names that look most like the given one, best first; `cutoff` is difflib's ratio, 0 to 1."""
    return difflib.get_close_matches(name, sorted(names), n=limit, cutoff=cutoff)


def listing(names: Iterable[str], limit: int = 8) -> str:
    """Return names as `a, b, c and 4 more`."""
    every = list(names)
    rest = len(every) - limit
    return ", ".join(every[:limit]) + (f" and {rest} more" if rest > 0 else "")
