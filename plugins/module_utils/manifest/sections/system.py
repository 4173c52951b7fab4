"""Section `system`: which operating system this is, where and on what it runs."""

from __future__ import annotations

import os
import platform
import re
from typing import TYPE_CHECKING

from ..reading.machine import MissingError
from ..section import Collector

if TYPE_CHECKING:
    from ..reading.machine import Host, Section

ZONES = "/usr/share/zoneinfo/"
# Firmware and kernel take some of the memory, not always the same: MiB, rounded.
MEMORY_STEP = 256


def assignments(text: str) -> dict[str, str]:
    """Return a shell-like file's assignments (os-release, /etc/default/locale), without their quotes."""
    found = re.findall(r"^\s*(?:export\s+)?(\w+)=(.*)$", text, re.MULTILINE)
    return {name: value.strip().strip("\"'") for name, value in found}


def zone_of(link: str) -> str:
    """Return the time zone that /etc/localtime names."""
    return link.split(ZONES, 1)[1] if ZONES in link else link


def memory_mb(meminfo: str) -> int:
    """Return the machine's memory in MiB, rounded to what stays the same from boot to boot."""
    found = re.search(r"^MemTotal:\s+(\d+)", meminfo, re.MULTILINE)
    return round(int(found[1]) / 1024 / MEMORY_STEP) * MEMORY_STEP if found else 0


def collect(host: Host) -> Section:
    """Return the section."""
    release = assignments(host.read("/etc/os-release"))
    section: Section = {
        "os": release.get("ID", ""),
        "release": release.get("VERSION_ID", ""),
        "codename": release.get("VERSION_CODENAME", ""),
        "point release": host.text("/etc/debian_version").strip(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "host name": platform.node(),
        "machine id": host.text("/etc/machine-id").strip(),
        "virtualization": host.ask("systemd-detect-virt")[1].strip(),
        # Of the first process: this one may have been given fewer, or pinned itself.
        "processors": len(os.sched_getaffinity(1)),
        "memory MiB": memory_mb(host.text("/proc/meminfo")),
        "swap": sorted(line.split()[0] for line in host.text("/proc/swaps").splitlines()[1:]),
        "time zone": time_zone(host),
        "reboot required": os.path.exists(host.path("/run/reboot-required")),
    }
    for name, value in assignments(host.text("/etc/default/locale") or host.text("/etc/locale.conf")).items():
        section[f"locale:{name}"] = value
    try:
        section["locales"] = sorted(host.run("locale", "-a").split())
    except MissingError as missing:
        host.miss("system/locales", str(missing))
    return section


def time_zone(host: Host) -> str:
    """Return the time zone in force."""
    try:
        return zone_of(os.readlink(host.path("/etc/localtime")))
    except OSError:
        # A copy of the zone's file says only its rule.
        try:
            with open(host.path("/etc/localtime"), "rb") as file:
                return file.read().rstrip(b"\n").rsplit(b"\n", 1)[-1].decode("ascii", "replace")
        except OSError:
            return "UTC"


SECTIONS = (Collector("system", lambda host, _live: collect(host)),)
