"""Hard-coded settings of a project, and what a machine sets over them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from roles.django.files import samestack_overlay

FILES = Path(__file__).resolve().parents[2] / "roles/django/files"


SQLITE = {
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3", "OPTIONS": {"timeout": 5}}}
}
POSTGIS = {
    "DATABASES": {
        "default": {
            "ENGINE": "django.contrib.gis.db.backends.postgis",
            "NAME": "x",
            "OPTIONS": {"application_name": "mine"},
            "ATOMIC_REQUESTS": True,
            "DISABLE_SERVER_SIDE_CURSORS": True,
        },
        "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": "other"},
    }
}
SOCKET = {"DATABASE_URL": "postgresql://site@/site"}


MAIL = "/srv/site/shared/mail"


def overlay(own: dict[str, Any], **environment: str) -> dict[str, Any]:
    found: dict[str, Any] = samestack_overlay.overlay(own, environment)
    return found


def test_what_nginx_does_is_no_warning() -> None:
    own = {"SILENCED_SYSTEM_CHECKS": ["models.W042", "security.W008"]}
    told = samestack_overlay.overlay(own, {"SAMESTACK_HSTS": "31536000"})["SILENCED_SYSTEM_CHECKS"]
    assert told == ["models.W042", "security.W008", "security.W004"]
    # Browsers are not told: whoever decided so goes on hearing of it.
    assert samestack_overlay.overlay({}, {"SAMESTACK_HSTS": "0"})["SILENCED_SYSTEM_CHECKS"] == ["security.W008"]


def test_sqlite_becomes_postgresql_over_the_socket() -> None:
    entry = overlay(SQLITE, **SOCKET)["DATABASES"]["default"]
    assert entry["ENGINE"] == "django.db.backends.postgresql"
    assert (entry["NAME"], entry["USER"], entry["HOST"], entry["PORT"]) == ("site", "site", "", "")
    assert entry["OPTIONS"] == {}


def test_a_remote_database_with_an_awkward_password_over_tls() -> None:
    url = "postgresql://site:p%40s%2Fw%25d@10.0.3.30:5433/my_db?sslmode=verify-full&sslrootcert=/etc/site/ca.crt"
    entry = overlay({}, DATABASE_URL=url)["DATABASES"]["default"]
    assert (entry["PASSWORD"], entry["HOST"], entry["PORT"], entry["NAME"]) == ("p@s/w%d", "10.0.3.30", "5433", "my_db")
    assert entry["OPTIONS"] == {"sslmode": "verify-full", "sslrootcert": "/etc/site/ca.crt"}


def test_the_apps_own_postgresql_back_end_and_options_stay() -> None:
    databases = overlay(POSTGIS, **SOCKET)["DATABASES"]
    entry = databases["default"]
    assert entry["ENGINE"] == "django.contrib.gis.db.backends.postgis"
    assert entry["OPTIONS"] == {"application_name": "mine"}
    assert entry["ATOMIC_REQUESTS"] is True
    assert entry["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert databases["other"]["NAME"] == "other"


@pytest.mark.parametrize(
    ("engine", "used"),
    [
        ("django.db.backends.postgresql_psycopg2", "django.db.backends.postgresql"),
        ("django.contrib.gis.db.backends.postgis", "django.contrib.gis.db.backends.postgis"),
        ("psqlextra.backend", "psqlextra.backend"),
        ("django.db.backends.mysql", "django.db.backends.postgresql"),
    ],
)
def test_an_engine_is_called_what_django_calls_it_now(engine: str, used: str) -> None:
    assert overlay({"DATABASES": {"default": {"ENGINE": engine}}}, **SOCKET)["DATABASES"]["default"]["ENGINE"] == used


def test_the_apps_settings_are_not_changed_in_place() -> None:
    before = repr(POSTGIS)
    overlay(POSTGIS, **SOCKET)
    assert repr(POSTGIS) == before


def test_connections_persist_under_wsgi() -> None:
    entry = overlay(SQLITE, **SOCKET)["DATABASES"]["default"]
    assert (entry["CONN_MAX_AGE"], entry["CONN_HEALTH_CHECKS"]) == (60, True)


@pytest.mark.parametrize(
    ("own", "environment"),
    [
        ({}, {"SAMESTACK_INTERFACE": "asgi"}),
        ({"DATABASES": {"default": {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {"pool": True}}}}, {}),
    ],
)
def test_connections_do_not_persist_where_that_is_harmful(own: dict[str, Any], environment: dict[str, str]) -> None:
    assert "CONN_MAX_AGE" not in overlay(own, **SOCKET, **environment)["DATABASES"]["default"]


def test_the_apps_own_connection_age_stays() -> None:
    own = {"DATABASES": {"default": {"ENGINE": "django.db.backends.postgresql", "CONN_MAX_AGE": 300}}}
    assert overlay(own, **SOCKET)["DATABASES"]["default"]["CONN_MAX_AGE"] == 300


def test_without_a_database_url_the_apps_databases_stay() -> None:
    assert "DATABASES" not in overlay(SQLITE)


def test_hosts_and_origins() -> None:
    own = {"ALLOWED_HOSTS": ["*"], "CSRF_TRUSTED_ORIGINS": ["https://partner.example"]}
    found = overlay(
        own, ALLOWED_HOSTS="a.example, b.example,", CSRF_TRUSTED_ORIGINS="https://a.example,https://partner.example"
    )
    assert found["ALLOWED_HOSTS"] == ["a.example", "b.example"]
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://partner.example", "https://a.example"]


@pytest.mark.parametrize(
    ("text", "debug"), [("true", True), ("false", False), ("1", True), ("0", False), ("False", False), ("", False)]
)
def test_debug(text: str, debug: bool) -> None:
    assert overlay({"DEBUG": not debug}, DEBUG=text)["DEBUG"] is debug


@pytest.mark.parametrize(
    ("variable", "given", "told"),
    [
        ("DJANGO_DEBUG", {"DEBUG": "False"}, {"DJANGO_DEBUG": "False"}),
        ("DJANGO_DEBUG", {"DEBUG": "True"}, {"DJANGO_DEBUG": "True"}),
        ("DEBUG_MODE:int", {"DEBUG": "False"}, {"DEBUG_MODE": "0"}),
        ("DJANGO_DEBUG", {"DEBUG": "False", "DJANGO_DEBUG": "yes"}, {}),
        ("DEBUG:int", {"DEBUG": "True"}, {"DEBUG": "1"}),
        ("DEBUG:int", {"DEBUG": "False"}, {"DEBUG": "0"}),
        ("DJANGO_DEBUG", {}, {}),
        ("", {"DEBUG": "False"}, {}),
    ],
)
def test_debug_under_the_name_that_settings_read(variable: str, given: dict[str, str], told: dict[str, str]) -> None:
    assert samestack_overlay.debug_as_read({"SAMESTACK_DEBUG_VARIABLE": variable, **given}) == told


def test_settings_switch_nothing_of_development_on(tmp_path: Path) -> None:
    settings = "import os\nDEBUG = os.getenv('SITE_DEBUG', 'True') == 'True'\nif DEBUG:\n    import no_such_toolbar\n"
    given = {"DEBUG": "False", "SAMESTACK_DEBUG_VARIABLE": "SITE_DEBUG"}
    assert django_prints(tmp_path, "settings.DEBUG", settings, given) == "False"


@pytest.mark.parametrize("debug", ["True", "False"])
def test_settings_may_read_debug_as_a_number(tmp_path: Path, debug: str) -> None:
    settings = "import os\nDEBUG = bool(int(os.getenv('DEBUG', '0')))\n"
    given = {"DEBUG": debug, "SAMESTACK_DEBUG_VARIABLE": "DEBUG:int"}
    assert django_prints(tmp_path, "settings.DEBUG", settings, given) == debug


def test_mail_is_caught_where_there_is_a_folder_for_it() -> None:
    found = overlay({}, SAMESTACK_MAIL_FOLDER=MAIL)
    assert found["EMAIL_BACKEND"].endswith("filebased.EmailBackend")
    assert found["EMAIL_FILE_PATH"] == MAIL
    assert not {"EMAIL_BACKEND", "MAILERS"}.intersection(overlay({}))


@pytest.mark.parametrize(
    ("own", "mailers"), [({"MAILERS": {"news": {"BACKEND": "x", "OPTIONS": {"a": 1}}}}, False), ({}, True)]
)
def test_mail_is_caught_in_the_dialect_of_the_project_and_its_django(own: dict[str, Any], mailers: bool) -> None:
    """Django 6.1 refuses the older names beside MAILERS, and its check for production refuses mail in files."""
    found = samestack_overlay.overlay(own, {"SAMESTACK_MAIL_FOLDER": MAIL}, mailers=mailers)
    assert set(found["MAILERS"]) == {"default", *own.get("MAILERS", {})}
    for one in found["MAILERS"].values():
        assert one["BACKEND"].endswith("filebased.EmailBackend")
        assert one["OPTIONS"] == {"file_path": MAIL}
    assert not {name for name in found if name.startswith("EMAIL_")}
    assert "mail.E001" in found["SILENCED_SYSTEM_CHECKS"]


def test_whoever_debugs_from_the_next_computer_is_internal() -> None:
    own = {"INTERNAL_IPS": ["127.0.0.1", "2001:db8::1"]}
    found = overlay(own, DEBUG="True")["INTERNAL_IPS"]
    assert all(address in found for address in ("127.0.0.1", "2001:db8::1", "10.0.3.1", "192.168.56.1", "fd00::1"))
    assert not any(address in found for address in ("8.8.8.8", "2a00::1", "", None, "x"))
    assert "INTERNAL_IPS" not in overlay(own, DEBUG="False")
    assert "INTERNAL_IPS" not in overlay({}, DEBUG="True")


def test_the_proxy_is_believed_and_cookies_are_secure() -> None:
    found = overlay({})
    assert found["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")
    assert found["SESSION_COOKIE_SECURE"] is True
    assert found["CSRF_COOKIE_SECURE"] is True


def test_the_apps_own_logging_stays() -> None:
    assert overlay({"LOGGING": {"version": 1}})["LOGGING"] == {"version": 1}
    assert overlay({"LOGGING": {}})["LOGGING"] == samestack_overlay.LOGGING


def test_a_log_that_cannot_be_written_is_the_journals(tmp_path: Path) -> None:
    """A release is nobody's to change."""
    file = "{'class': 'logging.handlers.RotatingFileHandler', 'level': 'ERROR', 'maxBytes': 9, 'filename': %r}"
    lines = [
        f"'{name}': {file % str(path)}" for name, path in (("a", tmp_path / "no/a.log"), ("b", tmp_path / "b.log"))
    ]
    settings = f"LOGGING = {{'version': 1, 'handlers': {{{', '.join(lines)}}}}}\n"
    shown = "*(one for one in settings.LOGGING['handlers'].values())"
    journal, own = django_prints(tmp_path, f"repr([{shown}])", settings, {})[1:-1].split("}, ")
    assert journal == "{'class': 'logging.StreamHandler', 'level': 'ERROR'"
    assert "RotatingFileHandler" in own


