#!/usr/bin/python
"""The application's database, its roles and its extensions in a PostgreSQL server on this host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_application
short_description: An application's database, its roles and its extensions, in one step
description:
  - Looks at everything with a few C(psql) runs and changes only what differs. A run without changes costs one remote
    call, and the host needs no database driver for Python. The modules of C(community.postgresql) would be a dozen
    calls, that driver on every host, and a collection to install.
  - The owner has the database and everything in it, and migrates; the application's role changes rows; the reader
    reads. What belonged to the application before is given to the owner. The database is UTF-8 and sorts by code point
    (C.UTF-8), the same on every release of the operating system.
  - The superuser does nothing in the application's database. What needs one there (extensions that PostgreSQL does not
    call trusted) is made before anybody else gets in, or while nothing else of its kind is in there.
  - Says which roles are as good as a superuser without being one of the server's own.
options:
  database: {description: Name of the database., type: str, required: true}
  user: {description: Role that logs in as the application., type: str, required: true}
  owner:
    description: Role that owns the database; the application's own, where that makes tables at run time.
    type: str
    required: true
  rows: {description: Group of the roles that change rows., type: str, required: true}
  reader: {description: Role that reads., type: str, required: true}
  password:
    description:
      - Password of the application's role, for connections over the network. The server is given its SCRAM verifier
        (RFC 5803), so that the password itself is in no log. Left alone when empty.
    type: str
    default: ""
  owner_password: {description: The same of the owner., type: str, default: ""}
  tests: {description: The owner makes databases for the application's tests., type: bool, default: false}
  extensions: {description: Extensions of the database., type: list, elements: str, default: []}
  port: {description: Port of the server; names the socket., type: int, default: 5432}
author: Samestack
"""

EXAMPLES = r"""
- name: Create the application's roles and database
  samestack.core.postgresql_application:
    database: noticeboard
    user: noticeboard
    owner: noticeboard_owner
    rows: noticeboard_rows
    reader: noticeboard_reader
    extensions: [unaccent]
"""

RETURN = r"""
done: {description: What was changed., type: list, elements: str, returned: always}
say: {description: Rights that no run has given., type: list, elements: str, returned: always}
"""

import base64
import hashlib
import hmac
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.postgresql import extensions
from ..module_utils.postgresql.ownership import Names, look_at_roles, membership_changes, role_changes, settle
from ..module_utils.postgresql.server import MONITOR, Server, ServerError, identifier, literal

#: What each privilege is called
RIGHTS = {
    "rolsuper": "superuser", "rolcreaterole": "may make roles", "rolcreatedb": "may make databases",
    "rolreplication": "may replicate", "rolbypassrls": "sees rows of others",
}  # fmt: skip
# PostgreSQL's own default (scram_iterations) and salt length
ITERATIONS, SALT_BYTES = 4096, 16


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


def password_changes(found: dict[str, Any] | None, user: str, password: str) -> list[tuple[str, str]]:
    """Return (what, SQL) that give a role its password."""
    if not password or password_matches(password, (found or {}).get("rolpassword")):
        return []
    verifier = scram_verifier(password, os.urandom(SALT_BYTES))
    return [(f"set the password of {user}", f"ALTER ROLE {identifier(user)} PASSWORD {literal(verifier)};")]


def unexpected(found: dict[str, Any], names: Names, tests: bool) -> list[str]:
    """Return what no run has given: rights of roles of ours, which are taken away, and others like superusers."""
    lines, ours, powerful = [], {role.name for role in names.roles()}, set(found["powerful"])
    for wanted in names.roles(tests=tests):
        role = found["roles"].get(wanted.name) or {}
        more = [word for right, word in RIGHTS.items() if role.get(right) and right not in wanted.privileges]
        # The owner is in the application's role, whatever that is.
        if wanted.name in powerful and not more and not powerful.intersection(wanted.groups):
            more = ["in a group that is as good as a superuser"]
        # Whether the owner makes databases, for tests, is decided, and may have been decided otherwise.
        if more == [RIGHTS["rolcreatedb"]] and wanted.name == names.owner:
            continue
        if more:
            lines.append(
                f"The role {wanted.name} had more rights than it was given: {', '.join(more)}. They are taken away; "
                "somebody had the rights of the server's superuser. `./samestack drift` shows since when."
            )
    if others := sorted(powerful - ours):
        lines.append(f"Superusers of the database server that are not its own: {', '.join(others)}")
    return lines


