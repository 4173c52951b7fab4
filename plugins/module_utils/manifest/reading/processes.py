"""What /proc says of processes: when they began, what they are, with which environment and limits."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ...common.systemd import parse
from .machine import MissingError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .machine import Host

TOLERANCE_SECONDS = 2
TICKS = os.sysconf("SC_CLK_TCK")


def started(host: Host, pid: str | int) -> float:
    """Return when a process began, in seconds since 1970 (to a second, as the kernel says when it booted)."""
    fields = host.read(f"/proc/{pid}/stat").rsplit(")", 1)[-1].split()
    booted = re.search(r"^btime (\d+)", host.read("/proc/stat"), re.MULTILINE)
    if not booted:
        raise MissingError("/proc/stat does not say when the machine was started")
    return int(booted[1]) + int(fields[19]) / TICKS


def changed_since(host: Host, files: Iterable[str], began: float) -> list[str]:
    """Return the files whose content was changed after a process began; processes' clock is read in whole seconds."""
    late = []
    for path in files:
        try:
            if os.stat(host.path(path)).st_mtime > began + TOLERANCE_SECONDS:
                late.append(path)
        except OSError:
            continue
    return sorted(set(late))


def replaced(host: Host, pid: str | int) -> bool:
    """Return whether a process runs a program or library that is not there any more: it was replaced by an upgrade."""
    mapped = re.findall(
        r"r-xp .* (/usr/\S+|/srv/\S+\.so\S*) \(deleted\)$", host.text(f"/proc/{pid}/maps"), re.MULTILINE
    )
    return bool(mapped)


def unit_of(host: Host, pid: str | int) -> str:
    """Return the unit that a process belongs to; all sessions of people are one."""
    for line in host.text(f"/proc/{pid}/cgroup").splitlines():
        parts = line.split(":", 2)[-1].split("/")
        if any(part.startswith(("user-", "session-")) for part in parts):
            return "a login"
        units = [part for part in parts if part.endswith((".service", ".scope", ".socket"))]
        if units:
            return str(units[-1])
    return ""


def environment(host: Host, pid: str | int) -> dict[str, str]:
    """Return a process's environment as it was given at its start."""
    words = host.text(f"/proc/{pid}/environ").split("\0")
    return dict(str(word).split("=", 1) for word in words if "=" in word)


def main_processes(host: Host) -> dict[str, str]:
    """Return {unit: pid} of the application's processes that run now."""
    app = host.config["app"]
    text = host.run("systemctl", "show", "--property", "Id,MainPID", "--", f"{app}-web@*", f"{app}-worker-*")
    units = {unit["Id"]: unit["MainPID"] for unit in parse(text) if unit.get("MainPID", "0") != "0"}
    return dict(sorted(units.items()))
