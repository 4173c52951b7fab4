"""Runs inside the application's own Python: what reversing migrations would take, asked before anything is touched."""

from __future__ import annotations

from contextlib import suppress

# Django is the application's: only its Python has it.
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .database import Database, inner, name_of, table_of
from .program import answer, manage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Rows that are counted one by one; whether there are a million or more changes no decision
COUNTED = 1_000_000
COUNT = "SELECT count(*) FROM (SELECT FROM {} LIMIT {}) counted"


def plan(given: Mapping[str, Any]) -> None:
    """Tell what reversing given["names"] with this release's code would do.

    Without names: of what is applied, what the target does not know (see `surplus`).
    """
    manage("version")
    database = Database(unsquashed=True)
    applied, squashed = database.applied(), {**given["squashed"], **database.squashed}
    names = given["names"]
    if names is None:
        names = surplus(applied, given, squashed)
    order, rests = backwards(database, [name for name in names if database.has(name)])
    answer(
        names=names,
        applied=applied,
        squashed=squashed,
        order=[name_of(one) for one in order],
        rests=rests,
        others=database.others(),
        details=details(database, order) if order else [],
        catalogue=database.catalogue() if names else {},
    )


def count(given: Mapping[str, Any]) -> None:
    """Tell how many rows each of given["tables"] has; of many, one more than are counted."""
    manage("version")
    database = Database()
    answer(rows={table: rows_of(database, table) for table in given["tables"]})


def rows_of(database: Database, table: str) -> int:
    """Return how many rows a table has."""
    name = ".".join(map(database.connection.ops.quote_name, table.split(".")))
    return int(database.rows(COUNT.format(name, COUNTED + 1))[0][0])


def surplus(applied: Iterable[str], given: Mapping[str, Any], squashed: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the applied migrations that the target does not know and that came after it, the oldest first.

    given: `known`, the target's; `accepted`, what was applied when the target was deployed (it lived with that, and it
    may be of an app that is gone: never to be reversed); `left`, what failed deployments left behind. `squashed`: of
    each squashed migration what it stands for, as any release has said it.

    What was applied under another name is not newer: a squashed migration whose parts the target knows, a part of one
    that the target knows, and one whose parts are recorded themselves, which is nothing but a record.
    """
    applied = list(applied)
    known, accepted, left = set(given["known"]), set(given["accepted"]), set(given["left"])
    held = {part for name, parts in squashed.items() if name in known for part in parts}

    def settled(name: str, through: tuple[str, ...] = ()) -> bool:
        if name in known or name in held or (name in accepted and name not in left):
            return True
        parts = squashed.get(name, ())
        return bool(parts) and name not in through and all(settled(part, (*through, name)) for part in parts)

    recorded = {name for name in applied if squashed.get(name) and set(applied).issuperset(squashed[name])}
    return [name for name in applied if not settled(name) and name not in recorded]


def backwards(database: Database, names: Sequence[str]) -> tuple[list[Any], dict[str, list[str]]]:
    """Return (the migrations in the order in which they are reversed, of each the applied ones that rest on it)."""
    graph, applied = database.loader.graph, database.loader.applied_migrations
    keys = {tuple(name.split(".", 1)) for name in names}
    rests = {
        ".".join(one): sorted(".".join(key) for key in graph.backwards_plan(one) if key in applied and key != one)
        for one in keys
    }
    order = [one for one, _backwards in database.everything() if (one.app_label, one.name) in keys]
    return order[::-1], rests


def details(database: Database, order: Sequence[Any]) -> list[dict[str, Any]]:
    """Return of each migration, in the order of reversing: its SQL both ways, why it cannot be, and what is lost."""
    wanted = {name_of(migration) for migration in order}
    state = import_module("django.db.migrations.state").ProjectState()
    found: dict[str, dict[str, Any]] = {}
    for migration, _backwards in database.everything():
        if name_of(migration) in wanted:
            obstacles, lost = obstacles_of(migration, state.clone())
            about: dict[str, Any] = {
                "obstacles": obstacles,
                "lost": lost,
                "forwards": None,
                "backwards": None,
                "made": [],
            }
            if database.is_postgresql:
                about["forwards"] = database.statements(migration, state)
                about["backwards"] = database.statements(migration, state, backwards=True)
                if about["backwards"] is None:
                    about["made"] = made(migration, migration.mutate_state(state.clone(), preserve=False))
            found[name_of(migration)] = about
        migration.mutate_state(state, preserve=False)
    return [{"migration": name_of(migration), **found[name_of(migration)]} for migration in order]


def made(migration: Any, state: Any) -> list[list[str]]:
    """Return the [table, column] that a migration makes, by its operations; `state` is the one after it."""
    found: list[list[str]] = []
    for operation in [one for every in migration.operations for one in inner(every)]:
        # An operation that is not for the state may name what that does not have.
        with suppress(LookupError, import_module("django.core.exceptions").FieldDoesNotExist):
            if type(operation).__name__ == "CreateModel":
                found.append([table_of(state.apps.get_model(migration.app_label, operation.name)), ""])
            elif type(operation).__name__ == "AddField":
                model = state.apps.get_model(migration.app_label, operation.model_name)
                field = model._meta.get_field(operation.name)
                through = getattr(field.remote_field, "through", None) if field.many_to_many else None
                found.append([table_of(through), ""] if through else [table_of(model), str(field.column)])
    return found


def obstacles_of(migration: Any, state: Any) -> tuple[list[str], list[str]]:
    """Return (why a migration cannot be reversed, what comes back empty); `state`, the one before it, is used up."""
    obstacles, lost = [], []
    for operation in migration.operations:
        for one in inner(operation):
            kind = type(one).__name__
            if not one.reversible:
                obstacles.append(f"its {kind} has no way back")
            elif kind == "DeleteModel":
                lost.append(f"the rows of {one.name}")
            elif kind == "RemoveField":
                place = f"{one.model_name}.{one.name}"
                lost.append(place)
                model = state.models.get((migration.app_label, one.model_name.lower()))
                field = model.fields.get(one.name) if model else None
                if field is not None and not refillable(field):
                    obstacles.append(f"{place} would come back without a value for the rows that there are")
        operation.state_forwards(migration.app_label, state)
    return obstacles, lost


def refillable(field: Any) -> bool:
    """Return whether a column that comes back has a value for rows that exist, as Django's schema editor finds one."""
    if getattr(field, "many_to_many", False) or getattr(field, "generated", False):
        return True
    if field.null or field.has_default() or (field.blank and field.empty_strings_allowed):
        return True
    unset = import_module("django.db.models.fields").NOT_PROVIDED
    return getattr(field, "db_default", unset) is not unset
