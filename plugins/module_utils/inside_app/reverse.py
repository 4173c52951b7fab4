"""Runs inside the application's own Python: what reversing migrations would take, asked before anything is touched."""

from __future__ import annotations

# Django is the application's: only its Python has it.
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .database import Database, inner, name_of
from .lint import Facts, disturbing, linter
from .program import answer, manage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

NO_SQL = "what it does cannot be told before it runs"
NO_LINTER = "nothing on this host can tell what it does to running code"


def plan(given: Mapping[str, Any]) -> None:
    """Tell what reversing given["names"] with this release's code would mean for code that uses given["tables"].

    Without names: of what is applied, what the target does not know (see `surplus`).
    """
    manage("version")
    database = Database()
    applied = database.applied()
    names = given["names"]
    if names is None:
        names = surplus(applied, given, database.squashed())
    order, further = backwards(database, [name for name in names if database.has(name)])
    answer(
        names=names,
        applied=applied,
        order=[name_of(one) for one in order],
        further=further,
        others=database.others(),
        details=details(database, order, given) if order else [],
    )


def surplus(applied: Iterable[str], given: Mapping[str, Any], squashed: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the applied migrations that the target does not know and that came after it, the oldest first.

    given: `known`, the target's; `accepted`, what was applied when the target was deployed (it lived with that, and it
    may be of an app that is gone: never to be reversed); `left`, what failed deployments left behind.
    A squashed migration whose parts the target knows has changed nothing but the record.
    """
    known, accepted, left = set(given["known"]), set(given["accepted"]), set(given["left"])
    found = []
    for name in applied:
        parts = squashed.get(name)
        if name in known or (name in accepted and name not in left) or (parts and known.issuperset(parts)):
            continue
        found.append(name)
    return found


def backwards(database: Database, names: Sequence[str]) -> tuple[list[Any], list[str]]:
    """Return (the migrations in the order in which they are reversed, others that rest on them and are applied)."""
    graph, applied = database.loader.graph, database.loader.applied_migrations
    keys = {tuple(name.split(".", 1)) for name in names}
    resting = {key for one in keys for key in graph.backwards_plan(one) if key in applied} - keys
    order = [one for one, _backwards in database.everything() if (one.app_label, one.name) in keys]
    return order[::-1], sorted(f"{app}.{name}" for app, name in resting)


def details(database: Database, order: Sequence[Any], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return of each migration, in the order of reversing: why it cannot be, what is lost, why the site must close."""
    wanted = {name_of(migration) for migration in order}
    analyse = linter(given["linter"]) if database.is_postgresql and given["linter"] else None
    state = import_module("django.db.migrations.state").ProjectState()
    found: dict[str, dict[str, Any]] = {}
    for migration, _backwards in database.everything():
        if name_of(migration) in wanted:
            breaking = [NO_LINTER]
            if analyse:
                both = [database.statements(migration, state, backwards) for backwards in (False, True)]
                texts = [text for texts in both for text in texts or []]
                breaking = disturbing(analyse, texts, Facts(given["tables"], {}, {}))[0]
                breaking += [NO_SQL] if None in both else []
            obstacles, lost = obstacles_of(migration, state.clone())
            found[name_of(migration)] = {"breaking": breaking, "obstacles": obstacles, "lost": lost}
        migration.mutate_state(state, preserve=False)
    return [{"migration": name_of(migration), **found[name_of(migration)]} for migration in order]


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
