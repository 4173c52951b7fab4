"""From each of the last versions to this one and back, while twenty requests a second are answered: none fails."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.update.conftest import PINNED, VERSIONS, newest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from plugins.plugin_utils.version import Version
    from tests.update.conftest import Server

#: Of the twenty, on a computer that is busy with the update itself
A_SECOND = 12


def nobody_notices(server: Server, what: str, steps: Callable[[], object]) -> None:
    """Do something while people visit; print what they saw."""
    began = time.monotonic()
    with server.load() as load:
        steps()
    seconds = time.monotonic() - began
    seen = load.figures()
    print(
        f"{what}: {seconds:.0f} s, {seen.requests} requests, {len(seen.failures)} failed, "
        f"p50 {seen.p50:.0f} ms, p99 {seen.p99:.0f} ms, slowest {seen.slowest:.0f} ms"
    )
    assert seen.failures == []
    assert seen.requests > A_SECOND * seconds


def changed_by(server: Server) -> str:
    """Return the version of who was the last to change the machine."""
    return str(json.loads(server.run("cat /var/lib/samestack/engine.json"))["version"])


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_there_and_back(server: Server, version: Version, repository: Path) -> None:
    latest = newest(repository)
    thin = version >= PINNED
    # A clone of the first version has no such verb: the newer one is called.
    command = "./samestack" if thin else str(repository / "samestack")

    def there() -> None:
        server.well(command, "update")
        server.samestack("provision")
        server.samestack("deploy")

    assert server.browser().get("/").status == 200
    nobody_notices(server, f"{version} to {latest}", there)
    assert changed_by(server) == latest
    ledger = server.run("cat /var/lib/samestack/ledger.jsonl").splitlines()
    assert json.loads(ledger[-1])["engine"] == latest
    nobody_notices(server, f"again {latest}", lambda: server.samestack("provision"))
    assert server.run("cat /var/lib/samestack/ledger.jsonl").splitlines() == ledger, "nothing is left to do"

    server.well("./samestack", "update", "--to", version.tag)
    if thin:
        before = server.files()
        for verb in ("provision", "deploy"):
            said = server.refuses(verb)
            assert f"staging was last changed by Samestack {latest}" in said
            assert f"and this is {version}" in said
        assert server.files() == before
    else:
        server.keep_the_authority()
    meant = ["--allow-older-engine"] if thin else []

    def back() -> None:
        server.samestack("provision", *meant)
        server.samestack("deploy")

    nobody_notices(server, f"{latest} to {version}", back)
    assert server.browser().get("/").status == 200
    if thin:
        assert changed_by(server) == str(version)
    server.samestack("provision")