def test_a_folder_that_is_a_path_stays_one() -> None:
    found = overlay({"STATIC_ROOT": Path("/own"), "MEDIA_ROOT": "/own"}, STATIC_ROOT="/s", MEDIA_ROOT="/m")
    assert found["STATIC_ROOT"] / "manifest.json" == Path("/s/manifest.json")
    assert found["MEDIA_ROOT"] == "/m"


def test_folders_and_key_come_from_the_machine() -> None:
    given = {"SECRET_KEY": "real", "STATIC_ROOT": "/s", "MEDIA_ROOT": "/m"}
    found = overlay({"SECRET_KEY": "insecure"}, **given)
    assert (found["SECRET_KEY"], found["STATIC_ROOT"], found["MEDIA_ROOT"]) == ("real", "/s", "/m")
    assert "SECRET_KEY" not in overlay({}, **{"SECRET_KEY": ""})


def django_prints(tmp_path: Path, expression: str, settings: str, given: dict[str, str]) -> str:
    (tmp_path / "mysettings.py").write_text(settings)
    return run_python(tmp_path, f"from django.conf import settings; print({expression})", given)


def run_python(tmp_path: Path, program: str, given: dict[str, str]) -> str:
    """Return what a program prints that runs with the overlay's settings; `tmp_path` has the project."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{FILES}:{tmp_path}",
        "DJANGO_SETTINGS_MODULE": "samestack_settings",
        "SAMESTACK_BASE_SETTINGS": "mysettings",
    }
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment | given)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_django_reads_the_settings_through_the_overlay(tmp_path: Path) -> None:
    settings = "DEBUG = True\nALLOWED_HOSTS = []\nSECRET_KEY = 'django-insecure-x'\nLANGUAGE_CODE = 'de'\n"
    shown = "settings.DEBUG, settings.ALLOWED_HOSTS, settings.SECRET_KEY, settings.LANGUAGE_CODE"
    given = {"DEBUG": "false", "ALLOWED_HOSTS": "site.test", "SECRET_KEY": "real"}
    assert django_prints(tmp_path, shown, settings, given) == "False ['site.test'] real de"


def test_the_folder_of_a_socket() -> None:
    entry = overlay({}, DATABASE_URL="postgresql://site@%2Frun%2Fpostgresql:5433/site")["DATABASES"]["default"]
    assert (entry["HOST"], entry["PORT"]) == ("/run/postgresql", "5433")


CELERY = """from django.conf import settings

