"""What the hosts of an environment tell each other: when they looked last, and whether they can tell people.

Each answers the others at a port that the firewall opens to them alone, over TLS with the environment's own authority.
systemd accepts the connection (standard input) and gives the answering process what it needs to know, and no right.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

from ..common.files import write_atomic
from ..common.paths import CONFIG
from .settings import KEPT

if TYPE_CHECKING:
    from collections.abc import Mapping

PORT = 8434
#: Seconds for an answer, and its longest
TIMEOUT, LONGEST = 5, 200
#: Seconds that a length of time may have: who says anything else is not believed
MOST = 1e9
AUTHORITY, SAID = f"{CONFIG}/watch-ca.crt", f"{KEPT}/said.json"


def say(looked: float, unsent: Mapping[str, Any]) -> None:
    """Leave what the others are told when they ask; raises PathError, OSError."""
    write_atomic(SAID, json.dumps({"looked": looked, "unsent": unsent.get("since", 0)}), 0o600)


def answer() -> None:
    """Tell the one who is connected; who does not speak TLS, or leaves, is no fault of this host's."""
    given = os.environ["CREDENTIALS_DIRECTORY"]
    with open(os.path.join(given, "said"), encoding="utf-8") as file:
        said = json.load(file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(given, "pair"))
    # Lengths of time: clocks may differ. A look by a clock that was ahead is none of this moment.
    now = time.time()
    text = json.dumps({name: abs(now - since) if since else 0 for name, since in said.items()})
    try:
        with socket.socket(fileno=0) as plain:
            plain.settimeout(TIMEOUT)
            with context.wrap_socket(plain, server_side=True) as connection:
                connection.sendall(text.encode())
    except OSError:
        return


def ask(address: str, port: int = PORT, authority: str = AUTHORITY) -> dict[str, float]:
    """Return how long ago a host has looked, and for how long it could not tell people; raises OSError, ValueError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    ends = time.monotonic() + TIMEOUT
    text = b""
    with (
        socket.create_connection((address, port), TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=address) as connection,
    ):
        while len(text) < LONGEST and (piece := connection.recv(LONGEST)):
            text += piece
            # Root on the other host may say one letter after the other.
            if time.monotonic() > ends:
                raise TimeoutError(f"no answer within {TIMEOUT} s")
    found = {name: float(json.loads(text)[name]) for name in ("looked", "unsent")}
    if not all(0 <= length < MOST for length in found.values()):
        raise ValueError("no length of time")
    return found
