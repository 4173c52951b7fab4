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

HISTORY_LINE = re.compile(r"(?P<line>\d+)\t(?P<place>[0-9A-F]+/[0-9A-F]+)\t")
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
    #: Which of the servers it is of that the repository has known: a new major version is another one
    server: int = 0


@dataclass
class Window:
    """What can be restored; times are seconds since the epoch, 0 where there is nothing."""

    since: float = 0
    until: float = 0
    #: The newest segment without a hole before it
    newest: str = ""
    #: Segments that are not there, by name, each with why it matters
    holes: list[str] = field(default_factory=list)
    #: Those of them that lie before the newest full backup: what is made from then on does not need them
    past: list[str] = field(default_factory=list)
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


@dataclass(frozen=True)
class Lineage:
    """A timeline and those that it came from: a restore begins one; what the other went on to write is none of it."""

    line: int = 1
    #: Where each of the others was left, as a place in the WAL (bytes)
    left: Mapping[int, int] = field(default_factory=dict)

    def timeline_of(self, count: int, size: int = USUAL_SIZE) -> int:
        """Return the timeline on which it has a segment."""
        return next((one for one in sorted(self.left) if count < self.left[one] // size), self.line)

    def has(self, backup: Backup) -> bool:
        """Return whether a backup lies on it."""
        line = timeline(backup.first)
        return line == self.line or (line in self.left and place(backup.lsn) <= self.left[line])


def lineage(line: int, history: str = "") -> Lineage:
    """Return a timeline's lineage by its history file: each line is a timeline, where it was left, and why."""
    left = {}
    for text in history.splitlines():
        if match := HISTORY_LINE.match(text):
            left[int(match["line"])] = place(match["place"])
    return Lineage(line, left)


def place(lsn: str) -> int:
    """Return a place in the WAL as a number of bytes: `0/F015860`; 0 for none."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16) if low else 0


def window(
    backups: Iterable[Backup], archived: Mapping[str, float], way: Lineage | None = None, size: int = USUAL_SIZE
) -> Window:
    """Return what a repository allows on the way to a timeline.

    Args:
        backups: what it has.
        archived: the segments that it has, by name, each with the time at which it arrived.
        way: the timeline's lineage; without one, that of the newest timeline without a history.
        size: bytes of a segment.
    """
    way = way or Lineage(max(map(timeline, archived), default=1))

    def arrived(count: int) -> float | None:
        return archived.get(named(way.timeline_of(count, size), count, size))

    found = Window()
    usable = []
    for one in sorted(filter(way.has, backups), key=lambda one: one.stop):
        own = range(number(one.first, size), number(one.last, size) + 1)
        missing = [named(timeline(one.first), count, size) for count in own]
        missing = [name for name in missing if name not in archived]
        if missing:
            found.useless.append(one.label)
            found.holes += missing
        else:
            usable.append(one)
    if usable:
        found.since = usable[0].stop
        newest = usable[-1]
        begin = last = number(newest.last, size)
        while arrived(last + 1) is not None:
            last += 1
        found.newest = named(way.timeline_of(last, size), last, size)
        found.until = max(float(newest.stop), (arrived(last) or 0) if last > begin else 0)
        end = max((number(name, size) for name in archived if timeline(name) == way.line), default=last)
        counts = range(number(usable[0].first, size), end)
        found.holes += [named(way.timeline_of(count, size), count, size) for count in counts if arrived(count) is None]
    found.holes = sorted(set(found.holes))
    begin = max((number(one.first, size) for one in usable if one.kind == "full"), default=0)
    found.past = [name for name in found.holes if number(name, size) < begin]
    return found


def reach(
    backup: Backup, archived: Mapping[str, float], way: Lineage, current: str = "", size: int = USUAL_SIZE
) -> tuple[float, str]:
    """Return until when a backup leads, and the first segment that is missing on the way, "" where none is.

    Args:
        backup: from which one begins.
        archived: the segments that there are, by name, each with the time at which it arrived.
        way: the lineage of the timeline on which one goes.
        current: the segment that the server writes: all before it should be there; "" where nobody knows.
        size: bytes of a segment.
    """
    last = number(backup.last, size)
    until = float(backup.stop)
    while (arrived := archived.get(named(way.timeline_of(last + 1, size), last + 1, size))) is not None:
        last, until = last + 1, arrived
    beyond = [number(name, size) for name in archived if timeline(name) == way.line]
    beyond += [number(current, size) - 1] if current else []
    missing = max(beyond, default=last) > last
    return until, named(way.timeline_of(last + 1, size), last + 1, size) if missing else ""


def nothing_waits(window: Window, current: str, size: int = USUAL_SIZE) -> bool:
    """Return whether all segments before the one that the server writes are in the repository."""
    return bool(window.newest and current) and number(current, size) <= number(window.newest, size) + 1
