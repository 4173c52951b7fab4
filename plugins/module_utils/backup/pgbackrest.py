"""pgBackRest's words, and nobody else's: its command lines, its targets, its JSON.

What it says by its exit code is not enough: `verify` leaves with 0 whatever it finds, also with a wrong key. So callers
judge by what really lies in the repository.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from .chain import Backup, Lineage, lineage, timeline, window

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "/usr/bin/pgbackrest"
CONFIG = "/etc/pgbackrest/pgbackrest.conf"
#: Codes of `info`: all is well; there is no stanza yet, or its folders alone; there is no backup yet
OK, NO_STANZA, NO_BACKUP, NO_DATA = 0, 1, 2, 3
#: How it tells of an answer that is a refusal
ANSWERED = re.compile(r"(?P<said>HTTP request failed with [^:*]*):.*<Code>(?P<code>\w+)</Code>", re.DOTALL)
#: Of a repository that was made with another key; certificates are crypto, too
OTHER_KEY = re.compile(r"(?:CryptoError|FormatError)(?!.*certificate)", re.DOTALL)
WRONG_KEY = "The repository cannot be opened with this environment's key (vault_backup_key)."
#: Files that change by themselves; everything else in a repository stays as it was written
CHANGING = re.compile(r"(archive|backup)\.info(\.copy)?$|(^|/)latest$|\.pgbackrest\.tmp$|\.lock$|\.arriving$")
ARCHIVED = re.compile(r"[0-9A-F]{16}/(?P<name>[0-9A-F]{24})-[0-9a-f]{40}(\.\w+)?$")
#: In the archive: the folder of a server (its version and number), its folders, and what is of one segment in them
SERVER = re.compile(r"[0-9.]+-(?P<number>\d+)")
SEGMENTS = re.compile(r"[0-9A-F]{16}")
OF_SEGMENT = re.compile(r"(?P<name>[0-9A-F]{24})[.-]")
HISTORY = re.compile(r"(?P<name>[0-9A-F]{8})\.history$")
#: In what `info` says of one backup: a name, its number, and where that is
TABLESPACE = re.compile(r"^ +(?P<name>.+) \(\d+\) => (?P<path>/.*)$", re.MULTILINE)
#: The configuration of one repository alone, where there are several
PUSH = "/etc/pgbackrest/push-{}.conf"
#: Seconds for a question that reads no data
SOON = 300


@dataclass
class Found:
    """What lies in one repository."""

    backups: list[Backup] = field(default_factory=list)
    #: Archived segments by name, each with the time at which it arrived (seconds since the epoch)
    archived: dict[str, float] = field(default_factory=dict)
    #: Timelines that began by a restore, each with that time, and their history files
    timelines: dict[int, float] = field(default_factory=dict)
    histories: dict[int, str] = field(default_factory=dict)
    #: Files that stay as they are, by path: (bytes, time)
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    bytes: int = 0
    #: Where its backups are in it
    backup_folder: str = ""
    #: Why it cannot be read; "" where it can
    trouble: str = ""

    def way(self, time: float | None = None) -> Lineage:
        """Return the lineage of the timeline that was the newest at a time, or is it now."""
        begun = [line for line, began in self.timelines.items() if time is None or began <= time]
        return self.lineage(max(begun, default=min(map(timeline, self.archived), default=1)))

    def lineage(self, line: int) -> Lineage:
        """Return the lineage of a timeline."""
        return lineage(line, self.histories.get(line, ""))

    def has_manifest(self, label: str) -> bool:
        """Return whether a backup has the list of its files, or the copy of that."""
        names = ("backup.manifest", "backup.manifest.copy")
        return any(f"{self.backup_folder}/{label}/{name}" in self.files for name in names)

    def backup_for(self, time: float | None = None) -> str:
        """Return the newest backup from which a time can be reached, or the newest moment; "" where there is none."""
        way = self.way(time)
        useless = window(self.backups, self.archived, way).useless
        # It ended within the second that is known of it, and nothing before its end can be reached from it.
        fitting = [
            one
            for one in sorted(self.backups, key=lambda one: one.stop)
            if way.has(one) and one.label not in useless and (time is None or one.stop + 1 <= time)
        ]
        return fitting[-1].label if fitting else ""


class PgBackRest:
    """pgBackRest on this host: one stanza (a database server), run as the account that owns the repository."""

    def __init__(self, stanza: str, account: str, config: str = CONFIG, path: str = "") -> None:
        """Take the stanza's name, the account and the configuration, and where repository 1 is if not as that says."""
        self.stanza, self.config, self.path = stanza, config, path
        self.account = pwd.getpwnam(account)

    def at(self, path: str) -> PgBackRest:
        """Return the same for a repository that lies elsewhere on this host."""
        return PgBackRest(self.stanza, self.account.pw_name, self.config, path)

    def run(
        self, verb: str, *words: str, repository: int = 0, level: str = "warn", timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb of its; returns what came of it. Whoever is that account already stays so."""
        command = [PROGRAM, f"--config={self.config}", f"--stanza={self.stanza}", f"--log-level-console={level}"]
        command += [f"--repo={repository}"] if repository else []
        command += [f"--repo1-path={self.path}"] if self.path else []
        become: dict[str, Any] = {}
        if os.geteuid() == 0 and self.account.pw_uid:
            become = {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        return subprocess.run(
            [*command, verb, *words], cwd="/", check=False, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", timeout=timeout,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, **become,
        )  # fmt: skip

    def do(self, verb: str, *words: str, repository: int = 0, timeout: float | None = None) -> str:
        """Run a verb that has to succeed; returns what it printed. Raises HostError with its own words."""
        try:
            done = self.run(verb, *words, repository=repository, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise HostError(f"pgBackRest's {verb} did not end within {timeout:g} s.") from None
        if done.returncode:
            text = plain(done.stderr + done.stdout)
            raise HostError(f"pgBackRest could not {verb}: {text}")
        return done.stdout

    def prepare(self, *repositories: int) -> bool:
        """Make what is missing for this server in the repositories; returns whether that was needed. HostError.

        One that cannot be asked is not made: whatever is the matter with it is not that it is missing.
        """
        told = {int(one["key"]): int(one["status"]["code"]) for one in self._info().get("repo", [])}
        if not [number for number in repositories if told.get(number, NO_STANZA) in (NO_STANZA, NO_DATA)]:
            return False
        self.do("stanza-create")
        return True

    def backup(self, kind: str, repository: int, *, expire: bool = True) -> Backup:
        """Make a backup (full, diff, incr) in a repository and return it; raises HostError.

        Args:
            kind: which.
            repository: its number.
            expire: remove what is older than is kept, too; it is a failure of the backup where that is not allowed.
        """
        before = {one.label for one in self.backups(repository)}
        words = ["--start-fast", *([] if expire else ["--no-expire-auto"])]
        self.do("backup", f"--type={kind}", *words, repository=repository)
        made = [one for one in self.backups(repository) if one.label not in before]
        if not made:
            raise HostError("pgBackRest says that it has made a backup, and the repository has none that is new.")
        return made[-1]

    def bring_history(self, path: str, repository: int) -> bool:
        """Hand a timeline's history to one repository that lacks it; returns whether it did. Raises HostError.

        PostgreSQL hands it over once, when the timeline begins: what was declared later never got it, and without it
        nothing of the timeline can be restored.
        """
        top = f"archive/{self.stanza}"
        places = json.loads(self.do("repo-ls", "--output=json", top, repository=repository, timeout=SOON) or "{}")
        newest = max(
            (name for name in places if "-" in name), key=lambda name: int(name.rpartition("-")[2]), default=""
        )
        name = os.path.basename(path)
        words = ["--output=json", f"--filter=^{name}$", f"{top}/{newest}"]
        if not newest or name in json.loads(self.do("repo-ls", *words, repository=repository, timeout=SOON) or "{}"):
            return False
        alone = PUSH.format(repository)
        config = alone if os.path.exists(alone) else self.config
        only = PgBackRest(self.stanza, self.account.pw_name, config)
        only.do("archive-push", "--no-archive-async", path, timeout=SOON)
        return True

    def expire(self, label: str = "", repository: int = 0) -> None:
        """Remove what is older than the configuration keeps, or one backup with what hangs on it; raises HostError.

        What came into the repository by another way, and is not in its list, is put into the list first.
        """
        self.do("expire", *([f"--set={label}"] if label else []), repository=repository)

    def backups(self, repository: int = 1) -> list[Backup]:
        """Return the backups of a repository, the oldest first; raises HostError where it cannot be read."""
        info = self._info(repository)
        status: dict[str, Any] = next((one["status"] for one in info.get("repo", []) if one["key"] == repository), {})
        if int(status.get("code", 99)) not in (OK, NO_STANZA, NO_BACKUP, NO_DATA):
            message = plain(str(status.get("message") or "pgBackRest says nothing of it"))
            if OTHER_KEY.search(message):
                raise HostError(WRONG_KEY)
            raise HostError(f"The repository cannot be read: {message}")
        found = [one for one in info.get("backup", []) if one["database"]["repo-key"] == repository]
        return sorted(map(backup_of, found), key=lambda one: one.stop)

    def known(self, repository: int = 1) -> dict[str, list[Any]]:
        """Return what a repository knows: the servers that it has had backups of, and backups. Raises HostError."""
        told = self._info(repository)
        return {name: told.get(name) or [] for name in ("db", "backup")}

    def reads(self, path: str, begins: str, repository: int = 1) -> bool:
        """Return whether a file of a repository can be decrypted: by a wrong key it does not begin so."""
        done = self.run("repo-get", path, repository=repository, timeout=SOON)
        return done.returncode == 0 and done.stdout.startswith(begins)

    def found(self, repository: int = 1) -> Found:
        """Return what lies in a repository; why it cannot be read is said in its `trouble`."""
        found = Found(backup_folder=f"backup/{self.stanza}")
        try:
            found.backups = self.backups(repository)
            for folder in ("archive", "backup"):
                place = f"{folder}/{self.stanza}"
                listed = self.do("repo-ls", "--output=json", "--recurse", place, repository=repository, timeout=SOON)
                for path, entry in json.loads(listed or "{}").items():
                    if entry.get("type") == "file":
                        note(found, f"{place}/{path}", int(entry.get("size", 0)), int(entry.get("time", 0)))
            for line, path in found.histories.items():
                found.histories[line] = self.do("repo-get", path, repository=repository, timeout=SOON)
        except HostError as error:
            found.trouble = str(error)
        except (ValueError, KeyError) as error:
            found.trouble = f"pgBackRest's answer is not understood: {type(error).__name__} {error}"
        return found

    def verify(self, repository: int = 1) -> list[str]:
        """Read every byte of a repository; returns what is wrong, in words."""
        try:
            # With a wrong key it finds nothing to look at, and nothing wrong.
            if not self.backups(repository):
                return []
        except HostError as error:
            return [str(error)]
        done = self.run("verify", repository=repository, level="info")
        text = done.stdout + done.stderr
        if done.returncode:
            return [plain(text)]
        files = re.findall(r"INFO: ((?:invalid|missing|unable)[^\n]*)", text)
        # Of files that lie together it names the backup alone.
        files = files or re.findall(r"(?:backup: (?=\S+, status: invalid)|archiveId: )[^\n,]*", text)
        if not files and re.search(r"status: (error|invalid)", text):
            files = ["its own check ends with `status: error`"]
        return list(dict.fromkeys(map(plain, files)))

    def tablespaces(self, label: str, repository: int) -> dict[str, str]:
        """Return the folders of a backup's tablespaces, by their names; raises HostError."""
        told = self.do("info", f"--set={label}", repository=repository, timeout=SOON)
        return {match["name"]: match["path"] for match in TABLESPACE.finditer(told)}

    def fetching(self, data: str, repository: int) -> str:
        """Return the command by which a server that recovers gets its WAL from one repository, whatever is with others.

        `%f` and `%p` are PostgreSQL's: a segment's name, and where it is to be.
        """
        own = f"--config={self.config} --stanza={self.stanza} --pg1-path={data} --repo={repository}"
        own += f" --repo1-path={self.path}" if self.path else ""
        return f'{PROGRAM} {own} archive-get %f "%p"'

    def restore(self, backup: str, data: str, repository: int, *target: str) -> None:
        """Restore a backup into an empty folder, so that the server goes on to a target; raises HostError."""
        self.do("restore", f"--set={backup}", f"--pg1-path={data}", *target, repository=repository)

    def _info(self, repository: int = 0) -> dict[str, Any]:
        """Return what `info` says of the stanza; raises HostError."""
        text = self.do("info", "--output=json", repository=repository, timeout=SOON)
        try:
            # Of what another key makes of its files, it says parts as they are.
            stanzas = json.loads(text, strict=False)
        except ValueError:
            if OTHER_KEY.search(text):
                raise HostError(WRONG_KEY) from None
            raise HostError(f"pgBackRest's answer is no JSON: {plain(text)}") from None
        found: dict[str, Any] = next((one for one in stanzas if one.get("name") == self.stanza), {})
        return found


def target_options(kind: str, what: str, line: int) -> list[str]:
    """Return the options of a restore to the latest moment, to a time, or to a named restore point (time, name)."""
    where = ["--target-action=promote", f"--target={what}"] if kind != "latest" else []
    return [f"--type={kind if where else 'default'}", *where, f"--target-timeline={line}"]


def backup_of(told: Mapping[str, Any]) -> Backup:
    """Return a backup as `info` tells of it."""
    return Backup(
        label=str(told["label"]),
        kind=str(told["type"]),
        start=int(told["timestamp"]["start"]),
        stop=int(told["timestamp"]["stop"]),
        first=str(told["archive"]["start"]),
        last=str(told["archive"]["stop"]),
        size=int(told["info"]["size"]),
        stored=int(told["info"]["repository"]["delta"]),
        lsn=str((told.get("lsn") or {}).get("stop", "")),
        rotten=bool(told.get("error")),
        server=int(told["database"]["id"]),
    )


def forgets(before: Mapping[str, list[Any]], after: Mapping[str, list[Any]]) -> bool:
    """Return whether a repository has lost sight of a server, or takes a backup for another one, compared with before.

    What it does not know any more, or takes for what hangs on something that is not there, pgBackRest removes.
    """
    told = {one["label"]: one for one in after["backup"]}
    same = all(told.get(one["label"], one) == one for one in before["backup"])
    return not same or any(one not in after["db"] for one in before["db"])


def note(found: Found, path: str, size: int, time: int) -> None:
    """Add a file of a repository to what was found."""
    found.bytes += size
    if match := ARCHIVED.search(path):
        found.archived[match["name"]] = max(float(time), found.archived.get(match["name"], 0))
    elif match := HISTORY.search(path):
        line = int(match["name"], 16)
        found.timelines[line], found.histories[line] = float(time), path
    if not CHANGING.search(path):
        found.files[path] = (size, time)


def plain(text: str) -> str:
    """Return what it said as one printable line; of several the errors, without the time and the process."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"ERROR: ", line)] or lines
    words = " ".join(re.sub(r"^\S+ \S+ P\d+ +", "", line) for line in errors)
    words = re.sub(r"(ERROR|WARN|INFO): (\[\d+\]: )?", "", words)
    if match := ANSWERED.search(words):
        # What a service for buckets has said, and nothing of how it was asked.
        words = f"{match['said']}: {match['code']}"
    return "".join(letter if letter.isprintable() and letter != "�" else "?" for letter in words)[:300]
