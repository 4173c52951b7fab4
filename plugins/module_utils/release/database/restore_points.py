"""Copies of an application's database, each tied to the release that was about to go live when it was taken.

On the machine with the database server; in the application's database as nobody but its owner. A copy is a stream to a
file of another name, renamed when it is whole; a restore is a database of another name, renamed when it is whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Any

from ...common import postgresql
from ...common.errors import HostError
from ...common.files import read_json, write_atomic
from ...common.folders import OPEN_TO_PASS, make_folder
from ...common.postgresql import identifier, literal
from ...postgresql import extensions, server
from ...postgresql.ownership import CLOSED, Names, hand_over, settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NAME = re.compile(r"\d{8}T\d{6}Z-\w[\w-]*")
# A copy is compressed; where none of this database is known yet, it is taken to need as much room as the database.
ROOM_FOR_GROWTH = 1.5
ATTEMPTS = 5
SIZE = "SELECT pg_catalog.pg_database_size({database})"
OWNER = "SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database WHERE datname = {database}"
MIGRATIONS = "SELECT COALESCE(json_agg(app || '.' || name ORDER BY id), '[]') FROM django_migrations"
# Only a superuser restores these, or whom they belong to.
NOT_THE_OWNERS = ("DEFAULT ACL", "EVENT TRIGGER", "FOREIGN DATA WRAPPER", "PUBLICATION", "SUBSCRIPTION")
COMMENT = "COMMENT - EXTENSION"
# Rows of tables that an extension brings along are the extension's.
ROWS_OF = {"TABLE DATA": "TABLE", "SEQUENCE SET": "SEQUENCE"}
#: Settings whose value is a list of names, each quoted by itself where that is needed
LISTS = ("search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries")
ORIGIN = """SELECT json_build_object('encoding', pg_encoding_to_char(encoding), 'collate', datcollate,
  'ctype', datctype, 'owner', pg_get_userbyid(datdba), 'settings', (SELECT json_agg(setting) FROM
    (SELECT unnest(setconfig) AS setting FROM pg_db_role_setting WHERE setdatabase = d.oid AND setrole = 0) s))
FROM pg_database d WHERE datname = {database}"""
NAMES = "SELECT datname FROM pg_database WHERE datname ~ {pattern}"
SESSIONS = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = {database}"


class Server(server.Server):
    """The database server on this machine, and who owns a database in it."""

    def owner(self, database: str) -> str:
        """Return a database's owner, who is somebody else than the superuser; raises HostError."""
        owner = self.sql(OWNER.format(database=literal(database)))
        if owner in ("", postgresql.SUPERUSER):
            found = f"belongs to {owner}" if owner else "is not there"
            raise HostError(f"The database {database} {found}.", "Provision once: it gives it to the application.")
        return owner

    def inside(self, database: str, program: Sequence[str], **options: Any) -> str:
        """Run a program in a database as its owner; returns what it prints."""
        owner = self.owner(database)
        command = postgresql.client(*program, port=self.port, database=database, role=owner)
        return str(self.run(command, owner, **options).stdout or "")

    def ask(self, database: str, text: str) -> str:
        """Run SQL in a database as its owner; returns the bare output."""
        program = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
        return self.inside(database, program, input=text, stdout=subprocess.PIPE).strip()


