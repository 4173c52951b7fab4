"""Numbers of this host over a day and a week, for who looks at them later: two files that never grow.

Each is a ring of rows of one length: the time for which a row stands, and a number of each column. A row is written in
its place, so that a look writes some bytes and not all of it; one that was written a turn ago has another time.
"""

from __future__ import annotations

import math
import os
import struct
from typing import TYPE_CHECKING, NamedTuple

from .checks import memory
from .spans import DAY, MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .check import Facts

Row = tuple[float, ...]
Column = list[float | None]


def answer(facts: Mapping[str, Facts]) -> float:
    """Milliseconds until the site has answered."""
    site = facts["site"]
    return float(site["seconds"] * 1000) if site["status"] else math.nan


def load(facts: Mapping[str, Facts]) -> float:
    """Percent of all processors that are busy; where only that is known, processes for each of them."""
    found = facts["load"]
    return float(found["busy"] if "busy" in found else found["load"]) * 100


def used(facts: Mapping[str, Facts]) -> float:
    """Percent of memory in use."""
    return memory.percent(facts["memory"])


def disk(facts: Mapping[str, Facts]) -> float:
    """Percent of the fullest disk."""
    return max(float(one["percent"]) for one in facts["disk"]["disks"].values())


def connections(facts: Mapping[str, Facts]) -> float:
    """Percent of PostgreSQL's connections in use."""
    return float(facts["postgresql"]["used"] * 100 / facts["postgresql"]["most"])


#: What is kept, in the order of a row
COLUMNS: dict[str, Callable[[Mapping[str, Facts]], float]] = {
    "answer": answer, "load": load, "memory": used, "disk": disk, "connections": connections,
}  # fmt: skip
ROW = struct.Struct(f"<I{len(COLUMNS)}f")
NOTHING = (math.nan,) * len(COLUMNS)


class Ring(NamedTuple):
    """One of the two."""

    file: str
    #: Seconds for which a row stands, and how many there are
    step: int
    rows: int


DAILY, WEEKLY = Ring("day", MINUTE, DAY // MINUTE), Ring("week", 15 * MINUTE, 7 * DAY // (15 * MINUTE))


def row(facts: Mapping[str, Facts]) -> Row:
    """Return the numbers of one look; what is not there, or nobody can say, is not a number. Pure."""

    def number(column: Callable[[Mapping[str, Facts]], float]) -> float:
        try:
            return column(facts)
        except (KeyError, ValueError, ZeroDivisionError):
            return math.nan

    return tuple(number(column) for column in COLUMNS.values())


def keep(folder: str, now: float, numbers: Row) -> None:
    """Write down the numbers of a look, and the mean of this quarter of an hour; raises OSError."""
    put(folder, DAILY, now, numbers)
    begins = now - now % WEEKLY.step
    quarter = [one for time, one in rows(folder, DAILY, now, int((now - begins) // DAILY.step) + 1) if time >= begins]
    put(folder, WEEKLY, now, tuple(mean(values) for values in zip(*quarter, strict=True)))


def mean(values: Sequence[float]) -> float:
    """Return the mean of those that are numbers. Pure."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def put(folder: str, ring: Ring, now: float, numbers: Row) -> None:
    """Write one row into its place; a file of another length is begun anew. Raises OSError."""
    path, size = os.path.join(folder, ring.file), ring.rows * ROW.size
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_size != size:
            os.ftruncate(descriptor, 0)
            os.ftruncate(descriptor, size)
        number = int(now // ring.step)
        os.pwrite(descriptor, ROW.pack(number * ring.step, *numbers), number % ring.rows * ROW.size)
    finally:
        os.close(descriptor)


def rows(folder: str, ring: Ring, now: float, count: int = 0) -> list[tuple[float, Row]]:
    """Return the last `count` rows and their times, oldest first, the present one at the end; all of them if 0."""
    try:
        with open(os.path.join(folder, ring.file), "rb") as file:
            data = file.read(ring.rows * ROW.size)
    except OSError:
        data = b""
    last = int(now // ring.step)
    found = []
    for number in range(last - (count or ring.rows) + 1, last + 1):
        place = number % ring.rows * ROW.size
        time, *numbers = ROW.unpack_from(data, place) if len(data) >= place + ROW.size else (0, *NOTHING)
        found.append((float(number * ring.step), tuple(numbers) if time == number * ring.step else NOTHING))
    return found


def shown(folder: str, now: float) -> dict[str, dict[str, Column]]:
    """Return the columns of the day and of the week, oldest first; None where nobody looked, or could say."""
    found = {}
    for ring in (DAILY, WEEKLY):
        columns = zip(*(numbers for _, numbers in rows(folder, ring, now)), strict=True)
        found[ring.file] = {
            name: [round(value, 1) if math.isfinite(value) else None for value in values]
            for name, values in zip(COLUMNS, columns, strict=True)
        }
    return found
