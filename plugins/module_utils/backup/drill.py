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
import secrets as random
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

from ..common import folders
from ..common.errors import HostError
from ..common.files import write_atomic
from ..common.folders import PRIVATE, make_folder
from ..common.ledger import append
from ..common.paths import STATE as LEDGER_FOLDER
from ..common.postgresql import CATALOGUE_ONLY, identifier, literal
from . import settings as places
from .chain import Lineage, Window, named, number, window
from .pgbackrest import CONFIG, PgBackRest, plain
from .restic import Restic
from .restore import FLOOR
from .settings import Settings, read, read_lines, secrets
from .source import OVERLAY

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Root's: what a drill is given. Below it is the drill's own
PLACE = "/var/lib/samestack-drill"
HOME = f"{PLACE}/work"
GIVEN, CODE = f"{PLACE}/given.json", f"{PLACE}/code"
RESULT, DATA, SOCKETS, LOG = (f"{HOME}/{name}" for name in ("result.json", "data", "run", "server.log"))
#: What was fetched of a repository that is not on this host: the restored backup (in DATA), and the WAL since
FETCHED, WAL = f"{HOME}/fetched.json", f"{HOME}/wal"
ACCOUNT = "samestack-drill"
OWN_CONFIG = f"{HOME}/pgbackrest.conf"
PORT = 5432
#: What pgBackRest writes to, in the place of what the host's configuration says
OWN_FOLDERS = {"lock-path": f"{HOME}/lock", "spool-path": f"{HOME}/spool"}
LABEL, LONGEST = re.compile(r"[0-9A-Z_-]{0,64}"), 1000
#: What is kept of a result, with what each may be
NUMBER = (int, float)
KEPT: dict[str, type | tuple[type, ...]] = {
    "ok": bool, "reason": str, "seconds": NUMBER, "bytes": NUMBER, "label": str, "repository": str,
    "until": NUMBER, "tables": int, "application": str, "steps": dict, "began": NUMBER,
}  # fmt: skip
#: Those that are elsewhere
TABLESPACES = f"--tablespace-map-all={HOME}/tablespaces"
#: Part of the copies of files that is read each time
READ = "5%"
#: Seconds for the WAL, and for what is asked of the server
REPLAY, ASK = 86400, 600
#: What the scratch server has of memory
BUFFERS = "64MB"
POLL_SECONDS = 0.2
COUNT = "SELECT pg_catalog.count(*) FROM ONLY {table}"
PAUSED = "SELECT pg_catalog.pg_is_wal_replay_paused()"
RECOVERS = "SELECT pg_catalog.pg_is_in_recovery()"
LAST_SEEN = "SELECT COALESCE(extract(epoch FROM pg_catalog.pg_last_xact_replay_timestamp()), 0)"
SIZE = "SELECT COALESCE(sum(pg_catalog.pg_database_size(oid)), 0)::pg_catalog.int8 FROM pg_catalog.pg_database"
#: Asks how many migrations are due; `migrate --check` says it by its exit code alone, as it says all that goes wrong
DUE = """
import django
django.setup()
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
executor = MigrationExecutor(connection)
print("due", len(executor.migration_plan(executor.loader.graph.leaf_nodes())))
"""
#: Asks the application for a page, as a visitor would, in the process itself
PAGE = """
import sys, django
django.setup()
from django.test import Client
print("status", Client().get(sys.argv[1], secure=True, HTTP_HOST=sys.argv[2]).status_code)
"""


