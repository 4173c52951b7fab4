"""Runs inside the application's own Python: which migrations a release has, and which its database has had."""

from __future__ import annotations

# Django is the application's: only its Python has it.
from importlib import import_module
from typing import Any

from . import schema

# The third: whether provision takes it for the application's (`postgresql/takeover.py`).
OWNERS = """
SELECT c.relname, r.rolname, EXISTS (
    SELECT FROM pg_class record WHERE record.relname = 'django_migrations' AND record.relkind IN ('r', 'p')
    AND CASE WHEN r.rolsuper THEN record.relnamespace = c.relnamespace ELSE record.relowner = c.relowner END),
  datname, format('ALTER TABLE %I.%I OWNER TO %I;', nspname, c.relname, pg_get_userbyid(datdba))
FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_database ON datname = current_database()
WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid) AND c.relnamespace <> 'pg_catalog'::regnamespace
  AND c.relowner <> datdba"""


class Database:
    """The application's migrations and its database."""

    def __init__(self, *, unsquashed: bool = False) -> None:
        """Read both, and of each squashed migration what it stands for.

        `unsquashed` leaves out those whose parts have their code yet: Django has either in its graph and goes back over
        a squashed migration as a whole, over all that it stands for.
        """
        self.connection = import_module("django.db").connection
        self.executor = import_module("django.db.migrations.executor").MigrationExecutor(self.connection)
        disk = self.executor.loader.disk_migrations.values()
        self.squashed = {name_of(one): [f"{app}.{name}" for app, name in one.replaces] for one in disk if one.replaces}
        if unsquashed:
            self.executor.loader = unsquashed_loader()(self.connection)
        self.loader = self.executor.loader

    @property
    def is_postgresql(self) -> bool:
        """Return whether what is known about PostgreSQL holds."""
        return bool(self.connection.vendor == "postgresql")

    def applied(self) -> list[str]:
        """Return the applied migrations, the oldest first."""
        recorder = self.executor.recorder
        if not recorder.has_table():
            return []
        return [f"{row.app}.{row.name}" for row in recorder.migration_qs.order_by("id")]

    def known(self) -> list[str]:
        """Return the migrations that this release has, those that a squashed one stands for included."""
        names = set(self.loader.disk_migrations)
        for migration in self.loader.disk_migrations.values():
            names.update(migration.replaces)
        return sorted(f"{app}.{name}" for app, name in names)

    def unrecorded(self) -> list[str]:
        """Return the squashed migrations of which all parts have run, and which are not recorded yet themselves."""
        applied = set(self.applied())
        return [
            name for name, parts in sorted(self.squashed.items()) if name not in applied and applied.issuperset(parts)
        ]

    def has(self, name: str) -> bool:
        """Return whether the release has a migration's code, and it is not one that a squashed one has replaced."""
        return tuple(name.split(".", 1)) in self.loader.graph.nodes

    def conflicts(self) -> list[str]:
        """Return the apps with several newest migrations."""
        found = self.loader.detect_conflicts()
        return [f"{', '.join(sorted(names))} in {app}" for app, names in sorted(found.items())]

    def pending(self) -> list[Any]:
        """Return the migrations that are due, in their order."""
        plan = self.executor.migration_plan(self.loader.graph.leaf_nodes())
        return [migration for migration, _backwards in plan]

    def everything(self) -> list[tuple[Any, bool]]:
        """Return all migrations of the release as a plan from an empty database on."""
        plan: list[tuple[Any, bool]] = self.executor.migration_plan(self.loader.graph.leaf_nodes(), clean_start=True)
        return plan

    def tables(self) -> dict[str, list[str]]:
        """Return the columns that the release's models use, by table."""
        used: dict[str, set[str]] = {}
        for model in import_module("django.apps").apps.get_models(include_auto_created=True):
            columns = {field.column for field in model._meta.local_concrete_fields if field.column}
            used.setdefault(table_of(model), set()).update(columns)
        return {table: sorted(columns) for table, columns in sorted(used.items())}

    def made(self) -> list[str]:
        """Return those of the tables that the release's migrations make in this database."""
        router, alias = import_module("django.db").router, self.connection.alias
        return sorted(
            table_of(model)
            for model in import_module("django.apps").apps.get_models(include_auto_created=True)
            if model._meta.managed
            and not model._meta.proxy
            and model._meta.app_label in self.loader.migrated_apps
            and router.allow_migrate_model(alias, model)
        )

    def catalogue(self) -> schema.Catalogue:
        """Return what the database has (`schema.py`)."""
        if not self.is_postgresql:
            return {}
        return schema.catalogue(self.rows(schema.CATALOGUE))

    def strangers(self) -> dict[str, list[Any]]:
        """Return the tables that are not the database's owner's.

        With each: its owner, whether provision takes it, the database, the SQL that gives it to the database's owner.
        """
        rows = self.rows(OWNERS) if self.is_postgresql else []
        return {table: list(rest) for table, *rest in rows}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    @staticmethod
    def others() -> list[str]:
        """Return the names of further databases that the settings have, beside the one that is looked after.

        A second name for the same one, for reading for example, is none.
        """
        connections = import_module("django.db").connections
        known = connections.settings
        about = ("HOST", "PORT", "NAME")
        first = [str(known["default"].get(part) or "") for part in about]
        return [
            name
            for name, entry in sorted(known.items())
            if name != "default"
            and not (entry.get("TEST") or {}).get("MIRROR")
            and entry.get("ENGINE", "") not in ("", "django.db.backends.dummy")
            and [str(entry.get(part) or "") for part in about] != first
        ]

    def pairs(self, sql: str) -> dict[str, Any]:
        """Return the rows of a query with two columns."""
        return dict(self.rows(sql))

    def statements(self, migration: Any, state: Any, backwards: bool = False) -> list[str] | None:
        """Return the SQL of a migration, None where only running it tells.

        `state` is the one before the migration, whichever the direction; it is left as it is.
        """
        try:
            with self.connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
                change = migration.unapply if backwards else migration.apply
                change(state.clone(), editor, collect_sql=True)
        # An operation may look for what an earlier one would have made: whatever it raises, there is no SQL.
        except Exception:
            return None
        return [str(text) for text in editor.collected_sql]


