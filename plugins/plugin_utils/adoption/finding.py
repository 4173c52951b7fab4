"""What was found in somebody's project: where, how sure, and what is decided by it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: It is written there; it follows from what is written there; something has to stand there, and this is the usual.
Sureness = Literal["sure", "likely", "guess"]


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        what: its name for people.
        value: it, in a few words.
        place: `file:line`, relative to the project.
        sure: how sure it is.
        decisions: what is decided by it, as in app.yml; the mappings of several findings are merged.
        note: what people have to know or do about it; "" for nothing.
        problem: whether it is something that Samestack cannot give.
    """

    what: str
    value: str
    place: str = ""
    sure: Sureness = "sure"
    decisions: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    problem: bool = False


def decisions_of(findings: Iterable[Finding]) -> dict[str, Any]:
    """Return what findings decide together; of two that decide the same thing, the first does."""
    decided: dict[str, Any] = {}
    for finding in findings:
        for name, value in finding.decisions.items():
            before = decided.get(name)
            if isinstance(value, dict) and isinstance(before, dict):
                decided[name] = before | {key: one for key, one in value.items() if key not in before}
            elif isinstance(value, list) and isinstance(before, list):
                decided[name] = list(dict.fromkeys([*before, *value]))
            else:
                decided.setdefault(name, value)
    return decided


def line_of(path: Path, text: str) -> int:
    """Return the line of a file that first has a text, 1 where none has."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 1
    return next((number for number, line in enumerate(lines, 1) if text in line), 1)


def unit_word(text: str) -> str:
    """Return a name as units and settings have it: small letters, digits and hyphens, a letter first."""
    word = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return word if word[:1].isalpha() else f"x{word}" if word else "job"
