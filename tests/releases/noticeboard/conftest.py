"""The example site, in both environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.team import Team

if TYPE_CHECKING:
    from tests.support.machines import Environment


@pytest.fixture(scope="session")
def team(environment: Environment) -> Team:
    """Both environments, provisioned, nothing deployed yet."""
    found = Team(environment)
    found.start(found.clone.folder / "examples" / "noticeboard")
    return found
