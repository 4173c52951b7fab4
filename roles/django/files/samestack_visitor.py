"""Who asks: what Nginx says of the visitor, told to the application in the place where Python's servers have it.

The servers stand behind a Unix socket that nobody but Nginx reaches, so they see no address. Nginx names it in a
header, of which it takes nothing from the visitor.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

# Whoever asks without Nginx is on this machine.
NOBODY = "127.0.0.1"


def visitor(forwarded: str) -> str:
    """Return the address that Nginx wrote: the last, whatever is before it."""
    address = forwarded.rpartition(",")[2].strip()
    try:
        return str(ip_address(address))
    except ValueError:
        return NOBODY


def told_wsgi(inner: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Return a WSGI application whose requests have the visitor's address."""

    def told(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_ADDR"] = visitor(environ.get("HTTP_X_FORWARDED_FOR", ""))
        return inner(environ, start_response)

    return told


def told_asgi(inner: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Return an ASGI application whose requests and WebSockets have the visitor's address."""

    async def told(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if "headers" in scope:
            named = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
            scope = {**scope, "client": (visitor(named[-1].decode("latin-1") if named else ""), 0)}
        await inner(scope, receive, send)

    return told
