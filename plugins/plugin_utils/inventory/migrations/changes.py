"""CHANGELOG.md, and which of its entries concern a project. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ...version import Version, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD = re.compile(r"^## (\d+\.\d+\.\d+)\b.*$", re.MULTILINE)
#: What stands in backquotes and is a variable: every decision has an underscore, and no verb has one.
VARIABLE = re.compile(r"`([a-z]+(?:_[a-z0-9]+)+)\b[^`]*`")


class Change(NamedTuple):
    """One entry: its version, its text in one line, and the variables that it names."""

    version: Version
    text: str
    variables: frozenset[str]


def changes(text: str) -> list[Change]:
    """Return the entries of a CHANGELOG.md, as they stand there: the newest version first."""
    parts = HEAD.split(text)
    found = []
    for number, body in zip(parts[1::2], parts[2::2], strict=True):
        for entry in re.split(r"^- ", body, flags=re.MULTILINE)[1:]:
            line = " ".join(entry.split())
            found.append(Change(parsed(number), line, frozenset(VARIABLE.findall(line))))
    return found


def concerning(listed: Iterable[Change], one: Version, other: Version, used: set[str]) -> tuple[list[Change], int]:
    """Return the entries between two versions that concern a project, and how many do not.

    An entry that names variables concerns those who set one of them; every other one concerns everybody.

    Args:
        listed: the entries.
        one: the version that the project is at.
        other: the version that it goes to, earlier or later.
        used: the variables that it sets.
    """
    first, last = sorted((one, other))
    between = [change for change in listed if first < change.version <= last]
    shown = [change for change in between if not change.variables or change.variables & used]
    return shown, len(between) - len(shown)
