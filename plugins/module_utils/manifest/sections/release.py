"""Section `release`: which code is live, and whether it is what was built."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...common.paths import STATE
from ..reading.live import no_release
from ..section import Collector

if TYPE_CHECKING:
    from ..reading.live import Live
    from ..reading.machine import Host, Section

#: As many changed files are named; the rest is only counted.
NAMED = 100


def collect(host: Host, live: Live) -> Section:
    """Return the section; raises MissingError where no release is live."""
    if not live.id:
        raise no_release(host)
    changed = live.changed
    section: Section = {
        "id": live.id,
        "digest": live.listed.sha256 if live.listed and not live.is_code else "",
        "environment of packages": live.build.get("vid", ""),
        "label": live.build.get("label", ""),
        "commit": live.build.get("commit", ""),
        "built with Python": live.build.get("python", ""),
        "live code": live.is_code,
        "changed": [*changed[:NAMED], *([f"and {len(changed) - NAMED} more"] if len(changed) > NAMED else [])],
        # Another way to change what runs
        "owner": owners(live),
        "waits for new processes": os.path.exists(host.path(f"{STATE}/owed/{host.config['app']}")),
        "stopped on purpose": os.path.exists(host.path(f"{STATE}/paused/{host.config['app']}")),
    }
    return section


def owners(live: Live) -> str:
    """Return whose the release is: everybody who may write into it changes what runs."""
    if live.is_code:
        return "live code"
    status = os.stat(live.place.folder)
    return (
        "root" if (status.st_uid, status.st_mode & 0o022) == (0, 0) else f"{status.st_uid} {status.st_mode & 0o777:o}"
    )


SECTIONS = (Collector("release", collect, slow=True),)
