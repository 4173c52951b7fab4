"""Times, lengths of time and sizes as people say them. Pure."""

from __future__ import annotations

import time

MINUTE, HOUR, DAY = 60, 3600, 86400
THOUSAND = 1024


def moment(seconds: float) -> str:
    """Return a time, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def day(seconds: float) -> str:
    """Return a date."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def span(seconds: float) -> str:
    """Return a length of time: 29 s, 3 min, 2 h 5 min, 4 days."""
    whole = max(int(seconds), 0)
    if whole >= 2 * DAY:
        return f"{whole // DAY} days"
    if whole >= HOUR:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // MINUTE} min" if whole >= 2 * MINUTE else f"{whole} s"


def size(amount: float) -> str:
    """Return bytes: 512 B, 3.1 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < THOUSAND:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.3g} {unit}"
        amount /= THOUSAND
    return f"{amount:.3g} TiB"
