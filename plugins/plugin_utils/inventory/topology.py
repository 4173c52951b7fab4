"""Which machine does what in an environment, and at which address the others reach it."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from ansible.errors import AnsibleError

from ..errors import Problem
from .files import service_declarations
from .laws import PLACEHOLDER
from .one_machine import members, written
from .view import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .view import HostVars, Inventory


PING = "watch_ping_url"


def topology_problems(inventory: Inventory, environment: str, host_vars: HostVars) -> Iterator[Problem]:
    """Yield the functions that an environment needs and no machine of it has."""
    file = sorted(inventory.in_hand)[0] if inventory.in_hand else "the inventory"
    try:
        services = plain(host_vars.get("service_hosts") or {})
    except AnsibleError:
        # A decision that it hangs on is wrong, and is told of already.
        return
    said = service_declarations()
    for name, hosts in services.items() if isinstance(services, dict) else ():
        service = said[name]
        group, purpose = service["group"], service["purpose"]
        function = group if isinstance(group, str) else group[0]
        if not hosts:
            fix = f"Name one of its machines under `{function}: hosts:`; it may be in several groups"
            yield Problem(f"group {function}", file, f"no machine of {environment} {purpose}", fix, "empty")
        elif len(hosts) > 1 and not service.get("several"):
            fix = "Leave one of them: the others would stay empty"
            several = f"{environment} has one machine for this, not several"
            yield Problem(f"group {function}", file, several, fix, ", ".join(sorted(hosts)))


def has_others(inventory: Inventory, environment: str | None) -> bool:
    """Return whether an environment has several hosts, which look at each other."""
    return len(inventory.groups.get(environment or "", [])) > 1


def ping_problems(inventory: Inventory) -> Iterator[Problem]:
    """Yield an address that several hosts would ping: whoever waits there would not notice that one of them is gone."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for member in members(inventory):
        setting = written(inventory, member, PING)
        url = str(setting.value or "") if setting else ""
        # What is no URL is told of already.
        if not setting or not ("://" in url or "{{" in url) or "inventory_hostname" in url:
            continue
        # A template may say something else in each environment; development's machines are somebody's own.
        apart = member.environment if "{{" in url or member.environment == "dev" else ""
        found.setdefault((url, apart), {})[member.host] = setting.place()
    for hosts in found.values():
        if len(hosts) > 1:
            names = f"{', '.join(sorted(hosts)[:-1])} and {max(hosts)}"
            what = f"{names} would ping it, and nobody would notice that one of them is gone"
            fix = 'Give each its own: "https://hc-ping.com/{{ vault_ping_key }}/{{ inventory_hostname }}?create=1"'
            yield Problem(PING, next(iter(hosts.values())), what, fix, "(hidden)")


def address_problems(inventory: Inventory, host: str, host_vars: HostVars) -> Iterator[Problem]:
    """Yield an address that firewalls cannot be told: machines that talk to each other need numbers, not names."""
    if not has_others(inventory, inventory.environment(host)) or "machine_address" not in host_vars:
        return
    value = str(plain(host_vars["machine_address"]))
    if PLACEHOLDER.search(value):
        # That is told of already.
        return
    try:
        ipaddress.ip_address(value)
    except ValueError:
        setting = inventory.written("machine_address", host)
        own = setting and not setting.ours
        place = inventory.place("machine_address", (), host) if own else f"nowhere set for {host}"
        what = "is no IP address, and the firewalls of the other machines have to name this one"
        fix = f"Write the address at which they reach it beside {host} in the inventory: machine_address: 10.0.0.5"
        yield Problem("machine_address", place, what, fix, value)