class Points:
    """The restore points of one database."""

    def __init__(self, params: Mapping[str, Any], server: Server | None = None) -> None:
        """Take the module's parameters, and the server where it is not the one that they name."""
        self.params = params
        self.database = params["database"]
        self.folder = os.path.join(params["folder"], params["app"])
        self.server = server or Server(params["port"], "restore point")
        self.names = Names(self.database, params["database_user"], params["database_owner"])

    def path(self, name: str, ending: str = ".dump") -> str:
        """Return the path of a point's file."""
        return os.path.join(self.folder, name + ending)

    def all(self) -> list[dict[str, Any]]:
        """Return what is known of the points, the newest first."""
        names = sorted(os.listdir(self.folder), reverse=True) if os.path.isdir(self.folder) else []
        found = []
        for name in names:
            stem, ending = os.path.splitext(name)
            told = read_json(self.path(name, "")) if ending == ".json" else None
            if told and os.path.exists(self.path(stem)):
                found.append({**told, "name": stem, "age": max(int(time.time() - told["taken"]), 0)})
        return found

    def size(self) -> int:
        """Return the database's size in bytes."""
        return int(self.server.sql(SIZE.format(database=literal(self.database))))

    def migrations(self) -> list[str]:
        """Return the applied migrations, the oldest first."""
        if self.server.ask(self.database, "SELECT to_regclass('django_migrations')") == "":
            return []
        found: list[str] = json.loads(self.server.ask(self.database, MIGRATIONS))
        return found

    def check_space(self, needed: int) -> None:
        """Refuse what the disk has no room for."""
        free = shutil.disk_usage(os.path.dirname(self.params["folder"])).free
        if free - needed < self.params["min_free"]:
            raise HostError(
                f"No room to copy the database {self.database}: it may take {needed >> 20}m; of {free >> 20}m that "
                f"are free release_min_free = {self.params['min_free'] >> 20}m has to stay.",
                "Make room, keep fewer (release_restore_points_keep), or go without: `--no-restore-point`",
            )

    def room(self) -> int:
        """Return how many bytes a copy may take, by the last one's share of the database."""
        last = next(iter(self.all()), None)
        size = self.size()
        return int(size * min(last["bytes"] / last["size"] * ROOM_FOR_GROWTH, 1)) if last and last.get("size") else size

    def take(self) -> dict[str, Any]:
        """Copy the database; returns what is known of the copy."""
        needed = self.room()
        # Root's folder: the server reads its own file there, and can put nothing else in its place.
        for folder in (os.path.dirname(self.folder), self.folder):
            make_folder(folder, OPEN_TO_PASS).close()
        self.check_space(needed)
        taken = time.time()
        name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(taken)) + "-" + self.params["before"]
        part = self.path(name, ".part")
        about = {
            "database": self.database, "release": self.params["release_id"], "before": self.params["before"],
            "taken": int(taken), "size": self.size(), "migrations": self.migrations(),
        }  # fmt: skip
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as stream:
                os.fchown(stream.fileno(), self.server.account.pw_uid, self.server.account.pw_gid)
                self.server.inside(self.database, ["pg_dump", "-Fc", "--compress=1"], stdout=stream)
                os.fsync(stream.fileno())
                about["bytes"] = os.fstat(stream.fileno()).st_size
        except HostError:
            os.unlink(part)
            raise
        write_atomic(self.path(name, ".json"), json.dumps(about) + "\n", 0o600)
        os.rename(part, self.path(name))
        return {**about, "name": name, "age": 0}

    def rotate(self, keep: int) -> list[str]:
        """Remove all but the newest points, what cut-off runs left, and replaced databases; returns what went."""
        kept = {point["name"] for point in self.all()[:keep]}
        gone = []
        for name in sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else []:
            if os.path.splitext(name)[0] not in kept:
                os.unlink(self.path(name, ""))
                gone.append(name)
        return gone + self.drop_replaced()

    def drop_replaced(self) -> list[str]:
        """Remove the databases that restores have replaced or not finished; returns their names."""
        names = self.replaced()
        for name in names:
            self.server.sql(f"DROP DATABASE {identifier(name)} WITH (FORCE)")
        return names

    def replaced(self) -> list[str]:
        """Return the names of databases that restores have replaced or not finished."""
        pattern = literal(f"^{re.escape(self.database)}_(replaced_[0-9]{{8}}t[0-9]{{6}}|restoring)$")
        return self.server.sql(NAMES.format(pattern=pattern)).split()

    def point(self, name: str) -> dict[str, Any]:
        """Return what is known of a point; raises HostError when it is not there."""
        found = next((point for point in self.all() if point["name"] == name), None)
        if not found or not NAME.fullmatch(name):
            there = ", ".join(point["name"] for point in self.all()) or "none"
            raise HostError(f"There is no restore point {name} (there are: {there}).")
        return found

    def restore(self, name: str) -> dict[str, Any]:
        """Put a copy in the database's place; returns what is known of it. The replaced database stays, renamed."""
        point = self.point(name)
        return {**point, "replaced": self.replace_with(self.path(name), point["size"])}

    def replace_with(self, copy: str, size: int) -> str:
        """Put what is in a dump in the database's place; returns the name that the replaced one has now.

        `size` is what it takes at least, in bytes. Raises HostError, and then the database is as it was.
        """
        # What an earlier restore replaced goes when this one is done; what one left half done goes now.
        earlier = [one for one in self.replaced() if not one.endswith("_restoring")]
        fresh = f"{self.database}_restoring"
        self.server.sql(f"DROP DATABASE IF EXISTS {identifier(fresh)} WITH (FORCE)")
        self.check_space(size)
        origin = json.loads(self.server.sql(ORIGIN.format(database=literal(self.database))))
        self.server.sql(
            f"CREATE DATABASE {identifier(fresh)} TEMPLATE template0 {CLOSED} "
            f"ENCODING {literal(origin['encoding'])} LC_COLLATE {literal(origin['collate'])} "
            f"LC_CTYPE {literal(origin['ctype'])}"
        )
        for setting in origin["settings"] or []:
            self.server.sql(f"ALTER DATABASE {identifier(fresh)} SET {assignment(setting)}")
        self.fill(fresh, copy)
        self.server.ask(fresh, "ANALYZE")
        replaced = f"{self.database}_replaced_{time.strftime('%Y%m%dt%H%M%S', time.gmtime())}"
        self.exchange(fresh, replaced)
        for old in earlier:
            self.server.sql(f"DROP DATABASE {identifier(old)} WITH (FORCE)")
        return replaced

    def fill(self, fresh: str, copy: str) -> None:
        """Restore a copy into a database that nobody is in yet, for its owner, whoever owned what in it; HostError."""
        there = extensions.installed(self.server, self.database)
        extensions.install_in_fresh(self.server, fresh, there, there)
        self.server.sql(hand_over(fresh, self.names.owner))
        self.restore_into(fresh, copy)
        settle(self.server, self.names, fresh)

    def restore_into(self, fresh: str, copy: str) -> None:
        """Restore what the owner may restore, which is all that is the application's; raises HostError."""
        role = self.names.owner
        listed = str(self.server.run(["pg_restore", "--list", copy], role, stdout=subprocess.PIPE).stdout)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="samestack-restore-") as chosen:
            chosen.write("\n".join(restorable(listed.split("\n"), (role, self.names.user))) + "\n")
            chosen.flush()
            os.fchown(chosen.fileno(), self.server.account.pw_uid, self.server.account.pw_gid)
            jobs = str(min(os.cpu_count() or 1, 4))
            program = ("pg_restore", "--exit-on-error", "--no-owner", "--jobs", jobs, "--use-list", chosen.name)
            # pg_restore has its file as the last word.
            command = postgresql.client(*program, port=self.server.port, database=fresh, role=role)
            self.server.run([*command, copy], role)

    def exchange(self, fresh: str, replaced: str) -> None:
        """Give the fresh database the name in one transaction; sessions of the old one are ended, again and again."""
        rename = (
            f"BEGIN; ALTER DATABASE {identifier(self.database)} RENAME TO {identifier(replaced)}; "
            f"ALTER DATABASE {identifier(fresh)} RENAME TO {identifier(self.database)}; COMMIT;"
        )
        for attempt in range(1, ATTEMPTS + 1):
            self.server.sql(SESSIONS.format(database=literal(self.database)))
            try:
                self.server.sql(rename)
            except HostError:
                # Somebody was quicker: PostgreSQL itself waits five seconds for sessions to end.
                if attempt == ATTEMPTS:
                    raise
            else:
                return


