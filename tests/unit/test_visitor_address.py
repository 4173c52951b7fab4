"""The visitor's address, as Nginx names it, for WSGI and ASGI applications."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from roles.django.files.samestack_visitor import told_asgi, told_wsgi, visitor

ADDRESSES = [
    ("203.0.113.9", "203.0.113.9"),
    ("2001:DB8::1", "2001:db8::1"),
    # Nginx's own word is the last, should anybody else ever have been let in before it.
    ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
    # Who asks without Nginx: our own probe, on the same machine
    ("", "127.0.0.1"),
    ("unknown", "127.0.0.1"),
    ("1.2.3.4'; DROP TABLE", "127.0.0.1"),
]


@pytest.mark.parametrize(("header", "address"), ADDRESSES)
def test_the_header_of_nginx(header: str, address: str) -> None:
    assert visitor(header) == address


@pytest.mark.parametrize("before", [{}, {"REMOTE_ADDR": ""}, {"REMOTE_ADDR": "9.9.9.9"}])
def test_wsgi(before: dict[str, str]) -> None:
    seen: dict[str, Any] = {}
    application = told_wsgi(lambda environ, _start: seen.update(environ) or [b"body"])
    environ = {**before, "HTTP_X_FORWARDED_FOR": "203.0.113.9", "HTTP_X_REAL_IP": "6.6.6.6"}
    assert application(environ, None) == [b"body"]
    assert seen["REMOTE_ADDR"] == "203.0.113.9"


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("client", [None, ("9.9.9.9", 1)])
def test_asgi(kind: str, client: Any) -> None:
    seen: list[dict[str, Any]] = []

    async def inner(scope: dict[str, Any], _receive: Any, _send: Any) -> None:
        seen.append(scope)

    given = {"type": kind, "client": client, "headers": [(b"host", b"x"), (b"x-forwarded-for", b"203.0.113.9")]}
    asyncio.run(told_asgi(inner)(given, None, None))
    assert seen[0]["client"] == ("203.0.113.9", 0)
    assert given["client"] == client, "the server's own copy is left alone"


def test_asgi_lifespan_passes() -> None:
    seen: list[dict[str, Any]] = []

    async def inner(scope: dict[str, Any], _receive: Any, _send: Any) -> None:
        seen.append(scope)

    asyncio.run(told_asgi(inner)({"type": "lifespan"}, None, None))
    assert seen == [{"type": "lifespan"}]
