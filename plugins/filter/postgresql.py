"""Settings of PostgreSQL: sized from the machine, written as its configuration takes them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..plugin_utils.inventory import database_connections

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


#: Extensions that the server's own package has not, by Debian's and Ubuntu's packages; {0} is PostgreSQL's version.
EXTENSION_PACKAGES = {
    "postgresql-{0}-age": ("age",),
    "postgresql-{0}-cron": ("pg_cron",),
    "postgresql-{0}-debversion": ("debversion",),
    "postgresql-{0}-first-last-agg": ("first_last_agg",),
    "postgresql-{0}-hll": ("hll",),
    "postgresql-{0}-hypopg": ("hypopg",),
    "postgresql-{0}-icu-ext": ("icu_ext",),
    "postgresql-{0}-ip4r": ("ip4r",),
    "postgresql-{0}-jsquery": ("jsquery",),
    "postgresql-{0}-mysql-fdw": ("mysql_fdw",),
    "postgresql-{0}-ogr-fdw": ("ogr_fdw",),
    "postgresql-{0}-orafce": ("orafce",),
    "postgresql-{0}-partman": ("pg_partman",),
    "postgresql-{0}-periods": ("periods",),
    "postgresql-{0}-pg-qualstats": ("pg_qualstats",),
    "postgresql-{0}-pg-stat-kcache": ("pg_stat_kcache",),
    "postgresql-{0}-pg-track-settings": ("pg_track_settings",),
    "postgresql-{0}-pg-wait-sampling": ("pg_wait_sampling",),
    "postgresql-{0}-pgaudit": ("pgaudit",),
    "postgresql-{0}-pglogical": ("pglogical",),
    "postgresql-{0}-pgmp": ("pgmp",),
    "postgresql-{0}-pgpcre": ("pgpcre",),
    "postgresql-{0}-pgrouting": ("pgrouting",),
    "postgresql-{0}-pgsphere": ("pg_sphere",),
    "postgresql-{0}-pgtap": ("pgtap",),
    "postgresql-{0}-pgvector": ("vector",),
    "postgresql-{0}-pldebugger": ("pldbgapi",),
    "postgresql-{0}-pllua": ("pllua", "plluau"),
    "postgresql-{0}-plpgsql-check": ("plpgsql_check",),
    "postgresql-{0}-plproxy": ("plproxy",),
    "postgresql-{0}-plr": ("plr",),
    "postgresql-{0}-plsh": ("plsh",),
    "postgresql-{0}-pointcloud": ("pointcloud", "pointcloud_postgis"),
    "postgresql-{0}-postgis-3": (
        "address_standardizer", "address_standardizer_data_us", "postgis", "postgis_raster", "postgis_sfcgal",
        "postgis_tiger_geocoder", "postgis_topology",
    ),
    "postgresql-{0}-prefix": ("prefix",),
    "postgresql-{0}-preprepare": ("pre_prepare",),
    "postgresql-{0}-q3c": ("q3c",),
    "postgresql-{0}-rational": ("pg_rational",),
    "postgresql-{0}-rdkit": ("rdkit",),
    "postgresql-{0}-repack": ("pg_repack",),
    "postgresql-{0}-rum": ("rum",),
    "postgresql-{0}-semver": ("semver",),
    "postgresql-{0}-similarity": ("pg_similarity",),
    "postgresql-{0}-tdigest": ("tdigest",),
    "postgresql-{0}-tds-fdw": ("tds_fdw",),
    "postgresql-{0}-unit": ("unit",),
    "postgresql-plperl-{0}": (
        "bool_plperl", "bool_plperlu", "hstore_plperl", "hstore_plperlu", "jsonb_plperl", "jsonb_plperlu", "plperl",
        "plperlu",
    ),
    "postgresql-plpython3-{0}": ("hstore_plpython3u", "jsonb_plpython3u", "ltree_plpython3u", "plpython3u"),
    "postgresql-pltcl-{0}": ("pltcl", "pltclu"),
}  # fmt: skip
#: Where they say that they need more than themselves
EXTENSIONS_BESIDE = {"pgrouting": ("postgis",), "pointcloud_postgis": ("postgis",)}
#: Before anything is known of the machine
USUAL_VERSION = "16"


def postgresql_version(machine: Mapping[str, Any]) -> str:
    """Return the major version of PostgreSQL that a machine has, or would get: Debian's package carries it."""
    versions = {**(machine.get("candidates") or {}), **(machine.get("packages") or {})}
    return re.split(r"\D", str(versions.get("postgresql") or USUAL_VERSION), maxsplit=1)[0]


def extension_packages(names: Iterable[str], machine: Mapping[str, Any]) -> list[str]:
    """Return the packages that bring extensions to the database of a machine; none for those of the server's own."""
    wanted = {one for name in names for one in (name, *EXTENSIONS_BESIDE.get(name, ()))}
    version = postgresql_version(machine)
    return [package.format(version) for package, brought in EXTENSION_PACKAGES.items() if wanted & set(brought)]


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
            "extension_packages": extension_packages,
            "postgresql_settings": postgresql_settings,
            "postgresql_value": postgresql_value,
            "postgresql_version": postgresql_version,
        }
