"""The manifest: what is on this host, section by section; what cannot be had is recorded as missing, with why.

No library has this: Ansible's facts, osquery and their like list packages, accounts and ports, but no releases, no
schema and no effective settings of servers, and none of them tells secrets apart without showing them.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from .reading.live import Live
from .reading.machine import MissingError
from .sections import (
    accounts,
    certificates,
    django,
    environment,
    files,
    firewall,
    kernel,
    nginx,
    packages,
    postgresql,
    python,
    redis,
    release,
    schema,
    sockets,
    sources,
    system,
    timers,
    units,
    venv,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .reading.machine import Host, Section

SCHEMA = 1
DIGITS = 12
# What waits for other programs runs side by side.
WORKERS = 4


def sections(host: Host, live: Live) -> list[dict[str, Callable[[], Section]]]:
    """Return the collectors; those of one group share what they read, and run one after the other."""
    return [
        {
            "release": lambda: release.collect(host, live),
            "venv": lambda: venv.collect(host, live),
            "settings": lambda: django.settings(host, live),
            "gunicorn": lambda: django.gunicorn(host, live),
        },
        {"files": lambda: files.collect(host)},
        {"units": lambda: units.collect(host, live)},
        {"timers": lambda: timers.collect(host)},
        {"packages": lambda: packages.collect(host)},
        {"schema": lambda: schema.schema(host), "migrations": lambda: schema.migrations(host)},
        {"postgresql": lambda: postgresql.collect(host)},
        {"sources": lambda: sources.collect(host), "python": lambda: python.collect(host)},
        {"kernel": lambda: kernel.collect(host, live), "system": lambda: system.collect(host)},
        {"accounts": lambda: accounts.collect(host)},
        {"nginx": lambda: nginx.collect(host), "certificates": lambda: certificates.collect(host)},
        {"sockets": lambda: sockets.collect(host, live), "firewall": lambda: firewall.collect(host)},
        {"redis": lambda: redis.collect(host)},
        {"environment": lambda: environment.collect(host)},
    ]


def manifest(host: Host) -> dict[str, Any]:
    """Return the manifest of this host."""
    environment.learn(host)
    host.secrets.learn("requirepass", redis.password_of(host.text(redis.FILE)))
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
