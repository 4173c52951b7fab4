"""Runs inside the application's own Python: migrates, or reverses migrations, one run at a time and never waiting long.

A change of a table waits for everyone who uses the table, and everyone after it waits behind the change. So it gives up
after a few seconds (lock_timeout), and says whom it waited for. What is CONCURRENTLY waits: nobody waits behind that.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from contextlib import contextmanager, suppress

# Django is the application's: only its Python has it.
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .database import Database, name_of
from .program import answer, manage
from .schema import dropped, lost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .schema import Catalogue

# PostgreSQL's advisory locks are numbers, here "same" and "stac" in ASCII, and of one database.
LOCK = (0x73616D65, 0x73746163)
LOOK_SECONDS = 0.4
#: How long a statement waits that is CONCURRENTLY: for the longest transaction of somebody else
CONCURRENT_SECONDS = 3600
CONCURRENTLY = re.compile(r"\bCONCURRENTLY\b", re.IGNORECASE)
#: What PostgreSQL does in no transaction
ALONE = re.compile(r"\bCONCURRENTLY\b|^\s*(VACUUM|REINDEX|CREATE DATABASE|ALTER SYSTEM)\b", re.IGNORECASE)
#: Statements that can take no table away
ROWS = re.compile(r"^\s*(INSERT|UPDATE|SET|COMMENT|CREATE (UNIQUE )?INDEX)\b", re.IGNORECASE)
WITH_ROWS = "SELECT {} WHERE EXISTS (SELECT FROM {})"
# What is being built just now is no remains.
UNFINISHED = """
SELECT c.relname, n.nspname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relkind = 'i' AND pg_table_is_visible(c.oid)
  AND c.oid NOT IN (SELECT index_relid FROM pg_stat_progress_create_index WHERE index_relid IS NOT NULL)"""
HOLDER = """
SELECT a.pid, a.application_name, a.client_addr, round(extract(epoch FROM now() - a.backend_start))
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s AND l.database =
  (SELECT oid FROM pg_database WHERE datname = current_database())"""
# Whoever changes rows may not say of a migration that it has run.
WRITERS = """
SELECT DISTINCT a.grantee::regrole::text FROM pg_class c, aclexplode(c.relacl) a
WHERE c.oid = to_regclass('django_migrations') AND a.grantee NOT IN (0, c.relowner)
  AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE')"""
BLOCKERS = """
SELECT b.pid, b.usename, b.application_name, b.state, b.query, round(extract(epoch FROM now() - b.xact_start))
FROM unnest(%s::int[]) mine, unnest(pg_blocking_pids(mine)) blocker(pid)
JOIN pg_stat_activity b ON b.pid = blocker.pid"""


class Watcher(threading.Thread):
    """Looks whom this process's database sessions wait for; keeps the last answer."""

    def __init__(self) -> None:
        """Nobody yet."""
        super().__init__(daemon=True)
        self.sessions: set[int] = set()
        self.blockers: list[str] = []
        self.done = threading.Event()

    def run(self) -> None:
        """Look until told to stop; connections of Django are a thread's own."""
        if self.done.wait(LOOK_SECONDS):
            return
        connection = import_module("django.db").connections["default"]
        with suppress(Exception), connection.cursor() as cursor:
            while not self.done.wait(LOOK_SECONDS):
                cursor.execute(BLOCKERS, [list(self.sessions)])
                found = [blocker(row) for row in cursor.fetchall()]
                self.blockers = list(dict.fromkeys(found)) or self.blockers
        connection.close()


def blocker(row: tuple[Any, ...]) -> str:
    """Return who holds a lock, in words."""
    pid, user, program, state, query, seconds = row
    who = f"process {pid} of the database" + (f" ({', '.join(filter(None, (user, program)))})" if user else "")
    since = f", in a transaction for {int(seconds)} s" if seconds is not None else ""
    # What other roles do is hidden from the application's.
    said = f", {state}: {' '.join(str(query).split())[:200]}" if state else ", doing what only the superuser may see"
    return who + since + said


@contextmanager
def alone(database: Database, patience: float, name: str) -> Iterator[None]:
    """Hold the database's lock for migrations on a connection of its own; leaves the program when another has it."""
    if not database.is_postgresql:
        yield
        return
    guard = database.connection.copy()
    try:
        with guard.cursor() as cursor:
            cursor.execute("SELECT set_config('application_name', %s, false)", [name])
            deadline = time.monotonic() + patience
            while not fetch(cursor, "SELECT pg_try_advisory_lock(%s, %s)", LOCK)[0]:
                if time.monotonic() > deadline:
                    who = holder(fetch(cursor, HOLDER, LOCK))
                    sys.exit(f"Another run migrates this database: {who}. It was waited for {patience:g} s.")
                time.sleep(LOOK_SECONDS)
            yield
    finally:
        guard.close()


