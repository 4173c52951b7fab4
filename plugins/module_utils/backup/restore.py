"""The database server goes back to a moment, on the host that has it; what it had is kept beside.

Whatever happens on the way: either the server runs with what it had, or with what it was to get. Where a run stands is
written down before each step, and one that was cut off is taken back by the next.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from ..common.files import write_atomic
from ..common.folders import PRIVATE, make_folder
from ..common.host_lock import private_lock
from ..common.ledger import SWITCHING, read_ledger
from ..postgresql.server import Server
from . import settings as places
from .chain import Window, nothing_waits, reach, window
from .judging import span
from .offer import ask_server, identity
from .pgbackrest import Found, PgBackRest, target_options
from .planning import led
from .settings import Settings, read, read_lines
from .source import PATIENCE, catch_up
from .status import damage
from .target import Target, for_server, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE = f"{places.KEPT}/restore.json"
POLL_SECONDS = 0.2
#: Seconds that a server may take to replay its WAL
MOST_SECONDS = 86400
#: A transaction with nothing in it, so that the WAL reaches beyond a moment at which nobody writes
COMMIT = "SELECT pg_catalog.txid_current()"
#: The folders of those that the server has itself, by name
TABLESPACES = """SELECT COALESCE(pg_catalog.json_object_agg(spcname, pg_catalog.pg_tablespace_location(oid)), '{}')
FROM pg_catalog.pg_tablespace WHERE pg_catalog.pg_tablespace_location(oid) <> ''"""
#: What PostgreSQL must not have less of than the server had whose WAL it reads (the manual, Hot Standby)
FLOOR = {
    "max_connections": "max_connections", "max_worker_processes": "max_worker_processes",
    "max_wal_senders": "max_wal_senders", "max_prepared_transactions": "max_prepared_xacts",
    "max_locks_per_transaction": "max_locks_per_xact",
}  # fmt: skip
TOO_EARLY = "recovery ended before configured recovery target was reached"
#: What the server says at its end, whatever brought that about; FATAL it also says of a client that comes too early
ENDED = "database system is shut down"
#: What systemd says of one that has ended, or is about to be started again
DOWN = ("failed", "dead", "auto-restart")
MARK = "# samestack: while it recovers"


class Restore:
    """One way back."""

    def __init__(self, settings: Settings, to: str, fresh: bool = False) -> None:
        """Take the settings, what people typed, and whether what is there was made a moment ago and has nothing."""
        self.settings, self.to, self.fresh = settings, to, fresh
        self.data: str = settings.database["data"]
        self.unit: str = settings.database["unit"]
        self.pgbackrest = PgBackRest(settings.stanza, settings.account)
        #: How long the server's log was when it was started
        self.began = 0
        #: The first segment that is not in the repository, though it was written
        self.missing = ""
        #: Why repositories cannot be used, by name
        self.troubles: dict[str, str] = {}
        #: What earlier restores have replaced
        self.kept: list[str] = [str(path) for path in read(STATE).get("kept") or []]

    @property
    def server(self) -> Server:
        """The database server here."""
        return Server(int(self.settings.database["port"]), "restore")

    def is_up(self) -> bool:
        """Return whether the server answers, and does not recover."""
        return self.is_running() and not self.fresh

    def is_running(self) -> bool:
        """Return whether a server answers, and does not recover, whatever it has."""
        try:
            return self.server.sql("SELECT pg_catalog.pg_is_in_recovery()") == "f"
        except HostError:
            return False

    def plan(self) -> dict[str, Any]:
        """Return where it leads: the moment, the backup, what will be lost. Raises HostError; changes nothing.

        Where the host's own repositories do not lead there, and another host keeps them, `asks` says why; that host's
        plan is this one and more (`planning.kept`).
        """
        self.check_tablespaces({})
        now = time.time()
        target = resolve(self.to, read_lines(places.POINTS), now)
        up = self.is_up()
        plan = {
            "to": self.to, "kind": target.kind, "time": target.time, "name": target.name, "words": target.words,
            "release": target.release or release_at(self.settings, target.time), "up": up, "now": now,
            "identity": identity(places.REPOSITORY), "asks": "", "mends": False,
        }  # fmt: skip
        try:
            repository, found = self.choose(target, up=up)
            way = led(self.to, target, found, now, up=up)
        except HostError as error:
            own = self.kept_elsewhere
            if not own:
                raise
            broken = self.troubles.get(str(own["name"]), "")
            asks = f"The repository on the database's host is broken: {broken}" if broken else str(error)
            return {**plan, "asks": asks, "mends": bool(broken), "repository": dict(own)}
        self.check_tablespaces(self.pgbackrest.tablespaces(way["backup"], int(repository["number"])))
        return {**plan, **way, "repository": repository}

    def check_tablespaces(self, of_backup: Mapping[str, str]) -> None:
        """Refuse to go back where a tablespace, the server's or a backup's, would be written over; raises HostError.

        They lie beside the data directory and cannot be put aside with it: the WAL, too, names the folders.
        """
        told = self.server.sql(TABLESPACES) if self.is_up() else "{}"
        for name, path in {**of_backup, **json.loads(told)}.items():
            if not os.path.isdir(path) or os.listdir(path):
                raise HostError(
                    f"Tablespace {name} lies in {path}, which has to be an empty folder of the account "
                    f"{self.pgbackrest.account.pw_name} for a restore.", "docs/restore.md says what to do about it.",
                )  # fmt: skip

    @property
    def kept_elsewhere(self) -> dict[str, Any] | None:
        """The repository here of which another host keeps more; of a host that was made anew it has just come."""
        fetched = self.settings.offer and not self.fresh
        return next((one for one in self.settings.own_repositories if fetched and one["number"] == 1), None)

    def trouble(self, one: Mapping[str, Any], found: Found) -> str:
        """Return why a repository cannot be used, "" where it can: damaged files, where another host has them."""
        if found.trouble or one != self.kept_elsewhere:
            return found.trouble
        if not found.backups:
            return "it has no backup"
        holes = window(found.backups, found.archived, found.way()).holes
        lacking = [backup.label for backup in found.backups if not found.has_manifest(backup.label)]
        damaged = damage(self.settings, one, found, self.pgbackrest, holes)
        return next(iter([*damaged, *(f"backup {label} has no manifest" for label in lacking)]), "")

    def choose(self, target: Target, *, up: bool) -> tuple[dict[str, Any], Found]:
        """Return the first repository that has what is needed, and what lies in it; raises HostError.

        What the server has not got any more is only there: the one that reaches farthest is the first then. Otherwise
        those that were away, and lack something, come last.
        """
        known: list[tuple[dict[str, Any], Found, Window]] = []
        for one in self.settings.own_repositories:
            found = self.pgbackrest.found(int(one["number"]))
            if trouble := self.trouble(one, found):
                self.troubles[str(one["name"])] = trouble
                continue
            known.append((dict(one), found, window(found.backups, found.archived, found.way(target.before))))
        if not known:
            said = "; ".join(f"{name}: {trouble}" for name, trouble in self.troubles.items())
            raise HostError(f"No repository can be read. {said}", "`./samestack backups` shows more.")
        newest = max(allowed.until for _, _, allowed in known)
        patience = self.settings.loss if up or target.before is not None else 0
        known.sort(key=lambda one: max(newest - one[2].until - patience, 0))
        fitting = (
            one
            for one in known
            if one[1].backup_for(target.before) and (up or target.before is None or target.before <= one[2].until)
        )
        return next(fitting, known[-1])[:2]

    def run(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        """Go back; returns what there is to say of it. Raises HostError, after which the server runs as before."""
        began = time.monotonic()
        with private_lock(places.LOCK, PATIENCE, "a backup is at work on this host"):
            make_folder(places.KEPT, PRIVATE).close()
            self.tidy_up()
            self.check_room(int(plan["size"]))
            try:
                replaced = self.replace(plan)
            finally:
                if plan.get("asks"):
                    self.as_account("rm", "-rf", "--", places.GIVEN)
        return {"replaced": replaced, "seconds": round(time.monotonic() - began, 1)}

    def replace(self, plan: Mapping[str, Any]) -> str:
        """Put what the server had aside, and what it is to get into its place; returns where that is. HostError."""
        if plan.get("mends"):
            self.mend()
        if self.is_up():
            # What is still in the server's own hands is needed, too, and something that comes after the moment.
            self.server.sql(COMMIT)
            if not catch_up(self.server) and not self.has_all(int(plan["repository"]["number"])):
                raise HostError("The newest WAL does not get into the repository.", "`./samestack backups` says why.")
        self.missing = self.missing_for(plan)
        self.check_tablespaces(self.given(plan).tablespaces(plan["backup"], int(plan["repository"]["number"])))
        replaced = f"{self.data}.replaced-{stamp()}"
        self.note(step="stopping", replaced=replaced)
        self.systemctl("stop", self.unit)
        self.note(step="replacing", replaced=replaced)
        if self.fresh:
            self.as_account("rm", "-rf", "--", self.data)
        if self.is_there(self.data):
            self.as_account("mv", "-T", self.data, replaced)
        try:
            self.fill(plan)
        except HostError:
            self.go_back(replaced)
            raise
        self.note(step="done", fresh=True, kept=[*self.kept, *([replaced] if self.is_there(replaced) else [])])
        return replaced

    def mend(self) -> None:
        """Put what was handed over into the place of the broken repository, which is kept beside; raises HostError."""
        root, given = places.REPOSITORY, places.GIVEN
        aside = f"{root}/samestack.replaced-{stamp()}"
        self.kept.append(aside)
        self.note(step="done")
        self.as_account("mkdir", "-m", "0750", aside)
        for name in ("archive", "backup", places.IDENTITY):
            if self.is_there(f"{root}/{name}"):
                self.as_account("mv", "-T", f"{root}/{name}", f"{aside}/{name}")
            self.as_account("mv", "-T", f"{given}/{name}", f"{root}/{name}")
        # WAL that the other host has not fetched yet; what it has stays as it has come.
        self.as_account("cp", "-a", "--link", "--no-clobber", f"{aside}/archive", root, check=False)

    def given(self, plan: Mapping[str, Any]) -> PgBackRest:
        """Return pgBackRest for the repository that a plan goes by: the host's own, or what was handed over for it."""
        beside = plan.get("asks") and not plan.get("mends")
        return self.pgbackrest.at(places.GIVEN) if beside else self.pgbackrest

    def missing_for(self, plan: Mapping[str, Any]) -> str:
        """Return which segment is missing between a backup and now, "" where none is; PostgreSQL takes it for the end.

        Raises HostError.
        """
        pgbackrest = self.given(plan)
        found = pgbackrest.found(int(plan["repository"]["number"]))
        begin = next((one for one in found.backups if one.label == plan["backup"]), None)
        if found.trouble or begin is None:
            raise HostError(found.trouble or f"Backup {plan['backup']} is not there any more.")
        # What was handed over ends where it is not needed any more.
        whole = pgbackrest is self.pgbackrest and self.is_up()
        current = str(ask_server(int(self.settings.database["port"])).get("current", "")) if whole else ""
        return reach(begin, found.archived, found.lineage(int(plan["line"])), current)[1]

    def has_all(self, repository: int) -> bool:
        """Return whether one repository has everything that the server has written, when another is away."""
        found = self.pgbackrest.found(repository)
        current = self.server.sql("SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn())")
        return not found.trouble and nothing_waits(window(found.backups, found.archived, found.way()), current)

    def fill(self, plan: Mapping[str, Any]) -> None:
        """Restore into a new folder, and have the server replay its WAL until the moment; raises HostError."""
        self.as_account("mkdir", "-m", "0700", self.data)
        target = Target(plan["kind"], float(plan["time"]), plan["name"])
        options = target_options(target.kind, target.name or for_server(target.time), int(plan["line"]))
        pgbackrest, repository = self.given(plan), int(plan["repository"]["number"])
        options.append(f"--recovery-option=restore_command={pgbackrest.fetching(self.data, repository)}")
        pgbackrest.restore(plan["backup"], self.data, repository, *options)
        raised = self.raise_floor()
        if not self.recover() and target.kind == "time" and self.said(TOO_EARLY):
            if self.missing:
                raise HostError(f"WAL {self.missing} is not in the repository: the server did not get to that moment.")
            # Nothing was written after the moment: the end of the WAL is what was there then.
            self.leave_out("recovery_target")
            self.recover()
        if not self.is_running():
            raise HostError(f"The server did not get to that moment.\n{self.log_end()}")
        self.leave_out(rf"{re.escape(MARK)}|restore_command|recovery_target|.*{re.escape(MARK)}$")
        if raised:
            # Nobody but a start gives it its own numbers again, and the site is closed now.
            self.systemctl("restart", self.unit)
        else:
            self.server.sql("SELECT pg_catalog.pg_reload_conf()")

    def recover(self) -> bool:
        """Start the server and wait until it has replayed its WAL; returns whether it runs then."""
        self.systemctl("reset-failed", self.unit, check=False)
        self.began = self.log_size()
        started = self.systemctl("start", self.unit, check=False)
        deadline = time.monotonic() + MOST_SECONDS
        while time.monotonic() < deadline:
            if self.is_running():
                return True
            # Its unit starts it again when it fails: once is enough.
            if self.said(ENDED) or self.systemctl("show", "-P", "SubState", self.unit, check=False).startswith(DOWN):
                self.systemctl("stop", self.unit, check=False)
                return False
            time.sleep(POLL_SECONDS)
        raise HostError(f"The server did not end its recovery. {started}")

    def raise_floor(self) -> bool:
        """Let the server have what the one had whose WAL it reads: with less, PostgreSQL refuses to recover.

        Returns whether that is more than its own configuration says; raises HostError.
        """
        program = f"/usr/lib/postgresql/{self.settings.database['version']}/bin/pg_controldata"
        told = self.as_account(program, "-D", self.data)
        lines = []
        for setting, shown in FLOOR.items():
            match = re.search(rf"^{shown} setting: +(\d+)$", told, re.MULTILINE)
            if match and int(match[1]) > self.configured(setting):
                lines.append(f"{MARK}\n{setting} = {match[1]}  {MARK}\n")
        if lines:
            self.as_account("tee", self.own_settings, stdin=self.as_account("cat", self.own_settings) + "".join(lines))
        return bool(lines)

    def configured(self, setting: str) -> int:
        """Return what the server's own configuration says of a number."""
        version = self.settings.database["version"]
        program = f"/usr/lib/postgresql/{version}/bin/postgres"
        said = self.as_account(program, "-C", setting, "-D", f"/etc/postgresql/{version}/main", check=False)
        return int(said) if said.strip().isdecimal() else 0

    @property
    def own_settings(self) -> str:
        """The file with settings that the server writes itself."""
        return os.path.join(self.data, "postgresql.auto.conf")

    def leave_out(self, pattern: str) -> None:
        """Take the lines out of the server's own settings that begin so."""
        lines = self.as_account("cat", self.own_settings).splitlines(keepends=True)
        self.as_account("tee", self.own_settings, stdin="".join(line for line in lines if not re.match(pattern, line)))

    def is_there(self, path: str) -> bool:
        """Return whether something has a name."""
        return os.path.lexists(path)

    def as_account(self, *command: str, stdin: str = "", check: bool = True) -> str:
        """Run a program as the server's account, whose folders these are; returns what it prints. Raises HostError."""
        account = self.pgbackrest.account
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, errors="replace", check=False, cwd="/",
            user=account.pw_uid, group=account.pw_gid, extra_groups=[],
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        if check and done.returncode:
            raise HostError(f"`{command[0]}` failed as {account.pw_name}: {done.stderr.strip()}")
        return done.stdout

    def go_back(self, replaced: str) -> None:
        """Put what was there into its place again, and start it; raises HostError where it does not start."""
        self.systemctl("stop", self.unit, check=False)
        if self.is_there(replaced):
            self.as_account("rm", "-rf", "--", self.data)
            self.as_account("mv", "-T", replaced, self.data)
        self.note(step="done")
        if self.is_there(self.data):
            self.systemctl("start", self.unit)

    def tidy_up(self) -> None:
        """Finish what a run that was cut off has left: what was there before is in its place again."""
        left = read(STATE)
        if left.get("step") in ("stopping", "replacing"):
            self.systemctl("stop", self.unit, check=False)
            if self.is_there(str(left["replaced"])):
                self.as_account("rm", "-rf", "--", self.data)
                self.as_account("mv", "-T", str(left["replaced"]), self.data)
            elif left["step"] == "replacing":
                # There was nothing before: what is there was not restored to its end.
                self.as_account("rm", "-rf", "--", self.data)
            self.note(step="done")
            if self.is_there(self.data):
                self.systemctl("start", self.unit, check=False)

    def check_room(self, size: int) -> None:
        """Refuse what the disk has no room for: both are there for a while. Raises HostError."""
        free = shutil.disk_usage(os.path.dirname(self.data)).free
        if free < size * 1.1:
            raise HostError(
                f"No room to restore: the database then was {size >> 20}m, and {free >> 20}m are free on the disk of "
                f"{self.data}, where what is there now stays, too.", "Make room.",
            )  # fmt: skip

    def note(self, **values: Any) -> None:
        """Write down where it stands, and what earlier ones have replaced."""
        write_atomic(STATE, json.dumps({"kept": self.kept, **values}), 0o600)

    def systemctl(self, *words: str, check: bool = True) -> str:
        """Run systemctl; returns what it said. Raises HostError."""
        done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise HostError(f"`systemctl {' '.join(words)}` failed: {done.stderr.strip()}\n{self.log_end()}")
        return done.stdout + done.stderr

    @property
    def log(self) -> str:
        """The server's log."""
        return f"/var/log/postgresql/postgresql-{self.settings.database['version']}-main.log"

    def log_size(self) -> int:
        """Return how long the log is."""
        said = self.as_account("stat", "-c", "%s", self.log, check=False)
        return int(said) if said.strip().isdecimal() else 0

    def log_end(self, lines: int = 8) -> str:
        """Return the end of what the server said since it was started."""
        text = self.as_account("tail", "-c", f"+{self.began + 1}", self.log, check=False)
        return "".join(text.splitlines(keepends=True)[-lines:])

    def said(self, words: str) -> bool:
        """Return whether the server has said something since it was started."""
        return words in self.log_end(1000)


def stamp() -> str:
    """Return the time as names of what is kept beside have it."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def release_at(settings: Settings, seconds: float) -> str:
    """Return the release that was live at a time, by the ledger of this host; "" where that is not known."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    found = ""
    for line in read_ledger():
        made = line.get("result") == "ok" and line.get("verb", "") in SWITCHING
        if made and line.get("release") and line.get("app", settings.app) == settings.app:
            if str(line.get("time", "")) > when:
                break
            found = str(line["release"])
    return found


def loss(plan: Mapping[str, Any]) -> str:
    """Return what goes lost, in words."""
    return "nothing that is in the repository" if not plan["lost"] else f"everything of the last {span(plan['lost'])}"
