"""What a machine sets over an application's settings, so that a project with hard-coded ones runs unmodified.

Pure functions of the application's settings and the process's environment; Django is not imported.
"""

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

POSTGRESQL = "django.db.backends.postgresql"
# What it was called before Django 1.9, and until Django 3.0 as well
FORMERLY = "django.db.backends.postgresql_psycopg2"
# Options of a database entry that mean the same for every back end
NEUTRAL = ("ATOMIC_REQUESTS", "AUTOCOMMIT", "TEST", "TIME_ZONE")
# Django's documentation ("Persistent connections") leaves the number open; a minute spares nearly every request a new
# connection, and the health check spares it a dead one.
CONNECTION_AGE = 60
FILES = "django.core.mail.backends.filebased.EmailBackend"
# Without this, Django logs a failed request nowhere but in a mail to ADMINS once DEBUG is off.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"journal": {"class": "logging.StreamHandler"}},
    "loggers": {"django": {"handlers": ["journal"], "level": "INFO", "propagate": False}},
}

# Handlers that write a file, and what they take that one for a stream does not
TO_FILE = ("FileHandler", "WatchedFileHandler", "RotatingFileHandler", "TimedRotatingFileHandler")
OF_FILE = frozenset(
    {"filename", "mode", "encoding", "delay", "errors", "maxBytes", "backupCount", "when", "interval", "utc", "atTime"}
)


def words(text: str) -> list[str]:
    """Return the comma-separated words of a string, empty ones left out."""
    return [word.strip() for word in text.split(",") if word.strip()]


