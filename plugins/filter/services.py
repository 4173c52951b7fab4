"""Filters about services: what roles say of themselves in `meta/service.yml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..plugin_utils.inventory.backups import idle_keepers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping


def service_hosts(
    services: Mapping[str, Mapping[str, Any]], groups: Mapping[str, list[str]], hosts: Collection[str]
) -> dict[str, list[str]]:
    """Return the hosts of each service that is wanted, by its name.

    Args:
        services: what services say of themselves, by name; `wanted` and `group` are read.
        groups: Ansible's groups.
        hosts: those of the environment.
    """
    return {
        name: list(
            dict.fromkeys(one for group in listed(service["group"]) for one in groups.get(group, []) if one in hosts)
        )
        for name, service in services.items()
        if service["wanted"]
    }


def listed(group: str | Iterable[str]) -> list[str]:
    """Return a service's groups: most have one."""
    return [group] if isinstance(group, str) else list(group)


def service_listeners(details: Collection[Mapping[str, Any]], more: Mapping[str, int]) -> dict[str, list[str]]:
    """Return the units that may have each TCP port of a machine.

    Args:
        details: what the machine's services say of themselves; `ports`, `units` and `exporter` are read.
        more: ports on which a service listens for its own machine alone, by the service's first unit.
    """
    found: dict[str, list[str]] = {}
    for service in details:
        units = list(service["units"])
        ports = [port["port"] for port in service.get("ports", [])] + [more[unit] for unit in units if unit in more]
        for port in ports:
            found.setdefault(str(port), []).extend(units)
    for service in details:
        exporter = service.get("exporter", {"name": "", "port": 0})
        if str(exporter["port"]) in found:
            found[str(exporter["port"])].append(f"prometheus-{exporter['name']}-exporter.service")
    return found


def stand_ins(services: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return what stands in, while a release is built, for what services tell the application; `*` begins an ending.

    Settings may insist on a service that is not wanted: what stands in for that is known, and set only where they do.
    """
    found: dict[str, str] = {}
    for service in services.values():
        for name, value in service.get("stand_ins", {}).items():
            found[name if service["wanted"] else f"*{name.removeprefix('*')}"] = value
    return found


def emptied(services: Mapping[str, Mapping[str, Any]], places: Mapping[str, Iterable[str]]) -> list[dict[str, str]]:
    """Return what keeps rows of the application's beside the database: `host`, and the `command` that empties it.

    Args:
        services: what services say of themselves, by name; `emptied_by` is read.
        places: the hosts of each service that is wanted.
    """
    return [
        {"host": host, "command": str(services[name]["emptied_by"])}
        for name, hosts in places.items()
        if services[name].get("emptied_by")
        for host in hosts
    ]


def scratch_servers(services: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the servers that tests of a release have for themselves, of the services that are wanted.

    Args:
        services: what services say of themselves, by name; `scratch` and `rotates` are read.
    """
    return [
        {
            "name": name,
            "at": str(service["scratch"].get("at", f"/run/build/{name}")),
            "start": str(service["scratch"]["start"]),
            "stop": str(service["scratch"].get("stop", "")),
            "variables": dict(service["scratch"].get("variables", {})),
            # Passwords of servers that are the tests' own are none.
            "secrets": [secret for secrets in service.get("rotates", {}).values() for secret in secrets],
        }
        for name, service in services.items()
        if service["wanted"] and service.get("scratch")
    ]


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "emptied": emptied,
            "idle_keepers": idle_keepers,
            "scratch_servers": scratch_servers,
            "service_hosts": service_hosts,
            "service_listeners": service_listeners,
            "stand_ins": stand_ins,
        }
