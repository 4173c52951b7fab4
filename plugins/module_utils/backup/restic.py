"""restic's words: the files that an application keeps, copied so that unchanged ones cost nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from .pgbackrest import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PROGRAM = "/usr/bin/restic"
CACHE = "/var/cache/samestack/restic"
#: Seconds for a question that reads no data
SOON = 45
#: Why ssh does not go on, after many lines about it
REFUSED = re.compile(r"Host key verification failed|Permission denied|Connection refused|timed out")
#: restic's exit code for what it could not read of the source; the copy is made all the same
NOT_ALL_READ = 3


class Restic:
    """One repository of restic's."""

    def __init__(
        self, address: str, secrets: Mapping[str, str], authority: str = "", options: Iterable[str] = ()
    ) -> None:
        """Take where it is, variables with what opens it (RESTIC_PASSWORD …), a CA file for TLS, and options of it."""
        self.address, self.secrets, self.authority, self.options = address, secrets, authority, list(options)

    @classmethod
    def of(cls, target: Mapping[str, Any], known: Mapping[str, str]) -> Restic:
        """Return one of the places that files are copied to (settings), by the secrets of this host."""
        opened = {name: known[secret] for name, secret in target["secrets"].items()}
        return cls(target["address"], opened, target.get("authority", ""), target.get("options", ()))

    def run(self, *words: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run a verb of its; returns what came of it. No secret is in the arguments.

        Raises HostError where it does not end in time: it tries again and again what does not answer.
        """
        # What is restored is written with its owners, which root alone can.
        become = {} if words[0] == "restore" else self.owner()
        cache = "--no-cache" if become else f"--cache-dir={CACHE}"
        options = [cache, *([f"--cacert={self.authority}"] if self.authority else [])]
        options += [f"--option={one}" for one in self.options]
        own = {
            "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root", "RESTIC_REPOSITORY": self.address,
            "RESTIC_PROGRESS_FPS": "0.01",
        }  # fmt: skip
        try:
            done = subprocess.run(
                [PROGRAM, *options, *words], cwd="/", check=False, stdin=subprocess.DEVNULL, capture_output=True,
                text=True, errors="replace", timeout=timeout, env={**own, **self.secrets}, **become,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            last = bytes(error.stderr or b"").decode(errors="replace").strip().rpartition("\n")[2]
            why = f" It last said: {plain(last)}" if last else ""
            raise HostError(f"restic {words[0]} did not end within {timeout:g} s.{why}") from None
        if done.returncode not in (0, NOT_ALL_READ) and not REFUSED.search(done.stderr):
            done.stderr += self.said_by_ssh()
        return done

    def said_by_ssh(self) -> str:
        """Return what the ssh that it starts says by itself, "" where it starts none: it may end before it has told."""
        command = next((one.partition("=")[2].split() for one in self.options if one.startswith("sftp.command=")), [])
        if not command:
            return ""
        try:
            return subprocess.run(
                command, cwd="/", check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                errors="replace", timeout=SOON,
            ).stderr  # fmt: skip
        except subprocess.TimeoutExpired:
            return ""

    def owner(self) -> dict[str, Any]:
        """Return how one becomes the account that a folder with a repository belongs to; root only where it is root's.

        What root writes there, nobody else could read; and root has no business in a folder of somebody else's.
        """
        if os.geteuid() or not self.address.startswith("/"):
            return {}
        try:
            status = os.lstat(self.address)
        except FileNotFoundError:
            return {}
        return {"user": status.st_uid, "group": status.st_gid, "extra_groups": []} if status.st_uid else {}

    def do(self, *words: str, timeout: float | None = None) -> str:
        """Run a verb that has to succeed; returns what it printed. Raises HostError with its own words."""
        done = self.run(*words, timeout=timeout)
        if done.returncode:
            raise HostError(f"restic could not {words[0]}: {said(done.stderr or done.stdout)}")
        return done.stdout

    def prepare(self) -> bool:
        """Make the repository where there is none; returns whether that was needed. Raises HostError."""
        done = self.run("cat", "config", timeout=60)
        if done.returncode == 0:
            self.tidy_up()
            return False
        words = said(done.stderr)
        if "wrong password" in words:
            raise HostError("The uploads' repository cannot be opened with this environment's key (vault_backup_key).")
        try:
            self.do("init", timeout=120)
        except HostError as error:
            # It is there and does not answer, or cannot be made: both is worth knowing.
            raise HostError(f"The uploads' repository does not answer: {words}; {error}") from None
        return True

    def tidy_up(self) -> None:
        """Take away the locks of those that were killed: nobody else does, and one of `forget` ends all copies.

        Where a key may remove nothing, what follows says whether one is in its way.
        """
        self.run("unlock", timeout=120)

    def backup(self, paths: Sequence[str], tags: Iterable[str], leave_out: Iterable[str] = ()) -> dict[str, Any]:
        """Copy folders; returns what restic says of it (its `summary`), `missed` where files could not be read."""
        words = [*(f"--tag={tag}" for tag in tags), *(f"--exclude={path}" for path in leave_out), "--", *paths]
        done = self.run("backup", "--json", "--quiet", "--host=samestack", *words)
        if done.returncode not in (0, NOT_ALL_READ):
            raise HostError(f"restic could not backup: {said(done.stderr or done.stdout)}")
        summary: dict[str, Any] = {}
        for line in done.stdout.splitlines():
            if line.startswith("{") and '"summary"' in line:
                summary = json.loads(line)
        return summary | {"missed": done.returncode == NOT_ALL_READ}

    def snapshots(self, *words: str) -> list[dict[str, Any]]:
        """Return the copies that there are, the oldest first; raises HostError."""
        found = json.loads(self.do("snapshots", "--json", *words, timeout=SOON) or "null") or []
        return sorted(found, key=lambda one: str(one["time"]))

    def restore(self, snapshot: str, into: str, include: Iterable[str] = ()) -> None:
        """Write a copy's files below a folder, with their whole paths; raises HostError."""
        lock = ["--no-lock"] if self.owner() else []
        self.do("restore", *lock, f"--target={into}", *(f"--include={path}" for path in include), snapshot)

    def check(self, part: str = "") -> list[str]:
        """Look whether the repository holds together, and read a part of it (`10%`); returns what is wrong.

        It is in no copy's way. One that is made meanwhile may look as if it lacked something, but not twice.
        """
        part_of_it = [f"--read-data-subset={part}"] if part else []
        done = self.run("check", "--no-lock", *part_of_it)
        if done.returncode:
            done = self.run("check", "--no-lock", *part_of_it)
        return [] if done.returncode == 0 else [said(done.stderr or done.stdout)]

    def is_locked(self) -> bool:
        """Return whether locks stay, though nothing is at work: the key may not remove even those. Raises HostError."""
        self.run("unlock", timeout=SOON)
        return bool(self.do("list", "locks", "--no-lock", "--quiet", timeout=SOON).strip())

    def forget(self, snapshots: Sequence[str]) -> None:
        """Remove copies, and what only they had; raises HostError."""
        if snapshots:
            self.tidy_up()
            self.do("forget", "--prune", *snapshots)


def said(text: str) -> str:
    """Return what it and the ssh that it has started said, as one printable line: why ssh refuses, where it does."""
    lines = []
    for line in text.splitlines():
        words = line.removeprefix("subprocess ssh: ").strip()
        if words.startswith("{"):
            with contextlib.suppress(ValueError, AttributeError):
                words = str(json.loads(words).get("message", words))
        if words and not words.startswith("@"):
            lines.append(words)
    refused = [line for line in lines if REFUSED.search(line)]
    return plain("\n".join(refused or lines))


def label_of(copy: Mapping[str, Any], name: str) -> str:
    """Return what a copy was labelled with under a name, "" for nothing."""
    return next((value for tag in copy.get("tags") or [] for key, _, value in [tag.partition("=")] if key == name), "")


def moment_of(copy: Mapping[str, Any]) -> int:
    """Return the moment that a copy was labelled with."""
    return int(label_of(copy, "moment") or 0)


def release_of(copy: Mapping[str, Any]) -> str:
    """Return the release that served when a copy was made, and whose code is in it."""
    return label_of(copy, "release")


def files_below(folder: str) -> tuple[int, int]:
    """Return how many files are below a folder, and their bytes."""
    count = size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(place, name)).st_size
                count += 1
            except OSError:
                continue
    return count, size
