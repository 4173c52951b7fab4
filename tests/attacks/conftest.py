"""Two machines that serve the example, one of each Debian, and whoever has broken into a room of them.

A test is an attempt. What it needs of the machine it does as the actor who is named: never as root.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from tests.support.machines import environment
from tests.support.team import Team

if TYPE_CHECKING:
    from tests.support.machines import Environment, Machine

__all__ = ["environment"]

MACHINES = ("staging", "production")


class Actor:
    """Somebody on a machine who is not root."""

    def __init__(self, machine: Machine, account: str) -> None:
        self.machine = machine
        self.account = account

    def tries(self, script: str) -> tuple[int, str]:
        """Return the exit status and all output of a shell script that this account runs."""
        done = self.machine.host.run(f"cd / && runuser -u {self.account} -- sh -c {shlex.quote(script)} </dev/null")
        return done.rc, f"{done.stdout}{done.stderr}"

    def does(self, script: str) -> str:
        """Return the output of a script that this account can run, as preparation of an attempt."""
        status, output = self.tries(script)
        assert status == 0, f"{self.account} on {self.machine.name}: {script}\n{output}"
        return output


@pytest.fixture(scope="session")
def team(environment: Environment) -> Team:
    """Both environments, with the example's first version."""
    found = Team(environment)
    found.start(found.clone.folder / "examples" / "noticeboard")
    for name in MACHINES:
        found.deploy(name, "v1")
    return found


@pytest.fixture(scope="session", params=MACHINES)
def victim(request: pytest.FixtureRequest, team: Team) -> Machine:
    """The machine that is attacked."""
    return team.machine(request.param)


@pytest.fixture
def app(victim: Machine) -> Actor:
    """Code that runs as the application: somebody found a hole in it."""
    return Actor(victim, victim.app)


@pytest.fixture
def stranger(victim: Machine) -> Actor:
    """Any other account of the machine."""
    return Actor(victim, "nobody")
