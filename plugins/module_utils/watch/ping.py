"""Tells a service elsewhere that this host has looked: whoever waits for that notices when nobody looks any more.

As healthchecks takes it: the URL when all is well, and the same with `/fail` at its end when it is not.
"""

from __future__ import annotations

import os
import ssl
import threading
import urllib.parse

from ..common.paths import CONFIG
from .visit import HTTPS, Visit

#: Where the URL is: a secret
NAME = "ping"
#: Seconds for all of it
TIMEOUT = 5
HTTP = 80
WELL = range(200, 300)


def url() -> str:
    """Return the URL, "" where nobody waits for it; raises OSError."""
    path = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY", CONFIG), NAME)
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def visit(address: str, *, well: bool) -> Visit:
    """Return what is asked for; raises ValueError, OSError."""
    parts = urllib.parse.urlsplit(address)
    page = parts.path.rstrip("/") + ("" if well else "/fail")
    query = f"?{parts.query}" if parts.query else ""
    safe = parts.scheme == "https"
    host = parts.hostname or ""
    context = ssl.create_default_context() if safe else None
    return Visit(host, (page or "/") + query, host, context, TIMEOUT, parts.port or (HTTPS if safe else HTTP))


def send(address: str, *, well: bool) -> str:
    """Ask for the URL and return why that came to nothing, "" where it did not. Nothing of the URL is in the words."""
    came = [f"no answer within {TIMEOUT} s"]

    def ask() -> None:
        try:
            answer = visit(address, well=well).ask()
        except (ValueError, OSError) as error:
            came[0] = type(error).__name__
            return
        came[0] = "" if answer.status in WELL else answer.error or f"it answers {answer.status}"

    # Asking for an address has an end of its own, which may be later.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(TIMEOUT + 1)
    return came[0]
