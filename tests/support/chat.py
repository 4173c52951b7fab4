"""A chat's webhook, on this computer."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Chat:
    """A webhook that keeps what it is told: `title`, `message`, and `type` (info, success, failure)."""

    def __init__(self, status: int = 200, pause: float = 0, address: str = "127.0.0.1") -> None:
        self.got: list[dict[str, str]] = []
        self.status = status
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["Content-Type"] == "application/json"
                chat.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                time.sleep(pause)
                self.send_response(chat.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer((address, 0), Handler)
        self.url = f"json://{address}:{self.server.server_port}/services/T0/very-secret"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def types(self) -> list[str]:
        """What kinds of notices came, in their order."""
        return [one["type"] for one in self.got]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
