"""The deploy lock's half on the host: a program that holds the lock as long as it hears from the run.

It is sent over ssh and runs as root with the host's own Python; `main` is called with the request. One line of JSON a
piece of news goes to standard output: `waiting` (who holds it), then `held`, `busy`, `frozen` or `newer`. The lock goes
when standard input ends or falls silent: then the run is over, or its connection is.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import select
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

POLL_SECONDS = 0.1


class RunIsOverError(Exception):
    """The run has ended, or nothing was heard from it for too long."""


def listen(seconds: float, silence: float, heard: float) -> float:
    """Listen to the run for some seconds; returns when it was heard last. Raises `RunIsOverError`."""
    ready, _, _ = select.select([0], [], [], seconds)
    if ready:
        if not os.read(0, 4096):
            raise RunIsOverError
        return time.monotonic()
    if time.monotonic() - heard > silence:
        raise RunIsOverError
    return heard


def read(path: str) -> dict[str, Any]:
    """Return a file's JSON, {} when it is not there or not whole."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def tell(**news: Any) -> None:
    """Tell the run something."""
    os.write(1, json.dumps({"now": time.time(), **news}).encode() + b"\n")


def numbers(version: object) -> list[int]:
    """Return a version as what can be compared; [] for none."""
    return [int(part) for part in str(version).split(".") if part.isdecimal()]


def remember(request: Mapping[str, Any]) -> None:
    """Write down which Samestack changes the environment, before it changes anything: a run may not get to its end."""
    os.makedirs(request["state"], mode=0o711, exist_ok=True)
    path = os.path.join(request["state"], "engine.json")
    content = {"version": request["engine"], "who": request["who"], "verb": request["verb"], "since": time.time()}
    with open(path + ".new", "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def machine() -> str:
    """Return what tells this machine from others, as release_ledger does."""
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            return f"{platform.node()}/{file.read().strip()}"
    except OSError:
        return platform.node()


def open_lock(folder: str) -> int:
    """Return the lock's file, in a folder that nobody but root can open: whoever can open a file can lock it.

    Folder and file are older than that on some hosts: their modes are set. Raises OSError.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(place).st_uid not in (0, os.geteuid()):
            raise PermissionError(f"{folder} is not root's: chown root: {folder}")
        os.fchmod(place, 0o700)
        lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=place)
    finally:
        os.close(place)
    os.fchmod(lock, 0o600)
    return lock


def holder(lock: int) -> str:
    """Return which process holds the lock, as the kernel's table says, where it is not root's; "" otherwise."""
    inode = str(os.fstat(lock).st_ino)
    try:
        with open("/proc/locks", encoding="ascii") as table:
            rows = [line.split() for line in table]
        found = [row[4] for row in rows if row[1] == "FLOCK" and row[5].rsplit(":", 1)[-1] == inode]
        uid = os.stat(f"/proc/{found[0]}").st_uid
    except (OSError, IndexError):
        return ""
    return f"process {found[0]} of user {uid}" if uid not in (0, os.geteuid()) else ""


def take(lock: int, request: Mapping[str, Any], note: str) -> bool:
    """Take the lock; returns whether it was got before the patience ended, or raises `RunIsOverError`.

    The run before may just be ending, so a moment of patience is always there; only a longer wait is told.
    """
    began = heard = time.monotonic()
    told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - began
            if waited > max(request["patience"], request["wait"]):
                return False
            if waited > request["patience"] and not told:
                tell(waiting=read(note), process=holder(lock))
                told = True
            heard = listen(POLL_SECONDS, request["silence"], heard)
        else:
            return True


def hold(request: Mapping[str, Any], note: str) -> None:
    """Write down who holds the lock, say so, and listen until the run is over."""
    remember(request)
    began = time.time()
    content = {name: request[name] for name in ("id", "who", "verb", "environment")} | {"since": began}
    try:
        with open(note + ".new", "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            json.dump(content, file)
        os.replace(note + ".new", note)
        tell(held=True, began=began, machine=machine())
        heard = time.monotonic()
        while True:
            heard = listen(1, request["silence"], heard)
    finally:
        if read(note).get("id") == request["id"]:
            os.unlink(note)


def main(request: Mapping[str, Any]) -> None:
    """Hold the lock for a run.

    The request has `id`, `who`, `verb`, `environment`; `engine`, the version of Samestack, and `allow_older`, whether a
    later one may have been here; `folder`, where the lock is; `state`, where the files are that say that the
    environment is frozen, and which version was here last; and in seconds `wait`, `patience` and `silence`.
    """
    # What ends the connection ends the program in order, with the note taken away.
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    note = os.path.join(request["folder"], "lock.json")
    lock = open_lock(request["folder"])
    try:
        if not take(lock, request, note):
            tell(busy=read(note), process=holder(lock))
            return
        frozen = read(os.path.join(request["state"], "freeze.json"))
        if frozen:
            tell(frozen=frozen)
            return
        last = read(os.path.join(request["state"], "engine.json"))
        if numbers(last.get("version")) > numbers(request["engine"]) and not request["allow_older"]:
            tell(newer=last)
            return
        hold(request, note)
    except (RunIsOverError, BrokenPipeError):
        pass
