"""Runs inside the application's own Python: does a release fit, what is due, and what would that do to running code."""

from __future__ import annotations

import os
import sys

# Django is the application's: only its Python has it.
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .database import Database, inner, name_of
from .program import answer, manage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# The planner's estimate of the rows, brought up to the table's present size (PostgreSQL manual, "pg_class").
ROWS = """
SELECT relname, CASE WHEN relpages > 0 AND reltuples >= 0
  THEN reltuples / relpages * (pg_relation_size(oid) / current_setting('block_size')::int)
  ELSE pg_relation_size(oid) / 100.0 END
FROM pg_class WHERE relkind IN ('r', 'p') AND pg_table_is_visible(oid)"""
COLUMNS = """
SELECT c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
  a.atthasdef OR a.attidentity <> ''
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relkind IN ('r', 'p', 'f') AND pg_table_is_visible(c.oid) AND a.attnum > 0 AND NOT a.attisdropped"""


def check(given: Mapping[str, Any]) -> None:
    """Run Django's checks; tell what is due and, where another release serves (given["look"]), by which statements."""
    run_checks()
    database = Database()
    conflicts = database.conflicts()
    if conflicts:
        sys.exit(
            f"Conflicting migrations, several are the newest: {'; '.join(conflicts)}. "
            "Run `manage.py makemigrations --merge` in the project."
        )
    pending, applied, known = database.pending(), database.applied(), database.known()
    looked = pending and given["look"] and database.is_postgresql
    answer(
        pending=[name_of(migration) for migration in pending],
        unrecorded=database.unrecorded(),
        applied=applied,
        known=known,
        orphans=sorted(set(applied) - set(known)),
        others=database.others(),
        looked=look(database, pending) if looked else [],
        facts=facts(database) if looked else {},
        catalogue=database.catalogue() if given["look"] else {},
        strangers=database.strangers() if pending else {},
        **kept(database),
    )


def run_checks() -> None:
    """Run Django's checks; where nothing has been migrated yet, those for a deployment may fail for want of tables."""
    try:
        manage("check", *deployed(), "--fail-level", "ERROR")
    except SystemExit:
        if not deployed() or not import_module("django.apps").apps.ready or Database().applied():
            raise
        manage("check", "--fail-level", "ERROR")


def deployed() -> list[str]:
    """Return what has Django check for a deployment, too: where DEBUG is meant, all of that is about DEBUG."""
    return [] if os.environ.get("DEBUG", "").lower() in ("1", "true", "yes", "on") else ["--deploy"]


def describe(_given: Mapping[str, Any]) -> None:
    """Tell what the release knows, and what the database has had."""
    manage("version")
    database = Database()
    answer(known=database.known(), applied=database.applied(), **kept(database))


def kept(database: Database) -> dict[str, Any]:
    """Return what is kept beside a release of what it knows of the database."""
    return {"tables": database.tables(), "made": database.made(), "squashed": database.squashed}


def facts(database: Database) -> dict[str, Any]:
    """Return what statements are judged by, of the database."""
    columns = database.rows(COLUMNS)
    return {
        "types": {name: kind for name, kind, _must, _given in columns},
        "rows": {table: float(number) for table, number in database.pairs(ROWS).items()},
        "filled": [name for name, _kind, must, _given in columns if must],
        "defaults": [name for name, _kind, _must, given in columns if given],
        "path": database.rows("SELECT current_schemas(false)")[0][0],
    }


def look(database: Database, migrations: Iterable[Any]) -> list[dict[str, Any]]:
    """Return of each migration that is due its SQL, None where only running it tells, and whether it takes away."""
    state = database.executor._create_project_state(with_applied_migrations=True)
    found = []
    for migration in migrations:
        texts = database.statements(migration, state)
        state = migration.mutate_state(state, preserve=False)
        found.append({"migration": name_of(migration), "texts": texts, "removes": removes(migration)})
    return found


def removes(migration: Any) -> bool:
    """Return whether a migration has operations that take away or change, by their names."""
    words = ("Remove", "Delete", "Rename", "Alter", "RunSQL")
    every = [one for operation in migration.operations for one in inner(operation)]
    return any(type(operation).__name__.startswith(words) for operation in every)
