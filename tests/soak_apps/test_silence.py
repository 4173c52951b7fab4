"""Connections that nobody says anything on for long stay open, by each server."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.apps import App

#: Longer than what Nginx gives by default (60 s), browsers and most balancers
SILENCE = 95


@pytest.mark.parametrize("server", ["gunicorn", "granian"])
def test_silence(app: App, server: str) -> None:
    app.start("sockets", app_asgi="mysite.asgi:application", app_server=server)
    browser = app.browser()
    browser.patience = SILENCE + 20
    with ThreadPoolExecutor() as pool, browser.websocket("/chat") as chat:
        stream = pool.submit(browser.get, f"/events?silence={SILENCE}")
        time.sleep(SILENCE)
        chat.send("still there")
        assert str(chat.recv(timeout=10)).endswith("still there")
        assert stream.result().text == "data: first\n\ndata: last\n\n"
