"""A dump that has come: how much room it is given."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plugins.module_utils.copies.arrival import TAR, TAR_AT, Arrival


class Server:
    """A database server that reads every dump."""

    account = SimpleNamespace(pw_uid=os.getuid(), pw_gid=os.getgid())

    def run(self, *_: Any, **__: Any) -> Any:
        return SimpleNamespace(stdout="1; 2 3 TABLE public notice owner\n")


@pytest.mark.parametrize(
    ("begin", "times"), [(b"PGDMP", 10), (b"-- PostgreSQL database dump\n", 2), (b"\0" * TAR_AT + TAR, 2)]
)
def test_what_is_not_packed_grows_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: bytes, times: int
) -> None:
    """Ten times the room of an SQL file, hardly a laptop has."""
    asked: list[int] = []
    monkeypatch.setattr(Arrival, "check_space", lambda _, needed: asked.append(needed))
    params: dict[str, Any] = dict.fromkeys(("database", "database_user", "database_owner", "app"), "site")
    server: Any = Server()
    arrival = Arrival({**params, "folder": str(tmp_path / "points")}, str(tmp_path / "copies"), server)
    content = begin + b"x" * 1000
    Path(arrival.prepare()).write_bytes(content)
    arrival.receive()
    assert asked == [len(content) * times]
