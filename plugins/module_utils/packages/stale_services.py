"""Services whose processes still run what an upgrade replaced: files that are deleted, and mapped all the same.

Runs on the host, as root. Not needrestart, which was tried: it names the same services (`needrestart -b -r l`), and is

- seven packages more on each Debian machine, 2.5 s of its first provision;
- a scan of half a second where nothing is stale (this one takes 0.01 s), by root, of what the application's
  interpreters have loaded (CVE-2024-48990 and its like); and the same after each apt run of anybody, by its hook;
- only the first half of this: it names ssh as long as somebody stays logged in, and which services are the
  application's or may not be restarted would still be decided here.
"""

from __future__ import annotations

import glob
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    RunCommand = Callable[..., tuple[int, str, str]]

# A program or library that was unlinked; data that programs map and delete on purpose is elsewhere.
REPLACED = re.compile(r"^\S+ \S*x\S* .* /(?:usr/)?(?:lib|bin|sbin|libexec)\S* \(deleted\)$", re.MULTILINE)
UNIT = re.compile(r"(?:^|/)system\.slice(?:/[^/\n]+)*?/(?P<unit>[^/\n]+\.service)(?:/|$)", re.MULTILINE)
# Restarting these ends sessions, networks or what runs inside of them; a boot takes up their new files.
LEFT = re.compile(
    r"(dbus|dbus-broker|systemd-logind|systemd-networkd|networking|NetworkManager|wpa_supplicant|polkit|emergency|rescue"
    r"|docker|containerd|lxc.*|libvirtd|unattended-upgrades|apt-daily.*|cloud-.*|(serial-|console-|container-)?getty.*"
    r"|user@.*|user-runtime-dir@.*)\.service"
)


def stale_units(run_command: RunCommand, proc: str = "/proc") -> list[str]:
    """Return the services of the system that run replaced files.

    What a service leaves alone when it stops, such as ssh's sessions, does not count, nor what ends by itself: apt has
    the recorder look at the machine while packages are still coming.
    """
    found = stale_processes(proc)
    words = ["systemctl", "show", "--property=Id,Type,KillMode,MainPID", *sorted(found)]
    shown = run_command(words)[1] if found else ""
    for block in shown.split("\n\n"):
        unit = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        keeps_others = unit.get("KillMode") == "process" and unit["MainPID"] not in found.get(unit["Id"], ())
        if keeps_others or unit.get("Type") == "oneshot":
            found.pop(unit["Id"], None)
    return sorted(found)


def stale_processes(proc: str = "/proc") -> dict[str, set[str]]:
    """Return the processes that run replaced files, by the service of the system to which they belong."""
    found: dict[str, set[str]] = {}
    for folder in glob.glob(os.path.join(proc, "[0-9]*")):
        try:
            with open(os.path.join(folder, "maps"), encoding="utf-8", errors="replace") as file:
                stale = REPLACED.search(file.read())
            with open(os.path.join(folder, "cgroup"), encoding="utf-8") as file:
                unit = UNIT.search(file.read()) if stale else None
        except OSError:
            # The process has ended.
            continue
        if unit:
            found.setdefault(unit["unit"], set()).add(os.path.basename(folder))
    return found


def divided(units: Iterable[str], apps: Iterable[str]) -> tuple[list[str], list[str], list[str]]:
    """Return (services to restart, applications whose processes are renewed, services that wait for a boot)."""
    restart: list[str] = []
    owed: list[str] = []
    left: list[str] = []
    for unit in units:
        app = next((name for name in apps if re.match(rf"{re.escape(name)}-(web@|worker-|timer-|boot\b)", unit)), "")
        if app:
            owed.append(app)
        else:
            (left if LEFT.fullmatch(unit) else restart).append(unit)
    return restart, sorted(set(owed)), left


def restarted(run_command: RunCommand, units: Iterable[str]) -> list[str]:
    """Restart services one after the other; returns those that do not run then."""
    failed = []
    for unit in units:
        code = run_command(["systemctl", "restart", unit])[0]
        if code or run_command(["systemctl", "is-active", "--quiet", unit])[0]:
            failed.append(unit)
    return failed
