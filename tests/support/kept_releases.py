"""An application with kept releases on this computer: real Django projects, a real PostgreSQL, our code as on a host.

Only systemd is missing: what would run as the application's user in a unit runs as a process of this one.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pglast
import psycopg

from plugins.module_utils.common.ledger import Run
from plugins.module_utils.release import inside
from plugins.module_utils.release.database import check, migrations, rollback, rollback_choice, sql_parser
from plugins.module_utils.release.database.check import Check
from plugins.module_utils.release.database.rollback_plan import Reversal
from plugins.module_utils.release.place import Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

MANAGE = """
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"""
SETTINGS = """
import os

SECRET_KEY = "of a test, and of no use to anybody, and long enough for the checks of Django"
INSTALLED_APPS = {apps!r}
DATABASES = {{"default": {{"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["DATABASE"],
                          "HOST": os.environ["HOST"], "USER": os.environ["ROLE"]}}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SILENCED_SYSTEM_CHECKS = ["security.W001"]
USE_TZ = True
"""
MIGRATION = """
from django.contrib.postgres.operations import AddIndexConcurrently, TrigramExtension
from django.db import migrations, models


{code}class Migration(migrations.Migration):
    atomic = {atomic}
    replaces = {replaces!r}
    dependencies = {dependencies!r}
    operations = [
{operations}
    ]
"""


def migration(
    folder: Path, full: str, operations: Sequence[str], *after: str, replaces: Sequence[str] = (), **more: Any
) -> str:
    """Write a migration; returns its name.

    Args:
        folder: of manage.py.
        full: app.name of the migration.
        operations: Python, one an operation.
        after: app.name of those that it depends on.
        replaces: app.name of those that it stands for.
        more: `atomic`, True unless it is given, and `code`, Python before the class.
    """
    app, name = full.split(".", 1)
    text = MIGRATION.format(
        code=f"{more['code']}\n\n\n" if "code" in more else "", atomic=more.get("atomic", True),
        replaces=[tuple(one.split(".", 1)) for one in replaces],
        dependencies=[tuple(one.split(".", 1)) for one in after],
        operations="\n".join(f"        {one}," for one in operations),
    )  # fmt: skip
    steps = folder / app / "migrations"
    steps.mkdir(parents=True, exist_ok=True)
    for init in (folder / app / "__init__.py", steps / "__init__.py"):
        init.touch()
    (steps / f"{name}.py").write_text(text, encoding="utf-8")
    return full


def models(folder: Path, app: str, text: str) -> None:
    """Write an app's models."""
    (folder / app).mkdir(parents=True, exist_ok=True)
    (folder / app / "__init__.py").touch()
    (folder / app / "models.py").write_text(f"from django.db import models\n\n\n{text}\n", encoding="utf-8")


def settings(folder: Path, apps: Sequence[str]) -> None:
    """Write manage.py and the settings."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manage.py").write_text(MANAGE, encoding="utf-8")
    (folder / "settings.py").write_text(SETTINGS.format(apps=list(apps)), encoding="utf-8")


class KeptReleases:
    """One application, its database and its releases."""

    def __init__(self, folder: Path, socket: str, database: str, role: str = "postgres") -> None:
        self.folder, self.socket, self.database, self.role = folder, socket, database, role
        self.lines: list[dict[str, Any]] = []
        self.params: dict[str, Any] = {
            "root": str(folder / "srv"), "app": "shop", "user": getpass.getuser(), "groups": [],
            "env_file": str(folder / "env"),
            "lock_timeout": 2, "patience": 5, "pins": {"pglast": "here"}, "run": {}, "dry": True,
            "environment": {}, "migrations": [], "live_path": "", "tables": [], "allow_breaking": False,
        }  # fmt: skip
        (folder / "env").touch()

    def instead_of_systemd(self, patch: pytest.MonkeyPatch) -> None:
        """Let what would be a unit be a process, and keep what is noted of runs in the folder."""
        parser = self.folder / "opt" / f"sql-parser-here-{sys.implementation.cache_tag}"
        parser.parent.mkdir(parents=True, exist_ok=True)
        parser.symlink_to(Path(pglast.__file__).parents[1])
        patch.setattr(sql_parser, "HOME", str(parser.parent))
        patch.setattr(sql_parser, "PYTHON", sys.executable)
        for module in (inside, check, sql_parser):
            patch.setattr(module, "run_as_app", self.run_as_app)
        notes = str(self.folder / "notes")
        patch.setattr(rollback, "Run", partial(Run, folder=notes, scratch=notes))
        patch.setattr(check, "read_ledger", lambda: self.lines)

    def run_as_app(
        self, place: Place, _account: Mapping[str, Any], command: Sequence[str], stdin: str = ""
    ) -> tuple[int, str, str]:
        """Run a command in a release's folder as a process of this one."""
        env = {"PATH": os.environ["PATH"], "DATABASE": self.database, "HOST": self.socket, "ROLE": self.role,
               "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
        done = subprocess.run(
            list(command), input=stdin, cwd=place.path("app"), env=env, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        """Run SQL; returns the rows."""
        with psycopg.connect(host=self.socket, dbname=self.database, user=self.role, autocommit=True) as connection:
            done = connection.execute(text)
            return done.fetchall() if done.description else []

    def build(self, release: str, source: Path) -> None:
        """Keep a release of a project."""
        place = Place(self.params["root"], release)
        shutil.copytree(source, place.path("app"))
        os.symlink(sys.prefix, place.path("venv"))
        Path(place.path("release.json")).write_text(json.dumps({"id": release}), encoding="utf-8")
        built = {"label": release, "built": f"{len(self.lines):04}"}
        Path(place.path("build.json")).write_text(json.dumps(built), encoding="utf-8")

    def check(self, release: str, **params: Any) -> Check:
        """Check a release as a deployment does; raises HostError."""
        asked = Check({**self.params, "release_id": release, "dry": False, **params})
        asked.run()
        return asked

    def migrate(self, release: str) -> list[str]:
        """Migrate with a release's code, as a deployment does; returns what ran. Raises HostError."""
        notes = str(self.folder / "notes")
        return migrations.migrate(Place(self.params["root"], release), self.params, Run({}, "shop", notes, notes))[0]

    def switch(self, release: str, verb: str = "deploy") -> None:
        """Let a release be the live one."""
        link = Path(self.params["root"], "current")
        link.unlink(missing_ok=True)
        link.symlink_to(f"releases/{release}")
        self.lines.append({"verb": verb, "release": release, "result": "ok", "app": "shop"})

    def deploy(self, release: str, source: Path | None = None, *, allow_breaking: bool = False) -> Check:
        """Build, check, migrate and switch, as a deployment does; raises HostError."""
        if source:
            self.build(release, source)
        asked = self.check(release, allow_breaking=allow_breaking)
        asked.refuse()
        if asked.found["pending"] or asked.found["unrecorded"]:
            self.migrate(release)
        self.switch(release)
        return asked

    def plan(self, target: str, *tables: str, database: str = "reverse") -> dict[str, Any]:
        """Plan a rollback; raises HostError where it cannot be."""
        params = {**self.params, "release_id": target, "tables": list(tables), "database": database}
        reversal = Reversal(params, self.lines)
        reversal.choose()
        plan = reversal.plan()
        return plan | rollback_choice.decide(plan, database, False, [])

    def rollback(self, target: str, *tables: str, database: str = "reverse") -> dict[str, Any]:
        """Plan a rollback and do it; raises HostError where it cannot be, AssertionError where it was not done."""
        plan = self.plan(target, *tables, database=database)
        if plan["action"] == "reverse":
            trouble = self.reverse(plan)
            assert not trouble, trouble
        self.switch(target, "rollback")
        return plan

    def reverse(self, plan: Mapping[str, Any]) -> str:
        """Do what was planned, as while the site is closed; returns why it failed, "" where it did not."""
        return rollback.run_plan({**self.params, "plan": {**plan, "closing": True}})[1]

    def release(self, release: str) -> dict[str, Any]:
        """Return what is kept of a release's knowledge of the database."""
        found: dict[str, Any] = json.loads(Path(Place(self.params["root"], release).path("database.json")).read_text())
        return found
