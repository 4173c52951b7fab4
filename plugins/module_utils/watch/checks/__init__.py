"""The checks, in the order in which they are shown."""

from __future__ import annotations

from . import (
    backup,
    certificate,
    changes,
    disk,
    load,
    memory,
    postgresql,
    processes,
    redis,
    release,
    site,
    system,
    units,
)

CHECKS = (
    site.CHECK, release.CHECK, processes.CHECK, units.CHECK, postgresql.CHECK, redis.CHECK, disk.CHECK, memory.CHECK,
    load.CHECK, certificate.CHECK, backup.CHECK, system.CHECK, changes.CHECK,
)  # fmt: skip
