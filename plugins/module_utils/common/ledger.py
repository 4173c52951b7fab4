"""One change to an environment as a host sees it: it holds the deploy lock, and leaves one line in the ledger."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import platform
import re
import time
from typing import TYPE_CHECKING, Any

from .errors import HostError
from .files import read_json, write_atomic
from .folders import OPEN_TO_PASS, PRIVATE, make_folder
from .host_lock import take
from .paths import RUN, STATE
from .secrets import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FOLDER, SCRATCH = STATE, RUN
# Verbs after which a release serves; "" is a run without a lock.
SWITCHING = ("", "deploy", "promote", "rollback", "restore")
# Verbs that leave a host as it is meant to be: what is recorded after them is what a later recording is compared with.
OURS = ("provision", "undo-provision", "upgrade", "deploy", "promote", "rollback", "restore", "repair")
LEDGER = "ledger.jsonl"
# How long a line waits for others to be written (seconds); one takes a few milliseconds
PATIENCE = 10
# A traceback's own lines are enough; the ledger is read by people.
REASON_LENGTH = 2000


class Run:
    """One change to an environment, on one host."""

    def __init__(self, given: Mapping[str, Any], app: str, folder: str = FOLDER, scratch: str = SCRATCH) -> None:
        """Take what preflight said of the run ({} without a lock), the application, and where things are kept."""
        self.given = given
        self.app = app
        self.folder = folder
        self.scratch = scratch
        self.id = str(given.get("id", ""))
        self.notes_file = os.path.join(scratch, f"run-{re.sub(r'[^0-9A-Za-z-]', '', self.id) or 'none'}.json")

    def require_lock(self) -> None:
        """Raise a HostError when this run does not hold the deploy lock any more; nothing to say without a run.

        The lock is on one machine of the environment. On the others there is nothing to look at.
        """
        if not self.id or self.given.get("machine", this_machine()) != this_machine():
            return
        holder = read_json(os.path.join(self.scratch, "lock.json")) or {}
        if holder.get("id") == self.id and is_locked(os.path.join(self.scratch, "lock")):
            return
        text = "this run does not hold the deploy lock any more"
        if holder:
            text += f"; {described(holder)}"
        raise HostError(
            text + ". Nothing was done after that.", "Its connection to the host was cut. Run the same command again."
        )

    @property
    def noted(self) -> dict[str, Any]:
        """Return what this run has noted on this host so far."""
        return read_json(self.notes_file) or {}

    def note(self, **values: Any) -> None:
        """Keep values for the ledger line; lists are extended, dicts merged, other values replaced."""
        make_folder(self.scratch, PRIVATE).close()
        write_atomic(self.notes_file, json.dumps(merged(self.noted, values)), 0o600)

    def succeed(self, **values: Any) -> None:
        """Append the ledger line of a change that was made."""
        self._record({**values, "result": "ok"})

    def fail(self, reason: str, **values: Any) -> None:
        """Append the ledger line of a change that was not made."""
        self._record({**values, "result": "failed", "reason": KNOWN.masked(reason)[:REASON_LENGTH]})

    def _record(self, values: Mapping[str, Any]) -> None:
        now = time.time()
        began = float(self.given.get("began") or now)
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
            "run": self.id,
            **{name: str(self.given.get(name, "")) for name in ("verb", "who", "environment", "engine")},
            "app": self.app,
            "seconds": round(max(now - began, 0), 1),
        }
        line |= dict(self.given.get("notes") or {}) | merged(self.noted, values)
        append(self.folder, KNOWN.masked_data(line))
        # There is one run at a time: what others noted, they were cut off before they could record it.
        for notes in glob.glob(os.path.join(glob.escape(self.scratch), "run-*.json*")):
            os.unlink(notes)


def merged(known: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return known values with new ones: lists are extended, dicts merged, other values replaced."""
    result = dict(known)
    for name, value in values.items():
        before = result.get(name)
        if isinstance(before, list) and isinstance(value, (list, tuple)):
            result[name] = [*before, *value]
        elif isinstance(before, dict) and isinstance(value, dict):
            result[name] = {**before, **value}
        else:
            result[name] = value
    return result


def append(folder: str, line: Mapping[str, Any]) -> None:
    """Append one line to the ledger, whole and on the disk when this returns, whoever else appends."""
    with make_folder(folder, OPEN_TO_PASS) as kept:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(LEDGER, flags, 0o600, dir_fd=kept.descriptor)
    with open(descriptor, "r+b", buffering=0) as ledger:
        # Failures' texts are in it: they may say more than everybody is to know.
        os.fchmod(ledger.fileno(), 0o600)
        take(ledger.fileno(), PATIENCE, "the ledger of this host cannot be written")
        text = json.dumps(line, ensure_ascii=False) + "\n"
        size = ledger.seek(0, os.SEEK_END)
        # Power was lost in the middle of a line: this one begins on its own.
        if size and os.pread(ledger.fileno(), 1, size - 1) != b"\n":
            text = "\n" + text
        ledger.write(text.encode())
        os.fsync(ledger.fileno())


def ledger_file(folder: str = FOLDER) -> str:
    """Return where the ledger is."""
    return os.path.join(folder, LEDGER)


def read_ledger(folder: str = FOLDER) -> list[dict[str, Any]]:
    """Return the ledger's lines, oldest first, without those that are not whole."""
    lines = []
    try:
        with open(ledger_file(folder), encoding="utf-8", errors="replace") as ledger:
            for text in ledger:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, dict):
                    lines.append(line)
    except FileNotFoundError:
        pass
    return lines


def last_results(lines: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return each release's last line about making it serve, in the order of those lines."""
    last: dict[str, Mapping[str, Any]] = {}
    for line in lines:
        release = line.get("release")
        if release and line.get("verb", "") in SWITCHING:
            last.pop(release, None)
            last[release] = line
    return last


def good_releases(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the releases whose last deployment, promotion or rollback here went well, newest first."""
    return [release for release, line in reversed(last_results(lines).items()) if line.get("result") == "ok"]


def failed_releases(lines: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the releases whose last deployment, promotion or rollback here failed, with the reason."""
    results = last_results(lines).items()
    return {release: str(line.get("reason", "")) for release, line in results if line.get("result") == "failed"}


def accepted_releases(lines: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the releases that were accepted here, each with its last line about that (who, time, sha256)."""
    return {str(line["release"]): line for line in lines if line.get("verb") == "accept" and line.get("release")}


def this_machine() -> str:
    """Return what tells this machine from others; clones of a machine may share its id, not its name too."""
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            return f"{platform.node()}/{file.read().strip()}"
    except OSError:
        return platform.node()


def is_locked(path: str) -> bool:
    """Return whether a process holds the lock file."""
    try:
        with open(path, encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def described(holder: Mapping[str, Any]) -> str:
    """Return who holds the lock, since when and doing what, in words."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(float(holder.get("since") or 0)))
    what = f"{holder.get('verb')} of {holder.get('environment')}"
    return f"{holder.get('who')} holds it since {since} ({what})"
