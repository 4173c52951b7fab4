"""A copy that takes the place of an application's database; its roles and rights are another machine's."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from typing import TYPE_CHECKING

from ..common import postgresql
from ..common.errors import HostError
from ..common.folders import OPEN_TO_PASS, PRIVATE, make_folder, remove
from ..common.postgresql import identifier
from ..release.database.restore_points import Points, Server, restorable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

ARRIVING = "arriving.dump"
#: Rights of roles, some of which may not be here
RIGHTS = ("ACL ", "DEFAULT ACL ")
#: What is dumped is compressed to a quarter or a tenth.
GROWS = 10


def digest(path: str) -> str:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            found.update(block)
    return found.hexdigest()


class Arrival(Points):
    """A copy that came to this machine."""

    def __init__(self, params: Mapping[str, Any], folder: str, server: Server | None = None) -> None:
        """Take the parameters of restore points, where copies lie that have come, and the server."""
        super().__init__(params, server)
        self.arrived = os.path.join(folder, params["app"])
        self.file = os.path.join(self.arrived, ARRIVING)

    def prepare(self) -> str:
        """Make the folder in which a copy arrives, and take away what an earlier run has left; returns the file."""
        remove(self.arrived)
        make_folder(os.path.dirname(self.arrived), OPEN_TO_PASS).close()
        make_folder(self.arrived, PRIVATE).close()
        return self.file

    def receive(self, sha256: str = "") -> None:
        """Look at what has arrived before anything is touched; raises HostError."""
        if sha256 and digest(self.file) != sha256:
            raise HostError("The copy was damaged on its way.", "Run the same command again.")
        # The server reads its own file there, and can put nothing else in its place.
        make_folder(self.arrived, OPEN_TO_PASS).close()
        os.chown(self.file, self.server.account.pw_uid, self.server.account.pw_gid, follow_symlinks=False)
        self.listed(self.file)
        self.check_space(os.path.getsize(self.file) * GROWS)

    def listed(self, copy: str) -> list[str]:
        """Return the lines of a copy's contents; raises HostError for what is none."""
        try:
            found = self.server.run(["pg_restore", "--list", copy], self.names.owner, stdout=subprocess.PIPE).stdout
        except HostError as error:
            hint = "A dump of a newer PostgreSQL than this machine's cannot be read here."
            raise HostError(f"This cannot be read as a dump: {error}", hint) from None
        return str(found).split("\n")

    def put(self) -> str:
        """Let the copy take the database's place; returns the name of the one that it replaces. Raises HostError."""
        return self.replace_with(self.file, os.path.getsize(self.file))

    def put_back(self) -> bool:
        """Give the database that was replaced its name again; returns whether one was."""
        replaced = sorted(name for name in self.replaced() if not name.endswith("_restoring"))
        if not replaced:
            return False
        failed = f"{self.database}_restoring"
        self.server.sql(f"DROP DATABASE IF EXISTS {identifier(failed)} WITH (FORCE)")
        self.exchange(replaced[-1], failed)
        self.server.sql(f"DROP DATABASE {identifier(failed)} WITH (FORCE)")
        return True

    def clear(self) -> None:
        """Take the file away, and what a run that was cut off has left."""
        remove(self.arrived)
        self.server.sql(f"DROP DATABASE IF EXISTS {identifier(f'{self.database}_restoring')} WITH (FORCE)")

    def restore_into(self, fresh: str, copy: str) -> None:
        """Restore all that is the application's as the owner; then rights, as far as their roles are here."""
        lines = restorable(self.listed(copy), ())
        rights = [line for line in lines if line.split(" ", 3)[-1].startswith(RIGHTS)]
        self.use(fresh, copy, [line for line in lines if line not in rights], "--exit-on-error")
        if rights:
            self.use(fresh, copy, rights)

    def use(self, fresh: str, copy: str, lines: Sequence[str], *options: str) -> None:
        """Restore some of a copy's contents; what cannot be done is passed over unless an option says otherwise."""
        role = self.names.owner
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="samestack-arriving-") as chosen:
            chosen.write("\n".join(lines) + "\n")
            chosen.flush()
            os.fchown(chosen.fileno(), self.server.account.pw_uid, self.server.account.pw_gid)
            jobs = str(min(os.cpu_count() or 1, 4))
            program = ("pg_restore", *options, "--no-owner", "--jobs", jobs, "--use-list", chosen.name)
            command = postgresql.client(*program, port=self.server.port, database=fresh, role=role)
            try:
                self.server.run([*command, copy], role)
            except HostError:
                if options:
                    raise
