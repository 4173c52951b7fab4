"""Local users cannot stop us: they open no lock, read nothing of what runs leave, and make nobody wait for ever."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.attacks.conftest import Actor

if TYPE_CHECKING:
    from tests.support.machines import Machine
    from tests.support.team import Team

STATE, RUN = "/var/lib/samestack", "/run/samestack"
ACCOUNTS = ("nobody", "www-data", "postgres", "redis", "app")
#: Longer than any verb waits for a lock, in seconds
BOUND = 60


@pytest.fixture(params=ACCOUNTS)
def account(request: pytest.FixtureRequest, victim: Machine) -> Actor:
    """Everybody who is not root, one after the other."""
    return Actor(victim, victim.app if request.param == "app" else request.param)


def test_nobody_opens_what_is_locked_or_written_down(victim: Machine, account: Actor) -> None:
    files = victim.run(f"find {STATE} {RUN} -type f -not -path '{STATE}/acme/*' -not -name '*.dump'").split()
    assert {f"{STATE}/ledger.jsonl", f"{RUN}/lock", f"{RUN}/release-{victim.app}"} <= set(files)
    script = "\n".join(
        f"(exec 9<{path}) 2>/dev/null && echo reads {path}; (exec 9>>{path}) 2>/dev/null && echo writes {path}"
        for path in [*files, *victim.run(f"find {STATE} {RUN} -type d -not -path '{STATE}/acme*'").split()]
    )
    # Dates and names are not everybody's either.
    status, said = account.tries(f"{script}\nls {STATE} {RUN} 2>/dev/null")
    assert (status != 0, said) == (True, "")


def test_nobody_holds_a_run_up(team: Team, victim: Machine, account: Actor) -> None:
    script = f"for f in {STATE} {STATE}/* {RUN} {RUN}/* {RUN}-*; do flock -n $f sleep 0.1 2>/dev/null && echo $f; done"
    assert account.tries(script)[1] == ""


def held(victim: Machine, stranger: Actor, path: str) -> str:
    """Let a stranger hold a lock whose file everybody could open once; returns the process."""
    victim.run(f"chmod 0755 {path.rsplit('/', 1)[0]} && chmod 0644 {path}")
    stranger.does(f"(flock {path} sleep 300 >/dev/null 2>&1 &)")
    return str(victim.run(f"pgrep -u nobody -f 'flock {path}'").split()[0])


def test_a_lock_that_was_taken_when_everybody_could_is_named(team: Team, victim: Machine, stranger: Actor) -> None:
    process = held(victim, stranger, f"{RUN}/lock")
    try:
        began = time.monotonic()
        said = team.refuses("deploy", victim.kind, ref="v1")
        assert time.monotonic() - began < BOUND
        assert f"process {process} of user 65534" in said
    finally:
        victim.run(f"kill {process}; pkill -u nobody -x sleep; true")
    assert victim.run(f"stat -c %a {RUN} {RUN}/lock").split() == ["700", "600"]


def test_the_ledger_that_somebody_holds_is_named(team: Team, victim: Machine, stranger: Actor) -> None:
    process = held(victim, stranger, f"{STATE}/ledger.jsonl")
    try:
        began = time.monotonic()
        said = team.refuses("freeze", victim.kind, message="A fair is on")
        assert time.monotonic() - began < BOUND
        assert f"process {process} (flock, nobody's)" in said
    finally:
        victim.run(f"kill {process}; pkill -u nobody -x sleep; true")
    team.samestack("unfreeze", victim.kind)
    assert victim.run(f"stat -c %a {STATE} {STATE}/ledger.jsonl").split() == ["711", "600"]
