"""How long the steps of a run took."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Steps:
    """Times the steps of a run, for the result."""

    def __init__(self) -> None:
        """Start with none."""
        self.done: list[dict[str, Any]] = []
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time one step."""
        start = time.monotonic()
        try:
            yield
        finally:
            seconds = round(time.monotonic() - start, 2)
            self.done.append({"name": name, "seconds": seconds})
            self.seconds[name] = round(self.seconds.get(name, 0) + seconds, 2)
