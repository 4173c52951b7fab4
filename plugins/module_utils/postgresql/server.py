"""The database server on this host, through its own programs: a host needs no driver for Python.

As which role, and in which database, says `common/postgresql.py`.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import TYPE_CHECKING, Any

from ..common import postgresql
from ..common.errors import HostError
from ..common.text import last_lines

if TYPE_CHECKING:
    from collections.abc import Sequence


class Server:
    """The server whose socket has the port's name; its account may log in as each of the roles (pg_ident.conf)."""

    def __init__(self, port: int, purpose: str) -> None:
        """Take the port, and what the server's views are to show as the name of the program."""
        self.port = port
        self.purpose = purpose
        self.account = pwd.getpwnam(postgresql.ACCOUNT)

    def start(self, command: Sequence[str], role: str, **options: Any) -> subprocess.Popen[str]:
        """Start one of the server's programs as a role; it says what goes wrong to a pipe."""
        return subprocess.Popen(
            command, user=self.account.pw_uid, group=self.account.pw_gid,
            extra_groups=[], cwd="/", stderr=subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), **postgresql.settings(role, self.purpose)},
            **{"text": True, "errors": "replace", **options},
        )  # fmt: skip

    def run(
        self, command: Sequence[str], role: str, input: str | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the server's programs as a role; raises HostError with what it said."""
        if input is not None:
            options["stdin"] = subprocess.PIPE
        with self.start(command, role, **options) as process:
            out, said = process.communicate(input)
        if process.returncode:
            raise HostError(f"`{command[0]}` failed as {role}.\n{last_lines(said)}")
        return subprocess.CompletedProcess(command, process.returncode, out, said)

    def sql(self, text: str, database: str = postgresql.SERVER_DATABASE, role: str = postgresql.SUPERUSER) -> str:
        """Run SQL and return its bare output; raises HostError."""
        command = postgresql.psql(port=self.port, database=database, role=role)
        return str(self.run(command, role, input=text, stdout=subprocess.PIPE).stdout).strip()

    def sql_of_superuser(self, text: str, database: str) -> None:
        """Run as the superuser, in another database than the server's own, what runs no code that lies there.

        That is so in a database into which nobody has got yet, for a change of a schema's owner, and for the script of
        an extension where no function of the application's is. Raises HostError.
        """
        command = postgresql.psql(port=self.port)
        command[command.index("-d") + 1] = database
        self.run(command, postgresql.SUPERUSER, input=text, stdout=subprocess.PIPE)
