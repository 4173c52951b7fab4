"""The switch from one release to another on one host.

Two web servers, each on its own socket; nginx's fixed socket path is a link that is renamed over. Every step first
looks whether it is done, so that a run that was cut off anywhere can be repeated.
"""

from __future__ import annotations

import glob
import http.client
import os
import pwd
import re
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ansible.module_utils import release_host, release_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ReleaseError = release_host.ReleaseError
APP_FILE = "inventories/group_vars/all/app.yml"
# A server that has answered nothing but errors for this long will not get better (seconds).
PATIENCE_WITH_ERRORS = 4
# systemd restarts what fails at once; twice is a pattern.
RESTARTS_TOLERATED = 2
POLL_SECONDS = 0.05
LOOK_SECONDS = 0.5
BAD_REQUEST, SERVER_ERROR = 400, 500


class SocketConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        """Take the socket's path and a timeout in seconds."""
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(path: str, host: str, page: str, timeout: float) -> int:
    """Ask the server on a socket for a page as nginx would; returns the status. Raises OSError or HTTPException."""
    connection = SocketConnection(path, timeout)
    try:
        headers = {"Host": host, "X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1", "Connection": "close"}
        connection.request("GET", page, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


@contextmanager
def identity(user: str) -> Iterator[None]:
    """Act as a user within the block: whoever may not use a socket finds that out here. "" changes nothing."""
    if not user:
        yield
        return
    account = pwd.getpwnam(user)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def systemctl(*arguments: str) -> tuple[int, str]:
    """Run systemctl; returns (exit code, output)."""
    command = ["systemctl", "--no-pager", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return done.returncode, done.stdout or done.stderr


def properties(units: list[str]) -> dict[str, dict[str, str]]:
    """Return {unit: {property: value}} for the units."""
    if not units:
        return {}
    names = "Id,LoadState,ActiveState,SubState,NRestarts,InvocationID"
    blocks = systemctl("show", "--property", names, *units)[1].strip().split("\n\n")
    rows = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
    return {row["Id"]: row for row in rows if "Id" in row}


def journal(unit: str, since: float) -> str:
    """Return what a unit wrote since a time (seconds since 1970)."""
    command = ["journalctl", "--no-pager", "-o", "cat", "-n", "200", "--since", f"@{since:.3f}", "-u", unit]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False).stdout


def former_apps(app: str, folder: str = "/etc/systemd/system") -> list[str]:
    """Return the other applications whose units this project put here: a machine serves one, its name may change."""
    names = []
    for path in glob.glob(os.path.join(folder, "*-web@.service")):
        with open(path, encoding="utf-8") as unit:
            if "Made by Samestack" in unit.readline():
                names.append(os.path.basename(path)[: -len("-web@.service")])
    return sorted(set(names) - {app})


def stale(units: Iterable[str], app: str, release: str) -> list[str]:
    """Return those of the units that are instances of other releases of the application."""
    pattern = re.compile(rf"{re.escape(app)}-(web|worker-.+)@(.+)\.service")
    found = [(unit, pattern.fullmatch(unit)) for unit in units]
    return [unit for unit, match in found if match and match[2] != release]


class Switch:
    """One release of one application on one host; `run` makes it live."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Take the module's parameters."""
        self.params = params
        self.place = release_host.Place(params["root"], params["release"])
        self.steps = release_host.Steps()
        self.changed = False
        app, release = params["app"], params["release"]
        self.web = f"{app}-web@{release}.service"
        self.workers = [f"{app}-worker-{name}@{release}.service" for name in params["workers"]]
        self.timers = [f"{app}-timer-{name}.timer" for name in params["timers"]]
        self.socket = os.path.join(params["run_directory"], release + ".sock")
        self.live_socket = os.path.join(params["run_directory"], "live.sock")
        self.started = time.time()

    def wanted(self) -> list[str]:
        """Return the units that shall run."""
        return ([self.web] if self.params["serves"] else []) + self.workers + self.timers

    def others(self) -> list[str]:
        """Return what runs or failed and shall not: other releases, workers and timers that are named no more."""
        app, release = self.params["app"], self.params["release"]
        patterns = [app + end for end in ("-web@*", "-worker-*@*", "-timer-*.timer")]
        listed = systemctl("list-units", "--all", "--plain", "--no-legend", *patterns)[1].splitlines()
        units = [line.split()[0] for line in listed if line.split() and " inactive " not in line]
        kept = self.wanted()
        dropped = [unit for unit in units if unit not in kept and (unit.endswith(".timer") or f"@{release}." in unit)]
        return stale(units, app, release) + dropped

    def is_done(self) -> bool:
        """Return whether everything is as it shall be, the health of the server left aside."""
        shown = properties(self.wanted())
        running = all(shown.get(unit, {}).get("ActiveState") == "active" for unit in self.wanted())
        pointed = self.place.current == self.params["release"]
        if self.params["serves"]:
            pointed = (
                pointed
                and os.path.islink(self.live_socket)
                and (os.readlink(self.live_socket) == os.path.basename(self.socket))
            )
        settled = running and pointed and not self.params["restart"]
        return settled and not self.others() and not self.former_units()

    def former_units(self) -> list[str]:
        """Return the units of other applications that run, or would at the next boot."""
        ends = (".service", "-web@*", "-worker-*@*", "-timer-*")
        patterns = [app + end for app in former_apps(self.params["app"]) for end in ends]
        if not patterns:
            return []
        listed = systemctl("list-units", "--all", "--plain", "--no-legend", *patterns)[1].splitlines()
        return [line.split()[0] for line in listed if line.split() and " inactive " not in line]

    def run(self) -> list[str]:
        """Make the release live; returns what happened in words. Raises ReleaseError."""
        before = self.place.current
        if self.is_done():
            with self.steps.step("probe"):
                self.probe_web()
            return [f"Release {self.place.id} is live already: nothing to do"]
        self.changed = True
        self.check_units()
        if self.params["serves"]:
            with self.steps.step("start"):
                self.start([self.web])
                self.probe_web()
            with self.steps.step("switch"):
                release_host.point(self.live_socket, os.path.basename(self.socket))
        release_host.point(self.place.current_link, os.path.join("releases", self.params["release"]))
        with self.steps.step("workers"):
            self.start(self.workers)
            self.start_timers()
        with self.steps.step("drain"):
            self.stop_others()
            self.retire_former()
        self.check_workers()
        came = f" (before: {before})" if before and before != self.params["release"] else ""
        return [f"Release {self.place.id} is live{came}"]

    def check_units(self) -> None:
        """Refuse a host that has not got the units."""
        shown = properties(self.wanted())
        missing = [unit for unit in self.wanted() if shown.get(unit, {}).get("LoadState") != "loaded"]
        if missing:
            raise ReleaseError(
                f"this host has no unit {', '.join(missing)}", "Run `make provision`, then deploy again."
            )

    def start(self, units: list[str]) -> None:
        """Start the units, or restart them where what they run from changed; does not wait."""
        if not units:
            return
        systemctl("reset-failed", *units)
        verb = "restart" if self.params["restart"] else "start"
        code, output = systemctl(verb, "--no-block", *units)
        if code:
            raise ReleaseError(f"`systemctl {verb} {' '.join(units)}` failed: {output.strip()}")

    def start_timers(self) -> None:
        """Start the timers that do not wait yet."""
        if self.timers:
            systemctl("start", *self.timers)

    def probe_web(self) -> None:
        """Ask the new server until it answers; stops it again, unless it is the live one, when it does not."""
        if not self.params["serves"]:
            return
        why = self.wait_until_healthy()
        if not why:
            return
        text = release_text.journal_excerpt(
            journal(self.web, self.started - 1), os.path.realpath(self.place.path("source"))
        )
        serving = self.place.current == self.params["release"]
        if not serving:
            systemctl("stop", self.web)
            systemctl("reset-failed", self.web)
        advice = "This is the release that serves." if serving else "The release before it serves on, untouched."
        if not self.place.current:
            advice = "Nothing serves yet."
        page = f"https://{self.params['host']}{self.params['path']}"
        raise ReleaseError(
            f"Release {self.place.id} does not answer for {page}: {why}.\n{text}".strip(),
            advice + " Mend this and deploy again.",
        )

    def wait_until_healthy(self) -> str:
        """Return "" as soon as the server answers well, else why it is given up."""
        deadline = time.monotonic() + self.params["timeout"]
        first_error: float | None = None
        looked, why = 0.0, "no answer"
        while time.monotonic() < deadline:
            status, why = self.answer(deadline - time.monotonic())
            if status and status < SERVER_ERROR and status != BAD_REQUEST:
                return ""
            if status == BAD_REQUEST:
                name = self.params["host"]
                return f"it refuses the name {name}: app_domains (ALLOWED_HOSTS) or the settings do not know it"
            first_error = (first_error or time.monotonic()) if status else None
            if first_error and time.monotonic() - first_error > PATIENCE_WITH_ERRORS:
                return why
            if not status and time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                if self.keeps_failing(self.web):
                    return "its process does not stay up"
            time.sleep(POLL_SECONDS)
        return f"{why} within {self.params['timeout']} s (release_start_timeout)"

    def answer(self, remaining: float) -> tuple[int | None, str]:
        """Return (status or None, what that means) of one request."""
        try:
            with identity(self.params["web_user"]):
                status = ask(self.socket, self.params["host"], self.params["path"], max(1.0, min(remaining, 30.0)))
        except PermissionError:
            return SERVER_ERROR, f"the user {self.params['web_user']} may not use its socket"
        except (OSError, http.client.HTTPException) as error:
            return None, f"no answer ({error})"
        return status, f"it answers {status}"

    def keeps_failing(self, unit: str) -> bool:
        """Return whether systemd has given the unit up or keeps restarting it."""
        state = properties([unit]).get(unit, {})
        restarts = int(state.get("NRestarts") or 0)
        return state.get("ActiveState") == "failed" or restarts >= RESTARTS_TOLERATED

    def stop_others(self) -> None:
        """Stop the processes of other releases; systemd gives them time to finish what they have begun."""
        others = self.others()
        if others:
            systemctl("stop", *others)
            systemctl("reset-failed", *others)
            for unit in others:
                if "-web@" not in unit:
                    continue
                socket_file = os.path.join(
                    self.params["run_directory"], unit.split("@")[1][: -len(".service")] + ".sock"
                )
                if os.path.exists(socket_file):
                    os.unlink(socket_file)

    def retire_former(self) -> None:
        """Stop what served before the application got its name; its data stays."""
        for unit in self.former_units():
            systemctl("stop", unit)
        for app in former_apps(self.params["app"]):
            systemctl("disable", "--quiet", app + ".service")

    def check_workers(self) -> None:
        """Raise a ReleaseError for a worker that does not stay up."""
        for unit in self.workers:
            shown = properties([unit]).get(unit, {})
            if shown.get("ActiveState") == "failed" or int(shown.get("NRestarts") or 0) > 0:
                text = release_text.journal_excerpt(
                    journal(unit, self.started - 1), os.path.realpath(self.place.path("source"))
                )
                name = unit.split("@", maxsplit=1)[0].split("-worker-", 1)[1]
                raise ReleaseError(
                    f"app_workers.{name} (in {APP_FILE}): the site serves, but this worker does not stay up.\n{text}",
                    "Mend its command and deploy again.",
                )
