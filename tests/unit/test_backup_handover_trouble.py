"""A repository comes back over TLS: whom the database host listens to, and what it says when it cannot take it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.backup import handover, wire
from plugins.module_utils.backup.settings import Settings
from plugins.module_utils.common.errors import HostError
from plugins.plugin_utils.secrets.authority import authority_pem, issue, new_authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HERE = "127.0.0.1"
KEY = "the key"
NAME = "backup/site/20261129-180910F/backup.manifest"


class Taker:
    """A database host that waits for its repository."""

    def __init__(self, folder: Path, address: str = HERE) -> None:
        self.address = address
        self.repository = folder / "repository"
        (self.repository / "archive/site").mkdir(parents=True)
        (self.repository / "archive/site/archive.info").write_text("from before")
        authority = new_authority()
        pair = issue([address], authority)
        self.certificate, self.authority = folder / "pair.pem", folder / "ca.pem"
        self.certificate.write_text(pair["certificate"] + pair["key"])
        self.authority.write_text(authority_pem(authority)["certificate"])
        (folder / "secrets").write_text(json.dumps({"offer": KEY}))
        with socket.create_server((HERE, 0)) as free:
            self.port = int(free.getsockname()[1])
        self.settings = Settings(
            "site", "production", frozenset({"database"}), "root", "site", offer={"port": self.port}
        )

    def receive(self) -> int:
        return handover.receive(self.settings, str(self.certificate), str(self.repository))

    def connected(self) -> Any:
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                return wire.connect(self.address, self.port, str(self.authority), 10)
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def give(self, key: str, content: bytes = b"whole", size: int = 5, total: int = 5) -> dict[str, Any]:
        """Come as somebody with a key, and hand one file over; returns the last answer."""
        with self.connected() as connection, connection.makefile("rwb") as stream:
            wire.send(stream, {"give": key, "bytes": total})
            wire.receive(stream)
            wire.send(stream, {"put": NAME, "size": size, "time": 1})
            stream.write(content)
            wire.send(stream, {"end": True})
            return wire.receive(stream)


@pytest.fixture
def taker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Taker:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(handover, "PATIENCE", 10)
    return Taker(tmp_path)


def beside(work: Callable[[], Any]) -> threading.Thread:
    def quietly() -> None:
        with contextlib.suppress(OSError, wire.WireError):
            work()

    thread = threading.Thread(target=quietly)
    thread.start()
    return thread


def test_whoever_has_no_key_is_passed_over(taker: Taker) -> None:
    """What is there stays until somebody comes who has it."""

    def come() -> None:
        taker.connected().close()
        with contextlib.suppress(OSError, wire.WireError):
            taker.give("another key")
        with socket.create_connection((HERE, taker.port)) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert (taker.repository / "archive/site/archive.info").exists()
        assert taker.give(KEY) == {"taken": 1}

    thread = beside(come)
    assert taker.receive() == 1
    thread.join()
    assert [one.read_text() for one in taker.repository.rglob("*") if one.is_file()] == ["whole"]


def test_a_disk_that_is_full_is_what_is_said(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that nobody came."""

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "makedirs", full)
    thread = beside(lambda: taker.give(KEY))
    with pytest.raises(OSError, match="No space left on device"):
        taker.receive()
    thread.join()


def test_what_would_fill_the_disk_does_not_begin(taker: Taker) -> None:
    """WAL of the server here needs the room."""
    thread = beside(lambda: taker.give(KEY, total=1 << 60))
    with pytest.raises(HostError, match="No room in "):
        taker.receive()
    thread.join()
    assert not [one for one in taker.repository.rglob("*") if one.is_file()]


@pytest.mark.parametrize("address", [HERE, "::1"])
def test_either_kind_of_address_leads_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(handover, "PATIENCE", 10)
    taker = Taker(tmp_path, address)
    thread = beside(lambda: taker.give(KEY))
    assert taker.receive() == 1
    thread.join()


def test_a_host_without_ipv6_listens_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with wire.listen(0, 1) as listener:
        assert listener.family == socket.AF_INET