def database(url: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return a DATABASES entry for a PostgreSQL URL over the application's own entry (a dict, possibly empty).

    A PostgreSQL back end of the application's choice (PostGIS, for one) stays, and so do its options.
    """
    parts = urlsplit(url)
    engine = own.get("ENGINE", "").replace(FORMERLY, POSTGRESQL)
    keep = "postg" in engine or "psqlextra" in engine
    options = dict(own.get("OPTIONS", {})) if keep else {}
    options.update(parse_qsl(parts.query))
    kept = {name: value for name, value in own.items() if keep or name in NEUTRAL}
    return {
        **kept,
        "ENGINE": engine if keep else POSTGRESQL,
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        # The folder of a socket is percent-encoded.
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
    }


def persistent(entry: dict[str, Any], interface: str) -> dict[str, Any]:
    """Keep connections open between requests, where that is safe.

    Under ASGI every request has a thread of its own, so that an open connection would never be used again; with
    psycopg's pool Django refuses a connection age.
    """
    if interface == "asgi" or entry["OPTIONS"].get("pool") or entry.get("CONN_MAX_AGE", 0) != 0:
        return entry
    return {**entry, "CONN_MAX_AGE": CONNECTION_AGE, "CONN_HEALTH_CHECKS": True}


class OwnNetwork(list[str]):
    """INTERNAL_IPS of a machine that is debugged from another: a private network is as near as localhost."""

    def __contains__(self, address: object) -> bool:
        """Return whether an address is one of the list, or in a private network."""
        try:
            return super().__contains__(address) or ip_address(str(address)).is_private
        except ValueError:
            return False


def caught_mail(own: Mapping[str, Any], folder: str, *, mailers: bool) -> dict[str, Any]:
    """Return the settings that write all mail to files, in the dialect of the application's settings and its Django.

    Settings with MAILERS (Django 6.1) may have none of the older ones; a Django that has it by default knows no others.
    """
    if not mailers and "MAILERS" not in own:
        return {"EMAIL_BACKEND": FILES, "EMAIL_FILE_PATH": folder}
    names = dict.fromkeys(["default", *own.get("MAILERS", {})])
    return {"MAILERS": {name: {"BACKEND": FILES, "OPTIONS": {"file_path": folder}} for name in names}}


def debug_as_read(environment: Mapping[str, str]) -> dict[str, str]:
    """Return DEBUG under the name, and in the words, in which the application's settings read it.

    They may switch much on by it (a toolbar, another storage) before this says what DEBUG is.
    """
    name, _, kind = environment.get("SAMESTACK_DEBUG_VARIABLE", "").partition(":")
    if not name or "DEBUG" not in environment or (name != "DEBUG" and name in environment):
        return {}
    debug = truth(environment["DEBUG"])
    return {name: str(int(debug)) if kind == "int" else str(debug)}


def truth(text: str) -> bool:
    """Return whether a text means yes."""
    return text.lower() in ("1", "true", "yes", "on")


def logged(own: Mapping[str, Any], may_write: Callable[[str], bool]) -> dict[str, Any]:
    """Return LOGGING: the application's own, in which the journal takes the place of files that cannot be written.

    A release is nobody's to change, and with a log beside manage.py no process would start.
    """
    handlers = own.get("handlers") or {}
    moved = {
        name: {key: value for key, value in handler.items() if key not in OF_FILE} | {"class": "logging.StreamHandler"}
        for name, handler in handlers.items()
        if str(handler.get("class", "")).endswith(TO_FILE) and not may_write(str(handler.get("filename", "")))
    }
    return {**own, "handlers": {**handlers, **moved}} if moved else dict(own)


def overlay(
    own: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    mailers: bool = False,
    may_write: Callable[[str], bool] = lambda _path: True,
) -> dict[str, Any]:
    """Return the settings to set over the application's own.

    Args:
        own: the application's settings, by name.
        environment: the process's environment; only what it holds is set.
        mailers: its Django has MAILERS by default.
        may_write: whether the process may write a file, which need not be there.
    """
    settings: dict[str, Any] = {
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
    }
    # Nginx does both for every request, and tests/infra/test_web.py holds it to that: it leads http to https, and says
    # for how long browsers may only come by https, where they are to be told (web_hsts).
    silenced = ["security.W008", *(["security.W004"] if environment.get("SAMESTACK_HSTS", "0") != "0" else [])]
    # Where mail is caught, that is meant.
    silenced += ["mail.E001"] if environment.get("SAMESTACK_MAIL_FOLDER") else []
    settings["SILENCED_SYSTEM_CHECKS"] = list(dict.fromkeys([*own.get("SILENCED_SYSTEM_CHECKS", []), *silenced]))
    for name in ("SECRET_KEY", "STATIC_ROOT", "MEDIA_ROOT"):
        if environment.get(name):
            # Where it is a Path, the application's code goes on from it: STATIC_ROOT / "manifest.json".
            kind = Path if isinstance(own.get(name), Path) else str
            settings[name] = kind(environment[name])
    if environment.get("SECRET_KEY_FALLBACKS"):
        fallbacks = [*words(environment["SECRET_KEY_FALLBACKS"]), *own.get("SECRET_KEY_FALLBACKS", [])]
        settings["SECRET_KEY_FALLBACKS"] = list(dict.fromkeys(fallbacks))
    if "DEBUG" in environment:
        settings["DEBUG"] = truth(environment["DEBUG"])
    if settings.get("DEBUG") and own.get("INTERNAL_IPS"):
        settings["INTERNAL_IPS"] = OwnNetwork(own["INTERNAL_IPS"])
    if environment.get("ALLOWED_HOSTS"):
        settings["ALLOWED_HOSTS"] = words(environment["ALLOWED_HOSTS"])
    if environment.get("CSRF_TRUSTED_ORIGINS"):
        origins = [*own.get("CSRF_TRUSTED_ORIGINS", []), *words(environment["CSRF_TRUSTED_ORIGINS"])]
        settings["CSRF_TRUSTED_ORIGINS"] = list(dict.fromkeys(origins))
    if environment.get("DATABASE_URL"):
        databases = dict(own.get("DATABASES", {}))
        entry = database(environment["DATABASE_URL"], databases.get("default", {}))
        databases["default"] = persistent(entry, environment.get("SAMESTACK_INTERFACE", "wsgi"))
        settings["DATABASES"] = databases
        # Some apps (Wagtail's search) ask for it as soon as the database is PostgreSQL.
        if "django.contrib.postgres" not in own.get("INSTALLED_APPS", []):
            settings["INSTALLED_APPS"] = [*own.get("INSTALLED_APPS", []), "django.contrib.postgres"]
    if environment.get("SAMESTACK_MAIL_FOLDER"):
        settings |= caught_mail(own, environment["SAMESTACK_MAIL_FOLDER"], mailers=mailers)
    settings["LOGGING"] = logged(own["LOGGING"], may_write) if own.get("LOGGING") else LOGGING
    return settings
