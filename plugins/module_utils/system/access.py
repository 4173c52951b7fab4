"""Nobody is locked out: a change to ssh, sudo or the firewall goes back by itself until a new login has worked.

`/var/lib/samestack/access/`: the watched files as they were, and the program that puts them back. A transient timer of
systemd starts it, and after a reboot, which ends such timers, the unit `samestack-go-back.service` of role host. The
control node keeps the change by a new login of its own, so that only a login that works, with sudo, does. Who renames
`kept.json` first decides: the login (`confirmed`) or the return (`going-back`).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shlex
import time
from typing import TYPE_CHECKING, Any

from ..common.files import read_json, write_atomic
from ..common.folders import PRIVATE, make_folder, open_folder, remove
from ..common.paths import STATE
from ..common.systemd import run
from .undo import state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FOLDER = f"{STATE}/access"
UNIT = "samestack-go-back"
#: Seconds: for the files and services of the change itself, and then for the new login
WORK_SECONDS, LOGIN_SECONDS = 600, 55
#: What decides who gets in
WATCHED = re.compile(
    r"/etc/(ssh|sudoers(\.d)?|pam\.d|security|nftables(\.conf|\.d)?|fail2ban|hosts\.(allow|deny)|login\.defs|sysctl\.d)(/|$)|"
    r"/etc/systemd/system/ssh(d|@)?\.(service|socket)|/(root|home/[^/]+)/\.ssh(/|$)"
)
PROGRAM = """#!/bin/sh
# The change to ssh, sudo or the firewall that was made last was not confirmed by a new login: it goes back.
cd {folder} && [ ! -e confirmed ] || exit 0
mv kept.json going-back 2>/dev/null || [ -e going-back ] || exit 0
{files}
{kernel}
systemctl daemon-reload
{services}
systemctl stop '{unit}-*.timer'
mv {folder} {folder}.returned-$$ && rm -rf {folder}.returned-$$
logger -t samestack 'A change to ssh, sudo or the firewall went back: no new login confirmed it in time.'
"""
#: A line of /etc/sysctl.d
SYSCTL = re.compile(r"^-?\s*(?P<name>[\w./-]+)\s*=", re.MULTILINE)
#: With the service running, systemd refuses to start its socket.
SOCKET = (
    "if systemctl is-enabled --quiet ssh.socket; then\n"
    "    systemctl stop ssh.service ssh.socket; systemctl start ssh.socket\nfi"
)


def is_watched(path: str) -> bool:
    """Return whether a path decides who gets in."""
    return bool(WATCHED.match(path))


def put_back(path: str, kept: Mapping[str, Any]) -> str:
    """Return the lines of shell that bring a path to a kept state."""
    name, new = shlex.quote(path), shlex.quote(f"{path}.samestack-back")
    if kept["state"] == "absent":
        # A folder that was made and is in use stays: nothing in it is read without the files that go.
        return f"rmdir {name} 2>/dev/null || rm -f {name}"
    if kept["state"] == "link":
        return f"ln -sfnT {shlex.quote(kept['target'])} {new} && mv -fT {new} {name}"
    owned = f"chown {kept['uid']}:{kept['gid']} {{0}} && chmod {kept['mode']} {{0}}"
    if kept["state"] in ("directory", "attributes"):
        return owned.format(name)
    return f"cp {shlex.quote(kept['kept'])} {new} && {owned.format(new)} && mv -fT {new} {name}"


def kernel_settings(entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return {file below /proc/sys: its value now} of the kernel settings that the entries' files have."""
    found = {}
    for entry in entries:
        if entry["path"].startswith("/etc/sysctl.d/") and entry.get("data"):
            for name in SYSCTL.findall(base64.b64decode(entry["data"]).decode()):
                path = "/proc/sys/" + name.replace(".", "/")
                with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
                    found[path] = file.read().strip()
    return found


def unconfirmed() -> bool:
    """Return whether a change is in force that no new login has confirmed yet."""
    return os.path.exists(os.path.join(FOLDER, "kept.json"))


class Return:
    """The way back from one change."""

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Take the entries that are about to be put in place."""
        self.entries = [entry for entry in entries if is_watched(entry["path"])]
        self.unit = ""
        self.earlier = False

    def arm(self) -> None:
        """Keep what is there, and start the timer; where nothing is watched, and nothing unconfirmed, do nothing."""
        self.earlier = unconfirmed()
        if not self.entries and not self.earlier:
            return
        if not self.earlier:
            remove(FOLDER)
        make_folder(FOLDER, PRIVATE).close()
        list_file = os.path.join(FOLDER, "kept.json")
        # What an earlier change, which nobody has confirmed yet, has kept is the state to go back to.
        known = read_json(list_file) or {}
        kept: dict[str, Any] = known.get("files", {})
        services: list[str] = known.get("services", [])
        kernel = kernel_settings(self.entries) | known.get("kernel", {})
        with open_folder(FOLDER) as folder:
            for entry in self.entries:
                if entry["path"] not in kept:
                    content = entry["state"] != "attributes"
                    kept[entry["path"]] = state_of(entry["path"], folder, str(len(kept)), content=content)
                services += [unit for unit in (*entry["restart"], *entry["reload"]) if unit not in services]
        write_atomic(list_file, json.dumps({"files": kept, "services": services, "kernel": kernel}), 0o600)
        reloads = [f"systemctl try-reload-or-restart {shlex.quote(unit)}" for unit in services]
        values = kernel.items()
        program = PROGRAM.format(
            folder=FOLDER,
            unit=UNIT,
            files="\n".join(put_back(path, state) for path, state in reversed(kept.items())),
            # A container may not set what is its host's.
            kernel="\n".join(f"(echo {shlex.quote(value)} >{shlex.quote(path)}) 2>/dev/null" for path, value in values),
            services="\n".join([*reloads, SOCKET]),
        )
        write_atomic(os.path.join(FOLDER, "go-back"), program, 0o700)
        self._start(WORK_SECONDS)

    def await_login(self) -> str:
        """Leave so many seconds to the new login; returns the timer's unit, "" where nothing was armed."""
        if self.unit:
            self._start(LOGIN_SECONDS)
        return self.unit

    def disarm(self) -> None:
        """Forget it: everything was put back already. An earlier change still waits for its login."""
        if self.unit and not self.earlier:
            run(["systemctl", "stop", self.unit])
            remove(FOLDER)
            self.unit = ""

    def _start(self, seconds: int) -> None:
        """Start a timer in place of the one before, which runs until there is the new one."""
        name = f"{UNIT}-{time.monotonic_ns()}"
        run(
            [
                "systemd-run", "--quiet", "--collect", f"--unit={name}", f"--on-active={seconds}",
                "--timer-property=AccuracySec=100ms", "/bin/sh", os.path.join(FOLDER, "go-back"),
            ]
        )  # fmt: skip
        for other in run(["systemctl", "list-units", "--plain", "--no-legend", f"{UNIT}-*.timer"]).splitlines():
            if (unit := other.split()[0]) != f"{name}.timer":
                run(["systemctl", "stop", unit])
        self.unit = f"{name}.timer"