def holder(row: Any) -> str:
    """Return who holds the lock for migrations, in words; what another role does is not ours to see."""
    if row is None:
        return "somebody who let go meanwhile"
    pid, program, address, seconds = row
    known = [program, str(address or ""), f"for {int(seconds)} s" if seconds is not None else ""]
    return f"process {pid} of the database ({', '.join(filter(None, known)) or 'of another role'})"


def fetch(cursor: Any, sql: str, values: Any) -> Any:
    """Return the first row of a query."""
    cursor.execute(sql, list(values))
    return cursor.fetchone()


@contextmanager
def impatient(database: Database, seconds: float) -> Iterator[Watcher]:
    """Let every session that the block opens give up a lock after some seconds; yields who looks whom they wait for."""
    watcher = Watcher()
    if not database.is_postgresql:
        yield watcher
        return

    def prepare(connection: Any, **_other: Any) -> None:
        if threading.current_thread() is watcher:
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false), pg_backend_pid()", [f"{int(seconds * 1000)}"])
            watcher.sessions.add(cursor.fetchone()[1])

    signal = import_module("django.db.backends.signals").connection_created
    signal.connect(prepare, weak=False)
    # The one that is open already was not seen; it comes back as soon as it is used.
    database.connection.close()
    watcher.start()
    try:
        yield watcher
    finally:
        watcher.done.set()
        signal.disconnect(prepare)


@contextmanager
def concurrent_waits(database: Database, seconds: float) -> Iterator[list[str]]:
    """Let statements that are CONCURRENTLY wait for their locks; yields the indexes whose remains were taken away.

    An index of which the building was cut off is left invalid, under its name: it goes before it is built again.
    """
    gone: list[str] = []
    if not database.is_postgresql:
        yield gone
        return

    def patient(execute: Callable[..., Any], sql: Any, values: Any, many: bool, context: Mapping[str, Any]) -> Any:
        text = str(sql)
        if not CONCURRENTLY.search(text) or database.connection.in_atomic_block:
            return execute(sql, values, many, context)
        cursor = context["cursor"].cursor
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{CONCURRENT_SECONDS}s"])
        try:
            if not re.search(r"\bDROP\b", text, re.IGNORECASE):
                for name in unfinished(database):
                    # REINDEX builds under a name of its own.
                    meant = re.sub(r"_cc(new|old)\d*$", "", name)
                    if re.search(rf"(?<!\w){re.escape(meant)}(?!\w)", text):
                        quoted = database.connection.ops.quote_name(name)
                        cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {quoted}")
                        gone.append(name)
            return execute(sql, values, many, context)
        finally:
            with suppress(Exception):
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{int(seconds * 1000)}"])

    with database.connection.execute_wrapper(patient):
        yield gone


def unfinished(database: Database) -> list[str]:
    """Return the indexes that nobody finished building, which serve no query."""
    return [name for name, _schema in database.rows(UNFINISHED)]


def migrate(given: Mapping[str, Any]) -> None:
    """Run `manage.py migrate`; tells which migrations ran, also when a later one failed."""
    manage("version")
    with changing(given) as (database, _before):
        manage("migrate", "--noinput")
        keep_the_record(database)


def keep_the_record(database: Database) -> None:
    """Let nobody but the owner write down which migrations have run."""
    if not database.is_postgresql:
        return
    with database.connection.cursor() as cursor:
        cursor.execute(WRITERS)
        for (role,) in cursor.fetchall():
            cursor.execute(f"REVOKE INSERT, UPDATE, DELETE ON django_migrations FROM {role}")


