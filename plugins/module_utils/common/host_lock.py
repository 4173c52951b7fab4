"""One run at a time on this host."""

from __future__ import annotations

import fcntl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .errors import HostError
from .paths import RUN

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def one_at_a_time(app: str, patience: float = 30) -> Iterator[None]:
    """Hold the application's lock on this host; raises HostError when another run keeps it for longer (seconds)."""
    with open(f"{RUN}-release-{app}", "a", encoding="utf-8") as lock:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise HostError(
                        "another deployment is at work on this host", "Wait until it is done, then run this again."
                    ) from None
                time.sleep(0.2)
        yield
