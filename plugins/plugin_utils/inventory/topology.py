"""Which machine does what in an environment, and at which address the others reach it."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from ansible.errors import AnsibleError

from ..errors import Problem
from .files import service_declarations
from .laws import PLACEHOLDER
from .view import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .view import HostVars, Inventory


def topology_problems(inventory: Inventory, environment: str, host_vars: HostVars) -> Iterator[Problem]:
    """Yield the functions that an environment needs and no machine of it has."""
    file = sorted(inventory.in_hand)[0] if inventory.in_hand else "the inventory"
    try:
        services = plain(host_vars.get("service_hosts") or {})
    except AnsibleError:
        # A decision that it hangs on is wrong, and is told of already.
        return
    said = service_declarations()
    for name, members in services.items() if isinstance(services, dict) else ():
        service = said[name]
        group, purpose = service["group"], service["purpose"]
        function = group if isinstance(group, str) else group[0]
        if not members:
            fix = f"Name one of its machines under `{function}: hosts:`; it may be in several groups"
            yield Problem(f"group {function}", file, f"no machine of {environment} {purpose}", fix, "empty")
        elif len(members) > 1 and not service.get("several"):
            fix = "Leave one of them: the others would stay empty"
            several = f"{environment} has one machine for this, not several"
            yield Problem(f"group {function}", file, several, fix, ", ".join(sorted(members)))


def address_problems(inventory: Inventory, host: str, host_vars: HostVars) -> Iterator[Problem]:
    """Yield an address that firewalls cannot be told: machines that talk to each other need numbers, not names."""
    environment = inventory.environment(host)

    def members(*functions: str) -> set[str]:
        named = {name for function in functions for name in inventory.groups.get(function, [])}
        return {name for name in named if inventory.environment(name) == environment}

    servers, clients = members("db", "cache", "backup"), members("web", "worker")
    if host not in servers | clients or len(servers | clients) == 1 or "machine_address" not in host_vars:
        return
    value = str(plain(host_vars["machine_address"]))
    if PLACEHOLDER.search(value):
        # That is told of already.
        return
    try:
        ipaddress.ip_address(value)
    except ValueError:
        setting = inventory.written("machine_address", host)
        written = setting and not setting.ours
        place = inventory.place("machine_address", (), host) if written else f"nowhere set for {host}"
        what = "is no IP address, and the firewalls of the other machines have to name this one"
        fix = f"Write the address at which they reach it beside {host} in the inventory: machine_address: 10.0.0.5"
        yield Problem("machine_address", place, what, fix, value)
