"""Dev with live code, staging and production with the same release, all of them with rows of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.parity.conftest import Rehearsal
from tests.support.machines import environment

if TYPE_CHECKING:
    from tests.support.machines import Environment

__all__ = ["environment"]


@pytest.fixture(scope="session")
def team(environment: Environment) -> Rehearsal:
    """All three environments, with the example site on them: as other tests have left them, or new."""
    found = Rehearsal(environment)
    if "current" not in found.machine("production").run("ls /srv/noticeboard 2>/dev/null || true"):
        found.begin()
    return found
