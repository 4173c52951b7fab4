"""Machines for these tests; see support/machines.py for the options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.clone import Clone
from tests.support.machines import choose_machines, database, environment, site

if TYPE_CHECKING:
    from tests.support.machines import Environment

pytest_generate_tests = choose_machines
__all__ = ["database", "environment", "site"]


@pytest.fixture(scope="session")
def clone(environment: Environment) -> Clone:
    """The scenario's copy of the project, with whatever the tests put there."""
    return Clone(environment.site.root)
