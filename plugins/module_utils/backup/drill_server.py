"""The server that a restored backup becomes: a scratch one, on a socket in a folder, which nobody else reaches."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from ..common.errors import HostError
from ..common.postgresql import CATALOGUE_ONLY, literal
from .pgbackrest import plain
from .restore import FLOOR
from .settings import DRILL_HOME

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA, SOCKETS, LOG = (f"{DRILL_HOME}/{name}" for name in ("data", "run", "server.log"))
PORT = 5432
#: Seconds for the WAL, and for what is asked of the server
REPLAY, ASK = 86400, 600
#: What it has of memory
BUFFERS = "64MB"
POLL_SECONDS = 0.2
#: Settings that the server writes itself, and what in them says how far it recovers
SETTINGS, TARGET = f"{DATA}/postgresql.auto.conf", re.compile("recovery_target(_name|_action)? ")
PLAIN = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}


class ScratchServer:
    """The server of what was restored into DATA."""

    process: subprocess.Popen[bytes]

    @property
    def version(self) -> str:
        """Return the major version of the restored server; raises HostError where its programs are not on this host."""
        with open(f"{DATA}/PG_VERSION", encoding="ascii") as file:
            version = file.read(8).strip()
        if not version.isdecimal() or not os.path.exists(f"/usr/lib/postgresql/{version}/bin/postgres"):
            raise HostError(
                f"What is restored is of PostgreSQL {version[:8]}, which is not on this host: give the machine that "
                "keeps the backups the same release of the system as the database's."
            )
        return version

    def recovers(self, command: str, point: str, line: int) -> None:
        """Let the server recover to a restore point of a timeline and wait there, or to its end; raises OSError.

        pgBackRest would do so, and version 2.44 then gives the file to an account that the drill is not.

        Args:
            command: brings a segment of WAL, in PostgreSQL's words (`%f`, `%p`).
            point: the name of the restore point; "" for the end.
            line: the timeline.
        """
        told = {
            "restore_command": command,
            "recovery_target_timeline": str(line),
            **({"recovery_target_name": point, "recovery_target_action": "pause"} if point else {}),
        }  # fmt: skip
        with open(SETTINGS, "a", encoding="utf-8") as file:
            file.write("".join(f"{name} = {literal(value)}\n" for name, value in told.items()))
        with open(f"{DATA}/recovery.signal", "x", encoding="ascii"):
            pass

    def goes_on(self) -> None:
        """Let the server recover to the end, when it starts again; raises OSError."""
        with open(SETTINGS, encoding="utf-8") as file:
            lines = [line for line in file if not TARGET.match(line)]
        with open(SETTINGS, "w", encoding="utf-8") as file:
            file.writelines(lines)

    def options(self) -> list[str]:
        """Return the options of the server: its own, and what the WAL asks for."""
        version = self.version
        command = [f"/usr/lib/postgresql/{version}/bin/pg_controldata", "-D", DATA]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**PLAIN, "LC_ALL": "C"})
        floor = {}
        for setting, shown in FLOOR.items():
            if match := re.search(rf"^{shown} setting: +(\d+)$", done.stdout, re.MULTILINE):
                floor[setting] = match[1]
        # Debian has the server's configuration elsewhere, and none of it is in a backup.
        for name, text in (("hba", "local all all trust\n"), ("server", "")):
            with open(f"{DRILL_HOME}/{name}.conf", "w", encoding="ascii") as file:
                file.write(text)
        own = {
            "config_file": f"{DRILL_HOME}/server.conf",
            "listen_addresses": "", "unix_socket_directories": SOCKETS, "port": str(PORT), "archive_mode": "off",
            "hba_file": f"{DRILL_HOME}/hba.conf", "ident_file": "/dev/null", "shared_buffers": BUFFERS, "fsync": "off",
            "shared_preload_libraries": "", "session_preload_libraries": "", "local_preload_libraries": "",
            "ssl": "off",
            "logging_collector": "off", "hot_standby": "on", "autovacuum": "off", "wal_level": "replica",
        }  # fmt: skip
        return [word for name, value in {**own, **floor}.items() for word in ("-c", f"{name}={value}")]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Have the server run."""
        program = f"/usr/lib/postgresql/{self.version}/bin/postgres"
        with open(LOG, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [program, "-D", DATA, *self.options()],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=DRILL_HOME, env=PLAIN,
            )  # fmt: skip
            try:
                yield
            finally:
                if self.process.poll() is None:
                    # A fast shutdown
                    self.process.send_signal(signal.SIGINT)
                try:
                    self.process.wait(120)
                except subprocess.TimeoutExpired:
                    self.process.kill()

    def wait_for(self, question: str, answer: str = "t") -> None:
        """Wait until the server answers so; raises HostError where it ends before."""
        deadline = time.monotonic() + REPLAY
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                with open(LOG, encoding="utf-8", errors="replace") as log:
                    fatal = [line for line in log if re.search("FATAL|PANIC", line)]
                raise HostError(f"The restored server does not run: {plain(' '.join(fatal[-2:])) or 'it says nothing'}")
            with contextlib.suppress(HostError):
                if self.sql(question) == answer:
                    return
            time.sleep(POLL_SECONDS)
        raise HostError("The restored server did not get to its end.")

    def sql(self, text: str, database: str = "postgres") -> str:
        """Ask the server; raises HostError."""
        where = ["-w", "-h", SOCKETS, "-p", str(PORT), "-U", "postgres", "-d", database]
        done = subprocess.run(
            ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *where], input=text, capture_output=True, text=True, check=False,
            timeout=ASK, cwd=DRILL_HOME, env={**PLAIN, "PGOPTIONS": CATALOGUE_ONLY},
        )  # fmt: skip
        if done.returncode:
            raise HostError(f"The restored database cannot be asked: {plain(done.stderr)}")
        return done.stdout.strip()

    def amcheck(self) -> None:
        """Check tables and indexes; raises HostError with what is wrong."""
        program = f"/usr/lib/postgresql/{self.version}/bin/pg_amcheck"
        command = [program, "--all", "--install-missing", "-w", "-h", SOCKETS, "-p", str(PORT), "-U", "postgres"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=PLAIN, cwd=DRILL_HOME)
        if done.returncode:
            raise HostError(f"pg_amcheck: {plain(done.stderr + done.stdout)}")
