"""The machines of one environment, and whoever types the verbs there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.clone import Clone
from tests.support.machines import environment, site

if TYPE_CHECKING:
    from tests.support.machines import Environment

__all__ = ["environment", "site"]


@pytest.fixture(scope="session")
def clone(environment: Environment) -> Clone:
    """Where the verbs are typed."""
    return Clone(environment.site.root)
