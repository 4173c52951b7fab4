"""How a backup host asks a database host for what is new in its repository: lines of JSON over TLS, and bytes.

The backup host is the client: nothing of it listens for the database host, which therefore has no way to remove or
change what was fetched. It knows the server by the environment's own authority, and is known by a key.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

PORT = 8432
#: Names of files below a repository; no part of a path begins with a dot
PATH = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.@+-]*/)*[A-Za-z0-9_][A-Za-z0-9_.@+-]*")
LONGEST_LINE = 64 << 20
CHUNK = 1 << 20
#: Seconds for which the server waits for news, and after which either side takes the other for gone
PATIENCE, SILENCE = 15, 60


class WireError(Exception):
    """The other side said something else than was agreed."""


def send(stream: BinaryIO, message: Any) -> None:
    """Send one line of JSON."""
    stream.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
    stream.flush()


def receive(stream: BinaryIO) -> dict[str, Any]:
    """Return the other side's line; raises WireError, also at its end."""
    line = stream.readline(LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise WireError("the connection was closed")
    try:
        found = json.loads(line)
    except ValueError:
        raise WireError("its answer is no JSON") from None
    if not isinstance(found, dict):
        raise WireError("its answer is no object")
    return found


def blocks(stream: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield so many bytes that follow a line; raises WireError where they end before."""
    left = size
    while left:
        block = stream.read(min(left, CHUNK))
        if not block:
            raise WireError("the connection was closed within a file")
        left -= len(block)
        yield block


def listen(port: int, backlog: int) -> socket.socket:
    """Return a listener for whoever reaches this host, by IPv6 as well where there is any; raises OSError."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True)
    return socket.create_server(("", port), backlog=backlog)


def connect(address: str, port: int, authority: str, timeout: float = SILENCE) -> ssl.SSLSocket:
    """Return a connection to a server that the authority has vouched for at that address; raises OSError."""
    context = ssl.create_default_context(cafile=authority)
    plain = socket.create_connection((address, port), timeout)
    try:
        return context.wrap_socket(plain, server_hostname=address)
    except BaseException:
        plain.close()
        raise
