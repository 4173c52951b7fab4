"""A restore that nobody waits for: the newest backup becomes a server of its own, which is then looked at.

It runs as an account that may read the repository and write nowhere else, without a network: what is restored comes
from another machine, and its settings, functions and code may be somebody else's. Root prepares what it is given, and
writes down what came of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

from ..common import folders
from ..common.errors import HostError
from ..common.files import write_atomic
from ..common.folders import PRIVATE, make_folder
from ..common.ledger import append
from ..common.paths import STATE as LEDGER_FOLDER
from ..common.postgresql import identifier
from ..release.interpreter import HOME as PYTHONS
from . import settings as places
from .chain import Lineage, Window, named, number, window
from .drill_release import DrillRelease
from .drill_server import DATA, SOCKETS, ScratchServer
from .pgbackrest import CONFIG, PgBackRest
from .restic import Restic, release_of
from .settings import DRILL_CODE, DRILL_HOME, DRILL_PLACE, Settings, read, read_lines, secrets
from .source import OVERLAY

if TYPE_CHECKING:
    from collections.abc import Iterator

GIVEN, RESULT = f"{DRILL_PLACE}/given.json", f"{DRILL_HOME}/result.json"
#: What was fetched of a repository that is not on this host: the restored backup (in DATA), and the WAL since
FETCHED, WAL = f"{DRILL_HOME}/fetched.json", f"{DRILL_HOME}/wal"
ACCOUNT = "samestack-drill"
OWN_CONFIG = f"{DRILL_HOME}/pgbackrest.conf"
JOURNAL = "`journalctl -u 'samestack-backup-drill*'` says why."
#: What pgBackRest writes to, in the place of what the host's configuration says
OWN_FOLDERS = {"lock-path": f"{DRILL_HOME}/lock", "spool-path": f"{DRILL_HOME}/spool"}
LABEL, LONGEST = re.compile(r"[0-9A-Z_-]{0,64}"), 1000
#: What is kept of a result, with what each may be
NUMBER = (int, float)
KEPT: dict[str, type | tuple[type, ...]] = {
    "ok": bool, "reason": str, "seconds": NUMBER, "bytes": NUMBER, "label": str, "repository": str,
    "until": NUMBER, "tables": int, "application": str, "steps": dict, "began": NUMBER,
}  # fmt: skip
#: Those that are elsewhere
TABLESPACES = f"--tablespace-map-all={DRILL_HOME}/tablespaces"
#: Part of the copies of files that is read each time
READ = "5%"
COUNT = "SELECT pg_catalog.count(*) FROM ONLY {table}"
PAUSED = "SELECT pg_catalog.pg_is_wal_replay_paused()"
RECOVERS = "SELECT pg_catalog.pg_is_in_recovery()"
LAST_SEEN = "SELECT COALESCE(extract(epoch FROM pg_catalog.pg_last_xact_replay_timestamp()), 0)"
SIZE = "SELECT COALESCE(sum(pg_catalog.pg_database_size(oid)), 0)::pg_catalog.int8 FROM pg_catalog.pg_database"


def prepare(settings: Settings) -> None:
    """Give the drill what it may know: the newest moment, and the code that served then. As root; raises HostError."""
    folders.remove(DRILL_CODE)
    # What came of the one before is not what comes of this.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(GIVEN)
    one = turn(settings)
    name = str(one["name"])
    given: dict[str, Any] = {"began": time.time(), "uploads": [], "moment": {}, "release": "", "repository": one}
    # Whatever ends this early, it was this one that was to be tried.
    write_atomic(GIVEN, json.dumps({**given, "trouble": f"It could not be prepared: {JOURNAL}"}), 0o644)
    make_folder(DRILL_CODE).close()
    code = [*(f"{settings.root}/{name}" for name in ("releases", "venvs")), PYTHONS]
    known = secrets()
    moments = read_lines(places.MOMENTS)
    targets = settings.uploads.get("targets", [])
    for target in [target for target in targets if target["name"] == name] or targets:
        restic = Restic.of(target, known)
        try:
            given["uploads"] += [f"{target['name']}: {line}" for line in restic.check(READ)]
            copies = restic.snapshots("--no-lock")
            if copies and not os.listdir(DRILL_CODE):
                restic.restore(str(copies[-1]["id"]), DRILL_CODE, [*code, places.MOMENTS, OVERLAY])
                # Each deployment has its code copied: it may be newer than the newest backup of the database.
                given["release"] = release_of(copies[-1])
                moments = moments or read_lines(DRILL_CODE + places.MOMENTS)
        except HostError as error:
            given["uploads"].append(f"{target['name']}: {error}")
    # What a backup host keeps was made in the repository of the other host.
    names = {name, "local"} if name == "host" else {name}
    with_rows = (one for one in reversed(moments) if one.get("point"))
    given["moment"] = next((one for one in with_rows if names & {made["repository"] for made in one["made"]}), {})
    write_atomic(GIVEN, json.dumps(given), 0o644)


def turn(settings: Settings) -> dict[str, Any]:
    """Return the repository that is tried now; raises HostError where there is none.

    It is the one that somebody has asked for, or that has failed last, or that was not tried for the longest time.
    """
    there = {str(one["name"]): one for one in settings.own_repositories if one.get("tries", True)}
    if not there:
        raise HostError("No drill is made on this host.")
    last, tried, wanted = read(places.DRILL), read(places.TRIED), read(places.WANTED)
    asked = str(wanted.get("repository", ""))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(places.WANTED)
    if asked and asked not in there:
        raise HostError(f"There is no repository {asked} to try on this host.", f"There is: {', '.join(there)}.")
    failed = "" if last.get("ok", True) else str(last.get("repository", ""))
    name = asked or (failed if failed in there else "") or min(there, key=lambda name: float(tried.get(name, 0)))
    return dict(there[name])


class Drill:
    """One drill, as its own account."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings."""
        self.settings = settings
        self.pgbackrest = PgBackRest(settings.stanza, ACCOUNT, OWN_CONFIG)
        self.given = read(GIVEN)
        if not self.given:
            raise HostError("Nothing was prepared for a drill.")
        self.steps: dict[str, float] = {}
        self.found: dict[str, Any] = {}

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a step."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.steps[name] = round(time.monotonic() - began, 1)

    def run(self) -> int:
        """Do it all; returns the exit code. What came of it is in a file."""
        began = time.monotonic()
        fetched = self.is_fetched and read(FETCHED)
        if not fetched:
            self.tidy_up()
        reason = ""
        try:
            self.rehearse(fetched or {})
        except HostError as error:
            reason = str(error)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
        if not reason and self.given.get("uploads"):
            reason = f"The copies of the uploads are damaged: {'; '.join(self.given['uploads'])}"
        result = {
            **self.found, "began": self.given.get("began"), "ok": not reason, "reason": reason[:LONGEST],
            "steps": self.steps, "repository": self.repository["name"],
            "seconds": round(time.monotonic() - began + (fetched or {}).get("seconds", 0), 1),
        }  # fmt: skip
        with open(RESULT, "w", encoding="utf-8") as file:
            json.dump(result, file)
        shutil.rmtree(DATA, ignore_errors=True)
        shutil.rmtree(WAL, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.unlink(OWN_CONFIG)
        return int(bool(reason))

    @property
    def repository(self) -> dict[str, Any]:
        """Return the repository that is tried."""
        found: dict[str, Any] = self.given["repository"]
        return found

    @property
    def is_fetched(self) -> bool:
        """Return whether the repository is not on this host: what it has comes first, while there is a network."""
        return "path" in self.repository

    def tidy_up(self) -> None:
        """Take away what is left of another drill; raises OSError."""
        with folders.open_folder(DRILL_HOME) as folder:
            folder.empty()

    def fetch(self) -> None:
        """Bring the newest backup and the WAL since; nothing of them runs. A file says what came."""
        if not self.is_fetched:
            return
        began, told, reason = time.monotonic(), {}, ""
        self.tidy_up()
        try:
            told = self.bring()
        except (HostError, OSError, subprocess.SubprocessError, ValueError) as error:
            reason = str(error)
        with contextlib.suppress(OSError):
            os.unlink(OWN_CONFIG)
        seconds = round(time.monotonic() - began, 1)
        told |= {"began": self.given["began"], "reason": reason, "seconds": seconds, "steps": self.steps}
        with open(FETCHED, "w", encoding="utf-8") as file:
            json.dump(told, file)

    def write_config(self) -> None:
        """Let pgBackRest read what it reads on this host, and write here."""
        with open(CONFIG, encoding="utf-8") as file:
            lines = file.read().split(f"\n[{self.settings.stanza}]")[0].splitlines()
        kept = [line for line in lines if line.partition("=")[0] not in OWN_FOLDERS]
        own = [f"{name}={path}" for name, path in OWN_FOLDERS.items()]
        if folder := os.environ.get("CREDENTIALS_DIRECTORY"):
            # The host's is the server's account's alone.
            kept = [re.sub(r"(sftp-private-key-file)=.*", rf"\1={folder}/sftp.key", line) for line in kept]
        with open(OWN_CONFIG, "w", encoding="utf-8") as file:
            file.write("\n".join([*kept, *own, f"[{self.settings.stanza}]", f"pg1-path={DATA}", ""]))

    def bring(self) -> dict[str, Any]:
        """Restore the newest backup that can be restored, without starting it; returns which, and its timeline.

        Of a repository that is not on this host, the WAL comes, too. Raises HostError.
        """
        self.write_config()
        repository = int(self.repository["number"])
        found = self.pgbackrest.found(repository)
        if found.trouble:
            raise HostError(found.trouble)
        way = found.way()
        allowed = window(found.backups, found.archived, way)
        usable = [one for one in sorted(found.backups, key=lambda one: one.stop) if way.has(one)]
        usable = [one for one in usable if one.label not in allowed.useless]
        if not usable:
            raise HostError("There is no backup that can be restored.")
        backup = usable[-1]
        with self.step("restore"):
            os.mkdir(DATA, 0o700)
            self.pgbackrest.restore(backup.label, DATA, repository, "--type=preserve", TABLESPACES)
        if self.is_fetched:
            with self.step("fetch WAL"):
                self.bring_wal(number(backup.first), allowed, way, repository)
        return {"label": backup.label, "bytes": backup.size, "repository_until": allowed.until, "line": way.line}

    def bring_wal(self, first: int, allowed: Window, way: Lineage, repository: int) -> None:
        """Bring the WAL from a segment on, and the history of its timeline; raises HostError."""
        os.mkdir(WAL, 0o700)
        count = range(first, number(allowed.newest) + 1)
        names = [f"{way.line:08X}.history"] if way.line > 1 else []
        for name in [*names, *(named(way.timeline_of(one), one) for one in count)]:
            self.pgbackrest.do("archive-get", "--no-archive-async", name, f"{WAL}/{name}", repository=repository)

    def rehearse(self, fetched: dict[str, Any]) -> None:
        """Restore, replay, look; raises HostError for whatever is wrong."""
        if self.given.get("trouble"):
            raise HostError(self.given["trouble"])
        if self.is_fetched and fetched.get("began") != self.given["began"]:
            raise HostError(f"Nothing was fetched: {JOURNAL}")
        if fetched.get("reason"):
            raise HostError(fetched["reason"])
        brought = fetched or self.bring()
        self.steps = {**fetched.get("steps", {}), **self.steps}
        self.found |= {name: brought[name] for name in ("label", "bytes", "repository_until")}
        point = self.point(brought["label"])
        os.makedirs(SOCKETS, mode=0o700, exist_ok=True)
        server = ScratchServer()
        server.recovers(self.wal_command(), point, int(brought["line"]))
        if point:
            with self.step("rows"), server.running():
                server.wait_for(PAUSED)
                self.compare_rows(server)
            server.goes_on()
        with server.running():
            with self.step("replay"):
                server.wait_for(RECOVERS, "f")
            self.found |= {"until": float(server.sql(LAST_SEEN) or 0), "bytes": int(server.sql(SIZE))}
            with self.step("amcheck"):
                server.amcheck()
            with self.step("application"):
                self.found["application"] = DrillRelease(self.settings, str(self.given["release"])).try_it()

    def wal_command(self) -> str:
        """Return the command by which the server gets its WAL: from what was fetched, or from the repository here."""
        if self.is_fetched:
            return f'cp {WAL}/%f "%p"'
        return self.pgbackrest.fetching(DATA, int(self.repository["number"]))

    def point(self, label: str) -> str:
        """Return the restore point of this backup at which the rows were counted, "" where none was."""
        moment = self.given.get("moment") or {}
        return str(moment.get("point", "")) if label in [one.get("label") for one in moment.get("made") or []] else ""

    def compare_rows(self, server: ScratchServer) -> None:
        """Count the rows as they were counted with the backup; raises HostError where some are missing."""
        counted = 0
        for table, (before, after) in (self.given["moment"].get("rows") or {}).items():
            if before < 0 or after < 0:
                continue
            name = ".".join(map(identifier, table.split(".", 1)))
            rows = int(server.sql(COUNT.format(table=name), self.settings.database["name"]))
            # Somebody may have written while they were counted.
            if not min(before, after) <= rows <= max(before, after):
                raise HostError(f"Table {table} has {rows} rows, and had {before} when it was backed up.")
            counted += 1
        self.found["tables"] = counted


def believed(told: Any) -> dict[str, Any]:
    """Return what a drill can have said: the application's code ran as the same account, and could say anything."""
    found: dict[str, Any] = {name: told.get(name) for name in KEPT} if isinstance(told, dict) else {}
    found = {name: value for name, value in found.items() if isinstance(value, KEPT[name])}
    found = {name: value[:LONGEST] if isinstance(value, str) else value for name, value in found.items()}
    if not LABEL.fullmatch(found.get("label", "")):
        del found["label"]
    if "steps" in found:
        steps = {name[:20]: value for name, value in found["steps"].items() if isinstance(value, NUMBER)}
        found["steps"] = dict(list(steps.items())[:20])
    return found


def record(settings: Settings) -> int:
    """Write down what came of a drill, as root; returns the exit code."""
    account = PgBackRest(settings.stanza, ACCOUNT).account
    try:
        told = believed(json.loads(folders.read_file(RESULT, account.pw_uid)))
    except (OSError, ValueError, HostError):
        told = {}
    given = read(GIVEN)
    if not told or told.get("began") != given.get("began"):
        told = {"ok": False, "reason": f"The drill was cut off: {JOURNAL}"}
        told |= {"repository": name} if (name := str((given.get("repository") or {}).get("name", ""))) else {}
    folders.remove(DRILL_CODE)
    line = {name: told[name] for name in KEPT if name in told and name != "began"} | {"time": time.time()}
    make_folder(places.KEPT, PRIVATE).close()
    write_atomic(places.DRILL, json.dumps(line), 0o600)
    if name := str((given.get("repository") or {}).get("name", "")):
        write_atomic(places.TRIED, json.dumps({**read(places.TRIED), name: time.time()}), 0o600)
    append(LEDGER_FOLDER, {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "verb": "drill", "who": "the clock", "run": "",
        "environment": settings.environment, "app": settings.app, "result": "ok" if told.get("ok") else "failed",
        **({} if told.get("ok") else {"reason": str(told.get("reason", ""))}),
        **{name: told[name] for name in ("seconds", "bytes", "label", "repository", "steps") if name in told},
        **({"release": given["release"]} if given.get("release") else {}),
    })  # fmt: skip
    return 0 if told.get("ok") else 1
