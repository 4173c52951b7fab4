"""The application's processes on one host as systemd sees them: instances of releases, workers, timers.

A web server is an instance of a release: `<id>`, or `<id>-2` where a second one of the same release takes over because
something that it runs with changed. Each has a socket of its own; nginx's fixed path, a link, names what serves.
"""

from __future__ import annotations

import contextlib
import glob
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

from ...common import priority
from ...common.errors import HostError
from ...common.files import point
from ...common.folders import parent_of
from ...common.held_folder import ANYBODY
from . import sockets as release_sockets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

TWIN = "-2"
# The one folder below the run directory to which the application may write; what leads there is root's.
SOCKETS = "web"
# systemd restarts what fails at once; twice is a pattern.
RESTARTS_TOLERATED = 2
# Enough for an exception that passes sixteen middlewares while the page for errors fails, too: 1,337 lines, each time.
JOURNAL_LINES = "3000"


def systemctl(*arguments: str) -> tuple[int, str]:
    """Run systemctl; returns (exit code, output)."""
    command = ["systemctl", "--no-pager", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return done.returncode, done.stdout or done.stderr


def properties(units: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return {unit: {property: value}} for the units."""
    units = list(units)
    if not units:
        return {}
    names = (
        "Id,LoadState,ActiveState,SubState,StatusText,Result,NRestarts,NeedDaemonReload,Nice,"
        "ExecMainStartTimestampMonotonic"
    )
    blocks = systemctl("show", "--property", names, *units)[1].strip().split("\n\n")
    rows = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
    return {row["Id"]: row for row in rows if "Id" in row}


def ordinary(units: Iterable[str]) -> list[str]:
    """Return those of the units to which nobody has given a nice value."""
    return [unit for unit, shown in properties(units).items() if shown.get("Nice", "0") == "0"]


def listed(patterns: Iterable[str]) -> list[str]:
    """Return the units of these names that run or failed."""
    patterns = list(patterns)
    if not patterns:
        return []
    lines = systemctl("list-units", "--all", "--plain", "--no-legend", *patterns)[1].splitlines()
    return [line.split()[0] for line in lines if line.split() and " inactive " not in line]


def states(patterns: Iterable[str]) -> dict[str, str]:
    """Return {unit: ActiveState} of the units of these names that run, begin or end."""
    lines = systemctl("list-units", "--all", "--plain", "--no-legend", *patterns)[1].splitlines()
    fields = [line.split() for line in lines if line.split()]
    return {one[0]: one[2] for one in fields if one[2:3] and one[2] not in ("inactive", "failed")}


def is_active(unit: str) -> bool:
    """Return whether a unit runs."""
    return properties([unit]).get(unit, {}).get("ActiveState") == "active"


def keeps_failing(state: Mapping[str, str]) -> bool:
    """Return whether systemd has given a unit up or keeps restarting it."""
    return state.get("ActiveState") == "failed" or int(state.get("NRestarts") or 0) >= RESTARTS_TOLERATED


def reload_manager(units: Iterable[str]) -> None:
    """Let systemd read unit files that it has not read since they changed."""
    if any(state.get("NeedDaemonReload") == "yes" for state in properties(units).values()):
        systemctl("daemon-reload")


def journal(unit: str, since: float) -> str:
    """Return what a unit wrote since a time (seconds since 1970), its end where that is much."""
    command = ["journalctl", "--no-pager", "-o", "cat", "-n", JOURNAL_LINES, "--since", f"@{since:.3f}", "-u", unit]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False).stdout


def worker_name(unit: str) -> str:
    """Return the name of the worker that a unit belongs to."""
    return unit.split("@", maxsplit=1)[0].split("-worker-", 1)[-1]


def release_of(instance: str) -> str:
    """Return the release that an instance runs."""
    return instance.removesuffix(TWIN)


def twin_of(instance: str) -> str:
    """Return the other instance of the same release."""
    return release_of(instance) if instance.endswith(TWIN) else instance + TWIN


def former_apps(app: str, folder: str = "/etc/systemd/system") -> list[str]:
    """Return the other applications whose units this project put here: a machine serves one, its name may change."""
    names = []
    for path in glob.glob(os.path.join(folder, "*-web@.service")):
        with open(path, encoding="utf-8") as unit:
            if "Made by Samestack" in unit.readline():
                names.append(os.path.basename(path)[: -len("-web@.service")])
    return sorted(set(names) - {app})


def former_units(app: str) -> list[str]:
    """Return the units of other applications that run, or would at the next boot."""
    ends = (".service", "-web@*", "-worker-*@*", "-timer-*")
    return listed(name + end for name in former_apps(app) for end in ends)


def retire_former(app: str) -> None:
    """Stop what served before the application got its name; its data stays."""
    for unit in former_units(app):
        systemctl("stop", unit)
    for name in former_apps(app):
        systemctl("disable", "--quiet", name + ".service")


class Units:
    """The units of one application, and the links of its sockets."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Take the module's parameters: app, run_directory, workers, timers, serves."""
        self.app: str = params["app"]
        self.run_directory: str = params["run_directory"]
        self.serves: bool = params["serves"]
        self.worker_rules: dict[str, dict[str, Any]] = dict(params["workers"])
        self.timers = [f"{self.app}-timer-{name}.timer" for name in params["timers"]]
        self.live_socket = os.path.join(self.run_directory, "live.sock")

    def web(self, instance: str) -> str:
        """Return the unit of a web server."""
        return f"{self.app}-web@{instance}.service"

    def workers(self, release: str) -> list[str]:
        """Return the units of a release's workers."""
        return [f"{self.app}-worker-{name}@{release}.service" for name in self.worker_rules]

    def rules_of(self, unit: str) -> dict[str, Any]:
        """Return what is said of the worker that a unit belongs to; nothing of one that is declared no more."""
        return self.worker_rules.get(worker_name(unit), {})

    @property
    def jobs(self) -> list[str]:
        """Return the jobs that run: of timers, and commands of people."""
        return list(states([f"{self.app}-timer-*.service", f"{self.app}-manage-*.service"]))

    def socket(self, instance: str) -> str:
        """Return the path of a web server's socket."""
        return os.path.join(self.run_directory, SOCKETS, instance + ".sock")

    def forget(self, path: str) -> None:
        """Remove a socket, or whatever the application has put in its place."""
        with contextlib.suppress(FileNotFoundError):
            folder, name = parent_of(path, ANYBODY)
            with folder:
                folder.remove(name)

    def lead_to(self, instance: str) -> None:
        """Lead nginx to an instance."""
        point(self.live_socket, os.path.join(SOCKETS, instance + ".sock"))

    @property
    def live(self) -> str:
        """Return the instance that nginx is led to, "" before the first."""
        try:
            return os.path.basename(os.readlink(self.live_socket)).removesuffix(".sock")
        except OSError:
            return ""

    def wanted(self, instance: str) -> list[str]:
        """Return the units that shall run while an instance serves."""
        web = [self.web(instance)] if self.serves else []
        return web + self.workers(release_of(instance)) + self.timers

    def leave_out(self, missing: Iterable[str]) -> None:
        """Want those workers and timers no more that have no unit."""
        gone = {unit.split("@", maxsplit=1)[0] for unit in missing}
        kept = self.worker_rules.items()
        self.worker_rules = {name: rules for name, rules in kept if f"{self.app}-worker-{name}" not in gone}
        self.timers = [unit for unit in self.timers if unit not in gone]

    def running(self) -> list[str]:
        """Return what runs or failed, of any release."""
        return listed(self.app + end for end in ("-web@*", "-worker-*@*", "-timer-*.timer"))

    def others(self, instance: str) -> list[str]:
        """Return what runs or failed and shall not: other instances, workers and timers that are named no more."""
        kept = self.wanted(instance)
        return [unit for unit in self.running() if unit not in kept]

    def instances(self) -> list[str]:
        """Return the instances whose web servers run."""
        start = f"{self.app}-web@"
        found = [unit for unit in self.running() if unit.startswith(start)]
        shown = properties(found)
        running = [unit for unit in found if shown.get(unit, {}).get("ActiveState") == "active"]
        return [unit[len(start) : -len(".service")] for unit in running]

    def start(self, units: list[str], verb: str) -> None:
        """Start or restart units; does not wait. Raises HostError when systemd refuses."""
        if not units:
            return
        systemctl("reset-failed", *units)
        code, output = systemctl(verb, "--no-block", *units)
        if code:
            raise HostError(f"`systemctl {verb} {' '.join(units)}` failed: {output.strip()}")

    def start_timers(self) -> None:
        """Start the timers that do not wait yet."""
        if self.timers:
            systemctl("start", *self.timers)

    def stop(self, units: list[str], drain: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Stop units: web servers when nobody talks to them any more, or after `drain` seconds.

        `meanwhile` is called while visitors are waited for. Workers are asked to end, and not waited for.
        """
        if not units:
            return
        web = [unit for unit in units if "-web@" in unit]
        rest = [unit for unit in units if unit not in web]
        if rest:
            # They finish what they have begun meanwhile.
            systemctl("stop", "--no-block", *rest)
        sockets = [self.socket(unit.split("@")[1][: -len(".service")]) for unit in web]
        deadline = time.monotonic() + drain
        for unit, path in zip(web, sockets, strict=True):
            if not release_sockets.wait_until_quiet(path, max(deadline - time.monotonic(), 0), meanwhile):
                # Nobody waits for what it has to do before it ends.
                priority.step_back([unit])
        if web:
            systemctl("stop", *web)
            systemctl("reset-failed", *web)
        for path in sockets:
            self.forget(path)