def prepare(settings: Settings) -> None:
    """Give the drill what it may know: the newest moment, and the code that served then. As root; raises HostError."""
    folders.remove(CODE)
    # What came of the one before is not what comes of this.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(GIVEN)
    one = turn(settings)
    name = str(one["name"])
    given: dict[str, Any] = {"began": time.time(), "uploads": [], "moment": {}, "repository": one}
    make_folder(CODE).close()
    code = [f"{settings.root}/{name}" for name in ("releases", "venvs", "pythons")]
    known = secrets()
    moments = read_lines(places.MOMENTS)
    targets = settings.uploads.get("targets", [])
    for target in [target for target in targets if target["name"] == name] or targets:
        restic = Restic.of(target, known)
        try:
            given["uploads"] += [f"{target['name']}: {line}" for line in restic.check(READ)]
            copies = restic.snapshots("--no-lock")
            if copies and not os.listdir(CODE):
                restic.restore(str(copies[-1]["id"]), CODE, [*code, places.MOMENTS, OVERLAY])
                moments = moments or read_lines(CODE + places.MOMENTS)
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
        with folders.open_folder(HOME) as folder:
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
        if self.is_fetched and fetched.get("began") != self.given["began"]:
            raise HostError("Nothing was fetched: `journalctl -u samestack-backup-drill-fetch` says why.")
        if fetched.get("reason"):
            raise HostError(fetched["reason"])
        brought = fetched or self.bring()
        self.steps = {**fetched.get("steps", {}), **self.steps}
        self.found |= {name: brought[name] for name in ("label", "bytes", "repository_until")}
        point = self.point(brought["label"])
        os.makedirs(SOCKETS, mode=0o700, exist_ok=True)
        self.write_recovery(point, int(brought["line"]))
        if point:
            with self.step("rows"), self.server():
                self.wait_for(PAUSED)
                self.compare_rows()
            self.leave_out("recovery_target(_name|_action)? ")
        with self.server():
            with self.step("replay"):
                self.wait_for(RECOVERS, "f")
            self.found |= {"until": float(self.sql(LAST_SEEN) or 0), "bytes": int(self.sql(SIZE))}
            with self.step("amcheck"):
                self.amcheck()
            with self.step("application"):
                self.found["application"] = self.application()

    def write_recovery(self, point: str, line: int) -> None:
        """Let the server recover to a restore point of a timeline, or to its end; raises OSError.

        pgBackRest would do so, and version 2.44 then gives the file to an account that the drill is not.
        """
        fetch = self.pgbackrest.fetching(DATA, int(self.repository["number"]))
        command = f'cp {WAL}/%f "%p"' if self.is_fetched else fetch
        told = {
            "restore_command": command,
            "recovery_target_timeline": str(line),
            **({"recovery_target_name": point, "recovery_target_action": "pause"} if point else {}),
        }  # fmt: skip
        with open(f"{DATA}/postgresql.auto.conf", "a", encoding="utf-8") as file:
            file.write("".join(f"{name} = {literal(value)}\n" for name, value in told.items()))
        with open(f"{DATA}/recovery.signal", "x", encoding="ascii"):
            pass

    @property
    def version(self) -> str:
        """Return the major version of the restored server; raises HostError where its programs are not on this host."""
        with open(f"{DATA}/PG_VERSION", encoding="ascii") as file:
            version = file.read(8).strip()
        if not version.isdecimal() or not os.path.exists(f"/usr/lib/postgresql/{version}/bin/postgres"):
            raise HostError(
                f"What is restored is of PostgreSQL {version[:8]}, which is not on this host: give the machine that "
                "keeps the backups the same release of the system as the database's."
            )
        return version

    def point(self, label: str) -> str:
        """Return the restore point of this backup at which the rows were counted, "" where none was."""
        moment = self.given.get("moment") or {}
        return str(moment.get("point", "")) if label in [one.get("label") for one in moment.get("made") or []] else ""

    def options(self) -> list[str]:
        """Return the options of the scratch server: its own, and what the WAL asks for."""
        version = self.version
        command = [f"/usr/lib/postgresql/{version}/bin/pg_controldata", "-D", DATA]
        plainly = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=plainly)
        floor = {}
        for setting, shown in FLOOR.items():
            if match := re.search(rf"^{shown} setting: +(\d+)$", done.stdout, re.MULTILINE):
                floor[setting] = match[1]
        # Debian has the server's configuration elsewhere, and none of it is in a backup.
        for name, text in (("hba", "local all all trust\n"), ("server", "")):
            with open(f"{HOME}/{name}.conf", "w", encoding="ascii") as file:
                file.write(text)
        own = {
            "config_file": f"{HOME}/server.conf",
            "listen_addresses": "", "unix_socket_directories": SOCKETS, "port": str(PORT), "archive_mode": "off",
            "hba_file": f"{HOME}/hba.conf", "ident_file": "/dev/null", "shared_buffers": BUFFERS, "fsync": "off",
            "shared_preload_libraries": "", "session_preload_libraries": "", "local_preload_libraries": "",
            "ssl": "off",
            "logging_collector": "off", "hot_standby": "on", "autovacuum": "off", "wal_level": "replica",
        }  # fmt: skip
        return [word for name, value in {**own, **floor}.items() for word in ("-c", f"{name}={value}")]

    @contextlib.contextmanager
    def server(self) -> Iterator[None]:
        """Have the server run."""
        program = f"/usr/lib/postgresql/{self.version}/bin/postgres"
        with open(LOG, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [program, "-D", DATA, *self.options()], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=HOME,
                env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
            )  # fmt: skip
            try:
                yield
            finally:
                if self.process.poll() is None:
                    # A fast shutdown
                    self.process.send_signal(signal.SIGINT)
                try:
                    self.process.wait(120)
                except subprocess.TimeoutExpired:
                    self.process.kill()

    def wait_for(self, question: str, answer: str = "t") -> None:
        """Wait until the server answers so; raises HostError where it ends before."""
        deadline = time.monotonic() + REPLAY
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                with open(LOG, encoding="utf-8", errors="replace") as log:
                    fatal = [line for line in log if re.search("FATAL|PANIC", line)]
                raise HostError(f"The restored server does not run: {plain(' '.join(fatal[-2:])) or 'it says nothing'}")
            with contextlib.suppress(HostError):
                if self.sql(question) == answer:
                    return
            time.sleep(POLL_SECONDS)
        raise HostError("The restored server did not get to its end.")

    def sql(self, text: str, database: str = "postgres") -> str:
        """Ask the scratch server; raises HostError."""
        where = ["-w", "-h", SOCKETS, "-p", str(PORT), "-U", "postgres", "-d", database]
        done = subprocess.run(
            ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *where], input=text, capture_output=True, text=True, check=False,
            timeout=ASK, cwd=HOME, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PGOPTIONS": CATALOGUE_ONLY},
        )  # fmt: skip
        if done.returncode:
            raise HostError(f"The restored database cannot be asked: {plain(done.stderr)}")
        return done.stdout.strip()

    def compare_rows(self) -> None:
        """Count the rows as they were counted with the backup; raises HostError where some are missing."""
        counted = 0
        for table, (before, after) in (self.given["moment"].get("rows") or {}).items():
            if before < 0 or after < 0:
                continue
            name = ".".join(map(identifier, table.split(".", 1)))
            rows = int(self.sql(COUNT.format(table=name), self.settings.database["name"]))
            # Somebody may have written while they were counted.
            if not min(before, after) <= rows <= max(before, after):
                raise HostError(f"Table {table} has {rows} rows, and had {before} when it was backed up.")
            counted += 1
        self.found["tables"] = counted

    def amcheck(self) -> None:
        """Check tables and indexes; raises HostError with what is wrong."""
        program = f"/usr/lib/postgresql/{self.version}/bin/pg_amcheck"
        command = [program, "--all", "--install-missing", "-w", "-h", SOCKETS, "-p", str(PORT), "-U", "postgres"]
        own = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=own, cwd=HOME)
        if done.returncode:
            raise HostError(f"pg_amcheck: {plain(done.stderr + done.stdout)}")

    def application(self) -> str:
        """Ask the release that was live then, on the restored database; returns what came of it. Raises HostError."""
        release, root = str((self.given.get("moment") or {}).get("release") or ""), CODE + self.settings.root
        folder = os.path.join(root, "releases", release)
        if not release or not os.path.isdir(folder):
            return "its code was in no copy: not asked"
        link = os.path.join(folder, "venv")
        python = os.path.join(root, "venvs", os.path.basename(os.readlink(link)), "bin", "python")
        app = os.path.realpath(os.path.join(folder, "app"))
        if not os.path.exists(python):
            return "its Python is not on this host: not asked"
        variables = self.variables(folder)

        def ask(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [python, *words], cwd=app, env=variables, capture_output=True, text=True, errors="replace", check=False,
                timeout=ASK, stdin=subprocess.DEVNULL,
            )  # fmt: skip

        asked = ask("-c", DUE)
        due = re.search(r"^due (\d+)$", asked.stdout, re.MULTILINE)
        if not due:
            return f"it does not start here: {plain(asked.stderr)[-200:]}"
        if int(due[1]):
            raise HostError(f"Release {release} has {due[1]} migrations that the restored database has not had.")
        page = ask("-c", PAGE, self.settings.drill["path"], self.settings.drill["host"])
        match = re.search(r"^status (\d+)$", page.stdout, re.MULTILINE)
        return f"release {release} answers {match[1]}" if match else f"no page: {plain(page.stderr)[-200:]}"

    def variables(self, folder: str) -> dict[str, str]:
        """Return the application's environment here: the release's own, stand-ins, and the scratch database."""
        found: dict[str, str] = {}
        with contextlib.suppress(OSError), open(os.path.join(folder, "release.env"), encoding="utf-8") as file:
            for line in file:
                name, equals, value = line.strip().partition("=")
                if equals and not name.startswith("#"):
                    found[name] = value.strip("\"'").replace(self.settings.root, CODE + self.settings.root)
        database = self.settings.database["name"]
        return {
            **{name: str(value) for name, value in self.settings.drill["environment"].items()}, **found,
            "PATH": "/usr/bin:/bin", "HOME": HOME, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{CODE}{OVERLAY}", "SECRET_KEY": random.token_hex(32), "DEBUG": "False",
            "DATABASE_URL": f"postgresql://postgres@/{database}?host={SOCKETS.replace('/', '%2F')}&port={PORT}",
        }  # fmt: skip

    def leave_out(self, pattern: str) -> None:
        """Take the lines out of the server's own settings that begin so."""
        path = f"{DATA}/postgresql.auto.conf"
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file if not re.match(pattern, line)]
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(lines)


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
    if told.get("began") != given.get("began"):
        told = {"ok": False, "reason": "The drill was cut off: `journalctl -u samestack-backup-drill` says more."}
        told |= {"repository": name} if (name := str((given.get("repository") or {}).get("name", ""))) else {}
    folders.remove(CODE)
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
        **({"release": given["moment"]["release"]} if (given.get("moment") or {}).get("release") else {}),
    })  # fmt: skip
    return 0 if told.get("ok") else 1
