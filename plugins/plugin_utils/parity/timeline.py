"""What changed on one host from one recording to the next. Pure."""

from __future__ import annotations

import re
import time
from calendar import timegm
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .section import in_order
from .values import ABSENT, Missing, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .envelope import Envelope

STAMP = "%Y-%m-%dT%H:%M:%SZ"
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
SINCE_ADVICE = "Write a date (2026-11-24), a time of UTC (2026-11-24T08:00), a weekday (tuesday), or 90m, 12h, 3d, 2w"


@dataclass(frozen=True)
class Change:
    """One key of a host that changed."""

    section: str
    key: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Step:
    """One recording of a host, and what changed since the one before it."""

    #: UTC, as `2026-11-25T14:03:00Z`
    time: str
    #: Why it was recorded, and by whom
    cause: str
    #: None where the recording is on the host alone: something changed, and that it did is all that is known here
    changes: tuple[Change, ...] | None


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what differs between two manifests of one host, by section and key."""
    names = {*before["sections"], *after["sections"]}
    for section in in_order(names):
        old, new = before["sections"].get(section), after["sections"].get(section)
        if old == new:
            continue
        if old is None or new is None:
            yield Change(section, "", _whole(before, section), _whole(after, section))
            continue
        for key in sorted({*old, *new}):
            pair = [frozen(values[key]) if key in values else ABSENT for values in (old, new)]
            if pair[0] != pair[1]:
                yield Change(section, key, *pair)


def _whole(manifest: Mapping[str, Any], section: str) -> Any:
    found = manifest["sections"].get(section)
    if found is not None:
        return f"{len(found)} keys"
    return Missing((manifest.get("missing") or {}).get(section, "it was not recorded"))


def timeline(recordings: Sequence[Envelope]) -> list[Step]:
    """Return the steps of one host's recordings, oldest first; one that changed nothing is left out, but the first."""
    ordered = sorted(recordings, key=lambda one: one.time)
    steps = [Step(ordered[0].time, ordered[0].cause, ())] if ordered else []
    for before, after in pairwise(ordered):
        found = tuple(changes(before.manifest, after.manifest))
        if found:
            steps.append(Step(after.time, after.cause, found))
    return sorted([*steps, *on_the_host(ordered)], key=lambda step: step.time)


def on_the_host(ordered: Sequence[Envelope]) -> Iterator[Step]:
    """Yield what the host has recorded by itself or for others and this computer has not, where something changed."""
    known = {envelope.time for envelope in ordered}
    before: str | None = None
    for line in ordered[-1].history if ordered else ():
        digest, time_of = str(line.get("digest", "")), str(line.get("time", ""))
        if before is not None and digest != before and time_of not in known and time_of:
            person = str(line.get("who") or "").partition(" <")[0]
            yield Step(time_of, f"{line.get('cause', '')}{f', {person}' if person else ''}", None)
        before = digest


def since(text: str, now: float) -> float:
    """Return the moment that a person means, in seconds since 1970; raises ValueError with advice."""
    word = text.strip().lower()
    if match := re.fullmatch(r"(\d+)([mhdw])", word):
        return now - int(match[1]) * UNITS[match[2]]
    today = now - now % UNITS["d"]
    if word in ("today", "yesterday"):
        return today - (UNITS["d"] if word == "yesterday" else 0)
    if word in DAYS:
        # The last one that is over or has begun; a week ago where that is today
        back = (time.gmtime(now).tm_wday - DAYS.index(word)) % 7 or 7
        return today - back * UNITS["d"]
    for form in ("%Y-%m-%d", "%Y-%m-%dt%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dt%H:%M:%S", "%Y-%m-%dt%H:%M:%Sz"):
        try:
            return float(timegm(time.strptime(word, form)))
        except ValueError:
            continue
    raise ValueError(f"--since {text}: this is no time. {SINCE_ADVICE}.")


def seconds(stamp: str) -> float:
    """Return a recording's time in seconds since 1970."""
    return float(timegm(time.strptime(stamp, STAMP)))


def stamp_of(moment: float) -> str:
    """Return a moment as it stands in the name of a recording's file: `20261125T140300Z`."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))
