"""The release that was live when a backup was made, asked by a drill on what came out of that."""

from __future__ import annotations

import contextlib
import os
import re
import secrets as random
import subprocess
from typing import TYPE_CHECKING

from ..common.errors import HostError
from .drill_server import ASK, PORT, SOCKETS
from .pgbackrest import plain
from .settings import DRILL_CODE, DRILL_HOME
from .source import OVERLAY

if TYPE_CHECKING:
    from .settings import Settings

#: From this status on an answer says that something is wrong with the site
WRONG = 500
#: Asks how many migrations are due; `migrate --check` says it by its exit code alone, as it says all that goes wrong
DUE = """
import django
django.setup()
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
executor = MigrationExecutor(connection)
print("due", len(executor.migration_plan(executor.loader.graph.leaf_nodes())))
"""
#: Asks the application for a page, as a visitor would, in the process itself; an error of the system that names no file
#: is of something that is not reached here
PAGE = """
import sys, django
django.setup()
from django.test import Client
try:
    answer = Client(raise_request_exception=False).get(sys.argv[1], secure=True, HTTP_HOST=sys.argv[2])
    status, error = answer.status_code, (getattr(answer, "exc_info", None) or (None, None))[1]
except Exception as raised:
    status, error = 500, raised
print("status", status)
if error:
    print("said", type(error).__name__, " ".join(str(error).split()))
while error:
    if isinstance(error, OSError) and error.filename is None:
        print("out of reach")
    error = error.__cause__ or error.__context__
"""


class DrillRelease:
    """A release below DRILL_CODE."""

    def __init__(self, settings: Settings, release: str) -> None:
        """Take the settings, and which release; "" where none was live."""
        self.settings, self.release = settings, release
        self.root = DRILL_CODE + settings.root
        self.folder = os.path.join(self.root, "releases", release)

    def try_it(self) -> str:
        """Ask it; returns what came of it. Raises HostError where it does not go with the database, or does not serve.

        That a service or another host is not reached says nothing of the backup.
        """
        if not self.release or not os.path.isdir(self.folder):
            return "its code was in no copy: not asked"
        python = self.python()
        if not python:
            return "its Python is not on this host: not asked"
        asked = self.ask(python, DUE)
        due = re.search(r"^due (\d+)$", asked.stdout, re.MULTILINE)
        if not due:
            return f"it does not start here: {plain(asked.stderr)[-200:]}"
        if int(due[1]):
            raise HostError(f"Release {self.release} has {due[1]} migrations that the restored database has not had.")
        page = self.ask(python, PAGE, self.settings.drill["path"], self.settings.drill["host"])
        drill = self.settings.drill
        return judged(self.release, drill["path"], page.stdout, page.stderr, lacks=bool(drill["lacks"]))

    def python(self) -> str:
        """Return a Python with the release's packages, "" where there is none; raises OSError.

        A virtual environment names its Python by where that is on the other host. So this one is the drill's own, of
        the host's Python or of the one that came with the release.
        """
        venv, own = os.path.basename(os.readlink(os.path.join(self.folder, "venv"))), f"{DRILL_HOME}/venv"
        packages = os.path.join(self.root, "venvs", venv)
        program = os.path.realpath(os.path.join(packages, "bin", "python"))
        program = next((path for path in (program, DRILL_CODE + program) if os.path.exists(path)), "")
        if program:
            os.makedirs(f"{own}/bin")
            os.symlink(program, f"{own}/bin/python")
            for name in ("lib", "lib64"):
                os.symlink(os.path.join(packages, name), f"{own}/{name}")
            with open(f"{own}/pyvenv.cfg", "w", encoding="utf-8") as file:
                file.write(f"home = {os.path.dirname(program)}\ninclude-system-site-packages = false\n")
        return program and f"{own}/bin/python"

    def ask(self, python: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a text of ours in the release's folder; returns what came of it."""
        return subprocess.run(
            [python, "-c", *words], cwd=os.path.realpath(os.path.join(self.folder, "app")), env=self.variables(),
            capture_output=True, text=True, errors="replace", check=False, timeout=ASK, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def variables(self) -> dict[str, str]:
        """Return the application's environment here: the release's own, stand-ins, and the scratch database."""
        found: dict[str, str] = {}
        with contextlib.suppress(OSError), open(os.path.join(self.folder, "release.env"), encoding="utf-8") as file:
            for line in file:
                name, equals, value = line.strip().partition("=")
                if equals and not name.startswith("#"):
                    found[name] = value.strip("\"'").replace(self.settings.root, self.root)
        database = self.settings.database["name"]
        return {
            **{name: str(value) for name, value in self.settings.drill["environment"].items()}, **found,
            "PATH": "/usr/bin:/bin", "HOME": DRILL_HOME, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{DRILL_CODE}{OVERLAY}", "SECRET_KEY": random.token_hex(32), "DEBUG": "False",
            "DATABASE_URL": f"postgresql://postgres@/{database}?host={SOCKETS.replace('/', '%2F')}&port={PORT}",
        }  # fmt: skip


def judged(release: str, path: str, said: str, complained: str, *, lacks: bool) -> str:
    """Return what a release's answer says, by what PAGE printed; raises HostError where it does not serve.

    Args:
        release: its id.
        path: the page's.
        said: what PAGE printed.
        complained: the same on stderr.
        lacks: it uses services that are not there.
    """
    status = re.search(r"^status (\d+)$", said, re.MULTILINE)
    if not status:
        return f"no page: {plain(complained)[-200:]}"
    why = re.search(r"^said (.+)$", said, re.MULTILINE)
    words = f"release {release} answers {status[1]}" + (f" ({plain(why[1])})" if why else "")
    if int(status[1]) < WRONG:
        return words
    if lacks and not why:
        # A page that looks after services says so without an error.
        return f"{words}: its services are not there"
    if re.search("^out of reach$", said, re.MULTILINE):
        return f"{words}: it reaches nothing but its database here"
    raise HostError(f"The application: {words} to {path} on the restored database.")
