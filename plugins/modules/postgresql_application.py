#!/usr/bin/python
"""The application's role, database and extensions in a PostgreSQL server on this host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_application
short_description: An application's database, its owner and its extensions, in one step
description:
  - Looks at everything with one C(psql) run and changes only what differs. A run without changes costs one remote call,
    and the host needs no database driver for Python. The modules of C(community.postgresql) would be three calls (1 to
    2 s a run), that driver on every host, and a collection to install.
  - The role may log in and nothing else. The database is UTF-8 and sorts by code point (C.UTF-8), the same on every
    release of the operating system.
options:
  database: {description: Name of the database., type: str, required: true}
  user: {description: Role that owns it., type: str, required: true}
  password:
    description:
      - Password of the role, for connections over the network. The server is given its SCRAM verifier (RFC 5803), so
        that the password itself is in no log. Left alone when empty.
    type: str
    default: ""
  extensions: {description: Extensions of the database., type: list, elements: str, default: []}
  port: {description: Port of the server; names the socket., type: int, default: 5432}
author: Samestack
"""

EXAMPLES = r"""
- name: Create the application's role and database
  samestack.core.postgresql_application:
    database: noticeboard
    user: noticeboard
    extensions: [unaccent]
"""

RETURN = r"""
done: {description: What was changed., type: list, elements: str, returned: always}
"""

import base64
import hashlib
import hmac
import json
import os
import pwd
import subprocess
from typing import Any

from ansible.module_utils.basic import AnsibleModule

SOCKETS = "/var/run/postgresql"
# PostgreSQL's own default (scram_iterations) and salt length
ITERATIONS, SALT_BYTES = 4096, 16
PRIVILEGES = ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls")

LOOK = """
SELECT json_build_object(
  'role', (SELECT row_to_json(r) FROM (SELECT rolcanlogin, {privileges}, rolpassword
           FROM pg_authid WHERE rolname = {user}) r),
  'owner', (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = {database}))
"""


class ServerError(Exception):
    """psql failed; the text is what it said."""


def quote_literal(text: str) -> str:
    """Return an SQL string constant."""
    return "'" + text.replace("'", "''") + "'"


def quote_name(text: str) -> str:
    """Return a quoted SQL identifier."""
    return '"' + text.replace('"', '""') + '"'


def scram_verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """Return what PostgreSQL stores for a password (RFC 5803; the password is taken as it is, without SASLprep)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${iterations}:{parts[0]}${parts[1]}:{parts[2]}"


def password_matches(password: str, stored: str | None) -> bool:
    """Return whether what the server stores was made from the password."""
    if not stored or not stored.startswith("SCRAM-SHA-256$"):
        return False
    iterations, _, salt = stored.split("$")[1].partition(":")
    return hmac.compare_digest(scram_verifier(password, base64.b64decode(salt), int(iterations)), stored)


class Server:
    """The server on this host, as its superuser."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.account = pwd.getpwnam("postgres")

    def run(self, sql: str, database: str = "postgres") -> str:
        """Run SQL and return its bare output; raises ServerError."""
        command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", SOCKETS, "-p", str(self.port), "-d", database]
        done = subprocess.run(
            command, input=sql, capture_output=True, text=True, check=False, cwd="/",
            user=self.account.pw_uid, group=self.account.pw_gid, extra_groups=[],
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "10"},
        )  # fmt: skip
        if done.returncode:
            raise ServerError(done.stderr.strip())
        return done.stdout


def role_changes(found: dict[str, Any] | None, user: str, password: str) -> list[tuple[str, str]]:
    """Return (what, SQL) that bring the role to its state."""
    name = quote_name(user)
    changes = []
    if found is None:
        changes.append((f"create role {user}", f"CREATE ROLE {name} LOGIN;"))
    elif not found["rolcanlogin"] or any(found[privilege] for privilege in PRIVILEGES):
        allowed = "LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS"
        changes.append((f"alter role {user}", f"ALTER ROLE {name} {allowed};"))
    if password and not password_matches(password, (found or {}).get("rolpassword")):
        verifier = scram_verifier(password, os.urandom(SALT_BYTES))
        changes.append((f"set the password of {user}", f"ALTER ROLE {name} PASSWORD {quote_literal(verifier)};"))
    return changes


def database_changes(owner: str | None, database: str, user: str) -> list[tuple[str, str]]:
    """Return (what, SQL) that bring the database to its state."""
    name, role = quote_name(database), quote_name(user)
    if owner is None:
        settings = "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' TEMPLATE template0"
        return [(f"create database {database}", f"CREATE DATABASE {name} OWNER {role} {settings};")]
    if owner != user:
        return [(f"give database {database} to {user}", f"ALTER DATABASE {name} OWNER TO {role};")]
    return []


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "default": "", "no_log": True},
            "extensions": {"type": "list", "elements": "str", "default": []},
            "port": {"type": "int", "default": 5432},
        },
        supports_check_mode=True,
    )
    params = module.params
    server = Server(params["port"])
    look = LOOK.format(
        privileges=", ".join(PRIVILEGES),
        user=quote_literal(params["user"]),
        database=quote_literal(params["database"]),
    )
    try:
        found = json.loads(server.run(look))
        changes = role_changes(found["role"], params["user"], params["password"])
        changes += database_changes(found["owner"], params["database"], params["user"])
        if not module.check_mode:
            for _, sql in changes:
                server.run(sql)
        missing = params["extensions"]
        # In check mode a database that is not there yet has none.
        if missing and not (module.check_mode and found["owner"] is None):
            there = server.run("SELECT extname FROM pg_extension;", params["database"]).split()
            missing = [name for name in missing if name not in there]
            for name in missing if not module.check_mode else []:
                server.run(f"CREATE EXTENSION {quote_name(name)} CASCADE;", params["database"])
    except ServerError as error:
        module.fail_json(msg=f"PostgreSQL refused: {error}")
    done = [what for what, _ in changes] + [f"create extension {name}" for name in missing]
    after = "".join(f"{line}\n" for line in done)
    module.exit_json(changed=bool(done), done=done, diff={"before": "", "after": after})


if __name__ == "__main__":
    main()
