"""Section `traffic`: how the application answers visitors, by Nginx's log, and whether a release made it worse."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...release.place import Place
from .. import access_log
from ..check import NEEDED, NOTE, RED, Check, Facts, Finding, Look
from ..spans import size
from ..traffic import CHANCE, HOUR, NOW, compared, lately, rate, summary, take, usual

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def gather(look: Look) -> Facts | None:
    """Return the facts, None where visitors are not answered; raises OSError, PathError."""
    place, memory = Place(look.settings.root, ""), look.memory
    release = place.current
    if not look.settings.site or not release:
        return None
    lines, memory.log, left_out = access_log.read_on(memory.log)
    since = os.lstat(place.current_link).st_mtime
    memory.periods = take(memory.periods, release, since, access_log.requests(lines))
    return {
        "now": look.now, "release": release, "since": since, "left_out": left_out,
        "minutes": summary(lately(memory.periods, look.now)), "hour": summary(usual(memory.periods[-1])),
        **compared(memory.periods, len(memory.periods) - 1),
    }  # fmt: skip


def judge(facts: Facts, limits: Mapping[str, float]) -> Iterator[Finding]:
    """Yield that too many requests fail, and that a release answers worse than what served before it."""
    few = facts["minutes"]
    if few["errors"] >= CHANCE and rate(few) * 100 >= limits["errors"]:
        text = f"{few['errors']} of {few['requests']} requests in {NOW} minutes failed ({percent(few)}, 5xx)"
        yield Finding("errors", RED, text, "logs", unit="{app}-web@*")
    # What lasts longer is how it is now.
    worse = facts["worse"] if facts["now"] - facts["since"] < HOUR else []
    release, before, after = facts["release"], facts["before"], facts["after"]
    if "errors" in worse:
        shares = f"{percent(before)} → {percent(after)}"
        text = f"release {release} fails more often than the one before: {shares} of requests"
        yield Finding("worse", RED, text, "rollback", unit="{app}-web@*")
    if "p95" in worse:
        text = f"release {release} is slower than the one before: {times(before)} → {times(after)} (p95)"
        yield Finding("slower", RED, text, "rollback")
    if facts["left_out"]:
        text = f"so many requests come that {size(facts['left_out'])} of their log were not read"
        yield Finding("flood", NOTE, text)


def percent(figures: Mapping[str, float]) -> str:
    """Return the share of requests that failed."""
    return f"{rate(figures) * 100:.2g} %"


def times(figures: Mapping[str, float]) -> str:
    """Return within which time nearly all requests had their answer."""
    return f"{figures['p95'] * 1000:.0f} ms" if figures["p95"] is not None else "no time"


def words(facts: Facts) -> str:
    """Return how the release that serves has answered lately."""
    hour = facts["hour"]
    if not hour["requests"]:
        return "nobody has asked since anybody looks"
    return f"{hour['requests']} requests lately, {percent(hour)} failed, p95 {times(hour)}"


CHECK = Check("traffic", 32, gather, judge, words, worked_on=True, follows=NEEDED)
