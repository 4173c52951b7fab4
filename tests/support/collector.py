"""A service that collects errors or traces: a program on the machine, which keeps what the app sends to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.machines import wait_for

if TYPE_CHECKING:
    from tests.support.machines import Machine

PORT = 8909
UNIT = "collector"
KEPT = "/run/collector.jsonl"
#: Takes anything by HTTP, unpacks it, and writes a line for each: path, headers, body (a letter a byte)
PROGRAM = """
import gzip, json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Taker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        one = {"path": self.path, "headers": headers, "body": body.decode("latin-1")}
        with open("KEPT", "a") as kept:
            kept.write(json.dumps(one) + chr(10))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *_):
        pass
ThreadingHTTPServer(("127.0.0.1", PORT), Taker).serve_forever()
""".replace("KEPT", KEPT).replace("PORT", str(PORT))


@dataclass
class Collector:
    """The service, on the machine's loopback."""

    machine: Machine

    def start(self) -> None:
        """Start it, with nothing kept."""
        self.stop()
        self.machine.give("/run/collector.py", PROGRAM)
        self.machine.run(f"systemd-run --quiet --collect --unit={UNIT} python3 /run/collector.py")

    def stop(self) -> None:
        """Stop it, and forget what it has."""
        self.machine.run(f"systemctl stop {UNIT} 2>/dev/null; rm -f {KEPT} /run/collector.py; true")

    @property
    def got(self) -> list[dict[str, Any]]:
        """Return what came, oldest first."""
        return [json.loads(line) for line in self.machine.run(f"cat {KEPT} 2>/dev/null || true").splitlines()]

    def wait(self, path: str, seconds: float = 30) -> list[dict[str, Any]]:
        """Return what came to an address, as soon as something has."""
        found: list[dict[str, Any]] = wait_for(
            f"something at {path}", lambda: [one for one in self.got if one["path"].startswith(path)], seconds
        )
        return found


def envelope(text: str) -> list[tuple[dict[str, Any], Any]]:
    """Return the items of an envelope as Sentry's protocol has it: each with its header; those of bytes are left out.

    https://develop.sentry.dev/sdk/data-model/envelopes/
    """
    raw = text.encode("latin-1")
    head, _, raw = raw.partition(b"\n")
    items: list[tuple[dict[str, Any], Any]] = [({"type": "envelope"}, json.loads(head))]
    while raw.strip():
        line, _, raw = raw.partition(b"\n")
        header = json.loads(line)
        size = header.get("length")
        body, raw = (raw[:size], raw[size:].lstrip(b"\n")) if size is not None else raw.partition(b"\n")[::2]
        items.append((header, json.loads(body)))
    return items