def reverse(given: Mapping[str, Any]) -> None:
    """Reverse given["names"], which are in the order of reversing: in PostgreSQL all of them or none.

    What a reversal drops is gone, so one that fails later must not have cost anything; and it may drop nothing that
    given["uses"], the code that is gone back to, has in use. given["forget"] are squashed migrations of which parts are
    reversed: only the record says that they have run.
    """
    manage("version")
    with changing(given, unsquashed=True) as (database, before):
        steps = {name_of(one): one for one, _backwards in database.everything()}
        plan = [(steps[name], True) for name in given["names"] if name in before]
        whole = database.is_postgresql and all(one.atomic for one, _backwards in plan)
        guard = Guard(database, given)

        def settle(action: str, *_step: Any) -> None:
            # PostgreSQL alters no table with rows whose foreign keys are still to be checked.
            if action == "unapply_success" and whole:
                with database.connection.cursor() as cursor:
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                    cursor.execute("SET CONSTRAINTS ALL DEFERRED")

        database.executor.progress_callback = settle
        parts = [plan] if whole else [[one] for one in plan]
        for part in parts:
            with guard.around([one for one, _backwards in part]):
                database.executor.migrate([], plan=part)
                for name in given["forget"] if part is parts[-1] else []:
                    database.executor.recorder.record_unapplied(*name.split(".", 1))
                guard.look()


class Guard:
    """Lets no reversal be committed that takes from the code that is gone back to what this uses, or unasked rows."""

    def __init__(self, database: Database, given: Mapping[str, Any]) -> None:
        """Look at what the database has."""
        self.database, self.uses, self.confirmed = database, given["uses"], set(given["confirmed"])
        self.before: Catalogue = database.catalogue()
        self.filled = self.with_rows(self.before)

    def with_rows(self, tables: Iterable[str]) -> set[str]:
        """Return the tables that have rows; all are looked at in one query, and no lock outlives it."""
        quoted = {name: ".".join(map(self.database.connection.ops.quote_name, name.split("."))) for name in tables}
        asked = [WITH_ROWS.format(number, name) for number, name in enumerate(quoted.values())]
        found = self.database.rows(" UNION ALL ".join(asked)) if asked else []
        return {list(quoted)[number] for (number,) in found}

    def look(self) -> None:
        """Leave the program, so that nothing is committed, where the reversal took away what it may not."""
        if not self.database.is_postgresql:
            return
        after = self.database.catalogue()
        taken = [".".join(filter(None, pair)) for pair in lost(self.uses, self.before, after)]
        if taken:
            sys.exit(f"This would drop what the earlier release uses: {', '.join(taken)}.")
        unasked = sorted(set(dropped(self.before, after)) & self.filled - self.confirmed)
        if unasked:
            sys.exit(f"This would drop tables with rows in them, which nobody has confirmed: {', '.join(unasked)}.")

    @contextmanager
    def around(self, migrations: Iterable[Any]) -> Iterator[None]:
        """Do the block in one transaction, or, where a migration allows none, each statement in one of its own."""
        if not self.database.is_postgresql:
            yield
        elif all(one.atomic for one in migrations):
            with import_module("django.db.transaction").atomic():
                yield
        else:
            with self.statement_by_statement():
                yield

    @contextmanager
    def statement_by_statement(self) -> Iterator[None]:
        """Look after each statement, before it is committed."""
        connection = self.database.connection
        atomic = import_module("django.db.transaction").atomic
        looking = False

        def guarded(execute: Callable[..., Any], sql: Any, values: Any, many: bool, context: Any) -> Any:
            nonlocal looking
            if looking or ALONE.search(str(sql)) or ROWS.match(str(sql)):
                return execute(sql, values, many, context)
            with atomic():
                result = execute(sql, values, many, context)
                looking = True
                try:
                    self.look()
                finally:
                    looking = False
            return result

        with connection.execute_wrapper(guarded):
            yield


@contextmanager
def changing(given: Mapping[str, Any], *, unsquashed: bool = False) -> Iterator[tuple[Database, list[str]]]:
    """Do the block alone and impatiently; yields (the database, what was applied), answers with what changed."""
    database = Database(unsquashed=unsquashed)
    waiting = concurrent_waits(database, given["lock_timeout"])
    alone_here = alone(database, given["patience"], given["name"])
    with alone_here, impatient(database, given["lock_timeout"]) as watcher, waiting as rebuilt:
        before = database.applied()
        # Of a squashed migration Django records itself and all that it stands for: what was due is one.
        due = [] if unsquashed else [name_of(migration) for migration in database.pending()]
        try:
            yield database, before
        finally:
            watcher.done.set()
            # What failed may have left its connection useless.
            database.connection.close()
            after = database.applied()
            answer(
                ran=[name for name in after if name not in set(before)],
                steps=[name for name in due if name in set(after)],
                reversed=[name for name in before if name not in set(after)],
                blockers=watcher.blockers,
                rebuilt=rebuilt,
                unfinished=unfinished(database) if database.is_postgresql else [],
            )
