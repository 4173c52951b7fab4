"""A copy that takes the place of an application's database; its roles and rights are another machine's."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import secrets
import subprocess
import tempfile
import threading
from typing import TYPE_CHECKING

from ..common import postgresql
from ..common.errors import HostError
from ..common.folders import OPEN_TO_PASS, PRIVATE, make_folder, remove
from ..common.postgresql import identifier
from ..common.text import last_lines
from ..release.database.restore_points import Points, Server, restorable
from .plain_dump import Lexer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

#: How files in pg_dump's own format begin, and what stands where in tar's
CUSTOM, TAR, TAR_AT = b"PGDMP", b"ustar", 257
#: The releases of psql from which on it knows `\\restrict`, by their first number; later ones do from the start
RESTRICTS = {14: 19, 15: 14, 16: 10, 17: 6}
ARRIVING = "arriving.dump"
#: Rights of roles, some of which may not be here
RIGHTS = ("ACL ", "DEFAULT ACL ")
#: How many times its size a dump takes in the database: packed ones are a quarter or a tenth; others lack the indexes.
PACKED_GROWS, GROWS = 10, 2


def digest(path: str) -> str:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            found.update(block)
    return found.hexdigest()


def is_custom(path: str) -> bool:
    """Return whether a file is in pg_dump's custom format, of which several parts are read at a time."""
    with open(path, "rb") as file:
        return file.read(len(CUSTOM)) == CUSTOM


def first_lines(version: str) -> list[str]:
    """Return what is said to psql first: where it can, it refuses commands of its own in all that follows."""
    found = re.search(r"(\d+)\.(\d+)", version)
    major, minor = (int(found[1]), int(found[2])) if found else (0, 0)
    if major not in RESTRICTS and major <= max(RESTRICTS):
        return []
    return [f"\\restrict {secrets.token_hex(16)}\n"] if minor >= RESTRICTS.get(major, 0) else []


def advice(said: str) -> str:
    """Return what to do about what PostgreSQL said of a dump."""
    if found := re.search(r'(?:permission denied to create )?extension "([^"]+)"(?: is not available)?', said):
        return (
            f"Write `database_extensions: [{found[1]}]` in inventories/group_vars/all/app.yml and provision, then load "
            "this again."
        )
    return ""


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
        if self.is_archive():
            self.listed(self.file)
        self.check_space(os.path.getsize(self.file) * (PACKED_GROWS if is_custom(self.file) else GROWS))

    def is_archive(self) -> bool:
        """Return whether the file is one for pg_restore (custom format, or tar), and no SQL."""
        with open(self.file, "rb") as file:
            begin = file.read(TAR_AT + len(TAR))
        return begin.startswith(CUSTOM) or begin[TAR_AT:] == TAR

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
        """Give the database that was replaced its name again, and take the file away; returns whether one was."""
        replaced = sorted(name for name in self.replaced() if not name.endswith("_restoring"))
        if not replaced:
            return False
        failed = f"{self.database}_restoring"
        self.server.sql(f"DROP DATABASE IF EXISTS {identifier(failed)} WITH (FORCE)")
        self.exchange(replaced[-1], failed)
        self.clear()
        return True

    def clear(self) -> None:
        """Take the file away, and what a run that was cut off has left."""
        remove(self.arrived)
        self.server.sql(f"DROP DATABASE IF EXISTS {identifier(f'{self.database}_restoring')} WITH (FORCE)")

    def restore_into(self, fresh: str, copy: str) -> None:
        """Restore all that is the application's as the owner; then rights, as far as their roles are here."""
        if not self.is_archive():
            self.play(fresh, copy)
            return
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
            several = ("--jobs", jobs) if is_custom(copy) else ()
            program = (
                "pg_restore", *options, "--no-owner", "--no-tablespaces", *several, "--use-list", chosen.name
            )  # fmt: skip
            command = postgresql.client(*program, port=self.server.port, database=fresh, role=role)
            try:
                self.server.run([*command, copy], role)
            except HostError as error:
                if options:
                    raise HostError(str(error), advice(str(error))) from None

    def play(self, fresh: str, copy: str) -> None:
        """Have psql read SQL as the owner, without what is about roles; raises HostError."""
        role = self.names.owner
        psql = postgresql.psql(port=self.server.port, database=fresh, role=role)
        version = str(self.server.run(["psql", "--version"], role, stdout=subprocess.PIPE).stdout)
        # Its letters are bytes, whatever stands for which: only those of ASCII matter here.
        process = self.server.start(
            psql, role, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="latin-1", errors="strict"
        )
        assert process.stdin is not None
        assert process.stderr is not None
        heard: list[str] = []
        listener = threading.Thread(target=lambda errors: heard.append(errors.read()), args=[process.stderr])
        listener.start()
        try:
            with open(copy, encoding="latin-1", newline="") as lines, contextlib.suppress(BrokenPipeError):
                for text in itertools.chain(first_lines(version), Lexer().read(lines)):
                    process.stdin.write(text)
        except BaseException:
            process.kill()
            raise
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()
            listener.join()
        if process.returncode:
            said = last_lines("".join(heard).encode("latin-1").decode(errors="replace"))
            raise HostError(f"The dump cannot be loaded.\n{said}", advice(said))
