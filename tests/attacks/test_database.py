"""The database: whoever got into the application's schema reaches nothing beyond it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.attacks.conftest import MACHINES, Actor
from tests.support import versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Machine
    from tests.support.team import Team

#: The folder in which a trap leaves its name when somebody who may run programs of the server has stepped into it
SPRUNG = "/var/lib/postgresql/sprung"
# Runs with the rights of whoever asks, and takes off a role that was only put on.
TRAP = """
CREATE SCHEMA trap;
CREATE FUNCTION trap.spring(name text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  BEGIN EXECUTE 'RESET ROLE'; EXCEPTION WHEN OTHERS THEN NULL; END;
  BEGIN EXECUTE 'RESET SESSION AUTHORIZATION'; EXCEPTION WHEN OTHERS THEN NULL; END;
  BEGIN
    EXECUTE pg_catalog.format('COPY (SELECT 1) TO PROGRAM %L', 'mkdir -p /var/lib/postgresql/sprung/' || name);
  EXCEPTION WHEN OTHERS THEN NULL; END;
  RETURN true;
END $$;
CREATE FUNCTION trap.quiet(name text, value text) RETURNS text LANGUAGE sql IMMUTABLE
  AS $$ SELECT value FROM (SELECT trap.spring(name)) s $$;
GRANT USAGE ON SCHEMA trap TO PUBLIC;
"""
#: What sets a trap, and what takes it away
TRAPS = {
    "view": (
        "ALTER TABLE django_migrations RENAME TO real_migrations; CREATE VIEW django_migrations AS "
        "SELECT id, app, name, applied FROM real_migrations WHERE trap.spring('view');",
        "DROP VIEW django_migrations; ALTER TABLE real_migrations RENAME TO django_migrations;",
    ),
    "search_path": (
        "CREATE FUNCTION trap.pg_get_userbyid(oid) RETURNS name LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM trap.spring('search_path'); RETURN pg_catalog.pg_get_userbyid($1); END $$;"
        "CREATE FUNCTION trap.to_regclass(text) RETURNS regclass LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM trap.spring('search_path'); RETURN pg_catalog.to_regclass($1); END $$;"
        "CREATE FUNCTION trap.joined(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM trap.spring('operator'); RETURN $1 OPERATOR(pg_catalog.||) $2; END $$;"
        "CREATE OPERATOR trap.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.joined);"
        "DO $$ BEGIN EXECUTE pg_catalog.format('ALTER DATABASE %I SET search_path = trap, pg_catalog, public', "
        "pg_catalog.current_database()); END $$;",
        "DO $$ BEGIN EXECUTE pg_catalog.format('ALTER DATABASE %I RESET search_path', "
        "pg_catalog.current_database()); END $$;",
    ),
    "check": ("ALTER TABLE public.board_timerrun ADD CONSTRAINT trapped CHECK (trap.spring('check'));", ""),
    "index": ("CREATE INDEX trapped ON public.board_category (trap.quiet('index', name));", ""),
    "materialized view": ("CREATE MATERIALIZED VIEW trap.copy AS SELECT trap.spring('materialized_view');", ""),
    "trigger": (
        "CREATE FUNCTION trap.pulled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "PERFORM trap.spring('trigger'); RETURN NEW; END $$; CREATE TRIGGER trapped BEFORE INSERT ON "
        "public.board_category FOR EACH ROW EXECUTE FUNCTION trap.pulled(); "
        "ALTER TABLE public.board_category ENABLE ALWAYS TRIGGER trapped;",
        "",
    ),
    "prompt": ("CREATE VIEW trap.report AS SELECT trap.spring('prompt');", ""),
}


def sql(machine: Machine, statements: str, role: str = "") -> str:
    """Run SQL in the application's database as a role, its owner unless another is named."""
    user, database = role or machine.variable("database_user"), machine.variable("database_name")
    command = f"psql -XqAt -v ON_ERROR_STOP=1 -U {user} -d {database}"
    return machine.run(f"cd / && sudo -u postgres {command} <<'SQL'\n{statements}\nSQL\n").strip()


def sprung(machine: Machine) -> list[str]:
    """Return the traps that a superuser has stepped into."""
    return machine.run(f"ls {SPRUNG} 2>/dev/null || true").split()


@pytest.fixture(scope="module", params=MACHINES)
def trapped(request: pytest.FixtureRequest, team: Team) -> Iterator[Machine]:
    """A machine whose application has laid all traps at once."""
    machine = team.machine(request.param)
    machine.run(f"rm -rf {SPRUNG}")
    sql(machine, TRAP + "".join(trap for trap, _ in TRAPS.values()))
    yield machine
    sql(
        machine, "SET search_path = public;" + "".join(away for _, away in TRAPS.values()) + "DROP SCHEMA trap CASCADE;"
    )
    machine.run(f"rm -rf {SPRUNG}")


def test_the_traps_work(trapped: Machine) -> None:
    """Whoever is a superuser there is caught: without that, no other test here would mean anything."""
    sql(trapped, "SELECT count(*) FROM public.django_migrations; SELECT * FROM trap.report;", "postgres")
    assert {"prompt", "view"} <= set(sprung(trapped))
    trapped.run(f"rm -rf {SPRUNG}")


def test_the_recorder_is_no_superuser_there(trapped: Machine) -> None:
    before = trapped.run("cat /var/lib/samestack/manifests.jsonl | wc -l")
    trapped.run("systemctl start samestack-manifest@nightly.service")
    assert trapped.run("cat /var/lib/samestack/manifests.jsonl | wc -l") != before
    assert sprung(trapped) == []
    assert "trap.spring" in trapped.run("cat /var/lib/samestack/manifest.json")


def test_a_prompt_is_no_superuser_there(team: Team, trapped: Machine) -> None:
    environment = "staging" if trapped.name.startswith("staging") else "production"
    team.clone.run("./samestack", "dbshell", environment, "--rehearsal", stdin="SELECT * FROM trap.report;\n")
    assert "(1 row)" in team.clone.output
    assert sprung(trapped) == []


def test_neither_is_who_copies_and_restores(team: Team, trapped: Machine) -> None:
    environment = "staging" if trapped.name.startswith("staging") else "production"
    before = team.live(environment)
    # The application itself would step into these two.
    sql(trapped, "SET search_path = public;" + TRAPS["search_path"][1] + TRAPS["view"][1])
    team.back_to("v1")
    team.samestack("deploy", environment, ref=team.commit("copied", versions.touch), release_restore_points="always")
    team.samestack("rollback", environment, database="restore", confirm=True)
    assert team.live(environment) == before
    assert sprung(trapped) == []
    assert trapped.browser().get("/").status == 200
    sql(trapped, "SET search_path = public;" + TRAPS["view"][0])


@pytest.mark.parametrize("database", ["postgres", "template1"])
@pytest.mark.parametrize("role", ["samestack", "{user}"])
def test_the_application_has_one_database(victim: Machine, app: Actor, database: str, role: str) -> None:
    command = f"psql -XqAt -U {role.format(user=victim.variable('database_user'))} -d {database} -c 'SELECT 1'"
    assert app.tries(command)[0] != 0


@pytest.mark.parametrize("role", ["postgres", "samestack"])
def test_nobody_is_let_in_as_a_role_of_ours(victim: Machine, app: Actor, stranger: Actor, role: str) -> None:
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
