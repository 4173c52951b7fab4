"""Section `timers`: what runs by the clock, by systemd, cron and at."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ...common.systemd import parse
from ..reading.machine import MissingError
from ..section import Collector

if TYPE_CHECKING:
    from ..reading.machine import Host, Section

PROPERTIES = "Id,Unit,UnitFileState,ActiveState,RandomizedDelayUSec,Persistent,TimersCalendar,TimersMonotonic"
SPEC = re.compile(r"\{ (On\w+)=(.*?) ; next_elapse=")
TABLES = ("/etc/crontab", "/etc/anacrontab")
FOLDERS = (
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/etc/cron.monthly",
    "/etc/cron.yearly",
)
USERS, AT = "/var/spool/cron/crontabs", "/var/spool/cron/atjobs"
PASSING = re.compile(r"^run-")


def schedules(text: str) -> list[str]:
    """Return when a timer elapses, of its TimersCalendar or TimersMonotonic; several are on lines of their own."""
    return [f"{name}={value}" for name, value in SPEC.findall(text)]


def jobs(text: str) -> list[str]:
    """Return a table's lines that say something."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def shown(text: str) -> list[dict[str, str]]:
    """Return the properties of `systemctl show`, where one may stand on several lines."""
    merged = re.sub(r"\n(TimersCalendar|TimersMonotonic)=(.*)(?=(?:\n\1=))", r"\n\1=\2", text)
    found = []
    for block in merged.strip().split("\n\n"):
        timer = parse(block)[0] if block.strip() else {}
        for name in ("TimersCalendar", "TimersMonotonic"):
            timer[name] = " ".join(re.findall(rf"^{name}=(.*)$", block, re.MULTILINE))
        found.append(timer)
    return [timer for timer in found if timer.get("Id")]


def collect(host: Host) -> Section:
    """Return the section."""
    section: Section = {}
    try:
        text = host.run("systemctl", "show", "--all", "--property", PROPERTIES, "--", "*.timer")
        for timer in shown(text):
            if timer["ActiveState"] == "active" and not PASSING.match(timer["Id"]):
                when = schedules(timer["TimersCalendar"]) + sorted(schedules(timer["TimersMonotonic"]))
                delay = timer.get("RandomizedDelayUSec", "0")
                words = [*when, *([] if delay in ("0", "") else [f"within {delay}"])]
                words += ["persistent"] if timer.get("Persistent") == "yes" else []
                section[timer["Id"]] = f"{', '.join(words)}: {timer.get('Unit', '')}"
    except MissingError as missing:
        host.miss("timers/systemd", str(missing))
    for path in TABLES:
        if os.path.exists(host.path(path)):
            section[f"cron:{path}"] = [host.secrets.masked(job) for job in jobs(host.text(path))]
    for folder in FOLDERS:
        for name in listed(host, folder):
            section[f"cron:{folder}/{name}"] = "sha256:" + host.cache.digest(host.path(f"{folder}/{name}"))[:32]
            if folder == "/etc/cron.d":
                section[f"cron:{folder}/{name}"] = [
                    host.secrets.masked(job) for job in jobs(host.text(f"{folder}/{name}"))
                ]
    for name in listed(host, USERS):
        text = host.text(f"{USERS}/{name}")
        section[f"crontab:{name}"] = f"{len(jobs(text))} lines, {host.keyed(chr(10).join(jobs(text)))}"
    if waiting := [name for name in listed(host, AT) if name != ".SEQ"]:
        section["at"] = len(waiting)
    return section


def listed(host: Host, folder: str) -> list[str]:
    """Return the names of the files that somebody has put into a folder."""
    try:
        names = sorted(os.listdir(host.path(folder)))
    except OSError:
        return []
    return [name for name in names if name != ".placeholder" and os.path.isfile(os.path.join(host.path(folder), name))]


SECTIONS = (Collector("timers", lambda host, _live: collect(host)),)
