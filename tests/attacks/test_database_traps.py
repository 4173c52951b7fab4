"""The database: whoever laid traps in the application's schema catches nobody who has more rights.

In a file of its own: its traps stand in the place of the application's own tables while it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.attacks.conftest import MACHINES, sql
from tests.support import versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.attacks.conftest import Everywhere
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


def sprung(machine: Machine) -> list[str]:
    """Return the traps that a superuser has stepped into."""
    return machine.run(f"ls {SPRUNG} 2>/dev/null || true").split()


@pytest.fixture(scope="module")
def all_trapped(team: Team) -> Iterator[None]:
    """Both machines: in each schema a migration has laid all traps at once."""
    machines = [team.machine(kind) for kind in MACHINES]
    for machine in machines:
        machine.run(f"rm -rf {SPRUNG}")
        sql(machine, TRAP + "".join(trap for trap, _ in TRAPS.values()))
    yield
    away = "".join(away for _, away in TRAPS.values())
    for machine in machines:
        sql(machine, f"SET search_path = public;{away}DROP SCHEMA trap CASCADE;")
        machine.run(f"rm -rf {SPRUNG}")


@pytest.fixture(params=MACHINES)
def trapped(request: pytest.FixtureRequest, team: Team, all_trapped: None) -> Machine:
    """One of them. Each test is done with both before the next begins: the last one takes traps away."""
    return team.machine(request.param)


def test_the_traps_work(trapped: Machine) -> None:
    """Whoever is a superuser there is caught: without that, no other test here would mean anything."""
    sql(trapped, "SELECT count(*) FROM public.django_migrations; SELECT * FROM trap.report;", "postgres")
    assert {"prompt", "view"} <= set(sprung(trapped))
    trapped.run(f"rm -rf {SPRUNG}")


def test_the_recorder_is_no_superuser_there(everywhere: Everywhere, trapped: Machine) -> None:
    everywhere(trapped, record)


def record(_team: Team, machine: Machine) -> None:
    before = machine.run("cat /var/lib/samestack/manifests.jsonl | wc -l")
    machine.run("systemctl start samestack-manifest@nightly.service")
    assert machine.run("cat /var/lib/samestack/manifests.jsonl | wc -l") != before
    assert sprung(machine) == []
    assert "trap.spring" in machine.run("cat /var/lib/samestack/manifest.json")


def test_a_prompt_is_no_superuser_there(team: Team, trapped: Machine) -> None:
    environment = trapped.kind
    team.clone.run("./samestack", "dbshell", environment, "--rehearsal", stdin="SELECT * FROM trap.report;\n")
    assert "(1 row)" in team.clone.output
    for role, user in (("app", trapped.variable("database_user")), ("owner", trapped.variable("database_owner"))):
        asked = "SELECT current_user, session_user; SELECT * FROM trap.report;\n"
        team.clone.run("./samestack", "dbshell", environment, "--rehearsal", "--as", role, stdin=asked)
        assert f" {user} " in team.clone.output
    assert sprung(trapped) == []


def test_neither_is_who_copies_and_restores(everywhere: Everywhere, team: Team, trapped: Machine) -> None:
    if "copied" not in team.git("tag"):
        team.back_to("v1")
        team.commit("copied", versions.touch)
    everywhere(trapped, copy_and_restore)


def copy_and_restore(team: Team, machine: Machine) -> None:
    before = team.live(machine.kind)
    # The application itself would step into these two.
    sql(machine, "SET search_path = public;" + TRAPS["search_path"][1] + TRAPS["view"][1])
    team.samestack("deploy", machine.kind, ref="copied", release_restore_points="always")
    team.samestack("rollback", machine.kind, database="restore", confirm=True)
    assert team.live(machine.kind) == before
    assert sprung(machine) == []
    assert machine.browser().get("/").status == 200
    sql(machine, "SET search_path = public;" + TRAPS["view"][0])
