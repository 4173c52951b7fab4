"""Makes backups on the hosts that have something: the database server's, and the files that the application keeps.

One run is one moment: both copies, the release that serves and how many rows the tables have are written down together
(`moments.jsonl`), which is copied with the files.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import subprocess
import time
import uuid
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from ..common.files import write_atomic
from ..common.folders import PRIVATE, make_folder, remove
from ..common.host_lock import private_lock
from ..common.ledger import ledger_file
from ..common.postgresql import ACCOUNT, literal
from ..postgresql.server import Server
from ..release.interpreter import HOME as PYTHONS
from ..release.place import Place
from . import keep
from . import settings as places
from .chain import nothing_waits, window
from .offer import ask_server
from .pgbackrest import PgBackRest
from .restic import Restic
from .settings import Settings, read, read_lines, secrets
from .status import segments

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Where restores write down what they have replaced
REPLACED = tuple(f"{places.KEPT}/{name}.json" for name in ("restore", "uploads"))
#: The kind of a run that copies files alone
FILES = "uploads"
#: Seconds to wait for another backup that is at work
PATIENCE = 3600
#: Of a database, what its next full backup takes in the repository before one has shown it
USUAL_SHARE = 0.5
#: Moments that are remembered
MOST_MOMENTS = 5000
#: Seconds within which the rows of all tables have to be counted; those that are left are not compared
COUNTING_SECONDS = 20
#: Modules of the machine's settings, which releases import
OVERLAY = "/usr/local/lib/samestack/python"
POINT = "SELECT pg_catalog.pg_create_restore_point({name})"
#: The last segment with something in it, which is full now
SWITCH = "SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_switch_wal() - 1)"
TIMELINE = "SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn())"
ARCHIVED = "SELECT COALESCE(last_archived_wal, '') FROM pg_catalog.pg_stat_archiver"
DATABASES = "SELECT COALESCE(sum(pg_catalog.pg_database_size(oid)), 0) FROM pg_catalog.pg_database"
TABLES = """SELECT COALESCE(json_agg(json_build_array(n.nspname, c.relname, c.reltuples) ORDER BY c.relpages), '[]')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information_schema$)'
  AND pg_catalog.has_table_privilege(c.oid, 'SELECT')"""


class Source:
    """What this host backs up."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings."""
        self.settings = settings

    @property
    def pgbackrest(self) -> PgBackRest:
        """pgBackRest for the server here."""
        return PgBackRest(self.settings.stanza, self.settings.account)

    @property
    def server(self) -> Server:
        """The database server here."""
        return Server(int(self.settings.database["port"]), "backup")

    def run(self, kind: str, cause: str = "") -> dict[str, Any]:
        """Make a backup of a kind (full, diff, incr; uploads for the files alone); returns what there is to say.

        Raises HostError; what came of it is written down in either case.
        """
        began = time.time()
        with private_lock(places.LOCK, PATIENCE, "another backup is at work on this host"):
            make_folder(places.KEPT, PRIVATE).close()
            moment: dict[str, Any] = {"time": time.time(), "kind": kind, "release": self.release, "cause": cause}
            troubles: list[str] = []
            try:
                if "database" in self.settings.does and kind != FILES:
                    moment |= self.back_up_database(kind, troubles)
                elif "database" in self.settings.does:
                    # Code that is copied shall find its migrations in the database that comes back with it.
                    with contextlib.suppress(HostError):
                        catch_up(self.server)
                if "uploads" in self.settings.does:
                    self.remember(moment)
                    moment["uploads"] = self.back_up_uploads(moment, troubles)
                if troubles:
                    # What was made all the same is worth to be known.
                    self.remember(moment)
                    raise HostError(" ".join(troubles))
                moment["seconds"] = round(time.time() - began, 1)
                self.remember(moment)
                if kind != FILES:
                    drop_replaced()
                self.write_down(kind, True, "", began)
            except (HostError, OSError, subprocess.SubprocessError) as error:
                # On a disk that is full not even this can be written; that no backup is made is seen all the same.
                with contextlib.suppress(OSError):
                    self.write_down(kind, False, str(error), began)
                raise error if isinstance(error, HostError) else HostError(str(error)) from error
            return moment

    @property
    def release(self) -> str:
        """Return the release that serves here, "" where none does."""
        return Place(self.settings.root, "").current if self.settings.root else ""

    def prepare(self) -> bool:
        """Make what is missing in the repositories; returns whether something was. Raises HostError."""
        made = self.pgbackrest.prepare(*(int(one["number"]) for one in self.settings.own_repositories))
        here = os.path.join(places.REPOSITORY, places.IDENTITY)
        if not any(one["number"] == 1 for one in self.settings.own_repositories):
            return made
        if not os.path.exists(here):
            # Its folder is the account's.
            account = self.pgbackrest.account
            subprocess.run(
                ["tee", here], input=uuid.uuid4().hex, text=True, check=True, stdout=subprocess.DEVNULL, umask=0o027,
                user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/",
            )  # fmt: skip
            made = True
        return made

    def back_up_database(self, kind: str, troubles: list[str]) -> dict[str, Any]:
        """Back the server up, in each of its repositories; returns the label, sizes and rows.

        What one of several does not take is added to `troubles`. Raises HostError where none does.
        """
        made = []
        dropped = os.lstat(places.DROPPED).st_mtime if os.path.lexists(places.DROPPED) else 0
        with contextlib.suppress(HostError):
            # One that cannot be made, because another is away, says so below.
            self.prepare()
        for one in self.settings.own_repositories:
            try:
                made.append(self.back_up_into(one, kind, dropped))
            except HostError as error:
                troubles.append(f"{one['name']}: {error}")
        if not made and troubles:
            raise HostError(" ".join(troubles))
        if dropped and not troubles:
            os.unlink(places.DROPPED)
        # After it, so that a restore of it comes by, and at once where it shall be.
        rows = self.rows_at_a_point()
        catch_up(self.server)
        return {"made": made, "label": made[0]["label"] if made else "", **rows}

    def back_up_into(self, one: Mapping[str, Any], kind: str, dropped: float) -> dict[str, Any]:
        """Back the server up into one repository; returns what was made. Raises HostError.

        Args:
            one: the repository.
            kind: full, diff or incr.
            dropped: when WAL was given up, 0 where none was: what was made before leads to no moment after that.
        """
        pgbackrest, number, ours = self.pgbackrest, int(one["number"]), one["type"] == "local"
        there = pgbackrest.backups(number)
        came = self.bring_history(number)
        whole = not came and not self.lacks_wal(one)
        wanted = kind if whole and any(old.kind == "full" and old.start > dropped for old in there) else "full"
        if ours:
            self.check_room(there, wanted)
        backup = pgbackrest.backup(wanted, number, expire=ours)
        if not ours:
            keep.note(str(one["name"]), lambda: pgbackrest.expire(repository=number))
        return {
            "repository": one["name"], "label": backup.label, "kind": backup.kind, "size": backup.size,
            "stored": backup.stored, "start": backup.start, "stop": backup.stop, "rotten": backup.rotten,
        }  # fmt: skip

    def bring_history(self, repository: int) -> bool:
        """Let a repository have the history of the server's timeline; returns if it lacked it. Raises HostError."""
        line = int(self.server.sql(TIMELINE)[:8], 16)
        path = f"{self.settings.database['data']}/pg_wal/{line:08X}.history"
        return line > 1 and os.path.exists(path) and self.pgbackrest.bring_history(path, repository)

    def lacks_wal(self, one: Mapping[str, Any]) -> bool:
        """Return whether WAL since the newest full backup has never got into a repository; raises HostError."""
        found = self.pgbackrest.found(int(one["number"]))
        allowed = window(found.backups, found.archived, found.way())
        known = segments(read(places.INDEX).get(str(one["name"])) or {})
        return bool({*allowed.holes} - {*allowed.past} - known)

    def begins_anew(self, one: Mapping[str, Any]) -> bool:
        """Return whether a repository has no backup, or will never get WAL that is needed; raises HostError."""
        found = self.pgbackrest.found(int(one["number"]))
        if found.trouble:
            raise HostError(found.trouble)
        if not found.backups:
            return True
        current = str(ask_server(int(self.settings.database["port"])).get("current", ""))
        behind = not nothing_waits(window(found.backups, found.archived, found.way()), current)
        # What was written while nothing was archived shows by what comes after it.
        return behind and catch_up(self.server) and self.lacks_wal(one)

    def check_room(self, there: list[Any], kind: str) -> None:
        """Refuse a backup that would fill the disk of the repository here; raises HostError."""
        fulls = [old for old in there if old.kind == "full"]
        size = int(self.server.sql(DATABASES))
        needed = int(fulls[-1].stored * 1.2) if fulls else int(size * USUAL_SHARE)
        needed = needed if kind == "full" else needed // 10
        where = places.REPOSITORY
        free, room = self.settings.room(where)
        if free - needed < room:
            raise HostError(
                f"No room for a {kind} backup in {where}: {needed >> 20}m may be needed; of {free >> 20}m"
                f" that are free {room >> 20}m have to stay (backup_disk_limit).",
                "Make room, or give the repository a disk of its own.",
            )

    def rows_at_a_point(self) -> dict[str, Any]:
        """Count the application's rows around a restore point; returns its name and the counts before and after it."""
        name = time.strftime("samestack:%Y%m%dT%H%M%SZ:drill", time.gmtime())
        before = self.count()
        self.server.sql(POINT.format(name=literal(name)))
        after = self.count()
        rows = {table: [before[table], after[table]] for table in after if table in before}
        return {"point": name, "rows": rows}

    def count(self) -> dict[str, int]:
        """Return the rows of the application's tables, as the role that only reads; -1 where it takes too long."""
        database = self.settings.database
        role = f"{database['user']}_reader"
        tables = json.loads(self.server.sql(TABLES, database["name"], role))
        deadline = time.monotonic() + COUNTING_SECONDS / 2
        found = {}
        for schema, table, _ in tables:
            left = deadline - time.monotonic()
            name = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table))
            count = f"SET statement_timeout = {max(int(left * 1000), 1)};\nSELECT pg_catalog.count(*) FROM ONLY {name};"
            try:
                found[f"{schema}.{table}"] = int(self.server.sql(count, database["name"], role)) if left > 0 else -1
            except HostError:
                found[f"{schema}.{table}"] = -1
        return found

    def back_up_uploads(self, moment: Mapping[str, Any], troubles: list[str]) -> dict[str, Any]:
        """Copy the files that the application keeps, with the release that serves; returns sizes.

        What a place does not take is added to `troubles`.
        """
        folders = [path for path in self.settings.uploads["folders"] if os.path.isdir(path)]
        tags = [f"release={moment['release']}", f"label={moment.get('label', '')}", f"moment={int(moment['time'])}"]
        told: dict[str, Any] = {}
        known = secrets()
        for target in self.settings.uploads["targets"]:
            restic = Restic.of(target, known)
            try:
                restic.prepare()
                told = restic.backup(
                    [*folders, *self.release_folders(), places.KEPT, ledger_file()],
                    tags,
                    self.settings.uploads["leave_out"],
                )
            except HostError as error:
                troubles.append(f"The uploads could not be copied to {target['name']}: {error}")
        return {
            "snapshot": str(told.get("snapshot_id", ""))[:8], "files": told.get("total_files_processed", 0),
            "bytes": told.get("total_bytes_processed", 0), "stored": told.get("data_added", 0),
            "missed": bool(told.get("missed")),
        }  # fmt: skip

    def release_folders(self) -> list[str]:
        """Return the folders that the live release runs from: an empty machine serves it again."""
        live = Place(self.settings.root, self.release)
        if not live.id or live.live_folder or not live.finished:
            return []
        venv = os.path.realpath(live.path("venv"))
        found = [live.folder, venv, venv + ".contents", live.current_link, OVERLAY]
        python = os.path.realpath(os.path.join(venv, "bin", "python"))
        if python.startswith(PYTHONS + os.sep):
            found.append(os.path.join(PYTHONS, os.path.relpath(python, PYTHONS).partition(os.sep)[0]))
        return [path for path in found if os.path.lexists(path)]

    def mark(self, release: str, before: str, migrations: list[str]) -> str:
        """Give this moment a name in the WAL, and write down what is before it and after it; returns it. HostError."""
        now = time.time()
        name = f"samestack:{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}:{before}"
        self.server.sql(POINT.format(name=literal(name)))
        line = {"name": name, "time": now, "release": release, "before": before, "migrations": list(migrations)}
        make_folder(places.KEPT, PRIVATE).close()
        lines = [*read_lines(places.POINTS)[-MOST_MOMENTS:], line]
        write_atomic(places.POINTS, "".join(json.dumps(one) + "\n" for one in lines), 0o600)
        return name

    def remember(self, moment: Mapping[str, Any]) -> None:
        """Write the moment down in the place of an unfinished line of the same."""
        lines = [line for line in read_lines(places.MOMENTS) if line.get("time") != moment["time"]]
        lines = [*lines[-MOST_MOMENTS:], dict(moment)]
        write_atomic(places.MOMENTS, "".join(json.dumps(line) + "\n" for line in lines), 0o600)

    def write_down(self, kind: str, well: bool, reason: str, began: float) -> None:
        """Write down what came of the last run; a failure stays until a run of as much goes well."""
        known = read(places.LAST)
        failed = known.get("last") or {"ok": True}
        if well and kind == FILES and not failed["ok"] and failed["kind"] != FILES:
            return
        line = {
            "time": time.time(),
            "kind": kind,
            "ok": well,
            "reason": reason,
            "seconds": round(time.time() - began, 1),
        }
        write_atomic(places.LAST, json.dumps({**known, "last": line, **({"good": line} if well else {})}), 0o600)


def drop(place: str) -> None:
    """Remove a folder with what a restore has replaced, the server's and its repository's as its account; OSError."""
    if place.startswith(("/var/lib/postgresql/", f"{places.REPOSITORY}/")):
        account = pwd.getpwnam(ACCOUNT)
        command = ["rm", "-rf", "--", place]
        subprocess.run(command, check=False, user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/")
    else:
        remove(place)


def drop_replaced() -> None:
    """Remove what restores have replaced; the backup that follows a restore by itself leaves it."""
    for file in REPLACED:
        state = read(file)
        if state.get("step") != "done":
            continue
        if state.get("fresh"):
            write_atomic(file, json.dumps({**state, "fresh": False}), 0o600)
            continue
        for place in map(str, state.get("kept") or []):
            if ".replaced-" in os.path.basename(place):
                drop(place)
        os.unlink(file)


def catch_up(server: Server, seconds: float = 60) -> bool:
    """Have the segment that the server writes archived, and wait for it; returns whether that has happened."""
    written = server.sql(SWITCH)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if server.sql(ARCHIVED)[:24] >= written:
            return True
        time.sleep(0.2)
    return False
