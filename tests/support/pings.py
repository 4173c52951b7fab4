"""Whoever waits for pings, on this computer."""

from __future__ import annotations

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HIDDEN = "very-secret-key-of-pings"


class Pings:
    """A service that keeps what it was asked for: paths, without the secret at their beginning."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.got: list[str] = []
        self.status, self.pause = 200, 0.0
        pings = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert self.path.startswith(f"/{HIDDEN}"), self.path
                pings.got.append(self.path.removeprefix(f"/{HIDDEN}"))
                time.sleep(pings.pause)
                # Who asked may have left.
                with contextlib.suppress(OSError):
                    self.send_response(pings.status)
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer((address, 0), Handler)
        self.url = f"http://{address}:{self.server.server_port}/{HIDDEN}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
