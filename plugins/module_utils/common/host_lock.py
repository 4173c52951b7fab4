"""Locks on this host, in files that nobody but root can open: one run at a time, and no wait without an end."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .errors import HostError
from .folders import PRIVATE, make_folder
from .held_folder import user_name
from .paths import RUN

if TYPE_CHECKING:
    from collections.abc import Iterator

POLL_SECONDS = 0.1


@contextmanager
def one_at_a_time(app: str, patience: float = 30) -> Iterator[None]:
    """Hold the application's lock on this host; raises HostError when another run keeps it for longer (seconds)."""
    with private_lock(f"{RUN}/release-{app}", patience, "another deployment is at work on this host"):
        yield


@contextmanager
def private_lock(path: str, patience: float, what: str) -> Iterator[None]:
    """Hold a lock in a folder of root's alone; raises HostError, which says `what` goes on, after some seconds."""
    with make_folder(os.path.dirname(path), PRIVATE) as folder:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(os.path.basename(path), flags, 0o600, dir_fd=folder.descriptor)
    try:
        take(descriptor, patience, what)
        yield
    finally:
        os.close(descriptor)


def take(descriptor: int, patience: float, what: str) -> None:
    """Lock an open file (flock(2)); raises HostError, which says `what` and who holds it, after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise HostError(
                    f"{what}: {holder(descriptor)} holds the lock, for longer than {patience:g} s",
                    "Wait until it is done, or end it, then run this again.",
                ) from None
            time.sleep(POLL_SECONDS)
        else:
            return


def holder(descriptor: int, table: str = "/proc/locks") -> str:
    """Return which process holds the lock of an open file, in words, by the kernel's table (proc_locks(5))."""
    inode = str(os.fstat(descriptor).st_ino)
    try:
        with open(table, encoding="ascii", errors="replace") as locks:
            rows = [line.split() for line in locks]
    except OSError:
        rows = []
    for row in rows:
        # A line with an arrow is of one who waits.
        if row[1:2] == ["FLOCK"] and [place.rsplit(":", 1)[-1] for place in row[5:6]] == [inode]:
            return process(row[4])
    return "a process that is not seen here"


def process(pid: str) -> str:
    """Return a process in words: its number, what it calls itself, whose it is."""
    try:
        whose = user_name(os.stat(f"/proc/{pid}").st_uid)
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            name = "".join(letter if letter.isprintable() else "?" for letter in file.read().strip())
    except OSError:
        return f"process {pid}"
    return f"process {pid} ({name}, {whose}'s)"
