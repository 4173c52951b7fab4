"""What Nginx writes of each request (roles/nginx), read on from where the last look has ended."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from ..common.folders import open_file
from .visit import AGENT, SERVER_ERROR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LOG = "/var/log/nginx/access.log"
#: What logrotate calls the file before
BEFORE = ".1"
#: Bytes that one look reads: the end of what is more
MOST = 4 << 20
#: The end of a line; Nginx writes the quotes of visitors as \x22
LINE = re.compile(
    rb'" (?P<status>\d{3}) \d+ "[^"]*" "(?P<agent>[^"]*)" (?P<ended>\d+\.\d+) (?P<took>\d+\.\d+) (?P<answered>\S.*)$'
)
#: These Nginx says itself when the application does not; 503 is the maintenance page.
ITS_OWN = (500, 502, 504)
UPGRADED = 101

#: A file (its inode) and how much of it was read; none before the first look
Position = list[int]


class Request(NamedTuple):
    """A request that the application had to answer."""

    #: When it came and when it had its answer, in seconds since 1970
    began: float
    ended: float
    #: Until the answer began
    seconds: float
    failed: bool


def read_on(position: Sequence[int], path: str = LOG, most: int = MOST) -> tuple[list[bytes], Position, int]:
    """Return the whole lines that are new, where to go on, and how many bytes were left out.

    Of what was there before the first look nothing is new. Raises PathError, and OSError where there is no log.
    """
    with open(open_file(path), "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if not position:
            return [], [status.st_ino, status.st_size], 0
        same = position[0] == status.st_ino and position[1] <= status.st_size
        rest = b"" if same else rest_of(path + BEFORE, position, most)
        start = position[1] if same else 0
        left_out = max(status.st_size - start - most, 0)
        file.seek(start + left_out)
        new = file.read(min(most, status.st_size - start))
    end = new.rfind(b"\n") + 1
    # A line without an end is read when it has one, unless nobody would read so much.
    behind = start + left_out + (end or (len(new) if len(new) == most else 0))
    lines = [*rest.split(b"\n"), *new[:end].split(b"\n")]
    return lines[bool(left_out) :], [status.st_ino, behind], left_out


def rest_of(path: str, position: Sequence[int], most: int) -> bytes:
    """Return what was written into a file before another took its place; b"" where it is not that one."""
    try:
        with open(open_file(path), "rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_ino != position[0]:
                return b""
            file.seek(max(position[1], os.fstat(file.fileno()).st_size - most))
            return file.read(most)
    except OSError:
        return b""


def requests(lines: Iterable[bytes]) -> Iterator[Request]:
    """Yield the requests that the application had to answer; our own look at the site is none."""
    for line in lines:
        found = LINE.search(line)
        if not found or found["agent"] == AGENT.encode():
            continue
        status, took = int(found["status"]), float(found["took"])
        # Of several that were asked the last one answered.
        answered = found["answered"].split()[-1]
        if status == UPGRADED or (answered == b"-" and status not in ITS_OWN):
            continue
        ended = float(found["ended"])
        try:
            seconds = took if answered == b"-" else float(answered)
        except ValueError:
            continue
        yield Request(ended - took, ended, seconds, status >= SERVER_ERROR)
