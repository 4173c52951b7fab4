"""A bounded load on a site: what visitors notice of a switch. Standard library only.

Visitors ask for a page in turns, each on a connection of its own a request, or on one that is kept. An idle connection
that the server closes is opened again, as browsers do (RFC 9110, 9.2.2: a GET may be repeated); how often that happened
is counted. A request that comes back with anything but the wanted status, or not at all, has failed.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: No load lasts longer (seconds), whatever becomes of the test.
LONGEST = 900
TIMEOUT = 30
OK = 200


@dataclass(frozen=True)
class Visitors:
    """Some visitors who do the same: `count` of them, with a pause (seconds) after each answer."""

    kind: str
    path: str
    count: int
    keep: bool = False
    pause: float = 0.05


@dataclass(frozen=True)
class Request:
    """One request: when it began (time.monotonic), how long it took in seconds, what was wrong ("": nothing)."""

    kind: str
    began: float
    seconds: float
    trouble: str


@dataclass
class Figures:
    """What came of the requests of a while; milliseconds."""

    requests: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    p50: float = 0.0
    p99: float = 0.0
    slowest: float = 0.0


class ClosedError(OSError):
    """The server closed the connection before a byte of an answer."""


class Connection:
    """One HTTPS connection, written by hand so that what happens to it is seen."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.used = False

    async def ask(self, name: str, path: str, keep: bool) -> int:
        """Return the status of one request, its body read. Raises OSError or ValueError."""
        kept = "keep-alive" if keep else "close"
        head = f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: {kept}\r\nAccept-Encoding: identity\r\n\r\n"
        try:
            self.writer.write(head.encode())
            await self.writer.drain()
            line = await self.reader.readline()
        except ConnectionError as error:
            raise ClosedError(str(error)) from error
        if not line:
            raise ClosedError("closed")
        status = int(line.split()[1])
        await self._body()
        self.used = True
        return status

    async def _body(self) -> None:
        length, chunked = 0, False
        while (line := await self.reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == "content-length":
                length = int(value)
            chunked |= name.lower() == "transfer-encoding" and "chunked" in value
        if not chunked:
            await self.reader.readexactly(length)
            return
        while size := int((await self.reader.readline()).split(b";")[0], 16):
            await self.reader.readexactly(size + 2)
        await self.reader.readline()

    def close(self) -> None:
        self.writer.close()


class Load(threading.Thread):
    """Visitors of one site, from `start` (or `with`) to `stop`; LONGEST at most."""

    def __init__(self, name: str, address: str, authority: Path | None, *visitors: Visitors) -> None:
        super().__init__(daemon=True)
        self.name_asked = name
        self.address = address
        self.visitors = visitors
        self.requests: list[Request] = []
        self.idle_closes = 0
        self._over = threading.Event()
        self._context = ssl.create_default_context(cafile=str(authority) if authority else None)
        self._context.set_alpn_protocols(["http/1.1"])

    def run(self) -> None:
        asyncio.run(self._all())

    def stop(self) -> None:
        """Let everybody finish and leave."""
        self._over.set()
        self.join(TIMEOUT + 10)

    def __enter__(self) -> Load:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _all(self) -> None:
        everybody = [visitors for visitors in self.visitors for _ in range(visitors.count)]
        end = time.monotonic() + LONGEST
        await asyncio.gather(*[self._visit(visitors, end) for visitors in everybody])

    async def _visit(self, visitors: Visitors, end: float) -> None:
        connection: Connection | None = None
        while not self._over.is_set() and time.monotonic() < end:
            began, trouble = time.monotonic(), ""
            try:
                async with asyncio.timeout(TIMEOUT):
                    connection = await self._request(visitors, connection)
            except ConnectionRefusedError:
                trouble = "refused"
            except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError) as error:
                trouble = repr(error)
            if trouble and connection:
                connection.close()
                connection = None
            self.requests.append(Request(visitors.kind, began, time.monotonic() - began, trouble))
            await asyncio.sleep(visitors.pause)
        if connection:
            connection.close()

    async def _request(self, visitors: Visitors, connection: Connection | None) -> Connection | None:
        """Ask once; returns the connection when it is to be kept. Raises ValueError for another status than 200."""
        try:
            connection = connection or await self._connect()
            status = await connection.ask(self.name_asked, visitors.path, visitors.keep)
        except ClosedError:
            if connection is None or not connection.used:
                raise
            self.idle_closes += 1
            connection = await self._connect()
            status = await connection.ask(self.name_asked, visitors.path, visitors.keep)
        if status != OK:
            connection.close()
            raise ValueError(str(status))
        if visitors.keep:
            return connection
        connection.close()
        return None

    async def _connect(self) -> Connection:
        pair = await asyncio.open_connection(self.address, 443, ssl=self._context, server_hostname=self.name_asked)
        return Connection(*pair)

    def figures(self, began: float = 0.0, ended: float = float("inf"), kind: str = "") -> Figures:
        """Return what came of the requests that were under way at some moment between two (time.monotonic)."""
        found = [
            request
            for request in list(self.requests)
            if request.began + request.seconds >= began and request.began <= ended and kind in ("", request.kind)
        ]
        if not found:
            return Figures()
        times = sorted(request.seconds * 1000 for request in found)
        failures = [f"{request.kind}: {request.trouble}" for request in found if request.trouble]
        refused = sum(request.trouble == "refused" for request in found)
        p50, p99 = times[len(times) // 2], times[min(len(times) * 99 // 100, len(times) - 1)]
        return Figures(len(found), refused, failures, p50, p99, times[-1])
