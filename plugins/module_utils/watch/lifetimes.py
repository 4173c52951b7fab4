"""Until when releases get security updates. Looked up on 2026-11-29, at the addresses beside them. Pure."""

from __future__ import annotations

import calendar
import time

#: https://wiki.debian.org/LTS and https://ubuntu.com/about/release-cycle: the end of what is free of charge
SYSTEMS = {
    ("debian", "12"): "2028-06-30",
    ("debian", "13"): "2030-06-30",
    ("ubuntu", "22.04"): "2027-05-31",
    ("ubuntu", "24.04"): "2029-05-31",
    ("ubuntu", "26.04"): "2031-05-31",
}
#: https://www.postgresql.org/support/versioning/: the last release of each major version
POSTGRESQL = {
    "14": "2026-11-12",
    "15": "2027-11-11",
    "16": "2028-11-09",
    "17": "2029-11-08",
    "18": "2030-11-14",
}


def seconds(date: str) -> float:
    """Return the end of a day (UTC) in seconds since 1970."""
    return float(calendar.timegm(time.strptime(date, "%Y-%m-%d"))) + 86400
