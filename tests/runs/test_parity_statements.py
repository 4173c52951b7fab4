"""Statements that mend what somebody changed in a database, typed into a real PostgreSQL: it is as it was before."""

from __future__ import annotations

import json
import shlex
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlparse

from plugins.module_utils.manifest.sections import postgresql as server_section
from plugins.module_utils.manifest.sections import schema as schema_section
from plugins.plugin_utils.parity.compare import compare
from plugins.plugin_utils.parity.remedies import mends
from tests.support.local_postgresql import postgresql
from tests.support.manifests import envelope
from tests.support.paper_host import PaperHost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: What the server has, and the application's database, as its owner has made it
SERVER = "CREATE ROLE shop LOGIN; CREATE ROLE reader; CREATE DATABASE site OWNER shop"
OWN = """
CREATE SCHEMA "Away";
CREATE TABLE "Away".shelf (a int);
CREATE TABLE note (id int PRIMARY KEY, title text NOT NULL DEFAULT '', "Order" int);
CREATE TABLE "Odd name" (id int);
CREATE SEQUENCE counter;
CREATE VIEW titles AS SELECT title FROM note;
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""
#: What somebody does: in the application's database as its owner
BY_OWNER = {
    "column": "ALTER TABLE note ADD extra text",
    "column with odd names": 'ALTER TABLE "Away".shelf ADD "My b" text',
    "constraint": 'ALTER TABLE note ADD CONSTRAINT "Own" CHECK (id > 0)',
    "index": 'CREATE INDEX "by Order" ON note ("Order")',
    "trigger": "CREATE TRIGGER watch BEFORE INSERT ON note FOR EACH ROW EXECUTE FUNCTION noted()",
    "policy": "CREATE POLICY own ON note USING (id > 1)",
    "function": "CREATE FUNCTION away(a text, b int[]) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "procedure": "CREATE PROCEDURE \"Away\".run(a text) LANGUAGE sql AS 'SELECT 1'",
    "type": "CREATE TYPE mood AS ENUM ('good', 'bad')",
    "view": 'CREATE VIEW "All" AS SELECT 1',
    "materialized view": "CREATE MATERIALIZED VIEW kept AS SELECT 1",
    "right on a table": "GRANT SELECT, UPDATE ON note TO reader WITH GRANT OPTION",
    "right on a table with an odd name": 'GRANT DELETE ON "Odd name" TO PUBLIC',
    "right on a view": "GRANT SELECT ON titles TO PUBLIC",
    "right on a sequence": "GRANT USAGE ON counter TO reader",
    "right on a schema": 'GRANT CREATE ON SCHEMA "Away" TO reader',
    "right that is lacking": "REVOKE UPDATE ON note FROM shop",
}
#: … and as the server's superuser
BY_SUPERUSER = {
    "owner of a table": "ALTER TABLE note OWNER TO reader",
    "owner of a sequence": "ALTER SEQUENCE counter OWNER TO reader",
    "owner of a view": "ALTER VIEW titles OWNER TO reader",
    "owner of a schema": 'ALTER SCHEMA "Away" OWNER TO reader',
    "setting of a role": "ALTER ROLE reader SET work_mem TO '9MB'",
    "setting of a role that is another": "ALTER ROLE shop SET work_mem TO '9MB'",
    "setting of a database": "ALTER DATABASE site SET work_mem TO '9MB'",
    "setting of a role in a database": "ALTER ROLE reader IN DATABASE site SET work_mem TO '9MB'",
    "setting of everybody": "ALTER ROLE ALL SET work_mem TO '9MB'",
    "setting of the server": "ALTER SYSTEM SET work_mem TO '9MB'; SELECT pg_reload_conf()",
    "role": 'CREATE ROLE "Some body"',
    "role with a password": "CREATE ROLE eve LOGIN PASSWORD 'x'",
    "database": 'CREATE DATABASE "Other"',
    "replication slot": "SELECT pg_create_physical_replication_slot('away')",
    "extension": "CREATE EXTENSION vector",
    "member": "GRANT shop TO reader",
    "attributes": "ALTER ROLE shop CREATEDB NOINHERIT; ALTER ROLE reader LOGIN",
    "superuser": "ALTER ROLE reader SUPERUSER CREATEROLE",
}
CHANGES = {**BY_OWNER, **BY_SUPERUSER}


class Local(PaperHost):
    """This computer as the recorder's host: what psql would be told there, the server of this test is told."""

    def __init__(self, root: Path, socket: str) -> None:
        super().__init__(root, database="site")
        self.socket = socket
        self.write("/usr/bin/psql", "")

    def ask(self, *command: str, **given: Any) -> tuple[int, str, str]:
        """Answer for psql."""
        database = command[command.index("-d") + 1]
        return 0, "\n".join(map(json.dumps, self.say(given["stdin"], database=database))), ""

    def say(self, text: str, user: str = "postgres", database: str = "site") -> list[Any]:
        """Return what a person's statements answer; each is its own, as psql has them."""
        found = []
        with psycopg.connect(host=self.socket, dbname=database, user=user, autocommit=True) as connection:
            for one in sqlparse.split(text):
                cursor = connection.execute(one)
                found += [row[0] for row in cursor] if cursor.description else []
        return found

    def record(self) -> dict[str, dict[str, Any]]:
        """Return the sections as a recording has them."""
        return {"schema": schema_section.schema(self), "postgresql": server_section.collect(self)}

    def type(self, command: str) -> None:
        """Do what a printed command does."""
        words = shlex.split(command.partition(": ")[2] or command)
        if words[:1] == ["echo"]:
            # The owner's, by a verb
            assert words[2:5] == ["|", "./samestack", "dbshell"], command
            assert words[-2:] == ["--as", "owner"], command
            self.say(words[1], user="shop")
            return
        assert words[:4] == ["sudo", "-u", "postgres", "psql"], command
        database = words[5] if words[4] == "-d" else "postgres"
        for option, statement in pairwise(words):
            if option == "-c":
                self.say(statement, database=database)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    with postgresql() as socket:
        found = Local(tmp_path_factory.mktemp("root"), socket)
        found.say(SERVER, database="postgres")
        found.say(OWN, user="shop")
        yield found


def mended(now: dict[str, dict[str, Any]], before: dict[str, dict[str, Any]]) -> list[str]:
    """Return the commands that parity prints, of what differs from what a run of ours has left on all three."""
    changed = {
        section: {
            key: now[section].get(key)
            for key in {**before[section], **now[section]}
            if now[section].get(key) != before[section].get(key)
        }
        for section in now
    }
    three = [envelope(name, before=before) for name in ("dev", "staging")]
    three.append(envelope("production", changed, before=before))
    found = compare(three)
    return [command for difference in found.bad for command in mends(difference, found)]


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_printed_brings_back_what_was(local: Local, what: str) -> None:
    before = local.record()
    local.say(CHANGES[what], user="shop" if what in BY_OWNER else "postgres")
    now = local.record()
    assert now != before
    commands = list(dict.fromkeys(mended(now, before)))
    assert commands
    for command in commands:
        local.type(command)
    assert local.record() == before
