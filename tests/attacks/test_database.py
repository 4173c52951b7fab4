"""The database: whoever got into the application's schema reaches nothing beyond it."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.attacks.conftest import Actor, sql

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.machines import Machine
    from tests.support.team import Team

#: What would change the schema, who has which right, or what is written down of migrations
FORBIDDEN = (
    "CREATE TABLE planted (id integer)",
    "CREATE TABLE planted AS SELECT 1",
    "CREATE TABLE planted () INHERITS (board_notice)",
    "SELECT 1 INTO planted",
    "CREATE VIEW planted AS SELECT 1",
    "CREATE MATERIALIZED VIEW planted AS SELECT 1",
    "CREATE SEQUENCE planted",
    "CREATE FUNCTION planted() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE PROCEDURE planted() LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    "CREATE SCHEMA planted",
    "CREATE SCHEMA AUTHORIZATION {user}",
    "CREATE TYPE planted AS ENUM ('a')",
    "CREATE DOMAIN planted AS text CHECK (value <> '')",
    "CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = name, FUNCTION = pg_catalog.nameeq)",
    "CREATE CAST (text AS money) WITH INOUT AS IMPLICIT",
    'CREATE COLLATION planted FROM pg_catalog."C"',
    "CREATE LANGUAGE planted HANDLER plpgsql_call_handler",
    "CREATE INDEX planted ON board_notice (title)",
    "CREATE STATISTICS planted ON id, title FROM board_notice",
    "CREATE EXTENSION pg_trgm",
    "DROP EXTENSION plpgsql CASCADE",
    "CREATE EVENT TRIGGER planted ON ddl_command_end EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
    "CREATE TRIGGER planted BEFORE UPDATE ON board_notice FOR EACH ROW "
    "EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()",
    "CREATE RULE planted AS ON INSERT TO board_notice DO INSTEAD NOTHING",
    "CREATE POLICY planted ON board_notice USING (true)",
    "CREATE FOREIGN DATA WRAPPER planted",
    "CREATE PUBLICATION planted FOR TABLE board_notice",
    "CREATE ROLE planted",
    "ALTER TABLE django_migrations RENAME TO planted",
    "ALTER TABLE board_notice ADD COLUMN planted integer",
    "ALTER TABLE board_notice ADD CHECK (title <> '')",
    "ALTER TABLE board_notice ALTER COLUMN title SET DEFAULT 'planted'",
    "ALTER TABLE board_notice DISABLE TRIGGER ALL",
    "ALTER TABLE board_notice DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE board_notice OWNER TO {user}",
    "ALTER SCHEMA public OWNER TO {user}",
    "ALTER SEQUENCE board_notice_id_seq RESTART",
    "ALTER FUNCTION pg_catalog.pg_read_file(text) SECURITY DEFINER",
    "ALTER DATABASE {database} SET search_path = planted, public",
    "ALTER DATABASE {database} OWNER TO {user}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {user}_owner REVOKE ALL ON TABLES FROM {user}_writers",
    "ALTER ROLE {user} SET session_preload_libraries = 'planted'",
    "ALTER ROLE {user} SUPERUSER",
    "ALTER ROLE {user} CREATEDB",
    "ALTER ROLE {user}_owner PASSWORD 'planted'",
    "ALTER ROLE {user}_owner SET search_path = planted",
    "ALTER ROLE postgres SET search_path = planted",
    "COMMENT ON TABLE board_notice IS 'planted'",
    "DROP TABLE board_timerrun",
    "DROP SCHEMA public CASCADE",
    "DROP OWNED BY {user}_owner",
    "REASSIGN OWNED BY {user}_owner TO {user}",
    "TRUNCATE board_timerrun",
    "REINDEX TABLE board_notice",
    "GRANT SELECT ON board_notice TO PUBLIC",
    "GRANT CREATE ON SCHEMA public TO {user}",
    "GRANT CREATE ON DATABASE {database} TO {user}",
    "GRANT {user}_owner TO {user}",
    "GRANT {user}_writers TO {user}_reader",
    "GRANT pg_execute_server_program TO {user}",
    "REVOKE SELECT ON board_notice FROM {user}_reader",
    "INSERT INTO django_migrations (app, name, applied) VALUES ('board', '0099_planted', now())",
    "UPDATE django_migrations SET name = 'planted'",
    "DELETE FROM django_migrations",
    "UPDATE pg_catalog.pg_class SET relowner = '{user}'::regrole",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/planted'",
    "COPY board_timerrun (name) FROM '/etc/passwd'",
    "SELECT pg_catalog.pg_read_file('/etc/passwd')",
    "SELECT pg_catalog.lo_import('/etc/passwd')",
    "SELECT pg_catalog.pg_ls_dir('/')",
    "SELECT pg_catalog.pg_reload_conf()",
    "SELECT rolpassword FROM pg_catalog.pg_authid",
    "LOAD '/tmp/planted.so'",
    "SET session_replication_role = replica",
    "SET ROLE postgres",
    "SET ROLE pg_monitor",
    "SET ROLE samestack",
    "SET ROLE {user}_owner",
    "SET SESSION AUTHORIZATION postgres",
    "SET SESSION AUTHORIZATION {user}_owner",
)
#: What a person who looks may do no more than that
WRITES = (
    "INSERT INTO board_timerrun (name, finished_at, outcome) VALUES ('attack', now(), 'x')",
    "UPDATE board_notice SET title = 'planted'",
    "DELETE FROM board_notice",
    "SELECT nextval('board_notice_id_seq')",
    "SELECT setval('board_notice_id_seq', 1)",
    "SELECT id FROM board_notice FOR UPDATE",
    "LOCK TABLE board_notice IN EXCLUSIVE MODE",
    "SET ROLE {user}",
    "SET ROLE {user}_writers",
)


REFUSED = re.compile(r"ERROR:  42501|WARNING:  0100[67]")


def through(machine: Machine, actor: Actor, role: str, attempts: Iterable[str]) -> list[str]:
    """Return those of the statements that the server has not refused for want of a right, and what it said of them."""
    user, database = machine.variable("database_user"), machine.variable("database_name")
    tries = [text.format(user=user, database=database) for text in attempts]
    lines = "\n".join(f"\\echo {number}\nBEGIN; {text}; ROLLBACK;" for number, text in enumerate(tries))
    command = f"psql -XqAt -v VERBOSITY=sqlstate -U {role.format(user=user)} -d {database}"
    said = actor.tries(f"{command} 2>&1 <<'SQL'\n{lines}\nSQL\n")[1]
    # insufficient_privilege; privilege_not_granted and privilege_not_revoked, where another right is held on the table
    answers = [(text, after(said, number)) for number, text in enumerate(tries)]
    return [f"{text}: {answer}" for text, answer in answers if not REFUSED.search(answer)]


def after(said: str, number: int) -> str:
    """Return what was said between a number, on a line of its own, and the next one."""
    rest = f"\n{said}\n".partition(f"\n{number}\n")[2]
    return f"\n{rest}".partition(f"\n{number + 1}\n")[0]


def test_the_application_changes_rows_and_nothing_else(victim: Machine, app: Actor) -> None:
    assert through(victim, app, "{user}", [*FORBIDDEN, "SET ROLE {user}_reader"]) == []


def test_who_looks_changes_nothing(victim: Machine) -> None:
    administrator = Actor(victim, "postgres")
    assert through(victim, administrator, "{user}_reader", [*FORBIDDEN, *WRITES]) == []
    assert sql(victim, "SELECT count(*) > 0 FROM board_notice", f"{victim.variable('database_user')}_reader") == "t"


def test_rows_can_be_written_all_the_same(victim: Machine, app: Actor) -> None:
    statements = (
        "BEGIN; INSERT INTO board_timerrun (name, finished_at, outcome) VALUES ('attack', now(), 'x') RETURNING name;"
        "UPDATE board_timerrun SET outcome = 'y' WHERE name = 'attack';"
        "DELETE FROM board_timerrun WHERE name = 'attack'; CREATE TEMPORARY TABLE scratch (id integer); ROLLBACK;"
    )
    user, database = victim.variable("database_user"), victim.variable("database_name")
    command = f"psql -XqAt -v ON_ERROR_STOP=1 -U {user} -d {database}"
    assert app.does(f"{command} <<'SQL'\n{statements}\nSQL\n").strip() == "attack"


def test_what_migrates_is_hidden_from_what_serves(victim: Machine, app: Actor) -> None:
    assert app.tries(f"cat /etc/{victim.app}/owner.env")[0] != 0
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(5)"
    run = f"{victim.app}-manage --owner shell -c {shlex.quote(code)} </dev/null >/run/attack 2>/dev/null & "
    victim.run(run + "for _ in $(seq 50); do grep -qsx '[0-9][0-9]*' /run/attack && break; sleep 0.2; done")
    pid = victim.run("grep -m1 -x '[0-9][0-9]*' /run/attack; rm /run/attack").strip()
    assert victim.run(f"ps -o user:40= -p {pid}").strip() == f"{victim.app}-owner"
    for attempt in (
        f"cat /proc/{pid}/environ", f"head -c1 /proc/{pid}/mem", f"kill -STOP {pid}", f"ls /proc/{pid}/fd",
        f"{victim.app}-manage --owner check", f"systemd-run --wait -p User={victim.app}-owner true",
    ):  # fmt: skip
        assert app.tries(attempt)[0] != 0, attempt


@pytest.mark.parametrize("database", ["postgres", "template1"])
@pytest.mark.parametrize("role", ["samestack", "{user}"])
def test_the_application_has_one_database(victim: Machine, app: Actor, database: str, role: str) -> None:
    command = f"psql -XqAt -U {role.format(user=victim.variable('database_user'))} -d {database} -c 'SELECT 1'"
    assert app.tries(command)[0] != 0


@pytest.mark.parametrize("role", ["postgres", "samestack", "{user}_owner", "{user}_reader", "{user}_rows"])
def test_nobody_is_let_in_as_a_role_of_ours(victim: Machine, app: Actor, stranger: Actor, role: str) -> None:
    role = role.format(user=victim.variable("database_user"))
    command = f"psql -XqAt -U {role} -d {victim.variable('database_name')} -c 'SELECT 1'"
    for actor in (app, stranger, Actor(victim, "www-data"), Actor(victim, "redis")):
        assert actor.tries(command)[0] != 0, actor.account


def test_rights_that_nobody_gave_are_taken_away_and_said(team: Team) -> None:
    machine = team.machine("staging")
    user = machine.variable("database_user")
    machine.run(f"cd / && sudo -u postgres psql -q -c 'ALTER ROLE {user} SUPERUSER' -c 'CREATE ROLE eve SUPERUSER'")
    said = " ".join(team.samestack("provision", "staging").split())
    machine.run("cd / && sudo -u postgres psql -q -c 'DROP ROLE eve'")
    assert f"The role {user} had more rights than it was given: superuser" in said
    assert "Superusers of the database server that are not its own: eve" in said
    assert sql(machine, "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user") == "f"
