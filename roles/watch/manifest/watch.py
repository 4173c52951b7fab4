"""Section `watch`: what is looked at each minute, and what is too much."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from plugins.module_utils.manifest.section import Collector, Service

if TYPE_CHECKING:
    from plugins.module_utils.manifest.reading.live import Live
    from plugins.module_utils.manifest.reading.machine import Host, Section

FILE = "/etc/samestack/watch.json"


def collect(host: Host, _live: Live) -> Section:
    """Return the section, an empty one where nobody watches."""
    try:
        found = json.loads(host.text(FILE))
    except ValueError:
        return {}
    section: Section = {f"limit:{name}": value for name, value in found["limits"].items()}
    section["told"] = not found["rehearsal"]
    return section | {name: found[name] for name in ("runs", "workers", "timers", "units", "services", "backups")}


SECTIONS = (Collector("watch", collect),)
SERVICE = Service(units=(r"samestack-watch",))
