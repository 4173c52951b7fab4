"""Staging and production of this scenario, and the stack lock between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.machines import environment
from tests.support.stack import Stack

if TYPE_CHECKING:
    from tests.support.machines import Environment

__all__ = ["environment"]


@pytest.fixture(scope="session")
def stack(environment: Environment) -> Stack:
    """Both environments: staging is built and serves the site, production is bare."""
    made = Stack(environment)
    made.file.unlink(missing_ok=True)
    made.samestack("provision", "staging")
    made.samestack("deploy", "staging")
    return made
