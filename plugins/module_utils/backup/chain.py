"""What backups and archived WAL allow: from when until when every moment can be restored. Pure.

PostgreSQL writes its WAL in segments; a name is timeline, file and segment in hexadecimal, eight digits each. A restore
needs a backup, and every segment from the backup's first on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SEGMENT = re.compile(r"[0-9A-F]{24}")
#: Bytes of a segment, as initdb makes it
USUAL_SIZE = 16 << 20


@dataclass(frozen=True)
class Backup:
    """One backup of the database server; times are seconds since the epoch, sizes bytes."""

    label: str
    #: full, diff or incr
    kind: str
    start: int
    stop: int
    #: The segments that it needs itself
    first: str
    last: str
    #: Of the database, and of what the repository has more because of it
    size: int = 0
    stored: int = 0
    lsn: str = ""
    #: Pages with a wrong checksum were found when it was made
    rotten: bool = False


@dataclass
class Window:
    """What can be restored; times are seconds since the epoch, 0 where there is nothing."""

    since: float = 0
    until: float = 0
    #: The newest segment without a hole before it
    newest: str = ""
    #: Segments that are not there, by name, each with why it matters
    holes: list[str] = field(default_factory=list)
    #: Backups whose own segments are not all there
    useless: list[str] = field(default_factory=list)


def number(name: str, size: int = USUAL_SIZE) -> int:
    """Return which segment a name is of, counted from the first, whatever its timeline."""
    return int(name[8:16], 16) * ((1 << 32) // size) + int(name[16:24], 16)


def timeline(name: str) -> int:
    """Return the timeline of a segment, or of a history file."""
    return int(name[:8], 16)


def named(line: int, count: int, size: int = USUAL_SIZE) -> str:
    """Return the name of a segment of a timeline."""
    each = (1 << 32) // size
    return f"{line:08X}{count // each:08X}{count % each:08X}"


def window(backups: Iterable[Backup], archived: Mapping[str, float], size: int = USUAL_SIZE) -> Window:
    """Return what a repository allows.

    Args:
        backups: what it has.
        archived: the segments that it has, by name, each with the time at which it arrived.
        size: bytes of a segment.
    """
    arrived: dict[int, tuple[float, str]] = {}
    for name, time in archived.items():
        # After a restore the same number is written again, on another timeline.
        arrived[number(name, size)] = max((time, name), arrived.get(number(name, size), (0.0, "")))
    found = Window()
    usable = []
    for one in sorted(backups, key=lambda one: one.stop):
        own = range(number(one.first, size), number(one.last, size) + 1)
        missing = [count for count in own if count not in arrived]
        if missing:
            found.useless.append(one.label)
            found.holes += [named(timeline(one.first), count, size) for count in missing]
        else:
            usable.append(one)
    if not usable:
        return found
    found.since = usable[0].stop
    newest = usable[-1]
    last = number(newest.last, size)
    while last + 1 in arrived:
        last += 1
    found.newest = arrived[last][1]
    found.until = max(float(newest.stop), arrived[last][0] if last > number(newest.last, size) else 0)
    line = timeline(found.newest)
    begin, end = number(usable[0].first, size), max(arrived)
    found.holes += [named(line, count, size) for count in range(begin, end) if count not in arrived]
    found.holes = sorted(set(found.holes))
    return found


def nothing_waits(window: Window, current: str, size: int = USUAL_SIZE) -> bool:
    """Return whether all segments before the one that the server writes are in the repository."""
    return bool(window.newest and current) and number(current, size) <= number(window.newest, size) + 1