def table_of(model: Any) -> str:
    """Return a model's table, with its schema where people put it into the name (`"crm"."customer"`)."""
    return str(model._meta.db_table).strip('"').replace('"."', ".")


def unsquashed_loader() -> Any:
    """Return Django's loader of migrations, made to leave out squashed ones whose parts are all on the disk."""
    loader: Any = import_module("django.db.migrations.loader").MigrationLoader

    class Unsquashed(loader):
        """Knows the parts, and who depends on a squashed one depends on these."""

        def load_disk(self) -> None:
            """Load what is on the disk."""
            super().load_disk()
            disk = self.disk_migrations
            whole = {key: one.replaces for key, one in disk.items()
                     if one.replaces and all(tuple(part) in disk for part in one.replaces)}  # fmt: skip
            for key in whole:
                del disk[key]
            for one in disk.values():
                one.dependencies = expanded(one.dependencies, whole)
                one.run_before = expanded(one.run_before, whole)

    return Unsquashed


def expanded(keys: Any, whole: Any) -> list[Any]:
    """Return (app, name) pairs with the parts in the place of a squashed migration."""
    found: list[Any] = []
    for key in map(tuple, keys):
        found += expanded(whole[key], whole) if key in whole else [key]
    return found


def name_of(migration: Any) -> str:
    """Return app.name."""
    return f"{migration.app_label}.{migration.name}"


def inner(operation: Any) -> list[Any]:
    """Return an operation and those that it does to the database in its name."""
    return [operation, *(one for other in getattr(operation, "database_operations", []) for one in inner(other))]
