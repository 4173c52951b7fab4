"""systemd units on a managed host: one look at all of them, and changes only where they differ."""

from __future__ import annotations

import subprocess
from typing import Any

from .errors import HostError

PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")
RUNNING = ("active", "reloading", "activating", "refreshing")
# Units without an [Install] section have nothing to enable or disable.
FIXED = ("alias", "static", "indirect", "generated")
# What samestack_watch.py, which runs workers of live code, tells systemd of one that has failed
ENDED = "has ended"


class UnitError(HostError):
    """systemd refused; the text, with the unit's last log lines, is for the user."""


def run(arguments: list[str], unit: str = "") -> str:
    """Return a command's output; raises UnitError with the unit's last log lines when it fails."""
    process = subprocess.run(arguments, capture_output=True, text=True, errors="replace", check=False)
    if process.returncode == 0:
        return process.stdout
    log = ""
    if unit:
        journal = ["journalctl", "--no-pager", "-o", "cat", "-n", "12", "-u", unit]
        log = subprocess.run(journal, capture_output=True, text=True, errors="replace", check=False).stdout
    raise UnitError(f"`{' '.join(arguments)}` failed: {process.stderr.strip()}\n{log}".strip())


def parse(output: str) -> list[dict[str, str]]:
    """Parse `systemctl show` into a list of property dictionaries, one a unit, in the order asked."""
    blocks = [block for block in output.strip("\n").split("\n\n") if block.strip()]
    return [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]


def wanted_changes(unit: dict[str, Any], shown: dict[str, str]) -> list[str]:
    """Return the systemctl verbs that bring one unit to its state, in order."""
    verbs = []
    file_state = shown.get("UnitFileState", "")
    enabled = file_state in ("enabled", "enabled-runtime")
    running = shown.get("ActiveState") in RUNNING
    if unit.get("enabled") is not None and unit["enabled"] != enabled and file_state not in FIXED:
        verbs.append("enable" if unit["enabled"] else "disable")
    if unit.get("started") is not None and unit["started"] != running:
        verbs.append("start" if unit["started"] else "stop")
    return verbs


class Units:
    """Units and their wanted state: dictionaries with `name` and, where it matters, `enabled` and `started`."""

    def __init__(self, units: list[dict[str, Any]], check: bool) -> None:
        """With `check`, nothing is changed; `done` then says what would be."""
        self.units = units
        self.check = check
        self.done: list[str] = []

    def _shown(self) -> list[dict[str, str]]:
        names = [unit["name"] for unit in self.units]
        return parse(run(["systemctl", "show", "--property", ",".join(PROPERTIES), *names])) if names else []

    def settle(self, reload_manager: bool = False) -> list[str]:
        """Bring the units to their state; return the names of those that were started just now.

        Args:
            reload_manager: unit files were written, systemd has to read them before anything else.
        """
        shown = self._shown() if not reload_manager or self.check else []
        stale = reload_manager or any(state.get("NeedDaemonReload") == "yes" for state in shown)
        if stale and not self.check:
            run(["systemctl", "daemon-reload"])
            shown = self._shown()
        started = []
        for unit, state in zip(self.units, shown, strict=True):
            name = unit["name"]
            # One that is to do nothing may have gone with its file.
            wanted = unit.get("enabled") or unit.get("started")
            if wanted and state.get("LoadState") == "not-found" and not self.check:
                raise UnitError(f"{name}: there is no such unit on this host")
            for verb in wanted_changes(unit, state):
                self.done.append(f"{verb} {name}")
                if verb == "start":
                    started.append(name)
                if not self.check:
                    run(["systemctl", "--quiet", verb, name], name)
        return started
