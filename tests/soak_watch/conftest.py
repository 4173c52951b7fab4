"""The machine of tests/watch, with the patience that people have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.chat import Chat
from tests.support.clone import Clone
from tests.support.machines import environment, site
from tests.watch.conftest import DECIDED, HERE, Watch, bridge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Environment, Machine

__all__ = ["environment", "site"]


@pytest.fixture(scope="session")
def watch(environment: Environment, site: Machine) -> Iterator[Watch]:
    """A machine that tells a chat on this computer, with the limits that it has by default."""
    chat = Chat(address=bridge(site))
    clone = Clone(environment.site.root)
    defaults = yaml.safe_load((clone.folder / "roles/watch/meta/decisions.yml").read_text(encoding="utf-8"))
    clone.decide(HERE, notices_urls=[chat.url], **{name: defaults[name] for name in DECIDED})
    clone.samestack("provision", site.kind, "--rehearsal", "--", "-e", '{"watch_stand_in": false}')
    yield Watch(site, clone, chat)
    chat.close()
