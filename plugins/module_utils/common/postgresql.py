"""Asks the PostgreSQL server on this host: as which role, and in which database.

An application's database is the application's room. A view in place of a table, a function in a constraint, an operator
in a schema that is searched first: whoever is in a session there may run what somebody has put in the way, with all
rights of the session, also those that were put aside by `SET ROLE`. So the superuser is never in one: it has the
server's own database, and everything in the application's is done as a role that has no more than it needs.
"""

from __future__ import annotations

#: Folder of the unix sockets of Debian's and Ubuntu's packages
SOCKETS = "/var/run/postgresql"
#: The system account that all of these roles are open to (pg_ident.conf)
ACCOUNT = "postgres"
SUPERUSER = "postgres"
#: Reads catalogues and statistics (pg_monitor), owns nothing
READER = "samestack"
#: The server's own database, in which the application may not be
SERVER_DATABASE = "postgres"
#: Whoever is in one of these is as good as a superuser.
RUN_PROGRAMS = ("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files")
#: SQL: the roles that are as good as a superuser without being the one that the server was made with (oid 10). Before
#: PostgreSQL 16 CREATEROLE hands out every role.
POWERFUL = """
SELECT r.rolname AS name FROM pg_catalog.pg_roles r
WHERE r.oid <> 10 AND r.rolname !~ '^pg_' AND (r.rolsuper
  OR (r.rolcreaterole AND pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 160000)
  OR EXISTS (SELECT FROM pg_catalog.pg_roles s WHERE s.oid <> r.oid AND pg_catalog.pg_has_role(r.oid, s.oid, 'MEMBER')
    AND (s.rolsuper OR s.rolname IN
      ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'))))
ORDER BY r.rolname"""
#: Nothing is found in somebody's schema; temporary tables come last.
CATALOGUE_ONLY = "-c search_path=pg_catalog,pg_temp"
CONNECT_SECONDS = 20


def client(program: str, *options: str, port: int, database: str, role: str) -> list[str]:
    """Return the command line of one of the server's programs.

    Args:
        program: psql, pg_dump or pg_restore.
        options: its own.
        port: of the server; names the socket.
        database: which one it is in.
        role: as whom.

    Raises:
        ValueError: for the superuser in any database but the server's own.
    """
    if role == SUPERUSER and database != SERVER_DATABASE:
        raise ValueError(f"the superuser has nothing to do in the database {database}")
    return [program, *options, "-w", "-h", SOCKETS, "-p", str(port), "-U", role, "-d", database]


def psql(*, port: int, database: str = SERVER_DATABASE, role: str = SUPERUSER) -> list[str]:
    """Return a psql that reads SQL from its input, stops at the first error, and prints bare values."""
    return client("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", port=port, database=database, role=role)


def settings(role: str, purpose: str) -> dict[str, str]:
    """Return the environment variables for such a program; only roles of ours are kept out of the user's schemas."""
    own = {"PGCONNECT_TIMEOUT": str(CONNECT_SECONDS), "PGAPPNAME": f"samestack {purpose}", "LC_ALL": "C.UTF-8"}
    return own | ({"PGOPTIONS": CATALOGUE_ONLY} if role in (SUPERUSER, READER) else {})


def literal(text: str) -> str:
    """Return an SQL string constant, whatever standard_conforming_strings says."""
    quoted = text.replace("'", "''")
    return f"E'{quoted.replace(chr(92), chr(92) * 2)}'" if "\\" in text else f"'{quoted}'"


def identifier(text: str) -> str:
    """Return a quoted SQL identifier."""
    return '"' + text.replace('"', '""') + '"'
