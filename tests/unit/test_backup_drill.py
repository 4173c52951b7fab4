"""What a drill asks the application, of a real Django."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.backup import drill, drill_release, source
from plugins.module_utils.backup import settings as places
from plugins.module_utils.backup.drill import believed
from plugins.module_utils.backup.drill_release import DUE, PAGE, DrillRelease, judged
from plugins.module_utils.backup.settings import Settings
from plugins.module_utils.common.errors import HostError
from plugins.plugin_utils.backup.answers import DRILL

SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.contenttypes"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "rows.sqlite3"}}
"""
MIGRATE = "import django; django.setup(); from django.core.management import call_command; call_command('migrate')"


def asked(folder: Path, text: str, *words: str) -> str:
    variables = {**os.environ, "DJANGO_SETTINGS_MODULE": "settings"}
    command = [sys.executable, "-c", text, *words]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=True)
    return done.stdout


def test_migrations_that_are_due_are_counted(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(SETTINGS)
    assert asked(tmp_path, DUE) == "due 2\n"
    asked(tmp_path, MIGRATE)
    assert asked(tmp_path, DUE) == "due 0\n"


VIEWS = """
import socket
from django.db import connection
from django.http import HttpResponse
from django.urls import path

def serves(request): return HttpResponse("well")
def redirects(request): return HttpResponse(status=302, headers={"Location": "/x/"})
def knows(request): return HttpResponse("no database", status=503)
def raises(request): raise ValueError("no such\\n row")
def rows(request): connection.cursor().execute("SELECT * FROM gone")
def cache(request):
    try:
        socket.create_connection(("127.0.0.1", 1))
    except OSError as error:
        raise RuntimeError("Redis does not answer") from error
def file(request): open("/nowhere/at all")

urlpatterns = [path(f"{one.__name__}/", one) for one in (serves, redirects, knows, raises, rows, cache, file)]
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "settings.py").write_text(f'{SETTINGS}ROOT_URLCONF = "views"\nALLOWED_HOSTS = ["site.test"]\n')
    (tmp_path / "views.py").write_text(VIEWS)
    return tmp_path


def answer(site: Path, page: str, more: str = "", *, lacks: bool = False) -> str:
    with (site / "views.py").open("a") as file:
        file.write(more)
    return judged("1dbf9ce7e62b", f"/{page}/", asked(site, PAGE, f"/{page}/", "site.test"), "", lacks=lacks)


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("serves", "answers 200"), ("redirects", "answers 302"), ("elsewhere", "answers 404"),
        ("cache", "answers 500 (RuntimeError Redis does not answer): it reaches nothing but its database here"),
    ],
)  # fmt: skip
def test_what_a_page_answers_is_told(site: Path, page: str, said: str) -> None:
    assert answer(site, page) == f"release 1dbf9ce7e62b {said}"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("knows", "answers 503 to /knows/"), ("raises", r"answers 500 \(ValueError no such row\) to /raises/"),
        ("rows", r"answers 500 \(OperationalError no such table: gone\)"),
        ("file", r"answers 500 \(FileNotFoundError .*nowhere"),
    ],
)  # fmt: skip
def test_a_page_that_is_an_error_fails_the_drill(site: Path, page: str, said: str) -> None:
    with pytest.raises(HostError, match=said):
        answer(site, page)


def test_a_page_that_looks_after_services_may_miss_them(site: Path) -> None:
    said = answer(site, "knows", lacks=True)
    assert said == "release 1dbf9ce7e62b answers 503: its services are not there"
    with pytest.raises(HostError, match=r"OperationalError no such table"):
        answer(site, "rows", lacks=True)


def test_a_page_for_errors_that_is_one_itself_fails_it_too(site: Path) -> None:
    with pytest.raises(HostError, match=r"answers 500 \(KeyError 'theme'\)"):
        answer(site, "raises", "\ndef handler500(request): return {}['theme']\n")


BUILD = "/opt/samestack/python/0123456789ab/cpython"


def test_a_python_that_came_with_the_release_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backup host has not got it; the virtual environment names it by where the other host has it."""
    code, home = tmp_path / "code", tmp_path / "work"
    release, venv = code / "srv/site/releases/1dbf9ce7e62b", code / "srv/site/venvs/aa"
    packages = venv / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    for folder in (release, venv / "bin", packages, home, (code / BUILD[1:]).parent):
        folder.mkdir(parents=True)
    (packages / "a_package.py").write_text("found = True\n")
    (release / "venv").symlink_to("../../venvs/aa")
    (release / "app").symlink_to(".")
    (venv / "bin/python").symlink_to(f"{BUILD}/bin/python3")
    monkeypatch.setattr(drill_release, "DRILL_CODE", str(code))
    monkeypatch.setattr(drill_release, "DRILL_HOME", str(home))
    settings = Settings(
        "site", "production", frozenset({"keeps"}), "root", "site", {"name": "site"}, root="/srv/site",
        drill={"path": "/", "host": "site.test", "environment": {}, "lacks": False},
    )  # fmt: skip
    asks = DrillRelease(settings, "1dbf9ce7e62b")
    assert asks.try_it() == "its Python is not on this host: not asked"
    (code / BUILD[1:]).symlink_to(sys.base_prefix)
    done = asks.ask(asks.python(), "import a_package, sys; print(sys.base_prefix, a_package.found)")
    assert done.stdout == f"{code}{BUILD} True\n", done.stderr


def test_a_python_that_came_with_the_release_is_copied_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, builds = tmp_path / "srv", tmp_path / "python"
    release, venv = root / "releases/1dbf9ce7e62b", root / "venvs/aa"
    for folder in (release, venv / "bin", builds / "0123456789ab/cpython/bin"):
        folder.mkdir(parents=True)
    (builds / "0123456789ab/cpython/bin/python3").touch()
    (venv / "bin/python").symlink_to(builds / "0123456789ab/cpython/bin/python3")
    (release / "venv").symlink_to("../../venvs/aa")
    (release / "release.json").write_text('{"id": "1dbf9ce7e62b"}')
    (root / "current").symlink_to("releases/1dbf9ce7e62b")
    monkeypatch.setattr(source, "PYTHONS", str(builds))
    settings = Settings("site", "production", frozenset({"uploads"}), "root", "site", root=str(root))
    assert str(builds / "0123456789ab") in source.Source(settings).release_folders()


S3 = {"name": "s3", "type": "s3", "number": 2, "path": "/site", "off_machine": True}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A database host, whose files of a drill are below a folder."""
    for name in ("GIVEN", "RESULT", "FETCHED", "WAL", "DATA", "OWN_CONFIG", "DRILL_CODE", "DRILL_HOME"):
        monkeypatch.setattr(drill, name, str(tmp_path / name))
    for name in ("MOMENTS", "DRILL", "TRIED", "WANTED", "KEPT", "SECRETS"):
        monkeypatch.setattr(places, name, str(tmp_path / f"of_{name}"))
    monkeypatch.setattr(drill, "ACCOUNT", pwd.getpwuid(os.getuid()).pw_name)
    monkeypatch.setattr(drill, "LEDGER_FOLDER", str(tmp_path))
    (tmp_path / "DRILL_HOME").mkdir()
    return Settings("site", "production", frozenset({"database"}), "root", "site", {}, (S3,))


def test_what_could_not_be_prepared_is_a_drill_that_failed(host: Settings) -> None:
    """Here for want of the secrets, which the host's own code could not read."""
    with pytest.raises(OSError, match="of_SECRETS"):
        drill.prepare(host)
    assert drill.Drill(host).run() == 1
    assert drill.record(host) == 1
    told = places.read(places.DRILL)
    assert (told["ok"], told["repository"]) == (False, "s3")
    assert told["reason"].startswith("It could not be prepared: `journalctl")


class Copies:
    """A repository of files: one copy was made with a backup, one after the deployment that followed."""

    @classmethod
    def of(cls, *_: object) -> Copies:
        return cls()

    def check(self, *_: object) -> list[str]:
        return []

    def snapshots(self, *_: object) -> list[dict[str, Any]]:
        return [{"id": name, "tags": [f"release={name}", "moment=1"]} for name in ("1dbf9ce7e62b", "2ecf0df8f73c")]

    def restore(self, *_: object) -> None:
        """Nothing of it is looked at."""


def test_the_release_that_is_asked_is_the_one_that_served_last(host: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment has its code copied before the next backup of the database, and replaces what was there before."""
    monkeypatch.setattr(drill, "Restic", Copies)
    monkeypatch.setattr(drill, "secrets", dict)
    moment = {"point": "a", "release": "1dbf9ce7e62b", "made": [{"repository": "s3"}]}
    Path(places.MOMENTS).write_text(json.dumps(moment) + "\n")
    drill.prepare(replace(host, uploads={"targets": [{"name": "s3"}]}))
    given = places.read(drill.GIVEN)
    assert (given["moment"], given["release"]) == (moment, "2ecf0df8f73c")


def test_where_nothing_was_prepared_no_drill_is_well_and_it_says_why(host: Settings) -> None:
    with pytest.raises(HostError, match="Nothing was prepared"):
        drill.Drill(host)
    assert drill.record(host) == 1
    assert "The drill was cut off" in places.read(places.DRILL)["reason"]


def test_what_root_prepares_has_roots_secrets_whatever_its_unit_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The unit that fetches has the key of an sftp server alone."""
    (tmp_path / "sftp.key").touch()
    (tmp_path / "of_root").write_text('{"restic": "one"}')
    monkeypatch.setattr(places, "SECRETS", str(tmp_path / "of_root"))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert places.secrets() == {"restic": "one"}
    (tmp_path / "secrets").write_text('{"restic": "another"}')
    assert places.secrets() == {"restic": "another"}


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
