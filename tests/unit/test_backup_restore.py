"""The database server on its way back: how it is known that it has ended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from plugins.module_utils.backup import chain, restore
from plugins.module_utils.backup.chain import Backup
from plugins.module_utils.backup.pgbackrest import Found
from plugins.module_utils.backup.restore import Restore
from plugins.module_utils.backup.target import LATEST, Target
from plugins.module_utils.common.errors import HostError

STARTING = """\
2026-11-29 18:20:10.510 UTC [18904] LOG:  database system was interrupted; last known up at 2026-11-29 18:20:08 UTC
2026-11-29 18:20:11.262 UTC [18931] postgres@postgres FATAL:  the database system is starting up
2026-11-29 18:20:13.117 UTC [18904] LOG:  starting point-in-time recovery to 2099-01-01 00:00:00+00
"""
REFUSED = """\
2026-11-29 18:20:15.126 UTC [18904] FATAL:  could not locate required checkpoint record
2026-11-29 18:20:15.129 UTC [18888] LOG:  shutting down due to startup process failure
2026-11-29 18:20:15.132 UTC [18888] LOG:  database system is shut down
"""


class Recovery(Restore):
    """A server that says so much, look by look, and at last answers."""

    def __init__(self, looks: list[tuple[str, str]]) -> None:
        """Take (what it has said, what systemd says of it), look by look."""
        self.looks, self.unit, self.stopped = looks, "postgresql@15-main.service", False
        self.data, self.missing, self.to = "/nowhere", "", "2027-01-15 08:00"
        self.lines: list[str] = []

    @property
    def server(self) -> Any:
        return SimpleNamespace(sql=lambda _: "")

    def log_size(self) -> int:
        return 0

    def is_running(self) -> bool:
        if len(self.looks) > 1:
            self.looks.pop(0)
            return False
        return not self.looks[0][1]

    def log_end(self, lines: int = 8) -> str:
        return self.looks[0][0]

    def systemctl(self, *words: str, check: bool = True) -> str:
        self.stopped = self.stopped or words[0] == "stop"
        return f"{self.looks[0][1]}\n" if words[0] == "show" else ""

    def as_account(self, *command: str, stdin: str = "", check: bool = True) -> str:
        return ""

    def raise_floor(self) -> bool:
        return False

    def leave_out(self, pattern: str) -> None:
        self.lines.append(pattern)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "POLL_SECONDS", 0)


def test_a_client_that_comes_too_early_ends_no_recovery() -> None:
    """Whoever looks after the server asks it while it recovers, and it says FATAL of each."""
    server = Recovery([(STARTING, "start")] * 5 + [(STARTING, "running")] * 5 + [(STARTING, "")])
    assert server.recover()
    assert not server.stopped


@pytest.mark.parametrize(
    "last", [(STARTING + REFUSED, "start"), (STARTING, "auto-restart"), (STARTING, "failed"), (STARTING, "dead")]
)
def test_one_that_has_ended_is_not_waited_for(last: tuple[str, str]) -> None:
    server = Recovery([(STARTING, "start"), (STARTING, "start"), last])
    assert not server.recover()
    assert server.stopped


PLAN: dict[str, Any] = {
    "kind": "time", "time": 1_800_000_000, "name": "", "line": 1, "backup": "20270115-070000F",
    "repository": {"number": 1},
}  # fmt: skip
EARLY = STARTING + f"2026-11-29 18:20:15.126 UTC [18904] FATAL:  {restore.TOO_EARLY}\n" + REFUSED


def server_that_ends_early(missing: str) -> Recovery:
    """One whose WAL ends before the moment, and that runs without one."""
    server = Recovery([(STARTING, "start"), (EARLY, "start"), (STARTING, "")])
    restores: Any = SimpleNamespace(restore=lambda *_: None, fetching=lambda *_: "true")
    server.pgbackrest, server.missing = restores, missing
    return server


def test_where_nothing_was_written_after_a_moment_the_end_is_it() -> None:
    server = server_that_ends_early("")
    server.fill(PLAN)
    assert server.lines[0] == "recovery_target"


def test_where_wal_is_missing_the_end_is_not_that_moment() -> None:
    """PostgreSQL says the same of both, and would serve what was there an hour earlier."""
    server = server_that_ends_early("000000010000000000000006")
    with pytest.raises(HostError, match="WAL 000000010000000000000006 is not in the repository"):
        server.fill(PLAN)
    assert server.lines == []


def test_a_moment_behind_missing_wal_is_refused_before_anything_is_touched() -> None:
    own = Backup("20270115-070000F", "full", 1, 2, chain.named(1, 3), chain.named(1, 4))
    found = Found([own], {chain.named(1, count): 1000.0 + count for count in (3, 4, 5, 7, 8)})
    server = Recovery([("", "")])
    server.check_way(Target("time", 1005), own.label, found)
    server.check_way(Target(LATEST, 9999), own.label, found)
    with pytest.raises(HostError, match="WAL 000000010000000000000006 is not in the repository"):
        server.check_way(Target("time", 1006), own.label, found)
