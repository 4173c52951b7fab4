"""Small projects of the tests' own: `app.start(files, **decisions)` puts one on the machine of this scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.apps import DECISIONS, App
from tests.support.clone import Clone
from tests.support.machines import Environment, inventory_of, the_environment

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def environment(pytestconfig: pytest.Config) -> Environment:
    """The inventory with the projects' own name: decided before anything is read of it."""
    inventory = inventory_of(pytestconfig)
    Clone(inventory.parents[1]).decide(**DECISIONS)
    return the_environment(inventory)


@pytest.fixture(scope="session")
def app(environment: Environment) -> Iterator[App]:
    """The machine, with whatever project is on it; a test begins with `app.start`."""
    yield (found := App(environment))
    found.undecide()
