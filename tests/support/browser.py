"""A small browser: https to a given address, with cookies, forms, uploads and WebSockets."""

from __future__ import annotations

import http.client
import http.cookies
import json
import re
import socket
import ssl
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from websockets.sync.client import ClientConnection

TIMEOUT = 20


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    url: str

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as data; raises ValueError when it is no JSON."""
        return json.loads(self.body)

    def static_files(self) -> list[str]:
        """Return the addresses of style sheets, scripts and pictures of the page."""
        found = re.findall(r'(?:href|src)="([^"]+\.(?:css|js|svg|png|ico|jpg|woff2)[^"]*)"', self.text)
        return [urljoin(self.url, name) for name in found]


class _Connection(http.client.HTTPSConnection):
    def __init__(self, name: str, address: str, context: ssl.SSLContext, patience: float) -> None:
        super().__init__(name, 443, timeout=patience, context=context)
        self._address = address
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, 443), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


class Browser:
    """Talks to one site; `address` is where the machine is, whatever the name says to others."""

    def __init__(self, name: str, address: str, authority: Path | None) -> None:
        self.name = name
        self.address = address
        self.authority = authority
        self.context = ssl.create_default_context(cafile=str(authority) if authority else None)
        self.cookies: dict[str, str] = {}
        # Seconds that a connection may be silent
        self.patience: float = TIMEOUT

    def websocket(self, path: str) -> ClientConnection:
        """Return an open WebSocket, on which this side says nothing by itself."""
        plain = socket.create_connection((self.address, 443), TIMEOUT)
        return connect(f"wss://{self.name}{path}", sock=plain, ssl=self.context, ping_interval=None)

    def get(self, path: str, follow: bool = True, **headers: str) -> Answer:
        """Return the answer to a GET; header names are written with underscores."""
        return self._send("GET", path, None, {key.replace("_", "-"): text for key, text in headers.items()}, follow)

    def post(
        self, path: str, fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]] | None = None
    ) -> Answer:
        """Send a form as a page of the site would, after its cookie for that purpose was set by `get`."""
        url = urljoin(f"https://{self.name}", path)
        fields = {**fields, "csrfmiddlewaretoken": self.cookies.get("csrftoken", "")}
        if files is None:
            body, kind = urlencode(fields).encode(), "application/x-www-form-urlencoded"
        else:
            boundary = uuid.uuid4().hex
            body, kind = multipart(fields, files, boundary), f"multipart/form-data; boundary={boundary}"
        return self._send("POST", path, body, {"Content-Type": kind, "Referer": url}, True)

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str], follow: bool) -> Answer:
        url = urljoin(f"https://{self.name}", path)
        parts = urlsplit(url)
        connection = _Connection(parts.hostname or self.name, self.address, self.context, self.patience)
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={text}" for name, text in self.cookies.items())
        try:
            connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read(), url)
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        if follow and answer.status in (301, 302, 303):
            return self._send("GET", urljoin(url, answer.headers["Location"]), None, {}, True)
        return answer


def multipart(fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]], boundary: str) -> bytes:
    """Return a form with files, as RFC 7578 has it."""
    parts = []
    for name, text in fields.items():
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode())
    for name, (filename, content) in files.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        parts += [head.encode(), b"Content-Type: application/octet-stream\r\n\r\n", content, b"\r\n"]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()])
