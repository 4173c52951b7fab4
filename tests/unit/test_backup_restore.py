"""The database server on its way back: how it is known that it has ended."""

from __future__ import annotations

import pytest

from plugins.module_utils.backup import restore
from plugins.module_utils.backup.restore import Restore

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