class Application:
    """The application's database and roles, as they have to be."""

    def __init__(self, module: AnsibleModule) -> None:
        """Take the module."""
        self.params, self.dry = module.params, module.check_mode
        self.server = Server(self.params["port"])
        fields = ("database", "user", "owner", "rows", "reader")
        self.names = Names(**{name: self.params[name] for name in fields})
        self.done: list[str] = []

    def change(self, changes: list[tuple[str, str]]) -> None:
        """Do what the superuser does, in its own database."""
        for what, sql in changes:
            self.done.append(what)
            if not self.dry:
                self.server.sql(sql)

    def run(self) -> dict[str, Any]:
        """Bring everything about; returns what was found of the roles before. Raises ServerError."""
        names, params = self.names, self.params
        wanted = names.roles(tests=params["tests"])
        found = look_at_roles(self.server, names, wanted)
        roles = found["roles"]
        for role in wanted:
            self.change(role_changes(roles.get(role.name), role))
        self.change(membership_changes(found["members"], wanted, found["powerful"], names))
        self.change(password_changes(roles.get(names.user), names.user, params["password"]))
        if names.owner != names.user:
            self.change(password_changes(roles.get(names.owner), names.owner, params["owner_password"]))
        missing = list(params["extensions"])
        if found["owner"] is None:
            self.create(missing)
        elif found["owner"] != names.owner:
            sql = f"ALTER DATABASE {identifier(names.database)} OWNER TO {identifier(names.owner)};"
            self.change([(f"give database {names.database} to {names.owner}", sql)])
        # In check mode nobody may look who is not there yet.
        if not self.dry or (found["owner"] and MONITOR in roles):
            self.done += settle(self.server, names, dry=self.dry)
            self.done += extensions.install(self.server, names, missing, dry=self.dry)
        return found

    def create(self, wanted: list[str]) -> None:
        """Create the database; nobody is in it before the superuser has made what only it may make there."""
        name = identifier(self.names.database)
        settings = "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' TEMPLATE template0"
        self.change(
            [(f"create database {self.names.database}", f"CREATE DATABASE {name} {settings} CONNECTION LIMIT 0;")]
        )
        if not self.dry:
            extensions.install_in_fresh(self.server, self.names.database, wanted)
            owner = identifier(self.names.owner)
            self.server.sql(f"ALTER DATABASE {name} OWNER TO {owner}; ALTER DATABASE {name} CONNECTION LIMIT -1;")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "owner": {"type": "str", "required": True},
            "rows": {"type": "str", "required": True},
            "reader": {"type": "str", "required": True},
            "password": {"type": "str", "default": "", "no_log": True},
            "owner_password": {"type": "str", "default": "", "no_log": True},
            "tests": {"type": "bool", "default": False},
            "extensions": {"type": "list", "elements": "str", "default": []},
            "port": {"type": "int", "default": 5432},
        },
        supports_check_mode=True,
    )
    params = module.params
    application = Application(module)
    try:
        found = application.run()
    except ServerError as error:
        module.fail_json(msg=f"PostgreSQL refused: {error}")
    after = "".join(f"{line}\n" for line in application.done)
    say = unexpected(found, application.names, params["tests"])
    module.exit_json(
        changed=bool(application.done), done=application.done, say=say, diff={"before": "", "after": after}
    )


if __name__ == "__main__":
    main()
