"""What the firewall is told."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def addresses(values: Iterable[str], family: str) -> list[str]:
    """Return those addresses or networks that belong to the family `ipv4` or `ipv6`; raises AnsibleFilterError."""
    version = {"ipv4": 4, "ipv6": 6}[family]
    found = []
    for value in values:
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError as error:
            raise AnsibleFilterError(f"{value!r} is not an IP address or network") from error
        if network.version == version:
            found.append(str(value))
    return found


def open_port(port: int) -> dict[str, Any]:
    """Return what opens a TCP port to anyone."""
    return {"port": port}


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"addresses": addresses, "open_port": open_port}
