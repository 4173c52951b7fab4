"""Who talks to a web server's socket: a server is stopped when nobody is left, or when the time is up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_SECONDS = 0.05
# From linux/net.h and the listening socket's flag in /proc/net/unix
LISTENING = 0x10000
COLUMNS = 8
# A connection that began at the moment of the switch is on the list a moment later.
QUIET_LOOKS = 2


def connections(path: str, table: str = "/proc/net/unix") -> int:
    """Return how many connections a listening socket has, those included that its server has not accepted yet.

    The kernel's table has a line for each socket: number, references, protocol, flags, type, state, inode, path. What a
    server has accepted, or is still to accept, bears the path of the socket that it listens on.
    """
    count = 0
    with open(table, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            fields = line.rstrip("\n").split(None, COLUMNS - 1)
            if len(fields) == COLUMNS and fields[-1] == path and not int(fields[3], 16) & LISTENING:
                count += 1
    return count


def wait_until_quiet(path: str, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> int:
    """Wait until nobody is connected, `seconds` at most; returns how many still are.

    `meanwhile` is called between the looks.
    """
    deadline = time.monotonic() + seconds
    quiet = 0
    while True:
        left = connections(path)
        quiet = 0 if left else quiet + 1
        if quiet >= QUIET_LOOKS or time.monotonic() > deadline:
            return left
        meanwhile()
        time.sleep(POLL_SECONDS)
