"""A repository goes from the host that keeps it to one that was made anew, over TLS on this computer."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.backup import handover, wire
from plugins.module_utils.backup.settings import Settings
from plugins.plugin_utils.secrets.authority import authority_pem, issue, new_authority

if TYPE_CHECKING:
    from pathlib import Path

HERE = "127.0.0.1"
#: When they came there, in seconds since the epoch
CAME = 1_700_000_000.5
FILES = {"samestack-identity": b"one", "archive/shop/archive.info": b"\0" * (3 << 20)}


class Taker(threading.Thread):
    """A database host that takes a repository."""

    def __init__(self, root: Path, folder: Path) -> None:
        super().__init__(daemon=True)
        authority = new_authority()
        pair = issue([HERE], authority)
        self.authority, self._pair = folder / "ca.crt", folder / "pair.pem"
        self.authority.write_text(authority_pem(authority)["certificate"], encoding="ascii")
        self._pair.write_text(pair["certificate"] + pair["key"], encoding="ascii")
        with socket.create_server((HERE, 0)) as free:
            self.port = free.getsockname()[1]
        self._root = root
        self.came: Any = None

    def run(self) -> None:
        offer = {"port": self.port}
        settings = Settings("site", "production", frozenset({"database"}), "root", "site", offer=offer, limit=0)
        try:
            self.came = handover.receive(settings, str(self._pair), str(self._root))
        except (OSError, wire.WireError) as error:
            self.came = error

    def connect(self) -> Any:
        for _ in range(100):
            try:
                return wire.connect(HERE, self.port, str(self.authority), 5)
            except ConnectionRefusedError:
                threading.Event().wait(0.05)
        raise AssertionError("nobody takes it")


@pytest.fixture
def taker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Taker:
    monkeypatch.setattr(handover, "secrets", lambda: {"offer": "the key"})
    root = tmp_path / "repository"
    (root / "archive").mkdir(parents=True)
    (root / "archive/old").write_text("of a host that was made anew", encoding="ascii")
    found = Taker(root, tmp_path)
    found.start()
    return found


def give(taker: Taker, names: list[str]) -> dict[str, Any]:
    with taker.connect() as connection, connection.makefile("rwb") as stream:
        wire.send(stream, {"give": "the key"})
        assert wire.receive(stream) == {"ready": True}
        for name in names:
            wire.send(stream, {"put": name, "size": len(FILES[name]), "time": CAME})
            stream.write(FILES[name])
        wire.send(stream, {"end": True})
        return wire.receive(stream)


def test_strangers_get_nothing_and_change_nothing(taker: Taker, tmp_path: Path) -> None:
    """One leaves without a word, one is the host's own fetching with another question, one guesses."""
    taker.connect().close()
    for word in ({"key": "the key"}, {"give": "guessed"}):
        with taker.connect() as connection, connection.makefile("rwb") as stream:
            wire.send(stream, word)
            with pytest.raises((wire.WireError, OSError)):
                wire.receive(stream)
    root = tmp_path / "repository"
    assert (root / "archive/old").exists()
    assert give(taker, list(FILES)) == {"taken": 2}
    taker.join(5)
    assert taker.came == 2
    assert {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()} == FILES
    assert {path.stat().st_mtime for path in root.rglob("*") if path.is_file()} == {CAME}


def test_what_cannot_be_written_ends_it_with_the_reason(taker: Taker) -> None:
    with pytest.raises((wire.WireError, OSError)):
        give(taker, ["samestack-identity", "samestack-identity"])
    taker.join(5)
    assert isinstance(taker.came, FileExistsError)


def test_what_shows_the_repository_is_gone_before_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It listens at the same port, and closes what it does not know; whoever gives comes again."""
    monkeypatch.setattr(handover, "secrets", lambda: {"offer": "the key"})
    (tmp_path / "repository").mkdir()
    taker = Taker(tmp_path / "repository", tmp_path)
    monkeypatch.setattr(handover, "AUTHORITY", str(taker.authority))
    settings: Any = SimpleNamespace(fetch={"address": HERE, "port": taker.port})
    with socket.create_server((HERE, taker.port)) as offer, contextlib.ExitStack() as opened:
        waiting = ThreadPoolExecutor().submit(handover.knock, settings, {"give": "the key"}, opened)
        offer.accept()[0].close()
        offer.close()
        taker.start()
        stream = waiting.result(20)
        wire.send(stream, {"end": True})
        assert wire.receive(stream) == {"taken": 0}
