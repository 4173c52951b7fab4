"""What is recorded of a database's rights, on a real PostgreSQL: the rights, not how they came about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from plugins.module_utils.manifest.reading.sql import ONE
from plugins.module_utils.manifest.sections import postgresql as server_section
from plugins.module_utils.manifest.sections import schema as schema_section
from tests.support.local_postgresql import postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator

THINGS = {
    "TABLE note": "schema", "SEQUENCE counter": "schema", "TABLE titles": "schema", "SCHEMA extra": "schema",
    "DATABASE postgres": "server",
}  # fmt: skip


@pytest.fixture(scope="module")
def connection() -> Iterator[psycopg.Connection]:
    with postgresql() as socket, psycopg.connect(host=socket, dbname="postgres", user="postgres") as one:
        one.autocommit = True
        one.execute("CREATE ROLE reader; CREATE TABLE note (id int); CREATE SEQUENCE counter; CREATE SCHEMA extra")
        one.execute("CREATE VIEW titles AS SELECT id FROM note")
        yield one


def recorded(connection: psycopg.Connection) -> dict[str, list[dict[str, object]]]:
    """What the queries of the record answer about rights."""
    queries = {
        "tables": schema_section.QUERIES["tables"], "schemas": schema_section.QUERIES["schemas"],
        "databases": server_section.QUERIES["databases"],
    }  # fmt: skip
    found: dict[str, list[dict[str, object]]] = {}
    for name, text in queries.items():
        row = connection.execute(ONE.format(name=name, text=text)).fetchone()
        assert row
        found |= row[0]
    return {name: sorted(rows, key=lambda one: str(one["name"])) for name, rows in found.items()}


def rights(connection: psycopg.Connection) -> list[str]:
    return [grant for rows in recorded(connection).values() for row in rows for grant in row["grants"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("thing", THINGS)
def test_a_right_that_came_and_went_leaves_nothing(connection: psycopg.Connection, thing: str) -> None:
    before = recorded(connection)
    connection.execute(f"GRANT ALL ON {thing} TO reader")
    assert [grant for grant in rights(connection) if grant.startswith("reader=")]
    connection.execute(f"REVOKE ALL ON {thing} FROM reader")
    assert recorded(connection) == before


@pytest.mark.parametrize("thing", THINGS)
def test_what_is_taken_from_those_who_have_it_anyway_is_recorded(connection: psycopg.Connection, thing: str) -> None:
    before = recorded(connection)
    who = "PUBLIC" if thing.startswith("DATABASE") else "postgres"
    connection.execute(f"REVOKE ALL ON {thing} FROM {who}")
    assert any(grant.startswith(f"without {who}=") for grant in rights(connection))
    if who == "PUBLIC":
        connection.execute(f"GRANT CONNECT, TEMPORARY ON {thing} TO PUBLIC")
    else:
        connection.execute(f"GRANT ALL ON {thing} TO postgres")
    assert recorded(connection) == before


def test_who_has_given_a_right_does_not_matter_and_that_it_may_be_given_on_does(connection: psycopg.Connection) -> None:
    connection.execute("GRANT SELECT ON note TO reader")
    assert "reader=SELECT" in rights(connection)
    connection.execute("GRANT SELECT ON note TO reader WITH GRANT OPTION")
    assert "reader=SELECT*" in rights(connection)
