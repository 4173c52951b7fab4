"""A copy of an application's database that may leave its machine: made beside it, by somebody who only reads it.

The copy is a database of its own, which nobody but its owner gets into. It is filled with the tables, then with the
rows that are not left out, changed, and looked at; indexes and keys come last, and hold what they hold. Then it is
written to a file and dropped. Rows as they were are in that database alone, never in a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from ..common import postgresql
from ..common.errors import HostError
from ..common.folders import OPEN_TO_PASS, make_folder, remove
from ..common.postgresql import READER, identifier, literal
from ..common.text import last_lines
from ..postgresql import extensions
from ..postgresql.ownership import CLOSED, hand_over
from ..release.database.restore_points import ORIGIN, assignment, restorable
from . import catalogue, statements
from .catalogue import Catalogue
from .proof import Proof
from .proposal import proposals
from .resolution import FILE, Resolver, refusal
from .statements import FROM_KEY, KEEP, SETUP, SPACE, expression

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..postgresql.ownership import Names
    from ..postgresql.server import Server
    from .catalogue import Table
    from .resolution import Resolution
    from .statements import Statement

#: What is none of the tables', and has passwords in it
NOT_COPIED = (
    "SUBSCRIPTION ",
    "USER MAPPING ",
    "SERVER ",
    "FOREIGN ",
    "FOREIGN TABLE ",
    "PUBLICATION ",
    "EVENT TRIGGER ",
)
#: What PostgreSQL says, without the values that it says it of
TELLING = re.compile(
    r"(?:could not create unique index|violates (?:foreign key|check|not-null|unique|exclusion) constraint"
    r"|could not (?:create|open)|permission denied for|does not exist|already exists|no space left|No space left"
    r"|must be owner of|canceling statement|is not allowed|cannot be)[^\n:]*"
)
WHERE_IT_IS = "PostgreSQL's log on the database's machine has all of it (./samestack logs)."
INIT = "`./samestack sanitise init` proposes what to write; docs/copies.md has the statements."
END = "samestack-end"
LOCKED = "lock timeout"
#: Whoever changes a table waits for the copy. Where one waits already, and the application behind him, the copy gives
#: way: seconds until then, and how often it begins anew.
LOCK_SECONDS, ATTEMPTS = 5, 3
PATH = "SET search_path = pg_catalog, pg_temp;"
#: Locked first, then looked at: a table that is rewritten has no rows for whoever looks at the time before.
HOLD = """{path}
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL lock_timeout = '{seconds}s';
{lock}
"""
LOCK = "LOCK TABLE {tables} IN ACCESS SHARE MODE;"
UPDATE = "UPDATE {rows} SET {told} FROM {key};"
CHANGE = """
DO $samestack$
DECLARE state text; rule text; place text;
BEGIN
  {sql}
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, rule = CONSTRAINT_NAME, place = COLUMN_NAME;
  RAISE EXCEPTION 'samestack %', pg_catalog.json_build_object('state', state, 'rule', rule, 'column', place);
