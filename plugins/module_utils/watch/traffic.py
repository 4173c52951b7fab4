"""How each release answers: its error rate and 95th percentile, and those of what served before it. Pure.

Seconds are counted in classes, each nine percent longer than the one before: as many numbers for a million requests as
for a thousand, and they can be added.
"""

from __future__ import annotations

import calendar
import math
import time
from typing import TYPE_CHECKING, Any

from ..common.ledger import SWITCHING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .access_log import Request

#: Requests, errors, and how many took how long
Figures = dict[str, Any]
#: The time in which one release serves
Period = dict[str, Any]

HOUR, MINUTE = 3600, 60
#: Classes of each doubling of a time, and the share of requests that is faster than what is told
CLASSES, SHARE = 8, 0.95
#: Minutes with visitors that stand for how a release answers, and minutes of what happens now
LAST, NOW = 60, 5
#: New processes are slow at first; that is nobody's fault.
WARMING_UP = 30
#: Releases of which it is known
KEPT = 50
#: Requests before which nothing is said of errors, or of times, and errors that may happen
FEW, FEW_TIMES, CHANCE = 20, 100, 5
#: Worse: so many times as many errors, and this share of all; so many times as long, and so many seconds
MORE, ERRORS, LONGER, SECONDS = 3, 0.01, 2, 0.2


def nothing() -> Figures:
    """Return the figures of no request."""
    return {"requests": 0, "errors": 0, "times": {}}


def count(figures: Figures, request: Request, *, timed: bool = True) -> None:
    """Add a request."""
    figures["requests"] += 1
    figures["errors"] += request.failed
    if timed:
        name = str(int(CLASSES * math.log2(max(request.seconds * 1000, 1))))
        figures["times"][name] = figures["times"].get(name, 0) + 1


def together(many: Iterable[Mapping[str, Any]]) -> Figures:
    """Return the sum of figures."""
    found = nothing()
    for one in many:
        found["requests"] += one["requests"]
        found["errors"] += one["errors"]
        for name, number in one["times"].items():
            found["times"][name] = found["times"].get(name, 0) + number
    return found


def summary(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return figures as they are told: `p95` in seconds, None where nothing was timed."""
    return {"requests": figures["requests"], "errors": figures["errors"], "p95": percentile(figures["times"])}


def percentile(times: Mapping[str, int]) -> float | None:
    """Return the seconds within which 95 of 100 requests had their answer: the end of a class."""
    left = SHARE * sum(times.values())
    for name in sorted(times, key=int):
        left -= times[name]
        if left <= 0:
            return round(float(2 ** ((int(name) + 1) / CLASSES)) / 1000, 3)
    return None


def take(periods: list[Period], release: str, since: float, requests: Iterable[Request]) -> list[Period]:
    """Return the periods, oldest first, with the requests that are new.

    Args:
        periods: what is known; the last one goes on while the same release serves.
        release: which serves now.
        since: since when, in seconds since 1970.
        requests: those that had their answer since the last time.
    """
    if not periods or (periods[-1]["release"], periods[-1]["since"]) != (release, since):
        periods = [*periods, {"release": release, "since": since, "first": nothing(), "minutes": {}}]
    now = periods[-1]
    for request in requests:
        period = now if request.began >= now["since"] else periods[-2] if len(periods) > 1 else None
        if period is None:
            continue
        count(period["minutes"].setdefault(str(int(request.ended // MINUTE)), nothing()), request)
        age = request.began - period["since"]
        if age < HOUR:
            count(period["first"], request, timed=age >= WARMING_UP)
    for period in periods[-2:]:
        for name in sorted(period["minutes"], key=int)[:-LAST]:
            del period["minutes"][name]
    for period in periods[:-2]:
        if "minutes" in period:
            period["last"] = together(period.pop("minutes").values())
    return periods[-KEPT:]


def usual(period: Mapping[str, Any]) -> Figures:
    """Return how a release answered in the last hour in which it was asked."""
    known: Figures = period.get("last") or together(period["minutes"].values())
    return known


def lately(periods: Sequence[Mapping[str, Any]], now: float) -> Figures:
    """Return the last minutes, whatever served."""
    last = now // MINUTE
    minutes = [one for period in periods[-2:] for one in period["minutes"].items()]
    return together(figures for name, figures in minutes if last - NOW < int(name) <= last)


def compared(periods: Sequence[Mapping[str, Any]], index: int) -> dict[str, Any]:
    """Return how a release answered in its first hour (`after`), what served before it (`before`), what is `worse`."""
    before = summary(usual(periods[index - 1])) if index else None
    after = summary(periods[index]["first"])
    return {"before": before, "after": after, "worse": worse(before, after)}


def worse(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[str]:
    """Return what is worse than before: `errors`, `p95`; nothing of what may be chance."""
    if not before or min(before["requests"], after["requests"]) < FEW:
        return []
    found = []
    often, was = rate(after), rate(before)
    if after["errors"] >= CHANCE and often >= max(MORE * was, ERRORS):
        found.append("errors")
    enough = min(before["requests"], after["requests"]) >= FEW_TIMES and before["p95"] and after["p95"]
    if enough and after["p95"] >= max(LONGER * before["p95"], before["p95"] + SECONDS):
        found.append("p95")
    return found


def rate(figures: Mapping[str, Any]) -> float:
    """Return the share of requests that failed."""
    return float(figures["errors"] / figures["requests"]) if figures["requests"] else 0


def with_traffic(lines: Sequence[Mapping[str, Any]], periods: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines of a ledger, those by which a release came to serve with how it answers (`traffic`)."""
    found = [dict(line) for line in lines]
    for index, period in enumerate(periods):
        line = next((line for line in found if began(line, period)), None)
        # Of what served before anybody looked nothing is known.
        if line and (index or period["first"]["requests"]):
            line["traffic"] = compared(periods, index)
    return found


def began(line: Mapping[str, Any], period: Mapping[str, Any]) -> bool:
    """Return whether a line of the ledger is about what began a period; it is written when the run ends."""
    if line.get("release") != period["release"] or line.get("verb") not in SWITCHING or line.get("result") != "ok":
        return False
    try:
        return calendar.timegm(time.strptime(str(line["time"]), "%Y-%m-%dT%H:%M:%SZ")) >= int(period["since"])
    except (KeyError, ValueError):
        return False
