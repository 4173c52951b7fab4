"""A copy that leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.parity.conftest import Rehearsal


def test_it_is_there(team: Rehearsal) -> None:
    assert team.live("production")
