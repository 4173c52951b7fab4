"""A machine that others had before (molecule/second-hand/prepare.sh), provisioned, with the example site on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.machines import environment
from tests.support.team import Team

if TYPE_CHECKING:
    from tests.support.machines import Environment, Machine

__all__ = ["environment"]


@pytest.fixture(scope="session")
def team(environment: Environment) -> Team:
    """Whoever types the verbs."""
    return Team(environment)


@pytest.fixture(scope="session")
def machine(environment: Environment) -> Machine:
    """The machine."""
    return environment.machine("staging1")
