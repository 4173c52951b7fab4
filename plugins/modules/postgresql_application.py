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
  - The owner has the database and everything in it, and migrates. The application's role is in a group that changes
    rows (O(user) and C(_writers)); another role reads (O(user) and C(_reader)). What belonged to the application before
    is given to the owner. The database is UTF-8 and sorts by code point (C.UTF-8), the same on every release of the
    operating system.
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
  password:
    description:
      - Password of the application's role, for connections over the network. The server is given its SCRAM verifier
        (RFC 5803), so that the password itself is in no log. Left alone when left out, taken away when empty.
    type: str
  second_password:
    description:
      - Password of a second role (O(user) and C(_b)) that becomes the first when it has logged in, so that one of two
        passwords can be replaced while the other is used. Without one, it cannot log in.
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

from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.common.postgresql import READER, identifier, literal
from ..module_utils.postgresql import extensions
from ..module_utils.postgresql.ownership import (
    CLOSED,
    Names,
    hand_over,
    look_at_roles,
    membership_changes,
    role_changes,
    settle,
)
from ..module_utils.postgresql.server import Server

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
    """Return (what, SQL) that give a role its password, or take it away where that is empty."""
    stored = (found or {}).get("rolpassword")
    if not password:
        gone = f"ALTER ROLE {identifier(user)} PASSWORD NULL;"
        return [(f"take the password of {user} away", gone)] if stored else []
    if password_matches(password, stored):
        return []
    verifier = scram_verifier(password, os.urandom(SALT_BYTES))
    return [(f"set the password of {user}", f"ALTER ROLE {identifier(user)} PASSWORD {literal(verifier)};")]


def unexpected(found: dict[str, Any], names: Names, tests: bool) -> list[str]:
    """Return what no run has given: rights of these roles, which are taken away, and others as good as a superuser."""
    wanted, powerful = names.roles(tests=tests), set(found["powerful"])
    lines = []
    for one in wanted:
        role = found["roles"].get(one.name) or {}
        more = [word for right, word in RIGHTS.items() if role.get(right) and right not in one.privileges]
        # The owner is in the application's role, whatever that is.
        if one.name in powerful and not more and not powerful.intersection(one.groups):
            more = ["in a group that is as good as a superuser"]
        # Whether the owner makes databases, for tests, is decided, and may have been decided otherwise.
        if more and not (more == [RIGHTS["rolcreatedb"]] and one.name == names.owner):
            lines.append(
                f"The role {one.name} had more rights than it was given: {', '.join(more)}. They are taken away; "
                "somebody had the rights of the server's superuser. `./samestack drift` shows since when."
            )
    if others := sorted(powerful - {one.name for one in wanted}):
        lines.append(f"Superusers of the database server that are not its own: {', '.join(others)}")
    return lines


class Application:
    """The application's database and roles, as they have to be."""

    def __init__(self, module: AnsibleModule) -> None:
        """Take the module."""
        self.params, self.dry = module.params, module.check_mode
        self.server = Server(self.params["port"], "provision")
        self.names = Names(self.params["database"], self.params["user"], self.params["owner"])
        self.done: list[str] = []

    def change(self, changes: list[tuple[str, str]]) -> None:
        """Do what the superuser does, in its own database."""
        for what, sql in changes:
            self.done.append(what)
            if not self.dry:
                self.server.sql(sql)

    def run(self) -> dict[str, Any]:
        """Bring everything about; returns what was found of the roles before. Raises HostError."""
        names, params = self.names, self.params
        found = look_at_roles(self.server, names, names.roles())
        roles = found["roles"]
        second = bool(params["second_password"])
        wanted = names.roles(tests=params["tests"], second=second if second or names.second in roles else None)
        for role in wanted:
            self.change(role_changes(roles.get(role.name), role))
        self.change(membership_changes(found["members"], wanted, found["powerful"], names))
        if params["password"] is not None:
            self.change(password_changes(roles.get(names.user), names.user, params["password"]))
        if second and f"role={names.user}" not in (found["second"] or []):
            sql = f"ALTER ROLE {identifier(names.second)} SET role TO {literal(names.user)};"
            self.change([(f"let {names.second} be {names.user}", sql)])
        self.change(password_changes(roles.get(names.second), names.second, params["second_password"]))
        if names.owner != names.user and params["owner_password"]:
            self.change(password_changes(roles.get(names.owner), names.owner, params["owner_password"]))
        if found["owner"] is None:
            self.create()
        if found["owner"] != names.owner:
            name, owner = identifier(names.database), identifier(names.owner)
            closed = found["owner"] is None or found["closed"]
            give = hand_over(names.database, names.owner) if closed else f"ALTER DATABASE {name} OWNER TO {owner};"
            self.change([(f"give database {names.database} to {names.owner}", give)])
        # In check mode nobody may look who is not there yet.
        if not self.dry or (found["owner"] and READER in roles):
            self.done += settle(self.server, names, dry=self.dry)
            self.done += extensions.install(self.server, names, params["extensions"], dry=self.dry)
            # Nor may the owner where it has not made databases before.
            if params["tests"] and (not self.dry or (roles.get(names.owner) or {}).get("rolcreatedb")):
                self.done += extensions.install_in_template(
                    self.server, names.owner, params["extensions"], dry=self.dry
                )
        return found

    def create(self) -> None:
        """Create the database; nobody is in it before the superuser has made what only it may make there."""
        name = self.names.database
        settings = "ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8' TEMPLATE template0"
        self.change([(f"create database {name}", f"CREATE DATABASE {identifier(name)} {settings} {CLOSED};")])
        if not self.dry:
            extensions.install_in_fresh(self.server, name, self.params["extensions"])


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "owner": {"type": "str", "required": True},
            "password": {"type": "str", "no_log": True},
            "second_password": {"type": "str", "default": "", "no_log": True},
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
    except HostError as error:
        module.fail_json(msg=f"PostgreSQL refused: {error}", hint=error.hint)
    after = "".join(f"{line}\n" for line in application.done)
    say = unexpected(found, application.names, params["tests"])
    module.exit_json(
        changed=bool(application.done), done=application.done, say=say, diff={"before": "", "after": after}
    )


if __name__ == "__main__":
    main()
