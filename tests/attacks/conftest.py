"""Two machines that serve the example, one of each Debian, and whoever has broken into a room of them.

A test is an attempt. What it needs of the machine it does as the actor who is named: never as root.
"""

from __future__ import annotations

import base64
import json
import shlex
from typing import TYPE_CHECKING, Any

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


class Process:
    """Code inside of the application: with its rights, its environment and its packages, confined as it is."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def python(self, program: str) -> Any:
        """Return what a Python program prints last, as JSON."""
        text = base64.b64encode(program.encode()).decode()
        line = f"import base64; exec(base64.b64decode('{text}').decode(), {{'__name__': 'attempt'}})"
        return json.loads(self.machine.manage(f'shell -c "{line}"').splitlines()[-1])


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


@pytest.fixture
def process(victim: Machine) -> Process:
    """The same, inside of its own sandbox."""
    return Process(victim)