def assignment(setting: str) -> str:
    """Return `name TO value` in SQL, of a setting as pg_db_role_setting has it (`name=value`)."""
    key, _, text = setting.partition("=")
    name = ".".join(identifier(part) for part in key.split("."))
    if key.lower() not in LISTS:
        return f"{name} TO {literal(text)}"
    names = re.findall(r'"((?:[^"]|"")*)"|([^\s,"]+)', text)
    return f"{name} TO {', '.join(literal(quoted.replace(chr(34) * 2, chr(34)) or bare) for quoted, bare in names)}"


def restorable(lines: Iterable[str], roles: Iterable[str]) -> list[str]:
    """Return the lines of `pg_restore --list` that the owner can restore; what is left out is no application's.

    A line is `4711; 1259 16390 TABLE public board_notice owner`; `roles` are the owner and those that it is a
    member of.
    """
    entries = [line.split(" ", 3)[-1] for line in lines if line and not line.startswith(";")]
    there = {tuple(entry.split(" ")[:3]) for entry in entries}
    found = []
    for line in lines:
        entry = line.split(" ", 3)[-1]
        kind = next((kind for kind in ROWS_OF if entry.startswith(f"{kind} ")), "")
        place = tuple(entry[len(kind) + 1 :].split(" ")[:2])
        foreign = entry.startswith(NOT_THE_OWNERS) and entry.rpartition(" ")[2] not in roles
        if foreign or entry.startswith(COMMENT) or (kind and (ROWS_OF[kind], *place) not in there):
            continue
        found.append(line)
    return found


def age(seconds: int) -> str:
    """Return an age in words: 3 min, 2 h 5 min, 4 days."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days > 1:
        return f"{days} days"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds} s"
