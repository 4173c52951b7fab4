"""What the firewall is told."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

IPV4 = 4


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


def destinations(places: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return {family, address, port} of places ({address, port}) as nftables names them; port 0 stands for all.

    The name of a host is looked up here, since a firewall that is loaded before the network is up cannot. Raises
    AnsibleFilterError for a name that nobody knows.
    """
    found = []
    for place in places:
        try:
            networks = [ipaddress.ip_network(place["address"], strict=False)]
        except ValueError:
            networks = looked_up(place["address"])
        for network in networks:
            family = "ip" if network.version == IPV4 else "ip6"
            address = network.network_address if network.num_addresses == 1 else network
            found.append({"family": family, "address": str(address), "port": place.get("port") or 0})
    return found


def looked_up(name: str) -> list[Network]:
    """Return the addresses of a host; raises AnsibleFilterError."""
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise AnsibleFilterError(f"{name!r} is neither an address nor a name that is known here: {error}") from error
    return [ipaddress.ip_network(address) for address in sorted({str(answer[4][0]) for answer in answers})]


def open_port(port: int) -> dict[str, Any]:
    """Return what opens a TCP port to anyone."""
    return {"port": port}


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"addresses": addresses, "destinations": destinations, "open_port": open_port}
