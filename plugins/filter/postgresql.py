"""Settings of PostgreSQL: sized from the machine, written as its configuration takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..plugin_utils.inventory import database_connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


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


def connection_plan(
    hosts: Iterable[str], hostvars: Mapping[str, Any], here: Mapping[str, Any], limit: int
) -> dict[str, Any]:
    """Return how many processes and threads the web servers of an environment have, and the connections for them.

    Args:
        hosts: those that run the application.
        hostvars: Ansible's variables of all hosts. A host that this run does not reach is taken for one like this.
        here: `host`, this one; `processors`, its own; `web` and `worker`, the hosts that answer web requests, and that
            have workers and timers.
        limit: the max_connections that somebody decided; 0 where nobody did.
    """
    known: dict[str, dict[str, Any]] = {}
    for name in hosts:
        values = hostvars[name]
        machine = (values.get("ansible_facts") or {}).get("machine") or {}
        known[name] = {one: values.get(one) for one in database_connections.READ}
        if name == here["host"]:
            machine = here
        known[name]["processors"] = machine.get("processors", here["processors"])
    plan = database_connections.plan(database_connections.app_hosts(known, here["web"], here["worker"]), int(limit))
    return {"processes": plan.processes, "threads": plan.threads, "max_connections": plan.limit}


def postgresql_value(value: Any) -> str:
    """Return a value as postgresql.conf takes it: quoted, quotes doubled."""
    text = {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    return "'" + text.replace("'", "''") + "'"


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "connection_plan": connection_plan,
            "postgresql_settings": postgresql_settings,
            "postgresql_value": postgresql_value,
        }
