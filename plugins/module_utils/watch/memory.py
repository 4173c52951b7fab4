"""What is known from one look to the next: numbers over time, since when something is so, and what people were told."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ..common.files import read_json, write_atomic
from ..common.folders import PRIVATE, make_folder
from .settings import KEPT, MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: A time (seconds since 1970) and a number
Sample = list[float]


@dataclass
class Memory:
    """What is known; every look writes it anew."""

    #: When the last look by the clock was; 0: there was none
    looked: float = 0
    #: Since when each finding is there, by section and key
    since: dict[str, float] = field(default_factory=dict)
    #: Since when each red one is there and nothing has held its alarm
    ripe: dict[str, float] = field(default_factory=dict)
    #: The sections that people were told of, and when; empty while all is well
    told: dict[str, float] = field(default_factory=dict)
    #: Since when nothing of it is there any more; 0 while something is
    well: float = 0
    #: The reason why a notice could not be sent, since when, and what people would know by it
    unsent: dict[str, Any] = field(default_factory=dict)
    #: The same of the ping
    unpinged: dict[str, Any] = field(default_factory=dict)
    #: Numbers over time, by name
    series: dict[str, list[Sample]] = field(default_factory=dict)
    #: What takes long to find out: time, stamp, value
    seldom: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: How much of Nginx's log was read, and how each release answers (traffic.py)
    log: list[int] = field(default_factory=list)
    periods: list[dict[str, Any]] = field(default_factory=list)
    #: Until when the journal was read, the releases that wrote into it lately, and each kind of exception in it
    journal: float = 0
    served: list[str] = field(default_factory=list)
    exceptions: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str = MEMORY) -> Memory:
        """Return what is known, nothing where the file is not there, not whole, or of another version."""
        try:
            return cls(**(read_json(path) or {}))
        except TypeError:
            return cls()

    def write(self, path: str = MEMORY) -> None:
        """Keep it; raises PathError, OSError."""
        make_folder(KEPT, PRIVATE).close()
        write_atomic(path, json.dumps(asdict(self)), 0o600)

    def growth(self, name: str, now: float, value: float, window: float, spacing: float = 0) -> float:
        """Keep a number that only grows, and return by how much it has within the window."""
        samples = self.sample(name, now, value, window, spacing)
        before = samples[0][1]
        # It began anew with what counts it.
        return value - before if value >= before else value

    def sample(self, name: str, now: float, value: float, window: float, spacing: float) -> list[Sample]:
        """Keep a number, one each `spacing` seconds, and return those of the last `window` seconds, oldest first."""
        samples = within(self.series.get(name, []), now, window)
        if not samples or now - samples[-1][0] >= spacing:
            samples.append([now, value])
        self.series[name] = samples
        return samples

    def forget(self, beginning: str, names: Iterable[str]) -> None:
        """Forget the numbers of what is not there any more."""
        kept = {beginning + name for name in names}
        gone = [name for name in self.series if name.startswith(beginning) and name not in kept]
        for name in gone:
            del self.series[name]


def within(samples: Sequence[Sample], now: float, window: float) -> list[Sample]:
    """Return the samples of the last so many seconds; a clock that went back does not count."""
    return [one for one in samples if 0 <= now - one[0] <= window]
