"""Section `monitor`: whom it asks, by which rules, and for how long it keeps what it heard."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from plugins.module_utils.manifest.section import Collector, Service

if TYPE_CHECKING:
    from plugins.module_utils.manifest.reading.live import Live
    from plugins.module_utils.manifest.reading.machine import Host, Section

ASKS, RULES = "/etc/prometheus/samestack.yml", "/etc/prometheus/samestack.rules.yml"
UNIT = "/etc/systemd/system/prometheus.service.d/samestack.conf"


def collect(host: Host, _live: Live) -> Section:
    """Return the section, an empty one on a machine that is none."""
    said = host.text(ASKS)
    if not said:
        return {}
    section: Section = {
        "targets": sorted(re.findall(r'targets: \["([^"]+)"\], labels', said)),
        "rules": sorted(re.findall(r"^ +- alert: (\w+)", host.text(RULES), re.MULTILINE)),
    }
    kept = dict(re.findall(r"--storage\.tsdb\.retention\.(\w+)=(\S+)", host.text(UNIT)))
    return section | {f"keeps:{name}": value for name, value in kept.items()}


SECTIONS = (Collector("monitor", collect),)
SERVICE = Service(
    units=(r"prometheus", r"prometheus-alertmanager", r"samestack-alerts"),
    own_files=("/etc/samestack/monitor-*.pem",),
)
