"""The manifest: what is on this host, section by section; what cannot be had is recorded as missing, with why."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ansible.module_utils import (
    manifest_accounts,
    manifest_certificates,
    manifest_django,
    manifest_environment,
    manifest_files,
    manifest_firewall,
    manifest_kernel,
    manifest_nginx,
    manifest_packages,
    manifest_postgresql,
    manifest_python,
    manifest_redis,
    manifest_release,
    manifest_schema,
    manifest_sockets,
    manifest_sources,
    manifest_system,
    manifest_timers,
    manifest_units,
    manifest_venv,
)
from ansible.module_utils.manifest_host import MissingError
from ansible.module_utils.manifest_live import Live

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible.module_utils.manifest_host import Host, Section

SCHEMA = 1
DIGITS = 12
# What waits for other programs runs side by side.
WORKERS = 4


def sections(host: Host, live: Live) -> list[dict[str, Callable[[], Section]]]:
    """Return the collectors; those of one group share what they read, and run one after the other."""
    return [
        {
            "release": lambda: manifest_release.collect(host, live),
            "venv": lambda: manifest_venv.collect(host, live),
            "settings": lambda: manifest_django.settings(host, live),
            "gunicorn": lambda: manifest_django.gunicorn(host, live),
        },
        {"files": lambda: manifest_files.collect(host)},
        {"units": lambda: manifest_units.collect(host, live)},
        {"timers": lambda: manifest_timers.collect(host)},
        {"packages": lambda: manifest_packages.collect(host)},
        {"schema": lambda: manifest_schema.schema(host), "migrations": lambda: manifest_schema.migrations(host)},
        {"postgresql": lambda: manifest_postgresql.collect(host)},
        {"sources": lambda: manifest_sources.collect(host), "python": lambda: manifest_python.collect(host)},
        {"kernel": lambda: manifest_kernel.collect(host, live), "system": lambda: manifest_system.collect(host)},
        {"accounts": lambda: manifest_accounts.collect(host)},
        {"nginx": lambda: manifest_nginx.collect(host), "certificates": lambda: manifest_certificates.collect(host)},
        {"sockets": lambda: manifest_sockets.collect(host, live), "firewall": lambda: manifest_firewall.collect(host)},
        {"redis": lambda: manifest_redis.collect(host)},
        {"environment": lambda: manifest_environment.collect(host)},
    ]


def manifest(host: Host) -> dict[str, Any]:
    """Return the manifest of this host."""
    manifest_environment.learn(host)
    host.secrets.learn("requirepass", manifest_redis.password_of(host.text(manifest_redis.FILE)))
    found: dict[str, Section] = {}

    def collect(group: dict[str, Callable[[], Section]]) -> None:
        for name, collector in group.items():
            try:
                found[name] = collector()
            except MissingError as missing:
                host.miss(name, str(missing))
            # One section must not take the others with it, whatever this host has that nobody has thought of.
            except Exception as error:
                host.miss(name, f"{type(error).__name__}: {host.secrets.masked(str(error))}")

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(collect, sections(host, Live(host))))
    return {"schema": SCHEMA, "sections": found, "missing": host.missing}


def text_of(content: dict[str, Any]) -> str:
    """Return a manifest as it is written: the same state is the same bytes."""
    text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    # Bytes that are no text come in as halves of characters; JSON has words for those.
    return text.encode("utf-8", "backslashreplace").decode()


def digest_of(text: str) -> str:
    """Return what a manifest is called."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
