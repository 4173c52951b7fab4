"""What a drill asks the application, of a real Django."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.backup.drill import DUE, believed
from plugins.plugin_utils.backup.answers import DRILL

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


RESULT: dict[str, Any] = {
    "ok": True, "reason": "", "seconds": 7.9, "bytes": 31_600_000, "label": "20261129-100756F", "until": 0,
    "tables": 14, "application": "release 1dbf9ce7e62b answers 200", "steps": {"restore": 3.9, "rows": 1},
    "began": 1_800_000_000.5,
}  # fmt: skip


def test_what_a_drill_says_is_believed() -> None:
    assert believed({**RESULT, "repository_until": 1}) == RESULT
    DRILL.check(believed(RESULT))


@pytest.mark.parametrize("told", [None, [], "well", 7, [RESULT]])
def test_what_is_no_result_is_none(told: Any) -> None:
    assert believed(told) == {}


@pytest.mark.parametrize("name", RESULT)
@pytest.mark.parametrize("value", [None, [], {"a": [], "b" * 999: 1}, ["x"], "\x1b[31m" * 9999])
def test_code_that_runs_in_a_drill_says_nothing_that_stops_a_table(name: str, value: Any) -> None:
    """Whoever has written the application's code could have written the result."""
    DRILL.check(believed({**RESULT, name: value}))
