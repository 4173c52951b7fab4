"""A promotion with a difference: refused with the command that mends it, and done after that command."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Three

LOUD = "the fair is on"


@pytest.fixture(scope="module")
def offered(three: Three) -> Iterator[None]:
    """A release that staging serves and somebody accepted."""
    source = three.clone.folder / "examples" / "noticeboard" / "README.md"
    kept = source.read_text(encoding="utf-8")
    source.write_text(f"{kept}\nNew.\n", encoding="utf-8")
    three.clone.make("deploy", *three.where("staging"))
    three.clone.make("accept", *three.where("staging"))
    yield
    source.write_text(kept, encoding="utf-8")


@pytest.mark.usefixtures("offered")
def test_refused_until_it_is_mended(three: Three) -> None:
    three.production.run("DEBIAN_FRONTEND=noninteractive apt-get install -y -q hello >/dev/null 2>&1")
    plan = three.clone.make("plan", *three.where("production"))
    assert "Not met: packages/hello is drift" in plan
    said = three.clone.refuses("promote", "REHEARSAL=1")
    assert "packages/hello is drift" in said
    for wrong, why in (
        ("packages/*", "one by one"),
        ("packages/helo", "Write packages/hello"),
        ("system/host name", "needs no acceptance"),
    ):
        arguments = "ARGS=-e " + shlex.quote(f'parity_accept="{wrong}"') + " -e parity_reason=x"
        assert why in three.clone.refuses("promote", "REHEARSAL=1", arguments), wrong
    assert "parity_reason" in three.clone.refuses("promote", "REHEARSAL=1", "ARGS=-e parity_accept=packages/hello")
    (command,) = set(re.findall(r"`on production1: ([^`]+)`", said))
    assert command == "sudo apt-get remove hello"
    three.production.run(f"{command} -y -q >/dev/null 2>&1")
    three.clone.make("promote", "REHEARSAL=1")


def test_accepted_by_its_name_and_with_a_reason(three: Three) -> None:
    three.production.run("DEBIAN_FRONTEND=noninteractive apt-get install -y -q hello >/dev/null 2>&1")
    arguments = "ARGS=-e parity_accept=packages/hello -e " + shlex.quote(f'parity_reason="{LOUD}"')
    said = three.clone.make("promote", "REHEARSAL=1", arguments)
    assert "Accepted: packages/hello" in said
    three.production.run("apt-get purge -y -q hello >/dev/null 2>&1")
