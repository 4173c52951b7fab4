"""Two machines of one environment, which look at each other, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.machines import environment
from tests.watch.conftest import DECIDED, watched_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Environment
    from tests.watch.conftest import Watch

__all__ = ["environment"]


@pytest.fixture(scope="session")
def both(environment: Environment) -> Iterator[list[Watch]]:
    """The machines as they come."""
    yield from watched_by(environment, environment.machines("production"), DECIDED)


@pytest.fixture
def watches(both: list[Watch]) -> list[Watch]:
    """Machines on which all is well, of which nobody knows anything else."""
    for _ in range(2):
        for one in both:
            one.begin()
    return both
