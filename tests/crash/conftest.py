"""Machines for these tests; see support/machines.py for the options."""

from __future__ import annotations

import pytest

from tests.support.machines import environment, site

__all__ = ["environment", "site"]


@pytest.fixture(autouse=True)
def again(turn: int) -> int:
    """Every test here takes turns."""
    return turn
