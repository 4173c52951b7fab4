"""Section `system`: updates, what waits for a boot or a restart, the clock, and releases that end."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ...packages.stale_services import stale_units
from ..check import NOTE, YELLOW, Check, Facts, Finding, Look
from ..container import is_container
from ..lifetimes import POSTGRESQL, SYSTEMS, seconds
from ..metrics import Metric
from ..spans import DAY, HOUR, day, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REBOOT = "/run/reboot-required"
LISTS, STATUS = "/var/lib/apt/lists", "/var/lib/dpkg/status"
SYNCHRONIZED = "/run/systemd/timesync/synchronized"
#: A line of apt's for something that comes from an archive of security updates
SECURITY = re.compile(r"^Inst (\S+) .*[-/ ]security\b", re.MULTILINE | re.IGNORECASE)
#: Security updates are installed each night: what waits longer is held by something.
PATIENCE = 2 * DAY
#: How often it is looked for what takes long
UPDATES_EVERY, STALE_EVERY = 12 * HOUR, 15 * 60
#: Seconds after a boot within which the clock is set
SETTLED = 1800
YEAR, SOON = 365 * DAY, 90 * DAY
SHOWN = 3


def gather(look: Look) -> Facts:
    """Return the facts; raises HostError, OSError."""
    updates = look.seldom("updates", UPDATES_EVERY, lambda: due(look), stamp=[changed(LISTS), changed(STATUS)])
    waiting = look.memory.sample("updates due", look.now, float(bool(updates)), 10 * DAY, HOUR)
    since = look.now
    for at, there in reversed(waiting):
        if not there:
            break
        since = at
    return {
        "now": look.now,
        "updates": updates,
        "waiting": look.now - since if updates else 0,
        "reboot": os.path.exists(REBOOT),
        "stale": look.seldom("stale", STALE_EVERY, lambda: stale(look), stamp=changed(STATUS)),
        "clock": clock(),
        "system": list(release()),
        "postgresql": look.settings.database.get("version", ""),
    }


def due(look: Look) -> list[str]:
    """Return the packages for which there is a security update; raises HostError."""
    quiet = ("-o", "Debug::NoLocking=1", "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=")
    return sorted(SECURITY.findall(look.run("apt-get", "--simulate", "-qq", *quiet, "dist-upgrade")))


def changed(path: str) -> float:
    """Return when a file or folder was changed, 0 where it is not there."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0


def stale(look: Look) -> list[str]:
    """Return the services that still run what was replaced; raises HostError."""
    return stale_units(lambda words: (0, look.run(*words), ""))


def clock() -> str:
    """Return what is wrong with the clock, "" for nothing; a container has that of its computer."""
    if is_container() or not os.path.exists(os.path.dirname(SYNCHRONIZED)):
        return ""
    with open("/proc/uptime", encoding="ascii") as file:
        up = float(file.read().split()[0])
    return "" if os.path.exists(SYNCHRONIZED) or up < SETTLED else "no time server has answered since the last boot"


def release(path: str = "/etc/os-release") -> tuple[str, str]:
    """Return the system's name and release; raises OSError."""
    with open(path, encoding="utf-8") as file:
        found = dict(line.strip().split("=", 1) for line in file if "=" in line)
    return found.get("ID", "").strip('"'), found.get("VERSION_ID", "").strip('"')


def judge(facts: Facts, _: Mapping[str, float]) -> Iterator[Finding]:
    """Yield what somebody should see to, in time."""
    if facts["updates"] and facts["waiting"] > PATIENCE:
        text = f"security updates have waited for {span(facts['waiting'])}: {few(facts['updates'])}"
        yield Finding("updates", YELLOW, text, "upgrade")
    elif facts["updates"]:
        yield Finding("updates", NOTE, f"security updates come tonight: {few(facts['updates'])}")
    if facts["reboot"]:
        yield Finding("reboot", YELLOW, "an update waits for a reboot", "reboot")
    if facts["stale"]:
        text = f"{few(facts['stale'])} still run what an update has replaced"
        yield Finding("stale", YELLOW, text, "restart", {"unit": facts["stale"][0]})
    if facts["clock"]:
        yield Finding("clock", YELLOW, f"the clock: {facts['clock']}", "restart", {"unit": "systemd-timesyncd.service"})
    name, number = facts["system"]
    ends = {
        f"{name.capitalize()} {number}": SYSTEMS.get((name, number)),
        f"PostgreSQL {facts['postgresql']}": POSTGRESQL.get(facts["postgresql"]),
    }
    for what, date in ends.items():
        left = seconds(date) - facts["now"] if date else YEAR
        if left < 0:
            # Only to be known: no verb takes a machine that serves to another release.
            text = f"{what} has ended, on {date}: nobody mends it any more; build a machine with a newer one beside it"
            yield Finding(f"ended {what}", NOTE, text)
        elif left < YEAR:
            yield Finding(f"ends {what}", NOTE, f"{what} ends on {date}, in {span(left)}")


def few(names: list[str]) -> str:
    """Return the first of them, and how many more there are."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def words(facts: Facts) -> str:
    """Return what system it is."""
    name, number = facts["system"]
    updates = f"{len(facts['updates'])} security updates due" if facts["updates"] else "no security update due"
    date = SYSTEMS.get((name, number))
    return f"{name.capitalize()} {number}" + (f" until {day(seconds(date) - 1)}" if date else "") + f", {updates}"


def metrics(facts: Facts) -> Iterator[Metric]:
    """Yield which system it is."""
    name, number = facts["system"]
    yield Metric("samestack_system_info", 1, {"system": name, "release": number})


CHECK = Check("system", 120, gather, judge, words, metrics)
