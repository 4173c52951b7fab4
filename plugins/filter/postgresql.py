"""Settings of PostgreSQL: sized from the machine, written as its configuration takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def postgresql_settings(memory_mb: int, shared_with_app: bool, connections: int = 100) -> dict[str, str]:
    """Return server settings sized from the machine's memory.

    Args:
        memory_mb: memory of the machine in MiB.
        shared_with_app: true when the application runs on the same machine: then half of the memory counts.
        connections: the server's max_connections.

    The rule: `shared_buffers` is a quarter of the memory, as the PostgreSQL manual's chapter on resource consumption
    recommends for a dedicated server; `effective_cache_size`, `maintenance_work_mem` and `work_mem` follow PGTune's
    formulae for web applications: three quarters, a sixteenth (2 GiB at most), and what shared_buffers leaves divided
    by three operations for each connection (never below the server's default of 4 MiB).
    """
    # In steps: a new kernel leaves a few MiB more or less, which is no reason to restart a database.
    memory = memory_mb // 64 * 64
    if shared_with_app:
        memory //= 2
    shared = max(memory // 4, 32)
    work_kb = max((memory - shared) * 1024 // (connections * 3), 4096)
    return {
        "max_connections": str(connections),
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{max(memory * 3 // 4, 64)}MB",
        "maintenance_work_mem": f"{min(max(memory // 16, 64), 2048)}MB",
        "work_mem": f"{work_kb}kB",
        "random_page_cost": "1.1",
        "wal_compression": "on",
    }


def postgresql_value(value: Any) -> str:
    """Return a value as postgresql.conf takes it: quoted, quotes doubled."""
    text = {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    return "'" + text.replace("'", "''") + "'"


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"postgresql_settings": postgresql_settings, "postgresql_value": postgresql_value}