END $samestack$;
"""
#: SQLSTATE to what it means here (PostgreSQL's manual, appendix A)
MEANS = {
    "23514": "the constraint {rule} does not take what becomes of it",
    "23502": "it must have a value in every row",
    "22001": "what becomes of it is too long",
    "22P02": "its type does not take it", "22007": "its type does not take it", "22008": "the date is out of range",
    "42846": "its type does not take it", "42804": "its type does not take it",
}  # fmt: skip


class BusyError(HostError):
    """Somebody waits for a table, to change it."""


def unread(said: str) -> HostError:
    """Return what to tell people of what a program could not read."""
    if LOCKED in said:
        text = f"A table was in use by somebody who changes it, {ATTEMPTS} times for longer than {LOCK_SECONDS} s."
        return BusyError(text, "Run this again when that is done.")
    return HostError(f"The tables could not be read: {telling(said)}.", WHERE_IT_IS)


class Copy:
    """One copy."""

    def __init__(self, server: Server, names: Names, folder: str, plan: Mapping[str, Any], min_free: int = 0) -> None:
        """Take the server, the database's names, where the copy's file is to be, what the project says, free bytes."""
        self.server, self.names, self.folder, self.plan, self.min_free = server, names, folder, plan, min_free
        self.database = f"{names.database}_leaving"
        # Large objects belong to the application: the one that only reads tables cannot read them.
        self.objects = plan.get("objects") == "keep"
        self.reader = names.owner if self.objects else names.copier

    def look(self) -> Catalogue:
        """Return what the application's database has, asked of its catalogue alone; raises HostError."""
        return catalogue.read(self.server.sql(catalogue.LOOK, self.names.database, READER))

    def check(self) -> Resolution:
        """Return what would become of everything, of which nothing is copied; raises HostError where nobody knows."""
        return resolved(self.look(), self.plan)

    def propose(self, models: Mapping[str, Any]) -> list[dict[str, str]]:
        """Return what to write of what is not declared."""
        there = self.look()
        return list(proposals(Resolver(there, self.plan).resolve(), there, models))

    def make(self, key: str) -> dict[str, Any]:
        """Make the copy; returns its file and what is known of it. Raises HostError, and then nothing is left."""
        self.clear()
        for folder in (os.path.dirname(self.folder), self.folder):
            make_folder(folder, OPEN_TO_PASS).close()
        try:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    there, found = self.fill()
                except BusyError:
                    self.drop()
                    if attempt == ATTEMPTS:
                        raise
                else:
                    break
            proof = self.change(found, there, key)
            self.restore(self.schema, "post-data")
            about = proof.check()
            self.ask(f"DROP SCHEMA {SPACE} CASCADE")
            path = self.dump("copy", database=self.database, role=self.names.copier)
            remove(self.schema)
        except BaseException:
            self.clear()
            raise
        self.drop()
        return {
            **about, "path": path, "bytes": os.path.getsize(path), "notes": found.notes, "empty": sorted(found.empty),
            "objects": 0 if self.objects else there.objects,
        }  # fmt: skip

    def fill(self) -> tuple[Catalogue, Resolution]:
        """Fill the copy's database; returns what it has, and what is to become of it. Raises HostError."""
        psql = self.program("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", role=self.reader)
        with Snapshot(self.server, psql, self.look()) as there:
            # Nothing is copied before it is known what becomes of it.
            found = resolved(there.catalogue, self.plan)
            self.check_space()
            self.create()
            remove(self.schema)
            self.dump("schema", "--section=pre-data", "--section=post-data", *there.options, role=self.reader)
            self.restore(self.schema, "pre-data")
            self.compare(there.catalogue)
            self.pour(there, found)
            return there.catalogue, found

    @property
    def schema(self) -> str:
        """Return the file with the tables, without a row."""
        return os.path.join(self.folder, "schema.dump")

    def clear(self) -> None:
        """Take away what there is of a copy, also what a run that was cut off has left."""
        self.drop()
        remove(self.folder)

    def drop(self) -> None:
        """Take the copy's database away."""
        self.server.sql(f"DROP DATABASE IF EXISTS {identifier(self.database)} WITH (FORCE)")

    def check_space(self) -> None:
        """Refuse what the disk has no room for: the rows a second time, and once more while they are changed."""
        size = int(self.server.sql(f"SELECT pg_catalog.pg_database_size({literal(self.names.database)})"))
        free = shutil.disk_usage(self.server.sql("SHOW data_directory")).free
        if free - 2 * size < self.min_free:
            raise HostError(
                f"No room for a copy of the database {self.names.database}: it takes up to {2 * size >> 20}m for a "
                f"while; of {free >> 20}m that are free release_min_free = {self.min_free >> 20}m has to stay.",
                f"Make room, or leave large tables out: `empty` in {FILE}.",
            )

    def create(self) -> None:
        """Make the copy's database, which nobody but its owner gets into."""
        there = extensions.installed(self.server, self.names.database)
        origin = json.loads(self.server.sql(ORIGIN.format(database=literal(self.names.database))))
        name = identifier(self.database)
        self.server.sql(
            f"CREATE DATABASE {name} TEMPLATE template0 {CLOSED} ENCODING {literal(origin['encoding'])} "
            f"LC_COLLATE {literal(origin['collate'])} LC_CTYPE {literal(origin['ctype'])}"
        )
        self.server.sql(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
        for setting in origin["settings"] or []:
            self.server.sql(f"ALTER DATABASE {name} SET {assignment(setting)}")
        extensions.install_in_fresh(self.server, self.database, there, there)
        self.server.sql(hand_over(self.database, self.names.copier))

    def ask(self, text: str) -> str:
        """Run SQL in the copy as its owner, where nothing is found in somebody's schema; returns the bare output."""
        return self.server.sql(f"{PATH}\n{text}", self.database, self.names.copier)

    def program(self, name: str, *options: str, role: str, database: str = "") -> list[str]:
        """Return the command line of one of the server's programs, in the application's database or another one."""
        where = database or self.names.database
        return postgresql.client(name, *options, port=self.server.port, database=where, role=role)

    def dump(self, name: str, *options: str, role: str, database: str = "") -> str:
        """Write a database, or a part of it, to a file that nobody but root and the server's account reads."""
        path = os.path.join(self.folder, f"{name}.dump")
        objects = "-b" if self.objects else "-B"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
            os.fchown(stream.fileno(), self.server.account.pw_uid, self.server.account.pw_gid)
            command = self.program("pg_dump", "-Fc", "--compress=1", objects, *options, role=role, database=database)
            try:
                self.server.run(command, role, stdout=stream)
            except HostError as error:
                raise unread(str(error)) from None
        return path

    def restore(self, path: str, section: str) -> None:
        """Restore a part of a dump into the copy; raises HostError, which has no value of a row in it."""
        listed = str(self.server.run(["pg_restore", "--list", path], self.names.copier, stdout=subprocess.PIPE).stdout)
        lines = [
            line for line in restorable(listed.split("\n"), ()) if not line.split(" ", 3)[-1].startswith(NOT_COPIED)
        ]
        chosen = os.path.join(self.folder, f"{section}.list")
        with open(
            os.open(chosen, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w", encoding="utf-8"
        ) as file:
            os.fchown(file.fileno(), self.server.account.pw_uid, self.server.account.pw_gid)
            file.write("\n".join(lines) + "\n")
        options = ("--exit-on-error", "--no-owner", f"--section={section}", f"--use-list={chosen}")
        command = self.program("pg_restore", *options, role=self.names.copier, database=self.database)
        try:
            self.server.run([*command, path], self.names.copier)
        except HostError as error:
            raise HostError(
                f"The {section} of the copy could not be made: {telling(str(error))}.", WHERE_IT_IS
            ) from None
        finally:
            remove(chosen)

    def compare(self, there: Catalogue) -> None:
        """Refuse to go on where the copy has other columns than those whose fate is known; raises HostError."""
        if columns_of(catalogue.read(self.ask(catalogue.LOOK))) != columns_of(there):
            raise HostError("The tables were changed while they were copied.", "Run the same command again.")

    def pour(self, there: Snapshot, found: Resolution) -> None:
        """Let the rows flow from the application's database into the copy, but for those that are left out."""
        left_out = [(there.catalogue.tables[name].schema, there.catalogue.tables[name].bare) for name in found.empty]
        for name in found.empty:
            left_out += there.catalogue.partitions.get(name, [])
        left_out += there.catalogue.extensions
        options = [f"--exclude-table-data={identifier(schema)}.{identifier(name)}" for schema, name in left_out]
        objects = "-b" if self.objects else "-B"
        out = self.program(
            "pg_dump", "-Fc", "--compress=0", "--section=data", objects, *there.options, *options,
            role=self.reader,
        )  # fmt: skip
        into = self.program(
            "pg_restore", "--exit-on-error", "--no-owner", role=self.names.copier, database=self.database
        )
        source = self.server.start(out, self.reader, stdout=subprocess.PIPE)
        try:
            self.server.run(into, self.names.copier, stdin=source.stdout)
        except HostError as error:
            raise HostError(f"The rows could not be copied: {telling(str(error))}.", WHERE_IT_IS) from None
        finally:
            assert source.stdout is not None
            source.stdout.close()
            said = source.communicate()[1]
        if source.returncode:
            raise unread(said)

    def change(self, found: Resolution, there: Catalogue, key: str) -> Proof:
        """Change what is in the copy; returns what proves it."""
        self.ask(SETUP)
        inner, outer = statements.pads(key)
        # As rows, not as a statement: those are in the server's log where one fails.
        self.ask(f"COPY {SPACE}.secret FROM STDIN;\n\\\\x{inner}\t\\\\x{outer}\n\\.\n")
        proof = Proof(self.ask, found, there)
        proof.keep_originals()
        for name, changes in found.changes.items():
            due = {column: one for column, one in changes.items() if one.kind != KEEP}
            if due and name not in found.empty:
                self.update(there.tables[name], due)
        return proof

    def update(self, table: Table, due: Mapping[str, Statement]) -> None:
        """Change a table's rows; raises HostError, which names the column that does not take what becomes of it."""
        try:
            self.ask(CHANGE.format(sql=update_sql(table, due)))
        except HostError as error:
            why = str(error)
            for column, statement in due.items():
                try:
                    self.ask(CHANGE.format(sql=update_sql(table, {column: statement})))
                except HostError as single:
                    raise HostError(refused(statement, str(single)), f"Write another statement in {FILE}.") from None
            raise HostError(refused(next(iter(due.values())), why), f"Write another statement in {FILE}.") from None


class Snapshot:
    """The application's database at one moment: no table of it changes its shape until this ends."""

    def __init__(self, server: Server, command: Sequence[str], before: Catalogue) -> None:
        """Take the server, the psql that holds it, and which tables there were a moment ago."""
        self.server, self.command = server, command
        tables = ", ".join(place_of(table) for table in before.tables.values())
        lock = LOCK.format(tables=tables) if tables else ""
        self.hold = HOLD.format(path=PATH, seconds=LOCK_SECONDS, lock=lock)
        self.name, self.catalogue = "", Catalogue({}, (), ())

    @property
    def options(self) -> tuple[str, str]:
        """Return what a pg_dump is told, so that it reads the same moment, and gives way."""
        return f"--snapshot={self.name}", f"--lock-wait-timeout={LOCK_SECONDS * 1000}"

    def __enter__(self) -> Snapshot:
        """Hold it; raises HostError."""
        role = self.command[self.command.index("-U") + 1]
        self.session = self.server.start(self.command, role, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.tell(self.hold)
            self.name = self.tell("SELECT pg_catalog.pg_export_snapshot();").strip()
            self.catalogue = catalogue.read(self.tell(f"{catalogue.LOOK};"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        self.session.kill()
        self.session.communicate()

    def tell(self, text: str) -> str:
        """Run SQL in it; returns what it prints. Raises HostError."""
        assert self.session.stdin is not None
        assert self.session.stdout is not None
        found: list[str] = []
        with contextlib.suppress(BrokenPipeError):
            self.session.stdin.write(f"{text}\n\\echo {END}\n")
            self.session.stdin.flush()
        for line in self.session.stdout:
            if line.strip() == END:
                return "".join(found)
            found.append(line)
        assert self.session.stderr is not None
        said = last_lines(self.session.stderr.read())
        if LOCKED in said:
            raise unread(said)
        raise HostError(f"The tables cannot be read.\n{said}", "`./samestack provision` puts rights in order.")


def resolved(there: Catalogue, plan: Mapping[str, Any]) -> Resolution:
    """Return what becomes of a database's columns; raises HostError, which names all of which nobody knows."""
    found = Resolver(there, plan).resolve()
    if why := refusal(found):
        raise HostError(why, INIT)
    return found


def columns_of(there: Catalogue) -> dict[str, dict[str, str]]:
    """Return the columns with their types by table."""
    return {name: {one.name: one.type for one in table.columns.values()} for name, table in there.tables.items()}


def place_of(table: Table) -> str:
    """Return a table's name in SQL."""
    return f"{identifier(table.schema)}.{identifier(table.bare)}"


def rows_of(table: Table) -> str:
    """Return what stands for its own rows in SQL: a table that inherits is a table of its own, a partition is none."""
    return place_of(table) if table.partitioned else f"ONLY {place_of(table)}"


def update_sql(table: Table, due: Mapping[str, Statement]) -> str:
    """Return the SQL that changes a table's rows."""
    told = [
        f"{identifier(name)} = {expression(one, table.columns[name], row_of(table, name))}" for name, one in due.items()
    ]
    return UPDATE.format(rows=rows_of(table), told=", ".join(told), key=FROM_KEY)


def row_of(table: Table, column: str) -> str:
    """Return the SQL of a text that tells one row of a table from others: by its key, else by the value itself."""
    parts = ", ".join(f"{identifier(name)}::pg_catalog.text" for name in table.key or (column,))
    return f"pg_catalog.concat_ws('/', {literal(table.name)}, {parts})"


def refused(statement: Statement, said: str) -> str:
    """Return why a column does not take what becomes of it, without a value of its rows."""
    found = re.search(r"samestack (\{.*\})", said)
    told: dict[str, str] = json.loads(found[1]) if found else {}
    why = MEANS.get(told.get("state", ""), "PostgreSQL refused it (SQLSTATE {state})").format(**{"state": "?", **told})
    return f"{statement.name}: {statement.words} (in {statement.place or 'a rule of Samestack'}): {why}."


def telling(said: str) -> str:
    """Return what a program of PostgreSQL's said, without the values that it said it of."""
    found = TELLING.findall(said)
    return found[0].strip() if found else "PostgreSQL refused it"
