"""The environments and the client of tests/backups, and chance."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from tests.backups.conftest import Backups, Writer, backups, production, staging, team
from tests.support.machines import environment, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["backups", "environment", "production", "staging", "team"]


@pytest.fixture
def chance() -> random.Random:
    """What chooses the moments; tests print what they were."""
    return random.SystemRandom()


@pytest.fixture
def writing(backups: Backups) -> Iterator[Callable[[], Writer]]:
    """Begins with a client that writes, once or again: it ends where its server does."""
    clients: list[Writer] = []

    def begin() -> Writer:
        clients.append(Writer(backups))
        clients[-1].start()
        wait_for("rows", lambda: len(clients[-1].acknowledged) > 20)
        return clients[-1]

    yield begin
    for client in clients:
        client.stop()
    wait_for("all to be well", backups.well, 120)