class App:
    options = dict(ssl=settings.REDIS_SSL, debug=settings.DEBUG, key=settings.SECRET_KEY)
    late = getattr(settings, "NO_SUCH_THING", "none")
"""


@pytest.mark.parametrize("first", ["django.setup()", "import shop", "import shop.celery", "import shop.settings"])
def test_a_package_that_reads_settings_while_it_is_imported(tmp_path: Path, first: str) -> None:
    """Many a Celery app does; which of them is imported first is the command's choice."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").write_text("from .celery import App\n")
    (tmp_path / "shop/celery.py").write_text(CELERY)
    (tmp_path / "shop/settings.py").write_text(
        "REDIS_SSL = 'own'\nDEBUG = True\nSECRET_KEY = 'fixed'\nINSTALLED_APPS = []\n"
    )
    given = {"SAMESTACK_BASE_SETTINGS": "shop.settings", "DEBUG": "False", "SECRET_KEY": "real"}
    shown = "App.options, App.late, settings.SECRET_KEY, settings.REDIS_SSL"
    program = f"import django; {first}; from shop import App; from django.conf import settings; print({shown})"
    assert run_python(tmp_path, program, given) == "{'ssl': 'own', 'debug': False, 'key': 'real'} none real own"


def test_importing_needs_no_database(tmp_path: Path) -> None:
    shown = "settings.DATABASES['default']['NAME']"
    given = {"DATABASE_URL": "postgresql:///build"}
    assert django_prints(tmp_path, shown, "DEBUG = True\n", given) == "build"
