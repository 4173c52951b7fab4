"""The machine of tests/watch, with the patience that people have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.machines import environment, site
from tests.watch.conftest import DECIDED, watched_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Environment, Machine
    from tests.watch.conftest import Watch

__all__ = ["environment", "site"]


@pytest.fixture(scope="session")
def watch(environment: Environment, site: Machine) -> Iterator[Watch]:
    """A machine that tells a chat on this computer, with the limits that it has by default."""
    file = environment.site.root / "roles/watch/meta/decisions.yml"
    defaults = yaml.safe_load(file.read_text(encoding="utf-8"))
    for (found,) in watched_by(environment, [site], {name: defaults[name] for name in DECIDED}):
        yield found
