"""Section `exporters`: which there are, where they listen, and for whom."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from plugins.module_utils.manifest.section import Collector, Service

if TYPE_CHECKING:
    from plugins.module_utils.manifest.reading.live import Live
    from plugins.module_utils.manifest.reading.machine import Host, Section

FRONT = "/etc/samestack/metrics.conf"
ACCOUNTS = "/etc/sysusers.d/samestack-exporters.conf"
UNIT = "/etc/systemd/system/prometheus-{}-exporter.service.d/samestack.conf"


def collect(host: Host, _live: Live) -> Section:
    """Return the section, an empty one where there are none."""
    names = re.findall(r"^u samestack-(\w+)-exporter ", host.text(ACCOUNTS), re.MULTILINE)
    listens = {name: re.findall(r"--web\.listen-address=(\S+)", host.text(UNIT.format(name))) for name in names}
    section: Section = {name: found[0] for name, found in listens.items() if found}
    over = re.findall(r"^accept = (\S+)", host.text(FRONT), re.MULTILINE)
    return section | ({"over TLS": sorted(over)} if over else {})


SECTIONS = (Collector("exporters", collect),)
SERVICE = Service(units=(r"prometheus-\w+-exporter", r"samestack-metrics"), own_files=("/etc/samestack/metrics-*.pem",))
