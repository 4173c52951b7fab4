"""One report: the environments of which there are manifests, what is said of the others, and every form of it.

Runs on the control node, by `box/parity` and by the action plugin `compare_manifests`.
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..files import write_whole
from ..text import one_line
from .as_json import as_data
from .compare import Comparison, compare
from .page import page
from .text import Look, age, cut, lines
from .timeline import Step, changes, stamp_of, timeline
from .values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .envelope import Envelope
    from .store import Saved, Store

VALUE_LETTERS = 60
#: Recordings of a host that the page shows
SHOWN = 20


class Report:
    """What is compared, and what there is to say about it."""

    def __init__(self, store: Store) -> None:
        """Begin with no environment."""
        self.store = store
        self.found: dict[str, list[Envelope]] = {}
        self._rehearsed: dict[str, bool] = {}
        self._troubles: dict[str, str] = {}

    def add(self, environment: str, *, rehearsal: bool, trouble: str = "") -> None:
        """Take an environment's last manifests; `trouble` is why it could not be recorded anew."""
        self._rehearsed[environment] = rehearsal
        if trouble:
            self._troubles[environment] = trouble
        if found := self.store.at(environment, rehearsal=rehearsal):
            self.found[environment] = found

    @cached_property
    def comparison(self) -> Comparison:
        """The comparison of all environments of which there is a manifest."""
        return compare(envelope for found in self.found.values() for envelope in found)

    def notes(self, now: float) -> Iterator[str]:
        """Yield a line about each environment that is not simply itself, just recorded."""
        for name, rehearsal in self._rehearsed.items():
            trouble, found = self._troubles.get(name), self.found.get(name)
            if trouble and found:
                when = age(min(envelope.time for envelope in found), now)
                yield f"{name}: not recorded now, the manifest of {when} is used. {trouble}"
            elif trouble or not found:
                yield f"{name}: left out. {trouble or 'No manifest of it is saved'}"
            elif rehearsal:
                yield f"{name}: a local machine stands in for it (./samestack rehearse)"

    def lines(self, look: Look, now: float, *, everything: bool = False) -> list[str]:
        """Return the report for a terminal."""
        return lines(self.comparison, look, now=now, everything=everything)

    def data(self) -> dict[str, Any]:
        """Return the report for programs."""
        return as_data(self.comparison)

    def write_page(self, path: Path, now: float) -> None:
        """Write the page, whole or not at all."""
        made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
        text = page(self.comparison, self.timelines(), made, list(self.notes(now)))
        write_whole(path, text, 0o600)

    def timelines(self) -> dict[str, list[Step]]:
        """Return each host's steps, by `environment: host`."""
        return {
            f"{name}: {host}": timeline(self._read(saved[-SHOWN:]))
            for name, rehearsal in self._rehearsed.items()
            for host, saved in self.store.history(name, rehearsal=rehearsal).items()
        }

    def _read(self, saved: Sequence[Saved]) -> list[Envelope]:
        """Return the envelopes; one that says the same as the one before is not read."""
        news = [one for number, one in enumerate(saved) if not number or one.digest != saved[number - 1].digest]
        return [self.store.read(one) for one in news]

    def since(self, moment: float) -> Iterator[str]:
        """Yield the lines that tell what changed on each environment since a moment (seconds since 1970)."""
        for name, rehearsal in self._rehearsed.items():
            for host, saved in self.store.history(name, rehearsal=rehearsal).items():
                earlier = [one for one in saved if one.time <= stamp_of(moment)]
                before = self.store.read(earlier[-1] if earlier else saved[0])
                after = self.store.read(saved[-1])
                yield f"{name}, {host}: from {before.time} to {after.time}"
                found = list(changes(before.manifest, after.manifest))
                for change in found:
                    key = f"{change.section}/{change.key}" if change.key else change.section
                    values = [cut(shown(value), VALUE_LETTERS) for value in (change.before, change.after)]
                    yield f"  {one_line(key)}: {values[0]} → {values[1]}"
                if not found:
                    yield "  nothing changed"
