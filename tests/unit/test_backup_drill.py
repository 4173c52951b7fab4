"""What a drill asks the application, of a real Django."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from plugins.module_utils.backup.drill import DUE

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.contenttypes"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "rows.sqlite3"}}
"""
MIGRATE = "import django; django.setup(); from django.core.management import call_command; call_command('migrate')"


def asked(folder: Path, text: str) -> str:
    variables = {**os.environ, "DJANGO_SETTINGS_MODULE": "settings"}
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, env=variables, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_migrations_that_are_due_are_counted(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(SETTINGS)
    assert asked(tmp_path, DUE) == "due 2\n"
    asked(tmp_path, MIGRATE)
    assert asked(tmp_path, DUE) == "due 0\n"
