"""PostgreSQL and Redis."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.machines import Environment, Machine


def query(
    machine: Machine, sql: str, user: str = "postgres", connection: str = "dbname=postgres", **values: str
) -> str:
    """Return what a query gives; in it, `:'name'` stands for one of the values."""
    given = " ".join(shlex.quote(f"--set={name}={value}") for name, value in values.items())
    psql = f"psql -X -A -t {given} -d {shlex.quote(connection)}"
    return machine.run(
        f"cd / && setpriv --reuid {user} --regid {user} --init-groups {psql} <<'SQL'\n{sql}\nSQL"
    ).strip()


def own(machine: Machine) -> dict[str, str]:
    """Return the names of the application's database and role."""
    return {"name": machine.variable("database_name"), "role": machine.variable("database_user")}


def test_the_settings_are_the_rules(database: Machine) -> None:
    (path,) = database.expected.matching(r"/etc/postgresql/.*/conf\.d/samestack\.conf")
    sql = "select name, error from pg_file_settings where sourcefile = :'path' and (error is not null or not applied)"
    assert query(database, sql, path=path) == ""
    assert query(database, "select count(*) from pg_settings where pending_restart") == "0"


def test_the_memory_fits_the_machine(database: Machine) -> None:
    shared = int(query(database, "select setting::bigint * 8 / 1024 from pg_settings where name = 'shared_buffers'"))
    share = 2 if database.value("postgresql_shared_machine") else 1
    assert shared <= max(database.facts["memory_mb"] // share // 4, 32)


def test_text_and_time(database: Machine) -> None:
    sql = "select pg_encoding_to_char(encoding) from pg_database where datname = :'name'"
    assert query(database, sql, **own(database)) == "UTF8"
    assert query(database, "show timezone") in ("Etc/UTC", "UTC")


def test_the_owner_owns_everything_and_the_application_changes_rows(database: Machine) -> None:
    names = own(database) | {"owner": database.variable("database_owner")}
    sql = "select pg_get_userbyid(datdba) from pg_database where datname = :'name'"
    assert query(database, sql, **names) == names["owner"]
    sql = "select rolname from pg_roles where rolsuper or rolcreaterole or rolcreatedb"
    makes = {names["owner"]} if database.value("postgresql_tests") else set()
    assert set(query(database, sql).split()) == {"postgres"} | makes
    inside = f"dbname={names['name']}"
    others = """select n.nspname || '.' || relname from pg_class c join pg_namespace n on n.oid = relnamespace
        where nspname !~ '^pg_' and nspname <> 'information_schema' and relkind in ('r', 'p', 'v', 'S')
        and pg_get_userbyid(relowner) <> :'owner'
        and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')"""
    assert query(database, others, connection=inside, **names) == ""
    rights = """select bool_and(has_table_privilege(:'role', c.oid, 'SELECT')
        and has_table_privilege(:'role', c.oid, 'INSERT') = (relname <> 'django_migrations')
        and not has_table_privilege(:'role', c.oid, 'TRIGGER')) from pg_class c
        where relkind = 'r' and relnamespace = 'public'::regnamespace and pg_get_userbyid(relowner) = :'owner'"""
    if names["owner"] != names["role"]:
        assert query(database, rights, connection=inside, **names) in ("t", "")


def test_only_the_application_is_let_in_without_a_password(database: Machine) -> None:
    connection = "user={role} dbname={name}".format(**own(database))
    owner = f"user={database.variable('database_owner')} dbname={database.variable('database_name')}"
    for peer in database.value("postgresql_peers"):
        assert query(database, "select 1", peer, connection) == "1"
    for peer in database.value("postgresql_owner_peers"):
        assert query(database, "select 1", peer, owner) == "1"
    stranger = "cd / && setpriv --reuid www-data --regid www-data --init-groups"
    assert database.host.run(f"{stranger} psql -X -d '{connection}' -c 'select 1'").rc != 0


def test_the_network_needs_tls_and_scram(database: Machine) -> None:
    rules = query(database, "select type, auth_method from pg_hba_file_rules where type <> 'local'").splitlines()
    assert len(rules) == len(database.value("postgresql_clients"))
    assert set(rules) <= {"hostssl|scram-sha-256"}


def test_the_application_speaks_tls_to_another_machine(environment: Environment) -> None:
    sql = "select bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid) where client_addr = :'client'"
    for server in environment.machines("db"):
        for address in server.value("postgresql_clients"):
            environment.machines("web")[0].browser().get("/")
            assert query(server, sql, client=address) == "t"


def test_redis_keeps_what_it_is_told(redis: Machine) -> None:
    assert "appendonly yes" in redis.run("cat /etc/redis/redis.conf")


def test_redis_listens_to_other_machines_over_tls_only(redis: Machine) -> None:
    listening = redis.run("ss -Hltn sport = 6379").split()[3::5]
    if redis.value("redis_clients"):
        assert "tls-port 6379" in redis.run("grep -E '^(tls-)?port ' /etc/redis/redis.conf").splitlines()
    else:
        assert listening == ["127.0.0.1:6379"]


def test_redis_answers_only_its_group(redis: Machine) -> None:
    socket = "/run/redis/redis-server.sock"
    own = "REDISCLI_AUTH=$(cat /etc/samestack/redis-password) redis-cli --user samestack"
    assert redis.run(f"{own} -s {socket} ping").strip() == "PONG"
    assert redis.run(f"redis-cli -s {socket} ping").startswith("NOAUTH")
    assert (
        redis.host.run(
            f"setpriv --reuid nobody --regid nogroup --clear-groups redis-cli -s {socket} ping"
        ).stdout.strip()
        != "PONG"
    )


def test_redis_refuses_those_without_the_password(environment: Environment) -> None:
    for server in environment.machines("cache"):
        for address in server.value("redis_clients") if server.variable("app_redis") else []:
            client = next(other for other in environment.machines() if other.address == address)
            python = f"/srv/{client.app}/current/venv/bin/python"
            script = f"import redis; redis.Redis(host='{server.address}', ssl=True, ssl_cert_reqs='none').ping()"
            refused = client.host.run(f'{python} -c "{script}"')
            assert refused.rc != 0
            assert "authenticat" in refused.stderr.lower()
