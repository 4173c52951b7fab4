"""Filters about services: what roles say of themselves in `meta/service.yml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


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
        name: [host for host in groups.get(service["group"], []) if host in hosts]
        for name, service in services.items()
        if service["wanted"]
    }


def stand_ins(services: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return what stands in, while a release is built, for what services tell the application; `*` begins an ending.

    Settings may insist on a service that is not wanted: what stands in for that is known, and set only where they do.
    """
    found: dict[str, str] = {}
    for service in services.values():
        for name, value in service.get("stand_ins", {}).items():
            found[name if service["wanted"] else f"*{name.removeprefix('*')}"] = value
    return found


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"service_hosts": service_hosts, "stand_ins": stand_ins}
