"""What people mean by a moment to go back to: a time, what was before a release or a migration, or the latest. Pure."""

from __future__ import annotations

import datetime
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from .judging import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BEFORE = "before:"
LATEST = "latest"
#: A day, a time of it (to the second, or a part of one), and a zone (`Z`, `+02:00`); without one it is UTC
TIME = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})(?:[T ](?P<clock>\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?"
    r"\s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?"
)
HOW = (
    "Write a time (2026-11-27 14:05, which is UTC, or 2026-11-27T14:05+02:00), before:<release>, before:app.0042, or "
    "latest"
)
RELEASE = re.compile(r"[0-9a-f]{4,12}")
MIGRATION = re.compile(r"\w+\.\w+")


@dataclass(frozen=True)
class Target:
    """A moment to go back to."""

    #: latest, time or name
    kind: str
    #: Seconds since the epoch
    time: float
    #: Of a restore point
    name: str = ""
    #: What it is, in words
    words: str = ""
    #: The release that was live then, where the restore point says so
    release: str = ""

    @property
    def before(self) -> float | None:
        """Return the time that everything used for it has to be from before; None for the latest."""
        return None if self.kind == LATEST else self.time


def resolve(text: str, points: Iterable[Mapping[str, Any]], now: float) -> Target:
    """Return what somebody means; raises HostError for what is no moment, and for one that is still to come.

    Args:
        text: what was typed.
        points: restore points, the oldest first: name, time, release (that was live), before (which one), migrations.
        now: seconds since the epoch.
    """
    said = text.strip()
    if said == LATEST:
        return Target(LATEST, now, words="the latest moment that there is")
    if said.startswith(BEFORE):
        return point(said[len(BEFORE) :].strip(), list(points))
    seconds = parse(said)
    if seconds > now:
        raise HostError(f"--to {said}: {moment(seconds)} is still to come; it is {moment(now)}.", HOW)
    return Target("time", seconds, words=moment(seconds))


def point(what: str, points: list[Mapping[str, Any]]) -> Target:
    """Return the newest restore point before a release or a migration; raises HostError."""
    release, migration = RELEASE.fullmatch(what), MIGRATION.fullmatch(what)
    for one in reversed(points):
        if release and str(one.get("before", "")).startswith(what):
            return of(one, f"before release {one['before']}")
        for name in map(str, one.get("migrations") or []):
            if migration and (name == what or name.startswith(f"{what}_")):
                return of(one, f"before migration {name}")
    known = list(dict.fromkeys(str(one.get("before", "")) for one in reversed(points) if one.get("before")))[:8]
    there = f"There are restore points before: {', '.join(known)}." if known else "There is no restore point yet."
    if not release and not migration:
        raise HostError(f"--to {BEFORE}{what}: this is neither a release nor a migration. {there}", HOW)
    raise HostError(f"--to {BEFORE}{what}: nothing is known of it. {there}", HOW)


def of(one: Mapping[str, Any], words: str) -> Target:
    """Return a restore point as a target."""
    seconds = float(one["time"])
    return Target("name", seconds, str(one["name"]), f"{words}, {moment(seconds)}", str(one.get("release", "")))


def parse(text: str) -> float:
    """Return a time as seconds since the epoch; raises HostError."""
    match = TIME.fullmatch(text)
    if not match:
        raise HostError(f"--to {text}: this is no moment.", HOW)
    try:
        clock = match["clock"] or "00:00"
        zone = {"Z": "+00:00", "UTC": "+00:00", None: "+00:00"}.get(match["zone"], match["zone"] or "")
        zone = zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
        whole, _, part = clock.partition(".")
        found = datetime.datetime.fromisoformat(f"{match['day']}T{whole}{zone}")
    except ValueError as error:
        raise HostError(f"--to {text}: {error}.", HOW) from None
    return found.timestamp() + (float(f"0.{part}") if part else 0)


def for_server(seconds: float) -> str:
    """Return a time as PostgreSQL takes it, in UTC."""
    whole, part = divmod(round(seconds * 1_000_000), 1_000_000)
    return time.strftime(f"%Y-%m-%d %H:%M:%S.{part:06d}+00", time.gmtime(whole))
