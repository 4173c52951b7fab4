"""WebSockets and streams of events by each server: they work, and a deployment ends them as browsers understand it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from tests.support.soak import rest_in_soak

if TYPE_CHECKING:
    from tests.support.apps import App

#: Seconds that an open connection keeps a deployment waiting
DRAIN = 6


@pytest.fixture(scope="module", params=rest_in_soak(("gunicorn", "granian"), ("gunicorn",)))
def talk(app: App, request: pytest.FixtureRequest) -> App:
    """The project, served by one of the servers."""
    app.start(
        "sockets", app_asgi="mysite.asgi:application", app_server=request.param, release_drain_timeout=f"{DRAIN}s"
    )
    return app


def test_a_socket_and_a_stream(talk: App) -> None:
    browser = talk.browser()
    with browser.websocket("/chat") as chat:
        chat.send("hello")
        release, visitor, text = str(chat.recv(timeout=10)).split()
        assert release == talk.team.live(talk.kind)
        assert visitor not in ("", "127.0.0.1")
        assert text == "hello"
    began = time.monotonic()
    assert browser.get("/events?silence=2").text == "data: first\n\ndata: last\n\n"
    assert time.monotonic() - began >= 2


def test_a_deployment_ends_an_open_socket(talk: App, request: pytest.FixtureRequest) -> None:
    browser = talk.browser()
    with browser.websocket("/chat") as chat:
        after = talk.deploy({"mysite/version.py": "VERSION = 2\n"})
        with pytest.raises(ConnectionClosed) as closed:
            chat.recv(timeout=10)
    # Granian ends them without a word, as docs/processes.md says.
    if request.node.callspec.params["talk"] == "gunicorn":
        assert closed.value.rcvd is not None, "cut, instead of closed"
        assert closed.value.rcvd.code in (CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART)
    with browser.websocket("/chat") as chat:
        chat.send("again")
        assert str(chat.recv(timeout=10)).split()[0] == after
