"""Extensions of the application's database: who may create them, and how.

Those that PostgreSQL calls trusted are the owner's to create. The script of another one runs as the superuser: it is
run where nothing of the application's can be taken for something of PostgreSQL's.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..common.errors import HostError
from ..common.postgresql import READER, identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .ownership import Names
    from .server import Server

#: What new databases are copies of
TEMPLATE = "template1"
AVAILABLE = """
SELECT pg_catalog.json_object_agg(e.name, v.trusted) FROM pg_catalog.pg_available_extensions e
JOIN pg_catalog.pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
"""
INSTALLED = """
SELECT pg_catalog.json_agg(pg_catalog.json_build_array(extname, nspname) ORDER BY e.oid)
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = extnamespace
"""
# What a script could take for something else: nothing new comes while it runs, and what is there is the superuser's.
ALONE = """
BEGIN;
LOCK TABLE pg_catalog.pg_proc, pg_catalog.pg_operator, pg_catalog.pg_cast, pg_catalog.pg_type IN SHARE MODE;
DO $$ DECLARE found text; BEGIN
  SELECT p.oid::pg_catalog.regprocedure::text INTO found FROM pg_catalog.pg_proc p
  WHERE NOT (SELECT rolsuper FROM pg_catalog.pg_roles r WHERE r.oid = proowner) LIMIT 1;
  IF found IS NOT NULL THEN RAISE 'the database has functions of its own, such as %', found; END IF;
END $$;
{create}
COMMIT;
"""


def create(name: str, schema: str = "") -> str:
    """Return the SQL that creates an extension, with what it rests on; in schema public, where nothing says another."""
    where = f" SCHEMA {identifier(schema)}" if schema else ""
    return f"SET search_path = public; CREATE EXTENSION IF NOT EXISTS {identifier(name)}{where} CASCADE;"


def untrusted(server: Server, names: Iterable[str]) -> list[str]:
    """Return those of the extensions that a superuser has to create; raises HostError."""
    trusted = json.loads(server.sql(AVAILABLE) or "{}")
    return [name for name in names if not trusted.get(name)]


def installed(server: Server, database: str, role: str = READER) -> dict[str, str]:
    """Return the schemas of a database's extensions, by name and in the order in which they were created."""
    found: list[tuple[str, str]] = json.loads(server.sql(INSTALLED, database, role) or "[]")
    return dict(found)


def install_in_fresh(
    server: Server, database: str, names: Iterable[str], schemas: Mapping[str, str] | None = None
) -> None:
    """Create in a database that nobody has got into yet what only a superuser may create; raises HostError."""
    for name in untrusted(server, names):
        schema = (schemas or {}).get(name, "public")
        made = "" if schema in ("public", "pg_catalog") else f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)};"
        server.sql_of_superuser(made + create(name, schema), database)


def install(server: Server, names: Names, wanted: Iterable[str], *, dry: bool = False) -> list[str]:
    """Create the extensions that are missing; returns what was done. Raises HostError."""
    wanted = list(wanted)
    if not wanted:
        return []
    there = installed(server, names.database)
    missing = [name for name in wanted if name not in there]
    if missing and not dry:
        risky = untrusted(server, missing)
        for name in missing:
            if name in risky:
                create_alone(server, names.database, name)
            else:
                server.sql(create(name), names.database, names.owner)
    return [f"create extension {name}" for name in missing]


def install_in_template(server: Server, owner: str, wanted: Iterable[str], *, dry: bool = False) -> list[str]:
    """Create in the template what databases of the application's tests are to have; returns what was done.

    Whoever makes those may not create what needs a superuser. Raises HostError.
    """
    wanted = list(wanted)
    # Of ours, only whoever makes databases gets in there.
    there = installed(server, TEMPLATE, owner) if wanted else {}
    missing = [name for name in wanted if name not in there]
    for name in missing if not dry else ():
        create_alone(server, TEMPLATE, name)
    return [f"create extension {name} in {TEMPLATE}, for tests" for name in missing]


def create_alone(server: Server, database: str, name: str) -> None:
    """Create as the superuser what only that may create, where no function of the application's is in the way.

    Raises HostError.
    """
    try:
        server.sql_of_superuser(ALONE.format(create=create(name)), database)
    except HostError as error:
        by_hand = f"sudo -u postgres psql -d {database} -c {literal(create(name))}"
        raise HostError(
            f"{error}\nExtension {name} is one that a superuser has to create, and PostgreSQL's superuser runs what it "
            "finds in a database.",
            f"Look through those functions; where they are good: {by_hand}",
        ) from None
