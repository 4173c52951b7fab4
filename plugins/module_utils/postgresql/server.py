"""The database server on this host, through psql: a host needs no driver for Python. Who may be where, says
`common/postgresql.py`.
"""

from __future__ import annotations

import os
import pwd
import subprocess

from ..common import postgresql
from ..common.postgresql import READER as MONITOR
from ..common.postgresql import SERVER_DATABASE, SUPERUSER, identifier, literal

__all__ = ["MONITOR", "SERVER_DATABASE", "SUPERUSER", "Server", "ServerError", "identifier", "literal"]


class ServerError(Exception):
    """psql failed; the text is what it said."""


class Server:
    """The server whose socket has the port's name; its account may log in as each role of ours (pg_ident.conf)."""

    def __init__(self, port: int) -> None:
        """Take the port."""
        self.port = port
        self.account = pwd.getpwnam(postgresql.ACCOUNT)

    def sql(self, text: str, database: str = SERVER_DATABASE, role: str = SUPERUSER) -> str:
        """Run SQL and return its bare output; raises ServerError."""
        return self._run(postgresql.psql(port=self.port, database=database, role=role), text, role)

    def sql_of_superuser(self, text: str, database: str) -> str:
        """Run as the superuser, in another database than the server's own, what runs no code that lies there.

        So is a database into which nobody has got yet; so are a change of a schema's owner, and the script of an
        extension where no function of the application's is. Raises ServerError.
        """
        command = postgresql.psql(port=self.port)
        command[command.index("-d") + 1] = database
        return self._run(command, text, SUPERUSER)

    def _run(self, command: list[str], text: str, role: str) -> str:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, cwd="/",
            user=self.account.pw_uid, group=self.account.pw_gid, extra_groups=[],
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), **postgresql.settings(role, "provision")},
        )  # fmt: skip
        if done.returncode:
            raise ServerError(f"as {role}: {done.stderr.strip()}")
        return done.stdout.strip()
