"""Runs inside the application's own Python: does a release fit, what is due, and what would that do to running code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .database import Database, inner, name_of
from .lint import Facts, disturbing, linter
from .program import answer, manage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# What is shown of a migration's SQL
SHOWN_STATEMENTS, SHOWN_LENGTH = 8, 160
UNKNOWN = "what it does cannot be told before it runs"
# The planner's estimate of the rows, brought up to the table's present size (PostgreSQL manual, "pg_class").
ROWS = """
SELECT relname, CASE WHEN relpages > 0 AND reltuples >= 0
  THEN reltuples / relpages * (pg_relation_size(oid) / current_setting('block_size')::int)
  ELSE pg_relation_size(oid) / 100.0 END
FROM pg_class WHERE relkind IN ('r', 'p') AND pg_table_is_visible(oid)"""
TYPES = """
SELECT table_name || '.' || column_name, replace(data_type, 'character varying', 'varchar')
  || COALESCE('(' || character_maximum_length || ')', '')
FROM information_schema.columns WHERE table_schema = ANY (current_schemas(false))"""
FILLED = """
SELECT table_name || '.' || column_name, true FROM information_schema.columns
WHERE table_schema = ANY (current_schemas(false)) AND is_nullable = 'NO'"""


def check(given: Mapping[str, Any]) -> None:
    """Run Django's checks; tell what is due and, where another release serves (given["tables"]), what it would mean."""
    manage("check", "--deploy", "--fail-level", "ERROR")
    database = Database()
    conflicts = database.conflicts()
    if conflicts:
        sys.exit(
            f"Conflicting migrations, several are the newest: {'; '.join(conflicts)}. "
            "Run `manage.py makemigrations --merge` in the project."
        )
    pending, applied, known = database.pending(), database.applied(), database.known()
    looked = pending and given["linter"] and given["tables"] is not None and database.is_postgresql
    answer(
        pending=[name_of(migration) for migration in pending],
        applied=applied,
        known=known,
        orphans=sorted(set(applied) - set(known)),
        tables=database.tables(),
        others=database.others(),
        looked=look(database, pending, given) if looked else [],
    )


def describe(_given: Mapping[str, Any]) -> None:
    """Tell what the release knows, and what the database has had."""
    manage("version")
    database = Database()
    answer(known=database.known(), tables=database.tables(), applied=database.applied())


def look(database: Database, migrations: Iterable[Any], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return of each migration that is due its SQL, and why code that uses given["tables"] would suffer."""
    rows = {table: float(number) for table, number in database.pairs(ROWS).items()}
    facts = Facts(given["tables"], database.pairs(TYPES), rows, given["many"], database.pairs(FILLED))
    analyse = linter(given["linter"])
    state = database.executor._create_project_state(with_applied_migrations=True)
    found = []
    for migration in migrations:
        texts = database.statements(migration, state)
        state = migration.mutate_state(state, preserve=False)
        breaking, slow = disturbing(analyse, texts or [], facts)
        if texts is None and removes(migration):
            breaking = [UNKNOWN]
        found.append({"migration": name_of(migration), "sql": shown(texts), "breaking": breaking, "slow": slow})
    return found


def removes(migration: Any) -> bool:
    """Return whether a migration has operations that take away or change, by their names."""
    words = ("Remove", "Delete", "Rename", "Alter", "RunSQL")
    every = [one for operation in migration.operations for one in inner(operation)]
    return any(type(operation).__name__.startswith(words) for operation in every)


def shown(texts: Sequence[str] | None) -> list[str]:
    """Return a migration's SQL, short enough to read."""
    if texts is None:
        return ["-- its SQL cannot be told before it runs"]
    lines = [" ".join(text.split()) for text in texts if not text.startswith("--") or "CANNOT BE" in text]
    short = [line if len(line) <= SHOWN_LENGTH else line[: SHOWN_LENGTH - 2] + " …" for line in lines]
    rest = len(short) - SHOWN_STATEMENTS
    return short[:SHOWN_STATEMENTS] + ([f"-- and {rest} more"] if rest > 0 else [])
