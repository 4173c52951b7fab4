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
  - The role may log in and nothing else. Another one, C(samestack), is a member of C(pg_monitor); the recorder reads
    catalogues as that. Nobody of ours is a superuser inside the application's database, but for an extension that its
    owner may not create.
  - What the role could do beyond that, and which others are superusers, is said, since no run of ours has given it.
  - The database is UTF-8 and sorts by code point (C.UTF-8), the same on every release of the operating system.
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
say: {description: Rights that no run of ours has given., type: list, elements: str, returned: always}
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

from ..module_utils.common import postgresql
from ..module_utils.common.postgresql import READER, SERVER_DATABASE, SUPERUSER, identifier, literal

# PostgreSQL's own default (scram_iterations) and salt length
ITERATIONS, SALT_BYTES = 4096, 16
PRIVILEGES = ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls")

LOOK = """
SELECT json_build_object(
  'role', (SELECT row_to_json(r) FROM (SELECT rolcanlogin, {privileges}, rolpassword
           FROM pg_authid WHERE rolname = {user}) r),
  'reader', (SELECT row_to_json(r) FROM (SELECT rolcanlogin, {privileges}, pg_has_role(oid, 'pg_monitor', 'MEMBER')
             AS monitors FROM pg_authid WHERE rolname = {reader}) r),
  'superusers', (SELECT coalesce(json_agg(rolname ORDER BY 1), '[]') FROM pg_authid
                 WHERE rolsuper AND rolname NOT IN ({user}, {reader}, {superuser})),
  'owner', (SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = {database}))
"""
#: What each privilege is called
WORDS = {
    "rolsuper": "superuser", "rolcreaterole": "may make roles", "rolcreatedb": "may make databases",
    "rolreplication": "may replicate", "rolbypassrls": "sees rows of others",
}  # fmt: skip


class ServerError(Exception):
    """psql failed; the text is what it said."""


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
    """The server on this host."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.account = pwd.getpwnam(postgresql.ACCOUNT)

    def run(self, sql: str, database: str = SERVER_DATABASE, role: str = SUPERUSER) -> str:
        """Run SQL and return its bare output; raises ServerError."""
        return self.play(postgresql.psql(port=self.port, database=database, role=role), sql, role)

    def create_extension(self, name: str, database: str, owner: str) -> None:
        """Create an extension as the database's owner, or as the superuser if it is not trusted; raises ServerError."""
        sql = f"CREATE EXTENSION {identifier(name)} CASCADE;"
        try:
            self.run(sql, database, owner)
        except ServerError as error:
            if "permission denied to create extension" not in str(error):
                raise
            # Its script belongs to the distribution; what it names is looked for in no schema of the application's.
            command = postgresql.psql(port=self.port)
            command[command.index("-d") + 1] = database
            self.play(command, f"CREATE EXTENSION {identifier(name)} SCHEMA public CASCADE;", SUPERUSER)

    def play(self, command: list[str], sql: str, role: str) -> str:
        """Run a psql and return what it prints; raises ServerError."""
        done = subprocess.run(
            command, input=sql, capture_output=True, text=True, check=False, cwd="/",
            user=self.account.pw_uid, group=self.account.pw_gid, extra_groups=[],
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), **postgresql.settings(role, "provision")},
        )  # fmt: skip
        if done.returncode:
            raise ServerError(done.stderr.strip())
        return done.stdout


def role_changes(found: dict[str, Any] | None, user: str, password: str) -> list[tuple[str, str]]:
    """Return (what, SQL) that bring the role to its state."""
    name = identifier(user)
    changes = []
    if found is None:
        changes.append((f"create role {user}", f"CREATE ROLE {name} LOGIN;"))
    elif not found["rolcanlogin"] or any(found[privilege] for privilege in PRIVILEGES):
        allowed = "LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS"
        changes.append((f"alter role {user}", f"ALTER ROLE {name} {allowed};"))
    if password and not password_matches(password, (found or {}).get("rolpassword")):
        verifier = scram_verifier(password, os.urandom(SALT_BYTES))
        changes.append((f"set the password of {user}", f"ALTER ROLE {name} PASSWORD {literal(verifier)};"))
    return changes


def reader_changes(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return (what, SQL) that bring the role that reads catalogues to its state."""
    changes = role_changes(found, READER, "")
    if not (found or {}).get("monitors"):
        changes.append((f"let {READER} read statistics", f"GRANT pg_monitor TO {identifier(READER)};"))
    return changes


def unexpected(found: dict[str, Any], user: str) -> list[str]:
    """Return what no run of ours has given: rights of our roles, which are taken away, and other superusers."""
    lines = []
    for name, role in ((user, found["role"]), (READER, found["reader"])):
        more = [word for privilege, word in WORDS.items() if (role or {}).get(privilege)]
        if more:
            lines.append(
                f"The role {name} had more rights than it was given: {', '.join(more)}. They are taken away; somebody "
                "had the rights of the server's superuser. `./samestack drift` shows since when."
            )
    if found["superusers"]:
        lines.append(f"Superusers of the database server that are not its own: {', '.join(found['superusers'])}")
    return lines


def database_changes(owner: str | None, database: str, user: str) -> list[tuple[str, str]]:
    """Return (what, SQL) that bring the database to its state."""
    name, role = identifier(database), identifier(user)
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
        user=literal(params["user"]),
        reader=literal(READER),
        superuser=literal(SUPERUSER),
        database=literal(params["database"]),
    )
    try:
        found = json.loads(server.run(look))
        changes = role_changes(found["role"], params["user"], params["password"]) + reader_changes(found["reader"])
        changes += database_changes(found["owner"], params["database"], params["user"])
        if not module.check_mode:
            for _, sql in changes:
                server.run(sql)
        missing = params["extensions"]
        # In check mode a database that is not there yet has none.
        if missing and not (module.check_mode and found["owner"] is None):
            there = server.run("SELECT extname FROM pg_catalog.pg_extension;", params["database"], params["user"])
            missing = [name for name in missing if name not in there.split()]
            for name in missing if not module.check_mode else []:
                server.create_extension(name, params["database"], params["user"])
    except ServerError as error:
        module.fail_json(msg=f"PostgreSQL refused: {error}")
    done = [what for what, _ in changes] + [f"create extension {name}" for name in missing]
    after = "".join(f"{line}\n" for line in done)
    say = unexpected(found, params["user"])
    module.exit_json(changed=bool(done), done=done, say=say, diff={"before": "", "after": after})


if __name__ == "__main__":
    main()
