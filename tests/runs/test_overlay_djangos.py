"""The overlay over what `startproject` makes, in the oldest Django that is supported, the current one and the newest.

The newest is what this computer's Python can have; tests/apps/test_told.py has the newest of all, on a machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.local_postgresql import postgresql

REPO = Path(__file__).resolve().parents[2]
UV = REPO / ".samestack" / "uv" / "bin" / "uv"
MAIL = "from django.core.mail import send_mail; print(send_mail('Hello', 'you', 'a@example.org', ['b@example.org']))"
DATABASE = (
    "from django.db import connection as c; c.ensure_connection(); print(c.vendor, c.settings_dict['CONN_MAX_AGE'])"
)


@pytest.mark.parametrize("version", ["==3.2.*", "==5.2.*", ""])
def test_a_plain_project_runs_with_what_a_machine_sets(tmp_path: Path, version: str) -> None:
    venv, project, mail = tmp_path / "venv", tmp_path / "project", tmp_path / "mail"
    driver = "psycopg2-binary" if "3.2" in version else "psycopg[binary]"
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "true"}
    for arguments in (
        ["venv", "--quiet", "--python", sys.executable, str(venv)],
        ["pip", "install", "--quiet", "--python", str(venv), f"Django{version}", driver],
    ):
        subprocess.run([UV, "--no-config", *arguments], check=True, env=environment)
    project.mkdir()
    subprocess.run([venv / "bin" / "django-admin", "startproject", "shop", str(project)], check=True)
    with postgresql() as socket:
        given = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPO / "roles/django/files"),
            "DJANGO_SETTINGS_MODULE": "samestack_settings",
            "SAMESTACK_BASE_SETTINGS": "shop.settings",
            "DATABASE_URL": f"postgresql://postgres@{socket.replace('/', '%2F')}/postgres",
            "SECRET_KEY": "of a test, and of no use to anybody, and long enough for what Django checks",
            "DEBUG": "False",
            "ALLOWED_HOSTS": "shop.test",
            "CSRF_TRUSTED_ORIGINS": "https://shop.test",
            "STATIC_ROOT": str(tmp_path / "static"),
            "MEDIA_ROOT": str(tmp_path / "media"),
            "SAMESTACK_MAIL_FOLDER": str(mail),
            "SAMESTACK_HSTS": "1",
        }

        def manage(*arguments: str) -> str:
            command = [venv / "bin" / "python", "-W", "error::DeprecationWarning:samestack", "manage.py", *arguments]
            done = subprocess.run(command, cwd=project, env=given, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout.strip()

        assert "no issues" in manage("check", "--deploy", "--fail-level", "WARNING")
        manage("migrate", "--verbosity", "0")
        manage("collectstatic", "--noinput", "--verbosity", "0")
        assert manage("shell", "--command", DATABASE).splitlines()[-1] == "postgresql 60"
        assert manage("shell", "--command", MAIL).splitlines()[-1] == "1"
    assert (tmp_path / "static/admin/css/base.css").is_file()
    assert len(list(mail.glob("*.log"))) == 1
