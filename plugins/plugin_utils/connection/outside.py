"""What a machine's running services say to somebody who comes from outside: not what our files say there."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from .target import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .target import Target

#: Seconds for one port to be answered
PATIENCE = 3
REFUSED = re.compile(r"Permission denied \((?P<methods>[\w,-]+)\)")
#: Ways to log in by something that can be guessed
BY_PASSWORD = ("password", "keyboard-interactive")


def offered_methods(target: Target, user: str) -> list[str]:
    """Return the ways of logging in that the running sshd offers a user; none where it does not say."""
    said = target.ssh(user, "true", "PreferredAuthentications=none", "NumberOfPasswordPrompts=0").stderr
    found = REFUSED.search(said)
    return found["methods"].split(",") if found else []


def direct_address(target: Target) -> str:
    """Return the address that ssh connects to; "" where it gets there by another machine or program."""
    ssh, *words = target.argv()
    lines = run([ssh, "-G", *words]).stdout.splitlines()
    settings = dict(line.split(" ", 1) for line in lines if " " in line)
    by_way = [settings.get(name, "none") for name in ("proxyjump", "proxycommand")]
    return settings.get("hostname", "") if by_way == ["none", "none"] else ""


def closed_ports(address: str, ports: Iterable[int]) -> dict[int, str]:
    """Return the TCP ports of an address to which nobody comes from here, each with why."""
    found = {}
    for port in ports:
        try:
            socket.create_connection((address, port), PATIENCE).close()
        except OSError as error:
            found[port] = "it does not answer" if isinstance(error, TimeoutError) else (error.strerror or str(error))
    return found
