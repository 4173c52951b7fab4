"""Hosts that ask each other, and whoever waits for a ping: over real connections."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.watch import peers, ping
from plugins.module_utils.watch.check import Look
from plugins.module_utils.watch.checks.peers import asked, gather
from plugins.module_utils.watch.memory import Memory
from plugins.module_utils.watch.settings import Settings
from plugins.plugin_utils.project_root import ENGINE
from plugins.plugin_utils.secrets.authority import authority_pem, issue, new_authority, parse_authority
from tests.support.expected import CERTIFICATE_AUTHORITY
from tests.support.pings import Pings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ANSWER = [sys.executable, "-c", "from plugins.module_utils.watch.main import main; main(['answer'])"]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """A host that answers as systemd has it answer: a process for each connection; returns its port."""
    authority = tmp_path / "ca.crt"
    authority.write_text(CERTIFICATE_AUTHORITY["certificate"])
    monkeypatch.setattr(peers, "AUTHORITY", str(authority))
    listening: list[socket.socket] = []

    def begin(said: dict[str, float] | None, name: str = "127.0.0.1", signed: dict[str, str] | None = None) -> int:
        pair = issue([name], parse_authority(**(signed or CERTIFICATE_AUTHORITY)))
        (tmp_path / "pair").write_text(pair["certificate"] + pair["key"])
        if said is not None:
            (tmp_path / "said").write_text(json.dumps(said))
        server = socket.create_server(("127.0.0.1", 0))
        listening.append(server)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    subprocess.run(ANSWER, stdin=connection, cwd=ENGINE, check=False, stderr=subprocess.DEVNULL,
                                   env={**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path)})  # fmt: skip

        threading.Thread(target=serve, daemon=True).start()
        return int(server.getsockname()[1])

    yield begin
    for one in listening:
        one.shutdown(socket.SHUT_RDWR)
        one.close()


def heard(port: int, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    ask = peers.ask
    monkeypatch.setattr(peers, "ask", lambda address: ask(address, port, peers.AUTHORITY))
    return asked("127.0.0.1")


def test_a_host_says_when_it_has_looked(host: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    port = host({"looked": time.time() - 100, "unsent": time.time() - 30})
    found = heard(port, monkeypatch)
    assert found["error"] == ""
    assert 100 <= found["looked"] < 115
    assert 30 <= found["unsent"] < 45


def test_a_look_by_a_clock_that_was_ahead_was_not_just_now(
    host: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert heard(host({"looked": time.time() + 4000, "unsent": 0}), monkeypatch)["looked"] > 3900


def test_before_its_first_look_it_says_nothing(host: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    assert heard(host(None), monkeypatch)["error"]


def test_who_is_not_it_is_not_believed(host: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"looked": time.time(), "unsent": 0}
    assert "the certificate is not good" in heard(host(said, name="10.0.0.9"), monkeypatch)["error"]


def test_who_has_another_authority_is_not_believed(host: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    other = authority_pem(new_authority())
    said = {"looked": time.time(), "unsent": 0}
    assert "the certificate is not good" in heard(host(said, signed=other), monkeypatch)["error"]


@pytest.mark.parametrize("words", [b"", b"GET / HTTP/1.0\r\n\r\n", b"\x00" * 100_000])
def test_who_speaks_otherwise_harms_nobody(host: Callable[..., int], words: bytes) -> None:
    port = host({"looked": time.time(), "unsent": 0})
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        try:
            connection.sendall(words)
            connection.shutdown(socket.SHUT_WR)
            assert b"looked" not in connection.recv(1000)
        except OSError:
            pass
    assert peers.ask("127.0.0.1", port, peers.AUTHORITY)["looked"] < 60


def test_nobody_there_and_one_that_hangs(host: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    host(None)
    monkeypatch.setattr(peers, "TIMEOUT", 1)
    ask = peers.ask
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        port = frozen.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(OSError, match="timed out"):
            ask("127.0.0.1", port, peers.AUTHORITY)
        assert time.monotonic() - began < 5
    with pytest.raises(OSError, match="refused"):
        ask("127.0.0.1", port, peers.AUTHORITY)


@pytest.mark.parametrize(
    "words",
    [
        b"", b"<html>", b"[]", b"[" * 1000, b'{"looked": 1}', b'{"looked": "x", "unsent": 0}',
        b'{"looked": NaN, "unsent": 0}', b'{"looked": 1e999, "unsent": 0}', b'{"looked": -1, "unsent": 0}',
    ],
)  # fmt: skip
def test_a_hostile_neighbour_breaks_no_look(words: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = issue(["127.0.0.1"], parse_authority(**CERTIFICATE_AUTHORITY))
    (tmp_path / "pair").write_text(pair["certificate"] + pair["key"])
    (tmp_path / "ca").write_text(CERTIFICATE_AUTHORITY["certificate"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair")
    monkeypatch.setattr(peers, "AUTHORITY", str(tmp_path / "ca"))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def say() -> None:
            connection, _ = server.accept()
            with connection, context.wrap_socket(connection, server_side=True) as safe:
                safe.sendall(words)

        thread = threading.Thread(target=say)
        thread.start()
        assert heard(server.getsockname()[1], monkeypatch) == {"error": "what it says is no answer"}
        thread.join()


def test_a_host_alone_asks_nobody() -> None:
    settings = Settings(
        "shop", "production", "web1", "production", "/srv/shop", peers=({"name": "web1", "address": "10.0.0.1"},)
    )
    assert gather(Look(settings, Memory())) is None


@pytest.fixture
def pings() -> Iterator[Pings]:
    found = Pings()
    yield found
    found.close()


@pytest.mark.parametrize(
    ("path", "well", "asked_for"),
    [
        ("/key/web1", True, "/key/web1"),
        ("/key/web1", False, "/key/web1/fail"),
        ("/key/web1/?create=1", False, "/key/web1/fail?create=1"),
        ("", True, ""),
    ],
)
def test_what_is_pinged(pings: Pings, path: str, well: bool, asked_for: str) -> None:
    assert ping.send(pings.url + path, well=well) == ""
    assert pings.got == [asked_for]


def test_a_ping_that_is_refused(pings: Pings) -> None:
    pings.status = 404
    assert ping.send(pings.url, well=True) == "it answers 404"


def test_nothing_that_hangs_keeps_a_look(pings: Pings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ping, "TIMEOUT", 1)
    pings.pause = 5
    began = time.monotonic()
    assert ping.send(pings.url, well=True)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(10) or [])
    assert ping.send("https://hc.test/secret-key", well=True) == "no answer within 1 s"
    assert time.monotonic() - began < 6


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/secret-key", "https://[::1/secret-key", "http://x:y/secret-key"]
)
def test_no_url_is_in_what_is_said_of_it(address: str) -> None:
    said = ping.send(address, well=True)
    assert said
    assert "secret-key" not in said
