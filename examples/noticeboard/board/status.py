"""What the site runs on, as seen from inside: for the status page and the health check."""

import platform
import sqlite3
from datetime import datetime
from typing import Any

import django
import redis
from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from . import jobs
from .models import Notice, TimerRun


def database_version() -> str:
    """Return the product and version of the database server, e.g. ``PostgreSQL 17.5``."""
    if connection.vendor == "sqlite":
        return f"SQLite {sqlite3.sqlite_version}"
    return f"{connection.display_name} {'.'.join(map(str, connection.get_database_version()))}"


def over_unix_socket() -> bool | None:
    """Tell whether PostgreSQL is reached over a unix socket; None for any other database.

    ``inet_server_addr()`` is NULL over a unix socket (PostgreSQL manual, "Session Information Functions").
    """
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT inet_server_addr() IS NULL")
        return cursor.fetchone()[0]


def redis_state() -> dict[str, Any]:
    """Return whether Redis is configured and reachable, its version and how many jobs wait."""
    state: dict[str, Any] = {
        "configured": bool(settings.REDIS_URL),
        "reachable": False,
        "version": None,
        "waiting": None,
    }
    if not state["configured"]:
        return state
    try:
        with jobs.client() as queue:
            state["version"] = queue.info("server")["redis_version"]
            state["waiting"] = queue.llen(jobs.WAITING)
            state["reachable"] = True
    except redis.RedisError:
        pass
    return state


def worker_state() -> dict[str, Any] | None:
    """Return what a worker read last, or None when it has read nothing yet."""
    fields = ("pk", "title", "word_count", "checksum", "read_at", "read_by")
    return Notice.objects.exclude(read_at=None).order_by("-read_at").values(*fields).first()


def timer_state() -> dict[str, Any] | None:
    """Return the last run of the timer, or None before its first."""
    return TimerRun.objects.filter(name="tidy").values("finished_at", "outcome").first()


def collect(request: HttpRequest) -> dict[str, Any]:
    """Return the whole status: versions, connections, worker, timer and clock, fit for JSON."""
    now: datetime = timezone.now()
    return {
        "application": {
            "python": platform.python_version(),
            "django": django.get_version(),
            "server": request.META.get("SERVER_SOFTWARE", "unknown"),
            "debug": settings.DEBUG,
            "https": request.is_secure(),
            "host": request.get_host(),
        },
        "database": {
            "vendor": connection.vendor,
            "version": database_version(),
            "unix_socket": over_unix_socket(),
            "conn_max_age": connection.settings_dict["CONN_MAX_AGE"],
            "notices": Notice.objects.count(),
        },
        "redis": redis_state(),
        "worker": worker_state(),
        "timer": timer_state(),
        "time": {"now": now, "zone": timezone.get_current_timezone_name()},
    }
